//! MQTT 3.1.1: a session without an end, and no reasons.

use std::sync::Arc;

use rumqttc_v4::{
    AckMode, AsyncClient, Event, MqttOptions, Packet, QoS, SubscribeFilter, SubscribeReasonCode,
    TlsConfiguration, Transport,
};
use tokio::sync::mpsc::Sender;

use super::{MAX_PACKET, Message, Told, dial, in_words, tell};
use crate::mqtt::PumpConfig;

pub(super) fn open(settings: &PumpConfig, client_id: &str, sender: Sender<Told>) -> AsyncClient {
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
        .set_clean_session(false)
        .set_ack_mode(AckMode::Manual)
        .set_max_packet_size(MAX_PACKET as usize, MAX_PACKET as usize)
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
                    Told::Message(Message::V4(publish))
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

pub(super) fn subscribe(client: &AsyncClient, filters: &[String]) {
    let filters = filters
        .iter()
        .map(|filter| SubscribeFilter::new(filter.clone(), QoS::ExactlyOnce));
    let _ = client.try_subscribe_many(filters);
}
