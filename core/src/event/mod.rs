//! What can happen, as immutable facts.
//!
//! An [`Event`] says what happened; [`wire`] says how it looks to the broker. Nothing here
//! does I/O. Flows in: decisions, door effects, administration. Flows out: rows of the
//! `events` and `outbox` tables.
//!
//! Events are never changed once released to the world: a new field is optional, a new
//! meaning is a new version of the type.

mod access;
mod alarm;
pub mod chain;
pub mod checkpoint;
mod command;
mod door;
mod person;
mod rule;
pub mod telemetry;
pub mod wire;
mod words;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{EnumCount, IntoStaticStr, VariantArray};
use uuid::Uuid;

pub use access::{Challenge, Challenged, Denied, DenyReason, Granted, Method, QualityProblem};
pub use alarm::{Alarm, Severity};
pub use command::{CommandRefusal, CommandVerb, DropReason, Role};
pub use door::{Contact, Mode, ModeSource, ReleaseCause, SecureCause};
pub use person::{PersonId, PersonRef, PersonStatus};
pub use rule::Rule;

/// Topic class of an event; decides topic and quality of service.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    EnumCount,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "TopicClass")]
#[strum(serialize_all = "snake_case")]
pub enum Class {
    /// Somebody was granted or denied.
    Access,
    /// The door itself.
    Door,
    /// Administration.
    Admin,
    /// A condition raised or cleared.
    Alarm,
    /// Retained summary of the door.
    State,
    /// Retained liveness of the service.
    Availability,
    /// Retained, signed statement of how far the record goes.
    Checkpoint,
    /// Numbers that may be lost.
    Telemetry,
    /// The last visitor's picture.
    Snapshot,
    /// What became of a command.
    Result,
}

/// A kind of rule that administration can change.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    EnumCount,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RuleKind {
    /// Who may pass which door, when and how.
    Group,
    /// Hours of the week.
    Schedule,
    /// Days on which schedules differ.
    Holiday,
}

/// What administration did to a rule.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    EnumCount,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RuleChange {
    /// It is new.
    Added,
    /// It was there, differently.
    Changed,
    /// It is gone.
    Removed,
}

/// What a damaged or missing database was replaced with.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    EnumCount,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RestoredFrom {
    /// The newest backup that was whole.
    Backup,
    /// Nothing: nobody is known until they are enrolled again.
    Empty,
}

/// One fact, with what is known about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "data")]
pub enum Event {
    /// Somebody was granted.
    #[serde(rename = "access.granted")]
    AccessGranted(Granted),
    /// Somebody was denied.
    #[serde(rename = "access.denied")]
    AccessDenied(Denied),
    /// Somebody was asked for more: to blink, to type a PIN, to bring a second person.
    #[serde(rename = "access.challenged")]
    AccessChallenged(Challenged),
    /// The relay was released.
    #[serde(rename = "door.released")]
    DoorReleased {
        /// Why.
        cause: ReleaseCause,
        /// For how long, in milliseconds; absent when the mode holds it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        release_ms: Option<u64>,
        /// For whom, when it was for somebody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        person: Option<PersonRef>,
    },
    /// The relay was secured.
    #[serde(rename = "door.secured")]
    DoorSecured {
        /// Why.
        cause: SecureCause,
    },
    /// The door was opened.
    #[serde(rename = "door.opened")]
    DoorOpened,
    /// The door was closed.
    #[serde(rename = "door.closed")]
    DoorClosed {
        /// For how long it had been open, in milliseconds; absent when that is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        open_ms: Option<u64>,
    },
    /// The exit button was pressed.
    #[serde(rename = "door.rex")]
    DoorRex,
    /// A release that is on the record did not take place: the record was too late, or the door
    /// forbade it by then.
    #[serde(rename = "door.release_withdrawn")]
    ReleaseWithdrawn {
        /// Why it was to be released.
        cause: ReleaseCause,
        /// For whom, when it was for somebody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        person: Option<PersonRef>,
    },
    /// Another mode governs the door.
    #[serde(rename = "door.mode")]
    DoorMode {
        /// Which mode.
        mode: Mode,
        /// Who chose it.
        source: ModeSource,
        /// When it ends by itself, if it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<jiff::Timestamp>,
    },
    /// Somebody was enrolled, or got more templates.
    #[serde(rename = "admin.enrolled")]
    Enrolled {
        /// Who.
        person: PersonRef,
        /// Templates added.
        templates: u32,
    },
    /// Somebody was renamed.
    #[serde(rename = "admin.renamed")]
    Renamed {
        /// Who, by the new name.
        person: PersonRef,
        /// The old name.
        previous: String,
    },
    /// Somebody may no longer enter.
    #[serde(rename = "admin.suspended")]
    Suspended {
        /// Who.
        person: PersonRef,
    },
    /// Somebody may enter again.
    #[serde(rename = "admin.resumed")]
    Resumed {
        /// Who.
        person: PersonRef,
    },
    /// Somebody and all their templates were erased from the gallery.
    #[serde(rename = "admin.removed")]
    Removed {
        /// Who.
        person: PersonRef,
        /// Templates erased with them.
        templates: u32,
    },
    /// Something that governs when somebody may enter was changed.
    #[serde(rename = "admin.person_changed")]
    PersonChanged {
        /// Who.
        person: PersonRef,
        /// What, one phrase each, for example `groups: staff, cleaners`; never a PIN.
        changes: Vec<String>,
    },
    /// A rule was added, changed or removed.
    #[serde(rename = "admin.rule_changed")]
    RuleChanged {
        /// Which kind of rule.
        rule: RuleKind,
        /// Its name.
        name: String,
        /// What was done.
        change: RuleChange,
        /// How it stands now, in words; absent when it is gone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        now: Option<String>,
    },
    /// An operator chose a mode, or left it to the schedule again.
    #[serde(rename = "admin.mode_set")]
    ModeSet {
        /// Which mode; absent when the schedule governs again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<Mode>,
        /// When it ends by itself, if it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<jiff::Timestamp>,
    },
    /// Somebody may send commands from now on, or with another key or role than before.
    #[serde(rename = "admin.operator_added")]
    OperatorAdded {
        /// Who.
        operator: String,
        /// What they may do.
        role: Role,
    },
    /// Somebody may no longer send commands.
    #[serde(rename = "admin.operator_removed")]
    OperatorRemoved {
        /// Who.
        operator: String,
    },
    /// An operator's command was carried out.
    #[serde(rename = "command.executed")]
    CommandExecuted {
        /// The command's id; the same command never counts twice.
        id: String,
        /// Who sent it: an operator, or the client of plain lock payloads.
        operator: String,
        /// What they wanted.
        verb: CommandVerb,
        /// How, in words, where the verb has arguments.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// A command was not carried out.
    #[serde(rename = "command.refused")]
    CommandRefused {
        /// Why.
        reason: CommandRefusal,
        /// The same in words.
        detail: String,
        /// The command's id, where it has one that is genuine.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// Who it claims to be from; proven only when the reason comes after the signature.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        operator: Option<String>,
        /// What was wanted, where that can be told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verb: Option<CommandVerb>,
        /// How many more refusals like it came before this one without an event of their own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unrecorded: Option<u64>,
    },
    /// The broker refused messages for good, or they can never be sent to it.
    #[serde(rename = "delivery.refused")]
    DeliveryRefused {
        /// To which topic.
        topic: String,
        /// Why.
        reason: String,
        /// The first event that it was about; absent for what carries no event.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        event: Option<Uuid>,
        /// How many messages since the last such event.
        messages: u64,
    },
    /// Messages were dropped before the broker had them, as the configuration says.
    #[serde(rename = "delivery.dropped")]
    DeliveryDropped {
        /// Of which class.
        class: Class,
        /// Why.
        reason: DropReason,
        /// How many since the last such event.
        messages: u64,
    },
    /// Messages that wait for the broker are sent with another quality of service from now on, because
    /// somebody with access to the door's device asked for it.
    #[serde(rename = "delivery.qos_set")]
    DeliveryQosSet {
        /// Which one.
        #[schemars(range(max = 2))]
        qos: u8,
        /// How many messages.
        messages: u64,
    },
    /// Old events were deleted, as the retention says.
    #[serde(rename = "record.pruned")]
    RecordPruned {
        /// Sequence number of the last one that is gone.
        through_seq: u64,
        /// Its chain hash, in hex: the rest of the chain stands on it.
        #[schemars(with = "chain::ChainHash")]
        hash: String,
        /// How many went.
        events: u64,
    },
    /// The database was damaged or missing and was replaced at the start.
    #[serde(rename = "record.restored")]
    RecordRestored {
        /// What it was replaced with.
        source: RestoredFrom,
        /// Where the damaged file is, if there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quarantined: Option<String>,
        /// Sequence number of the last event that the replacement knows, 0 for none.
        last_known_seq: u64,
    },
    /// A condition began.
    #[serde(rename = "alarm.raised")]
    AlarmRaised {
        /// Which condition.
        alarm: Alarm,
        /// How soon somebody should look.
        severity: Severity,
        /// Cause, in words for an operator.
        detail: String,
        /// Whom it is about, when it is about somebody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        person: Option<PersonRef>,
    },
    /// A condition ended.
    #[serde(rename = "alarm.cleared")]
    AlarmCleared {
        /// Which condition.
        alarm: Alarm,
    },
    /// Somebody took note of a condition.
    #[serde(rename = "alarm.acknowledged")]
    AlarmAcknowledged {
        /// Which condition.
        alarm: Alarm,
        /// What they said about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
}

/// Every kind an [`Event`] can have, in the order of the catalogue.
pub const KINDS: [&str; 30] = [
    "access.granted",
    "access.denied",
    "access.challenged",
    "door.released",
    "door.secured",
    "door.opened",
    "door.closed",
    "door.rex",
    "door.release_withdrawn",
    "door.mode",
    "admin.enrolled",
    "admin.renamed",
    "admin.suspended",
    "admin.resumed",
    "admin.removed",
    "admin.person_changed",
    "admin.rule_changed",
    "admin.mode_set",
    "admin.operator_added",
    "admin.operator_removed",
    "command.executed",
    "command.refused",
    "delivery.refused",
    "delivery.dropped",
    "delivery.qos_set",
    "record.pruned",
    "record.restored",
    "alarm.raised",
    "alarm.cleared",
    "alarm.acknowledged",
];

impl Event {
    /// A condition begins, as severe as its alarm is; `person` where it is about somebody.
    #[must_use]
    pub fn alarm_raised(alarm: Alarm, detail: String, person: Option<PersonRef>) -> Self {
        Self::AlarmRaised {
            alarm,
            severity: alarm.severity(),
            detail,
            person,
        }
    }

    /// The dotted name that the database, the filters and the wire use.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Event::AccessGranted(_) => "access.granted",
            Event::AccessDenied(_) => "access.denied",
            Event::AccessChallenged(_) => "access.challenged",
            Event::DoorReleased { .. } => "door.released",
            Event::DoorSecured { .. } => "door.secured",
            Event::DoorOpened => "door.opened",
            Event::DoorClosed { .. } => "door.closed",
            Event::DoorRex => "door.rex",
            Event::ReleaseWithdrawn { .. } => "door.release_withdrawn",
            Event::DoorMode { .. } => "door.mode",
            Event::Enrolled { .. } => "admin.enrolled",
            Event::Renamed { .. } => "admin.renamed",
            Event::Suspended { .. } => "admin.suspended",
            Event::Resumed { .. } => "admin.resumed",
            Event::Removed { .. } => "admin.removed",
            Event::PersonChanged { .. } => "admin.person_changed",
            Event::RuleChanged { .. } => "admin.rule_changed",
            Event::ModeSet { .. } => "admin.mode_set",
            Event::OperatorAdded { .. } => "admin.operator_added",
            Event::OperatorRemoved { .. } => "admin.operator_removed",
            Event::CommandExecuted { .. } => "command.executed",
            Event::CommandRefused { .. } => "command.refused",
            Event::DeliveryRefused { .. } => "delivery.refused",
            Event::DeliveryDropped { .. } => "delivery.dropped",
            Event::DeliveryQosSet { .. } => "delivery.qos_set",
            Event::RecordPruned { .. } => "record.pruned",
            Event::RecordRestored { .. } => "record.restored",
            Event::AlarmRaised { .. } => "alarm.raised",
            Event::AlarmCleared { .. } => "alarm.cleared",
            Event::AlarmAcknowledged { .. } => "alarm.acknowledged",
        }
    }

    /// The topic class it is published under.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Event::AccessGranted(_) | Event::AccessDenied(_) | Event::AccessChallenged(_) => {
                Class::Access
            }
            Event::DoorReleased { .. }
            | Event::DoorSecured { .. }
            | Event::DoorOpened
            | Event::DoorClosed { .. }
            | Event::DoorRex
            | Event::ReleaseWithdrawn { .. }
            | Event::DoorMode { .. } => Class::Door,
            Event::Enrolled { .. }
            | Event::Renamed { .. }
            | Event::Suspended { .. }
            | Event::Resumed { .. }
            | Event::Removed { .. }
            | Event::PersonChanged { .. }
            | Event::RuleChanged { .. }
            | Event::ModeSet { .. }
            | Event::OperatorAdded { .. }
            | Event::OperatorRemoved { .. }
            | Event::CommandExecuted { .. }
            | Event::CommandRefused { .. }
            | Event::DeliveryRefused { .. }
            | Event::DeliveryDropped { .. }
            | Event::DeliveryQosSet { .. }
            | Event::RecordPruned { .. }
            | Event::RecordRestored { .. } => Class::Admin,
            Event::AlarmRaised { .. }
            | Event::AlarmCleared { .. }
            | Event::AlarmAcknowledged { .. } => Class::Alarm,
        }
    }

    /// The person it is about, if it is about one.
    #[must_use]
    pub fn person(&self) -> Option<&PersonRef> {
        match self {
            Event::AccessGranted(Granted { person, .. })
            | Event::AccessChallenged(Challenged { person, .. })
            | Event::Enrolled { person, .. }
            | Event::Renamed { person, .. }
            | Event::Suspended { person }
            | Event::Resumed { person }
            | Event::Removed { person, .. }
            | Event::PersonChanged { person, .. } => Some(person),
            Event::AccessDenied(Denied { person, .. })
            | Event::DoorReleased { person, .. }
            | Event::ReleaseWithdrawn { person, .. }
            | Event::AlarmRaised { person, .. } => person.as_ref(),
            Event::DoorSecured { .. }
            | Event::DoorOpened
            | Event::DoorClosed { .. }
            | Event::DoorRex
            | Event::DoorMode { .. }
            | Event::RuleChanged { .. }
            | Event::ModeSet { .. }
            | Event::OperatorAdded { .. }
            | Event::OperatorRemoved { .. }
            | Event::CommandExecuted { .. }
            | Event::CommandRefused { .. }
            | Event::DeliveryRefused { .. }
            | Event::DeliveryDropped { .. }
            | Event::DeliveryQosSet { .. }
            | Event::RecordPruned { .. }
            | Event::RecordRestored { .. }
            | Event::AlarmCleared { .. }
            | Event::AlarmAcknowledged { .. } => None,
        }
    }
}

/// An event as it stands in the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Strictly increasing number of this door, from 1.
    pub seq: u64,
    /// UUIDv7, the same on the wire: consumers tell repetitions by it.
    pub id: Uuid,
    /// When it happened, by the door's clock.
    pub time: jiff::Timestamp,
    /// Whether that clock was to be trusted.
    #[serde(default = "synced", skip_serializing_if = "is_synced")]
    pub clock_synced: bool,
    /// Who did it, where somebody did: `cli:alice`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
    /// Covers all of this, and every event before it.
    pub hash: chain::ChainHash,
}

fn synced() -> bool {
    true
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_synced(clock_synced: &bool) -> bool {
    *clock_synced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_the_one_serde_writes_and_the_catalogue_lists() {
        let event = Event::DoorSecured {
            cause: SecureCause::Stop,
        };
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["kind"], event.kind());
        assert_eq!(json["data"]["cause"], "stop");
        assert!(KINDS.contains(&event.kind()));
    }
}
