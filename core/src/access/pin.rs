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
//! before it and a lockout after it.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};

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
    /// The duress PIN is the ordinary one.
    #[error(
        "the duress PIN is the same as the PIN, so it could not raise an alarm; choose another"
    )]
    SameAsPin,
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
/// Unless it is 4 to 12 digits.
pub fn hash_pin(digits: &str, salt: &Salt) -> Result<String, PinError> {
    if !LENGTH.contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PinError::NotDigits);
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
    /// Unless it is 4 to 12 digits, and others than those of the ordinary PIN.
    pub fn with_duress(self, duress: &str, salt: &Salt) -> Result<PinHashes, PinError> {
        let hash = hash_pin(duress, salt)?;
        if matches(&self.pin, duress) {
            return Err(PinError::SameAsPin);
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

/// A hash that cannot be read matches nothing.
fn matches(hash: &str, digits: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| {
        let argon2 = Argon2::default();
        argon2.verify_password(digits.as_bytes(), &hash).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_and_a_duress_pin_are_told_apart_and_everything_else_is_wrong() {
        let pins = PinHashes::new("2580", &[1; 16]).unwrap();
        assert!(pins.pin.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(pins.verify("2580"), Pin::Right);
        assert_eq!(
            pins.clone().with_duress("2580", &[2; 16]),
            Err(PinError::SameAsPin)
        );
        let pins = pins.with_duress("0852", &[2; 16]).unwrap();
        assert_eq!(pins.verify("0852"), Pin::Duress);
        assert_eq!(pins.verify("2580"), Pin::Right);
        for wrong in ["2581", "", "25800"] {
            assert_eq!(pins.verify(wrong), Pin::Wrong, "{wrong}");
        }
        assert!(!format!("{pins:?}").contains("argon2"));
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
