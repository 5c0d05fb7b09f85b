//! A door's messages as the witness reads them: events as links of the chain, and checkpoints.
//!
//! Strict: what is not whole is no statement of a door. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::event::chain::{ChainHash, Link};
use crate::event::checkpoint::Claims;

/// Why a message is no statement of a door.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    /// It is no event.
    #[error("a message on {topic} is no event of a door: {what}")]
    NoEvent {
        /// Where it came.
        topic: String,
        /// What it is instead.
        what: String,
    },
    /// It is no checkpoint.
    #[error("a message on {topic} is no checkpoint: {what}")]
    NoCheckpoint {
        /// Where it came.
        topic: String,
        /// What it is instead.
        what: String,
    },
}

/// An event as a door publishes it (CloudEvents in JSON).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct HeardEvent {
    pub(super) id: Uuid,
    /// The door.
    pub(super) source: String,
    #[serde(rename = "type")]
    kind: String,
    time: String,
    sequence: String,
    clocksynced: Option<bool>,
    actor: Option<String>,
    pub(super) chainhash: ChainHash,
    data: Value,
}

impl HeardEvent {
    pub(super) fn read(topic: &str, payload: &[u8]) -> Result<Self, Unheard> {
        let unheard = |what: String| Unheard::NoEvent {
            topic: topic.to_owned(),
            what,
        };
        let event: Self =
            serde_json::from_slice(payload).map_err(|error| unheard(error.to_string()))?;
        if event.number().is_none() {
            return Err(unheard("its sequence is no number".into()));
        }
        if event.kind().is_none() {
            return Err(unheard("its type is none of this version".into()));
        }
        Ok(event)
    }

    fn number(&self) -> Option<u64> {
        // As much as SQLite counts.
        let number: i64 = self.sequence.parse().ok()?;
        u64::try_from(number).ok().filter(|number| *number > 0)
    }

    /// Its number.
    pub(super) fn seq(&self) -> u64 {
        self.number().unwrap_or_default()
    }

    fn kind(&self) -> Option<&str> {
        self.kind.strip_prefix("doorward.")?.strip_suffix(".v1")
    }

    /// Number of the event that it is chained to: the one before it, but after a replaced database the
    /// last one that is known.
    pub(super) fn follows(&self) -> u64 {
        self.restored_after().unwrap_or(self.seq() - 1)
    }

    /// When it says that the database was replaced: the last event that it knows.
    pub(super) fn restored_after(&self) -> Option<u64> {
        let restored = self.kind() == Some("record.restored");
        self.data["last_known_seq"].as_u64().filter(|_| restored)
    }

    /// Whether it follows from an event with this hash.
    pub(super) fn is_after(&self, previous: ChainHash) -> bool {
        // The record has `null` where the wire has an empty object: there, fields can be added later.
        let empty = self.data.as_object().is_some_and(serde_json::Map::is_empty);
        let texts = [
            Some(self.data.to_string()),
            empty.then(|| Value::Null.to_string()),
        ];
        texts.into_iter().flatten().any(|data| {
            let link = Link {
                seq: self.seq(),
                id: self.id,
                time: &self.time,
                kind: self.kind().unwrap_or_default(),
                by: self.actor.as_deref(),
                clock_synced: self.clocksynced.unwrap_or(true),
                data: &data,
            };
            link.hash(previous) == self.chainhash
        })
    }
}

/// What a checkpoint claims, whoever signed it.
pub(super) fn claims(topic: &str, token: &str) -> Result<Claims, Unheard> {
    let unheard = |what: &str| Unheard::NoCheckpoint {
        topic: topic.to_owned(),
        what: what.to_owned(),
    };
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(unheard("it is no JWS"));
    };
    let claims = URL_SAFE_NO_PAD
        .decode(claims)
        .map_err(|_| unheard("it is no base64url"))?;
    let claims: Claims =
        serde_json::from_slice(&claims).map_err(|error| unheard(&error.to_string()))?;
    if i64::try_from(claims.seq).is_err() {
        return Err(unheard("its number is none that a door has"));
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::examples;
    use crate::event::wire::{QosPolicy, Wire};

    /// Whatever a door publishes says enough to compute its hash anew.
    #[test]
    fn every_kind_of_event_is_a_link_that_can_be_computed_from_its_message() {
        let wire = Wire {
            base_topic: "doorward/home/front".into(),
            source: "/doorward/home/front".into(),
            qos: QosPolicy::default(),
        };
        let mut previous = ChainHash::default();
        for recorded in examples() {
            let payload = wire.publication(&recorded).unwrap().payload;
            let heard = HeardEvent::read("t", &payload).unwrap();
            assert_eq!(
                (heard.seq(), heard.chainhash),
                (recorded.seq, recorded.hash)
            );
            assert!(heard.is_after(previous), "{:?}", recorded.event);
            assert!(!heard.is_after(ChainHash([4; 32])), "{:?}", recorded.event);
            previous = recorded.hash;
        }
    }

    #[test]
    fn what_is_no_statement_is_refused_in_words() {
        for (payload, expected) in [("", "EOF"), ("[]", "invalid"), (r#"{"id":"x"}"#, "UUID")] {
            let told = HeardEvent::read("a/b", payload.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(told.contains("a/b") && told.contains(expected), "{told}");
        }
        for token in ["", "a.b", "a.?.c", "a.e30.c", "a.b.c.d"] {
            assert!(claims("t", token).is_err(), "{token}");
        }
    }
}
