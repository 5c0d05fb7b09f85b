//! MQTT 5.

use std::pin::Pin;
use std::sync::Arc;

use rumqttc::{
    AckMode, AsyncClient, Event, MqttOptions, Packet, PersistedAckMode, PersistedSession, QoS,
    SessionStore, SessionStoreError, SessionStoreKey, SubscribeFilter, SubscribeReasonCode,
    TlsConfiguration, Transport,
};
use tokio::sync::mpsc::Sender;

use super::{MAX_PACKET, Message, Told, dial, in_words, tell};
use crate::mqtt::PumpConfig;

pub(super) fn open(
    settings: &PumpConfig,
    client_id: &str,
    expiry_s: u32,
    sender: Sender<Told>,
) -> AsyncClient {
    let endpoint = settings.endpoint.clone();
    let mut options = MqttOptions::new(client_id, (endpoint.host.clone(), endpoint.port));
    if let Some(tls) = &endpoint.tls {
        let tls = TlsConfiguration::Rustls(Arc::clone(&tls.config));
        options.set_transport(Transport::tls_with_config(tls));
    }
    match &settings.credentials {
        Some((username, Some(password))) => {
            options.set_credentials(username.clone(), password.reveal().to_owned());
        }
        Some((username, None)) => {
            options.set_username(username.clone());
        }
        None => {}
    }
    let broker = endpoint.clone();
    options.set_socket_connector(move |_, _| dial(broker.clone()));
    options
        .set_clean_start(false)
        .set_session_expiry_interval(Some(expiry_s))
        .set_session_store_arc(Arc::new(NothingOfOurs))
        .set_ack_mode(AckMode::Manual)
        .set_max_packet_size(Some(MAX_PACKET))
        .set_keep_alive(u16::try_from(settings.keep_alive.as_secs()).unwrap_or(u16::MAX));
    let (client, mut eventloop) = AsyncClient::builder(options).capacity(256).build();
    tokio::spawn(async move {
        loop {
            let told = match eventloop.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(ack))) => Told::Connected {
                    session_present: ack.session_present,
                },
                Ok(Event::Incoming(Packet::SubAck(ack))) => {
                    let is_granted = |code: &SubscribeReasonCode| {
                        matches!(code, SubscribeReasonCode::Success(_))
                    };
                    Told::Subscribed(ack.return_codes.iter().position(|code| !is_granted(code)))
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    Told::Message(Message::V5(publish))
                }
                Ok(_) => continue,
                Err(error) => {
                    let _ = tell(&sender, Told::Lost(in_words(&endpoint, &error))).await;
                    return;
                }
            };
            if !tell(&sender, told).await {
                // The goodbye is still to be written.
                while eventloop.poll().await.is_ok() {}
                return;
            }
        }
    });
    client
}

/// What is kept of our side of the session: nothing. Nothing is published, and a message that comes
/// again is known by its hash. But the library must be told so: in a session that only the broker
/// remembers rumqttc-v5-next 0.34.0 sends no SUBSCRIBE, as was seen beside a real broker.
#[derive(Debug)]
struct NothingOfOurs;

/// What the library awaits; ready when it is made.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

impl SessionStore for NothingOfOurs {
    fn load<'a>(&'a self, key: &'a SessionStoreKey) -> Answer<'a, Option<PersistedSession>> {
        let session = PersistedSession {
            format_version: 1,
            client_id: key.client_id().to_owned(),
            clean_start: false,
            session_expiry_interval: None,
            outgoing_inflight_upper_limit: None,
            ack_mode: PersistedAckMode::Manual,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        };
        Box::pin(std::future::ready(Ok(Some(session))))
    }

    fn save<'a>(&'a self, _: &'a SessionStoreKey, _: &'a PersistedSession) -> Answer<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> Answer<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

pub(super) fn subscribe(client: &AsyncClient, filters: &[String]) {
    let filters = filters
        .iter()
        .map(|filter| SubscribeFilter::new(filter.clone(), QoS::ExactlyOnce));
    let _ = client.try_subscribe_many(filters);
}
