//! The second relay: one of `[outputs]` by its wiring, a relay by what it does.

use super::{Relay, RelayError};
use crate::config::OutputsConfig;
use crate::event::wire::Lock;
use crate::gpio::output::{Output, Outputs};

/// Its output, and nothing else; off is secured, at first and when dropped.
#[derive(Debug)]
pub(super) struct SecondRelay(Outputs);

impl SecondRelay {
    /// Takes the pin of a configuration that has no other output.
    pub(super) fn open(alone: &OutputsConfig) -> Result<Self, RelayError> {
        Ok(Self(Outputs::open(alone)?))
    }
}

impl Relay for SecondRelay {
    fn set(&mut self, lock: Lock) -> Result<(), RelayError> {
        Ok(self.0.set(Output::SecondRelay, lock == Lock::Released)?)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{ActiveLevel, OutputPin, RelayDriver};
    use crate::gpio::relay::open_second;

    use super::*;

    #[test]
    fn it_moves_only_its_own_pin_and_ends_secured() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outputs.jsonl");
        let pin = |pin| {
            Some(OutputPin {
                pin,
                active: ActiveLevel::Low,
            })
        };
        let mut config = OutputsConfig {
            driver: RelayDriver::Simulated,
            green: pin(5),
            second_relay: pin(26),
            transitions: Some(path.clone()),
            ..OutputsConfig::default()
        };
        let mut second = open_second(&config).unwrap().unwrap();
        second.set(Lock::Released).unwrap();
        second.set(Lock::Released).unwrap();
        drop(second);
        let text = std::fs::read_to_string(path).unwrap();
        let on: Vec<_> = text
            .lines()
            .map(|line| {
                assert!(line.contains("\"output\":\"second_relay\""), "{line}");
                line.contains("\"on\":true")
            })
            .collect();
        assert_eq!(on, [false, true, false]);
        config.second_relay = None;
        assert!(open_second(&config).unwrap().is_none());
    }
}
