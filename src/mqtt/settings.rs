//! What the pump must know to reach the broker, read and checked once at start.
//!
//! Everything that can be wrong on this device (address, files, keys) is found here, so that
//! what fails later is the network or the broker.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::tls::{self, TlsFileError};
use crate::config::{Config, MqttConfig, Protocol, ResendDup};
use crate::event::wire::Wire;
use crate::store::StoreError;

/// Ports of MQTT with and without TLS.
const PORT_TLS: u16 = 8883;
const PORT_PLAIN: u16 = 1883;

/// Why the pump could not be started.
#[derive(Debug, thiserror::Error)]
pub enum MqttError {
    /// No broker is configured.
    #[error("no broker is configured; add [mqtt] with its url")]
    NoBroker,
    /// The address cannot be used.
    #[error("mqtt.url {0:?} is not an address of a broker; write mqtts://host[:port]")]
    Address(String),
    /// The password file.
    #[error("cannot read the MQTT password file {path}: {source}", path = path.display())]
    Password {
        /// Which file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The password file has no password.
    #[error("the MQTT password file {path} is empty; its first line is the password", path = .0.display())]
    NoPassword(PathBuf),
    /// Certificates and keys.
    #[error(transparent)]
    Tls(#[from] TlsFileError),
    /// The outbox.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gave no thread or no event queue.
    #[error("cannot start the MQTT thread: {0}")]
    Thread(std::io::Error),
}

/// Where the broker is and how it is spoken to.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How to encrypt; none for plain TCP.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Whether a client certificate is shown.
    pub client_certificate: bool,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How long to wait before connecting again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Shortest wait. A broker that still tidies up the cut connection may hand over the
    /// session twice when it is asked again within some 20 ms.
    pub first: Duration,
    /// Longest wait, jitter included.
    pub longest: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
        }
    }
}

/// Everything the pump needs.
#[derive(Debug, Clone)]
pub struct PumpConfig {
    /// The database.
    pub database: PathBuf,
    /// The broker.
    pub endpoint: Endpoint,
    /// Which version of MQTT is spoken.
    pub protocol: Protocol,
    /// Whether messages that are sent again say so.
    pub resend_dup: ResendDup,
    /// Unique on the broker.
    pub client_id: String,
    /// User name and password.
    pub credentials: Option<(String, Option<String>)>,
    /// Idle time after which the broker is asked for a sign of life.
    pub keep_alive: Duration,
    /// Messages under way at once.
    pub inflight: u16,
    /// How long the broker keeps the session of an absent door, in seconds.
    pub session_expiry_s: u32,
    /// Largest packet in either direction, in bytes.
    pub max_packet_bytes: u32,
    /// Topics whose messages are handed out as [`PumpEvent::Received`](super::PumpEvent::Received).
    pub subscriptions: Vec<String>,
    /// Topics and QoS of availability.
    pub wire: Wire,
    /// When to connect again.
    pub retry: Retry,
}

impl PumpConfig {
    /// Takes what it needs from the configuration and reads the files it names.
    ///
    /// # Errors
    /// When there is no broker, or a file cannot be used; the message names it.
    pub fn from_config(config: &Config) -> Result<Self, MqttError> {
        let mqtt = config.mqtt.as_ref().ok_or(MqttError::NoBroker)?;
        let wire = config.wire().ok_or(MqttError::NoBroker)?;
        let door = &config.door;
        Ok(Self {
            database: config.store.path.clone(),
            endpoint: endpoint(mqtt)?,
            protocol: mqtt.protocol,
            resend_dup: mqtt.resend_dup,
            client_id: mqtt
                .client_id
                .clone()
                .unwrap_or_else(|| format!("doorward-{}-{}", door.site, door.name)),
            credentials: credentials(mqtt)?,
            keep_alive: Duration::from_secs(mqtt.keep_alive_s.into()),
            inflight: mqtt.inflight,
            session_expiry_s: mqtt.session_expiry_s,
            max_packet_bytes: mqtt.max_packet_bytes,
            subscriptions: Vec::new(),
            wire,
            retry: Retry::default(),
        })
    }
}

fn endpoint(mqtt: &MqttConfig) -> Result<Endpoint, MqttError> {
    let bad = || MqttError::Address(mqtt.url.clone());
    let url = url::Url::parse(&mqtt.url).map_err(|_| bad())?;
    let host = url
        .host_str()
        .map(|host| host.trim_start_matches('[').trim_end_matches(']'))
        .filter(|host| !host.is_empty())
        .ok_or_else(bad)?
        .to_owned();
    let encrypted = match url.scheme() {
        "mqtts" => true,
        "mqtt" if mqtt.allow_plaintext => false,
        _ => return Err(bad()),
    };
    let (tls, default_port) = if encrypted {
        let identity = mqtt
            .client_cert_file
            .as_deref()
            .zip(mqtt.client_key_file.as_deref());
        let tls = tls::client_config(mqtt.ca_file.as_deref(), identity)?;
        (Some(Arc::new(tls)), PORT_TLS)
    } else {
        (None, PORT_PLAIN)
    };
    Ok(Endpoint {
        host,
        port: url.port().unwrap_or(default_port),
        client_certificate: tls.is_some() && mqtt.client_cert_file.is_some(),
        tls,
    })
}

fn credentials(mqtt: &MqttConfig) -> Result<Option<(String, Option<String>)>, MqttError> {
    let Some(username) = mqtt.username.clone() else {
        return Ok(None);
    };
    let password = mqtt.password_file.as_deref().map(password).transpose()?;
    Ok(Some((username, password)))
}

fn password(path: &Path) -> Result<String, MqttError> {
    let text = std::fs::read_to_string(path).map_err(|source| MqttError::Password {
        path: path.to_owned(),
        source,
    })?;
    text.lines()
        .next()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| MqttError::NoPassword(path.to_owned()))
}
