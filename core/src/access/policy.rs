//! May this person pass this door now?
//!
//! Flows in: the rules, what is known of the person, and the circumstances. Flows out: a
//! [`Judgement`], always with the rule that decided and, when it is no, with what would have been
//! needed. It remembers nothing ([`super::desk`] does) and denies unless everything speaks for a
//! grant.
//!
//! Asked in this order: suspended, validity, lockout, a group that covers the door, lockdown, the
//! groups' schedules, first person, anti-passback, PIN and second person. Somebody in several
//! groups gets the best that any of them gives.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::rules::{Group, Rules, Schedule, Subject};
use super::schedule::{Calendar, HORIZON_DAYS, Hours};
use super::settings::{AccessConfig, AntiPassback, WithoutClock};
use crate::clock::Moment;
use crate::event::{Challenge, DenyReason, Mode, PersonStatus, Rule};

/// The rules of one door.
#[derive(Debug, Clone)]
pub struct Policy {
    /// All rules of the site.
    pub rules: Rules,
    /// The site's time zone.
    pub zone: TimeZone,
    /// Name of this door.
    pub door: String,
    /// How the rules are applied.
    pub settings: AccessConfig,
}

/// What a judgement depends on besides the rules and the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Circumstances {
    /// What governs the door.
    pub mode: Mode,
    /// How long the person is still locked out, if they are.
    pub locked_out: Option<Duration>,
    /// When somebody last entered who counts as first person.
    pub first_person_at: Option<Timestamp>,
    /// Whether the person has typed a right PIN.
    pub pin_typed: bool,
    /// Whether a second person is there.
    pub accompanied: bool,
}

/// What the rules say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "judgement", rename_all = "snake_case")]
pub enum Judgement {
    /// Let them in.
    Granted {
        /// The rule that decided.
        rule: Rule,
        /// Whether their entry counts as the first person's.
        first_person: bool,
    },
    /// Ask them for more.
    Asked {
        /// For what.
        challenge: Challenge,
        /// The rule that asks.
        rule: Rule,
    },
    /// Do not let them in.
    Denied {
        /// Why.
        reason: DenyReason,
        /// The rule that decided.
        rule: Rule,
        /// What would have been needed, in words for an operator.
        needed: Option<String>,
    },
}

/// What one group says of a person at a door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opinion<'a> {
    pub(super) name: &'a str,
    pub(super) group: &'a Group,
    pub(super) verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Grant,
    Ask(Challenge),
    Deny(Refusal),
}

/// A denial before it is chosen among several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: DenyReason,
    rule: Rule,
    pub(super) needed: Option<String>,
    /// When it would be different, where a time alone would change it.
    opens: Option<Timestamp>,
}

impl Refusal {
    fn new(reason: DenyReason, rule: Rule, needed: impl Into<String>) -> Self {
        Self {
            reason,
            rule,
            needed: Some(needed.into()),
            opens: None,
        }
    }

    /// Denials that are nearer to a grant tell an operator more; of equals, the one that ends first.
    fn distance(&self) -> (u8, Timestamp) {
        let distance = match self.reason {
            DenyReason::PinMissing => 0,
            DenyReason::FirstPersonRequired => 1,
            DenyReason::ClockUntrusted => 2,
            DenyReason::Holiday => 3,
            DenyReason::OutsideSchedule => 4,
            _ => 5,
        };
        (distance, self.opens.unwrap_or(Timestamp::MAX))
    }
}

impl From<Refusal> for Judgement {
    fn from(refusal: Refusal) -> Judgement {
        Judgement::Denied {
            reason: refusal.reason,
            rule: refusal.rule,
            needed: refusal.needed,
        }
    }
}

impl Policy {
    /// How far back the record matters after a start: the longest window of lockouts and alarms,
    /// and a day for the first person.
    #[must_use]
    pub fn memory(&self) -> SignedDuration {
        let AccessConfig {
            lockout_window_s,
            lockout_s,
            alarm_window_s,
            ..
        } = &self.settings;
        let window = (lockout_window_s + lockout_s).max(*alarm_window_s);
        SignedDuration::from_secs(i64::from(window)).max(SignedDuration::from_hours(24))
    }

    /// May this person pass now?
    #[must_use]
    pub fn judge(
        &self,
        subject: &Subject,
        circumstances: &Circumstances,
        now: &Moment,
    ) -> Judgement {
        let opinions = match self.opinions(subject, circumstances, now) {
            Ok(opinions) => opinions,
            Err(refusal) => return refusal.into(),
        };
        let granting = || {
            let opinions = opinions.iter();
            opinions.filter(|opinion| opinion.verdict == Verdict::Grant)
        };
        // A group that makes them the first person is named before others, for the record.
        let first = granting().find(|opinion| opinion.group.first_person);
        if let Some(opinion) = first.or_else(|| granting().next()) {
            return Judgement::Granted {
                rule: Rule::Group(opinion.name.to_owned()),
                first_person: opinion.group.first_person,
            };
        }
        for challenge in [Challenge::Pin, Challenge::SecondPerson] {
            let mut asking = opinions.iter();
            if let Some(opinion) = asking.find(|one| one.verdict == Verdict::Ask(challenge)) {
                return Judgement::Asked {
                    challenge,
                    rule: Rule::Group(opinion.name.to_owned()),
                };
            }
        }
        let refusals = opinions
            .into_iter()
            .filter_map(|opinion| match opinion.verdict {
                Verdict::Deny(refusal) => Some(refusal),
                _ => None,
            });
        match refusals.min_by_key(Refusal::distance) {
            Some(refusal) => refusal.into(),
            None => self.not_permitted().into(),
        }
    }

    /// Whether this person can be the second person for somebody else: a group with the two-person
    /// rule would let them in together.
    #[must_use]
    pub fn may_accompany(
        &self,
        subject: &Subject,
        circumstances: &Circumstances,
        now: &Moment,
    ) -> bool {
        let together = Circumstances {
            accompanied: true,
            ..*circumstances
        };
        self.opinions(subject, &together, now)
            .is_ok_and(|opinions| {
                let mut opinions = opinions.iter();
                opinions.any(|one| one.group.two_person && one.verdict == Verdict::Grant)
            })
    }

    /// What each group that matters says, or why none is asked.
    pub(super) fn opinions<'a>(
        &'a self,
        subject: &'a Subject,
        circumstances: &Circumstances,
        now: &Moment,
    ) -> Result<Vec<Opinion<'a>>, Refusal> {
        if subject.status == PersonStatus::Suspended {
            let needed = "not to be suspended (doorward people resume)";
            return Err(Refusal::new(DenyReason::Suspended, Rule::Suspended, needed));
        }
        self.check_validity(subject, now)?;
        self.check_lockout(circumstances, now)?;
        let mut groups = self.covering(subject);
        if groups.is_empty() {
            return Err(self.not_permitted());
        }
        if circumstances.mode == Mode::Lockdown {
            groups.retain(|(_, group)| group.overrides_lockdown);
            if groups.is_empty() {
                let needed = "the lockdown to end, or a group that overrides it";
                return Err(Refusal::new(DenyReason::Lockdown, Rule::Lockdown, needed));
            }
        }
        let opinions: Vec<Opinion<'a>> = groups
            .into_iter()
            .map(|(name, group)| Opinion {
                name,
                group,
                verdict: self.group_verdict(name, group, subject, circumstances, now),
            })
            .collect();
        // Only for somebody who would pass otherwise: until then another reason says more.
        let passes = |opinion: &Opinion<'_>| !matches!(opinion.verdict, Verdict::Deny(_));
        if opinions.iter().any(passes) {
            self.check_passback(subject, now)?;
        }
        Ok(opinions)
    }

    /// The person's groups that exist and cover this door, in the person's order.
    pub(super) fn covering<'a>(&'a self, subject: &'a Subject) -> Vec<(&'a str, &'a Group)> {
        let groups = subject.groups.iter().filter_map(|name| {
            let group = self.rules.groups.get(name)?;
            Some((name.as_str(), group))
        });
        groups
            .filter(|(_, group)| group.doors.is_empty() || group.doors.contains(&self.door))
            .collect()
    }

    /// The calendar that schedules are read with.
    #[must_use]
    pub fn calendar(&self) -> Calendar<'_> {
        Calendar {
            zone: &self.zone,
            holidays: &self.rules.holidays,
        }
    }

    /// Whether rules of the calendar may be applied.
    #[must_use]
    pub fn believes_clock(&self, now: &Moment) -> bool {
        now.clock_trusted || self.settings.without_clock == WithoutClock::Believe
    }

    /// Whether somebody who counts as first person has entered within the current opening of the
    /// schedule or, without one, today.
    pub(super) fn first_person_in(
        &self,
        schedule: Option<&Schedule>,
        first_person_at: Option<Timestamp>,
        at: Timestamp,
    ) -> bool {
        let Some(entered) = first_person_at.filter(|&entered| entered <= at) else {
            return false;
        };
        match schedule {
            Some(schedule) => schedule
                .opening_of(self.calendar(), at)
                .is_some_and(|opened| opened <= entered),
            None => {
                let date = |at| self.zone.to_datetime(at).date();
                date(entered) == date(at)
            }
        }
    }

    fn check_validity(&self, subject: &Subject, now: &Moment) -> Result<(), Refusal> {
        let rule = Rule::Validity;
        let dated = subject.valid_from.is_some() || subject.valid_until.is_some();
        if dated && !self.believes_clock(now) {
            return Err(clock_untrusted(rule));
        }
        // As instants: an hour that the clock shows twice must not make somebody valid again.
        let reached = |civil: DateTime| {
            let instant = self.calendar().instant(civil);
            instant.is_some_and(|instant| now.wall >= instant)
        };
        if let Some(from) = subject.valid_from.filter(|&from| !reached(from)) {
            let needed = format!("would be valid from {}", in_words(from));
            return Err(Refusal::new(DenyReason::NotYetValid, rule, needed));
        }
        if let Some(until) = subject.valid_until.filter(|&until| reached(until)) {
            let needed = format!("a later end of validity than {}", in_words(until));
            return Err(Refusal::new(DenyReason::Expired, rule, needed));
        }
        Ok(())
    }

    fn check_lockout(&self, circumstances: &Circumstances, now: &Moment) -> Result<(), Refusal> {
        let Some(left) = circumstances.locked_out else {
            return Ok(());
        };
        let left = SignedDuration::try_from(left).unwrap_or(SignedDuration::MAX);
        let needed = match now.wall.checked_add(left) {
            Ok(end) => format!("the lockout to end at {}", self.local_seconds(end)),
            Err(_) => "the lockout to end".to_owned(),
        };
        Err(Refusal::new(DenyReason::Lockout, Rule::Lockout, needed))
    }

    fn check_passback(&self, subject: &Subject, now: &Moment) -> Result<(), Refusal> {
        let rule = Rule::AntiPassback;
        let Some(presence) = &subject.presence else {
            return Ok(());
        };
        match self.settings.anti_passback {
            AntiPassback::Off => Ok(()),
            AntiPassback::Timed if !self.believes_clock(now) => Err(clock_untrusted(rule)),
            AntiPassback::Timed => match self.passback_end(subject, now.wall) {
                Some(end) => {
                    let end = self.local_seconds(end);
                    let needed = format!("would be let in again from {end}");
                    Err(Refusal::new(DenyReason::AntiPassback, rule, needed))
                }
                None => Ok(()),
            },
            AntiPassback::Area => match &presence.area {
                Some(area) if self.settings.area.as_ref() == Some(area) => {
                    let needed = format!("to leave {area} first, through a door that leads out");
                    Err(Refusal::new(DenyReason::AntiPassback, rule, needed))
                }
                _ => Ok(()),
            },
        }
    }

    /// When timed anti-passback ends for somebody whom it keeps out at `at`. A clock that was put
    /// back a little makes an entry look as if it were to come; one far ahead is no entry.
    pub(super) fn passback_end(&self, subject: &Subject, at: Timestamp) -> Option<Timestamp> {
        let presence = subject.presence.as_ref()?;
        let window = SignedDuration::from_secs(i64::from(self.settings.anti_passback_s));
        let age = at.duration_since(presence.at);
        if self.settings.anti_passback != AntiPassback::Timed || age >= window || age < -window {
            return None;
        }
        presence.at.checked_add(window).ok()
    }

    fn group_verdict(
        &self,
        name: &str,
        group: &Group,
        subject: &Subject,
        circumstances: &Circumstances,
        now: &Moment,
    ) -> Verdict {
        if let Err(refusal) = self.check_hours(name, group, subject, circumstances, now) {
            return Verdict::Deny(refusal);
        }
        if group.pin && !circumstances.pin_typed {
            if subject.pin.is_none() {
                let needed = "a PIN, and none is set for them (doorward people set)";
                let refusal =
                    Refusal::new(DenyReason::PinMissing, Rule::Group(name.to_owned()), needed);
                return Verdict::Deny(refusal);
            }
            return Verdict::Ask(Challenge::Pin);
        }
        if group.two_person && !circumstances.accompanied {
            return Verdict::Ask(Challenge::SecondPerson);
        }
        Verdict::Grant
    }

    /// The group's schedule, and its first person.
    fn check_hours(
        &self,
        name: &str,
        group: &Group,
        subject: &Subject,
        circumstances: &Circumstances,
        now: &Moment,
    ) -> Result<(), Refusal> {
        let mut schedule = None;
        if let Some(schedule_name) = &group.schedule {
            let rule = Rule::Schedule(schedule_name.clone());
            let Some(found) = self.rules.schedules.get(schedule_name) else {
                let needed = format!(
                    "a schedule named {schedule_name}, which group {name} asks for and nobody made"
                );
                return Err(Refusal::new(DenyReason::OutsideSchedule, rule, needed));
            };
            if !self.believes_clock(now) {
                return Err(clock_untrusted(rule));
            }
            self.check_schedule(schedule_name, found, subject, now.wall)?;
            schedule = Some(found);
        }
        // Whoever counts as first person need not wait for one.
        if group.waits_for_first && !group.first_person {
            if !self.believes_clock(now) {
                return Err(clock_untrusted(Rule::Group(name.to_owned())));
            }
            if !self.first_person_in(schedule, circumstances.first_person_at, now.wall) {
                let within = match schedule {
                    Some(_) => "within these hours",
                    None => "today",
                };
                let needed =
                    format!("somebody who counts as first person to enter before, {within}");
                let reason = DenyReason::FirstPersonRequired;
                return Err(Refusal::new(reason, Rule::Group(name.to_owned()), needed));
            }
        }
        Ok(())
    }

    fn check_schedule(
        &self,
        name: &str,
        schedule: &Schedule,
        subject: &Subject,
        at: Timestamp,
    ) -> Result<(), Refusal> {
        let (reason, rule) = match schedule.hours(self.calendar(), at) {
            Hours::Open => return Ok(()),
            Hours::Closed => (DenyReason::OutsideSchedule, Rule::Schedule(name.to_owned())),
            Hours::Holiday(holiday) => (DenyReason::Holiday, Rule::Holiday(holiday.to_owned())),
        };
        let opens = schedule.next_opening(self.calendar(), at);
        let end = subject
            .valid_until
            .and_then(|until| self.calendar().instant(until));
        let needed = match opens {
            Some(opens) if end.is_some_and(|end| end <= opens) => {
                let opens = self.local_minutes(opens);
                format!("a later end of validity: schedule {name} opens next on {opens}")
            }
            Some(opens) => {
                let opens = self.local_minutes(opens);
                format!("would be let in from {opens} (schedule {name})")
            }
            None => {
                format!("other hours: schedule {name} does not open within {HORIZON_DAYS} days")
            }
        };
        let mut refusal = Refusal::new(reason, rule, needed);
        refusal.opens = opens;
        Err(refusal)
    }

    fn not_permitted(&self) -> Refusal {
        let needed = format!("a group that covers door {}", self.door);
        Refusal::new(DenyReason::NotPermitted, Rule::Groups, needed)
    }

    /// `Monday 2026-03-30 08:00`; with the zone's name where the clock shows that twice.
    pub(super) fn local_minutes(&self, at: Timestamp) -> String {
        self.local(at, "%A %Y-%m-%d %H:%M")
    }

    fn local_seconds(&self, at: Timestamp) -> String {
        self.local(at, "%A %Y-%m-%d %H:%M:%S")
    }

    fn local(&self, at: Timestamp, format: &str) -> String {
        let zoned = at.to_zoned(self.zone.clone());
        let text = zoned.strftime(format).to_string();
        let twice = self.zone.to_ambiguous_timestamp(zoned.datetime());
        if twice.is_ambiguous() {
            format!("{text} {}", zoned.strftime("%Z"))
        } else {
            text
        }
    }
}

fn clock_untrusted(rule: Rule) -> Refusal {
    let needed = "a synchronised clock, or without_clock = \"believe\" in [access]";
    Refusal::new(DenyReason::ClockUntrusted, rule, needed)
}

fn in_words(civil: DateTime) -> String {
    civil.strftime("%A %Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{at, holiday, inside, moment, policy, subject};
    use super::*;

    const NOON: &str = "2026-03-30T12:00:00[Europe/Berlin]";
    const SUNDAY: &str = "2026-03-29T12:00:00[Europe/Berlin]";

    fn said(policy: &Policy, subject: &Subject, now: &Moment) -> (DenyReason, String, String) {
        match policy.judge(subject, &Circumstances::default(), now) {
            Judgement::Denied {
                reason,
                rule,
                needed,
            } => (reason, rule.to_string(), needed.unwrap()),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn assert_denied(
        (reason, rule, needed): (DenyReason, String, String),
        expected: (DenyReason, &str, &str),
    ) {
        assert_eq!((reason, rule.as_str(), needed.as_str()), expected);
    }

    #[test]
    fn a_denial_says_which_schedule_and_when_it_opens() {
        let policy = policy();
        let staff = subject(1, &["staff"]);
        assert_denied(
            said(&policy, &staff, &moment(SUNDAY)),
            (
                DenyReason::OutsideSchedule,
                "schedule office-hours",
                "would be let in from Monday 2026-03-30 08:00 (schedule office-hours)",
            ),
        );
        let eve = moment("2026-12-24T12:00:00[Europe/Berlin]");
        assert_denied(
            said(&policy, &staff, &eve),
            (
                DenyReason::Holiday,
                "holiday christmas",
                "would be let in from Thursday 2027-01-07 08:00 (schedule office-hours)",
            ),
        );
        let (reason, _, needed) = said(&policy, &subject(1, &["lost"]), &moment(NOON));
        assert_eq!(reason, DenyReason::OutsideSchedule);
        assert!(needed.contains("nobody-made-it"), "{needed}");
    }

    #[test]
    fn of_several_groups_the_best_counts_and_of_denials_the_most_helpful() {
        let policy = policy();
        let judge = |groups: &[&str], now: &str| {
            let circumstances = Circumstances::default();
            policy.judge(&subject(1, groups), &circumstances, &moment(now))
        };
        let granted = Judgement::Granted {
            rule: Rule::Group("always".into()),
            first_person: false,
        };
        assert_eq!(judge(&["vault", "typing", "always"], NOON), granted);
        let asked = Judgement::Asked {
            challenge: Challenge::Pin,
            rule: Rule::Group("typing".into()),
        };
        assert_eq!(judge(&["vault", "typing", "lost"], NOON), asked);
        let (reason, ..) = said(
            &policy,
            &subject(1, &["elsewhere", "lost", "staff"]),
            &moment(SUNDAY),
        );
        assert_eq!(reason, DenyReason::OutsideSchedule);
        for groups in [&[][..], &["elsewhere"], &["no-such-group"]] {
            let (reason, _, needed) = said(&policy, &subject(1, groups), &moment(NOON));
            assert_eq!(reason, DenyReason::NotPermitted);
            assert_eq!(needed, "a group that covers door front");
        }
    }

    #[test]
    fn validity_ends_for_good_at_the_first_showing_of_its_hour() {
        let policy = policy();
        let mut guest = subject(1, &["always"]);
        guest.valid_from = Some("2026-10-24T12:00".parse().unwrap());
        guest.valid_until = Some("2026-10-25T02:30".parse().unwrap());
        let reason =
            |wall: &str| match policy.judge(&guest, &Circumstances::default(), &moment(wall)) {
                Judgement::Denied { reason, .. } => Some(reason),
                _ => None,
            };
        assert_eq!(
            reason("2026-10-24T09:59:59.999Z"),
            Some(DenyReason::NotYetValid)
        );
        assert_eq!(reason("2026-10-24T10:00:00Z"), None);
        assert_eq!(reason("2026-10-25T00:29:59Z"), None);
        assert_eq!(reason("2026-10-25T00:30:00Z"), Some(DenyReason::Expired));
        assert_eq!(reason("2026-10-25T01:10:00Z"), Some(DenyReason::Expired));
    }

    #[test]
    fn anti_passback_is_timed_or_by_area() {
        let mut policy = policy();
        policy.settings.anti_passback = AntiPassback::Timed;
        let noon = at(NOON);
        let mut somebody = subject(1, &["always"]);
        let mut kept_out = |policy: &Policy, area: Option<&str>, ago: i64| {
            somebody.presence = inside(area, noon - SignedDuration::from_secs(ago));
            let judgement = policy.judge(&somebody, &Circumstances::default(), &moment(NOON));
            matches!(judgement, Judgement::Denied { .. })
        };
        assert!(kept_out(&policy, None, 0) && kept_out(&policy, None, 59));
        assert!(!kept_out(&policy, None, 60));
        assert!(kept_out(&policy, None, -60), "a clock put back a little");
        assert!(!kept_out(&policy, None, -61), "a clock that was far ahead");
        policy.settings.anti_passback = AntiPassback::Area;
        policy.settings.area = Some("inside".into());
        assert!(kept_out(&policy, Some("inside"), 100_000));
        assert!(!kept_out(&policy, Some("yard"), 0) && !kept_out(&policy, None, 0));
    }

    #[test]
    fn a_clock_that_is_not_trusted_stops_those_bound_to_time_only() {
        let mut policy = policy();
        let mut now = moment(NOON);
        now.clock_trusted = false;
        let (reason, ..) = said(&policy, &subject(1, &["staff"]), &now);
        assert_eq!(reason, DenyReason::ClockUntrusted);
        let circumstances = Circumstances::default();
        let both = policy.judge(&subject(1, &["staff", "always"]), &circumstances, &now);
        assert!(matches!(both, Judgement::Granted { .. }));
        let mut timeless = policy.clone();
        timeless.settings.anti_passback = AntiPassback::Timed;
        let mut inside_long = subject(1, &["always"]);
        inside_long.presence = inside(None, at(SUNDAY));
        let (reason, rule, _) = said(&timeless, &inside_long, &now);
        assert_eq!(reason, DenyReason::ClockUntrusted);
        assert_eq!(rule, "anti-passback");
        for group in timeless.rules.groups.values_mut() {
            group.schedule = None;
        }
        let first_inside = Circumstances {
            first_person_at: Some(at(NOON)),
            ..circumstances
        };
        let waited = timeless.judge(&subject(1, &["followers"]), &first_inside, &now);
        let untrusted = matches!(
            waited,
            Judgement::Denied {
                reason: DenyReason::ClockUntrusted,
                ..
            }
        );
        assert!(untrusted, "{waited:?}");
        policy.settings.without_clock = WithoutClock::Believe;
        let believed = policy.judge(&subject(1, &["staff"]), &circumstances, &now);
        assert!(matches!(believed, Judgement::Granted { .. }));
    }

    #[test]
    fn a_pin_that_nobody_set_cannot_be_asked_for() {
        let policy = policy();
        let mut somebody = subject(1, &["typing"]);
        somebody.pin = None;
        let (reason, rule, _) = said(&policy, &somebody, &moment(NOON));
        assert_eq!(
            (reason, rule.as_str()),
            (DenyReason::PinMissing, "group typing")
        );
    }

    #[test]
    fn an_opening_after_the_end_of_validity_is_not_promised() {
        let mut policy = policy();
        let mut guest = subject(1, &["staff"]);
        guest.valid_until = Some("2026-03-30T08:00".parse().unwrap());
        let (_, _, needed) = said(&policy, &guest, &moment(SUNDAY));
        assert!(needed.starts_with("a later end of validity"), "{needed}");
        let always = holiday("2020-01-01", "2040-01-01", false);
        policy
            .rules
            .holidays
            .insert("closed-for-good".into(), always);
        let (_, _, needed) = said(&policy, &subject(1, &["staff"]), &moment(SUNDAY));
        assert!(needed.contains("does not open within 400 days"), "{needed}");
    }
}
