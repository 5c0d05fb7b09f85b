//! What every reason code means: one table for what the broker can say to us.
//!
//! To a message (PUBACK, PUBREC):
//!
//! | code | fate |
//! |---|---|
//! | 0x00 to 0x7F, among them 0x10 no matching subscribers | taken; at QoS 2 the release follows |
//! | 0x91 packet identifier in use | of a message that was sent again: the broker has held it since before the cut, only the release is missing; of a first sending: not taken, later under another id, but after [`ATTEMPTS`] refused |
//! | 0x89 server busy, 0x96 rate too high, 0x97 quota exceeded | later: back into the queue, and nothing is sent for a while, however often it takes |
//! | 0x80 unspecified, 0x83 implementation specific | later, but after [`ATTEMPTS`] refused: one message that the broker cannot take must not hold up the rest for ever |
//! | 0x87 not authorised, 0x90 topic name invalid, 0x99 payload format invalid, anything else | refused: set aside with the reason, told as `PumpEvent::Rejected` |
//!
//! To a release (PUBCOMP): 0x00 done; 0x92 packet identifier not found: done, an earlier release
//! got through. Nothing else is defined there.
//!
//! To CONNECT (CONNACK) and at the end of a connection (DISCONNECT) a code decides what is said
//! and how soon it is tried again, see [`Verdict`]. No message is given up over it, with one
//! exception: 0x95 packet too large from a broker that did not say its limit beforehand. The
//! largest packet that was under way is larger than the limit, whichever packet it was about;
//! that message is refused, and so is every later one of that size.
//!
//! MQTT 3.1.1 has none of this but a few codes of CONNACK: a message that is refused is
//! acknowledged like any other or ends the connection without a word.

/// How often a message that the broker cannot take for reasons it does not name is sent before it
/// is refused for good.
pub(super) const ATTEMPTS: u32 = 8;

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The broker has taken it (at QoS 2: and waits for the release).
    Taken,
    /// The packet id is in use at the broker: the one code with two meanings.
    InUse,
    /// It may be taken later, and sooner or later it will.
    Later,
    /// It may be taken later, or never.
    Perhaps,
    /// It will never be taken.
    Refused,
}

/// The fate of a message by the code of its PUBACK or PUBREC.
pub(super) fn of_message(code: u8) -> Fate {
    match code {
        0x00..0x80 => Fate::Taken,
        0x91 => Fate::InUse,
        0x89 | 0x96 | 0x97 => Fate::Later,
        0x80 | 0x83 => Fate::Perhaps,
        _ => Fate::Refused,
    }
}

/// Whether time heals it, and why it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may pass by itself: tried again soon, then less and less often.
    Passing(&'static str),
    /// Somebody must change something: tried again at the slow end.
    Lasting(&'static str),
    /// As passing, in the standard's words.
    Unnamed,
}

/// What CONNACK means.
pub(super) fn of_refusal(code: u8) -> Verdict {
    use Verdict::{Lasting, Passing, Unnamed};
    match code {
        0x84 => Lasting(
            "it does not speak this version of MQTT; change mqtt.protocol (MQTT \"5\" or \"3.1.1\")",
        ),
        0x85 => Lasting("it does not accept the client id; set mqtt.client_id"),
        0x86 => Lasting(
            "bad user name or password; check mqtt.username and the first line of mqtt.password_file",
        ),
        0x87 => Lasting(
            "not authorised; user name or password is wrong or missing (mqtt.username, mqtt.password_file), or the broker does not admit this client",
        ),
        0x88 | 0x89 => Passing("it is busy or starting"),
        0x8A => Lasting("this client is banned; ask who runs the broker"),
        0x8C => Lasting(
            "it wants another way of authentication; user name and password, or a client certificate, are what we have",
        ),
        0x90 => Lasting("it does not accept the topic of the will; check mqtt.base_topic"),
        0x95 | 0x99 => Lasting("it does not accept the will"),
        0x97 | 0x9F => Passing("a quota or connection rate is exceeded"),
        0x9A => Lasting("it does not keep retained messages, which availability and state need"),
        0x9B => Lasting("it does not support the QoS of the will; lower mqtt.qos.state"),
        0x9C | 0x9D => Lasting("it has moved; change mqtt.url"),
        _ => Unnamed,
    }
}

/// What DISCONNECT means.
pub(super) fn of_end(code: u8) -> Verdict {
    use Verdict::{Lasting, Passing, Unnamed};
    match code {
        0x87 => Lasting("not authorised; check the broker's rules for this client"),
        0x89 => Passing("it is busy"),
        0x8B => Passing("it is shutting down"),
        0x8D => Passing("it heard nothing from us for too long"),
        0x8E => Lasting(
            "another client connected with the same client id and took the session over; give every door its own mqtt.client_id",
        ),
        0x93 => Lasting("too many messages under way; lower mqtt.inflight"),
        0x95 => Passing(
            "a message is larger than it takes; the largest one under way is set aside (set mqtt.max_packet_bytes to what the broker takes)",
        ),
        0x96 | 0x97 | 0x9F => Passing("a quota or rate is exceeded"),
        0x98 => Lasting("an administrator ended it"),
        0x9C | 0x9D => Lasting("it has moved; change mqtt.url"),
        _ => Unnamed,
    }
}

/// The code in the standard's words.
pub(super) fn name(code: u8) -> String {
    let name = match code {
        0x00 => "Success",
        0x10 => "NoMatchingSubscribers",
        0x80 => "UnspecifiedError",
        0x81 => "MalformedPacket",
        0x82 => "ProtocolError",
        0x83 => "ImplementationSpecificError",
        0x84 => "UnsupportedProtocolVersion",
        0x85 => "ClientIdentifierNotValid",
        0x86 => "BadUserNamePassword",
        0x87 => "NotAuthorized",
        0x88 => "ServerUnavailable",
        0x89 => "ServerBusy",
        0x8A => "Banned",
        0x8B => "ServerShuttingDown",
        0x8C => "BadAuthenticationMethod",
        0x8D => "KeepAliveTimeout",
        0x8E => "SessionTakenOver",
        0x8F => "TopicFilterInvalid",
        0x90 => "TopicNameInvalid",
        0x91 => "PacketIdentifierInUse",
        0x92 => "PacketIdentifierNotFound",
        0x93 => "ReceiveMaximumExceeded",
        0x94 => "TopicAliasInvalid",
        0x95 => "PacketTooLarge",
        0x96 => "MessageRateTooHigh",
        0x97 => "QuotaExceeded",
        0x98 => "AdministrativeAction",
        0x99 => "PayloadFormatInvalid",
        0x9A => "RetainNotSupported",
        0x9B => "QoSNotSupported",
        0x9C => "UseAnotherServer",
        0x9D => "ServerMoved",
        0x9E => "SharedSubscriptionsNotSupported",
        0x9F => "ConnectionRateExceeded",
        0xA0 => "MaximumConnectTime",
        0xA1 => "SubscriptionIdentifiersNotSupported",
        0xA2 => "WildcardSubscriptionsNotSupported",
        other => return format!("reason {other:#04x}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_a_message_can_be_answered_with_has_its_fate() {
        use rumqttc::PubRecReason as Reason;
        for (reason, fate) in [
            (Reason::Success, Fate::Taken),
            (Reason::NoMatchingSubscribers, Fate::Taken),
            (Reason::UnspecifiedError, Fate::Perhaps),
            (Reason::ImplementationSpecificError, Fate::Perhaps),
            (Reason::NotAuthorized, Fate::Refused),
            (Reason::TopicNameInvalid, Fate::Refused),
            (Reason::PacketIdentifierInUse, Fate::InUse),
            (Reason::QuotaExceeded, Fate::Later),
            (Reason::PayloadFormatInvalid, Fate::Refused),
        ] {
            assert_eq!(of_message(reason as u8), fate, "{reason:?}");
            assert_eq!(name(reason as u8), format!("{reason:?}"));
        }
    }

    #[test]
    fn every_code_of_an_end_is_said_in_words() {
        use rumqttc::DisconnectReasonCode as Reason;
        for reason in [
            Reason::UnspecifiedError,
            Reason::MalformedPacket,
            Reason::ProtocolError,
            Reason::ImplementationSpecificError,
            Reason::NotAuthorized,
            Reason::ServerBusy,
            Reason::ServerShuttingDown,
            Reason::KeepAliveTimeout,
            Reason::SessionTakenOver,
            Reason::TopicFilterInvalid,
            Reason::TopicNameInvalid,
            Reason::ReceiveMaximumExceeded,
            Reason::TopicAliasInvalid,
            Reason::PacketTooLarge,
            Reason::MessageRateTooHigh,
            Reason::QuotaExceeded,
            Reason::AdministrativeAction,
            Reason::PayloadFormatInvalid,
            Reason::RetainNotSupported,
            Reason::QoSNotSupported,
            Reason::UseAnotherServer,
            Reason::ServerMoved,
            Reason::ConnectionRateExceeded,
            Reason::MaximumConnectTime,
        ] {
            assert_eq!(name(reason as u8), format!("{reason:?}"));
        }
        assert!(matches!(of_end(0x8E), Verdict::Lasting(_)));
        assert!(matches!(of_end(0x8B), Verdict::Passing(_)));
        assert_eq!(of_end(0x80), Verdict::Unnamed);
        assert!(matches!(of_refusal(0x88), Verdict::Passing(_)));
        assert!(matches!(of_refusal(0x87), Verdict::Lasting(_)));
        assert_eq!(of_refusal(0xFF), Verdict::Unnamed);
        assert_eq!(name(0xFF), "reason 0xff");
    }
}
