//! Inputs behind one trait: the contact's and the exit button's line.
//!
//! A driver tells the level of this instant and nothing more: bounces pass through here, and
//! [`super::debounce`] decides what is believed.

mod gpiochip;
mod rppal;
mod simulated;

use std::time::Duration;

use super::GpioError;
use crate::config::{ActiveLevel, InputWiring, RelayDriver};

/// How often a driver without edges is looked at.
const POLL: Duration = Duration::from_millis(10);

/// One input line.
pub trait InputLine: Send {
    /// Whether the line is active now.
    ///
    /// # Errors
    /// When the level cannot be told; it must never be guessed.
    fn read(&mut self) -> Result<bool, GpioError>;

    /// Returns at an edge or after the timeout, whichever is first. Drivers that see no edges
    /// return after 10 ms at the latest.
    ///
    /// # Errors
    /// When the line fails meanwhile.
    fn wait(&mut self, timeout: Duration) -> Result<(), GpioError> {
        std::thread::sleep(timeout.min(POLL));
        Ok(())
    }
}

/// Takes the line that is wired so. `what` is the configuration's section, for the messages.
///
/// # Errors
/// When the device is missing, in use or may not be used.
pub fn open(wiring: &InputWiring, what: &str) -> Result<Box<dyn InputLine>, GpioError> {
    Ok(match wiring.driver {
        RelayDriver::Gpiochip => Box::new(gpiochip::GpiochipInput::open(wiring, what)?),
        RelayDriver::Rppal => Box::new(rppal::RppalInput::open(wiring, what)?),
        RelayDriver::Simulated => Box::new(simulated::SimulatedInput::open(wiring, what)?),
    })
}

/// Whether a line at this level is active.
fn is_active(active: ActiveLevel, high: bool) -> bool {
    (active == ActiveLevel::High) == high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn active_is_what_the_configuration_says() {
        assert!(is_active(ActiveLevel::High, true));
        assert!(!is_active(ActiveLevel::High, false));
        assert!(is_active(ActiveLevel::Low, false));
        assert!(!is_active(ActiveLevel::Low, true));
    }
}
