//! From keys to a PIN. Pure.
//!
//! Digits leave here as [`Typed`] only, which wipe their memory, do not print themselves, and say when
//! the first of them was pressed.

use std::time::Duration;

use zeroize::Zeroizing;

use super::Key;
use crate::access::pin::{Digits, Typed};
use crate::clock::Tick;

/// Digits of the longest PIN; a longer one is no PIN at all, not its beginning.
pub const LONGEST_PIN: usize = 12;

/// After so much silence what was typed is forgotten: the next visitor starts anew.
pub const SILENCE: Duration = Duration::from_secs(10);

/// Collects digits until Enter.
#[derive(Clone)]
pub struct PinEntry {
    /// Has room for the longest PIN from the start: growing would leave copies behind.
    digits: Zeroizing<String>,
    too_long: bool,
    began: Tick,
    last: Tick,
}

impl Default for PinEntry {
    fn default() -> Self {
        Self {
            digits: room(),
            too_long: false,
            began: Tick::default(),
            last: Tick::default(),
        }
    }
}

impl PinEntry {
    /// Takes a key; Enter gives the PIN, if there is one.
    pub fn press(&mut self, key: Key, now: Tick) -> Option<Typed> {
        self.tick(now);
        self.last = now;
        if self.digits.is_empty() {
            self.began = now;
        }
        match key {
            Key::Digit(digit @ 0..=9) if self.digits.len() < LONGEST_PIN => {
                self.digits.push(char::from(b'0' + digit));
            }
            Key::Digit(_) => self.too_long = true,
            Key::Clear => self.clear(),
            Key::Enter => {
                let refused = self.too_long || self.digits.is_empty();
                let digits = Digits::new(std::mem::replace(&mut self.digits, room()));
                let began = self.began;
                self.clear();
                return (!refused).then_some(Typed { digits, began });
            }
        }
        None
    }

    /// Forgets what was typed before a silence.
    pub fn tick(&mut self, now: Tick) {
        if now.since(self.last) >= SILENCE {
            self.clear();
        }
    }

    /// Forgets what was typed.
    pub fn clear(&mut self) {
        self.digits = room();
        self.too_long = false;
    }
}

impl std::fmt::Debug for PinEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PinEntry(*)")
    }
}

fn room() -> Zeroizing<String> {
    Zeroizing::new(String::with_capacity(LONGEST_PIN))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gpio::keypad::simulated::key;

    fn at(ms: u64) -> Tick {
        Tick(Duration::from_millis(ms))
    }

    /// Keys a tenth of a second apart; the PINs that come out.
    fn typed(keys: &str) -> Vec<String> {
        let mut entry = PinEntry::default();
        let mut now = 0;
        let mut pins = Vec::new();
        for letter in keys.chars() {
            now += if letter == ' ' { 10_000 } else { 100 };
            if let Some(key) = key(letter as u8)
                && let Some(pin) = entry.press(key, at(now))
            {
                pins.push(pin.digits.as_str().to_owned());
            }
        }
        pins
    }

    #[test]
    fn enter_completes_clear_and_silence_drop() {
        assert_eq!(typed("1234#56#"), ["1234", "56"]);
        assert_eq!(typed("12*34#"), ["34"]);
        assert_eq!(typed("12 34#"), ["34"]);
        assert_eq!(typed("##*#"), [""; 0]);
    }

    #[test]
    fn a_pin_that_is_too_long_is_none_and_the_next_one_counts() {
        assert_eq!(typed("123456789012#"), ["123456789012"]);
        assert_eq!(typed("1234567890123#1234#"), ["1234"]);
        assert_eq!(typed("1234567890123*1234#"), ["1234"]);
    }

    #[test]
    fn nothing_typed_is_printed() {
        let mut entry = PinEntry::default();
        entry.press(Key::Digit(7), at(0));
        let shown = format!("{entry:?}");
        let pin = entry.press(Key::Enter, at(0)).unwrap();
        assert_eq!(format!("{shown} {:?}", pin.digits), "PinEntry(*) Digits(*)");
        assert!(!format!("{pin:?}").contains('7'));
    }

    #[test]
    fn digits_begin_with_the_first_of_them_that_counts() {
        let mut entry = PinEntry::default();
        for (key, ms) in [
            (Key::Digit(1), 100),
            (Key::Clear, 200),
            (Key::Digit(2), 300),
        ] {
            assert_eq!(entry.press(key, at(ms)), None);
        }
        entry.press(Key::Digit(3), at(9_000));
        let typed = entry.press(Key::Enter, at(9_500)).unwrap();
        assert_eq!((typed.digits.as_str(), typed.began), ("23", at(300)));
        entry.press(Key::Digit(4), at(10_000));
        // Forgotten in the silence.
        entry.press(Key::Digit(5), at(20_000));
        let typed = entry.press(Key::Enter, at(20_100)).unwrap();
        assert_eq!((typed.digits.as_str(), typed.began), ("5", at(20_000)));
        let longest = u32::try_from(LONGEST_PIN).unwrap();
        assert!(SILENCE * longest <= crate::access::keypad::TYPING);
    }

    proptest! {
        #[test]
        fn a_pin_is_what_was_typed_since_the_last_enter_or_clear(keys in "[0-9#*]{0,60}") {
            let expected: Vec<_> = keys
                .split_inclusive('#')
                .filter_map(|part| part.strip_suffix('#'))
                .map(|part| part.rsplit('*').next().unwrap())
                .filter(|digits| (1..=LONGEST_PIN).contains(&digits.len()))
                .collect();
            prop_assert_eq!(typed(&keys), expected);
        }
    }
}
