//! How events look to the broker: CloudEvents 1.0 in JSON, topics, retain and QoS.
//!
//! Pure: the same event always gives the same bytes, so a resend is byte for byte the
//! first send.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{EnumCount, IntoStaticStr, VariantArray};

use super::telemetry::Telemetry;
use super::{Class, Event, Recorded};
use crate::clock::{Timestamp, rfc3339_millis};

/// A time in UTC with milliseconds, as a pattern.
pub const UTC_MILLIS: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$";

/// Content type of every event (CloudEvents, structured mode).
pub const CLOUDEVENTS_JSON: &str = "application/cloudevents+json";

/// Quality of service of MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Qos {
    /// Fire and forget.
    AtMostOnce,
    /// Until acknowledged; may repeat.
    AtLeastOnce,
    /// Exactly once, by the four-way handshake.
    ExactlyOnce,
}

impl TryFrom<u8> for Qos {
    type Error = String;
    fn try_from(level: u8) -> Result<Self, String> {
        match level {
            0 => Ok(Qos::AtMostOnce),
            1 => Ok(Qos::AtLeastOnce),
            2 => Ok(Qos::ExactlyOnce),
            other => Err(format!(
                "{other} is not a quality of service; allowed: 0, 1, 2"
            )),
        }
    }
}

impl From<Qos> for u8 {
    fn from(qos: Qos) -> u8 {
        match qos {
            Qos::AtMostOnce => 0,
            Qos::AtLeastOnce => 1,
            Qos::ExactlyOnce => 2,
        }
    }
}

/// Quality of service per topic class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct QosPolicy {
    /// `event/access`.
    pub access: Qos,
    /// `event/door`.
    pub door: Qos,
    /// `event/admin`.
    pub admin: Qos,
    /// `alarm`.
    pub alarm: Qos,
    /// `alarm`, when somebody may be attacking the door.
    pub attack: Qos,
    /// `state`, `availability` and `checkpoint`.
    pub state: Qos,
    /// `command/result`, and what the door asks of the broker for `command`.
    pub command: Qos,
    /// `telemetry`.
    pub telemetry: Qos,
    /// `snapshot`.
    pub snapshot: Qos,
}

impl Default for QosPolicy {
    fn default() -> Self {
        Self {
            access: Qos::ExactlyOnce,
            door: Qos::AtLeastOnce,
            admin: Qos::AtLeastOnce,
            alarm: Qos::AtLeastOnce,
            attack: Qos::ExactlyOnce,
            state: Qos::AtLeastOnce,
            command: Qos::AtLeastOnce,
            telemetry: Qos::AtMostOnce,
            snapshot: Qos::AtMostOnce,
        }
    }
}

impl QosPolicy {
    /// The quality of service of one event.
    #[must_use]
    pub fn of_event(&self, event: &Event) -> Qos {
        match event {
            Event::AlarmRaised { alarm, .. }
            | Event::AlarmCleared { alarm }
            | Event::AlarmAcknowledged { alarm, .. }
                if alarm.is_attack() =>
            {
                self.attack
            }
            event => self.of(event.class()),
        }
    }

    /// The quality of service of one class.
    #[must_use]
    pub fn of(&self, class: Class) -> Qos {
        match class {
            Class::Access => self.access,
            Class::Door => self.door,
            Class::Admin => self.admin,
            Class::Alarm => self.alarm,
            Class::State | Class::Availability | Class::Checkpoint => self.state,
            Class::Result => self.command,
            Class::Telemetry => self.telemetry,
            Class::Snapshot => self.snapshot,
        }
    }
}

/// What a door's messages have in common: its place in the topic tree and its QoS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    /// For example `doorward/home/front`.
    pub base_topic: String,
    /// CloudEvents `source`, for example `/doorward/home/front`.
    pub source: String,
    /// QoS per class.
    pub qos: QosPolicy,
}

/// One message, ready for the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Which class it belongs to.
    pub class: Class,
    /// Full topic.
    pub topic: String,
    /// Quality of service.
    pub qos: Qos,
    /// Whether the broker keeps it for late subscribers.
    pub retain: bool,
    /// MQTT 5 content type.
    pub content_type: &'static str,
    /// The bytes.
    pub payload: Vec<u8>,
    /// When nobody needs it any more; absent for what must arrive however late.
    pub expires_at: Option<Timestamp>,
    /// MQTT 5 correlation data, where it answers something.
    pub correlation: Option<Vec<u8>>,
}

/// The versioned name of a kind of event, CloudEvents `type`.
#[must_use]
pub fn event_type(kind: &str) -> String {
    format!("doorward.{kind}.v1")
}

/// What every event has: the attributes of CloudEvents 1.0 in JSON, and what it is about in `data`.
// Field order is the order on the wire.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Envelope")]
pub struct Envelope<'a> {
    /// Version of CloudEvents.
    #[schemars(extend("const" = "1.0"))]
    specversion: &'static str,
    /// UUIDv7 of the event, the same in every repetition: compare it to tell them.
    id: uuid::Uuid,
    /// Which door: `/doorward/SITE/DOOR`.
    #[schemars(extend("format" = "uri-reference"))]
    source: &'a str,
    /// What happened, with the version of its meaning.
    #[serde(rename = "type")]
    #[schemars(regex(pattern = r"^doorward\.[a-z]+\.[a-z_]+\.v[1-9][0-9]*$"))]
    kind: String,
    /// When it happened, in UTC with milliseconds, by the door's clock.
    #[schemars(extend("format" = "date-time"), regex(pattern = UTC_MILLIS))]
    time: String,
    /// Number of the event at this door, never used twice: 20 digits, which sort as text and parse
    /// as a number.
    #[schemars(regex(pattern = "^[0-9]{20}$"))]
    sequence: String,
    /// Only there, and false, when the door's clock was not to be trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("const" = false))]
    clocksynced: Option<bool>,
    /// Who did it, where somebody did: `cli:alice`.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
    /// What the record's hash chain stands at with this event.
    chainhash: super::chain::ChainHash,
    /// Content type of `data`.
    #[schemars(extend("const" = "application/json"))]
    datacontenttype: &'static str,
    /// What is known about it; depends on the type.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    data: &'a serde_json::Value,
}

impl Wire {
    /// Topic of a class below the door's base topic.
    #[must_use]
    pub fn topic(&self, class: Class) -> String {
        let leaf = match class {
            Class::Access => "event/access",
            Class::Door => "event/door",
            Class::Admin => "event/admin",
            Class::Alarm => "alarm",
            Class::State => "state",
            Class::Availability => "availability",
            Class::Checkpoint => "checkpoint",
            Class::Telemetry => "telemetry",
            Class::Snapshot => "snapshot",
            Class::Result => "command/result",
        };
        format!("{}/{leaf}", self.base_topic)
    }

    /// Where signed commands are taken.
    #[must_use]
    pub fn command_topic(&self) -> String {
        format!("{}/command", self.base_topic)
    }

    /// Where plain lock payloads of one client are taken: the broker's access rules vouch for
    /// the name in the topic.
    #[must_use]
    pub fn plain_topic(&self, client: &str) -> String {
        format!("{}/command/plain/{client}", self.base_topic)
    }

    /// The message for one recorded event.
    ///
    /// # Errors
    /// When the event cannot be written as JSON (a similarity that is not a number).
    pub fn publication(&self, recorded: &Recorded) -> Result<Publication, serde_json::Error> {
        let class = recorded.event.class();
        let mut value = serde_json::to_value(&recorded.event)?;
        // Always an object, so that a field can be added to an event that has none today.
        let data = match value["data"].take() {
            serde_json::Value::Null => serde_json::json!({}),
            data => data,
        };
        let payload = serde_json::to_vec(&Envelope {
            specversion: "1.0",
            id: recorded.id,
            source: &self.source,
            kind: event_type(recorded.event.kind()),
            time: rfc3339_millis(recorded.time),
            sequence: format!("{:020}", recorded.seq),
            clocksynced: (!recorded.clock_synced).then_some(false),
            actor: recorded.by.as_deref(),
            chainhash: recorded.hash,
            datacontenttype: "application/json",
            data: &data,
        })?;
        Ok(Publication {
            class,
            topic: self.topic(class),
            qos: self.qos.of_event(&recorded.event),
            retain: false,
            content_type: CLOUDEVENTS_JSON,
            payload,
            expires_at: None,
            correlation: None,
        })
    }

    /// The retained message that says whether the service runs.
    #[must_use]
    pub fn availability(&self, availability: Availability) -> Publication {
        Publication {
            class: Class::Availability,
            topic: self.topic(Class::Availability),
            qos: self.qos.of(Class::Availability),
            retain: true,
            content_type: "text/plain",
            payload: availability.as_str().into(),
            expires_at: None,
            correlation: None,
        }
    }

    /// The retained, signed statement of how far the record goes.
    #[must_use]
    pub fn checkpoint(&self, token: &str) -> Publication {
        Publication {
            class: Class::Checkpoint,
            topic: self.topic(Class::Checkpoint),
            qos: self.qos.of(Class::Checkpoint),
            retain: true,
            content_type: super::checkpoint::CONTENT_TYPE,
            payload: token.into(),
            expires_at: None,
            correlation: None,
        }
    }

    /// Numbers about the door's health.
    ///
    /// # Errors
    /// When one of them is not a number.
    pub fn telemetry(
        &self,
        telemetry: &Telemetry,
        expires_at: Timestamp,
    ) -> Result<Publication, serde_json::Error> {
        Ok(Publication {
            class: Class::Telemetry,
            topic: self.topic(Class::Telemetry),
            qos: self.qos.of(Class::Telemetry),
            retain: false,
            content_type: "application/json",
            payload: serde_json::to_vec(telemetry)?,
            expires_at: Some(expires_at),
            correlation: None,
        })
    }

    /// The picture of whoever is at the door, a JPEG.
    #[must_use]
    pub fn snapshot(&self, jpeg: Vec<u8>, expires_at: Timestamp) -> Publication {
        Publication {
            class: Class::Snapshot,
            topic: self.topic(Class::Snapshot),
            qos: self.qos.of(Class::Snapshot),
            retain: false,
            content_type: "image/jpeg",
            payload: jpeg,
            expires_at: Some(expires_at),
            correlation: None,
        }
    }

    /// The retained summary of the door.
    ///
    /// # Errors
    /// Never in practice; the type has no value that JSON cannot hold.
    pub fn state(&self, state: &DoorSummary) -> Result<Publication, serde_json::Error> {
        Ok(Publication {
            class: Class::State,
            topic: self.topic(Class::State),
            qos: self.qos.of(Class::State),
            retain: true,
            content_type: "application/json",
            payload: serde_json::to_vec(state)?,
            expires_at: None,
            correlation: None,
        })
    }
}

/// Whether the service runs, as `availability` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, EnumCount, IntoStaticStr, VariantArray)]
#[schemars(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Availability {
    /// Connected and working.
    Online,
    /// Ended on purpose.
    Stopped,
    /// The broker noticed that the connection died (the will).
    Offline,
}

/// Retained summary of the door, published on `state` at every change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DoorSummary {
    /// What the relay is commanded to.
    pub lock: Lock,
    /// Position of the door leaf; absent without a contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<super::Contact>,
    /// What governs the door.
    pub mode: super::Mode,
    /// Active alarms, sorted.
    #[schemars(extend("uniqueItems" = true))]
    pub alarms: Vec<super::Alarm>,
    /// Version of the software.
    pub version: &'static str,
    /// When this became so, in UTC with milliseconds.
    #[serde(serialize_with = "millis")]
    #[schemars(regex(pattern = UTC_MILLIS))]
    pub since: Timestamp,
}

pub(super) fn millis<S: serde::Serializer>(
    time: &Timestamp,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339_millis(*time))
}

/// What the relay is commanded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lock {
    /// Locked.
    Secured,
    /// Can be opened.
    Released,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Alarm, SecureCause};

    fn wire() -> Wire {
        Wire {
            base_topic: "doorward/home/front".into(),
            source: "/doorward/home/front".into(),
            qos: QosPolicy::default(),
        }
    }

    fn recorded() -> Recorded {
        Recorded {
            seq: 42,
            id: uuid::Uuid::nil(),
            time: "2026-02-03T04:05:06.7Z".parse().unwrap(),
            clock_synced: true,
            by: None,
            event: Event::DoorSecured {
                cause: SecureCause::Stop,
            },
            hash: crate::event::chain::ChainHash([0xab; 32]),
        }
    }

    #[test]
    fn an_event_becomes_a_cloudevent_with_its_sequence() {
        let publication = wire().publication(&recorded()).unwrap();
        assert_eq!(publication.topic, "doorward/home/front/event/door");
        assert_eq!(publication.qos, Qos::AtLeastOnce);
        let json: serde_json::Value = serde_json::from_slice(&publication.payload).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "specversion": "1.0",
                "id": "00000000-0000-0000-0000-000000000000",
                "source": "/doorward/home/front",
                "type": "doorward.door.secured.v1",
                "time": "2026-02-03T04:05:06.700Z",
                "sequence": "00000000000000000042",
                "chainhash": "ab".repeat(32),
                "datacontenttype": "application/json",
                "data": {"cause": "stop"},
            })
        );
    }

    #[test]
    fn a_doubtful_time_and_an_author_are_told() {
        let doubtful = Recorded {
            clock_synced: false,
            by: Some("cli:ada".into()),
            ..recorded()
        };
        let publication = wire().publication(&doubtful).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&publication.payload).unwrap();
        assert_eq!(json["clocksynced"], false);
        assert_eq!(json["actor"], "cli:ada");
        let json = serde_json::to_string(&doubtful).unwrap();
        assert_eq!(serde_json::from_str::<Recorded>(&json).unwrap(), doubtful);
    }

    #[test]
    fn access_and_attacks_are_exactly_once_by_default() {
        let qos = QosPolicy::default();
        assert_eq!(qos.of(Class::Access), Qos::ExactlyOnce);
        let cleared = |alarm| qos.of_event(&Event::AlarmCleared { alarm });
        assert_eq!(cleared(Alarm::SpoofSuspected), Qos::ExactlyOnce);
        assert_eq!(cleared(Alarm::Storage), Qos::AtLeastOnce);
    }
}
