//! The rppal crate: registers of the Raspberry Pi, through `/dev/gpiomem`.
//!
//! For boards where the character device is not to be had; rppal is retired by its author
//! (docs/decisions/0002).

use rppal::gpio::{Gpio, Level, OutputPin};

use super::{Relay, RelayError, is_high};
use crate::config::RelayConfig;
use crate::event::wire::Lock;

/// A pin held for as long as this lives.
#[derive(Debug)]
pub(super) struct RppalRelay {
    pin: OutputPin,
    config: RelayConfig,
}

impl RppalRelay {
    /// Takes the pin as an output that is at its safe level from the first moment.
    pub(super) fn open(config: &RelayConfig) -> Result<Self, RelayError> {
        let fault = |error: String| RelayError::Gpio {
            device: "rppal".into(),
            pin: config.pin,
            message: format!(
                "{error}; this driver works on a Raspberry Pi with /dev/gpiomem only, elsewhere set [relay] driver = \"gpiochip\""
            ),
        };
        let number = u8::try_from(config.pin).map_err(|e| fault(e.to_string()))?;
        let gpio = Gpio::new().map_err(|e| fault(e.to_string()))?;
        let pin = gpio.get(number).map_err(|e| fault(e.to_string()))?;
        let mut pin = match level(config, Lock::Secured) {
            Level::High => pin.into_output_high(),
            Level::Low => pin.into_output_low(),
        };
        // Turning back into an input at the end would leave the level to the board's pull resistor.
        pin.set_reset_on_drop(false);
        Ok(Self {
            pin,
            config: config.clone(),
        })
    }
}

impl Relay for RppalRelay {
    fn set(&mut self, lock: Lock) -> Result<(), RelayError> {
        self.pin.write(level(&self.config, lock));
        Ok(())
    }
}

impl Drop for RppalRelay {
    fn drop(&mut self) {
        self.pin.write(level(&self.config, Lock::Secured));
    }
}

fn level(config: &RelayConfig, lock: Lock) -> Level {
    Level::from(is_high(config.active, lock))
}
