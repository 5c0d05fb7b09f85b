//! Why there is no connection, in a sentence that says what to do.
//!
//! Pure: an error goes in, a [`Failure`] comes out. It tells apart what time heals (network),
//! what a person must repair (configuration, here or at the broker) and what this device must
//! repair (storage). Errors are recognised by type wherever the libraries keep one; they hide
//! in up to four layers of `io::Error`.

mod certificate;
mod layers;

use std::error::Error;
use std::io;
use std::time::Duration;

use layers::{find, find_kind};

use super::dial::DialError;
use super::dialect::{Trouble, What};
use super::fate::{self, Verdict};
use super::ledger::SaveError;
use super::settings::Endpoint;
use crate::config::Protocol;
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
    /// Something of ours is wrong.
    Defect(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Failure::Network(text)
        | Failure::Configuration(text)
        | Failure::Storage(text)
        | Failure::Defect(text)) = self;
        f.write_str(text)
    }
}

/// What ended a connection, or kept it from coming about.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error(transparent)]
    Connection(#[from] Trouble),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Pings are answered, messages are not.
    #[error("unresponsive")]
    Unresponsive,
    /// PUBACK for a message of QoS 2.
    #[error("wrong answer to packet id {0}")]
    WrongAnswer(u16),
}

impl LinkError {
    /// Whether the stored session will never be accepted by this version of the client.
    pub(super) fn is_unusable_session(&self) -> bool {
        matches!(self, LinkError::Connection(trouble) if trouble.what == What::Unusable)
    }
}

/// What is known about the end of a connection beside its error.
#[derive(Debug, Clone)]
pub(super) struct Circumstances {
    pub protocol: Protocol,
    /// For how long the broker had accepted us, if it had.
    pub lived: Option<Duration>,
    /// The broker had refused a message on it.
    pub refused: bool,
    /// An answer may have come with the end, and not been read.
    pub unread: bool,
    /// The question for its version was on its way.
    pub version_asked: bool,
    /// Topics of messages that it had not answered.
    pub unanswered: Vec<String>,
}

impl Circumstances {
    /// Nothing is known.
    pub(super) fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            lived: None,
            refused: false,
            unread: false,
            version_asked: false,
            unanswered: Vec::new(),
        }
    }
}

impl LinkError {
    /// Whether the broker says that another client has taken the session.
    pub(super) fn is_takeover(&self) -> bool {
        matches!(self, LinkError::Connection(trouble) if matches!(trouble.what, What::Ended(0x8E, _)))
    }

    /// Whether the other side closed the connection in good order and without a word.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self, LinkError::Connection(trouble) if trouble.what == What::Closed)
    }

    /// Whether nobody listens there.
    pub(super) fn is_connection_refused(&self) -> bool {
        match self {
            LinkError::Connection(trouble) => is_refusal(trouble.source.as_ref()),
            _ => false,
        }
    }

    /// Whether the broker wanted the connection to end, or does not answer although it is there: not
    /// the network, and not this device.
    pub(super) fn is_the_broker_s_doing(&self) -> bool {
        match self {
            LinkError::Unresponsive => true,
            LinkError::Connection(trouble) => {
                matches!(trouble.what, What::Closed | What::Ended(..))
            }
            LinkError::Store(_) | LinkError::WrongAnswer(_) => false,
        }
    }

    /// Whether the broker ended the connection over a packet that it finds too large.
    pub(super) fn is_too_large(&self) -> bool {
        matches!(self, LinkError::Connection(trouble) if matches!(trouble.what, What::Ended(0x95, _)))
    }

    /// Whether something came in that is larger than what we take, which MQTT 3.1.1 cannot
    /// say beforehand.
    pub(super) fn is_flooded(&self) -> bool {
        matches!(self, LinkError::Connection(trouble) if trouble.what == What::TooLarge)
    }
}

/// Whether the other side's system said that nobody listens.
pub(super) fn is_refusal(error: &(dyn Error + 'static)) -> bool {
    find_kind(error) == Some(io::ErrorKind::ConnectionRefused)
}

/// A connection cut this soon, by a broker that had accepted it, was probably not the network.
const SHORT_LIFE: Duration = Duration::from_secs(5);

/// Puts a name to what happened.
pub(super) fn classify(
    error: &LinkError,
    endpoint: &Endpoint,
    circumstances: &Circumstances,
) -> Failure {
    let trouble = match error {
        LinkError::Store(error) => return storage(error),
        LinkError::Unresponsive => {
            return Failure::Network(format!(
                "the broker {endpoint} answers pings but has not answered any message for a while; connecting again"
            ));
        }
        LinkError::WrongAnswer(pkid) => {
            return Failure::Network(format!(
                "the broker {endpoint} answered a message of QoS 2 (packet id {pkid}) like one of QoS 1; it is not taken for delivered and is sent again"
            ));
        }
        LinkError::Connection(trouble) => trouble,
    };
    let error: &(dyn Error + 'static) = trouble.source.as_ref();
    match &trouble.what {
        What::Store => match find::<SaveError>(error) {
            Some(SaveError::Store(error)) => storage(error),
            Some(error) => Failure::Storage(format!(
                "the state of the MQTT session makes no sense: {error}; it is read again from the database"
            )),
            None => match find::<StoreError>(error) {
                Some(error) => storage(error),
                None => Failure::Storage(error.to_string()),
            },
        },
        What::Unusable => Failure::Storage(format!(
            "the stored MQTT session cannot be resumed: {error}; it is given up, and what was under way is sent anew, marked as possibly double"
        )),
        What::Refused(code) => refused(*code, endpoint),
        What::Ended(code, words) => ended(*code, words.as_deref(), endpoint),
        What::Late => Failure::Network(format!(
            "the broker {endpoint} did not answer in time; check the address, the network and any firewall between{}",
            match circumstances.protocol {
                Protocol::V5 =>
                    "; a broker that speaks only MQTT 3.1.1 may say nothing at all (mqtt.protocol)",
                Protocol::V311 => "",
            }
        )),
        What::Unanswered => Failure::Network(format!(
            "the broker {endpoint} no longer answers: the ping on the idle connection was lost"
        )),
        _ => match find::<rustls::Error>(error) {
            Some(error) => certificate::tls(error, endpoint),
            None => transport(trouble, endpoint, circumstances),
        },
    }
}

fn storage(error: &StoreError) -> Failure {
    if matches!(error, StoreError::SessionGone) {
        return Failure::Network(error.to_string());
    }
    Failure::Storage(format!(
        "the outbox cannot be used, so nothing is sent: {error}"
    ))
}

/// What the broker said to CONNECT.
fn refused(code: u8, endpoint: &Endpoint) -> Failure {
    match fate::of_refusal(code) {
        Verdict::Lasting(what) => Failure::Configuration(format!(
            "the broker {endpoint} refuses the connection: {what}"
        )),
        Verdict::Passing(what) => {
            Failure::Network(format!("the broker {endpoint} refuses for now: {what}"))
        }
        Verdict::Unnamed => Failure::Network(format!(
            "the broker {endpoint} refuses for now: {}",
            fate::name(code)
        )),
    }
}

/// What the broker said when it ended a connection.
fn ended(code: u8, words: Option<&str>, endpoint: &Endpoint) -> Failure {
    let said = words.map(|words| format!(" ({words})")).unwrap_or_default();
    let ended = format!("the broker {endpoint} ended the connection{said}");
    match fate::of_end(code) {
        Verdict::Lasting(what) => Failure::Configuration(format!("{ended}: {what}")),
        Verdict::Passing(what) => Failure::Network(format!("{ended}: {what}")),
        Verdict::Unnamed => Failure::Network(format!("{ended}: {}", fate::name(code))),
    }
}

/// Everything below TLS, and silence.
fn transport(trouble: &Trouble, endpoint: &Endpoint, circumstances: &Circumstances) -> Failure {
    let error: &(dyn Error + 'static) = trouble.source.as_ref();
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
    let cut = trouble.what == What::Closed
        || matches!(
            kind,
            Some(
                io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::BrokenPipe
            )
        );
    if cut && let Some(lived) = circumstances.lived {
        let why = why_cut(lived, trouble.what == What::Closed, circumstances);
        return Failure::Network(format!(
            "the connection to the broker {endpoint} was cut{why}"
        ));
    }
    if cut && trouble.what == What::Handshake {
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
            "the broker {endpoint} closed the connection before it answered; if this stays so, {client_certificate}, {}or this is not an MQTT port",
            older_protocol(circumstances.protocol)
        ));
    }
    match trouble.what {
        What::Garbage | What::TooLarge | What::Closed if circumstances.lived.is_none() => {
            Failure::Configuration(format!(
                "{endpoint} does not answer like an MQTT broker{}{}",
                match circumstances.protocol {
                    Protocol::V5 =>
                        " of version 5; if it speaks only MQTT 3.1.1, set mqtt.protocol = \"3.1.1\"",
                    Protocol::V311 => "",
                },
                if endpoint.tls.is_none() {
                    "; if it speaks TLS there, use mqtts:// in mqtt.url"
                } else {
                    "; check the port in mqtt.url"
                }
            ))
        }
        _ if cut => Failure::Network(format!(
            "{endpoint} closed the connection before it answered; if this stays so, {}this is not an MQTT port{}",
            older_protocol(circumstances.protocol),
            if endpoint.tls.is_none() {
                "; if it speaks TLS there, use mqtts:// in mqtt.url"
            } else {
                ""
            }
        )),
        _ => Failure::Network(format!(
            "the connection to the broker {endpoint} failed: {error}"
        )),
    }
}

/// Why a broker may have ended a connection that it had accepted.
fn why_cut(lived: Duration, in_good_order: bool, circumstances: &Circumstances) -> String {
    if circumstances.version_asked {
        return " over the question for its version, which is left out from now on".to_owned();
    }
    if lived >= SHORT_LIFE {
        return String::new();
    }
    let unanswered = circumstances.unanswered.join(", ");
    // Some brokers end the older of two clients without a word, and some whoever publishes what they
    // do not allow.
    let message = if in_good_order && !unanswered.is_empty() {
        format!(
            "the broker may not allow what was just sent (to {unanswered}) and hang up over it: check its rules, or "
        )
    } else {
        String::new()
    };
    format!(
        " soon after it was made; if this stays so, {message}another client may be using the same mqtt.client_id"
    )
}

/// For a broker that did not answer a CONNECT of MQTT 5.
fn older_protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::V5 => "it speaks only MQTT 3.1.1 (then set mqtt.protocol = \"3.1.1\"), ",
        Protocol::V311 => "",
    }
}

#[cfg(test)]
mod tests;
