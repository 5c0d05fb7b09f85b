//! Which rules can be kept: the whole set is looked at after every change, so that nothing can
//! refer to what is not there.
//!
//! Pure; it never changes what a rule means, only the order in which it is written down.

use jiff::civil::Date;

use crate::access::rules::{DAY_MINUTES, Interval, Rules};

/// Longest name of a rule, in characters.
const NAME_LIMIT: usize = 64;

/// A rule that cannot be kept, or cannot go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The name cannot be used.
    #[error(
        "{0:?} cannot name a rule: 1 to {NAME_LIMIT} letters, digits, \"-\", \"_\", \".\" or spaces between them"
    )]
    BadName(String),
    /// A group refers to a schedule that is not there.
    #[error(
        "group {group:?} needs the schedule {schedule:?}, which does not exist; make it with doorward schedules set{}",
        nearest.as_ref().map(|n| format!(", or did you mean {n:?}?")).unwrap_or_default()
    )]
    NoSuchSchedule {
        /// The group.
        group: String,
        /// What it asks for.
        schedule: String,
        /// The one that is most like it.
        nearest: Option<String>,
    },
    /// A schedule is to go that groups refer to.
    #[error(
        "schedule {schedule:?} is in use by {}; give them another one first",
        groups.join(", ")
    )]
    ScheduleInUse {
        /// The schedule.
        schedule: String,
        /// The groups.
        groups: Vec<String>,
    },
    /// Hours of one day overlap.
    #[error("schedule {schedule:?}, {day}: {first} and {second} overlap; join them")]
    Overlap {
        /// The schedule.
        schedule: String,
        /// Day of the week, or date.
        day: String,
        /// The earlier.
        first: Interval,
        /// The later.
        second: Interval,
    },
    /// A holiday ends before it begins.
    #[error("holiday {name:?} ends on {last}, before its first day {first}")]
    EndsBefore {
        /// The holiday.
        name: String,
        /// First day.
        first: Date,
        /// Last day.
        last: Date,
    },
    /// A yearly holiday that never ends.
    #[error("holiday {0:?} returns every year, so it must be shorter than a year")]
    TooLong(String),
    /// A door with a name that no door can have.
    #[error("group {group:?}: {door:?} cannot be the name of a door; see [door] name")]
    BadDoor {
        /// The group.
        group: String,
        /// The name.
        door: String,
    },
    /// There is no such rule.
    #[error(
        "there is no {kind} {name:?}{}",
        nearest.as_ref().map(|n| format!("; did you mean {n:?}?")).unwrap_or_default()
    )]
    NoSuchRule {
        /// What it would be: group, schedule, holiday.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The one that is most like it.
        nearest: Option<String>,
    },
}

impl RuleError {
    /// There is no `kind` of that name among `names`.
    pub(in crate::store) fn no_such<'a>(
        kind: &'static str,
        name: &str,
        names: impl IntoIterator<Item = &'a String>,
    ) -> Self {
        RuleError::NoSuchRule {
            kind,
            name: name.to_owned(),
            nearest: nearest(name, names),
        }
    }
}

fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a String>) -> Option<String> {
    names
        .into_iter()
        .map(|known| {
            (
                strsim::jaro_winkler(&known.to_lowercase(), &name.to_lowercase()),
                known,
            )
        })
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known.clone())
}

/// Checks all rules together.
pub(super) fn check(rules: &Rules) -> Result<(), RuleError> {
    let names = rules.groups.keys().chain(rules.schedules.keys());
    for name in names.chain(rules.holidays.keys()) {
        check_name(name)?;
    }
    for (name, group) in &rules.groups {
        for door in &group.doors {
            let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if door.is_empty() || door.len() > NAME_LIMIT || !door.chars().all(fits) {
                return Err(RuleError::BadDoor {
                    group: name.clone(),
                    door: door.clone(),
                });
            }
        }
        if let Some(schedule) = &group.schedule
            && !rules.schedules.contains_key(schedule)
        {
            return Err(RuleError::NoSuchSchedule {
                group: name.clone(),
                schedule: schedule.clone(),
                nearest: nearest(schedule, rules.schedules.keys()),
            });
        }
    }
    for (name, schedule) in &rules.schedules {
        for (day, hours) in &schedule.week {
            check_hours(name, || format!("{day:?}").to_lowercase(), hours)?;
        }
        for (date, hours) in &schedule.exceptions {
            check_hours(name, || date.to_string(), hours)?;
        }
    }
    for (name, holiday) in &rules.holidays {
        let (first, last) = (holiday.first, holiday.last);
        if last < first {
            return Err(RuleError::EndsBefore {
                name: name.clone(),
                first,
                last,
            });
        }
        if holiday.yearly && (last - first).get_days() >= 365 {
            return Err(RuleError::TooLong(name.clone()));
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), RuleError> {
    let fits = |c: char| c.is_alphanumeric() || "-_. ".contains(c);
    let length = name.chars().count();
    if (1..=NAME_LIMIT).contains(&length) && name.chars().all(fits) && name.trim() == name {
        return Ok(());
    }
    Err(RuleError::BadName(name.to_owned()))
}

fn check_hours(
    schedule: &str,
    day: impl Fn() -> String,
    hours: &[Interval],
) -> Result<(), RuleError> {
    let mut sorted = hours.to_vec();
    sorted.sort_unstable();
    let end = |interval: &Interval| {
        if interval.end > interval.start {
            interval.end
        } else {
            interval.end + DAY_MINUTES
        }
    };
    match sorted.windows(2).find(|pair| end(&pair[0]) > pair[1].start) {
        Some(pair) => Err(RuleError::Overlap {
            schedule: schedule.to_owned(),
            day: day(),
            first: pair[0],
            second: pair[1],
        }),
        None => Ok(()),
    }
}

/// One way to write the same rules down, so that only what differs is a change.
pub(super) fn normalise(rules: &mut Rules) {
    for group in rules.groups.values_mut() {
        group.doors.sort_unstable();
        group.doors.dedup();
    }
    for schedule in rules.schedules.values_mut() {
        schedule.week.retain(|_, hours| !hours.is_empty());
        let days = schedule.week.values_mut();
        days.chain(schedule.exceptions.values_mut())
            .for_each(|hours| hours.sort_unstable());
    }
}
