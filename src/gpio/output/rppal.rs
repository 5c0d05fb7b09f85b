//! The rppal crate: registers of the Raspberry Pi.

use rppal::gpio::{Gpio, OutputPin};

use super::{Driver, Output, Wired};
use crate::gpio::GpioError;

/// Pins held for as long as this lives.
#[derive(Debug)]
pub(super) struct RppalOutputs {
    pins: Vec<(Output, OutputPin)>,
}

impl RppalOutputs {
    /// Takes the pins, off.
    pub(super) fn open(wired: &[Wired]) -> Result<Self, GpioError> {
        let mut pins = Vec::new();
        for line in wired {
            let fault = |error: String| GpioError::Line {
                what: format!("outputs.{}", line.output.as_str()),
                device: "rppal".into(),
                pin: line.wiring.pin,
                message: format!(
                    "{error}; this driver works on a Raspberry Pi with /dev/gpiomem only, elsewhere set [outputs] driver = \"gpiochip\""
                ),
            };
            let number = u8::try_from(line.wiring.pin).map_err(|e| fault(e.to_string()))?;
            let gpio = Gpio::new().map_err(|e| fault(e.to_string()))?;
            let pin = gpio.get(number).map_err(|e| fault(e.to_string()))?;
            let mut pin = if line.is_high(false) {
                pin.into_output_high()
            } else {
                pin.into_output_low()
            };
            // Turning back into an input would leave the level to the board's pull resistor.
            pin.set_reset_on_drop(false);
            pins.push((line.output, pin));
        }
        Ok(Self { pins })
    }
}

impl Driver for RppalOutputs {
    fn write(&mut self, wired: &Wired, on: bool) -> Result<(), GpioError> {
        let pin = self.pins.iter_mut().find(|(o, _)| *o == wired.output);
        if let Some((_, pin)) = pin {
            pin.write(wired.is_high(on).into());
        }
        Ok(())
    }
}
