//! What is stored of the client's session beside the messages, which the outbox has.

use serde::{Deserialize, Serialize};

use crate::config::Protocol;

/// Whose packet ids these are: ids of one broker, protocol or client mean nothing to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::mqtt) struct Owner {
    /// Host and port.
    pub broker: String,
    pub protocol: Protocol,
    pub client_id: String,
}

/// The session's one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub owner: Owner,
    pub last_pkid: u16,
    pub last_puback: u16,
    /// Packet ids of the broker's messages of QoS 2 that we hold.
    pub incoming: Vec<u16>,
    /// The broker has told a version that drops repetitions it has not seen.
    #[serde(default)]
    pub drops_repetitions: bool,
}

impl Header {
    /// The header in these bytes, if it can be read and is this owner's.
    pub(super) fn read(bytes: &[u8], owner: &Owner) -> Option<Self> {
        serde_json::from_slice::<Self>(bytes)
            .ok()
            .filter(|header| header.owner == *owner)
    }

    pub(super) fn write(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}
