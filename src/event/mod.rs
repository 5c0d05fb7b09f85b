//! What can happen, as immutable facts.
//!
//! An [`Event`] says what happened; [`wire`] says how it looks to the broker. Nothing here
//! does I/O. Flows in: decisions, door effects, administration. Flows out: rows of the
//! `events` and `outbox` tables (see [`crate::store`]).
//!
//! Events are never changed once released to the world: a new field is optional, a new
//! meaning is a new version of the type.

pub mod wire;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::vision::QualityProblem;

/// Identifies one enrolled person for life (UUIDv7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonId(pub Uuid);

impl PersonId {
    /// A new, time-ordered id.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PersonId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A person as the record names them: the id for machines, the name as it was at the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonRef {
    /// Stable id.
    pub id: PersonId,
    /// Name when the event happened.
    pub name: String,
}

/// Topic class of an event; decides topic and quality of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
}

impl Class {
    /// The name used in the configuration, the database and the topic.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Access => "access",
            Class::Door => "door",
            Class::Admin => "admin",
            Class::Alarm => "alarm",
            Class::State => "state",
            Class::Availability => "availability",
        }
    }
}

/// Why a presentation was denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DenyReason {
    /// The face matches nobody well enough.
    Unknown,
    /// No observation was good enough to compare.
    LowQuality,
    /// Two people match about equally well, or the frames do not agree.
    Ambiguous,
    /// Looks like a picture of the person.
    SpoofSuspected,
    /// Did not prove in time to be alive: too little was seen, or no blink came when asked.
    LivenessUnproven,
    /// The person is suspended.
    Suspended,
    /// The grant could not be put on the record, so it was not carried out.
    StorageFailure,
}

impl DenyReason {
    /// The machine-readable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DenyReason::Unknown => "unknown",
            DenyReason::LowQuality => "low_quality",
            DenyReason::Ambiguous => "ambiguous",
            DenyReason::SpoofSuspected => "spoof_suspected",
            DenyReason::LivenessUnproven => "liveness_unproven",
            DenyReason::Suspended => "suspended",
            DenyReason::StorageFailure => "storage_failure",
        }
    }
}

/// How somebody asked to be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// By showing a face to the camera.
    Face,
}

/// Somebody was granted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Granted {
    /// Who.
    pub person: PersonRef,
    /// Cosine similarity of the fused observations, -1..1.
    #[serde(serialize_with = "four_decimals")]
    pub similarity: f32,
    /// How alive the face looked, 0..1, where that was asked.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "four_decimals_if_any"
    )]
    pub liveness: Option<f32>,
    /// How many observations agreed.
    pub observations: u32,
    /// How they asked.
    pub method: Method,
    /// From the first frame with this face to the decision, in milliseconds.
    pub latency_ms: u64,
}

/// Somebody was denied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Denied {
    /// Why.
    pub reason: DenyReason,
    /// Who, when the reason is about a known person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonRef>,
    /// What was wrong with the picture most often, when the reason is `low_quality`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<QualityProblem>,
    /// Cosine similarity of the fused observations to the best person, -1..1; absent when
    /// nothing could be compared.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "four_decimals_if_any"
    )]
    pub similarity: Option<f32>,
    /// How alive the face looked, 0..1, when the reason is `spoof_suspected`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "four_decimals_if_any"
    )]
    pub liveness: Option<f32>,
    /// How many observations were considered.
    pub observations: u32,
    /// How they asked.
    pub method: Method,
    /// From the first frame with this face to the decision, in milliseconds.
    pub latency_ms: u64,
}

/// Somebody was asked to prove that they are alive; a door panel shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenged {
    /// Who they look like.
    pub person: PersonRef,
    /// What to do.
    pub challenge: Challenge,
    /// Time for it, in milliseconds.
    pub timeout_ms: u64,
}

/// What somebody can be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Challenge {
    /// Close and open the eyes.
    Blink,
}

/// Why the relay was released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseCause {
    /// A decision to grant.
    Grant,
}

/// Why the relay was secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecureCause {
    /// The release time was over.
    ReleaseTimeOver,
    /// The service stopped.
    Stop,
    /// At start: the last run ended (crash, power cut) without recording it.
    Start,
    /// The relay's driver failed; its safe level was set or at least attempted.
    RelayFault,
}

/// A standing condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarm {
    /// The camera delivers no frames, or none that show anything.
    CameraFault,
    /// Events could not be written.
    Storage,
    /// A picture of an enrolled person was shown to the camera.
    SpoofSuspected,
    /// Somebody seems to have covered, turned or dazzled the camera.
    Tamper,
}

impl Alarm {
    /// Whether somebody may be attacking the door: such an alarm must arrive, and only once.
    #[must_use]
    pub fn is_attack(self) -> bool {
        matches!(self, Alarm::SpoofSuspected | Alarm::Tamper)
    }

    /// The machine-readable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Alarm::CameraFault => "camera_fault",
            Alarm::Storage => "storage",
            Alarm::SpoofSuspected => "spoof_suspected",
            Alarm::Tamper => "tamper",
        }
    }
}

/// One fact, with what is known about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data")]
pub enum Event {
    /// Somebody was granted.
    #[serde(rename = "access.granted")]
    AccessGranted(Granted),
    /// Somebody was denied.
    #[serde(rename = "access.denied")]
    AccessDenied(Denied),
    /// Somebody was asked to prove that they are alive.
    #[serde(rename = "access.challenged")]
    AccessChallenged(Challenged),
    /// The relay was released.
    #[serde(rename = "door.released")]
    DoorReleased {
        /// Why.
        cause: ReleaseCause,
        /// For how long, in milliseconds.
        release_ms: u64,
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
    /// A condition began.
    #[serde(rename = "alarm.raised")]
    AlarmRaised {
        /// Which.
        alarm: Alarm,
        /// Cause, in words for an operator.
        detail: String,
    },
    /// A condition ended.
    #[serde(rename = "alarm.cleared")]
    AlarmCleared {
        /// Which.
        alarm: Alarm,
    },
}

/// Every kind an [`Event`] can have, in the order of the catalogue.
pub const KINDS: [&str; 12] = [
    "access.granted",
    "access.denied",
    "access.challenged",
    "door.released",
    "door.secured",
    "admin.enrolled",
    "admin.renamed",
    "admin.suspended",
    "admin.resumed",
    "admin.removed",
    "alarm.raised",
    "alarm.cleared",
];

impl Event {
    /// The dotted name that the database, the filters and the wire use.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Event::AccessGranted(_) => "access.granted",
            Event::AccessDenied(_) => "access.denied",
            Event::AccessChallenged(_) => "access.challenged",
            Event::DoorReleased { .. } => "door.released",
            Event::DoorSecured { .. } => "door.secured",
            Event::Enrolled { .. } => "admin.enrolled",
            Event::Renamed { .. } => "admin.renamed",
            Event::Suspended { .. } => "admin.suspended",
            Event::Resumed { .. } => "admin.resumed",
            Event::Removed { .. } => "admin.removed",
            Event::AlarmRaised { .. } => "alarm.raised",
            Event::AlarmCleared { .. } => "alarm.cleared",
        }
    }

    /// The topic class it is published under.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Event::AccessGranted(_) | Event::AccessDenied(_) | Event::AccessChallenged(_) => {
                Class::Access
            }
            Event::DoorReleased { .. } | Event::DoorSecured { .. } => Class::Door,
            Event::Enrolled { .. }
            | Event::Renamed { .. }
            | Event::Suspended { .. }
            | Event::Resumed { .. }
            | Event::Removed { .. } => Class::Admin,
            Event::AlarmRaised { .. } | Event::AlarmCleared { .. } => Class::Alarm,
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
            | Event::Removed { person, .. } => Some(person),
            Event::AccessDenied(Denied { person, .. }) | Event::DoorReleased { person, .. } => {
                person.as_ref()
            }
            Event::DoorSecured { .. } | Event::AlarmRaised { .. } | Event::AlarmCleared { .. } => {
                None
            }
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
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// More digits than a similarity means would only differ between machines.
fn four_decimals<S: serde::Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((f64::from(*value) * 1e4).round() / 1e4)
}

fn four_decimals_if_any<S: serde::Serializer>(
    value: &Option<f32>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => four_decimals(value, serializer),
        None => serializer.serialize_none(),
    }
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
