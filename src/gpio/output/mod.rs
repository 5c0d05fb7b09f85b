//! Outputs besides the relay: three lights, a sounder and a second relay.
//!
//! In the service the second relay is opened alone, for the [`super::latch`], and the others for the
//! [`super::panel`].
//!
//! Everything is off when opened and when dropped. What is not wired is silently not there: an
//! installer with one green light needs no other. Nothing in here is needed to lock or unlock.

mod gpiochip;
mod rppal;
mod simulated;

use serde::Serialize;

use super::GpioError;
use crate::config::{ActiveLevel, OutputPin, OutputsConfig, RelayDriver};

/// What can be wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Green light.
    Green,
    /// Red light.
    Red,
    /// Blue light.
    Blue,
    /// Sounder.
    Sounder,
    /// The relay that follows the first one.
    SecondRelay,
}

impl Output {
    /// All of them, in the configuration's order.
    pub const ALL: [Output; 5] = [
        Output::Green,
        Output::Red,
        Output::Blue,
        Output::Sounder,
        Output::SecondRelay,
    ];

    /// Its key in `[outputs]`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Output::Green => "green",
            Output::Red => "red",
            Output::Blue => "blue",
            Output::Sounder => "sounder",
            Output::SecondRelay => "second_relay",
        }
    }

    fn wired(self, config: &OutputsConfig) -> Option<OutputPin> {
        match self {
            Output::Green => config.green,
            Output::Red => config.red,
            Output::Blue => config.blue,
            Output::Sounder => config.sounder,
            Output::SecondRelay => config.second_relay,
        }
    }
}

/// One wired output.
#[derive(Debug, Clone, Copy)]
struct Wired {
    output: Output,
    wiring: OutputPin,
    /// What it was last set to; unknown after a failure.
    on: Option<bool>,
}

impl Wired {
    fn is_high(&self, on: bool) -> bool {
        (self.wiring.active == ActiveLevel::High) == on
    }
}

/// Moves pins, each already off when the driver is opened.
trait Driver: Send {
    fn write(&mut self, wired: &Wired, on: bool) -> Result<(), GpioError>;
}

/// The wired outputs.
pub struct Outputs {
    driver: Box<dyn Driver>,
    wired: Vec<Wired>,
}

impl Outputs {
    /// Takes all wired pins, off.
    ///
    /// # Errors
    /// When the device is missing, in use or may not be used.
    pub fn open(config: &OutputsConfig) -> Result<Self, GpioError> {
        let wired: Vec<_> = Output::ALL
            .into_iter()
            .filter_map(|output| {
                output.wired(config).map(|wiring| Wired {
                    output,
                    wiring,
                    on: None,
                })
            })
            .collect();
        let driver: Box<dyn Driver> = match config.driver {
            RelayDriver::Gpiochip => Box::new(gpiochip::GpiochipOutputs::open(config, &wired)?),
            RelayDriver::Rppal => Box::new(rppal::RppalOutputs::open(&wired)?),
            RelayDriver::Simulated => Box::new(simulated::SimulatedOutputs::open(config)?),
        };
        let mut outputs = Self { driver, wired };
        for output in Output::ALL {
            outputs.set(output, false)?;
        }
        Ok(outputs)
    }

    /// Which outputs there are.
    pub fn wired(&self) -> impl Iterator<Item = Output> + '_ {
        self.wired.iter().map(|wired| wired.output)
    }

    /// Sets an output; nothing happens if it is not wired, or is so already.
    ///
    /// # Errors
    /// When the driver cannot; the pin may then be in either level.
    pub fn set(&mut self, output: Output, on: bool) -> Result<(), GpioError> {
        let Some(wired) = self.wired.iter_mut().find(|wired| wired.output == output) else {
            return Ok(());
        };
        if wired.on == Some(on) {
            return Ok(());
        }
        wired.on = None;
        self.driver.write(wired, on)?;
        wired.on = Some(on);
        Ok(())
    }
}

impl Drop for Outputs {
    fn drop(&mut self) {
        for output in Output::ALL {
            if let Err(error) = self.set(output, false) {
                tracing::warn!(%error, "an output cannot be switched off");
            }
        }
    }
}

impl std::fmt::Debug for Outputs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Outputs").field(&self.wired).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn everything_is_off_at_first_and_at_last_and_only_changes_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outputs.jsonl");
        let pin = |pin| {
            Some(OutputPin {
                pin,
                active: ActiveLevel::Low,
            })
        };
        let config = OutputsConfig {
            driver: RelayDriver::Simulated,
            green: pin(5),
            second_relay: pin(26),
            transitions: Some(path.clone()),
            ..OutputsConfig::default()
        };
        let mut outputs = Outputs::open(&config).unwrap();
        assert_eq!(
            outputs.wired().collect::<Vec<_>>(),
            [Output::Green, Output::SecondRelay]
        );
        outputs.set(Output::Green, true).unwrap();
        outputs.set(Output::Green, true).unwrap();
        outputs.set(Output::Red, true).unwrap();
        drop(outputs);
        let text = std::fs::read_to_string(path).unwrap();
        let seen: Vec<_> = text
            .lines()
            .map(|line| {
                let line: Value = serde_json::from_str(line).unwrap();
                assert!(line["time"].is_string());
                format!("{} {}", line["output"].as_str().unwrap(), line["on"])
            })
            .collect();
        assert_eq!(
            seen,
            [
                "green false",
                "second_relay false",
                "green true",
                "green false"
            ]
        );
    }
}
