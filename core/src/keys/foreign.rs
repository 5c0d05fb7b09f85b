//! Keys as other tools write them: OpenSSH's line and its private file, and JWK (RFC 8037).
//!
//! A key has one fixed form here too: what is not byte for byte an Ed25519 key of that form is
//! refused with what it is, and with what is wanted. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::{KeyError, PublicKey, SigningKey, pem_of_seed};

/// The name of the only kind that is taken, as OpenSSH writes it.
const SSH: &str = "ssh-ed25519";
/// What precedes the 32 bytes of the key in OpenSSH's public form.
const SSH_PUBLIC: &[u8] = b"\0\0\0\x0bssh-ed25519\0\0\0\x20";
/// What an OpenSSH private file without a passphrase begins with: cipher and key derivation "none".
const SSH_OPEN: &[u8] = b"openssh-key-v1\0\0\0\0\x04none\0\0\0\x04none";
/// What follows there: no options, one key, and the length of its public form.
const SSH_ONE_KEY: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 51];
/// PEM label of OpenSSH's private file.
const SSH_PRIVATE_LABEL: &str = "OPENSSH PRIVATE KEY";

impl PublicKey {
    /// From whatever people have: PEM, a line as in OpenSSH's `id_ed25519.pub`, or a JWK.
    ///
    /// # Errors
    /// [`KeyError::NoPublicKey`], with what it is instead.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.starts_with('{') {
            return public_jwk(text).map_err(KeyError::NoPublicKey);
        }
        if text.starts_with("-----BEGIN") {
            if text.contains("PRIVATE KEY-----") {
                let what = "it is a private key, which nobody but its owner should have";
                return Err(KeyError::NoPublicKey(what.into()));
            }
            return Self::from_pem(text).map_err(|error| match error {
                KeyError::NoKey(what) => KeyError::NoPublicKey(what),
                other => other,
            });
        }
        ssh_line(text).map_err(KeyError::NoPublicKey)
    }
}

impl SigningKey {
    /// From whatever people have: PEM (PKCS#8), OpenSSH's private file without a passphrase, or a JWK.
    ///
    /// # Errors
    /// [`KeyError::NoSigningKey`], with what it is instead.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim_start_matches('\u{feff}').trim();
        let seed = if text.starts_with('{') {
            Some(private_jwk(text).map_err(KeyError::NoSigningKey)?)
        } else if text.contains(SSH_PRIVATE_LABEL) {
            Some(ssh_private(text).map_err(KeyError::NoSigningKey)?)
        } else {
            None
        };
        let pem = seed.map(|seed| Zeroizing::new(pem_of_seed(&seed)));
        Self::from_pem(pem.as_ref().map_or(text, |pem| pem.as_str())).map_err(|error| match error {
            KeyError::NoKey(what) => KeyError::NoSigningKey(what),
            other => other,
        })
    }
}

/// The one key in lines as `id_ed25519.pub` and `authorized_keys` have them.
fn ssh_line(text: &str) -> Result<PublicKey, String> {
    let is_key = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let mut lines = text.lines().filter(is_key);
    let line = lines.next().ok_or("it is empty")?;
    if lines.next().is_some() {
        return Err("it has several lines: which key is meant?".into());
    }
    // Options may stand before the key, a comment after it.
    let mut words = line.split_whitespace();
    if !words.any(|word| word == SSH) {
        let kind = line.split_whitespace().find(|word| is_ssh_kind(word));
        return Err(kind.map_or_else(
            || "it is in no form that is known".to_owned(),
            |kind| {
                format!("it is a key of the kind {kind}; ssh-keygen -t ed25519 makes one that fits")
            },
        ));
    }
    let bytes = STANDARD
        .decode(words.next().unwrap_or_default())
        .map_err(|_| format!("after {SSH} there is no base64"))?;
    ssh_blob(&bytes).ok_or_else(|| format!("after {SSH} there is no Ed25519 key"))
}

fn is_ssh_kind(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"]
        .iter()
        .any(|prefix| word.starts_with(prefix))
}

fn ssh_blob(bytes: &[u8]) -> Option<PublicKey> {
    let key = bytes.strip_prefix(SSH_PUBLIC)?;
    key.try_into().ok().map(PublicKey)
}

/// The seed in OpenSSH's private file, which has a fixed form up to the comment.
fn ssh_private(text: &str) -> Result<Zeroizing<[u8; 32]>, String> {
    let found = pem::parse(text).map_err(|error| error.to_string())?;
    let bytes = Zeroizing::new(found.into_contents());
    let Some(rest) = bytes.strip_prefix(SSH_OPEN) else {
        return Err(
            "it is OpenSSH's, with a passphrase; take it off a copy: ssh-keygen -p -N '' -f COPY"
                .into(),
        );
    };
    ssh_seed(rest).ok_or_else(|| {
        "it is OpenSSH's, but of another kind; ssh-keygen -t ed25519 makes one that fits".into()
    })
}

fn ssh_seed(rest: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let rest = rest.strip_prefix(SSH_ONE_KEY)?;
    let (public, rest) = rest.split_at_checked(SSH_PUBLIC.len() + 32)?;
    let public = ssh_blob(public)?;
    // The length of what follows, and twice the same number.
    let (_, rest) = rest.split_at_checked(4)?;
    let (check, rest) = rest.split_at_checked(8)?;
    let rest = rest.strip_prefix(SSH_PUBLIC)?;
    let rest = rest.strip_prefix(public.as_bytes())?;
    // The private part is the seed, and the public key once more.
    let rest = rest.strip_prefix(&[0, 0, 0, 64])?;
    let (seed, rest) = rest.split_first_chunk::<32>()?;
    let seed = Zeroizing::new(*seed);
    let whole = check[..4] == check[4..] && rest.starts_with(public.as_bytes());
    (whole && belong(&seed, &public)).then_some(seed)
}

/// Whether this is the public key of that seed.
fn belong(seed: &[u8; 32], public: &PublicKey) -> bool {
    SigningKey::from_pem(&Zeroizing::new(pem_of_seed(seed)))
        .is_ok_and(|key| key.public_key() == public)
}

#[derive(serde::Deserialize)]
struct Jwk {
    kty: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    d: Option<String>,
    keys: Option<serde::de::IgnoredAny>,
}

impl Jwk {
    fn read(text: &str) -> Result<Self, String> {
        let jwk: Self =
            serde_json::from_str(text).map_err(|error| format!("it is no JWK: {error}"))?;
        if jwk.keys.is_some() {
            return Err("it is a set of JWKs: give one of them".into());
        }
        let (kty, crv) = (jwk.kty.as_deref(), jwk.crv.as_deref());
        if (kty, crv) != (Some("OKP"), Some("Ed25519")) {
            return Err(format!(
                "it is a JWK of another kind: kty {:?}, crv {:?}",
                kty.unwrap_or_default(),
                crv.unwrap_or_default()
            ));
        }
        Ok(jwk)
    }

    /// The private part, which is wiped when it is dropped.
    fn private(&mut self) -> Option<Zeroizing<String>> {
        self.d.take().map(Zeroizing::new)
    }

    fn public(&self) -> Result<PublicKey, String> {
        let x = self.x.as_deref().ok_or("it is a JWK without its x")?;
        Ok(PublicKey(*member("x", x)?))
    }
}

fn member(name: &str, text: &str) -> Result<Zeroizing<[u8; 32]>, String> {
    let mut bytes = Zeroizing::new([0; 32]);
    match URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut()) {
        Ok(32) => Ok(bytes),
        _ => Err(format!(
            "it is a JWK whose {name} is not 32 bytes in base64url"
        )),
    }
}

fn public_jwk(text: &str) -> Result<PublicKey, String> {
    let mut jwk = Jwk::read(text)?;
    if jwk.private().is_some() {
        return Err(
            "it is a private key, which nobody but its owner should have (take d out)".into(),
        );
    }
    jwk.public()
}

fn private_jwk(text: &str) -> Result<Zeroizing<[u8; 32]>, String> {
    let mut jwk = Jwk::read(text)?;
    let d = jwk
        .private()
        .ok_or("it is a public key: its d is missing")?;
    let seed = member("d", &d)?;
    if !jwk.public().is_ok_and(|public| belong(&seed, &public)) {
        return Err("it is a JWK whose x does not belong to its d".into());
    }
    Ok(seed)
}

#[cfg(test)]
mod tests;
