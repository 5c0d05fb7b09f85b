//! A request in MQTT 3.1.1. What the broker forbids it swallows.

use rumqttc_v4::{
    AsyncClient, Event, EventLoop, Outgoing, Packet, PublishOptions, QoS, SubscribeFilter,
    SubscribeReasonCode,
};

use super::{Login, MAX_PACKET, Request, Told};
use crate::mqtt::dial;
use crate::mqtt::dialect::{Trouble, v4};
use crate::mqtt::settings::Endpoint;

pub(super) struct Line {
    client: AsyncClient,
    eventloop: EventLoop,
}

impl Line {
    pub(super) fn open(endpoint: &Endpoint, login: &Login) -> Self {
        let mut options = v4::reach(endpoint, &login.client_id, login.credentials.as_ref());
        let (host, port) = (endpoint.host.clone(), endpoint.port);
        options.set_socket_connector(move |_, _| dial::dial(host.clone(), port));
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
                let code = ack.return_codes.first();
                Told::Granted(matches!(code, Some(SubscribeReasonCode::Success(_))))
            }
            Event::Outgoing(Outgoing::Publish(_)) => Told::Sent,
            Event::Incoming(Packet::Publish(publish)) => Told::Message(v4::incoming(publish)),
            _ => Told::Other,
        })
    }

    fn subscribe(&self, request: &Request) {
        let filter = SubscribeFilter::new(request.result_topic.clone(), QoS::AtLeastOnce);
        let _ = self.client.try_subscribe_many([filter]);
    }

    fn publish(&self, request: &Request) {
        let options = PublishOptions::new(QoS::AtLeastOnce);
        let (topic, payload) = (request.command_topic.clone(), request.payload.clone());
        let _ = self.client.try_publish(topic, payload, options);
    }

    fn leave(&self) {
        let _ = self.client.try_disconnect_now();
    }
}
