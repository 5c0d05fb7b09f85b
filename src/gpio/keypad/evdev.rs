//! A USB or wireless keypad through Linux's input devices.
//!
//! The device is grabbed: what is typed reaches this program and no console or desktop beside it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use evdev::{Device, EventSummary, KeyCode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Key, Keypad};
use crate::gpio::GpioError;

/// The value of an event when a key goes down; 0 is its release, 2 its repetition.
const PRESSED: i32 = 1;

/// An input device, opened when it is first needed and again after it failed.
pub(super) struct EvdevKeypad {
    path: PathBuf,
    device: Option<Device>,
    waiting: VecDeque<Key>,
}

impl EvdevKeypad {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            device: None,
            waiting: VecDeque::new(),
        }
    }

    fn open(&self) -> std::io::Result<Device> {
        let mut device = Device::open(&self.path)?;
        let has_digits = device.supported_keys().is_some_and(|keys| {
            keys.iter()
                .any(|code| matches!(key(code), Some(Key::Digit(_))))
        });
        if !has_digits {
            return Err(std::io::Error::other("this input device has no digits"));
        }
        device.grab()?;
        device.set_nonblocking(true)?;
        Ok(device)
    }

    fn fetch(&mut self, timeout: Duration) -> std::io::Result<()> {
        let device = match &mut self.device {
            Some(device) => device,
            None => {
                let device = self.open()?;
                self.device.insert(device)
            }
        };
        let timeout = Timespec::try_from(timeout).map_err(std::io::Error::other)?;
        let mut ready = [PollFd::new(&*device, PollFlags::IN)];
        match poll(&mut ready, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        match device.fetch_events() {
            Ok(events) => {
                for event in events {
                    if let EventSummary::Key(_, code, PRESSED) = event.destructure() {
                        self.waiting.extend(key(code));
                    }
                }
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Keypad for EvdevKeypad {
    fn next(&mut self, timeout: Duration) -> Result<Option<Key>, GpioError> {
        if self.waiting.is_empty()
            && let Err(error) = self.fetch(timeout)
        {
            // Unplugged, perhaps: the same path may be another device next time.
            self.device = None;
            return Err(GpioError::Keypad {
                device: self.path.clone(),
                message: format!(
                    "{error}; check [keypad] device against /dev/input/by-id, that no other program (the running service, too) has grabbed it, and that this user is in the group input"
                ),
            });
        }
        Ok(self.waiting.pop_front())
    }
}

/// What a key of a keypad or keyboard means.
fn key(code: KeyCode) -> Option<Key> {
    Some(match code {
        KeyCode::KEY_0 | KeyCode::KEY_KP0 | KeyCode::KEY_NUMERIC_0 => Key::Digit(0),
        KeyCode::KEY_1 | KeyCode::KEY_KP1 | KeyCode::KEY_NUMERIC_1 => Key::Digit(1),
        KeyCode::KEY_2 | KeyCode::KEY_KP2 | KeyCode::KEY_NUMERIC_2 => Key::Digit(2),
        KeyCode::KEY_3 | KeyCode::KEY_KP3 | KeyCode::KEY_NUMERIC_3 => Key::Digit(3),
        KeyCode::KEY_4 | KeyCode::KEY_KP4 | KeyCode::KEY_NUMERIC_4 => Key::Digit(4),
        KeyCode::KEY_5 | KeyCode::KEY_KP5 | KeyCode::KEY_NUMERIC_5 => Key::Digit(5),
        KeyCode::KEY_6 | KeyCode::KEY_KP6 | KeyCode::KEY_NUMERIC_6 => Key::Digit(6),
        KeyCode::KEY_7 | KeyCode::KEY_KP7 | KeyCode::KEY_NUMERIC_7 => Key::Digit(7),
        KeyCode::KEY_8 | KeyCode::KEY_KP8 | KeyCode::KEY_NUMERIC_8 => Key::Digit(8),
        KeyCode::KEY_9 | KeyCode::KEY_KP9 | KeyCode::KEY_NUMERIC_9 => Key::Digit(9),
        KeyCode::KEY_ENTER | KeyCode::KEY_KPENTER | KeyCode::KEY_NUMERIC_POUND => Key::Enter,
        KeyCode::KEY_BACKSPACE
        | KeyCode::KEY_DELETE
        | KeyCode::KEY_ESC
        | KeyCode::KEY_KPASTERISK
        | KeyCode::KEY_NUMERIC_STAR => Key::Clear,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_is_on_both_blocks_and_letters_are_nothing() {
        for digit in 0..=9u16 {
            let number = if digit == 0 { 11 } else { digit + 1 };
            let expected = Some(Key::Digit(u8::try_from(digit).unwrap()));
            assert_eq!(key(KeyCode::new(number)), expected);
            assert_eq!(key(KeyCode::new(0x200 + digit)), expected);
        }
        assert_eq!(key(KeyCode::KEY_KP7), Some(Key::Digit(7)));
        assert_eq!(key(KeyCode::KEY_A), None);
    }

    #[test]
    fn a_missing_device_says_where_to_look() {
        let mut keypad = EvdevKeypad::new("/dev/input/by-id/none".into());
        let error = keypad.next(Duration::ZERO).unwrap_err().to_string();
        assert!(
            error.contains("/dev/input/by-id/none: No such file"),
            "{error}"
        );
        assert!(error.contains("group input"), "{error}");
    }
}
