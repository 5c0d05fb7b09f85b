//! Ed25519 keys as text, and what they sign: JWS in compact form (RFC 7515) with EdDSA (RFC 8037).
//!
//! Used by the record's [checkpoints](crate::event::checkpoint) and by operators'
//! [commands](crate::command). The door's own form is PEM; `foreign` reads what other tools write. PEM
//! is armour only: nothing here parses ASN.1, a key has one fixed form or it is refused. Private keys
//! are never shown. Pure: seeds come in as bytes.

mod foreign;

use std::collections::HashSet;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// Content type of what is signed.
pub const CONTENT_TYPE: &str = "application/jose";

/// PEM label of a signing key (PKCS#8).
const PRIVATE: &str = "PRIVATE KEY";
/// PEM label of a public key.
const PUBLIC: &str = "PUBLIC KEY";
/// What precedes the 32 bytes of an Ed25519 seed in PKCS#8, version 1 (RFC 8410).
const PKCS8: [u8; 16] = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
/// What precedes the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
const SPKI: [u8; 12] = [48, 42, 48, 5, 6, 3, 43, 101, 112, 3, 33, 0];

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is something else.
    #[error("this is no Ed25519 key in PEM ({0})")]
    NoKey(String),
    /// It is nothing that can be verified with.
    #[error(
        "this is no Ed25519 public key: {0}; wanted is PEM (openssl pkey -pubout), the line of an OpenSSH file (ssh-ed25519 AAAA…), or a JWK (kty OKP, crv Ed25519)"
    )]
    NoPublicKey(String),
    /// It is nothing that can be signed with.
    #[error(
        "this is no Ed25519 private key: {0}; wanted is PEM (openssl genpkey -algorithm ed25519), an OpenSSH file without a passphrase, or a JWK with its d"
    )]
    NoSigningKey(String),
}

/// A key that signs.
pub struct SigningKey {
    key: EncodingKey,
    public: PublicKey,
}

impl SigningKey {
    /// From PEM (PKCS#8, Ed25519).
    ///
    /// # Errors
    /// [`KeyError::NoKey`].
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = armoured(text, PRIVATE)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der)
            .map_err(|error| KeyError::NoKey(error.to_string()))?;
        let public = pair.public_key().as_ref();
        let public = public
            .try_into()
            .map_err(|_| KeyError::NoKey(format!("{} bytes", public.len())))?;
        Ok(Self {
            key: EncodingKey::from_ed_der(&der),
            public: PublicKey(public),
        })
    }

    /// The key that others verify with.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs; the same claims always give the same text.
    ///
    /// # Errors
    /// When the claims cannot be written as JSON.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, jsonwebtoken::errors::Error> {
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), claims, &self.key)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the key.
        f.debug_struct("SigningKey")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// A key that verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// From PEM (SubjectPublicKeyInfo), as [`to_pem`](Self::to_pem) writes it.
    ///
    /// # Errors
    /// [`KeyError::NoKey`].
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = armoured(text, PUBLIC)?;
        let raw = der.strip_prefix(&SPKI).unwrap_or_default();
        raw.try_into()
            .map(Self)
            .map_err(|_| KeyError::NoKey("another kind of public key".into()))
    }

    /// As PEM, which `openssl` and every JWT library read.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem_text(PUBLIC, [&SPKI[..], &self.0].concat())
    }

    /// From its 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What a token claims, when this key signed it. Times in it are not looked at.
    ///
    /// # Errors
    /// When it did not, or the claims are not of this type.
    pub fn verify<T: DeserializeOwned>(
        &self,
        token: &str,
    ) -> Result<T, jsonwebtoken::errors::Error> {
        // No other algorithm than this one, whatever the header asks for.
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.validate_exp = false;
        rules.validate_aud = false;
        rules.required_spec_claims = HashSet::new();
        let key = DecodingKey::from_ed_der(&self.0);
        Ok(jsonwebtoken::decode(token, &key, &rules)?.claims)
    }

    /// Whether this key made `signature` (base64url) over `message`.
    #[must_use]
    pub fn signed(&self, message: &[u8], signature: &str) -> bool {
        let key = DecodingKey::from_ed_der(&self.0);
        jsonwebtoken::crypto::verify(signature, message, &key, Algorithm::EdDSA).unwrap_or(false)
    }
}

/// The signing key of a seed, as PEM (PKCS#8, version 1: ring would make version 2, which neither
/// OpenSSL nor Python's cryptography reads).
#[must_use]
pub fn pem_of_seed(seed: &[u8; 32]) -> String {
    let pkcs8 = Zeroizing::new([&PKCS8[..], seed].concat());
    pem_text(PRIVATE, pkcs8.as_slice())
}

fn pem_text(label: &str, der: impl Into<Vec<u8>>) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, der), config)
}

fn armoured(text: &str, label: &str) -> Result<Vec<u8>, KeyError> {
    let found = pem::parse(text).map_err(|error| KeyError::NoKey(error.to_string()))?;
    if found.tag() != label {
        let tag = found.tag();
        return Err(KeyError::NoKey(format!("it holds a {tag}, not a {label}")));
    }
    Ok(found.into_contents())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_refused_with_what_it_is() {
        let public = SigningKey::from_pem(&pem_of_seed(&[1; 32])).unwrap();
        let public = public.public_key().to_pem();
        let error = SigningKey::from_pem(&public).unwrap_err();
        assert!(error.to_string().contains("a PUBLIC KEY, not a PRIVATE"));
        assert!(PublicKey::from_pem("nothing").is_err());
        assert!(PublicKey::from_pem(&pem_text(PUBLIC, vec![1, 2, 3])).is_err());
    }

    #[test]
    fn a_key_signs_and_is_never_shown() {
        let key = SigningKey::from_pem(&pem_of_seed(&[7; 32])).unwrap();
        let token = key.sign(&1).unwrap();
        let public = PublicKey::from_pem(&key.public_key().to_pem()).unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        assert!(public.signed(message.as_bytes(), signature));
        assert!(!public.signed(b"something else", signature));
        assert!(!public.signed(message.as_bytes(), ""));
        assert!(!format!("{key:?}").contains("key:"));
    }
}
