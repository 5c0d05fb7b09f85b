//! `doorward.toml`: what an installer may choose, strict and documented key by key.
//!
//! Unknown keys, wrong types and values out of range are refused with file, line and what
//! is allowed; nothing is guessed. [`DEFAULT_TOML`] is the reference: every key with its
//! unit, range and default. Relative paths mean relative to the file they stand in.

mod check;
mod clock;
mod load;
mod messaging;
mod recognition;
mod record;
mod sections;
mod stream;
mod values;
mod wiring;
mod zone;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use clock::ClockConfig;
pub use messaging::{CommandsConfig, Droppable, OutboxConfig, TelemetryConfig};
pub use recognition::{LivenessConfig, LivenessMode, RecognitionConfig};
pub use record::{AuditConfig, OnStorageFailure, StoreConfig};
pub use sections::{
    ActiveLevel, CameraConfig, DoorConfig, EnrollConfig, LogConfig, LogFormat, ModelsConfig,
    MqttConfig, PixelFormat, Protocol, RelayConfig, RelayDriver, ResendDup, SourceKind, TlsVersion,
};
pub use stream::{Address, Pipeline, told, told_of_path};
pub use wiring::{
    ContactConfig, InputWiring, KeypadConfig, KeypadDriver, OutputPin, OutputsConfig, Pull,
    RexConfig,
};
pub use zone::{ZoneError, Zones};

pub use crate::access::{AccessConfig, AntiPassback, WithoutClock};

use crate::event::wire::Wire;

/// The reference file that `doorward config default` prints.
pub const DEFAULT_TOML: &str = include_str!("default.toml");

/// Where the configuration is looked for when nothing else is said.
pub const DEFAULT_PATH: &str = "/etc/doorward/doorward.toml";

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Which door this is.
    pub door: DoorConfig,
    /// Where frames come from.
    pub camera: CameraConfig,
    /// Where the networks are.
    pub models: ModelsConfig,
    /// When a face counts as recognised.
    pub recognition: RecognitionConfig,
    /// When it counts as alive.
    pub liveness: LivenessConfig,
    /// What enrolling leaves behind.
    pub enroll: EnrollConfig,
    /// What locks the door.
    pub relay: RelayConfig,
    /// The door contact; none when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactConfig>,
    /// The exit button; none when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rex: Option<RexConfig>,
    /// Lights, sounder, second relay; none when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<OutputsConfig>,
    /// Where PINs are typed; nowhere when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keypad: Option<KeypadConfig>,
    /// How the rules of access are applied.
    pub access: AccessConfig,
    /// When the wall clock is to be trusted.
    pub clock: ClockConfig,
    /// Where the record is.
    pub store: StoreConfig,
    /// How it is kept and guarded.
    pub audit: AuditConfig,
    /// Which broker hears of it; none when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mqtt: Option<MqttConfig>,
    /// What may wait for the broker.
    pub outbox: OutboxConfig,
    /// Who may command the door.
    pub commands: CommandsConfig,
    /// What is told beside events.
    pub telemetry: TelemetryConfig,
    /// How the service logs.
    pub log: LogConfig,
}

impl Config {
    /// How this door's events look to the broker; `None` without a broker.
    #[must_use]
    pub fn wire(&self) -> Option<Wire> {
        let mqtt = self.mqtt.as_ref()?;
        let DoorConfig { site, name } = &self.door;
        Some(Wire {
            base_topic: mqtt
                .base_topic
                .clone()
                .unwrap_or_else(|| format!("doorward/{site}/{name}")),
            source: self.source(),
            qos: mqtt.qos.clone(),
        })
    }

    /// This door's name in events and checkpoints, `/doorward/SITE/DOOR`.
    #[must_use]
    pub fn source(&self) -> String {
        let DoorConfig { site, name } = &self.door;
        format!("/doorward/{site}/{name}")
    }
}

/// Why a configuration was refused. Every message starts with the file and, where known, the line.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there.
    #[error(
        "{path}: no such configuration file; write one with `doorward config default > {path}`, or name another with --config",
        path = .0.display()
    )]
    Missing(PathBuf),
    /// The file is there but cannot be read.
    #[error("{path}: cannot read the configuration: {source}", path = path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// Not TOML, or a value of the wrong type.
    #[error("{place}: {message}")]
    Syntax {
        /// File and line.
        place: Place,
        /// What is wrong.
        message: String,
    },
    /// A key that does not exist.
    #[error("{place}: unknown key `{key}`{}", nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_else(|| "; see `doorward config default` for all keys".into()))]
    UnknownKey {
        /// File and line.
        place: Place,
        /// The whole dotted key.
        key: String,
        /// The known key that is most like it.
        nearest: Option<String>,
    },
    /// Nobody knows the system's time zone.
    #[error(transparent)]
    Zone(#[from] ZoneError),
    /// A value that is not allowed.
    #[error("{place}: `{key}` = {value}: {allowed}")]
    Refused {
        /// File and line.
        place: Place,
        /// The whole dotted key.
        key: String,
        /// The value as written.
        value: String,
        /// What would be allowed, or what is missing.
        allowed: String,
    },
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Line number from 1; absent when the key is not in the file.
    pub line: Option<usize>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file.display())?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}
