//! What the naive model reads from the rules: each group asked in turn, everything that speaks
//! against a grant looked at, the best answer taken.

use doorward_core::access::{AntiPassback, WithoutClock};
use doorward_core::event::{DenyReason, Mode, PersonStatus};

use super::calendar::{Says, civil_minutes};
use super::{ANY_RULE, Naive};
use crate::happening::{DOOR, Now, Site};

/// What the rules say.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    Yes { rule: String, first: bool },
    Ask { pin: bool, rule: String },
    No { reason: DenyReason, rule: String },
}

impl Naive {
    /// Whether rules of the calendar may be applied.
    pub(super) fn clock_counts(site: &Site, now: Now) -> bool {
        now.trusted || site.access.without_clock == WithoutClock::Believe
    }

    pub(super) fn first_is_in(&self, schedule: Option<&str>, now: Now) -> bool {
        match (self.running.desk.first_entered, schedule) {
            (None, _) => false,
            (Some(entered), _) if entered > now.wall => false,
            (Some(entered), None) => self.calendar.day(entered) == self.calendar.day(now.wall),
            (Some(entered), Some(schedule)) => {
                let opened = self.calendar.opened(schedule, now.wall);
                opened.is_some_and(|opened| opened <= entered)
            }
        }
    }

    pub(super) fn unlock_hours(&self, site: &Site, now: Now) -> bool {
        let Some(schedule) = &site.access.unlock_schedule else {
            return false;
        };
        Naive::clock_counts(site, now)
            && self.calendar.says(schedule, now.wall) == Says::Open
            && (!site.access.unlock_after_first_person || self.first_is_in(Some(schedule), now))
    }

    /// Who must not pass for a reason of their own, and otherwise what each group says.
    pub(super) fn judge(
        &self,
        site: &Site,
        who: usize,
        pin: bool,
        accompanied: bool,
        now: Now,
    ) -> (Verdict, bool) {
        let no = |reason, rule: &str| {
            let rule = rule.to_owned();
            (Verdict::No { reason, rule }, false)
        };
        let person = &self.running.known.people[who].subject;
        if person.status == PersonStatus::Suspended {
            return no(DenyReason::Suspended, "suspended");
        }
        let clock = Naive::clock_counts(site, now);
        if (person.valid_from.is_some() || person.valid_until.is_some()) && !clock {
            return no(DenyReason::ClockUntrusted, "validity");
        }
        if let Some(from) = person.valid_from
            && !self.calendar.reached(civil_minutes(from), now.wall)
        {
            return no(DenyReason::NotYetValid, "validity");
        }
        if let Some(until) = person.valid_until
            && self.calendar.reached(civil_minutes(until), now.wall)
        {
            return no(DenyReason::Expired, "validity");
        }
        if self.running.desk.locked_out(site, who, now.tick).is_some() {
            return no(DenyReason::Lockout, "lockout");
        }
        let mut groups = Vec::new();
        for name in &person.groups {
            if let Some(group) = site.rules.groups.get(name)
                && (group.doors.is_empty() || group.doors.iter().any(|door| door == DOOR))
            {
                groups.push((name, group));
            }
        }
        if groups.is_empty() {
            return no(DenyReason::NotPermitted, "groups");
        }
        if self.running.door.mode == Mode::Lockdown {
            groups.retain(|(_, group)| group.overrides_lockdown);
            if groups.is_empty() {
                return no(DenyReason::Lockdown, "mode lockdown");
            }
        }
        let (mut grants, mut pins, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
        // How far from a grant, when that ends, why, the rule.
        let mut refusals: Vec<(u8, Option<i64>, DenyReason, String)> = Vec::new();
        let mut with_two = false;
        for (name, group) in groups {
            let rule = group_rule(name);
            if let Some(schedule) = &group.schedule {
                let by_schedule = format!("schedule {schedule}");
                if !site.rules.schedules.contains_key(schedule) {
                    refusals.push((4, None, DenyReason::OutsideSchedule, by_schedule));
                    continue;
                }
                if !clock {
                    refusals.push((2, None, DenyReason::ClockUntrusted, by_schedule));
                    continue;
                }
                let opens = || self.calendar.opens(schedule, now.wall);
                match self.calendar.says(schedule, now.wall) {
                    Says::Open => {}
                    Says::Closed => {
                        refusals.push((4, opens(), DenyReason::OutsideSchedule, by_schedule));
                        continue;
                    }
                    Says::Holiday(number) => {
                        let holiday = format!("holiday {}", self.calendar.holiday(number));
                        refusals.push((3, opens(), DenyReason::Holiday, holiday));
                        continue;
                    }
                }
            }
            if group.waits_for_first && !group.first_person {
                if !clock {
                    refusals.push((2, None, DenyReason::ClockUntrusted, rule));
                    continue;
                }
                if !self.first_is_in(group.schedule.as_deref(), now) {
                    refusals.push((1, None, DenyReason::FirstPersonRequired, rule));
                    continue;
                }
            }
            if group.pin && !pin {
                if self.running.known.people[who].pin.is_none() {
                    refusals.push((0, None, DenyReason::PinMissing, rule));
                } else {
                    pins.push(rule);
                }
                continue;
            }
            if group.two_person && !accompanied {
                seconds.push(rule);
                continue;
            }
            with_two |= group.two_person;
            grants.push((rule, group.first_person));
        }
        if !(grants.is_empty() && pins.is_empty() && seconds.is_empty())
            && let Some((entered, inside)) = self.where_is(who)
        {
            let window = i64::from(site.access.anti_passback_s) * 1000;
            let age = now.wall - entered;
            match site.access.anti_passback {
                AntiPassback::Timed if !clock => {
                    return no(DenyReason::ClockUntrusted, "anti-passback");
                }
                AntiPassback::Timed if -window <= age && age < window => {
                    return no(DenyReason::AntiPassback, "anti-passback");
                }
                AntiPassback::Area if inside => {
                    return no(DenyReason::AntiPassback, "anti-passback");
                }
                _ => {}
            }
        }
        if let Some((rule, first)) = grants.iter().find(|one| one.1).or(grants.first()) {
            let rule = rule.clone();
            let first = *first;
            return (Verdict::Yes { rule, first }, with_two);
        }
        if let Some(rule) = pins.into_iter().next() {
            return (Verdict::Ask { pin: true, rule }, false);
        }
        if let Some(rule) = seconds.into_iter().next() {
            return (Verdict::Ask { pin: false, rule }, false);
        }
        let nearest = refusals.iter().map(|one| one.0).min();
        refusals.retain(|one| Some(one.0) == nearest);
        let unknown = refusals.iter().filter(|one| one.1.is_none()).count();
        let timed = matches!(nearest, Some(3 | 4));
        let end = |one: &(u8, Option<i64>, DenyReason, String)| one.1.unwrap_or(i64::MAX);
        let soonest = refusals.iter().map(end).min();
        let (_, _, reason, rule) = refusals
            .iter()
            .find(|one| Some(end(one)) == soonest)
            .expect("some group refused");
        if timed && unknown == refusals.len() && unknown > 1 {
            return no(*reason, ANY_RULE);
        }
        no(*reason, rule)
    }
}

pub(super) fn group_rule(name: &str) -> String {
    format!("group {name}")
}
