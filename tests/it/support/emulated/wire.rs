//! MQTT 5 and 3.1.1 as one vocabulary, read and written by the codecs of the client's own crates.

use std::fmt;

use bytes::BytesMut;
use rumqttc::mqttbytes::{self, v5};
use rumqttc_v4::mqttbytes::{self as mqttbytes4, v4};

use doorward::config::Protocol;

/// A message as it travels in either direction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    pub pkid: u16,
    pub dup: bool,
    pub qos: u8,
    pub retain: bool,
    pub topic: String,
    pub payload: Vec<u8>,
    /// Marked as possibly arriving twice.
    pub maybe_dup: bool,
}

/// What a client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    Connect {
        client: String,
        clean: bool,
    },
    Publish(Message),
    /// PUBREL.
    Release(u16),
    Subscribe {
        pkid: u16,
        filters: Vec<String>,
        /// Whether what was kept from before is wanted; 3.1.1 always gets it.
        kept: bool,
    },
    Unsubscribe {
        pkid: u16,
        filters: Vec<String>,
    },
    /// Answers to what we published.
    Acknowledge,
    Ping,
    Disconnect,
}

/// What the broker allows; MQTT 3.1.1 cannot say it.
#[derive(Debug, Clone, Default)]
pub struct Allowance {
    pub receive_max: Option<u16>,
    pub max_qos: Option<u8>,
    pub retain: Option<bool>,
    pub max_packet: Option<u32>,
    pub session_expiry: Option<u32>,
}

/// What a broker sends. Reason codes are those of MQTT 5; 3.1.1 leaves them out.
#[derive(Debug, Clone)]
pub enum Outgoing {
    ConnAck {
        session_present: bool,
        refused: Option<v5::ConnectReturnCode>,
        allowance: Allowance,
    },
    PubAck(u16, u8),
    PubRec(u16, u8),
    PubComp(u16, u8),
    SubAck(u16, usize),
    /// SUBACK that denies all of them.
    SubRefused(u16, usize),
    UnsubAck(u16, usize),
    Publish(Message),
    PingResp,
    /// Says why and ends the connection; 3.1.1 has no such packet and ends it bare.
    Disconnect(u8),
    /// Whatever these bytes are.
    Raw(Vec<u8>),
}

/// Takes the first packet from the bytes that came in. `None`: there is not all of it yet.
/// The protocol is learnt from the first CONNECT.
pub fn read(
    buffer: &mut BytesMut,
    protocol: &mut Option<Protocol>,
) -> Result<Option<Incoming>, String> {
    if *protocol != Some(Protocol::V311) {
        // A copy, because a CONNECT of 3.1.1 is taken from the buffer before it is refused.
        match v5::Packet::read(&mut buffer.clone(), None) {
            Err(mqttbytes::Error::InsufficientBytes(_)) => return Ok(None),
            Err(mqttbytes::Error::InvalidProtocolLevel(4)) if protocol.is_none() => {}
            Err(error) => return Err(error.to_string()),
            Ok(_) => {
                *protocol = Some(Protocol::V5);
                let packet = v5::Packet::read(buffer, None).map_err(|error| error.to_string())?;
                return from_v5(packet).map(Some);
            }
        }
    }
    *protocol = Some(Protocol::V311);
    match v4::Packet::read(buffer, usize::MAX) {
        Err(mqttbytes4::Error::InsufficientBytes(_)) => Ok(None),
        Err(error) => Err(error.to_string()),
        Ok(packet) => from_v4(packet).map(Some),
    }
}

fn from_v5(packet: v5::Packet) -> Result<Incoming, String> {
    use v5::Packet;
    Ok(match packet {
        Packet::Connect(connect, _, _) => Incoming::Connect {
            client: connect.client_id,
            clean: connect.clean_start,
        },
        Packet::Publish(publish) => Incoming::Publish(Message {
            pkid: publish.pkid,
            dup: publish.dup,
            qos: publish.qos as u8,
            retain: publish.retain,
            topic: text(&publish.topic),
            payload: publish.payload.to_vec(),
            maybe_dup: publish.properties.is_some_and(|properties| {
                let mark = (doorward::mqtt::MAYBE_DUP.to_owned(), "true".to_owned());
                properties.user_properties.contains(&mark)
            }),
        }),
        Packet::PubRel(release) => Incoming::Release(release.pkid),
        Packet::Subscribe(subscribe) => Incoming::Subscribe {
            pkid: subscribe.pkid,
            kept: subscribe
                .filters
                .iter()
                .any(|filter| filter.retain_forward_rule != v5::RetainForwardRule::Never),
            filters: subscribe.filters.into_iter().map(|f| f.path).collect(),
        },
        Packet::Unsubscribe(unsubscribe) => Incoming::Unsubscribe {
            pkid: unsubscribe.pkid,
            filters: unsubscribe.filters,
        },
        Packet::PubAck(_) | Packet::PubRec(_) | Packet::PubComp(_) => Incoming::Acknowledge,
        Packet::PingReq => Incoming::Ping,
        Packet::Disconnect(_) => Incoming::Disconnect,
        other => return Err(format!("a client does not send {other:?}")),
    })
}

fn from_v4(packet: v4::Packet) -> Result<Incoming, String> {
    use v4::Packet;
    Ok(match packet {
        Packet::Connect(connect) => Incoming::Connect {
            client: connect.client_id,
            clean: connect.clean_session,
        },
        Packet::Publish(publish) => Incoming::Publish(Message {
            pkid: publish.pkid,
            dup: publish.dup,
            qos: publish.qos as u8,
            retain: publish.retain,
            topic: text(&publish.topic),
            payload: publish.payload.to_vec(),
            maybe_dup: false,
        }),
        Packet::PubRel(release) => Incoming::Release(release.pkid),
        Packet::Subscribe(subscribe) => Incoming::Subscribe {
            pkid: subscribe.pkid,
            kept: true,
            filters: subscribe.filters.into_iter().map(|f| f.path).collect(),
        },
        Packet::Unsubscribe(unsubscribe) => Incoming::Unsubscribe {
            pkid: unsubscribe.pkid,
            filters: unsubscribe.topics,
        },
        Packet::PubAck(_) | Packet::PubRec(_) | Packet::PubComp(_) => Incoming::Acknowledge,
        Packet::PingReq => Incoming::Ping,
        Packet::Disconnect => Incoming::Disconnect,
        other => return Err(format!("a client does not send {other:?}")),
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The bytes of a packet; none where 3.1.1 has no such packet.
pub fn write(packet: &Outgoing, protocol: Protocol) -> Vec<u8> {
    if let Outgoing::Raw(bytes) = packet {
        return bytes.clone();
    }
    let mut buffer = BytesMut::new();
    match protocol {
        Protocol::V5 => {
            to_v5(packet).write(&mut buffer, None).unwrap();
        }
        Protocol::V311 => {
            if let Some(packet) = to_v4(packet) {
                packet.write(&mut buffer, usize::MAX).unwrap();
            }
        }
    }
    buffer.to_vec()
}

fn to_v5(packet: &Outgoing) -> v5::Packet {
    use v5::Packet;
    match packet {
        Outgoing::ConnAck {
            session_present,
            refused,
            allowance,
        } => Packet::ConnAck(v5::ConnAck {
            session_present: *session_present,
            code: refused.unwrap_or(v5::ConnectReturnCode::Success),
            properties: Some(properties(allowance)),
        }),
        Outgoing::PubAck(pkid, reason) => Packet::PubAck(v5::PubAck {
            reason: (*reason).try_into().unwrap(),
            ..v5::PubAck::new(*pkid, None)
        }),
        Outgoing::PubRec(pkid, reason) => Packet::PubRec(v5::PubRec {
            reason: (*reason).try_into().unwrap(),
            ..v5::PubRec::new(*pkid, None)
        }),
        Outgoing::PubComp(pkid, reason) => Packet::PubComp(v5::PubComp {
            reason: (*reason).try_into().unwrap(),
            ..v5::PubComp::new(*pkid, None)
        }),
        Outgoing::SubAck(pkid, filters) => Packet::SubAck(v5::SubAck {
            pkid: *pkid,
            return_codes: vec![
                v5::SubscribeReasonCode::Success(mqttbytes::QoS::AtLeastOnce);
                *filters
            ],
            properties: None,
        }),
        Outgoing::SubRefused(pkid, filters) => Packet::SubAck(v5::SubAck {
            pkid: *pkid,
            return_codes: vec![v5::SubscribeReasonCode::NotAuthorized; *filters],
            properties: None,
        }),
        Outgoing::UnsubAck(pkid, filters) => Packet::UnsubAck(v5::UnsubAck {
            pkid: *pkid,
            reasons: vec![v5::UnsubAckReason::Success; *filters],
            properties: None,
        }),
        Outgoing::Publish(message) => {
            let mut publish = v5::Publish::new(
                message.topic.clone(),
                mqttbytes::qos(message.qos).unwrap(),
                message.payload.clone(),
                None,
            );
            (publish.pkid, publish.retain) = (message.pkid, message.retain);
            Packet::Publish(publish)
        }
        Outgoing::PingResp => Packet::PingResp,
        Outgoing::Disconnect(reason) => {
            Packet::Disconnect(v5::Disconnect::new((*reason).try_into().unwrap()))
        }
        Outgoing::Raw(_) => unreachable!("written as it is"),
    }
}

fn to_v4(packet: &Outgoing) -> Option<v4::Packet> {
    use v4::Packet;
    Some(match packet {
        Outgoing::ConnAck {
            session_present,
            refused,
            ..
        } => Packet::ConnAck(v4::ConnAck::new(
            match refused {
                None => v4::ConnectReturnCode::Success,
                Some(v5::ConnectReturnCode::NotAuthorized) => v4::ConnectReturnCode::NotAuthorized,
                Some(_) => v4::ConnectReturnCode::ServiceUnavailable,
            },
            *session_present,
        )),
        Outgoing::PubAck(pkid, _) => Packet::PubAck(v4::PubAck::new(*pkid)),
        Outgoing::PubRec(pkid, _) => Packet::PubRec(v4::PubRec::new(*pkid)),
        Outgoing::PubComp(pkid, _) => Packet::PubComp(v4::PubComp::new(*pkid)),
        Outgoing::SubAck(pkid, filters) => Packet::SubAck(v4::SubAck::new(
            *pkid,
            vec![v4::SubscribeReasonCode::Success(mqttbytes4::QoS::AtLeastOnce); *filters],
        )),
        Outgoing::SubRefused(pkid, filters) => Packet::SubAck(v4::SubAck::new(
            *pkid,
            vec![v4::SubscribeReasonCode::Failure; *filters],
        )),
        Outgoing::UnsubAck(pkid, _) => Packet::UnsubAck(v4::UnsubAck::new(*pkid)),
        Outgoing::Publish(message) => {
            let mut publish = v4::Publish::new(
                message.topic.clone(),
                mqttbytes4::qos(message.qos).unwrap(),
                message.payload.clone(),
            );
            (publish.pkid, publish.retain) = (message.pkid, message.retain);
            Packet::Publish(publish)
        }
        Outgoing::PingResp => Packet::PingResp,
        Outgoing::Disconnect(_) => return None,
        Outgoing::Raw(_) => unreachable!("written as it is"),
    })
}

fn properties(allowance: &Allowance) -> v5::ConnAckProperties {
    v5::ConnAckProperties {
        session_expiry_interval: allowance.session_expiry,
        receive_max: allowance.receive_max,
        max_qos: allowance.max_qos,
        retain_available: allowance.retain.map(u8::from),
        max_packet_size: allowance.max_packet,
        assigned_client_identifier: None,
        topic_alias_max: None,
        reason_string: None,
        user_properties: Vec::new(),
        wildcard_subscription_available: None,
        subscription_identifiers_available: None,
        shared_subscription_available: None,
        server_keep_alive: None,
        response_information: None,
        server_reference: None,
        authentication_method: None,
        authentication_data: None,
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = self.topic.rsplit('/').next().unwrap_or_default();
        write!(f, "PUBLISH {} QoS {} {topic}", self.pkid, self.qos)?;
        for (set, name) in [
            (self.dup, " DUP"),
            (self.retain, " retain"),
            (self.maybe_dup, " maybe-dup"),
        ] {
            f.write_str(if set { name } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Incoming::Connect { clean: true, .. } => f.write_str("CONNECT clean"),
            Incoming::Connect { .. } => f.write_str("CONNECT"),
            Incoming::Publish(message) => message.fmt(f),
            Incoming::Release(pkid) => write!(f, "PUBREL {pkid}"),
            Incoming::Subscribe { filters, .. } => write!(f, "SUBSCRIBE {}", filters.join(" ")),
            Incoming::Unsubscribe { filters, .. } => {
                write!(f, "UNSUBSCRIBE {}", filters.join(" "))
            }
            Incoming::Acknowledge => f.write_str("acknowledgement"),
            Incoming::Ping => f.write_str("PINGREQ"),
            Incoming::Disconnect => f.write_str("DISCONNECT"),
        }
    }
}

impl fmt::Display for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, pkid, reason) = match self {
            Outgoing::ConnAck {
                refused: Some(reason),
                ..
            } => return write!(f, "CONNACK {reason:?}"),
            Outgoing::ConnAck {
                session_present: true,
                ..
            } => return f.write_str("CONNACK session present"),
            Outgoing::ConnAck { .. } => return f.write_str("CONNACK"),
            Outgoing::PubAck(pkid, reason) => ("PUBACK", pkid, reason),
            Outgoing::PubRec(pkid, reason) => ("PUBREC", pkid, reason),
            Outgoing::PubComp(pkid, reason) => ("PUBCOMP", pkid, reason),
            Outgoing::SubAck(..) => return f.write_str("SUBACK"),
            Outgoing::SubRefused(..) => return f.write_str("SUBACK refused"),
            Outgoing::UnsubAck(..) => return f.write_str("UNSUBACK"),
            Outgoing::Publish(message) => return message.fmt(f),
            Outgoing::PingResp => return f.write_str("PINGRESP"),
            Outgoing::Disconnect(reason) => return write!(f, "DISCONNECT {reason:#04x}"),
            Outgoing::Raw(bytes) => return write!(f, "{} raw bytes", bytes.len()),
        };
        write!(f, "{name} {pkid}")?;
        if *reason == 0 {
            Ok(())
        } else {
            write!(f, " {reason:#04x}")
        }
    }
}
