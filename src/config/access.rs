//! `[access]` and `[clock]`: how the rules in the database are applied.

use std::path::PathBuf;

use jiff::tz::TimeZone;

use super::zone::{ZoneError, Zones};
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
    /// Denials of one person that lock them out; 0 for never.
    pub lockout_after: u32,
    /// Time within which they count, in seconds.
    pub lockout_window_s: u32,
    /// How long somebody is locked out, in seconds.
    pub lockout_s: u32,
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

impl AccessConfig {
    /// The site's time zone, by the newer zone database.
    ///
    /// # Errors
    /// When nobody knows it.
    pub fn try_zone(&self) -> Result<TimeZone, ZoneError> {
        Zones::newest().site(self.time_zone.as_deref())
    }

    /// The same for whoever has made sure that it is known: the service at its start, and whoever read
    /// the file, where it is named there.
    #[must_use]
    pub fn zone(&self) -> TimeZone {
        self.try_zone().unwrap_or_else(|error| {
            tracing::error!(%error, "times of day are taken as UTC");
            TimeZone::UTC
        })
    }
}

/// `[clock]`: when the wall clock is to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClockConfig {
    /// File that exists once the clock has been synchronised since the machine started.
    pub synchronised_file: PathBuf,
    /// Trust the clock in any case (a machine with a battery-backed clock).
    pub always_trusted: bool,
}

impl Default for ClockConfig {
    fn default() -> Self {
        Self {
            synchronised_file: "/run/systemd/timesync/synchronized".into(),
            always_trusted: false,
        }
    }
}
