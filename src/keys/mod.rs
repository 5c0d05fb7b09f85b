//! Ed25519 keys: new ones, and their files. What they are and sign is [`doorward_core::keys`]'.

pub mod file;

pub use doorward_core::keys::*;
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

/// The system gave no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot make a key: the system gives no random numbers")]
pub struct NoRandomness;

/// A new key, as PEM.
///
/// # Errors
/// When the system gives no random numbers.
pub fn generate() -> Result<String, NoRandomness> {
    let mut seed = Zeroizing::new([0; 32]);
    SystemRandom::new()
        .fill(seed.as_mut())
        .map_err(|_| NoRandomness)?;
    Ok(pem_of_seed(&seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_new_key_is_another_one_and_can_be_used() {
        let public = |pem: String| SigningKey::from_pem(&pem).unwrap().public_key().to_pem();
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_ne!(public(one), public(other));
    }
}
