//! `[outbox]`, `[commands]` and `[telemetry]`: what waits for the broker, who may command, what is
//! told beside events.

use serde::{Deserialize, Serialize};

/// What may be dropped when the outbox is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Droppable {
    /// Telemetry, the oldest first.
    Telemetry,
    /// Pictures, the oldest first.
    Snapshot,
    /// Whatever else is sent at QoS 0, the oldest first.
    Qos0,
}

impl Droppable {
    /// The word in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Droppable::Telemetry => "telemetry",
            Droppable::Snapshot => "snapshot",
            Droppable::Qos0 => "qos0",
        }
    }
}

/// `[outbox]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutboxConfig {
    /// How many messages may wait before something is dropped.
    pub max_messages: u64,
    /// How many MiB of payload may wait before something is dropped.
    pub max_mib: u64,
    /// At how many percent of either an alarm is raised.
    pub warn_percent: u8,
    /// What is dropped at the limit, in this order; nothing else ever is.
    pub drop: Vec<Droppable>,
}

impl Default for OutboxConfig {
    fn default() -> Self {
        Self {
            max_messages: 1_000_000,
            max_mib: 1_024,
            warn_percent: 80,
            drop: vec![Droppable::Telemetry, Droppable::Snapshot, Droppable::Qos0],
        }
    }
}

/// `[commands]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CommandsConfig {
    /// Whether the door listens to signed commands at all.
    pub accept: bool,
    /// How long a command may be valid, in seconds.
    pub max_age_s: u32,
    /// How far clocks may differ, in seconds.
    pub skew_s: u32,
    /// How many commands of one operator are carried out in a minute.
    pub per_minute: u32,
    /// The client whose plain lock payloads (LOCK, UNLOCK, OPEN) are taken; none when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plain_client: Option<String>,
}

impl Default for CommandsConfig {
    fn default() -> Self {
        Self {
            accept: true,
            max_age_s: 60,
            skew_s: 10,
            per_minute: 30,
            plain_client: None,
        }
    }
}

/// `[telemetry]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TelemetryConfig {
    /// Seconds between two messages; 0 for none.
    pub every_s: u32,
    /// Whether the last visitor's picture is published with each decision.
    pub snapshots: bool,
    /// After how many seconds the broker must have forgotten a picture.
    pub snapshot_expiry_s: u32,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            every_s: 60,
            snapshots: false,
            snapshot_expiry_s: 300,
        }
    }
}
