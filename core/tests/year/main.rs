//! A simulated year at one door: random people, rules, operators and mishaps, the guard itself against
//! a naive model, compared after every input.
//!
//! | file | what is in it |
//! |---|---|
//! | `happening` | what can happen, and what is compared |
//! | `site`, `world` | random rules and people; what they and fate do |
//! | `real` | the guard, between a simulated disk, latch and reader |
//! | `naive` | the model: plain lists, an if for everything, a table of minutes |
//!
//! Not in the year: what a restoration takes from the record, and makes up for (its alarm is, and what
//! follows from that); a store that forgets commands that are long over (the guard does); messages that a
//! broker kept, that are too long, or no commands at all; several doors by their own guards; snapshots and
//! `reload`; messages that the broker refuses.
//!
//! A few days are played with every other test, and many short runs full of trouble. A whole year, with
//! two seeds side by side:
//!
//! ```sh
//! cargo test --release -p doorward-core --test year -- --ignored --nocapture
//! ```
//!
//! `DOORWARD_YEAR_SEED` plays a printed seed (and the next one) again, `DOORWARD_YEAR_INPUTS` as many
//! days of the year as so many inputs fill.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod happening;
mod naive;
mod real;
mod site;
mod world;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Instant;

use doorward_core::event::{Mode, PersonStatus};
use doorward_core::guard::WithoutRecord;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use happening::{Counts, Happening, Line, Now, Said, Seen, Site};
use naive::calendar::{Calendar, Says, civil_minutes};
use naive::{ANY_RULE, Naive};
use real::Real;
use world::{DAY, World};

/// Inputs of a whole year, and of the days that are played with every other test.
const YEAR: u64 = 5_000_000;
const DAYS: u64 = 10_000;
/// Inputs shown when the two disagree.
const SHOWN: usize = 20;

/// What short runs with much trouble must have come across to be worth anything.
const EXPECTED: [&str; 44] = [
    "granted",
    "granted by face and PIN",
    "asked for Pin",
    "asked for SecondPerson",
    "denied: anti_passback",
    "denied: clock_untrusted",
    "denied: interlock",
    "denied: lockdown",
    "denied: lockout",
    "denied: pin_wrong",
    "denied: storage_failure",
    "denied: suspended",
    "released: Grant",
    "released: Mode",
    "released: Operator",
    "released: Rex",
    "withdrawn: Grant",
    "withdrawn: Operator",
    "withdrawn: Mode",
    "secured: Lapsed",
    "secured: Start",
    "secured: Stop",
    "alarm: clock",
    "alarm: duress",
    "alarm: forced_open",
    "alarm: held_open",
    "alarm: storage",
    "alarm: spoof_suspected",
    "alarm: wrong_pins",
    "digits: of nobody who is asked",
    "digits: of somebody who is asked",
    "duress: by somebody else's digits",
    "duress: by their own digits",
    "order doubted at the start",
    "executed: mode",
    "executed: unlock",
    "refused: clock_untrusted",
    "refused: expired",
    "refused: from_future",
    "refused: malformed",
    "refused: rate_limited",
    "refused: replayed",
    "refused: storage_failure",
    "command answered: done",
];

/// Says where it was when something fails, wherever that is.
struct Story {
    seed: u64,
    number: u64,
    newest: VecDeque<(Happening, Now)>,
}

impl Story {
    fn add(&mut self, happening: &Happening, now: Now) {
        self.number += 1;
        self.newest.push_back((happening.clone(), now));
        if self.newest.len() > SHOWN {
            self.newest.pop_front();
        }
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Story { seed, number, .. } = self;
            eprintln!("seed {seed}, input {number}; the last {SHOWN} inputs:");
            let first = *number + 1 - self.newest.len() as u64;
            for (number, (happening, now)) in (first..).zip(&self.newest) {
                let Now {
                    tick,
                    trusted,
                    read,
                    ..
                } = *now;
                let wall = real::stamp(now.wall);
                let how = [(trusted, " untrusted"), (read, " unread")];
                let how = how
                    .map(|(usual, word)| if usual { "" } else { word })
                    .concat();
                eprintln!("{number:>9} {wall} tick {tick:>12} ms{how}  {happening:?}");
            }
        }
    }
}

/// What came of a run.
struct Played {
    counts: Counts,
    report: String,
}

fn play(seed: u64, inputs: u64, trouble: f64) -> Played {
    let began = Instant::now();
    let days = i64::try_from((inputs * 365).div_ceil(YEAR))
        .unwrap()
        .clamp(1, 366);
    let mut world = World::new(ChaCha8Rng::seed_from_u64(seed), inputs, days, trouble);
    let (from, to) = (world.start - 3 * DAY, world.end + 20 * DAY);
    let calendar = Calendar::new(&world.site.zone, &world.site.rules, from, to);
    let mut naive = Naive::new(&world.site, calendar);
    let mut real = Real::new(&world.site);
    let mut counts = Counts::new();
    let mut story = Story {
        seed,
        number: 0,
        newest: VecDeque::new(),
    };
    let mut inputs_of = Counts::new();
    let mut count = |what: String| *counts.entry(what).or_default() += 1;
    while !world.is_over() {
        let (happening, now) = world.next();
        story.add(&happening, now);
        let expected = naive.apply(&world.site, &happening, now);
        let mut actual = real.apply(&world.site, &happening, now);
        forget_unknown_rules(&expected, &mut actual);
        assert_eq!(actual, expected, "left: the guard; right: the naive model");
        let due = naive.due(&world.site, now);
        assert_awake(naive.is_running(), real.deadline(), due, now);
        for line in &actual.lines {
            assert_entitled(&world.site, &naive, line, actual.mode, now);
            count(told(&line.said));
        }
        for (_, ok) in &actual.answers {
            count(format!(
                "command answered: {}",
                if *ok { "done" } else { "refused" }
            ));
        }
        for (_, released) in &actual.moves {
            count(format!(
                "relay {}",
                if *released { "released" } else { "secured" }
            ));
        }
        if let Some(comparing) = &actual.compare {
            let asked = comparing.owner.is_some() && comparing.owner == actual.awaited;
            let whose = if asked { "somebody" } else { "nobody" };
            count(format!("digits: of {whose} who is asked"));
            let outcome = comparing.outcome;
            if let Some(forced) = outcome.forced {
                let own = outcome.own.is_some_and(|(who, _)| who == forced);
                let whose = if own { "their own" } else { "somebody else's" };
                count(format!("duress: by {whose} digits"));
            }
        }
        if matches!(happening, Happening::Started { restored: true, .. }) {
            count("database replaced".into());
        }
        if matches!(happening, Happening::Started { .. }) && naive.doubts() {
            count("order doubted at the start".into());
        }
        let kind = format!("input: {}", happening.kind());
        *inputs_of.entry(kind).or_default() += 1;
        world.react(&actual, due, naive.lease(), now);
    }
    let mut report = format!(
        "seed {seed}: {inputs} inputs, {:.1} days in {}, {} people, on a storage failure {}, {:.1} s\n",
        world.days(),
        world.zone(),
        world.site.people.len(),
        match world.site.without_record {
            WithoutRecord::Deny => "deny",
            WithoutRecord::Grant => "grant",
        },
        began.elapsed().as_secs_f64()
    );
    for (what, times) in counts.iter().chain(&inputs_of) {
        writeln!(report, "  {times:>9} {what}").unwrap();
    }
    Played { counts, report }
}

/// Where the model cannot tell which of several rules is named, any is right.
fn forget_unknown_rules(expected: &Seen, actual: &mut Seen) {
    for (expected, actual) in expected.lines.iter().zip(&mut actual.lines) {
        if let (Said::Denied { rule: any, .. }, Said::Denied { rule, .. }) =
            (&expected.said, &mut actual.said)
            && any.as_deref() == Some(ANY_RULE)
        {
            rule.clone_from(any);
        }
    }
}

/// The guard neither sleeps through anything nor is awake all the time.
fn assert_awake(running: bool, deadline: Option<i64>, due: Option<i64>, now: Now) {
    if !running {
        return;
    }
    let deadline = deadline.expect("there is always another round");
    assert!(deadline > now.tick, "it is called again and again");
    if let Some(due) = due.filter(|due| *due > now.tick) {
        assert!(deadline <= due, "it sleeps until {deadline}, {due} is due");
    }
}

fn told(said: &Said) -> String {
    match said {
        Said::Granted { pin: true, .. } => "granted by face and PIN".into(),
        Said::Granted { .. } => "granted".into(),
        Said::Denied { reason, .. } => format!("denied: {}", reason.as_str()),
        Said::Asked { challenge, .. } => format!("asked for {challenge:?}"),
        Said::Released { cause, .. } => format!("released: {cause:?}"),
        Said::Withdrawn { cause, .. } => format!("withdrawn: {cause:?}"),
        Said::Secured(cause) => format!("secured: {cause:?}"),
        Said::Raised(alarm, _) => format!("alarm: {}", alarm.as_str()),
        Said::Executed { verb, .. } => format!("executed: {}", verb.as_str()),
        Said::Refused { reason, .. } => format!("refused: {}", reason.as_str()),
        Said::Opened => "opened".into(),
        Said::Closed(_) => "closed".into(),
        Said::Rex => "exit button".into(),
        Said::Mode(..) => "mode".into(),
        Said::Cleared(_) => "alarm cleared".into(),
    }
}

/// What must hold of every grant, whatever the models say of the rest.
fn assert_entitled(site: &Site, naive: &Naive, line: &Line, mode: Mode, now: Now) {
    let (Said::Granted { who, .. }, true) = (&line.said, line.at == now.wall) else {
        return;
    };
    let calendar = &naive.calendar;
    let person = &naive.known(*who).expect("somebody").subject;
    assert_eq!(
        person.status,
        PersonStatus::Active,
        "granted while suspended"
    );
    if let Some(until) = person.valid_until {
        let over = calendar.reached(civil_minutes(until), now.wall);
        assert!(!over, "granted after the end of validity");
    }
    let group = person
        .groups
        .iter()
        .filter_map(|name| site.rules.groups.get(name))
        .find(|group| {
            let hours = group.schedule.as_ref().is_none_or(|name| {
                site.rules.schedules.contains_key(name)
                    && calendar.says(name, now.wall) == Says::Open
            });
            hours && (mode != Mode::Lockdown || group.overrides_lockdown)
        });
    assert!(group.is_some(), "granted though no group lets them in");
}

fn from_env(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|error| panic!("{name}={value}: {error}")),
    )
}

/// Plays two seeds side by side.
fn play_two(seed: u64, inputs: u64) {
    let seed = from_env("DOORWARD_YEAR_SEED").unwrap_or(seed);
    let inputs = from_env("DOORWARD_YEAR_INPUTS").unwrap_or(inputs);
    println!("DOORWARD_YEAR_SEED={seed} DOORWARD_YEAR_INPUTS={inputs}");
    std::thread::scope(|threads| {
        let seeds = [seed, seed.wrapping_add(1)];
        let runs = seeds.map(|seed| threads.spawn(move || play(seed, inputs, 1.0)));
        for run in runs {
            match run.join() {
                Ok(played) => println!("{}", played.report),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
}

#[test]
fn some_simulated_days_agree_with_a_naive_model() {
    play_two(1, DAYS);
}

#[test]
#[ignore = "minutes long; run it with --release"]
fn a_simulated_year_agrees_with_a_naive_model() {
    let drawn = RandomState::new().build_hasher().finish();
    play_two(drawn, YEAR);
}

/// Many sites and much trouble, instead of one site for long; and the trouble is there.
#[test]
fn short_troubled_runs_agree_with_a_naive_model() {
    let first = from_env("DOORWARD_YEAR_SEED").unwrap_or(1);
    let mut seen = Counts::new();
    for seed in first..first + 20 {
        for (what, times) in play(seed, 1_500, 20.0).counts {
            *seen.entry(what).or_default() += times;
        }
    }
    let missing: Vec<_> = EXPECTED
        .iter()
        .filter(|what| !seen.contains_key(**what))
        .collect();
    assert!(missing.is_empty(), "never seen: {missing:?} in {seen:#?}");
}
