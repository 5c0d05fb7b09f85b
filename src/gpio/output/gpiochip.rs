//! The kernel's GPIO character device: all outputs in one request, off from the first moment.

use gpiocdev::Request;
use gpiocdev::line::{Offset, Value};

use super::{Driver, Wired};
use crate::config::OutputsConfig;
use crate::gpio::GpioError;

/// Lines held for as long as this lives.
#[derive(Debug)]
pub(super) struct GpiochipOutputs {
    /// Absent when nothing is wired: a request for no line is refused.
    request: Option<Request>,
    chip: String,
}

impl GpiochipOutputs {
    /// Takes the lines.
    pub(super) fn open(config: &OutputsConfig, wired: &[Wired]) -> Result<Self, GpioError> {
        let chip = config.chip.display().to_string();
        let Some(first) = wired.first() else {
            return Ok(Self {
                request: None,
                chip,
            });
        };
        let mut builder = Request::builder();
        builder.on_chip(&config.chip).with_consumer("doorward");
        for line in wired {
            builder
                .with_line(line.wiring.pin as Offset)
                .as_output(level(line, false));
        }
        // The kernel does not say which of the lines it refuses.
        let request = builder.request().map_err(|e| fault(&chip, first, &e))?;
        Ok(Self {
            request: Some(request),
            chip,
        })
    }
}

impl Driver for GpiochipOutputs {
    fn write(&mut self, wired: &Wired, on: bool) -> Result<(), GpioError> {
        let Some(request) = &self.request else {
            return Ok(());
        };
        request
            .set_value(wired.wiring.pin as Offset, level(wired, on))
            .map(|_| ())
            .map_err(|error| fault(&self.chip, wired, &error))
    }
}

fn level(wired: &Wired, on: bool) -> Value {
    if wired.is_high(on) {
        Value::Active
    } else {
        Value::Inactive
    }
}

fn fault(chip: &str, wired: &Wired, error: &gpiocdev::Error) -> GpioError {
    GpioError::Line {
        what: format!("outputs.{}", wired.output.as_str()),
        device: chip.to_owned(),
        pin: wired.wiring.pin,
        message: format!(
            "{error}; check [outputs] chip and all its pins, that no other program (the running service, too) holds one of them, and that this user is in the group gpio"
        ),
    }
}
