//! A request in MQTT 5: response topic, correlation data, expiry, reasons.

use std::sync::Arc;

use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, Outgoing, Packet, PubAckReason, PublishOptions,
    PublishProperties, QoS, SubscribeFilter, SubscribeReasonCode, TlsConfiguration, Transport,
};

use super::{Login, MAX_PACKET, Request, Told};
use crate::keys::CONTENT_TYPE;
use crate::mqtt::dial;
use crate::mqtt::dialect::{Trouble, v5};
use crate::mqtt::pump::Incoming;
use crate::mqtt::settings::Endpoint;

pub(super) struct Line {
    client: AsyncClient,
    eventloop: EventLoop,
}

impl Line {
    pub(super) fn open(endpoint: &Endpoint, login: &Login) -> Self {
        let address = (endpoint.host.clone(), endpoint.port);
        let mut options = MqttOptions::new(login.client_id.clone(), address.clone());
        if let Some(tls) = &endpoint.tls {
            let tls = TlsConfiguration::Rustls(Arc::clone(&tls.config));
            options.set_transport(Transport::tls_with_config(tls));
        }
        options.set_socket_connector(move |_, _| dial::dial(address.0.clone(), address.1));
        match &login.credentials {
            Some((username, Some(password))) => {
                options.set_credentials(username.clone(), password.clone());
            }
            Some((username, None)) => {
                options.set_username(username.clone());
            }
            None => {}
        }
        options
            .set_clean_start(true)
            .set_max_packet_size(Some(MAX_PACKET))
            .set_keep_alive(15);
        let (client, eventloop) = AsyncClient::builder(options).capacity(8).build();
        Self { client, eventloop }
    }
}

impl super::Line for Line {
    async fn poll(&mut self) -> Result<Told, Trouble> {
        let event = self.eventloop.poll().await.map_err(v5::trouble)?;
        Ok(match event {
            Event::Incoming(Packet::ConnAck(_)) => Told::Connected,
            Event::Incoming(Packet::SubAck(ack)) => {
                let mut codes = ack.return_codes.iter();
                let mut granted = || matches!(codes.next(), Some(SubscribeReasonCode::Success(_)));
                Told::Granted(granted(), granted())
            }
            Event::Outgoing(Outgoing::Publish(_)) => Told::Sent,
            Event::Incoming(Packet::PubAck(ack)) if ack.reason == PubAckReason::NotAuthorized => {
                Told::Forbidden
            }
            Event::Incoming(Packet::Publish(publish)) => {
                let properties = publish.properties.unwrap_or_default();
                Told::Message(Incoming {
                    topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                    payload: publish.payload.to_vec(),
                    retain: publish.retain,
                    response_topic: properties.response_topic,
                    correlation: properties.correlation_data.map(|data| data.to_vec()),
                })
            }
            _ => Told::Other,
        })
    }

    fn subscribe(&self, request: &Request) {
        let topics = [&request.response_topic, &request.result_topic];
        let filters = topics.map(|topic| SubscribeFilter::new(topic.clone(), QoS::AtLeastOnce));
        let _ = self.client.try_subscribe_many(filters);
    }

    fn publish(&self, request: &Request, private: bool) {
        let options = PublishOptions::new(QoS::AtLeastOnce).properties(PublishProperties {
            message_expiry_interval: Some(request.expiry_s),
            response_topic: private.then(|| request.response_topic.clone()),
            correlation_data: Some(request.correlation.clone().into()),
            content_type: Some(CONTENT_TYPE.to_owned()),
            ..PublishProperties::default()
        });
        let (topic, payload) = (request.command_topic.clone(), request.payload.clone());
        let _ = self.client.try_publish(topic, payload, options);
    }

    fn leave(&self) {
        let _ = self.client.try_disconnect_now();
    }
}
