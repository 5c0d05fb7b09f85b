//! Checkpoints: signed statements of how far the record goes, for others to keep.
//!
//! Whoever holds one can prove later that the record was cut or rewritten before that point. A
//! checkpoint is a JWS in compact form (RFC 7515) with EdDSA (RFC 8037), so that any JWT library
//! verifies it. Pure: keys come in as bytes, time as a value. Flows in: the chain's head. Flows
//! out: text.

use std::collections::HashSet;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chain::{ChainHash, Head};
use crate::clock::Timestamp;

/// Content type of a checkpoint.
pub const CONTENT_TYPE: &str = "application/jose";

/// PEM label of the signing key (PKCS#8).
const PRIVATE: &str = "PRIVATE KEY";
/// PEM label of the public key.
const PUBLIC: &str = "PUBLIC KEY";
/// What precedes the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
const SPKI: [u8; 12] = [48, 42, 48, 5, 6, 3, 43, 101, 112, 3, 33, 0];

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
    #[error("this is no Ed25519 key in PEM ({0})")]
    Key(String),
    /// The statement could not be signed.
    #[error("cannot sign a checkpoint: {0}")]
    Sign(jsonwebtoken::errors::Error),
    /// Not signed by this key, or no checkpoint at all.
    #[error("this checkpoint was not signed with this key: {0}")]
    Untrusted(jsonwebtoken::errors::Error),
}

/// Signs checkpoints of one door.
pub struct Signer {
    issuer: String,
    key: EncodingKey,
    public: PublicKey,
}

impl Signer {
    /// From a key in PEM (PKCS#8, Ed25519); `issuer` is the door's source.
    ///
    /// # Errors
    /// [`CheckpointError::Key`].
    pub fn from_pem(issuer: String, text: &str) -> Result<Self, CheckpointError> {
        let der = armoured(text, PRIVATE)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der)
            .map_err(|error| CheckpointError::Key(error.to_string()))?;
        let public = pair.public_key().as_ref();
        let public = public
            .try_into()
            .map_err(|_| CheckpointError::Key(format!("{} bytes", public.len())))?;
        Ok(Self {
            issuer,
            key: EncodingKey::from_ed_der(&der),
            public: PublicKey(public),
        })
    }

    /// The key that others verify with.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public
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

    /// Signs claims; the same claims always give the same text.
    ///
    /// # Errors
    /// [`CheckpointError::Sign`].
    pub fn sign(&self, claims: &Claims) -> Result<String, CheckpointError> {
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), claims, &self.key)
            .map_err(CheckpointError::Sign)
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the key.
        f.debug_struct("Signer")
            .field("issuer", &self.issuer)
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// Verifies checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// From PEM (SubjectPublicKeyInfo), as [`to_pem`](Self::to_pem) writes it.
    ///
    /// # Errors
    /// [`CheckpointError::Key`].
    pub fn from_pem(text: &str) -> Result<Self, CheckpointError> {
        let der = armoured(text, PUBLIC)?;
        let raw = der.strip_prefix(&SPKI).unwrap_or_default();
        raw.try_into()
            .map(Self)
            .map_err(|_| CheckpointError::Key("another kind of public key".into()))
    }

    /// As PEM, which `openssl` and every JWT library read.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem_text(PUBLIC, [&SPKI[..], &self.0].concat())
    }

    /// What a checkpoint claims, when this key signed it.
    ///
    /// # Errors
    /// [`CheckpointError::Untrusted`].
    pub fn verify(&self, checkpoint: &str) -> Result<Claims, CheckpointError> {
        // No other algorithm than this one, whatever the header asks for. It does not expire: it
        // is about the past.
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.validate_exp = false;
        rules.required_spec_claims = HashSet::new();
        let key = DecodingKey::from_ed_der(&self.0);
        jsonwebtoken::decode(checkpoint.trim(), &key, &rules)
            .map(|token| token.claims)
            .map_err(CheckpointError::Untrusted)
    }
}

/// A signing key (PKCS#8) as PEM.
#[must_use]
pub fn private_pem(pkcs8: &[u8]) -> String {
    pem_text(PRIVATE, pkcs8)
}

fn pem_text(label: &str, der: impl Into<Vec<u8>>) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, der), config)
}

fn armoured(text: &str, label: &str) -> Result<Vec<u8>, CheckpointError> {
    let found = pem::parse(text).map_err(|error| CheckpointError::Key(error.to_string()))?;
    if found.tag() != label {
        let tag = found.tag();
        return Err(CheckpointError::Key(format!(
            "it holds a {tag}, not a {label}"
        )));
    }
    Ok(found.into_contents())
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
    use proptest::prelude::*;

    use super::*;

    fn signer(seed: u8) -> Signer {
        // PKCS#8 version 1 of an Ed25519 seed, as openssl writes it.
        let prefix = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
        let pem = private_pem(&[&prefix[..], &[seed; 32]].concat());
        Signer::from_pem("/doorward/home/front".into(), &pem).unwrap()
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
        assert_eq!(public.verify(&format!("{token}\n")).unwrap(), claims);
        let other = self::signer(2);
        let refused = other.public_key().verify(&token).unwrap_err();
        assert!(matches!(refused, CheckpointError::Untrusted(_)));
    }

    #[test]
    fn a_token_that_asks_for_another_algorithm_is_refused() {
        let public = signer(1).public_key().clone();
        let claims = signer(1).claims(&head(5), 5, Timestamp::UNIX_EPOCH);
        // The public key as a shared secret: the oldest trick.
        let key = EncodingKey::from_secret(&public.0);
        let forged = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
        assert!(public.verify(&forged).is_err());
    }

    #[test]
    fn what_is_no_key_is_refused_with_what_it_is() {
        let public = signer(1).public_key().to_pem();
        let error = Signer::from_pem(String::new(), &public).unwrap_err();
        assert!(error.to_string().contains("a PUBLIC KEY, not a PRIVATE"));
        assert!(PublicKey::from_pem("nothing").is_err());
        assert!(PublicKey::from_pem(&pem_text(PUBLIC, vec![1, 2, 3])).is_err());
        assert!(!format!("{:?}", signer(1)).contains("key:"));
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
            prop_assert!(signer.public_key().verify(&forged).is_err());
        }
    }
}
