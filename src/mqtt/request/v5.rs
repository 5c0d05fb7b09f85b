//! A request in MQTT 5: response topic, correlation data, expiry, reasons.

use rumqttc::{
    AsyncClient, Event, EventLoop, Outgoing, Packet, PubAckReason, PublishOptions,
    PublishProperties, QoS, SubscribeFilter, SubscribeReasonCode,
};

use super::{Login, MAX_PACKET, Request, Told};
use crate::keys::CONTENT_TYPE;
use crate::mqtt::dial;
use crate::mqtt::dialect::{Trouble, v5};
use crate::mqtt::settings::Endpoint;

pub(super) struct Line {
    client: AsyncClient,
    eventloop: EventLoop,
}

impl Line {
    pub(super) fn open(endpoint: &Endpoint, login: &Login) -> Self {
        let mut options = v5::reach(endpoint, &login.client_id, login.credentials.as_ref());
        let (host, port) = (endpoint.host.clone(), endpoint.port);
        options.set_socket_connector(move |_, _| dial::dial(host.clone(), port));
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
                let code = ack.return_codes.first();
                Told::Granted(matches!(code, Some(SubscribeReasonCode::Success(_))))
            }
            Event::Outgoing(Outgoing::Publish(_)) => Told::Sent,
            Event::Incoming(Packet::PubAck(ack)) if ack.reason == PubAckReason::NotAuthorized => {
                Told::Forbidden
            }
            Event::Incoming(Packet::Publish(publish)) => Told::Message(v5::incoming(publish)),
            _ => Told::Other,
        })
    }

    fn subscribe(&self, request: &Request) {
        let filter = SubscribeFilter::new(request.result_topic.clone(), QoS::AtLeastOnce);
        let _ = self.client.try_subscribe_many([filter]);
    }

    fn publish(&self, request: &Request) {
        let options = PublishOptions::new(QoS::AtLeastOnce).properties(PublishProperties {
            message_expiry_interval: Some(request.expiry_s),
            response_topic: Some(request.result_topic.clone()),
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
