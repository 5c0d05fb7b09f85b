//! What the pump must know to reach the broker, read and checked once at start.
//!
//! Everything that can be wrong on this device (address, files, keys) is found here, so that
//! what fails later is the network or the broker.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::credentials::Credentials;
use super::password::Password;
use super::tls::{Tls, TlsFileError};
use crate::certs::pem::FileError;
use crate::config::{Config, MqttConfig, Protocol, ResendDup};
use crate::event::wire::{Qos, Wire};
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
    #[error(transparent)]
    Password(#[from] FileError),
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
    pub tls: Option<Tls>,
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

/// A topic whose messages the door wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Which.
    pub topic: String,
    /// At most this quality of service.
    pub qos: Qos,
}

/// What the door listens to.
fn subscriptions(config: &Config, wire: &Wire) -> Vec<Subscription> {
    let commands = &config.commands;
    let signed = commands.accept.then(|| Subscription {
        topic: wire.command_topic(),
        qos: wire.qos.command,
    });
    // Without a time in it such a message must not be kept for a door that is away: at QoS 0 brokers
    // keep nothing (EMQX does by default; see `command::plain`).
    let plain = commands.plain_client.as_ref().map(|client| Subscription {
        topic: wire.plain_topic(client),
        qos: Qos::AtMostOnce,
    });
    signed.into_iter().chain(plain).collect()
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
    pub credentials: Option<(String, Option<Password>)>,
    /// Idle time after which the broker is asked for a sign of life.
    pub keep_alive: Duration,
    /// Messages under way at once.
    pub inflight: u16,
    /// How long the broker keeps the session of an absent door, in seconds.
    pub session_expiry_s: u32,
    /// Largest packet in either direction, in bytes.
    pub max_packet_bytes: u32,
    /// Topics whose messages are handed out as [`PumpEvent::Received`](super::PumpEvent::Received).
    pub subscriptions: Vec<Subscription>,
    /// Topics and QoS of availability.
    pub wire: Wire,
    /// When to connect again.
    pub retry: Retry,
    /// The files behind `endpoint.tls` and the password; what is new in them is taken over before
    /// each connection.
    pub watched: Arc<Credentials>,
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
        let Way {
            endpoint,
            credentials,
            watched,
        } = Way::to_broker(mqtt)?;
        Ok(Self {
            database: config.store.path.clone(),
            endpoint,
            protocol: mqtt.protocol,
            resend_dup: mqtt.resend_dup,
            client_id: mqtt
                .client_id
                .clone()
                .unwrap_or_else(|| format!("doorward-{}-{}", door.site, door.name)),
            credentials,
            keep_alive: Duration::from_secs(mqtt.keep_alive_s.into()),
            inflight: mqtt.inflight,
            session_expiry_s: mqtt.session_expiry_s,
            max_packet_bytes: mqtt.max_packet_bytes,
            subscriptions: subscriptions(config, &wire),
            wire,
            retry: Retry::default(),
            watched: Arc::new(watched),
        })
    }

    /// Takes over what is new in the files named in `[mqtt]`, for the next connection.
    pub(super) fn refresh(&mut self) {
        self.watched.look(false);
        self.endpoint.tls = self.watched.tls();
        if let Some((_, password)) = &mut self.credentials {
            *password = self.watched.password();
        }
    }
}

/// How the broker is reached, and as whom.
pub(super) struct Way {
    pub endpoint: Endpoint,
    pub credentials: Option<(String, Option<Password>)>,
    pub watched: Credentials,
}

impl Way {
    /// Reads the files that the configuration names.
    pub(super) fn to_broker(mqtt: &MqttConfig) -> Result<Self, MqttError> {
        let Address {
            host,
            port,
            encrypted,
        } = Address::parse(mqtt)?;
        let watched = Credentials::open(mqtt, encrypted)?;
        let password = |username| (username, watched.password());
        Ok(Self {
            endpoint: Endpoint {
                host,
                port,
                client_certificate: encrypted && mqtt.client_cert_file.is_some(),
                tls: watched.tls(),
            },
            credentials: mqtt.username.clone().map(password),
            watched,
        })
    }
}

/// What `mqtt.url` says.
struct Address {
    host: String,
    port: u16,
    encrypted: bool,
}

impl Address {
    fn parse(mqtt: &MqttConfig) -> Result<Self, MqttError> {
        let bad = || MqttError::Address(mqtt.url.clone());
        let url = url::Url::parse(&mqtt.url).map_err(|_| bad())?;
        let encrypted = match url.scheme() {
            "mqtts" => true,
            "mqtt" if mqtt.allow_plaintext => false,
            _ => return Err(bad()),
        };
        // The crate leaves hosts of schemes that it does not know as they are written. Asked
        // again, it makes them what DNS and certificates know: lower case, and ASCII (IDNA).
        let host = url::Host::parse(url.host_str().ok_or_else(bad)?).map_err(|_| bad())?;
        let host = match host {
            url::Host::Domain(name) if name.is_empty() => return Err(bad()),
            url::Host::Domain(name) => name,
            url::Host::Ipv4(address) => address.to_string(),
            url::Host::Ipv6(address) => address.to_string(),
        };
        let default_port = if encrypted { PORT_TLS } else { PORT_PLAIN };
        Ok(Self {
            host,
            port: url.port().unwrap_or(default_port),
            encrypted,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_what_dns_and_certificates_know() {
        let parse = |url: &str| {
            let mqtt = MqttConfig {
                url: url.into(),
                ..MqttConfig::default()
            };
            Address::parse(&mqtt).map(|address| (address.host, address.port))
        };
        let cases = [
            ("mqtts://broker.lan", "broker.lan", 8883),
            ("mqtts://Broker.LAN:9", "broker.lan", 9),
            ("mqtts://broker.lan.", "broker.lan.", 8883),
            ("mqtts://bröker.lan", "xn--brker-kua.lan", 8883),
            ("mqtts://BRÖKER.lan", "xn--brker-kua.lan", 8883),
            ("mqtts://10.0.0.2", "10.0.0.2", 8883),
            ("mqtts://[FD00::0:1]:9", "fd00::1", 9),
        ];
        for (url, host, port) in cases {
            assert_eq!(parse(url).unwrap(), (host.to_owned(), port), "{url}");
        }
        for url in ["mqtts://", "mqtt://broker.lan", "https://broker.lan", "x"] {
            assert!(parse(url).is_err(), "{url}");
        }
    }
}
