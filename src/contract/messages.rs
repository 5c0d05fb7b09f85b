//! Every message that can be on the wire: name, payload, examples.
//!
//! The name of an event carries its version. A new optional field leaves it; a new meaning, a
//! field that goes, or another type of value is a new version beside the old one.

use serde_json::{Value, json};

use super::channels::Carries;
use super::examples::{self, as_sent};
use super::schemas::Schemas;
use crate::command::Command;
use crate::command::result::CommandResult;
use crate::command::token::Claims;
use crate::event::telemetry::Telemetry;
use crate::event::wire::{Availability, CLOUDEVENTS_JSON, DoorSummary};
use crate::event::{checkpoint, wire};

/// One message.
pub(super) struct Message {
    /// Name in the document; of an event, its type.
    pub(super) name: String,
    /// In a few words.
    pub(super) title: String,
    /// In words.
    pub(super) about: String,
    /// On which topics.
    pub(super) carries: Carries,
    /// MQTT 5 content type.
    pub(super) content_type: &'static str,
    /// Schema of the payload.
    pub(super) payload: Value,
    /// Payloads as they could be.
    pub(super) examples: Vec<Value>,
}

/// All of them, with their schemas entered into `schemas`.
pub(super) fn messages(schemas: &mut Schemas) -> Vec<Message> {
    let mut all = vec![
        Message {
            name: "availability".into(),
            title: "Availability".into(),
            about: "One word: `online`, `stopped` (ended on purpose), or `offline` (the broker says so when the connection died).".into(),
            carries: Carries::Availability,
            content_type: "text/plain",
            payload: schemas.of::<Availability>(),
            examples: vec![Availability::Online.as_str().into()],
        },
        Message {
            name: "state".into(),
            title: "Door state".into(),
            about: "The door as it stands, published at every change and kept by the broker.".into(),
            carries: Carries::State,
            content_type: "application/json",
            payload: schemas.of::<DoorSummary>(),
            examples: vec![examples::state()],
        },
        Message {
            name: "checkpoint".into(),
            title: "Checkpoint".into(),
            about: "How far the record goes, as a JWS (compact, EdDSA) that any JWT library verifies with the door's public key.".into(),
            carries: Carries::Checkpoint,
            content_type: checkpoint::CONTENT_TYPE,
            payload: {
                let claims = schemas.of::<checkpoint::Claims>();
                schemas.named("Checkpoint", token("A signed statement of how far the record goes.", claims))
            },
            examples: vec![examples::checkpoint()],
        },
        Message {
            name: "telemetry".into(),
            title: "Telemetry".into(),
            about: "Numbers about the device and the service since the message before; one may be missing.".into(),
            carries: Carries::Telemetry,
            content_type: "application/json",
            payload: schemas.of::<Telemetry>(),
            examples: vec![examples::telemetry()],
        },
        Message {
            name: "snapshot".into(),
            title: "Snapshot".into(),
            about: "The last visitor, as a JPEG file; the broker forgets it by itself.".into(),
            carries: Carries::Snapshot,
            content_type: "image/jpeg",
            payload: schemas.named(
                "Snapshot",
                json!({
                    "description": "A JPEG file, byte for byte.",
                    "type": "string",
                    "format": "binary",
                }),
            ),
            examples: Vec::new(),
        },
        Message {
            name: "command".into(),
            title: "Command".into(),
            about: "What an operator asks for, as a JWS (compact, EdDSA) signed with their key: for one door, valid for a minute at most, taken once.".into(),
            carries: Carries::Command,
            content_type: checkpoint::CONTENT_TYPE,
            payload: {
                let claims = schemas.of::<Claims<Command>>();
                schemas.named("SignedCommand", token("A signed command.", claims))
            },
            examples: examples::commands(),
        },
        Message {
            name: "commandResult".into(),
            title: "Result of a command".into(),
            about: "What became of a command; a courtesy that may be missing. The record has `command.executed` and `command.refused`.".into(),
            carries: Carries::CommandResult,
            content_type: "application/json",
            payload: schemas.of::<CommandResult>(),
            examples: examples::results(),
        },
        Message {
            name: "plainCommand".into(),
            title: "Plain lock payload".into(),
            about: "One word, as Home Assistant's lock sends it. Only from a client for whose name the broker vouches, and only where the installer allowed it.".into(),
            carries: Carries::PlainCommand,
            content_type: "text/plain",
            payload: schemas.named(
                "PlainCommand",
                json!({
                    "description": "What to do.",
                    "oneOf": [
                        {"description": "End a momentary release.", "type": "string", "const": "LOCK"},
                        {"description": "Release the door for one passage.", "type": "string", "const": "UNLOCK"},
                        {"description": "The same as UNLOCK.", "type": "string", "const": "OPEN"},
                    ],
                }),
            ),
            examples: vec!["UNLOCK".into()],
        },
    ];
    all.extend(events(schemas));
    all
}

/// One message for each kind of event.
fn events(schemas: &mut Schemas) -> Vec<Message> {
    let envelope = schemas.envelope();
    let examples = examples::examples();
    let kinds = schemas.kinds().into_iter();
    kinds
        .filter_map(|kind| {
            let example = examples
                .iter()
                .find(|example| example.event.kind() == kind.name)?;
            let name = wire::event_type(&kind.name);
            Some(Message {
                title: kind.name.replace(['.', '_'], " "),
                about: kind.about,
                carries: Carries::Events(example.event.class()),
                content_type: CLOUDEVENTS_JSON,
                payload: json!({
                    "allOf": [
                        envelope,
                        {
                            "type": "object",
                            "properties": {
                                "type": {"type": "string", "const": name},
                                "data": kind.data,
                            },
                        },
                    ],
                }),
                examples: vec![as_sent(example)],
                name,
            })
        })
        .collect()
}

/// A token in compact form, and what it claims.
fn token(about: &str, claims: Value) -> Value {
    json!({
        "description": format!("{about} A JWS in compact form: header, claims and signature in base64url."),
        "type": "string",
        "pattern": r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$",
        "x-claims": claims,
    })
}
