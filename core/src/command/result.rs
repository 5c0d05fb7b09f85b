//! What became of a command, as the door answers it.
//!
//! An answer is a courtesy, not the record: it expires after a minute, it is not signed, and one may be
//! missing. The event (`command.executed`, `command.refused`) is what counts.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gate::Refusal;
use crate::clock::{Timestamp, rfc3339_millis};
use crate::event::wire::{Publication, Wire};
use crate::event::{Class, CommandRefusal, CommandVerb};

/// How long an answer is of use.
pub const LIFE: Duration = Duration::from_secs(60);
/// Longest correlation data that is copied, in bytes.
const MAX_CORRELATION: usize = 128;
/// Largest answer that is read, in bytes.
const MAX_BYTES: usize = 8192;

/// The answer to one command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommandResult {
    /// The command's id, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whether it was carried out.
    pub ok: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<CommandRefusal>,
    /// More in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Whose command it was, where that is proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// What was wanted, where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verb: Option<CommandVerb>,
    /// Which door answers: its source.
    pub door: String,
    /// When, in UTC with milliseconds, by the door's clock.
    #[schemars(extend("format" = "date-time"), regex(pattern = crate::event::wire::UTC_MILLIS))]
    pub time: String,
}

impl CommandResult {
    /// It was carried out.
    #[must_use]
    pub fn executed(
        wire: &Wire,
        id: &str,
        operator: &str,
        verb: CommandVerb,
        detail: Option<String>,
        now: Timestamp,
    ) -> Self {
        Self {
            id: Some(id.to_owned()),
            ok: true,
            reason: None,
            detail,
            operator: Some(operator.to_owned()),
            verb: Some(verb),
            door: wire.source.clone(),
            time: rfc3339_millis(now),
        }
    }

    /// It was not; as [`Refusal::told`].
    #[must_use]
    pub fn refused(wire: &Wire, refusal: &Refusal, now: Timestamp) -> Self {
        let (reason, detail) = refusal.told();
        Self {
            id: refusal.id.clone(),
            ok: false,
            reason: Some(reason),
            detail: Some(detail.to_owned()),
            operator: refusal.operator.clone().filter(|_| refusal.genuine),
            verb: refusal.verb,
            door: wire.source.clone(),
            time: rfc3339_millis(now),
        }
    }

    /// From the bytes of an answer; anything at all may come in.
    ///
    /// # Errors
    /// In words, when it is none.
    pub fn parse(payload: &[u8]) -> Result<Self, String> {
        if payload.len() > MAX_BYTES {
            return Err(format!("it has more than {MAX_BYTES} bytes"));
        }
        serde_json::from_slice(payload).map_err(|error| error.to_string())
    }

    /// The message that carries it to `topic`.
    ///
    /// # Errors
    /// Never in practice; the type has no value that JSON cannot hold.
    pub fn publication(
        &self,
        wire: &Wire,
        topic: String,
        correlation: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Publication, serde_json::Error> {
        Ok(Publication {
            class: Class::Result,
            topic,
            qos: wire.qos.of(Class::Result),
            retain: false,
            content_type: "application/json",
            payload: serde_json::to_vec(self)?,
            expires_at: now.checked_add(LIFE).ok(),
            correlation: correlation
                .filter(|data| data.len() <= MAX_CORRELATION)
                .map(<[u8]>::to_vec),
        })
    }
}

/// Where every answer goes: to the door's own result topic, whatever a command asks for. Its sender
/// tells its own by the id and the correlation data. A topic that clients may choose would need a right of
/// the door to write to any number of topics, and to have messages kept on them.
#[must_use]
pub fn topic(wire: &Wire) -> String {
    wire.topic(Class::Result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::wire::QosPolicy;

    fn wire() -> Wire {
        Wire {
            base_topic: "d/home/front".into(),
            source: "/d/home/front".into(),
            qos: QosPolicy::default(),
        }
    }

    #[test]
    fn every_answer_goes_to_the_doors_one_topic() {
        assert_eq!(topic(&wire()), "d/home/front/command/result");
    }

    #[test]
    fn an_answer_is_read_as_it_is_written_and_does_not_wait_for_ever() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let verb = CommandVerb::Unlock;
        let result = CommandResult::executed(&wire(), "7", "ada", verb, None, now);
        let sent = result
            .publication(&wire(), "t".into(), Some(b"c"), now)
            .unwrap();
        assert_eq!(CommandResult::parse(&sent.payload).unwrap(), result);
        assert_eq!(sent.expires_at.unwrap().as_second() - now.as_second(), 60);
        assert_eq!(sent.correlation.as_deref(), Some(b"c".as_slice()));
        assert!(!sent.retain);
        let large = [0; 129];
        let sent = result.publication(&wire(), "t".into(), Some(&large), now);
        assert_eq!(sent.unwrap().correlation, None);
    }

    #[test]
    fn who_cannot_sign_learns_nothing_about_operators() {
        let now = Timestamp::UNIX_EPOCH;
        let answer = |reason, detail: &str| {
            let refusal = Refusal {
                operator: Some("ada".into()),
                ..Refusal::unread(reason, detail)
            };
            CommandResult::refused(&wire(), &refusal, now)
        };
        let unknown = answer(CommandRefusal::UnknownOperator, "nobody");
        let forged = answer(CommandRefusal::BadSignature, "wrong key");
        assert_eq!(unknown, forged);
        assert_eq!(forged.reason, Some(CommandRefusal::BadSignature));
        assert_eq!(forged.operator, None);
    }
}
