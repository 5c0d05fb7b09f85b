//! The rules of access as administration makes them: groups, schedules, holidays, and what is
//! said of one person.
//!
//! Plain values; the store keeps them, the policy applies them. Times of day are minutes of
//! the site's civil day; dates are the site's.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Serialize};

use crate::event::PersonRef;
use crate::event::PersonStatus;

/// Minutes in a civil day.
pub const DAY_MINUTES: u16 = 24 * 60;

/// Hours of a day: from `start` until before `end`. An end that is not after the start is on the
/// next day. Written `08:00-18:00`, `22:00-06:00`, `00:00-24:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Interval {
    /// Minutes since midnight, 0 to 1439.
    pub start: u16,
    /// Minutes since midnight, 1 to 1440.
    pub end: u16,
}

impl std::fmt::Display for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Interval { start, end } = self;
        let (from, to) = ((start / 60, start % 60), (end / 60, end % 60));
        write!(f, "{:02}:{:02}-{:02}:{:02}", from.0, from.1, to.0, to.1)
    }
}

/// Text that is no [`Interval`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no time of day; write 08:00-18:00, 22:00-06:00 (until the next day) or 00:00-24:00"
)]
pub struct NotAnInterval(String);

impl std::str::FromStr for Interval {
    type Err = NotAnInterval;
    fn from_str(text: &str) -> Result<Self, NotAnInterval> {
        let minutes = |time: &str| {
            let (hours, minutes) = time.trim().split_once(':')?;
            let digits = |text: &str| {
                let fits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
                if fits { text.parse::<u16>().ok() } else { None }
            };
            let (hours, minutes) = (digits(hours)?, digits(minutes)?);
            (minutes < 60).then_some(hours * 60 + minutes)
        };
        let interval = text.split_once('-').and_then(|(from, to)| {
            Some(Interval {
                start: minutes(from)?,
                end: minutes(to)?,
            })
        });
        match interval {
            Some(Interval { start, end })
                if start < DAY_MINUTES && (1..=DAY_MINUTES).contains(&end) && start != end =>
            {
                Ok(Interval { start, end })
            }
            _ => Err(NotAnInterval(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Interval {
    type Error = NotAnInterval;
    fn try_from(text: String) -> Result<Self, NotAnInterval> {
        text.parse()
    }
}

impl From<Interval> for String {
    fn from(interval: Interval) -> String {
        interval.to_string()
    }
}

/// A day of the week, or a holiday, which is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
    /// Any holiday, whatever day of the week it is.
    Holiday,
}

/// Hours of the week. A day that is not named is closed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Hours of each day.
    pub week: BTreeMap<Day, Vec<Interval>>,
    /// Dates with hours of their own, which go before weekday and holiday; none for closed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub exceptions: BTreeMap<Date, Vec<Interval>>,
}

/// One or more days that count as [`Day::Holiday`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holiday {
    /// First day.
    pub first: Date,
    /// Last day, included.
    pub last: Date,
    /// Whether it returns every year. 29 February then is one in leap years only.
    #[serde(default)]
    pub yearly: bool,
}

/// Who may pass which doors, when and how.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Group {
    /// Names of the doors; empty for every door.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub doors: Vec<String>,
    /// Name of the schedule; always when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Whether members pass in lockdown.
    pub overrides_lockdown: bool,
    /// Whether a member's entry counts as the first person's.
    pub first_person: bool,
    /// Whether members may enter only after a first person.
    pub waits_for_first: bool,
    /// Whether members enter only two at a time.
    pub two_person: bool,
    /// Whether members must also type their PIN.
    pub pin: bool,
}

/// All rules of a site.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// By name.
    pub groups: BTreeMap<String, Group>,
    /// By name.
    pub schedules: BTreeMap<String, Schedule>,
    /// By name.
    pub holidays: BTreeMap<String, Holiday>,
}

/// Somebody's PINs, as Argon2id hashes in PHC form.
#[derive(Clone, PartialEq, Eq)]
pub struct PinHashes {
    /// The ordinary one.
    pub pin: String,
    /// The one that also raises a silent alarm.
    pub duress: Option<String>,
}

impl std::fmt::Debug for PinHashes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PinHashes(..)")
    }
}

/// Where somebody was last let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// The area they are in, where doors lead into areas.
    pub area: Option<String>,
    /// The door they passed.
    pub door: String,
    /// When.
    pub at: Timestamp,
}

/// What the rules need to know of one person, as it was read last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Who.
    pub person: PersonRef,
    /// Whether they may enter at all.
    pub status: PersonStatus,
    /// Names of their groups.
    pub groups: Vec<String>,
    /// From when on they may enter, in the site's civil time.
    pub valid_from: Option<DateTime>,
    /// Until when (excluded), in the site's civil time.
    pub valid_until: Option<DateTime>,
    /// Whether they need the door open for longer.
    pub extended: bool,
    /// Their PINs, if they have one.
    pub pin: Option<PinHashes>,
    /// Where they were last let in.
    pub presence: Option<Presence>,
}
