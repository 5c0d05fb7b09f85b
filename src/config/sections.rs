//! The sections of the configuration. Units, ranges and meanings stand in `default.toml`,
//! where installers read them; here are the types and the defaults.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::stream::{Address, Pipeline};
use crate::event::wire::QosPolicy;

/// `[door]`: which door this is; part of every topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DoorConfig {
    /// Site, one topic level.
    pub site: String,
    /// Door, one topic level.
    pub name: String,
}

impl Default for DoorConfig {
    fn default() -> Self {
        Self {
            site: "home".into(),
            name: "front".into(),
        }
    }
}

/// Which driver delivers frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// USB camera through Video4Linux.
    V4l2,
    /// A GStreamer pipeline, for example with `libcamerasrc`.
    Gstreamer,
    /// An RTSP or HTTP stream.
    Url,
    /// A video file, at its own speed.
    File,
    /// A folder of images, at `fps`.
    Folder,
}

/// Which pixel format a V4L2 device is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PixelFormat {
    /// Compressed: USB has no room for raw frames at full rate.
    Mjpg,
    /// Raw.
    Yuyv,
    /// The device's own choice.
    Any,
}

/// `[camera]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CameraConfig {
    /// Which kind of source.
    pub source: SourceKind,
    /// For `v4l2`.
    pub device: PathBuf,
    /// For `gstreamer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<Pipeline>,
    /// For `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Address>,
    /// For `file` and `folder`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Pixel format asked of a V4L2 device.
    pub format: PixelFormat,
    /// Frame width asked of a V4L2 device, in pixels.
    pub width: u32,
    /// Frame height asked of a V4L2 device, in pixels.
    pub height: u32,
    /// Frame rate asked of a V4L2 device or kept for a folder, in frames per second.
    pub fps: f64,
    /// Whether a file or folder starts again at its end.
    pub repeat: bool,
    /// Whether frames without motion are skipped while nobody is in view.
    pub motion_gate: bool,
}

impl Default for CameraConfig {
    fn default() -> Self {
        Self {
            source: SourceKind::V4l2,
            device: "/dev/video0".into(),
            pipeline: None,
            url: None,
            path: None,
            format: PixelFormat::Mjpg,
            width: 640,
            height: 480,
            fps: 15.0,
            repeat: false,
            motion_gate: true,
        }
    }
}

/// `[models]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelsConfig {
    /// The folder with the packs' manifests.
    pub directory: PathBuf,
    /// Which pack: `faceplugin` is `manifest.toml`, any other NAME is `NAME.toml`.
    pub pack: String,
    /// Threads a network may use.
    pub threads: u32,
}

impl Default for ModelsConfig {
    fn default() -> Self {
        Self {
            directory: "/usr/share/doorward/models".into(),
            pack: "faceplugin".into(),
            threads: 2,
        }
    }
}

/// `[enroll]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EnrollConfig {
    /// Whether enrolled pictures are kept in the database.
    pub keep_photos: bool,
}

/// Which driver moves the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RelayDriver {
    /// The kernel's GPIO character device.
    Gpiochip,
    /// The rppal crate (Raspberry Pi only, `/dev/gpiomem`).
    Rppal,
    /// No pin at all: transitions are printed.
    Simulated,
}

/// The level at which the relay is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActiveLevel {
    /// 3.3 V releases.
    High,
    /// 0 V releases.
    Low,
}

/// `[relay]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RelayConfig {
    /// Which driver.
    pub driver: RelayDriver,
    /// Character device of the GPIO controller.
    pub chip: PathBuf,
    /// BCM number of the pin.
    pub pin: u32,
    /// Level at which the relay is released; the other one is the safe level.
    pub active: ActiveLevel,
    /// How long a grant releases the relay.
    pub release_ms: u64,
    /// The same for people who need longer.
    pub extended_release_ms: u64,
    /// File to which the simulated relay appends its transitions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transitions: Option<PathBuf>,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            driver: RelayDriver::Gpiochip,
            chip: "/dev/gpiochip0".into(),
            pin: 17,
            active: ActiveLevel::High,
            release_ms: 5_000,
            extended_release_ms: 15_000,
            transitions: None,
        }
    }
}

/// Which version of MQTT is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// MQTT 5.
    #[serde(rename = "5")]
    V5,
    /// MQTT 3.1.1, for brokers that know no other: no reason codes, no properties.
    #[serde(rename = "3.1.1")]
    V311,
}

/// The oldest TLS that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TlsVersion {
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V13,
    /// TLS 1.2.
    #[serde(rename = "1.2")]
    V12,
}

/// Whether a message that is sent again says so (the DUP flag).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResendDup {
    /// No, until the broker tells a version that is known not to drop such messages.
    Auto,
    /// Yes, as the standard demands.
    Always,
    /// No: for brokers that drop a first copy that says so.
    Never,
}

/// `[mqtt]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MqttConfig {
    /// `mqtts://host[:port]`, or `mqtt://` with `allow_plaintext`.
    pub url: String,
    /// Client id; `doorward-<site>-<door>` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// User name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// File whose first line is the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// PEM file of the private CA; the system's roots when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// PEM file of the client certificate (chain).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cert_file: Option<PathBuf>,
    /// PEM file of its private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key_file: Option<PathBuf>,
    /// Whether an `mqtt://` address is accepted.
    pub allow_plaintext: bool,
    /// Which version of MQTT is spoken.
    pub protocol: Protocol,
    /// The oldest TLS that is accepted.
    pub tls_min: TlsVersion,
    /// Whether messages that are sent again say so.
    pub resend_dup: ResendDup,
    /// Topic prefix; `doorward/<site>/<door>` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_topic: Option<String>,
    /// Seconds between pings on an idle connection.
    pub keep_alive_s: u16,
    /// Messages under way at once.
    pub inflight: u16,
    /// How long the broker keeps the session of an absent door, in seconds.
    pub session_expiry_s: u32,
    /// Largest packet in either direction, in bytes.
    pub max_packet_bytes: u32,
    /// QoS per class.
    pub qos: QosPolicy,
}

impl Default for MqttConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            client_id: None,
            username: None,
            password_file: None,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            allow_plaintext: false,
            protocol: Protocol::V5,
            tls_min: TlsVersion::V13,
            resend_dup: ResendDup::Auto,
            base_topic: None,
            keep_alive_s: 30,
            inflight: 20,
            session_expiry_s: 7 * 24 * 3600,
            max_packet_bytes: 1024 * 1024,
            qos: QosPolicy::default(),
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people and journald.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogConfig {
    /// Levels, as in `info` or `info,doorward::mqtt=debug`.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: LogFormat::Text,
        }
    }
}
