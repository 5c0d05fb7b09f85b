//! What happened to the door itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{EnumCount, EnumString, IntoStaticStr, VariantArray};

/// What governs the door.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
    EnumCount,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Mode {
    /// Locked; released for those who are granted.
    #[default]
    Normal,
    /// Held released.
    Unlocked,
    /// Locked; nobody is granted but override groups.
    Lockdown,
}

/// Who chose the mode.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
    EnumCount,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ModeSource {
    /// The door's unlock schedule, or its absence.
    #[default]
    Schedule,
    /// An operator, perhaps with an end time.
    Operator,
}

/// Position of the door leaf, as its contact tells it.
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
pub enum Contact {
    /// Shut.
    Closed,
    /// Not shut.
    Open,
}

/// Why the relay was released.
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
pub enum ReleaseCause {
    /// A decision to grant.
    Grant,
    /// The exit button (request to exit).
    Rex,
    /// An operator's command, for one passage.
    Operator,
    /// The mode holds the door released.
    Mode,
}

/// Why the relay was secured.
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
pub enum SecureCause {
    /// The release time was over.
    ReleaseTimeOver,
    /// The door was opened and closed again.
    Closed,
    /// The mode no longer holds the door released, or forbids it.
    Mode,
    /// An operator's command.
    Operator,
    /// The exit button has been pressed for too long to be believed.
    RexStuck,
    /// The service stopped.
    Stop,
    /// At start: the last run ended (crash, power cut) without recording it.
    Start,
    /// The relay's driver failed; its safe level was set or at least attempted.
    RelayFault,
    /// The service did not renew a release that lasts: it hung, or was stopped for a while.
    Lapsed,
}
