//! Who asked to be let in, and what became of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{EnumCount, IntoStaticStr, VariantArray};

use super::{PersonRef, Rule};

/// Why a presentation was denied.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
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
    /// The person may enter only from a later date on.
    NotYetValid,
    /// The person might enter only until an earlier date.
    Expired,
    /// No group of the person covers this door.
    NotPermitted,
    /// Now is not within the person's schedules.
    OutsideSchedule,
    /// It would be, but the day is a holiday.
    Holiday,
    /// They entered a moment ago, or are inside already.
    AntiPassback,
    /// Too many denials of this person in a row.
    Lockout,
    /// The door is in lockdown, and the person is in no override group.
    Lockdown,
    /// The rules depend on the time, and the clock is not to be trusted.
    ClockUntrusted,
    /// Somebody who counts as first person must have entered before.
    FirstPersonRequired,
    /// No second person came in time.
    SecondPersonMissing,
    /// No PIN was typed in time.
    PinMissing,
    /// The PIN was wrong.
    PinWrong,
    /// Another door of the interlock is open or released.
    Interlock,
    /// The grant could not be put on the record, so it was not carried out.
    StorageFailure,
}

/// Which limit a face fails; the words are those of the events and of `--json`.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
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
pub enum QualityProblem {
    /// Too far away, or a tiny picture.
    TooSmall,
    /// The detector is not sure that it is a face.
    Doubtful,
    /// Out of the frame in part.
    CutOff,
    /// Too little light.
    TooDark,
    /// Too much light.
    Overexposed,
    /// Fog on the lens, light from behind, or hardly any light.
    LowContrast,
    /// Out of focus or moving.
    TooBlurred,
    /// Turned to the side.
    TurnedAway,
    /// Looking up or down.
    TiltedAway,
}

/// How somebody asked to be let in.
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
pub enum Method {
    /// By showing a face to the camera.
    Face,
    /// By a face and a PIN.
    FaceAndPin,
}

/// Who was granted, and on what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AccessGranted")]
pub struct Granted {
    /// Who.
    pub person: PersonRef,
    /// The rule that decided, for example `group staff`.
    pub rule: Rule,
    /// Cosine similarity of the fused observations, -1..1.
    #[serde(serialize_with = "four_decimals")]
    #[schemars(range(min = -1.0, max = 1.0))]
    pub similarity: f32,
    /// Which way the liveness network leaned, where that was asked: its mean log-odds, -6 (picture) to
    /// 6 (live). No probability that the face is alive: prints and screens reach high values too.
    #[serde(
        default,
        rename = "liveness_score",
        skip_serializing_if = "Option::is_none",
        serialize_with = "four_decimals_if_any"
    )]
    #[schemars(range(min = -6.0, max = 6.0))]
    pub liveness: Option<f32>,
    /// How many observations agreed.
    pub observations: u32,
    /// How they asked.
    pub method: Method,
    /// From the first frame with this face to the decision, in milliseconds.
    pub latency_ms: u64,
}

impl Granted {
    /// The denial of somebody who was granted and is not let in.
    #[must_use]
    pub fn denied(&self, reason: DenyReason) -> Denied {
        Denied {
            reason,
            rule: Some(self.rule.clone()),
            needed: None,
            person: Some(self.person.clone()),
            problem: None,
            similarity: Some(self.similarity),
            liveness: self.liveness,
            observations: self.observations,
            method: self.method,
            latency_ms: self.latency_ms,
        }
    }
}

/// Who was denied, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AccessDenied")]
pub struct Denied {
    /// Why.
    pub reason: DenyReason,
    /// The rule that decided, for example `schedule office-hours`; absent when the face alone
    /// decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// What would have been needed, in words for an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<String>,
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
    #[schemars(range(min = -1.0, max = 1.0))]
    pub similarity: Option<f32>,
    /// Which way the liveness network leaned, when the reason is `spoof_suspected`: its mean log-odds,
    /// -6 (picture) to 6 (live). No probability.
    #[serde(
        default,
        rename = "liveness_score",
        skip_serializing_if = "Option::is_none",
        serialize_with = "four_decimals_if_any"
    )]
    #[schemars(range(min = -6.0, max = 6.0))]
    pub liveness: Option<f32>,
    /// How many observations were considered.
    pub observations: u32,
    /// How they asked.
    pub method: Method,
    /// From the first frame with this face to the decision, in milliseconds.
    pub latency_ms: u64,
}

/// Somebody was asked for more; a door panel shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AccessChallenged")]
pub struct Challenged {
    /// Who they are, or look like.
    pub person: PersonRef,
    /// What to do.
    pub challenge: Challenge,
    /// Time for it, in milliseconds.
    pub timeout_ms: u64,
}

/// What somebody can be asked for.
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
pub enum Challenge {
    /// To close and open the eyes, which proves that they are alive.
    Blink,
    /// To type their PIN.
    Pin,
    /// To bring a second person, who shows their face too.
    SecondPerson,
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
