//! MQTT 3.1.1, in the words of its client library.
//!
//! What this protocol cannot say: why a message was refused (a denial is acknowledged like a
//! delivery), that a message may arrive twice (only the event's id tells), when it expires,
//! what it answers, and what the broker allows.

use std::pin::Pin;
use std::sync::Arc;

use rumqttc_v4::{
    AsyncClient, ClientError, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill,
    MqttOptions, NetworkOptions, Outgoing, Packet, PersistedAckMode, PersistedIncomingQos2,
    PersistedPubRel, PersistedPublish, PersistedQoS, PersistedRequest, PersistedSession, Publish,
    PublishOptions, QoS, SessionStore, SessionStoreError, SessionStoreKey, StateError,
    SubscribeFilter, SubscribeReasonCode, TlsConfiguration, Transport,
};

use super::{CLIENT_QUEUE, CONNECT_TIMEOUT, PACKET_IDS, Seen, Start, Trouble, Unsent, What};
use crate::clock::Timestamp;
use crate::event::wire::{Availability, Qos};
use crate::mqtt::dial;
use crate::mqtt::ledger::{Again, Limits, Published, Resume, Snapshot, Step};
use crate::mqtt::password::Password;
use crate::mqtt::pump::Incoming;
use crate::mqtt::session::Shared;
use crate::mqtt::settings::{Endpoint, PumpConfig, Subscription};
use crate::store::outbox::Row;

/// Hands over to the library.
pub(in crate::mqtt) struct Client(AsyncClient);

/// The library's event loop; the limits are ours, since the broker cannot say any.
pub(in crate::mqtt) struct Poller {
    eventloop: EventLoop,
    limits: Limits,
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
    let (client, mut eventloop) = AsyncClient::builder(options).capacity(CLIENT_QUEUE).build();
    let mut network = NetworkOptions::new();
    network.set_connection_timeout(CONNECT_TIMEOUT.as_secs());
    eventloop.set_network_options(network);
    let limits = Limits {
        window: usize::from(config.inflight.min(PACKET_IDS)),
        highest_pkid: PACKET_IDS,
        packet_bytes: packet_limit(config),
        qos: Qos::ExactlyOnce,
        retain: true,
        session_expiry_s: None,
    };
    (Client(client), Poller { eventloop, limits })
}

fn packet_limit(config: &PumpConfig) -> usize {
    usize::try_from(config.max_packet_bytes).unwrap_or(usize::MAX)
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
    let will = LastWill::new(will.topic, will.payload, qos(will.qos), will.retain);
    let packet_bytes = packet_limit(config);
    options
        .set_last_will(will)
        .set_clean_session(start == Start::Clear)
        .set_max_packet_size(packet_bytes, packet_bytes)
        .set_inflight(PACKET_IDS)
        .set_max_request_batch(PACKET_IDS.into())
        .set_session_store_arc(Arc::new(Store(session.clone())));
    options.set_keep_alive(u16::try_from(config.keep_alive.as_secs()).unwrap_or(u16::MAX));
    options
}

impl super::Client for Client {
    fn publish(&self, row: &Row, _now: Timestamp) -> Result<(), Unsent> {
        let options = PublishOptions::new(qos(row.qos)).retain(row.retain);
        self.0
            .try_publish(row.topic.clone(), row.payload.clone(), options)
            .map_err(unsent)
    }

    fn subscribe(&self, topics: &[Subscription]) -> Result<(), Unsent> {
        let filters = topics
            .iter()
            .map(|wanted| SubscribeFilter::new(wanted.topic.clone(), qos(wanted.qos)));
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
                limits: self.limits,
            },
            Event::Incoming(Packet::PubAck(ack)) => Seen::Acknowledged {
                pkid: ack.pkid,
                code: 0,
            },
            Event::Incoming(Packet::PubRec(ack)) => Seen::Received {
                pkid: ack.pkid,
                code: 0,
            },
            Event::Incoming(Packet::PubComp(ack)) => Seen::Completed { pkid: ack.pkid },
            Event::Incoming(Packet::SubAck(ack)) => {
                let refused = |code: SubscribeReasonCode| match code {
                    SubscribeReasonCode::Success(_) => None,
                    SubscribeReasonCode::Failure => Some("Failure".to_owned()),
                };
                Seen::Subscribed(ack.return_codes.into_iter().map(refused).collect())
            }
            Event::Incoming(Packet::Publish(publish)) => Seen::Message(incoming(publish)),
            Event::Outgoing(Outgoing::Publish(0)) => Seen::SentAtMostOnce,
            _ => Seen::Other,
        })
    }
}

pub(in crate::mqtt) fn incoming(publish: Publish) -> Incoming {
    Incoming {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload.into(),
        retain: publish.retain,
        response_topic: None,
        correlation: None,
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
            Ok(resume) => Ok(resume.map(|resume| restored(resume, key.client_id()))),
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

fn restored(resume: Resume, client_id: &str) -> PersistedSession {
    let last_puback = frontier(&resume);
    let incoming = resume.incoming.into_iter();
    PersistedSession {
        format_version: 1,
        client_id: client_id.to_owned(),
        clean_session: false,
        max_inflight: PACKET_IDS,
        ack_mode: PersistedAckMode::Automatic,
        last_pkid: resume.last_pkid,
        last_puback,
        replay: resume.replay.into_iter().map(request).collect(),
        incoming_qos2: incoming
            .map(|pkid| PersistedIncomingQos2 { pkid })
            .collect(),
    }
}

/// Up to where everything is acknowledged, for the client's own order of repetitions, which is not
/// ours. It must not lie beyond the packet ids that are resumed: the client makes room for those
/// only (and for the first few), looks at the frontier, and panics.
fn frontier(resume: &Resume) -> u16 {
    let ids = resume.replay.iter().map(|again| match again {
        Again::Publish { pkid, .. } | Again::Release { pkid } => *pkid,
    });
    let highest = ids.max().unwrap_or_default();
    if resume.last_puback <= highest {
        resume.last_puback
    } else {
        0
    }
}

fn request(again: Again) -> PersistedRequest {
    match again {
        Again::Publish { row, pkid, dup } => PersistedRequest::Publish(PersistedPublish {
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
        }),
        Again::Release { pkid } => PersistedRequest::PubRel(PersistedPubRel { pkid }),
    }
}

/// Size of the whole packet, header included.
pub(super) fn packet_bytes(row: &Row) -> usize {
    let mut publish = Publish::new(row.topic.clone(), qos(row.qos), row.payload.clone());
    // Any id: without one the size would be two bytes short.
    publish.pkid = 1;
    publish.size()
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
        ConnectionError::ConnectionRefused(code) => What::Refused(refusal(*code)),
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => What::Late,
        ConnectionError::MqttState(StateError::AwaitPingResp) => What::Unanswered,
        ConnectionError::MqttState(StateError::ConnectionAborted) => What::Closed,
        ConnectionError::Tls(_) => What::Handshake,
        ConnectionError::MqttState(StateError::Deserialization(
            rumqttc_v4::mqttbytes::Error::PayloadSizeLimitExceeded(_),
        )) => What::TooLarge,
        ConnectionError::NotConnAck(_)
        | ConnectionError::MqttState(StateError::Deserialization(_)) => What::Garbage,
        _ => What::Other,
    };
    let source = match error {
        ConnectionError::SessionStore(error) => error,
        ConnectionError::MqttState(StateError::Deserialization(packet)) => packet.into(),
        other => other.into(),
    };
    Trouble { what, source }
}

/// MQTT 5's reason code for what CONNACK says here.
fn refusal(code: ConnectReturnCode) -> u8 {
    match code {
        ConnectReturnCode::Success => 0x00,
        ConnectReturnCode::RefusedProtocolVersion => 0x84,
        ConnectReturnCode::BadClientId => 0x85,
        ConnectReturnCode::ServiceUnavailable => 0x88,
        ConnectReturnCode::BadUserNamePassword => 0x86,
        ConnectReturnCode::NotAuthorized => 0x87,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resumed(last_puback: u16, ids: &[u16]) -> PersistedSession {
        let replay = ids.iter().map(|pkid| Again::Release { pkid: *pkid });
        let resume = Resume {
            last_pkid: ids.last().copied().unwrap_or_default(),
            last_puback,
            replay: replay.collect(),
            incoming: Vec::new(),
        };
        restored(resume, "door")
    }

    #[test]
    fn a_frontier_beyond_what_is_resumed_is_not_handed_to_the_client() {
        // After the last packet id comes the first again.
        assert_eq!(resumed(50, &[1, 2, 20]).last_puback, 0);
        assert_eq!(resumed(40, &[]).last_puback, 0);
        assert_eq!(resumed(40, &[41, 50, 1]).last_puback, 40);
    }
}
