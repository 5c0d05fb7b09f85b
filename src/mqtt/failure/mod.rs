//! Why there is no connection, in a sentence that says what to do.
//!
//! Pure: an error goes in, a [`Failure`] comes out. It tells apart what time heals (network),
//! what a person must repair (configuration, here or at the broker) and what this device must
//! repair (storage). Errors are recognised by type wherever the libraries keep one; they hide
//! in up to four layers of `io::Error`.

mod certificate;
mod layers;

use std::io;
use std::time::Duration;

use rumqttc::{ConnectReturnCode, ConnectionError, DisconnectReasonCode, StateError};

use layers::{find, find_kind};

use super::dial::DialError;
use super::ledger::SaveError;
use super::settings::Endpoint;
use crate::store::StoreError;

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It may pass by itself.
    Network(String),
    /// Somebody must change something, here or at the broker.
    Configuration(String),
    /// The outbox cannot be read or written.
    Storage(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Failure::Network(text) | Failure::Configuration(text) | Failure::Storage(text)) = self;
        f.write_str(text)
    }
}

/// What ended a connection, or kept it from coming about.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Pings are answered, messages are not.
    #[error("unresponsive")]
    Unresponsive,
}

impl LinkError {
    /// Whether the stored session will never be accepted by this version of the client.
    pub(super) fn is_unusable_session(&self) -> bool {
        matches!(
            self,
            LinkError::Connection(ConnectionError::SessionRestore(_))
        )
    }
}

/// A connection cut this soon, by a broker that had accepted it, was probably not the network.
const SHORT_LIFE: Duration = Duration::from_secs(5);

/// Puts a name to what happened. `lived`: for how long the broker had accepted us, if it had.
pub(super) fn classify(error: &LinkError, endpoint: &Endpoint, lived: Option<Duration>) -> Failure {
    let error = match error {
        LinkError::Store(error) => return storage(error),
        LinkError::Unresponsive => {
            return Failure::Network(format!(
                "the broker {endpoint} answers pings but has not answered any message for a while; connecting again"
            ));
        }
        LinkError::Connection(error) => error,
    };
    match error {
        ConnectionError::SessionStore(error) => match find::<SaveError>(error.as_ref()) {
            Some(SaveError::Store(error)) => storage(error),
            Some(error) => Failure::Storage(format!(
                "the state of the MQTT session makes no sense: {error}; it is read again from the database"
            )),
            None => match find::<StoreError>(error.as_ref()) {
                Some(error) => storage(error),
                None => Failure::Storage(error.to_string()),
            },
        },
        ConnectionError::SessionRestore(error) => Failure::Storage(format!(
            "the stored MQTT session cannot be resumed: {error}; it is given up, and what was under way is sent anew, marked as possibly double"
        )),
        ConnectionError::ConnectionRefused(code) => refused(*code, endpoint),
        ConnectionError::MqttState(StateError::ConnFail { reason }) => refused(*reason, endpoint),
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code,
            reason_string,
        }) => ended(*reason_code, reason_string.as_deref(), endpoint),
        ConnectionError::Timeout(_) => Failure::Network(format!(
            "the broker {endpoint} did not answer in time; check the address, the network and any firewall between"
        )),
        ConnectionError::MqttState(StateError::AwaitPingResp) => Failure::Network(format!(
            "the broker {endpoint} no longer answers: the ping on the idle connection was lost"
        )),
        other => match find::<rustls::Error>(other) {
            Some(error) => certificate::tls(error, endpoint),
            None => transport(other, endpoint, lived),
        },
    }
}

fn storage(error: &StoreError) -> Failure {
    Failure::Storage(format!(
        "the outbox cannot be used, so nothing is sent: {error}"
    ))
}

/// What the broker said to CONNECT.
fn refused(code: ConnectReturnCode, endpoint: &Endpoint) -> Failure {
    use ConnectReturnCode as Code;
    let configuration = |what: &str| {
        Failure::Configuration(format!(
            "the broker {endpoint} refuses the connection: {what}"
        ))
    };
    let network =
        |what: &str| Failure::Network(format!("the broker {endpoint} refuses for now: {what}"));
    match code {
        Code::BadUserNamePassword => configuration(
            "bad user name or password; check mqtt.username and the first line of mqtt.password_file",
        ),
        Code::NotAuthorized => configuration(
            "not authorised; user name or password is wrong or missing (mqtt.username, mqtt.password_file), or the broker does not admit this client",
        ),
        Code::BadAuthenticationMethod => configuration(
            "it wants another way of authentication; user name and password, or a client certificate, are what we have",
        ),
        Code::Banned => configuration("this client is banned; ask who runs the broker"),
        Code::BadClientId | Code::ClientIdentifierNotValid => {
            configuration("it does not accept the client id; set mqtt.client_id")
        }
        Code::RefusedProtocolVersion | Code::UnsupportedProtocolVersion => {
            configuration("it does not speak MQTT 5; use a broker that does")
        }
        Code::RetainNotSupported => {
            configuration("it does not keep retained messages, which availability and state need")
        }
        Code::QoSNotSupported => {
            configuration("it does not support the QoS of the will; lower mqtt.qos.state")
        }
        Code::TopicNameInvalid => {
            configuration("it does not accept the topic of the will; check mqtt.base_topic")
        }
        Code::PacketTooLarge | Code::PayloadFormatInvalid => {
            configuration("it does not accept the will")
        }
        Code::UseAnotherServer | Code::ServerMoved => {
            configuration("it has moved; change mqtt.url")
        }
        Code::QuotaExceeded | Code::ConnectionRateExceeded => {
            network("a quota or connection rate is exceeded")
        }
        Code::ServerUnavailable | Code::ServiceUnavailable | Code::ServerBusy => {
            network("it is busy or starting")
        }
        other => network(&format!("{other:?}")),
    }
}

/// What the broker said when it ended a connection.
fn ended(reason: DisconnectReasonCode, words: Option<&str>, endpoint: &Endpoint) -> Failure {
    use DisconnectReasonCode as Code;
    let said = words.map(|words| format!(" ({words})")).unwrap_or_default();
    let configuration = |what: &str| {
        Failure::Configuration(format!(
            "the broker {endpoint} ended the connection{said}: {what}"
        ))
    };
    match reason {
        Code::SessionTakenOver => configuration(
            "another client connected with the same client id and took the session over; give every door its own mqtt.client_id",
        ),
        Code::NotAuthorized => {
            configuration("not authorised; check the broker's rules for this client")
        }
        Code::AdministrativeAction => configuration("an administrator ended it"),
        Code::ReceiveMaximumExceeded => {
            configuration("too many messages under way; lower mqtt.inflight")
        }
        Code::UseAnotherServer | Code::ServerMoved => {
            configuration("it has moved; change mqtt.url")
        }
        Code::ServerShuttingDown => {
            Failure::Network(format!("the broker {endpoint} is shutting down{said}"))
        }
        other => Failure::Network(format!(
            "the broker {endpoint} ended the connection{said}: {other:?}"
        )),
    }
}

/// Everything below TLS, and silence.
fn transport(error: &ConnectionError, endpoint: &Endpoint, lived: Option<Duration>) -> Failure {
    if let Some(DialError::Resolve { host, source }) = find::<DialError>(error) {
        return Failure::Network(format!(
            "the name {host} cannot be resolved ({source}); check mqtt.url and this device's DNS"
        ));
    }
    let kind = find_kind(error);
    match kind {
        Some(io::ErrorKind::ConnectionRefused) => {
            return Failure::Network(format!(
                "connection refused: nothing listens at {endpoint}; check that the broker runs, and the port in mqtt.url"
            ));
        }
        Some(io::ErrorKind::TimedOut) => {
            return Failure::Network(format!(
                "the broker {endpoint} did not answer in time; check the address, the network and any firewall between"
            ));
        }
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
            return Failure::Network(format!(
                "there is no way to {endpoint}: the network is down or the address is wrong"
            ));
        }
        _ => {}
    }
    let cut = matches!(
        error,
        ConnectionError::MqttState(StateError::ConnectionAborted)
    ) || matches!(
        kind,
        Some(
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
        )
    );
    if cut && let Some(lived) = lived {
        // Some brokers end the older of two clients without a word.
        let twin = if lived < SHORT_LIFE {
            " soon after it was made; if this stays so, another client may be using the same mqtt.client_id"
        } else {
            ""
        };
        return Failure::Network(format!(
            "the connection to the broker {endpoint} was cut{twin}"
        ));
    }
    if cut && matches!(error, ConnectionError::Tls(_)) {
        return Failure::Network(format!(
            "{endpoint} closed the connection during the TLS handshake; if this stays so, this port does not speak TLS (8883 is usual for mqtts://)"
        ));
    }
    if cut && endpoint.tls.is_some() {
        // The alert that would tell may be lost when the broker closes with our CONNECT unread.
        let client_certificate = if endpoint.client_certificate {
            "it refuses our client certificate"
        } else {
            "it wants a client certificate (mqtt.client_cert_file)"
        };
        return Failure::Network(format!(
            "the broker {endpoint} closed the connection before it answered; if this stays so, {client_certificate}, or this is not an MQTT port"
        ));
    }
    match error {
        ConnectionError::MqttState(StateError::Deserialization(_))
        | ConnectionError::NotConnAck(_)
        | ConnectionError::MqttState(StateError::ConnectionAborted)
            if lived.is_none() =>
        {
            Failure::Configuration(format!(
                "{endpoint} does not answer like an MQTT broker{}",
                if endpoint.tls.is_none() {
                    "; if it speaks TLS there, use mqtts:// in mqtt.url"
                } else {
                    "; check the port in mqtt.url"
                }
            ))
        }
        _ if cut => Failure::Network(format!(
            "{endpoint} closed the connection before it answered{}",
            if endpoint.tls.is_none() {
                "; if it speaks TLS there, use mqtts:// in mqtt.url"
            } else {
                ""
            }
        )),
        other => Failure::Network(format!(
            "the connection to the broker {endpoint} failed: {other}"
        )),
    }
}

#[cfg(test)]
mod tests;
