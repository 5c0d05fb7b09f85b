//! The topics of a door: direction, QoS, retain, expiry, content type.

use serde::Serialize;

use crate::command::result;
use crate::config::{CommandsConfig, Config, ResendDup, TelemetryConfig};
use crate::event::wire::{CLOUDEVENTS_JSON, Qos, Wire};
use crate::event::{Class, checkpoint};

/// Which way messages go, from the door's point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The door publishes.
    Sends,
    /// The door subscribes.
    Receives,
}

/// What a topic is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Carries {
    /// Events of one class.
    Events(Class),
    /// The retained summary.
    State,
    /// The retained word whether the service runs.
    Availability,
    /// The retained, signed statement about the record.
    Checkpoint,
    /// Numbers that may be lost.
    Telemetry,
    /// The last visitor's picture.
    Snapshot,
    /// Signed commands.
    Command,
    /// Plain lock payloads of one client.
    PlainCommand,
    /// What became of commands.
    CommandResult,
    /// The broker's own version.
    BrokerVersion,
}

/// One topic of a door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Channel {
    /// Its name in docs/asyncapi.yaml.
    pub name: &'static str,
    /// Full topic, or the filter that is subscribed to.
    pub topic: String,
    /// Which way.
    pub direction: Direction,
    /// What is on it.
    pub carries: Carries,
    /// Quality of service.
    pub qos: Qos,
    /// Quality of service of alarms that may be an attack, where that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attack_qos: Option<Qos>,
    /// Whether the broker keeps the last message for late subscribers.
    pub retain: bool,
    /// After how many seconds the broker forgets it; absent for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry_s: Option<u32>,
    /// MQTT 5 content type.
    pub content_type: &'static str,
    /// What it is for, in words.
    pub about: &'static str,
    /// Whether this door uses it, by its configuration.
    pub in_use: bool,
}

/// Every topic of a door, those that it does not use included.
#[must_use]
pub fn channels(config: &Config, wire: &Wire) -> Vec<Channel> {
    let CommandsConfig {
        accept,
        max_age_s,
        plain_client,
        ..
    } = &config.commands;
    let TelemetryConfig {
        every_s,
        snapshots,
        snapshot_expiry_s,
    } = config.telemetry;
    let sends = |name, class, carries, content_type, about| Channel {
        name,
        topic: wire.topic(class),
        direction: Direction::Sends,
        carries,
        qos: wire.qos.of(class),
        attack_qos: None,
        retain: false,
        expiry_s: None,
        content_type,
        about,
        in_use: true,
    };
    let events =
        |name, class, about| sends(name, class, Carries::Events(class), CLOUDEVENTS_JSON, about);
    let receives = |name, topic, carries, content_type, about| Channel {
        name,
        topic,
        direction: Direction::Receives,
        carries,
        qos: wire.qos.command,
        attack_qos: None,
        retain: false,
        expiry_s: None,
        content_type,
        about,
        in_use: true,
    };
    let asks_version = config
        .mqtt
        .as_ref()
        .is_some_and(|mqtt| mqtt.resend_dup == ResendDup::Auto);
    let version = |name, topic: &str| Channel {
        in_use: asks_version,
        ..receives(
            name,
            topic.to_owned(),
            Carries::BrokerVersion,
            "",
            "The broker's version: some versions need messages that are sent again without DUP.",
        )
    };
    vec![
        Channel {
            retain: true,
            ..sends(
                "availability",
                Class::Availability,
                Carries::Availability,
                "text/plain",
                "Whether the service runs; the broker itself says `offline` when the connection dies (the will).",
            )
        },
        Channel {
            retain: true,
            ..sends(
                "state",
                Class::State,
                Carries::State,
                "application/json",
                "The door as it stands: lock, contact, mode, active alarms.",
            )
        },
        events(
            "accessEvents",
            Class::Access,
            "Who was granted, denied, or asked for more.",
        ),
        events(
            "doorEvents",
            Class::Door,
            "What happened to the door itself: released, secured, opened, closed, exit button, mode.",
        ),
        events(
            "adminEvents",
            Class::Admin,
            "What administration, commands, delivery and the record's upkeep did.",
        ),
        Channel {
            attack_qos: (wire.qos.attack != wire.qos.alarm).then_some(wire.qos.attack),
            ..events(
                "alarms",
                Class::Alarm,
                "Conditions that were raised, cleared or acknowledged.",
            )
        },
        Channel {
            retain: true,
            ..sends(
                "checkpoint",
                Class::Checkpoint,
                Carries::Checkpoint,
                checkpoint::CONTENT_TYPE,
                "A signed statement of how far the record goes; whoever keeps it can prove later that the record was cut.",
            )
        },
        Channel {
            // Until the one after the next is due.
            expiry_s: Some(2 * every_s),
            in_use: every_s > 0,
            ..sends(
                "telemetry",
                Class::Telemetry,
                Carries::Telemetry,
                "application/json",
                "Numbers about the device and the service, now and then; they may be lost.",
            )
        },
        Channel {
            expiry_s: Some(snapshot_expiry_s),
            in_use: snapshots,
            ..sends(
                "snapshot",
                Class::Snapshot,
                Carries::Snapshot,
                "image/jpeg",
                "The last visitor's picture, where the configuration allows it.",
            )
        },
        Channel {
            expiry_s: Some(*max_age_s),
            in_use: *accept,
            ..receives(
                "command",
                wire.command_topic(),
                Carries::Command,
                "application/jose",
                "Commands, each signed by an operator; never retained.",
            )
        },
        Channel {
            // At QoS 0 brokers keep nothing for a door that is away.
            qos: Qos::AtMostOnce,
            in_use: plain_client.is_some(),
            ..receives(
                "plainCommand",
                wire.plain_topic(plain_client.as_deref().unwrap_or("{client}")),
                Carries::PlainCommand,
                "text/plain",
                "Plain lock payloads of one client for which the broker vouches; never retained.",
            )
        },
        Channel {
            expiry_s: u32::try_from(result::LIFE.as_secs()).ok(),
            in_use: *accept || plain_client.is_some(),
            ..sends(
                "commandResult",
                Class::Result,
                Carries::CommandResult,
                "application/json",
                "What became of commands, each with the command's id and, with MQTT 5, its correlation data.",
            )
        },
        version("brokerVersion", "$SYS/broker/version"),
        version("brokerVersions", "$SYS/brokers/+/version"),
    ]
}
