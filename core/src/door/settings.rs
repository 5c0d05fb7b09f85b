//! Times and switches of one door.
//!
//! Flows in: the configuration, once at start. Flows out: durations, so that the machine knows
//! neither units nor keys. Without `[contact]` or `[rex]` the parts of the machine that need them
//! ignore their inputs.

use std::time::Duration;

/// Times and switches of one door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a grant releases the door.
    pub release: Duration,
    /// The same for people who need longer.
    pub extended_release: Duration,
    /// The exit button, if there is one.
    pub rex: Option<RexSettings>,
    /// The door contact, if there is one.
    pub contact: Option<ContactSettings>,
}

/// Times of the exit button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RexSettings {
    /// How long a press releases the door.
    pub release: Duration,
    /// From how long on a pressed button is not believed any more.
    pub stuck: Duration,
}

/// Times and switches of the door contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactSettings {
    /// How long the door may stay open.
    pub held_open: Duration,
    /// The same for people who need longer.
    pub extended_held_open: Duration,
    /// How long before the alarm the sounder warns; zero for no warning.
    pub pre_alarm: Duration,
    /// Whether closing the door after a passage secures it.
    pub relock_on_close: bool,
    /// Whether opening without a release is an alarm.
    pub forced_open: bool,
    /// Grants in a row without an opening that make the contact suspicious; 0 for never.
    pub suspicious_after: u32,
}
