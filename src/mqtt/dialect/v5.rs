//! MQTT 5, in the words of its client library.

use std::pin::Pin;
use std::sync::Arc;

use rumqttc::{
    AsyncClient, ClientError, ConnAck, ConnectReturnCode, ConnectionError, Event, EventLoop,
    LastWill, MqttOptions, Outgoing, Packet, PersistedAckMode, PersistedIncomingQos2,
    PersistedPubRel, PersistedPublish, PersistedPublishProperties, PersistedQoS, PersistedRequest,
    PersistedSession, Publish, PublishOptions, PublishProperties, QoS, RetainForwardRule,
    SessionStore, SessionStoreError, SessionStoreKey, StateError, SubscribeFilter,
    SubscribeReasonCode, TlsConfiguration, Transport,
};

use super::{CLIENT_QUEUE, CONNECT_TIMEOUT, PACKET_IDS, Seen, Start, Trouble, Unsent, What};
use crate::clock::Timestamp;
use crate::event::wire::{Availability, Qos};
use crate::mqtt::dial;
use crate::mqtt::ledger::{Again, Limits, Published, Resume, Snapshot, Step};
use crate::mqtt::message::MAYBE_DUP;
use crate::mqtt::password::Password;
use crate::mqtt::pump::Incoming;
use crate::mqtt::session::Shared;
use crate::mqtt::settings::{Endpoint, PumpConfig, Subscription};
use crate::store::outbox::Row;

/// Hands over to the library.
pub(in crate::mqtt) struct Client(AsyncClient);

/// The library's event loop and what it must know to be understood.
pub(in crate::mqtt) struct Poller {
    eventloop: EventLoop,
    inflight: u16,
    packet_bytes: u32,
}

/// A client for one connection.
pub(in crate::mqtt) fn open(
    config: &PumpConfig,
    session: &Shared,
    start: Start,
    one_by_one: bool,
) -> (Client, Poller) {
    let mut options = options(config, session, start);
    if one_by_one {
        options.set_read_batch_size(1);
    }
    let (client, eventloop) = AsyncClient::builder(options).capacity(CLIENT_QUEUE).build();
    let poller = Poller {
        eventloop,
        inflight: config.inflight,
        packet_bytes: config.max_packet_bytes,
    };
    (Client(client), poller)
}

/// Where the broker is, how it is spoken to, and as whom.
pub(in crate::mqtt) fn reach(
    endpoint: &Endpoint,
    client_id: &str,
    credentials: Option<&(String, Option<Password>)>,
) -> MqttOptions {
    let mut options = MqttOptions::new(client_id, (endpoint.host.clone(), endpoint.port));
    if let Some(tls) = &endpoint.tls {
        let tls = TlsConfiguration::Rustls(Arc::clone(&tls.config));
        options.set_transport(Transport::tls_with_config(tls));
    }
    match credentials {
        Some((username, Some(password))) => {
            options.set_credentials(username.clone(), password.reveal().to_owned());
        }
        Some((username, None)) => {
            options.set_username(username.clone());
        }
        None => {}
    }
    options
}

fn options(config: &PumpConfig, session: &Shared, start: Start) -> MqttOptions {
    let endpoint = &config.endpoint;
    let mut options = reach(endpoint, &config.client_id, config.credentials.as_ref());
    let (host, port) = (endpoint.host.clone(), endpoint.port);
    let patience = config.keep_alive * 2;
    options.set_socket_connector(move |_, _| dial::dial_for_long(host.clone(), port, patience));
    let will = config.wire.availability(Availability::Offline);
    let will = LastWill::new(will.topic, will.payload, qos(will.qos), will.retain, None);
    options
        .set_last_will(will)
        .set_clean_start(start != Start::Resume)
        .set_session_expiry_interval(Some(config.session_expiry_s))
        .set_max_packet_size(Some(config.max_packet_bytes))
        .set_outgoing_inflight_upper_limit(PACKET_IDS)
        .set_max_request_batch(PACKET_IDS.into())
        .set_connect_timeout(CONNECT_TIMEOUT)
        .set_session_store_arc(Arc::new(Store(session.clone())));
    options.set_keep_alive(u16::try_from(config.keep_alive.as_secs()).unwrap_or(u16::MAX));
    options
}

impl super::Client for Client {
    fn publish(&self, row: &Row, now: Timestamp) -> Result<(), Unsent> {
        let options = PublishOptions::new(qos(row.qos))
            .retain(row.retain)
            .properties(properties(row, now));
        self.0
            .try_publish(row.topic.clone(), row.payload.clone(), options)
            .map_err(unsent)
    }

    fn subscribe(&self, topics: &[Subscription]) -> Result<(), Unsent> {
        // What was kept before we came is not for us, and what is published with the flag keeps
        // it, so that it can be told.
        let filters = topics.iter().map(|wanted| SubscribeFilter {
            preserve_retain: true,
            retain_forward_rule: RetainForwardRule::Never,
            ..SubscribeFilter::new(wanted.topic.clone(), qos(wanted.qos))
        });
        self.0.try_subscribe_many(filters).map_err(unsent)
    }

    fn unsubscribe(&self, topic: &str) -> Result<(), Unsent> {
        self.0.try_unsubscribe(topic.to_owned()).map_err(unsent)
    }

    fn disconnect(&self) -> bool {
        self.0.try_disconnect_now().is_ok()
    }
}

fn unsent(error: ClientError) -> Unsent {
    match error {
        ClientError::InvalidRequest(_) => Unsent::Invalid,
        _ => Unsent::NoRoom,
    }
}

impl super::Poller for Poller {
    async fn poll(&mut self) -> Result<Seen, Trouble> {
        let event = self.eventloop.poll().await.map_err(trouble)?;
        Ok(match event {
            Event::Incoming(Packet::ConnAck(connack)) => Seen::Accepted {
                session_present: connack.session_present,
                limits: self.limits(&connack),
            },
            Event::Incoming(Packet::PubAck(ack)) => Seen::Acknowledged {
                pkid: ack.pkid,
                code: ack.reason as u8,
            },
            Event::Incoming(Packet::PubRec(ack)) => Seen::Received {
                pkid: ack.pkid,
                code: ack.reason as u8,
            },
            Event::Incoming(Packet::PubComp(ack)) => Seen::Completed { pkid: ack.pkid },
            Event::Incoming(Packet::SubAck(ack)) => {
                let refused = |code: SubscribeReasonCode| match code {
                    SubscribeReasonCode::Success(_) => None,
                    other => Some(format!("{other:?}")),
                };
                Seen::Subscribed(ack.return_codes.into_iter().map(refused).collect())
            }
            Event::Incoming(Packet::Publish(publish)) => Seen::Message(incoming(publish)),
            Event::Outgoing(Outgoing::Publish(0)) => Seen::SentAtMostOnce,
            _ => Seen::Other,
        })
    }
}

impl Poller {
    fn limits(&self, connack: &ConnAck) -> Limits {
        let properties = connack.properties.as_ref();
        let highest_pkid = properties
            .and_then(|properties| properties.receive_max)
            .map_or(PACKET_IDS, |max| max.min(PACKET_IDS));
        let packet_bytes = properties
            .and_then(|properties| properties.max_packet_size)
            .map_or(self.packet_bytes, |max| max.min(self.packet_bytes));
        Limits {
            window: usize::from(self.inflight.min(highest_pkid)),
            highest_pkid,
            packet_bytes: usize::try_from(packet_bytes).unwrap_or(usize::MAX),
            qos: match properties.and_then(|properties| properties.max_qos) {
                Some(0) => Qos::AtMostOnce,
                Some(1) => Qos::AtLeastOnce,
                _ => Qos::ExactlyOnce,
            },
            retain: properties.and_then(|properties| properties.retain_available) != Some(0),
            session_expiry_s: properties.and_then(|properties| properties.session_expiry_interval),
        }
    }
}

pub(in crate::mqtt) fn incoming(publish: Publish) -> Incoming {
    let properties = publish.properties.unwrap_or_default();
    Incoming {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload.into(),
        retain: publish.retain,
        response_topic: properties.response_topic,
        correlation: properties.correlation_data.map(Into::into),
    }
}

/// The ledger, as this library asks for it.
#[derive(Debug)]
struct Store(Shared);

/// What the library awaits. Ours are ready when they are made: SQLite does not wait.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

impl SessionStore for Store {
    fn load<'a>(&'a self, key: &'a SessionStoreKey) -> Answer<'a, Option<PersistedSession>> {
        let now = self.0.now().wall;
        let resumed = self.0.lock().resume(now);
        let session = match resumed {
            Ok(resume) => Ok(resume.map(|resume| restored(resume, key.client_id(), now))),
            Err(error) => Err(error.into()),
        };
        Box::pin(std::future::ready(session))
    }

    fn save<'a>(
        &'a self,
        _key: &'a SessionStoreKey,
        session: &'a PersistedSession,
    ) -> Answer<'a, ()> {
        let now = self.0.now().wall;
        let saved = self.0.lock().save(&snapshot(session), now);
        let saved = saved.map_err(Into::into);
        Box::pin(std::future::ready(saved))
    }

    fn clear<'a>(&'a self, _key: &'a SessionStoreKey) -> Answer<'a, ()> {
        let cleared = self.0.lock().forget_session().map_err(Into::into);
        Box::pin(std::future::ready(cleared))
    }
}

fn snapshot(session: &PersistedSession) -> Snapshot<'_> {
    let steps = session.replay.iter().map(|request| match request {
        PersistedRequest::Publish(publish) => Step::Published(Published {
            pkid: publish.pkid,
            qos: match publish.qos {
                PersistedQoS::AtMostOnce => Qos::AtMostOnce,
                PersistedQoS::AtLeastOnce => Qos::AtLeastOnce,
                PersistedQoS::ExactlyOnce => Qos::ExactlyOnce,
            },
            retain: publish.retain,
            topic: &publish.topic,
            payload: &publish.payload,
        }),
        PersistedRequest::PubRel(release) => Step::Released(release.pkid),
        PersistedRequest::Subscribe(subscribe) => Step::Other(subscribe.pkid),
        PersistedRequest::Unsubscribe(unsubscribe) => Step::Other(unsubscribe.pkid),
    });
    Snapshot {
        last_pkid: session.last_pkid,
        last_puback: session.last_puback,
        steps: steps.collect(),
        incoming: session.incoming_qos2.iter().map(|held| held.pkid).collect(),
    }
}

fn restored(resume: Resume, client_id: &str, now: Timestamp) -> PersistedSession {
    let incoming = resume.incoming.into_iter();
    PersistedSession {
        format_version: 1,
        client_id: client_id.to_owned(),
        clean_start: false,
        session_expiry_interval: None,
        outgoing_inflight_upper_limit: Some(PACKET_IDS),
        ack_mode: PersistedAckMode::Automatic,
        last_pkid: resume.last_pkid,
        last_puback: resume.last_puback,
        replay: resume
            .replay
            .into_iter()
            .map(|again| request(again, now))
            .collect(),
        incoming_qos2: incoming
            .map(|pkid| PersistedIncomingQos2 { pkid })
            .collect(),
    }
}

fn request(again: Again, now: Timestamp) -> PersistedRequest {
    let (row, pkid, dup) = match again {
        Again::Publish { row, pkid, dup } => (row, pkid, dup),
        Again::Release { pkid } => return PersistedRequest::PubRel(PersistedPubRel { pkid }),
    };
    let properties = properties(&row, now);
    PersistedRequest::Publish(PersistedPublish {
        dup,
        qos: match row.qos {
            Qos::AtMostOnce => PersistedQoS::AtMostOnce,
            Qos::AtLeastOnce => PersistedQoS::AtLeastOnce,
            Qos::ExactlyOnce => PersistedQoS::ExactlyOnce,
        },
        retain: row.retain,
        topic: row.topic.into_bytes(),
        pkid,
        payload: row.payload,
        properties: Some(PersistedPublishProperties {
            payload_format_indicator: None,
            message_expiry_interval: properties.message_expiry_interval,
            response_topic: None,
            correlation_data: row.correlation,
            user_properties: properties.user_properties,
            subscription_identifiers: Vec::new(),
            content_type: properties.content_type,
        }),
    })
}

/// Size of the whole packet, header included.
pub(super) fn packet_bytes(row: &Row) -> usize {
    let mut publish = Publish::new(
        row.topic.clone(),
        qos(row.qos),
        row.payload.clone(),
        // Whenever it is: the time that is left is written in the same number of bytes.
        Some(properties(row, Timestamp::UNIX_EPOCH)),
    );
    // Any id: without one the size would be two bytes short.
    publish.pkid = 1;
    publish.size()
}

fn properties(row: &Row, now: Timestamp) -> PublishProperties {
    let user_properties = if row.maybe_dup {
        vec![(MAYBE_DUP.to_owned(), "true".to_owned())]
    } else {
        Vec::new()
    };
    PublishProperties {
        content_type: Some(row.content_type.clone()),
        user_properties,
        message_expiry_interval: row.expires_at.map(|at| seconds_left(at, now)),
        correlation_data: row.correlation.clone().map(Into::into),
        ..PublishProperties::default()
    }
}

/// Seconds until `at` (milliseconds since 1970); at least one, since none would mean "never
/// handed over", which is for the broker to find out.
fn seconds_left(at: i64, now: Timestamp) -> u32 {
    let left = at.saturating_sub(now.as_millisecond()).saturating_add(999) / 1_000;
    u32::try_from(left.max(1)).unwrap_or(u32::MAX)
}

fn qos(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

pub(in crate::mqtt) fn trouble(error: ConnectionError) -> Trouble {
    let what = match &error {
        ConnectionError::SessionStore(_) => What::Store,
        ConnectionError::SessionRestore(_) => What::Unusable,
        ConnectionError::ConnectionRefused(code)
        | ConnectionError::MqttState(StateError::ConnFail { reason: code }) => {
            What::Refused(refusal(*code))
        }
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code,
            reason_string,
        }) => What::Ended(*reason_code as u8, reason_string.clone()),
        ConnectionError::Timeout(_) => What::Late,
        ConnectionError::MqttState(StateError::AwaitPingResp) => What::Unanswered,
        ConnectionError::MqttState(StateError::ConnectionAborted) => What::Closed,
        ConnectionError::Tls(_) => What::Handshake,
        ConnectionError::MqttState(
            StateError::IncomingPacketTooLarge { .. }
            | StateError::Deserialization(rumqttc::mqttbytes::Error::PayloadSizeLimitExceeded {
                ..
            }),
        ) => What::TooLarge,
        ConnectionError::NotConnAck(_)
        | ConnectionError::MqttState(StateError::Deserialization(_)) => What::Garbage,
        _ => What::Other,
    };
    // The library names no source for these two.
    let source = match error {
        ConnectionError::SessionStore(error) => error,
        ConnectionError::MqttState(StateError::Deserialization(packet)) => packet.into(),
        other => other.into(),
    };
    Trouble { what, source }
}

/// The reason code of CONNACK.
fn refusal(code: ConnectReturnCode) -> u8 {
    use ConnectReturnCode as Code;
    match code {
        Code::Success => 0x00,
        Code::UnspecifiedError => 0x80,
        Code::MalformedPacket => 0x81,
        Code::ProtocolError => 0x82,
        Code::ImplementationSpecificError => 0x83,
        Code::RefusedProtocolVersion | Code::UnsupportedProtocolVersion => 0x84,
        Code::BadClientId | Code::ClientIdentifierNotValid => 0x85,
        Code::BadUserNamePassword => 0x86,
        Code::NotAuthorized => 0x87,
        Code::ServiceUnavailable | Code::ServerUnavailable => 0x88,
        Code::ServerBusy => 0x89,
        Code::Banned => 0x8A,
        Code::BadAuthenticationMethod => 0x8C,
        Code::TopicNameInvalid => 0x90,
        Code::PacketTooLarge => 0x95,
        Code::QuotaExceeded => 0x97,
        Code::PayloadFormatInvalid => 0x99,
        Code::RetainNotSupported => 0x9A,
        Code::QoSNotSupported => 0x9B,
        Code::UseAnotherServer => 0x9C,
        Code::ServerMoved => 0x9D,
        Code::ConnectionRateExceeded => 0x9F,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_expires_says_when_and_never_that_it_has() {
        let now = Timestamp::from_millisecond(10_500).unwrap();
        assert_eq!(seconds_left(70_500, now), 60);
        assert_eq!(seconds_left(70_501, now), 61);
        assert_eq!(seconds_left(10_501, now), 1);
        assert_eq!(seconds_left(10_500, now), 1);
        assert_eq!(seconds_left(0, now), 1);
        assert_eq!(seconds_left(i64::MAX, now), u32::MAX);
    }
}
