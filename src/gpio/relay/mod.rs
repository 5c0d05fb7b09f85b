//! The relay behind one trait: real pins and a simulated one.
//!
//! A driver only moves the pin; when and why is decided elsewhere. Opening a driver sets the
//! safe level before anything else. Dropping one sets it again, and the process's death
//! leaves it to the kernel and to `doorward relay secure`.

mod gpiochip;
mod rppal;
mod second;
mod simulated;

use super::GpioError;
use crate::config::{ActiveLevel, OutputsConfig, RelayConfig, RelayDriver};
use crate::event::wire::Lock;

/// A relay that can be released and secured.
pub trait Relay: Send {
    /// Sets the pin.
    ///
    /// # Errors
    /// When the driver cannot; the pin may then be in either level.
    fn set(&mut self, lock: Lock) -> Result<(), RelayError>;
}

/// Why a relay does not move.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The GPIO device does not do what it is asked for.
    #[error("relay on {device} pin {pin}: {message}")]
    Gpio {
        /// Device file or driver.
        device: String,
        /// BCM number.
        pin: u32,
        /// Cause and way out.
        message: String,
    },
    /// The simulated relay cannot write its transitions.
    #[error("relay transitions file {path}: {source}", path = path.display())]
    Transitions {
        /// Which file.
        path: std::path::PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The second relay.
    #[error(transparent)]
    Second(#[from] GpioError),
}

/// Opens the configured relay, secured.
///
/// # Errors
/// When the device is missing, in use or may not be used.
pub fn open(config: &RelayConfig) -> Result<Box<dyn Relay>, RelayError> {
    Ok(match config.driver {
        RelayDriver::Gpiochip => Box::new(gpiochip::GpiochipRelay::open(config)?),
        RelayDriver::Rppal => Box::new(rppal::RppalRelay::open(config)?),
        RelayDriver::Simulated => Box::new(simulated::SimulatedRelay::open(config)?),
    })
}

/// Opens the second relay, secured; none where none is wired.
///
/// # Errors
/// When the device is missing, in use or may not be used.
pub fn open_second(config: &OutputsConfig) -> Result<Option<Box<dyn Relay>>, RelayError> {
    Ok(match config.second_relay_alone() {
        Some(alone) => Some(Box::new(second::SecondRelay::open(&alone)?)),
        None => None,
    })
}

/// Whether the pin is high for this command.
fn is_high(active: ActiveLevel, lock: Lock) -> bool {
    (active == ActiveLevel::High) == (lock == Lock::Released)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_safe_level_is_the_opposite_of_the_active_one() {
        assert!(!is_high(ActiveLevel::High, Lock::Secured));
        assert!(is_high(ActiveLevel::High, Lock::Released));
        assert!(is_high(ActiveLevel::Low, Lock::Secured));
        assert!(!is_high(ActiveLevel::Low, Lock::Released));
    }
}
