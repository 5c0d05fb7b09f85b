//! What is stored of the client's session beside the messages, which the outbox has.

use serde::{Deserialize, Serialize};

use super::repetitions::Repetitions;
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
    /// What the broker has told about repetitions.
    #[serde(default)]
    pub repetitions: Repetitions,
    /// Nobody is asked about that any more: the last connection ended on the question.
    #[serde(default)]
    pub unasked: bool,
    /// Since when the broker is believed not to do QoS 2, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_qos_2: Option<i64>,
}

impl Header {
    /// The header in these bytes, if it can be read and is this owner's.
    pub(super) fn read(bytes: &[u8], owner: &Owner) -> Option<Self> {
        serde_json::from_slice::<Self>(bytes)
            .ok()
            .filter(|header| header.owner == *owner)
    }

    /// As bytes. Text and numbers can always be written; without them it would be unreadable, and the
    /// next connection a clean one.
    pub(super) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}
