//! Invariants of the rules over random people, rules and times, against naive models.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::prelude::*;

use super::answer::Answer;
use super::desk::Desk;
use super::fixtures::{DURESS, PIN, at, evidence, inside, later, pins, subject, zone};
use super::policy::{Circumstances, Judgement, Policy};
use super::rules::{Day, Group, Holiday, Interval, Rules, Schedule, Subject};
use super::schedule::Calendar;
use super::settings::{AccessConfig, AntiPassback, WithoutClock};
use crate::clock::{Moment, Tick};
use crate::event::{Denied, DenyReason, Mode, PersonStatus};

const ZONES: [&str; 5] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/Santiago",
];

/// The naive model: writes down every minute of every day that is open, by stepping.
struct Naive(BTreeSet<(Date, u16)>);

impl Naive {
    fn new(schedule: &Schedule, holidays: &BTreeMap<String, Holiday>, around: Date) -> Naive {
        let mut minutes = BTreeSet::new();
        let mut date = around.checked_sub(2.days()).unwrap();
        for _ in 0..5 {
            let hours = if let Some(hours) = schedule.exceptions.get(&date) {
                Some(hours)
            } else if holidays
                .values()
                .any(|holiday| naive_holiday(holiday, date))
            {
                schedule.week.get(&Day::Holiday)
            } else {
                let days = [
                    Day::Mon,
                    Day::Tue,
                    Day::Wed,
                    Day::Thu,
                    Day::Fri,
                    Day::Sat,
                    Day::Sun,
                ];
                let number = date.weekday().to_monday_zero_offset();
                schedule.week.get(&days[usize::try_from(number).unwrap()])
            };
            for interval in hours.into_iter().flatten() {
                let (mut day, mut minute) = (date, interval.start);
                loop {
                    minutes.insert((day, minute));
                    minute += 1;
                    if minute == interval.end {
                        break;
                    }
                    if minute == 24 * 60 {
                        (day, minute) = (day.tomorrow().unwrap(), 0);
                    }
                    if minute == interval.end {
                        break;
                    }
                }
            }
            date = date.tomorrow().unwrap();
        }
        Naive(minutes)
    }

    fn is_open(&self, zone: &TimeZone, at: Timestamp) -> bool {
        let shown = zone.to_datetime(at);
        let minute =
            u16::try_from(shown.hour()).unwrap() * 60 + u16::try_from(shown.minute()).unwrap();
        self.0.contains(&(shown.date(), minute))
    }
}

/// Walks a leap year from the first day to the last.
fn naive_holiday(holiday: &Holiday, date: Date) -> bool {
    if !holiday.yearly {
        return holiday.first <= date && date <= holiday.last;
    }
    let mut day = jiff::civil::date(2024, holiday.first.month(), holiday.first.day());
    loop {
        if (day.month(), day.day()) == (date.month(), date.day()) {
            return true;
        }
        if (day.month(), day.day()) == (holiday.last.month(), holiday.last.day()) {
            return false;
        }
        day = day.tomorrow().unwrap();
    }
}

fn interval() -> impl Strategy<Value = Interval> {
    let minute = prop_oneof![
        Just(0u16),
        0u16..1440,
        (0u16..96).prop_map(|quarter| quarter * 15)
    ];
    let end = prop_oneof![
        Just(1440u16),
        1u16..=1440,
        (1u16..=96).prop_map(|quarter| quarter * 15)
    ];
    let any = (minute, end).prop_filter_map("not empty", |(start, end)| {
        (start != end).then_some(Interval { start, end })
    });
    let whole_day = Just(Interval {
        start: 0,
        end: 1440,
    });
    prop_oneof![3 => any, 1 => whole_day]
}

/// Days about the clock changes of 2026 and the skipped day of Samoa, and any others of a leap and
/// a common year.
fn date() -> impl Strategy<Value = Date> {
    let near = prop::sample::select(vec![
        jiff::civil::date(2026, 3, 29),
        jiff::civil::date(2026, 10, 25),
        jiff::civil::date(2026, 3, 8),
        jiff::civil::date(2026, 11, 1),
        jiff::civil::date(2026, 4, 5),
        jiff::civil::date(2026, 10, 4),
        jiff::civil::date(2026, 9, 6),
        jiff::civil::date(2011, 12, 30),
        jiff::civil::date(2028, 2, 29),
        jiff::civil::date(2026, 1, 1),
    ]);
    let any =
        (0i64..731).prop_map(|n| jiff::civil::date(2027, 1, 1).checked_add(n.days()).unwrap());
    let near = (near, -2i64..=2).prop_map(|(date, days)| date.checked_add(days.days()).unwrap());
    prop_oneof![2 => near, 1 => any]
}

fn a_schedule() -> impl Strategy<Value = Schedule> {
    let days = prop::sample::select(vec![
        Day::Mon,
        Day::Tue,
        Day::Wed,
        Day::Thu,
        Day::Fri,
        Day::Sat,
        Day::Sun,
        Day::Holiday,
    ]);
    let hours = || prop::collection::vec(interval(), 0..3);
    let week = prop::collection::btree_map(days, hours(), 2..8);
    let exceptions = prop::collection::btree_map(date(), hours(), 0..3);
    (week, exceptions).prop_map(|(week, exceptions)| Schedule { week, exceptions })
}

fn holidays() -> impl Strategy<Value = BTreeMap<String, Holiday>> {
    let one = (date(), 0i64..12, any::<bool>()).prop_map(|(first, days, yearly)| Holiday {
        first,
        last: first.checked_add(days.days()).unwrap(),
        yearly,
    });
    prop::collection::btree_map("[a-c]", one, 0..3)
}

fn instant() -> impl Strategy<Value = (TimeZone, Timestamp)> {
    let zone = prop::sample::select(ZONES.to_vec()).prop_map(zone);
    (zone, date(), 0i64..86_400_000).prop_map(|(zone, date, millis)| {
        let midnight = date.to_zoned(zone.clone()).unwrap().timestamp();
        (zone, midnight + SignedDuration::from_millis(millis))
    })
}

#[derive(Debug, Clone)]
struct Case {
    policy: Policy,
    subject: Subject,
    circumstances: Circumstances,
    now: Moment,
}

impl Case {
    fn judge(&self) -> Judgement {
        self.policy
            .judge(&self.subject, &self.circumstances, &self.now)
    }

    fn is_let_in(&self) -> bool {
        !matches!(self.judge(), Judgement::Denied { .. })
    }

    /// Groups that cover the door and are open, by the naive model.
    fn open_groups(&self) -> Vec<&Group> {
        let Policy { rules, zone, .. } = &self.policy;
        let today = zone.to_datetime(self.now.wall).date();
        let groups = self.subject.groups.iter();
        groups
            .filter_map(|name| rules.groups.get(name))
            .filter(|group| {
                group.doors.is_empty() || group.doors.iter().any(|door| door == "front")
            })
            .filter(|group| match &group.schedule {
                None => true,
                Some(name) => rules.schedules.get(name).is_some_and(|schedule| {
                    Naive::new(schedule, &rules.holidays, today).is_open(zone, self.now.wall)
                }),
            })
            .collect()
    }
}

fn a_group() -> impl Strategy<Value = Group> {
    let doors = prop::sample::select(vec![vec![], vec!["front".into()], vec!["back".into()]]);
    let schedule = prop::option::of("[s-v]");
    let seldom = || prop::bool::weighted(0.25);
    let flags = (seldom(), seldom(), seldom(), seldom(), seldom());
    (doors, schedule, flags).prop_map(|(doors, schedule, flags)| Group {
        doors,
        schedule,
        overrides_lockdown: flags.0,
        first_person: flags.1,
        waits_for_first: flags.2,
        two_person: flags.3,
        pin: flags.4,
    })
}

prop_compose! {
    fn a_policy(zone: TimeZone)(
        groups in prop::collection::btree_map("[a-d]", a_group(), 1..5),
        // One name of four that groups use is never made.
        schedules in prop::collection::btree_map("[s-u]", a_schedule(), 0..4),
        holidays in holidays(),
        anti_passback in prop::sample::select(vec![AntiPassback::Off, AntiPassback::Timed, AntiPassback::Area]),
        without_clock in prop::sample::select(vec![WithoutClock::Deny, WithoutClock::Believe]),
    ) -> Policy {
        Policy {
            rules: Rules { groups, schedules, holidays },
            zone: zone.clone(),
            door: "front".into(),
            settings: AccessConfig {
                anti_passback, without_clock, area: Some("in".into()), ..AccessConfig::default()
            },
        }
    }
}

prop_compose! {
    fn a_case()((zone, wall) in instant())(
        policy in a_policy(zone.clone()),
        wall in Just(wall),
        groups in prop::collection::vec("[a-e]", 0..4),
        status in prop::bool::weighted(0.9),
        from in prop::option::weighted(0.2, -100_000i64..100_000),
        until in prop::option::weighted(0.2, -100_000i64..100_000),
        presence in prop::option::weighted(0.3, -120i64..120),
        mode in prop::sample::select(vec![Mode::Normal, Mode::Normal, Mode::Unlocked, Mode::Lockdown]),
        locked_out in prop::bool::weighted(0.1),
        first in prop::option::of(-90_000i64..90_000),
        flags in (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()),
    ) -> Case {
        let near = |seconds: i64| wall + SignedDuration::from_secs(seconds);
        let civil = |seconds: i64| policy.zone.to_datetime(near(seconds));
        let (pin_typed, accompanied, clock_trusted, has_pin) = flags;
        let mut person = subject(1, &[]);
        person.groups = groups;
        person.status = if status { PersonStatus::Active } else { PersonStatus::Suspended };
        person.valid_from = from.map(civil);
        person.valid_until = until.map(civil);
        person.presence = presence.and_then(|seconds| inside(Some("in"), near(seconds)));
        person.pin = has_pin.then(pins);
        Case {
            subject: person,
            circumstances: Circumstances {
                mode,
                locked_out: locked_out.then(|| std::time::Duration::from_secs(60)),
                first_person_at: first.map(near),
                pin_typed,
                accompanied,
            },
            now: Moment { wall, tick: Tick(std::time::Duration::from_secs(1_000)), clock_trusted },
            policy,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_schedule_is_open_exactly_when_the_naive_model_says(
        schedule in a_schedule(), holidays in holidays(), (zone, when) in instant(),
    ) {
        let calendar = Calendar { zone: &zone, holidays: &holidays };
        let naive = Naive::new(&schedule, &holidays, zone.to_datetime(when).date());
        let open = naive.is_open(&zone, when);
        prop_assert_eq!(schedule.contains(calendar, when), open);
        let since = schedule.opening_of(calendar, when);
        prop_assert_eq!(since.is_some(), open);
        if let Some(since) = since {
            prop_assert!(since <= when);
            prop_assert!(schedule.contains(calendar, since));
        }
    }

    #[test]
    fn a_closed_schedule_opens_next_exactly_when_the_naive_model_first_does(
        schedule in a_schedule(), holidays in holidays(), (zone, when) in instant(),
    ) {
        let calendar = Calendar { zone: &zone, holidays: &holidays };
        prop_assume!(!schedule.contains(calendar, when));
        let next = schedule.next_opening(calendar, when);
        let naive = Naive::new(&schedule, &holidays, zone.to_datetime(when).date());
        let minute = SignedDuration::from_mins(1);
        let mut walk = Timestamp::from_second(when.as_second().div_euclid(60) * 60).unwrap();
        // As far as the naive model's five days reach for certain.
        for _ in 0..1440 {
            walk += minute;
            if naive.is_open(&zone, walk) {
                prop_assert_eq!(next, Some(walk));
                return Ok(());
            }
        }
        prop_assert!(next.is_none_or(|next| next > walk));
    }

    #[test]
    fn the_suspended_the_expired_and_the_locked_out_are_never_let_in(case in a_case()) {
        let now = case.policy.zone.to_datetime(case.now.wall);
        let Case { subject, circumstances, .. } = &case;
        let repeated = case.policy.zone.to_ambiguous_timestamp(now).is_ambiguous();
        let expired = subject.valid_until.is_some_and(|until| now >= until);
        let early = !repeated && subject.valid_from.is_some_and(|from| now < from);
        if subject.status == PersonStatus::Suspended || expired || early
            || circumstances.locked_out.is_some()
        {
            prop_assert!(!case.is_let_in());
        }
    }

    #[test]
    fn whoever_is_let_in_has_an_open_group_that_covers_the_door(case in a_case()) {
        if case.is_let_in() {
            prop_assert!(!case.open_groups().is_empty());
        }
    }

    #[test]
    fn lockdown_lets_in_override_groups_only(case in a_case()) {
        if case.circumstances.mode == Mode::Lockdown && case.is_let_in() {
            prop_assert!(case.open_groups().iter().any(|group| group.overrides_lockdown));
        }
    }

    #[test]
    fn nobody_is_granted_without_what_each_of_their_open_groups_asks_for(case in a_case()) {
        if matches!(case.judge(), Judgement::Granted { .. }) {
            let Circumstances { pin_typed, accompanied, first_person_at, .. } = case.circumstances;
            let first_before = first_person_at.is_some_and(|at| at <= case.now.wall);
            let satisfied = case.open_groups().into_iter().any(|group| {
                (pin_typed || !group.pin)
                    && (accompanied || !group.two_person)
                    && (first_before || group.first_person || !group.waits_for_first)
            });
            prop_assert!(satisfied);
        }
    }

    #[test]
    fn without_a_trusted_clock_nobody_bound_to_time_is_let_in(case in a_case()) {
        let Case { policy, subject, now, .. } = &case;
        if now.clock_trusted || policy.settings.without_clock == WithoutClock::Believe {
            return Ok(());
        }
        if case.is_let_in() {
            prop_assert!(subject.valid_from.is_none() && subject.valid_until.is_none());
            let timeless = case.open_groups().into_iter().any(|group| {
                group.schedule.is_none() && (!group.waits_for_first || group.first_person)
            });
            prop_assert!(timeless);
            let timed = policy.settings.anti_passback == AntiPassback::Timed;
            prop_assert!(!timed || subject.presence.is_none());
        }
    }

    #[test]
    fn nobody_inside_is_let_in_again_by_anti_passback(case in a_case()) {
        let Case { policy, subject, now, .. } = &case;
        let Some(presence) = &subject.presence else { return Ok(()) };
        let seconds = (now.wall.as_millisecond() - presence.at.as_millisecond()) / 1_000;
        let kept_out = match policy.settings.anti_passback {
            AntiPassback::Off => false,
            AntiPassback::Timed => (-60..60).contains(&seconds),
            AntiPassback::Area => true,
        };
        prop_assert!(!(kept_out && case.is_let_in()));
    }

    #[test]
    fn every_denial_names_its_rule_and_what_was_needed(case in a_case()) {
        if let Judgement::Denied { rule, needed, .. } = case.judge() {
            prop_assert!(!rule.to_string().is_empty());
            prop_assert!(needed.is_some_and(|needed| !needed.is_empty()));
        }
    }
}

/// What happens at a desk.
#[derive(Debug, Clone)]
enum Step {
    Claim(u8),
    Type(&'static str),
    Wait(u32),
    Fault(u8, DenyReason),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let faults = vec![
        DenyReason::StorageFailure,
        DenyReason::ClockUntrusted,
        DenyReason::Interlock,
        DenyReason::LowQuality,
    ];
    let step = prop_oneof![
        4 => (1u8..6).prop_map(Step::Claim),
        3 => prop::sample::select(vec![PIN, DURESS, "0000"]).prop_map(Step::Type),
        2 => (0u32..25).prop_map(Step::Wait),
        1 => ((1u8..6), prop::sample::select(faults)).prop_map(|(n, why)| Step::Fault(n, why)),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// A long visit to a desk of five people: 1 and 2 of the two-person rule, 3 with a PIN, 4 with
    /// both, 5 with neither.
    #[test]
    fn at_a_desk_nobody_enters_alone_under_the_two_person_rule_nor_without_a_right_pin(
        steps in steps(),
    ) {
        let policy = super::fixtures::policy();
        let groups = ["vault", "vault", "typing", "vault-typing", "always"];
        let mut desk = Desk::new();
        let mut now = super::fixtures::moment("2026-03-30T10:00:00[Europe/Berlin]");
        // By person: wrong PINs since their last right one.
        let mut failures: BTreeMap<u8, Vec<Tick>> = BTreeMap::new();
        let number = |subject: &Subject| u8::try_from(subject.person.id.0.as_u128()).unwrap();
        for step in steps {
            now = later(&now, 1);
            let mut typed = None;
            let answers = match step {
                Step::Claim(n) => {
                    let who = subject(n, &[groups[usize::from(n) - 1]]);
                    desk.claim(&policy, &who, evidence(&now), Mode::Normal, &now)
                }
                Step::Type(digits) => {
                    typed = Some(digits);
                    super::fixtures::typed(&mut desk, &policy, digits, Mode::Normal, &now)
                }
                Step::Wait(seconds) => {
                    now = later(&now, seconds);
                    desk.tick(&policy, &now)
                }
                Step::Fault(n, reason) => {
                    let id = subject(n, &[]).person.id;
                    desk.denied(&policy, Some(id), reason, &now);
                    Vec::new()
                }
            };
            let granted: Vec<&Subject> = answers.iter().filter_map(|answer| match answer {
                Answer::Granted { subject, .. } => Some(subject),
                _ => None,
            }).collect();
            let under_two: BTreeSet<u8> = granted.iter().map(|one| number(one))
                .filter(|n| [1, 2, 4].contains(n)).collect();
            prop_assert!(under_two.is_empty() || under_two.len() == 2, "alone: {under_two:?}");
            for answer in &answers {
                match answer {
                    Answer::Granted { subject, granted, .. } => {
                        let n = number(subject);
                        if n == 3 {
                            prop_assert!(matches!(typed, Some(PIN | DURESS)));
                        }
                        let with_pin = granted.method == crate::event::Method::FaceAndPin;
                        prop_assert_eq!(with_pin, [3, 4].contains(&n));
                        failures.remove(&n);
                    }
                    Answer::Denied {
                        denied: Denied { reason, person: Some(person), .. },
                        ..
                    } => {
                        let n = u8::try_from(person.id.0.as_u128()).unwrap();
                        if *reason == DenyReason::PinWrong {
                            failures.entry(n).or_default().push(now.tick);
                        }
                        if *reason == DenyReason::Lockout {
                            let count = failures.get(&n).map_or(0, Vec::len);
                            prop_assert!(count >= 5, "locked out after {count}");
                        }
                    }
                    _ => {}
                }
            }
            prop_assert!(desk.waiting().len() <= 2);
        }
    }
}

#[test]
fn a_year_of_minutes_over_clock_changes_agrees_with_the_naive_model() {
    let mut schedule = super::fixtures::schedule(&super::fixtures::WORKDAYS, &["08:00-18:00"]);
    let nights = vec![
        "01:40-02:20".parse().unwrap(),
        "22:00-02:50".parse().unwrap(),
    ];
    schedule.week.insert(Day::Sat, nights.clone());
    schedule.week.insert(Day::Sun, nights);
    let holidays = BTreeMap::from([(
        "christmas".to_owned(),
        super::fixtures::holiday("2025-12-24", "2026-01-06", true),
    )]);
    for name in ZONES {
        let zone = zone(name);
        let calendar = Calendar {
            zone: &zone,
            holidays: &holidays,
        };
        let mut when = at("2026-01-01T00:00:00Z");
        let mut naive = None;
        // Every 29 minutes: no minute of a day is left out in the course of the year.
        for _ in 0..365 * 24 * 60 / 29 {
            let today = zone.to_datetime(when).date();
            let (date, model) = naive
                .take()
                .filter(|(date, _)| *date == today)
                .unwrap_or_else(|| (today, Naive::new(&schedule, &holidays, today)));
            let open = model.is_open(&zone, when);
            assert_eq!(schedule.contains(calendar, when), open, "{name} {when}");
            naive = Some((date, model));
            when += SignedDuration::from_mins(29);
        }
    }
}
