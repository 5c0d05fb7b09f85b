//! What became of an operator's command.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{EnumCount, IntoStaticStr, VariantArray};

/// What an operator can ask for.
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
pub enum CommandVerb {
    /// Release the door for one passage.
    Unlock,
    /// End a momentary release.
    Lock,
    /// Choose the mode, or leave it to the schedule.
    Mode,
    /// Take note of an alarm.
    Acknowledge,
    /// Publish the newest picture.
    Snapshot,
    /// Blink, so that somebody finds the device.
    Locate,
    /// Read rules and files again.
    Reload,
}

/// Why a command was not carried out.
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
pub enum CommandRefusal {
    /// It is not what a command looks like.
    Malformed,
    /// The broker kept it: nothing that is repeated to every subscriber opens a door.
    Retained,
    /// Nobody of that name may command this door.
    UnknownOperator,
    /// It was not signed with the operator's key.
    BadSignature,
    /// It is meant for another door.
    WrongDoor,
    /// Its time is over.
    Expired,
    /// Its time has not come, by more than clocks differ.
    FromFuture,
    /// It would be valid for longer than allowed.
    LivesTooLong,
    /// It was seen before.
    Replayed,
    /// The operator's role does not allow it.
    InsufficientRole,
    /// Too many in a short time.
    RateLimited,
    /// The arguments do not fit the verb.
    BadArguments,
    /// The door's state forbids it (lockdown, interlock, a fault of the relay).
    DoorRefused,
    /// It cannot be put on the record.
    StorageFailure,
    /// This installation has no such thing (no camera picture, no light).
    NotAvailable,
    /// The clock cannot be trusted, so nobody can tell whether it is still valid.
    ClockUntrusted,
}

/// Why a message never reached the broker.
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
pub enum DropReason {
    /// The outbox was full.
    Limit,
    /// It had become too old to be of use.
    Expired,
    /// Somebody with access to the door's device asked for it.
    Asked,
}

/// What an operator may do; each role includes the ones before it.
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
pub enum Role {
    /// Look: pictures and the blinking light.
    View,
    /// Open, lock and acknowledge.
    Operate,
    /// Choose modes and reload.
    Admin,
}

impl std::str::FromStr for Role {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        Role::ALL
            .into_iter()
            .find(|role| role.as_str() == word)
            .ok_or_else(|| {
                let all = Role::ALL.map(Role::as_str).join(", ");
                format!("{word:?} is no role; there are {all}")
            })
    }
}
