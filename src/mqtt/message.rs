//! A row of the outbox as an MQTT 5 PUBLISH: options, properties, size on the wire.
//!
//! The first sending and every repetition must be the same message, so both are made here.

use rumqttc::{
    PersistedPublish, PersistedPublishProperties, PersistedQoS, Publish, PublishOptions,
    PublishProperties, QoS,
};

use crate::event::wire::Qos;
use crate::store::outbox::Row;

/// User property of a message that may arrive twice, because the broker forgot its session
/// while the message was under way. Consumers compare the event's `id`.
pub const MAYBE_DUP: &str = "maybe-dup";

/// How the client is asked to publish it.
pub(super) fn options(row: &Row) -> PublishOptions {
    PublishOptions::new(qos(row.qos))
        .retain(row.retain)
        .properties(properties(row))
}

/// The same message again, under its packet id, as the client resumes it.
pub(super) fn repetition(row: Row, pkid: u16) -> PersistedPublish {
    let PublishProperties {
        user_properties,
        content_type,
        ..
    } = properties(&row);
    PersistedPublish {
        dup: true,
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
            message_expiry_interval: None,
            response_topic: None,
            correlation_data: None,
            user_properties,
            subscription_identifiers: Vec::new(),
            content_type,
        }),
    }
}

/// Size of the whole packet, header included.
pub(super) fn packet_bytes(row: &Row) -> usize {
    let mut publish = Publish::new(
        row.topic.clone(),
        qos(row.qos),
        row.payload.clone(),
        Some(properties(row)),
    );
    // Any id: without one the size would be two bytes short.
    publish.pkid = 1;
    publish.size()
}

/// MQTT's name for our QoS.
pub(super) fn qos(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

fn properties(row: &Row) -> PublishProperties {
    let user_properties = if row.maybe_dup {
        vec![(MAYBE_DUP.to_owned(), "true".to_owned())]
    } else {
        Vec::new()
    };
    PublishProperties {
        content_type: Some(row.content_type.clone()),
        user_properties,
        ..PublishProperties::default()
    }
}
