//! `[access]` of the configuration: how the rules of the site are applied at this door.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What becomes of people whose rules depend on the time when the clock is not to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithoutClock {
    /// They are denied.
    Deny,
    /// The clock is believed.
    Believe,
}

/// Whether somebody may enter again who is inside already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AntiPassback {
    /// They may.
    Off,
    /// Not before a time has passed.
    Timed,
    /// Not before they have left through a door that leads out (doors that share a site file).
    Area,
}

/// `[access]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccessConfig {
    /// IANA name of the site's time zone; the system's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// What becomes of rules of the calendar without a trusted clock.
    pub without_clock: WithoutClock,
    /// Wrong PINs of one person that lock them out; 0 for never.
    pub lockout_after: u32,
    /// Time within which they count, in seconds.
    pub lockout_window_s: u32,
    /// How long somebody is locked out, in seconds.
    pub lockout_s: u32,
    /// Wrong PINs of one person since their last right one, from which on each locks them out for a day;
    /// 0 for never.
    pub lockout_after_wrong_pins: u32,
    /// Whether and how somebody inside is kept from entering again.
    pub anti_passback: AntiPassback,
    /// For `timed`: the time, in seconds.
    pub anti_passback_s: u32,
    /// Area this door leads into, for `area`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// How long a second person is waited for, in seconds.
    pub second_person_s: u32,
    /// How long a PIN is waited for, in seconds.
    pub pin_s: u32,
    /// Schedule that holds the door unlocked; none when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unlock_schedule: Option<String>,
    /// Whether it does so only once somebody has entered who counts as first person.
    pub unlock_after_first_person: bool,
    /// Denials at this door that raise an alarm; 0 for never.
    pub alarm_after_denials: u32,
    /// Time within which they count, in seconds.
    pub alarm_window_s: u32,
    /// File that the doors of this machine share; needed for `area` and `interlock`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site_file: Option<PathBuf>,
    /// Other doors with the same site file of which at most one may be open or released at a time.
    pub interlock: Vec<String>,
}

impl Default for AccessConfig {
    fn default() -> Self {
        Self {
            time_zone: None,
            without_clock: WithoutClock::Deny,
            lockout_after: 5,
            lockout_window_s: 300,
            lockout_s: 300,
            lockout_after_wrong_pins: 10,
            anti_passback: AntiPassback::Off,
            anti_passback_s: 60,
            area: None,
            second_person_s: 20,
            pin_s: 15,
            unlock_schedule: None,
            unlock_after_first_person: false,
            alarm_after_denials: 5,
            alarm_window_s: 120,
            site_file: None,
            interlock: Vec::new(),
        }
    }
}
