//! docs/asyncapi.yaml: all of it as an AsyncAPI 3 document.
//!
//! The application it describes is the door: it *sends* events and *receives* commands.

use serde_json::{Map, Value, json};

use super::channels::{Carries, Channel, Direction, channels};
use super::messages::{Message, messages};
use super::schemas::Schemas;
use crate::config::{Config, MqttConfig};
use crate::event::wire::{Availability, Qos, QosPolicy, Wire};
use crate::event::{Alarm, Class};
use crate::mqtt::MAYBE_DUP;

/// Version of the bindings of MQTT that the document uses.
const BINDING: &str = "0.2.0";

const INTRODUCTION: &str = "\
What a door tells, and what it can be told, over MQTT. The application of this document is the
door: it sends events and receives commands.

**Order.** A door numbers its events, and never uses a number twice: sort by `sequence`. They can
arrive in another order after a connection was cut. What QoS 1 and 2 carry leaves no number out.

**Repetitions.** Compare `id`, which is the same in every repetition. At QoS 2 nothing is repeated
for as long as the broker keeps the door's session; what may have arrived before carries the user
property `maybe-dup`.

**Versions.** The type of an event ends with the version of its meaning. A field may be added, and
a word to an enumeration, without a new version: ignore fields that you do not know, and treat a
word that you do not know as \"something else\". Whatever else changes is a new version of the type,
beside the old one. A field that may be absent is left out; it is never null.

**What can be configured.** The base topic (`doorward/{site}/{door}` here) and the QoS of each
class; this document has the defaults. `doorward topics` prints what is in force at a door.
";

const HEADER: &str = "\
# What a door publishes and takes, generated from the types and from the table of topics.
# Do not edit; write it again with
#   cargo run -- topics --asyncapi > docs/asyncapi.yaml
";

/// The document of a door with the default configuration.
#[must_use]
pub fn asyncapi() -> Value {
    let door = any_door();
    let wire = Wire {
        base_topic: "doorward/{site}/{door}".into(),
        source: "/doorward/{site}/{door}".into(),
        qos: QosPolicy::default(),
    };
    let mut schemas = Schemas::new();
    let messages = messages(&mut schemas);
    let headers = schemas.named("UserProperties", user_properties());
    // What the broker says about itself is not ours to describe.
    let channels: Vec<Channel> = channels(&door, &wire)
        .into_iter()
        .filter(|channel| channel.carries != Carries::BrokerVersion)
        .collect();
    let operations: Map<String, Value> = channels.iter().flat_map(operations).collect();
    let described: Map<String, Value> = channels
        .iter()
        .map(|channel| (channel.name.into(), described(channel, &messages)))
        .collect();
    let messages: Map<String, Value> = messages
        .iter()
        .map(|message| (message.name.clone(), in_words(message, &channels, &headers)))
        .collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "doorward",
            "version": env!("CARGO_PKG_VERSION"),
            "description": INTRODUCTION,
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"broker": server(&wire)},
        "channels": described,
        "operations": operations,
        "components": {
            "messages": messages,
            "parameters": parameters(),
            "schemas": schemas.finish(),
            "securitySchemes": {
                "clientCertificate": {
                    "type": "X509",
                    "description": "A client certificate; the broker takes its common name as the user.",
                },
                "password": {
                    "type": "userPassword",
                    "description": "User name and password, inside TLS.",
                },
            },
        },
    })
}

/// A document as YAML.
///
/// # Errors
/// Never in practice; a JSON value has nothing that YAML cannot hold.
pub fn yaml(document: &Value) -> Result<String, serde_saphyr::ser::Error> {
    Ok(format!("{HEADER}{}", serde_saphyr::to_string(document)?))
}

/// A door that uses everything, otherwise with defaults.
fn any_door() -> Config {
    let mut config = Config {
        mqtt: Some(MqttConfig::default()),
        ..Config::default()
    };
    config.commands.plain_client = Some("{client}".into());
    config
}

fn server(wire: &Wire) -> Value {
    let mqtt = MqttConfig::default();
    json!({
        "host": "{host}:{port}",
        "protocol": "secure-mqtt",
        "protocolVersion": "5",
        "description": "Your broker, over TLS (`mqtts://`). MQTT 3.1.1 carries the same payloads without properties.",
        "variables": {
            "host": {"description": "Where the broker is.", "default": "localhost"},
            "port": {"description": "Its port for TLS.", "default": "8883"},
        },
        "security": [
            {"$ref": "#/components/securitySchemes/clientCertificate"},
            {"$ref": "#/components/securitySchemes/password"},
        ],
        "bindings": {
            "mqtt": {
                "clientId": "doorward-{site}-{door}",
                "cleanSession": false,
                "keepAlive": mqtt.keep_alive_s,
                "sessionExpiryInterval": mqtt.session_expiry_s,
                "maximumPacketSize": mqtt.max_packet_bytes,
                "lastWill": {
                    "topic": wire.topic(Class::Availability),
                    "qos": wire.qos.of(Class::Availability),
                    "retain": true,
                    "message": Availability::Offline.as_str(),
                },
                "bindingVersion": BINDING,
            },
        },
    })
}

fn described(channel: &Channel, messages: &[Message]) -> Value {
    let on_it: Map<String, Value> = messages
        .iter()
        .filter(|message| message.carries == channel.carries)
        .map(|message| {
            let there = format!("#/components/messages/{}", message.name);
            (message.name.clone(), json!({"$ref": there}))
        })
        .collect();
    let named = parameters();
    let parameters: Map<String, Value> = named
        .keys()
        .filter(|name| channel.topic.contains(&format!("{{{name}}}")))
        .map(|name| {
            let there = format!("#/components/parameters/{name}");
            (name.clone(), json!({"$ref": there}))
        })
        .collect();
    json!({
        "address": channel.topic,
        "description": channel.about,
        "parameters": parameters,
        "messages": on_it,
    })
}

/// What stands in braces in a topic.
fn parameters() -> Map<String, Value> {
    let parameter = |name: &str, about: &str, example: &str| {
        let value = json!({"description": about, "examples": [example]});
        (name.to_owned(), value)
    };
    Map::from_iter([
        parameter("site", "`door.site` of the configuration.", "home"),
        parameter("door", "`door.name` of the configuration.", "front"),
        parameter(
            "client",
            "`commands.plain_client` of the configuration: the only client that the broker lets publish here.",
            "homeassistant",
        ),
    ])
}

/// What the door does with a topic: one operation for each QoS.
fn operations(channel: &Channel) -> Vec<(String, Value)> {
    let (action, verb) = match channel.direction {
        Direction::Sends => ("send", "send"),
        Direction::Receives => ("receive", "receive"),
    };
    let name = |what: &str| {
        let (first, rest) = what.split_at(1);
        format!("{verb}{}{rest}", first.to_uppercase())
    };
    let operation = |qos: Qos, summary: &str| {
        let mut mqtt = json!({"qos": qos, "retain": channel.retain});
        if let Some(expiry_s) = channel.expiry_s {
            mqtt["messageExpiryInterval"] = expiry_s.into();
        }
        mqtt["bindingVersion"] = BINDING.into();
        json!({
            "action": action,
            "channel": {"$ref": format!("#/channels/{}", channel.name)},
            "summary": summary,
            "bindings": {"mqtt": mqtt},
        })
    };
    let mut usual = operation(channel.qos, channel.about);
    if channel.carries == Carries::Command {
        usual["reply"] = json!({"channel": {"$ref": "#/channels/commandResult"}});
    }
    let mut all = vec![(name(channel.name), usual)];
    if let Some(qos) = channel.attack_qos {
        let mut attack = operation(qos, "Alarms that may be an attack on the door.");
        let attacks = Alarm::ALL.into_iter().filter(|alarm| alarm.is_attack());
        attack["x-alarms"] = attacks.map(Alarm::as_str).collect();
        all.push((name("attackAlarms"), attack));
    }
    all
}

fn in_words(message: &Message, channels: &[Channel], headers: &Value) -> Value {
    let mut mqtt = json!({"contentType": message.content_type});
    if message.carries == Carries::Command {
        mqtt["correlationData"] = json!({
            "description": "Whatever tells the sender which command a result is about; copied into the result.",
            "type": "string",
            "format": "binary",
        });
        mqtt["responseTopic"] = json!({
            "description": "Where the result is wanted; must lie below the topic of command results. There, when it is absent.",
            "type": "string",
        });
    }
    mqtt["bindingVersion"] = BINDING.into();
    let mut value = json!({
        "name": message.name,
        "title": message.title,
        "summary": message.about,
        "contentType": message.content_type,
    });
    let sent = channels
        .iter()
        .any(|channel| channel.carries == message.carries && channel.direction == Direction::Sends);
    if sent {
        value["headers"] = headers.clone();
    }
    value["payload"] = message.payload.clone();
    value["bindings"] = json!({ "mqtt": mqtt });
    let examples = message
        .examples
        .iter()
        .map(|payload| json!({ "payload": payload }));
    let examples: Vec<Value> = examples.collect();
    if !examples.is_empty() {
        value["examples"] = examples.into();
    }
    value
}

/// What a door adds to a message beside its payload.
fn user_properties() -> Value {
    json!({
        "description": "User properties of MQTT 5.",
        "type": "object",
        "properties": {
            MAYBE_DUP: {
                "description": "Only there when the message may have arrived before, because the broker forgot the door's session while it was under way.",
                "type": "string",
                "const": "true",
            },
        },
    })
}
