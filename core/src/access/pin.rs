//! PINs: how they are kept, and whether typed digits are one of somebody's.
//!
//! Flows in: digits, and salts that the caller drew at random. Flows out: PHC strings, and a
//! [`Pin`]. Digits are never kept, shown or logged.
//!
//! Argon2id with 19 MiB, two passes and one lane: of the equivalent choices in OWASP's Password
//! Storage Cheat Sheet one that leaves most of a Pi's memory alone. One verification took 13 ms of a
//! server core; on a Pi 4 it is estimated, not measured, at 0.1 s, and twice that for somebody who
//! has a duress PIN too. It slows down a thief of the database, who need try only 10 000 PINs of four
//! digits: the hash buys minutes, not safety. What protects a PIN at the door is that a face comes
//! before it, a lockout after it, and that it is none of those that are guessed first ([`guessable`]).

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};

use super::guessable;
use super::rules::PinHashes;
use crate::clock::Tick;
use zeroize::Zeroizing;

/// Digits that somebody typed: gone from memory when they are dropped, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Digits(Zeroizing<String>);

impl Digits {
    /// These digits.
    #[must_use]
    pub fn new(digits: Zeroizing<String>) -> Self {
        Self(digits)
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Digits up to Enter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    /// Which.
    pub digits: Digits,
    /// When the first of them was pressed: they belong to whoever was shown then.
    pub began: Tick,
}

impl std::fmt::Debug for Digits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digits(*)")
    }
}

/// How many digits a PIN may have.
pub const LENGTH: std::ops::RangeInclusive<usize> = 4..=12;
/// Random bytes for each hash.
pub type Salt = [u8; 16];

/// Memory, in KiB.
const MEMORY: u32 = 19 * 1024;
/// Passes over it.
const PASSES: u32 = 2;
/// Threads at work: a Pi has other things to do.
const LANES: u32 = 1;

/// A PIN that cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// Not digits, too few, or too many.
    #[error("a PIN is 4 to 12 digits; type only 0 to 9")]
    NotDigits,
    /// One of the first that anybody would try.
    #[error("this PIN is among the first that are guessed: {0}; choose another")]
    Common(&'static str),
    /// The duress PIN is the ordinary one, or a slip away from it.
    #[error(
        "the PIN and the duress PIN must differ in two digits at least, or a slip would raise an alarm or keep it back; choose another"
    )]
    NearPin,
    /// The hash function refused.
    #[error("the PIN could not be hashed ({0}); is there enough memory?")]
    Hash(String),
}

/// What typed digits are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// The ordinary PIN.
    Right,
    /// The PIN that also raises a silent alarm.
    Duress,
    /// Neither.
    Wrong,
}

/// Hashes one PIN; `salt` must be drawn at random for it.
///
/// # Errors
/// Unless it is 4 to 12 digits, and not among the first that are guessed.
pub fn hash_pin(digits: &str, salt: &Salt) -> Result<String, PinError> {
    if !LENGTH.contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PinError::NotDigits);
    }
    if let Some(why) = guessable::common(digits) {
        return Err(PinError::Common(why));
    }
    let failed = |error: &dyn std::fmt::Display| PinError::Hash(error.to_string());
    let params = Params::new(MEMORY, PASSES, LANES, None).map_err(|error| failed(&error))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2
        .hash_password_with_salt(digits.as_bytes(), salt)
        .map_err(|error| failed(&error))?;
    Ok(hash.to_string())
}

impl PinHashes {
    /// Hashes somebody's PIN; there is no duress PIN yet.
    ///
    /// # Errors
    /// Unless it is 4 to 12 digits.
    pub fn new(pin: &str, salt: &Salt) -> Result<PinHashes, PinError> {
        Ok(PinHashes {
            pin: hash_pin(pin, salt)?,
            duress: None,
        })
    }

    /// The same with this duress PIN.
    ///
    /// # Errors
    /// Unless it is 4 to 12 digits, and differs from the ordinary PIN in two of them.
    pub fn with_duress(self, duress: &str, salt: &Salt) -> Result<PinHashes, PinError> {
        let hash = hash_pin(duress, salt)?;
        if is_near(&self.pin, duress) {
            return Err(PinError::NearPin);
        }
        Ok(PinHashes {
            pin: self.pin,
            duress: Some(hash),
        })
    }

    /// What these digits are. Takes as long for a right PIN as for a wrong one: whoever looks on
    /// must not be able to tell duress.
    #[must_use]
    pub fn verify(&self, digits: &str) -> Pin {
        let right = matches(&self.pin, digits);
        let duress = self.duress.as_ref().map(|hash| matches(hash, digits));
        match (right, duress) {
            (true, _) => Pin::Right,
            (false, Some(true)) => Pin::Duress,
            (false, _) => Pin::Wrong,
        }
    }

    /// Whether these digits are the duress PIN.
    #[must_use]
    pub fn is_duress(&self, digits: &str) -> bool {
        let duress = self.duress.as_ref();
        duress.is_some_and(|hash| matches(hash, digits))
    }
}

/// Whether the PIN of this hash differs from these digits in no place or in one. Tries them all: for four
/// digits fifty, which takes a Pi some seconds.
#[must_use]
pub fn is_near(hash: &str, digits: &str) -> bool {
    guessable::slips(digits).any(|slip| matches(hash, &slip))
}

/// A hash that cannot be read matches nothing.
fn matches(hash: &str, digits: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| {
        let argon2 = Argon2::default();
        argon2.verify_password(digits.as_bytes(), &hash).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{PIN, hash};
    use super::*;

    #[test]
    fn a_pin_and_a_duress_pin_are_told_apart_and_everything_else_is_wrong() {
        let pins = PinHashes::new("4711", &[1; 16]).unwrap();
        assert!(pins.pin.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(pins.verify("4711"), Pin::Right);
        let pins = PinHashes {
            duress: Some(hash_pin("0815", &[2; 16]).unwrap()),
            ..pins
        };
        assert_eq!(pins.verify("0815"), Pin::Duress);
        assert_eq!(pins.verify("4711"), Pin::Right);
        for wrong in ["4712", "", "47110"] {
            assert_eq!(pins.verify(wrong), Pin::Wrong, "{wrong}");
        }
        assert!(!format!("{pins:?}").contains("argon2"));
    }

    #[test]
    fn a_duress_pin_is_no_slip_away_from_the_pin() {
        let pins = || PinHashes {
            pin: hash(PIN),
            duress: None,
        };
        for near in [PIN, "4712", "9711", "47116"] {
            let refused = pins().with_duress(near, &[2; 16]);
            assert_eq!(refused, Err(PinError::NearPin), "{near}");
        }
        assert!(pins().with_duress("4722", &[2; 16]).is_ok());
        let common = pins().with_duress("1234", &[2; 16]);
        assert!(matches!(common, Err(PinError::Common(_))));
    }

    #[test]
    fn a_pin_that_is_guessed_first_is_refused() {
        for pin in ["0000", "1234", "1111", "2580", "1984", "2026", "7777"] {
            let refused = hash_pin(pin, &[0; 16]);
            assert!(matches!(refused, Err(PinError::Common(_))), "{pin}");
        }
    }

    #[test]
    fn only_4_to_12_digits_are_a_pin() {
        for text in ["", "123", "1234567890123", "12a4", "１２３４", "12 4"] {
            assert_eq!(hash_pin(text, &[0; 16]), Err(PinError::NotDigits), "{text}");
        }
    }

    #[test]
    fn a_hash_that_cannot_be_read_matches_nothing() {
        let pins = PinHashes {
            pin: "2580".into(),
            duress: Some(String::new()),
        };
        assert_eq!(pins.verify("2580"), Pin::Wrong);
    }
}
