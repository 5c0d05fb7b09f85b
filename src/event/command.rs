//! What became of an operator's command.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an operator can ask for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
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

impl CommandVerb {
    /// Every verb.
    pub const ALL: [CommandVerb; 7] = [
        CommandVerb::Unlock,
        CommandVerb::Lock,
        CommandVerb::Mode,
        CommandVerb::Acknowledge,
        CommandVerb::Snapshot,
        CommandVerb::Locate,
        CommandVerb::Reload,
    ];

    /// The machine-readable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            CommandVerb::Unlock => "unlock",
            CommandVerb::Lock => "lock",
            CommandVerb::Mode => "mode",
            CommandVerb::Acknowledge => "acknowledge",
            CommandVerb::Snapshot => "snapshot",
            CommandVerb::Locate => "locate",
            CommandVerb::Reload => "reload",
        }
    }
}

/// Why a command was not carried out.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
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

impl CommandRefusal {
    /// The machine-readable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            CommandRefusal::Malformed => "malformed",
            CommandRefusal::Retained => "retained",
            CommandRefusal::UnknownOperator => "unknown_operator",
            CommandRefusal::BadSignature => "bad_signature",
            CommandRefusal::WrongDoor => "wrong_door",
            CommandRefusal::Expired => "expired",
            CommandRefusal::FromFuture => "from_future",
            CommandRefusal::LivesTooLong => "lives_too_long",
            CommandRefusal::Replayed => "replayed",
            CommandRefusal::InsufficientRole => "insufficient_role",
            CommandRefusal::RateLimited => "rate_limited",
            CommandRefusal::BadArguments => "bad_arguments",
            CommandRefusal::DoorRefused => "door_refused",
            CommandRefusal::StorageFailure => "storage_failure",
            CommandRefusal::NotAvailable => "not_available",
            CommandRefusal::ClockUntrusted => "clock_untrusted",
        }
    }
}

/// Why a message never reached the broker.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// The outbox was full.
    Limit,
    /// It had become too old to be of use.
    Expired,
    /// Somebody with access to the door's device asked for it.
    Asked,
}

impl DropReason {
    /// The machine-readable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DropReason::Limit => "limit",
            DropReason::Expired => "expired",
            DropReason::Asked => "asked",
        }
    }
}

/// What an operator may do; each role includes the ones before it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look: pictures and the blinking light.
    View,
    /// Open, lock and acknowledge.
    Operate,
    /// Choose modes and reload.
    Admin,
}

impl Role {
    /// Every role, from the least to the most.
    pub const ALL: [Role; 3] = [Role::View, Role::Operate, Role::Admin];

    /// The machine-readable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::View => "view",
            Role::Operate => "operate",
            Role::Admin => "admin",
        }
    }
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
