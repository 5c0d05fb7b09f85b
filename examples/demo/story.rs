//! Understands what the programs print, and remembers what matters for the verdict.
//!
//! Flows in: lines of the door's log, of the record and of the watcher. Flows out: entries for
//! the timeline. It only takes down what it hears; whether that is good is judged elsewhere
//! (see [`crate::verdict`]).

use std::collections::{BTreeMap, BTreeSet};

use doorward::clock::Timestamp;
use doorward::event::{DenyReason, Event, Recorded};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::broker::BASE_TOPIC;
use crate::child::Speaker;
use crate::timeline::{Entry, EventRef, Word};

/// What was heard so far.
#[derive(Debug, Default)]
pub struct Story {
    /// Events that were shown as recorded.
    recorded: BTreeSet<Uuid>,
    /// Events that the broker acknowledged.
    pub delivered: BTreeSet<Uuid>,
    /// How often each event reached the watcher.
    pub received: BTreeMap<Uuid, u32>,
    /// What the watcher heard about the service, in order.
    pub availability: Vec<String>,
    /// Whether the watcher's subscription stands.
    pub watching: bool,
    /// The last thing the watcher said that is no message.
    pub last_words: String,
}

/// A line of the door's log.
#[derive(Deserialize)]
struct LogLine {
    timestamp: Timestamp,
    level: String,
    target: String,
    fields: serde_json::Map<String, Value>,
}

/// A line of `mosquitto_sub -F %j`.
#[derive(Deserialize)]
struct Message {
    topic: String,
    qos: u8,
    retain: u8,
    payload: String,
}

/// What we need of a CloudEvent.
#[derive(Deserialize)]
struct CloudEvent {
    id: Uuid,
    #[serde(rename = "type")]
    kind: String,
    sequence: String,
}

/// What we need of the door's state.
#[derive(Deserialize)]
struct State {
    lock: String,
    alarms: Vec<String>,
}

impl Story {
    /// Takes in a line; most of them say something for the timeline.
    pub fn hear(&mut self, from: Speaker, at: Timestamp, text: &str) -> Option<Entry> {
        match from {
            Speaker::Door => self.door(at, text),
            Speaker::Record => {
                let recorded = serde_json::from_str(text).ok()?;
                self.record(&recorded)
            }
            Speaker::Watcher => self.watcher(at, text),
        }
    }

    /// An event that is in the database.
    pub fn record(&mut self, recorded: &Recorded) -> Option<Entry> {
        if !self.recorded.insert(recorded.id) {
            return None;
        }
        let word = match recorded.event {
            Event::AccessGranted(_) | Event::AccessDenied(_) => Word::Decided,
            _ => Word::Recorded,
        };
        Some(Entry {
            at: recorded.time,
            word,
            event: Some(EventRef {
                id: recorded.id,
                seq: Some(recorded.seq),
            }),
            text: told(&recorded.event),
        })
    }

    fn door(&mut self, read_at: Timestamp, text: &str) -> Option<Entry> {
        let Ok(line) = serde_json::from_str::<LogLine>(text) else {
            // Not the log: the one line with which a command says why it failed.
            return Some(Entry {
                at: read_at,
                word: Word::Warning,
                event: None,
                text: text.to_owned(),
            });
        };
        let string = |key| line.fields.get(key).and_then(Value::as_str).unwrap_or("?");
        let number = |key| line.fields.get(key).and_then(Value::as_u64);
        let track = number("track").unwrap_or_default();
        let mut event: Option<Uuid> = None;
        let (word, text) = match string("message") {
            "camera opened" => (Word::Seen, format!("camera opened: {}", string("source"))),
            "face seen" => (
                Word::Seen,
                format!("a face comes into view (track {track})"),
            ),
            "face gone" => (Word::Seen, format!("the face is gone (track {track})")),
            "simulated relay" => {
                let lock = string("lock").to_lowercase();
                (
                    Word::Actuated,
                    format!("relay {lock} (pin {})", string("level")),
                )
            }
            "delivered" if line.target.starts_with("doorward::mqtt") => {
                let topic = short(string("topic"));
                let qos = number("qos").unwrap_or_default();
                event = string("event_id").parse().ok();
                self.delivered.extend(event);
                (
                    Word::Published,
                    format!("{topic} (QoS {qos}), acknowledged by the broker"),
                )
            }
            message if matches!(line.level.as_str(), "WARN" | "ERROR") => {
                let details = line.fields.iter().filter(|(key, _)| *key != "message");
                let details: Vec<String> = details
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                (Word::Warning, format!("{message} {}", details.join(" ")))
            }
            _ => return None,
        };
        Some(Entry {
            at: line.timestamp,
            word,
            event: event.map(|id| EventRef { id, seq: None }),
            text,
        })
    }

    fn watcher(&mut self, at: Timestamp, text: &str) -> Option<Entry> {
        let Ok(message) = serde_json::from_str::<Message>(text) else {
            // The debug lines: only "Subscribed (mid: 1): 2" is of interest, with the QoS that
            // was granted; from 128 on it is a refusal.
            if let Some(granted) = text.strip_prefix("Subscribed") {
                let code = granted
                    .rsplit(' ')
                    .next()
                    .and_then(|code| code.parse().ok());
                self.watching = code.is_some_and(|code: u32| code < 128);
            }
            if !text.starts_with("Client ") {
                text.clone_into(&mut self.last_words);
            }
            return None;
        };
        let topic = short(&message.topic);
        let kept = if message.retain == 1 {
            ", kept by the broker"
        } else {
            ""
        };
        let mut event = None;
        let text = if topic == "availability" {
            // What the broker kept from an earlier run is not about this one.
            if message.retain == 0 {
                self.availability.push(message.payload.clone());
            }
            format!("the door is {}", message.payload)
        } else if let Ok(received) = serde_json::from_str::<CloudEvent>(&message.payload) {
            event = Some(EventRef {
                id: received.id,
                seq: received.sequence.parse().ok(),
            });
            let times = self.received.entry(received.id).or_default();
            *times += 1;
            let again = if *times > 1 { " AGAIN" } else { "" };
            format!("{}{again}", received.kind)
        } else if let Ok(State { lock, alarms }) = serde_json::from_str(&message.payload) {
            match alarms.as_slice() {
                [] => format!("the lock is {lock}"),
                alarms => format!("the lock is {lock}; alarms: {}", alarms.join(", ")),
            }
        } else {
            message.payload
        };
        Some(Entry {
            at,
            word: Word::Received,
            event,
            text: format!("{text} ({topic}, QoS {}{kept})", message.qos),
        })
    }
}

/// An event in words.
fn told(event: &Event) -> String {
    match event {
        Event::AccessGranted(granted) => format!(
            "granted: {}, similarity {:.2}, {} observations agree, {} ms after the first sight",
            granted.person.name, granted.similarity, granted.observations, granted.latency_ms
        ),
        Event::AccessDenied(denied) => {
            let reason = match (denied.reason, &denied.person) {
                (DenyReason::Unknown, _) => "unknown face".to_owned(),
                (reason, Some(person)) => format!("{}, {}", person.name, reason.as_str()),
                (reason, None) => reason.as_str().to_owned(),
            };
            let similarity = denied.similarity.map_or_else(
                || "nobody to compare with".to_owned(),
                |similarity| format!("best similarity {similarity:.2}"),
            );
            format!(
                "denied: {reason}, {similarity}, {} ms after the first sight",
                denied.latency_ms
            )
        }
        Event::DoorReleased {
            release_ms: Some(ms),
            ..
        } => format!("door released for {ms} ms"),
        Event::DoorReleased { .. } => "door released".to_owned(),
        Event::DoorSecured { .. } => "door secured".to_owned(),
        Event::Enrolled { person, templates } => {
            format!("{} enrolled, {templates} templates", person.name)
        }
        other => match other.person() {
            Some(person) => format!("{}: {}", other.kind(), person.name),
            None => other.kind().to_owned(),
        },
    }
}

/// The topic below the door's own.
fn short(topic: &str) -> &str {
    topic
        .strip_prefix(BASE_TOPIC)
        .and_then(|rest| rest.strip_prefix('/'))
        .unwrap_or(topic)
}
