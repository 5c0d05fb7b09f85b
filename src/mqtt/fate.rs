//! What every reason code means for a message.

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The broker has taken it (at QoS 2: and waits for the release).
    Taken,
    /// The packet id is in use at the broker: the one code with two meanings, see the ledger.
    InUse,
    /// It will never be taken.
    Refused,
}

/// The fate of a message by the code of its PUBACK or PUBREC.
pub(super) fn of_message(code: u8) -> Fate {
    match code {
        0x00..0x80 => Fate::Taken,
        0x91 => Fate::InUse,
        _ => Fate::Refused,
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
