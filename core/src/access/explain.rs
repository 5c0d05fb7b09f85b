//! Why somebody would or would not get in at some time, and when next.
//!
//! Flows in: the policy and what is known of a person. Flows out: an [`Explanation`] for people
//! (`Display`) and programs (`Serialize`). It asks the same policy that the door asks, with a
//! trusted clock, nobody locked out and no first person inside: those are matters of the moment.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::policy::{Circumstances, Judgement, Policy, Verdict};
use super::rules::Subject;
use super::schedule::HORIZON_DAYS;
use crate::clock::{Moment, Tick};
use crate::event::{Challenge, DenyReason, Mode, PersonRef};

/// Changes that a search for the next entry follows: validity, one opening, anti-passback, and
/// the opening after each.
const STEPS: usize = 16;

/// An answer to "why, and when?".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// About whom.
    pub person: PersonRef,
    /// At which door.
    pub door: String,
    /// The time that was asked about.
    pub at: Timestamp,
    /// The same by the clock on the site's wall.
    pub local: String,
    /// What the door would say.
    #[serde(flatten)]
    pub judgement: Judgement,
    /// From when on they would get in (perhaps with a PIN, a second person or after a first
    /// person); absent when not within the horizon, or never by waiting.
    pub next_entry: Option<Timestamp>,
    /// The same by the clock on the site's wall.
    pub next_entry_local: Option<String>,
    /// What each of their groups says, one line each.
    pub groups: Vec<String>,
}

/// Explains what the door would say to somebody at `at`.
#[must_use]
pub fn explain(policy: &Policy, subject: &Subject, mode: Mode, at: Timestamp) -> Explanation {
    let circumstances = Circumstances {
        mode,
        ..Circumstances::default()
    };
    let next_entry = next_entry(policy, subject, mode, at);
    Explanation {
        person: subject.person.clone(),
        door: policy.door.clone(),
        at,
        local: policy.local_minutes(at),
        judgement: policy.judge(subject, &circumstances, &moment(at)),
        next_entry,
        next_entry_local: next_entry.map(|next| policy.local_minutes(next)),
        groups: group_lines(policy, subject, &circumstances, at),
    }
}

fn moment(wall: Timestamp) -> Moment {
    Moment {
        wall,
        tick: Tick::default(),
        clock_trusted: true,
    }
}

/// The first time from `at` on at which they are not denied, but for a first person.
fn next_entry(policy: &Policy, subject: &Subject, mode: Mode, at: Timestamp) -> Option<Timestamp> {
    let end = at
        .checked_add(SignedDuration::from_hours(HORIZON_DAYS * 24))
        .unwrap_or(Timestamp::MAX);
    let mut time = at;
    for _ in 0..STEPS {
        let circumstances = Circumstances {
            mode,
            first_person_at: Some(time),
            ..Circumstances::default()
        };
        let Judgement::Denied { reason, .. } = policy.judge(subject, &circumstances, &moment(time))
        else {
            return Some(time);
        };
        time = match reason {
            DenyReason::NotYetValid => policy.calendar().instant(subject.valid_from?)?,
            DenyReason::AntiPassback => policy.passback_end(subject, time)?,
            // Of a PIN that is not set: another group may open later and ask for none.
            DenyReason::OutsideSchedule | DenyReason::Holiday | DenyReason::PinMissing => {
                next_opening(policy, subject, mode, time)?
            }
            _ => return None,
        };
        if time > end {
            return None;
        }
    }
    None
}

fn next_opening(
    policy: &Policy,
    subject: &Subject,
    mode: Mode,
    after: Timestamp,
) -> Option<Timestamp> {
    let groups = policy.covering(subject).into_iter();
    groups
        .filter(|(_, group)| mode != Mode::Lockdown || group.overrides_lockdown)
        .filter_map(|(_, group)| policy.rules.schedules.get(group.schedule.as_ref()?))
        .filter_map(|schedule| schedule.next_opening(policy.calendar(), after))
        .min()
}

fn group_lines(
    policy: &Policy,
    subject: &Subject,
    circumstances: &Circumstances,
    at: Timestamp,
) -> Vec<String> {
    let covering = policy.covering(subject);
    let now = moment(at);
    let opinions = policy.opinions(subject, circumstances, &now);
    let line = |name: &String| {
        let Some(group) = policy.rules.groups.get(name) else {
            return format!("group {name}: there is no such group");
        };
        if !covering.iter().any(|(covered, _)| covered == name) {
            let doors = group.doors.join(", ");
            return format!(
                "group {name}: does not cover door {} (but {doors})",
                policy.door
            );
        }
        let Ok(opinions) = &opinions else {
            return format!("group {name}: not asked");
        };
        match opinions.iter().find(|opinion| opinion.name == name) {
            None => format!("group {name}: does not override the lockdown"),
            Some(opinion) => match &opinion.verdict {
                Verdict::Grant => format!("group {name}: lets them in"),
                Verdict::Ask(Challenge::SecondPerson) => {
                    format!("group {name}: lets them in with a second person")
                }
                Verdict::Ask(_) => format!("group {name}: lets them in with their PIN"),
                Verdict::Deny(refusal) => {
                    let needed = refusal.needed.as_deref().unwrap_or("nothing known");
                    format!(
                        "group {name}: {}; needed: {needed}",
                        refusal.reason.as_str()
                    )
                }
            },
        }
    };
    subject.groups.iter().map(line).collect()
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.person.name;
        writeln!(f, "{name} at door {} on {}:", self.door, self.local)?;
        match &self.judgement {
            Judgement::Granted { rule, first_person } => {
                let first = if *first_person {
                    ", as first person"
                } else {
                    ""
                };
                writeln!(f, "  granted{first} ({rule})")?;
            }
            Judgement::Asked { challenge, rule } => {
                let what = match challenge {
                    Challenge::SecondPerson => "with a second person",
                    _ => "with their PIN",
                };
                writeln!(f, "  granted {what} ({rule})")?;
            }
            Judgement::Denied {
                reason,
                rule,
                needed,
            } => {
                writeln!(f, "  denied: {} ({rule})", reason.as_str())?;
                if let Some(needed) = needed {
                    writeln!(f, "  needed: {needed}")?;
                }
            }
        }
        match &self.next_entry_local {
            Some(_) if self.next_entry == Some(self.at) => {}
            Some(next) => writeln!(f, "  next entry: {next}")?,
            None => writeln!(
                f,
                "  next entry: none within {HORIZON_DAYS} days by waiting"
            )?,
        }
        for group in &self.groups {
            writeln!(f, "  {group}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{at, inside, policy, subject};
    use super::*;

    #[test]
    fn it_says_why_and_when_next() {
        let policy = policy();
        let sunday = at("2026-03-29T12:00:00[Europe/Berlin]");
        let explanation = explain(
            &policy,
            &subject(1, &["staff", "elsewhere"]),
            Mode::Normal,
            sunday,
        );
        let text = "person 1 at door front on Sunday 2026-03-29 12:00:
  denied: outside_schedule (schedule office-hours)
  needed: would be let in from Monday 2026-03-30 08:00 (schedule office-hours)
  next entry: Monday 2026-03-30 08:00
  group staff: outside_schedule; needed: would be let in from Monday 2026-03-30 08:00 (schedule office-hours)
  group elsewhere: does not cover door front (but back)
";
        assert_eq!(explanation.to_string(), text);
        let json = serde_json::to_value(&explanation).unwrap();
        assert_eq!(json["judgement"], "denied");
        assert_eq!(json["next_entry"], "2026-03-30T06:00:00Z");
    }

    #[test]
    fn it_follows_validity_holidays_and_anti_passback_to_the_next_entry() {
        let mut policy = policy();
        let next = |policy: &Policy, subject: &Subject, time: &str| {
            explain(policy, subject, Mode::Normal, at(time)).next_entry_local
        };
        let mut guest = subject(1, &["staff"]);
        guest.valid_from = Some("2026-12-24T00:00".parse().unwrap());
        let summer = "2026-07-01T12:00:00[Europe/Berlin]";
        let after_holiday = "Thursday 2027-01-07 08:00";
        assert_eq!(
            next(&policy, &guest, summer).as_deref(),
            Some(after_holiday)
        );
        guest.valid_until = Some("2026-12-31T00:00".parse().unwrap());
        assert_eq!(next(&policy, &guest, summer), None);

        policy.settings.anti_passback = crate::access::AntiPassback::Timed;
        let closing = "2026-03-30T17:59:30[Europe/Berlin]";
        let mut somebody = subject(1, &["staff"]);
        somebody.presence = inside(None, at(closing));
        let next = next(&policy, &somebody, closing);
        assert_eq!(next.as_deref(), Some("Tuesday 2026-03-31 08:00"));
    }

    #[test]
    fn an_hour_that_comes_twice_is_told_by_its_zone() {
        let policy = policy();
        let second = at("2026-10-25T01:30:00Z");
        let explanation = explain(&policy, &subject(1, &["always"]), Mode::Normal, second);
        assert_eq!(explanation.local, "Sunday 2026-10-25 02:30 CET");
        assert_eq!(explanation.next_entry, Some(second));
    }
}
