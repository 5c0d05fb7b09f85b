//! The keypad: keys in, PINs out, and no digit is ever printed.
//!
//! A keypad that is missing or unplugged is tried again; meanwhile nobody can type a PIN, and
//! everything else works. What was typed before the program started is never typed again.

mod entry;
mod evdev;
mod simulated;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::GpioError;
use super::watch::{STOP, Trouble};
use crate::clock::Clock;
use crate::config::{KeypadConfig, KeypadDriver};

pub use entry::{LONGEST_PIN, PinEntry, SILENCE};

use crate::access::pin::Typed;

/// One key that was pressed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// 0 to 9.
    Digit(u8),
    /// The PIN is complete.
    Enter,
    /// Forget what was typed.
    Clear,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Key::Digit(_) => "Digit(*)",
            Key::Enter => "Enter",
            Key::Clear => "Clear",
        })
    }
}

/// Where keys come from.
pub trait Keypad: Send {
    /// The next key, or `None` if there is none within the timeout.
    ///
    /// # Errors
    /// When the device is not there or fails; the next call tries to open it again.
    fn next(&mut self, timeout: Duration) -> Result<Option<Key>, GpioError>;
}

/// The configured keypad. Its device is opened by the first [`Keypad::next`]: a keypad that is
/// plugged in later must not keep the door from starting.
#[must_use]
pub fn open(config: &KeypadConfig) -> Box<dyn Keypad> {
    match config.driver {
        KeypadDriver::Evdev => Box::new(evdev::EvdevKeypad::new(config.device.clone())),
        KeypadDriver::Simulated => Box::new(simulated::SimulatedKeypad::new(config.device.clone())),
    }
}

/// Collects PINs until `stop`; a failing keypad is told once a failure and tried again.
pub fn watch_keypad(
    keypad: &mut dyn Keypad,
    clock: &dyn Clock,
    stop: &AtomicBool,
    mut on_pin: impl FnMut(Typed),
    mut on_fault: impl FnMut(&GpioError),
) {
    let mut entry = PinEntry::default();
    let mut trouble = Trouble::default();
    while !stop.load(Ordering::Relaxed) {
        match keypad.next(STOP) {
            Ok(key) => {
                trouble.over();
                entry.tick(clock.tick());
                if let Some(pin) = key.and_then(|key| entry.press(key, clock.tick())) {
                    on_pin(pin);
                }
            }
            Err(error) => {
                entry.clear();
                trouble.met(&error, stop, &mut on_fault);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    /// Gives these keys (`x` fails), then stops the watch.
    struct Script<'a>(std::str::Chars<'a>, &'a AtomicBool);

    impl Keypad for Script<'_> {
        fn next(&mut self, _: Duration) -> Result<Option<Key>, GpioError> {
            match self.0.next() {
                Some('x') => Err(GpioError::Keypad {
                    device: "keypad".into(),
                    message: "unplugged".into(),
                }),
                Some(key) => Ok(simulated::key(key as u8)),
                None => {
                    self.1.store(true, Ordering::Relaxed);
                    Ok(None)
                }
            }
        }
    }

    #[test]
    fn pins_come_out_and_a_failure_forgets_what_was_typed() {
        let stop = AtomicBool::new(false);
        let mut keypad = Script("1234#12x34#".chars(), &stop);
        let (mut pins, mut faults) = (Vec::new(), 0);
        watch_keypad(
            &mut keypad,
            &SystemClock::new(),
            &stop,
            |pin| pins.push(pin.digits.as_str().to_owned()),
            |_| faults += 1,
        );
        assert_eq!((pins, faults), (vec!["1234".to_owned(), "34".into()], 1));
    }

    #[test]
    fn keys_are_never_printed() {
        assert_eq!(format!("{:?}", Key::Digit(7)), "Digit(*)");
    }
}
