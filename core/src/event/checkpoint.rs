//! Checkpoints: signed statements of how far the record goes, for others to keep.
//!
//! Whoever holds one can prove later that the record was cut or rewritten before that point. A
//! checkpoint is a JWS in compact form (RFC 7515) with EdDSA (RFC 8037), so that any JWT library
//! verifies it. Pure: keys come in as bytes, time as a value. Flows in: the chain's head. Flows
//! out: text.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chain::{ChainHash, Head};
use crate::clock::Timestamp;
pub use crate::keys::{CONTENT_TYPE, PublicKey};
use crate::keys::{KeyError, SigningKey};

/// What a checkpoint claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CheckpointClaims")]
pub struct Claims {
    /// Which door: its CloudEvents source, `/doorward/SITE/DOOR`.
    pub iss: String,
    /// When it was signed, in seconds since 1970.
    pub iat: i64,
    /// Number of the newest event.
    pub seq: u64,
    /// Its hash.
    pub hash: ChainHash,
    /// How many events the record holds; less than `seq` when old ones were pruned.
    pub events: u64,
}

impl Claims {
    /// The place in the chain that they are about.
    #[must_use]
    pub fn head(&self) -> Head {
        Head {
            seq: self.seq,
            hash: self.hash,
        }
    }
}

/// Why a key or a checkpoint was refused.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The statement could not be signed.
    #[error("cannot sign a checkpoint: {0}")]
    Sign(jsonwebtoken::errors::Error),
    /// Not signed by this key, or no checkpoint at all.
    #[error("this checkpoint was not signed with this key: {0}")]
    Untrusted(jsonwebtoken::errors::Error),
}

/// Signs checkpoints of one door.
#[derive(Debug)]
pub struct Signer {
    issuer: String,
    key: SigningKey,
}

impl Signer {
    /// From a key in PEM (PKCS#8, Ed25519); `issuer` is the door's source.
    ///
    /// # Errors
    /// [`CheckpointError::Key`].
    pub fn from_pem(issuer: String, text: &str) -> Result<Self, CheckpointError> {
        let key = SigningKey::from_pem(text)?;
        Ok(Self { issuer, key })
    }

    /// The key that others verify with.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    /// The claims about a head that this signer can make.
    #[must_use]
    pub fn claims(&self, head: &Head, events: u64, now: Timestamp) -> Claims {
        Claims {
            iss: self.issuer.clone(),
            iat: now.as_second(),
            seq: head.seq,
            hash: head.hash,
            events,
        }
    }

    /// The door's source.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Signs something else than a checkpoint, which must not look like one.
    ///
    /// # Errors
    /// [`CheckpointError::Sign`].
    pub fn sign_other(&self, claims: &impl Serialize) -> Result<String, CheckpointError> {
        self.key.sign(claims).map_err(CheckpointError::Sign)
    }

    /// Signs claims; the same claims always give the same text.
    ///
    /// # Errors
    /// [`CheckpointError::Sign`].
    pub fn sign(&self, claims: &Claims) -> Result<String, CheckpointError> {
        self.key.sign(claims).map_err(CheckpointError::Sign)
    }
}

/// What a checkpoint claims, when this key signed it. It does not expire: it is about the past.
///
/// # Errors
/// [`CheckpointError::Untrusted`].
pub fn verify(key: &PublicKey, checkpoint: &str) -> Result<Claims, CheckpointError> {
    key.verify(checkpoint.trim())
        .map_err(CheckpointError::Untrusted)
}

/// Whether a checkpoint is to be published now.
///
/// `last` is the head that was published last and how long ago that was, `every` the configured
/// interval, zero for never. At a `stop` the interval does not matter.
#[must_use]
pub fn due(every: Duration, last: Option<(&Head, Duration)>, head: &Head, stop: bool) -> bool {
    if every.is_zero() || head.seq == 0 {
        return false;
    }
    match last {
        None => true,
        Some((published, ago)) => published != head && (stop || ago >= every),
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    use proptest::prelude::*;

    use super::*;
    use crate::keys;

    fn signer(seed: u8) -> Signer {
        Signer::from_pem(
            "/doorward/home/front".into(),
            &keys::pem_of_seed(&[seed; 32]),
        )
        .unwrap()
    }

    fn head(seq: u64) -> Head {
        Head {
            seq,
            hash: ChainHash([7; 32]),
        }
    }

    #[test]
    fn a_checkpoint_is_verified_with_the_public_key_and_with_no_other() {
        let signer = signer(1);
        let claims = signer.claims(&head(5), 4, "2026-01-01T00:00:00Z".parse().unwrap());
        let token = signer.sign(&claims).unwrap();
        let public = PublicKey::from_pem(&signer.public_key().to_pem()).unwrap();
        assert_eq!(verify(&public, &format!("{token}\n")).unwrap(), claims);
        let other = self::signer(2);
        let refused = verify(other.public_key(), &token).unwrap_err();
        assert!(matches!(refused, CheckpointError::Untrusted(_)));
    }

    #[test]
    fn a_token_that_asks_for_another_algorithm_is_refused() {
        let public = signer(1).public_key().clone();
        let claims = signer(1).claims(&head(5), 5, Timestamp::UNIX_EPOCH);
        // The public key as a shared secret: the oldest trick.
        let key = EncodingKey::from_secret(public.as_bytes());
        let forged = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
        assert!(verify(&public, &forged).is_err());
    }

    /// The library's own look at claims (CVE-2026-25537) is switched off: the types are what counts.
    #[test]
    fn a_claim_of_another_type_is_refused_and_not_left_out() {
        let signer = signer(1);
        let claims = signer.claims(&head(5), 4, Timestamp::UNIX_EPOCH);
        for (name, value) in [
            ("iat", serde_json::json!("0")),
            ("seq", serde_json::json!("5")),
            ("hash", serde_json::json!(null)),
            ("iss", serde_json::json!(["/doorward/home/front"])),
        ] {
            let mut changed = serde_json::to_value(&claims).unwrap();
            changed[name] = value;
            let token = signer.sign_other(&changed).unwrap();
            assert!(verify(signer.public_key(), &token).is_err(), "{name}");
        }
    }

    #[test]
    fn a_checkpoint_is_due_when_the_head_moved_and_time_is_over_or_the_service_stops() {
        let hour = Duration::from_secs(3600);
        let minute = Duration::from_secs(60);
        let (old, new) = (head(1), head(2));
        assert!(due(hour, None, &new, false));
        assert!(due(hour, Some((&old, hour)), &new, false));
        assert!(!due(hour, Some((&old, minute)), &new, false));
        assert!(due(hour, Some((&old, minute)), &new, true));
        assert!(!due(hour, Some((&new, hour)), &new, true));
        assert!(!due(Duration::ZERO, None, &new, true));
        assert!(!due(hour, None, &Head::default(), true));
    }

    proptest! {
        #[test]
        fn one_changed_character_is_refused(at in any::<proptest::sample::Index>(), to in "[A-Za-z0-9_-]") {
            let signer = signer(1);
            let token = signer.sign(&signer.claims(&head(5), 4, Timestamp::UNIX_EPOCH)).unwrap();
            let at = at.index(token.len());
            prop_assume!(token[at..=at] != to);
            let mut forged = token;
            forged.replace_range(at..=at, &to);
            prop_assert!(verify(signer.public_key(), &forged).is_err());
        }
    }
}
