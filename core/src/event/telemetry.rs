//! Numbers about the door's health, published now and then on `telemetry`. They may be lost.
//!
//! Averages and counts cover the time since the message before, whether or not that one arrived;
//! totals count since the database was made.

use schemars::JsonSchema;
use serde::Serialize;

use super::wire::{UTC_MILLIS, millis};
use super::{Class, DropReason};
use crate::clock::Timestamp;

/// How the door does.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Telemetry {
    /// When this was so, in UTC with milliseconds.
    #[serde(serialize_with = "millis")]
    #[schemars(regex(pattern = UTC_MILLIS))]
    pub time: Timestamp,
    /// Version of the software.
    pub version: &'static str,
    /// Seconds since the service started.
    pub uptime_s: u64,
    /// Frames a second from the camera; 0 when none come.
    #[schemars(range(min = 0.0))]
    pub camera_fps: f64,
    /// What looking at frames took.
    pub vision: VisionTimes,
    /// Temperature of the processor in degrees Celsius, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_celsius: Option<f64>,
    /// Memory in use (resident), in bytes, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// For how many seconds the broker keeps the door's session while the door is away, as it said when
    /// it last accepted a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_expiry_s: Option<u32>,
    /// How long the disk took for commits of the record; absent when there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commits: Option<CommitTimes>,
    /// What waits for the broker.
    pub outbox: OutboxGauge,
    /// What was dropped before the broker had it, since the database was made.
    pub dropped: Vec<DroppedTotal>,
}

/// How long each stage of vision took; absent where it did not run.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, JsonSchema)]
pub struct VisionTimes {
    /// A frame, with all the faces in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<StageTime>,
    /// Finding faces in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detect: Option<StageTime>,
    /// Landmarks, alignment and quality of one face.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub examine: Option<StageTime>,
    /// The embedding of one face.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embed: Option<StageTime>,
    /// Whether one face is alive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness: Option<StageTime>,
}

/// How often a stage ran, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct StageTime {
    /// How often.
    pub runs: u64,
    /// Milliseconds, on average.
    #[schemars(range(min = 0.0))]
    pub mean_ms: f64,
    /// Milliseconds, at most.
    #[schemars(range(min = 0.0))]
    pub max_ms: f64,
}

/// How long commits of the record took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct CommitTimes {
    /// How many there were.
    pub commits: u64,
    /// Milliseconds that half of them did not exceed.
    #[schemars(range(min = 0.0))]
    pub p50_ms: f64,
    /// Milliseconds that 99 of 100 did not exceed.
    #[schemars(range(min = 0.0))]
    pub p99_ms: f64,
    /// Milliseconds, at most.
    #[schemars(range(min = 0.0))]
    pub longest_ms: f64,
}

/// What waits for the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OutboxGauge {
    /// Messages not handed over yet.
    pub queued: u64,
    /// Messages sent and not confirmed.
    pub under_way: u64,
    /// Messages that the broker refused, kept for inspection.
    pub refused: u64,
    /// Payload that waits, in bytes.
    pub bytes: u64,
}

/// What was dropped of one class for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DroppedTotal {
    /// Which class.
    pub class: Class,
    /// Why.
    pub reason: DropReason,
    /// How many messages.
    pub messages: u64,
}
