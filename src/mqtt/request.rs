//! One request to a door and its answer: connect, subscribe, publish, wait, leave.
//!
//! For `doorward command`, which runs anywhere: no outbox, no session, nothing durable. It must know
//! where the answer comes in before the request leaves, so it waits for SUBACK. An answer is asked for
//! below the door's result topic (MQTT 5: response topic and correlation data), and taken from that
//! topic itself too, where the door answers what it cannot trust, and whoever speaks 3.1.1.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::{
    AsyncClient, Event, MqttOptions, Outgoing, Packet, PubAckReason, Publish, PublishOptions,
    PublishProperties, QoS, SubscribeFilter, SubscribeReasonCode, TlsConfiguration, Transport,
};
use uuid::Uuid;

use super::failure::{self, Failure};
use super::pump::Incoming;
use super::settings::{self, Endpoint, MqttError};
use crate::config::MqttConfig;
use crate::keys::CONTENT_TYPE;

/// Largest answer.
const MAX_PACKET: u32 = 64 * 1024;
/// How long the goodbye may take.
const GOODBYE: Duration = Duration::from_millis(300);

/// What is asked of which door.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where commands are taken.
    pub command_topic: String,
    /// The door's own result topic.
    pub result_topic: String,
    /// Where the answer is wanted, below that.
    pub response_topic: String,
    /// What the answer is recognised by.
    pub correlation: Vec<u8>,
    /// The bytes.
    pub payload: Vec<u8>,
    /// How long the broker may keep it, in seconds.
    pub expiry_s: u32,
    /// How long all of it may take.
    pub timeout: Duration,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Mqtt(#[from] MqttError),
    /// There was no connection, or it ended.
    #[error("{0}")]
    Connection(Failure),
    /// The broker forbids it.
    #[error("the broker does not allow this client to {what} {topic}; see its access rules")]
    NotAllowed {
        /// Subscribe to, or publish on.
        what: &'static str,
        /// Which topic.
        topic: String,
    },
    /// The broker could not be reached in time: nothing was sent.
    #[error("the broker {broker} was not reached within {seconds} s: the command was not sent")]
    NotSent {
        /// Which.
        broker: String,
        /// After so long.
        seconds: u64,
    },
    /// The door did not answer in time.
    #[error(
        "no answer from the door within {seconds} s: it may be away, or not listen to commands; the command may have been carried out all the same, see the door's events"
    )]
    NoAnswer {
        /// After so long.
        seconds: u64,
    },
}

/// Sends a request and waits for the message that `is_answer` recognises.
///
/// # Errors
/// Why there is none.
pub fn ask(
    mqtt: &MqttConfig,
    request: &Request,
    is_answer: impl FnMut(&Incoming) -> bool,
) -> Result<Incoming, RequestError> {
    let endpoint = settings::endpoint(mqtt)?;
    let options = options(mqtt, &endpoint)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(MqttError::Thread)?;
    let mut sent = false;
    let exchange = exchange(options, &endpoint, request, &mut sent, is_answer);
    let answered =
        runtime.block_on(async { tokio::time::timeout(request.timeout, exchange).await });
    runtime.shutdown_timeout(GOODBYE);
    let seconds = request.timeout.as_secs();
    answered.unwrap_or_else(|_| {
        Err(if sent {
            RequestError::NoAnswer { seconds }
        } else {
            RequestError::NotSent {
                broker: endpoint.to_string(),
                seconds,
            }
        })
    })
}

fn options(mqtt: &MqttConfig, endpoint: &Endpoint) -> Result<MqttOptions, MqttError> {
    // Its own name: with the door's the broker would throw the door out.
    let client_id = format!("doorward-command-{}", Uuid::now_v7().simple());
    let mut options = MqttOptions::new(client_id, (endpoint.host.clone(), endpoint.port));
    if let Some(tls) = &endpoint.tls {
        let tls = TlsConfiguration::Rustls(Arc::clone(tls));
        options.set_transport(Transport::tls_with_config(tls));
    }
    let (host, port) = (endpoint.host.clone(), endpoint.port);
    options.set_socket_connector(move |_, _| super::dial::dial(host.clone(), port));
    match settings::credentials(mqtt)? {
        Some((username, Some(password))) => {
            options.set_credentials(username, password);
        }
        Some((username, None)) => {
            options.set_username(username);
        }
        None => {}
    }
    options
        .set_clean_start(true)
        .set_max_packet_size(Some(MAX_PACKET))
        .set_keep_alive(15);
    Ok(options)
}

async fn exchange(
    options: MqttOptions,
    endpoint: &Endpoint,
    request: &Request,
    sent: &mut bool,
    mut is_answer: impl FnMut(&Incoming) -> bool,
) -> Result<Incoming, RequestError> {
    let (client, mut eventloop) = AsyncClient::builder(options).capacity(8).build();
    let failed = |error: rumqttc::ConnectionError| {
        RequestError::Connection(failure::classify(&error.into(), endpoint, None))
    };
    loop {
        let event = eventloop.poll().await.map_err(failed)?;
        let Event::Incoming(packet) = event else {
            *sent |= matches!(event, Event::Outgoing(Outgoing::Publish(_)));
            continue;
        };
        match packet {
            Packet::ConnAck(_) => {
                let filter = |topic: &String| SubscribeFilter::new(topic.clone(), QoS::AtLeastOnce);
                let filters = [&request.response_topic, &request.result_topic].map(filter);
                // The queue has room for the few requests there are.
                let _ = client.try_subscribe_many(filters);
            }
            Packet::SubAck(ack) => {
                let mut codes = ack.return_codes.iter();
                let mut granted = || matches!(codes.next(), Some(SubscribeReasonCode::Success(_)));
                let (own, common) = (granted(), granted());
                if !own && !common {
                    return Err(RequestError::NotAllowed {
                        what: "subscribe to",
                        topic: request.result_topic.clone(),
                    });
                }
                let publish = PublishOptions::new(QoS::AtLeastOnce).properties(PublishProperties {
                    message_expiry_interval: Some(request.expiry_s),
                    response_topic: own.then(|| request.response_topic.clone()),
                    correlation_data: Some(request.correlation.clone().into()),
                    content_type: Some(CONTENT_TYPE.to_owned()),
                    ..PublishProperties::default()
                });
                let payload = request.payload.clone();
                let _ = client.try_publish(request.command_topic.clone(), payload, publish);
            }
            Packet::PubAck(ack) if ack.reason == PubAckReason::NotAuthorized => {
                return Err(RequestError::NotAllowed {
                    what: "publish on",
                    topic: request.command_topic.clone(),
                });
            }
            Packet::Publish(publish) => {
                let incoming = incoming(publish);
                if is_answer(&incoming) {
                    let _ = client.try_disconnect_now();
                    let farewell = async { while eventloop.poll().await.is_ok() {} };
                    let _ = tokio::time::timeout(GOODBYE, farewell).await;
                    return Ok(incoming);
                }
            }
            _ => {}
        }
    }
}

fn incoming(publish: Publish) -> Incoming {
    let properties = publish.properties.unwrap_or_default();
    Incoming {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload.to_vec(),
        retain: publish.retain,
        response_topic: properties.response_topic,
        correlation: properties.correlation_data.map(|data| data.to_vec()),
    }
}
