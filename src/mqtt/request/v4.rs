//! A request in MQTT 3.1.1: the answer comes on the result topic and is told by its id. What the broker
//! forbids it swallows.

use std::sync::Arc;

use rumqttc_v4::{
    AsyncClient, Event, EventLoop, MqttOptions, Outgoing, Packet, PublishOptions, QoS,
    SubscribeFilter, SubscribeReasonCode, TlsConfiguration, Transport,
};

use super::{Login, MAX_PACKET, Request, Told};
use crate::mqtt::dial;
use crate::mqtt::dialect::{Trouble, v4};
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
            .set_clean_session(true)
            .set_max_packet_size(MAX_PACKET as usize, MAX_PACKET as usize)
            .set_keep_alive(15);
        let (client, eventloop) = AsyncClient::builder(options).capacity(8).build();
        Self { client, eventloop }
    }
}

impl super::Line for Line {
    async fn poll(&mut self) -> Result<Told, Trouble> {
        let event = self.eventloop.poll().await.map_err(v4::trouble)?;
        Ok(match event {
            Event::Incoming(Packet::ConnAck(_)) => Told::Connected,
            Event::Incoming(Packet::SubAck(ack)) => {
                let mut codes = ack.return_codes.iter();
                let mut granted = || matches!(codes.next(), Some(SubscribeReasonCode::Success(_)));
                Told::Granted(granted(), granted())
            }
            Event::Outgoing(Outgoing::Publish(_)) => Told::Sent,
            Event::Incoming(Packet::Publish(publish)) => Told::Message(Incoming {
                topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                payload: publish.payload.to_vec(),
                retain: publish.retain,
                response_topic: None,
                correlation: None,
            }),
            _ => Told::Other,
        })
    }

    fn subscribe(&self, request: &Request) {
        let topics = [&request.response_topic, &request.result_topic];
        let filters = topics.map(|topic| SubscribeFilter::new(topic.clone(), QoS::AtLeastOnce));
        let _ = self.client.try_subscribe_many(filters);
    }

    fn publish(&self, request: &Request, _private: bool) {
        let options = PublishOptions::new(QoS::AtLeastOnce);
        let (topic, payload) = (request.command_topic.clone(), request.payload.clone());
        let _ = self.client.try_publish(topic, payload, options);
    }

    fn leave(&self) {
        let _ = self.client.try_disconnect_now();
    }
}
