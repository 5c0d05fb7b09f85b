//! The rppal crate: registers of the Raspberry Pi, polled. Its interrupts would need the
//! character device, and where that is to be had, `gpiochip` is the better driver.

use rppal::gpio::{Gpio, InputPin};

use super::{InputLine, is_active};
use crate::config::{InputWiring, Pull};
use crate::gpio::GpioError;

/// A pin held for as long as this lives.
#[derive(Debug)]
pub(super) struct RppalInput {
    pin: InputPin,
    wiring: InputWiring,
}

impl RppalInput {
    /// Takes the pin as an input with its resistor.
    pub(super) fn open(wiring: &InputWiring, what: &str) -> Result<Self, GpioError> {
        let fault = |error: String| GpioError::Line {
            what: what.to_owned(),
            device: "rppal".into(),
            pin: wiring.pin,
            message: format!(
                "{error}; this driver works on a Raspberry Pi with /dev/gpiomem only, elsewhere set [{what}] driver = \"gpiochip\""
            ),
        };
        let number = u8::try_from(wiring.pin).map_err(|e| fault(e.to_string()))?;
        let gpio = Gpio::new().map_err(|e| fault(e.to_string()))?;
        let pin = gpio.get(number).map_err(|e| fault(e.to_string()))?;
        let pin = match wiring.pull {
            Pull::Up => pin.into_input_pullup(),
            Pull::Down => pin.into_input_pulldown(),
            Pull::None => pin.into_input(),
        };
        Ok(Self {
            pin,
            wiring: wiring.clone(),
        })
    }
}

impl InputLine for RppalInput {
    fn read(&mut self) -> Result<bool, GpioError> {
        Ok(is_active(self.wiring.active, self.pin.is_high()))
    }
}
