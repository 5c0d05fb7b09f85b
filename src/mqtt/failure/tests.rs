use rumqttc::tokio_rustls::rustls::Error as TlsError;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError};

use rumqttc::{ConnectReturnCode, ConnectionError, DisconnectReasonCode, StateError};

use super::*;
use crate::mqtt::dialect::{v4, v5};

fn endpoint() -> Endpoint {
    Endpoint {
        host: "broker.lan".into(),
        port: 8883,
        tls: None,
        client_certificate: false,
    }
}

fn of_v5(error: ConnectionError) -> LinkError {
    v5::trouble(error).into()
}

fn of_v4(error: rumqttc_v4::ConnectionError) -> LinkError {
    v4::trouble(error).into()
}

/// As the handshake reports it.
fn handshake(error: TlsError) -> LinkError {
    let io = io::Error::new(io::ErrorKind::InvalidData, error);
    of_v5(ConnectionError::Tls(rumqttc::TlsError::Io(io)))
}

/// As the first read after the handshake reports it.
fn first_read(error: TlsError) -> LinkError {
    let io = io::Error::new(io::ErrorKind::InvalidData, error);
    let packet = rumqttc::mqttbytes::Error::Io(io);
    of_v5(ConnectionError::MqttState(StateError::Deserialization(
        packet,
    )))
}

fn bad(certificate: CertificateError) -> LinkError {
    handshake(TlsError::InvalidCertificate(certificate))
}

#[track_caller]
fn configuration(error: &LinkError, words: &[&str]) {
    let failure = classify(error, &endpoint(), &Circumstances::new(Protocol::V5));
    let Failure::Configuration(text) = &failure else {
        panic!("{failure:?}");
    };
    for word in words.iter().chain(&["broker.lan:8883"]) {
        assert!(text.contains(word), "{word:?} not in {text:?}");
    }
}

#[track_caller]
fn network(error: &LinkError, words: &[&str]) {
    let failure = classify(error, &endpoint(), &Circumstances::new(Protocol::V5));
    let Failure::Network(text) = &failure else {
        panic!("{failure:?}");
    };
    for word in words {
        assert!(text.contains(word), "{word:?} not in {text:?}");
    }
}

#[test]
fn certificates_are_told_apart() {
    let at = |secs| UnixTime::since_unix_epoch(std::time::Duration::from_secs(secs));
    configuration(
        &bad(CertificateError::UnknownIssuer),
        &["CA", "mqtt.ca_file"],
    );
    configuration(
        &bad(CertificateError::ExpiredContext {
            time: at(1_700_000_000),
            not_after: at(1_600_000_000),
        }),
        &["expired on 2020-09-13", "clock says 2023-11-14"],
    );
    configuration(
        &bad(CertificateError::NotValidYetContext {
            time: at(0),
            not_before: at(1_600_000_000),
        }),
        &["not valid yet", "check this device's clock", "1970-01-01"],
    );
    configuration(
        &bad(CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("broker.lan").unwrap(),
            presented: vec!["DnsName(\"other.lan\")".into()],
        }),
        &["host name broker.lan", "other.lan"],
    );
}

#[test]
fn alerts_after_the_handshake_are_about_our_certificate() {
    configuration(
        &first_read(TlsError::AlertReceived(
            AlertDescription::CertificateRequired,
        )),
        &["wants a client certificate", "mqtt.client_cert_file"],
    );
    configuration(
        &first_read(TlsError::AlertReceived(AlertDescription::UnknownCA)),
        &["refuses our client certificate"],
    );
}

#[test]
fn what_the_broker_says_is_told_apart() {
    let refused = |code| of_v5(ConnectionError::ConnectionRefused(code));
    configuration(
        &refused(ConnectReturnCode::BadUserNamePassword),
        &["user name or password"],
    );
    configuration(
        &refused(ConnectReturnCode::NotAuthorized),
        &["not authorised"],
    );
    configuration(
        &refused(ConnectReturnCode::ClientIdentifierNotValid),
        &["client id"],
    );
    configuration(
        &refused(ConnectReturnCode::UnsupportedProtocolVersion),
        &["version of MQTT", "mqtt.protocol"],
    );
    network(&refused(ConnectReturnCode::ServerBusy), &["busy"]);
    let ended = |reason_code| {
        of_v5(ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code,
            reason_string: None,
        }))
    };
    configuration(
        &ended(DisconnectReasonCode::SessionTakenOver),
        &["same client id", "mqtt.client_id"],
    );
    network(
        &ended(DisconnectReasonCode::ServerShuttingDown),
        &["shutting down"],
    );
}

#[test]
fn the_older_protocol_is_understood_in_the_same_words() {
    use rumqttc_v4::{ConnectReturnCode as Code, ConnectionError as Error, StateError as State};
    let refused = |code| of_v4(Error::ConnectionRefused(code));
    configuration(
        &refused(Code::RefusedProtocolVersion),
        &["version of MQTT", "mqtt.protocol"],
    );
    configuration(&refused(Code::BadClientId), &["client id"]);
    configuration(&refused(Code::BadUserNamePassword), &["mqtt.password_file"]);
    configuration(&refused(Code::NotAuthorized), &["not authorised"]);
    network(&refused(Code::ServiceUnavailable), &["busy"]);
    network(&of_v4(Error::NetworkTimeout), &["did not answer in time"]);
    network(
        &of_v4(Error::MqttState(State::AwaitPingResp)),
        &["the ping on the idle connection was lost"],
    );
    configuration(
        &of_v4(Error::MqttState(State::ConnectionAborted)),
        &["does not answer like an MQTT broker"],
    );
    let alert = TlsError::AlertReceived(AlertDescription::CertificateRequired);
    let io = io::Error::new(io::ErrorKind::InvalidData, alert);
    let packet = rumqttc_v4::mqttbytes::Error::Io(io);
    configuration(
        &of_v4(Error::MqttState(State::Deserialization(packet))),
        &["wants a client certificate", "mqtt.client_cert_file"],
    );
}

#[test]
fn the_network_is_told_apart() {
    let io = |error: io::Error| of_v5(ConnectionError::Io(error));
    let connect = |kind: io::ErrorKind| {
        io(io::Error::other(DialError::Connect {
            address: "10.0.0.1:8883".parse().unwrap(),
            source: kind.into(),
        }))
    };
    network(
        &connect(io::ErrorKind::ConnectionRefused),
        &["connection refused"],
    );
    network(
        &connect(io::ErrorKind::TimedOut),
        &["did not answer in time"],
    );
    network(&connect(io::ErrorKind::NetworkUnreachable), &["no way to"]);
    network(
        &io(io::Error::other(DialError::Resolve {
            host: "broker.lan".into(),
            source: io::Error::other("no such name"),
        })),
        &["broker.lan cannot be resolved", "DNS"],
    );
    network(
        &LinkError::Unresponsive,
        &["answers pings but has not answered any message"],
    );
}

#[test]
fn the_outbox_is_neither_network_nor_configuration() {
    let full = || {
        StoreError::DiskFull(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL),
            None,
        ))
    };
    let errors = [
        LinkError::Store(full()),
        of_v5(ConnectionError::SessionStore(Box::new(full()))),
        of_v5(ConnectionError::SessionStore(Box::new(SaveError::Store(
            full(),
        )))),
    ];
    for error in errors {
        let failure = classify(
            &error,
            &endpoint(),
            &Circumstances {
                lived: Some(Duration::from_secs(60)),
                ..Circumstances::new(Protocol::V5)
            },
        );
        assert!(
            matches!(&failure, Failure::Storage(text) if text.contains("disk is full")),
            "{failure:?}"
        );
    }
}
