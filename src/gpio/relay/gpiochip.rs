//! The kernel's GPIO character device: any board, and no other process can take the line.

use gpiocdev::Request;
use gpiocdev::line::{Offset, Value};

use super::{Relay, RelayError, is_high};
use crate::config::RelayConfig;
use crate::event::wire::Lock;

/// A line held for as long as this lives.
#[derive(Debug)]
pub(super) struct GpiochipRelay {
    request: Request,
    config: RelayConfig,
}

impl GpiochipRelay {
    /// Takes the line as an output that is at its safe level from the first moment.
    pub(super) fn open(config: &RelayConfig) -> Result<Self, RelayError> {
        let request = Request::builder()
            .on_chip(&config.chip)
            .with_consumer("doorward")
            .with_line(config.pin as Offset)
            .as_output(level(config, Lock::Secured))
            .request()
            .map_err(|error| fault(config, &error))?;
        Ok(Self {
            request,
            config: config.clone(),
        })
    }
}

impl Relay for GpiochipRelay {
    fn set(&mut self, lock: Lock) -> Result<(), RelayError> {
        self.request
            .set_value(self.config.pin as Offset, level(&self.config, lock))
            .map(|_| ())
            .map_err(|error| fault(&self.config, &error))
    }
}

impl Drop for GpiochipRelay {
    fn drop(&mut self) {
        // Nothing more can be done about a failure here; `doorward relay secure` runs after us.
        let _ = self.set(Lock::Secured);
    }
}

fn level(config: &RelayConfig, lock: Lock) -> Value {
    if is_high(config.active, lock) {
        Value::Active
    } else {
        Value::Inactive
    }
}

fn fault(config: &RelayConfig, error: &gpiocdev::Error) -> RelayError {
    RelayError::Gpio {
        device: config.chip.display().to_string(),
        pin: config.pin,
        message: format!(
            "{error}; check [relay] chip and pin, that no other program holds the pin, and that this user is in the group gpio"
        ),
    }
}
