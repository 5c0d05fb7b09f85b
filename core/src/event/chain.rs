//! The hash chain: each event's hash covers the event and the hash of the one before it.
//!
//! Pure. The bytes that are hashed are those of the database's columns, exactly as stored, so
//! that anybody can recompute them (docs/audit.md has them byte by byte). Never change them: a
//! new layout is a new [`DOMAIN`]. Flows in: rows. Flows out: hashes.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What every hashed event begins with: no other use of SHA-256 can be mistaken for it.
pub const DOMAIN: &[u8] = b"doorward.event.v1\0";

/// SHA-256 of an event and everything before it; lower-case hex in text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[0-9a-f]{64}$"))]
pub struct ChainHash(pub [u8; 32]);

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainHash({self})")
    }
}

impl FromStr for ChainHash {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash)
            .map_err(|error| format!("{text:?} is no chain hash (64 hex digits): {error}"))?;
        Ok(Self(hash))
    }
}

impl TryFrom<String> for ChainHash {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ChainHash> for String {
    fn from(hash: ChainHash) -> String {
        hash.to_string()
    }
}

/// A place in the chain: an event's number and hash. The default is the place before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Head {
    /// Number of the event; 0 before the first.
    pub seq: u64,
    /// Its hash; 32 zero bytes before the first.
    pub hash: ChainHash,
}

/// One event as the chain sees it: the columns as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link<'a> {
    /// Its number.
    pub seq: u64,
    /// Its id.
    pub id: Uuid,
    /// Time, as text.
    pub time: &'a str,
    /// Dotted name.
    pub kind: &'a str,
    /// Who did it, when somebody did.
    pub by: Option<&'a str>,
    /// Whether the clock was to be trusted.
    pub clock_synced: bool,
    /// JSON text.
    pub data: &'a str,
}

impl Link<'_> {
    /// The hash of this event after one whose hash is `previous`.
    #[must_use]
    pub fn hash(&self, previous: ChainHash) -> ChainHash {
        let mut hasher = Sha256::new();
        hasher.update(DOMAIN);
        hasher.update(previous.0);
        hasher.update(self.seq.to_be_bytes());
        hasher.update(self.id.as_bytes());
        text(&mut hasher, self.time);
        text(&mut hasher, self.kind);
        match self.by {
            None => hasher.update([0]),
            Some(by) => {
                hasher.update([1]);
                text(&mut hasher, by);
            }
        }
        hasher.update([u8::from(self.clock_synced)]);
        text(&mut hasher, self.data);
        ChainHash(hasher.finalize().into())
    }
}

/// The length goes first: no two different rows give the same bytes.
fn text(hasher: &mut Sha256, text: &str) {
    let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
    hasher.update(length.to_be_bytes());
    hasher.update(text);
}

#[cfg(test)]
mod tests;
