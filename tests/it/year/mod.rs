//! A simulated year at one door: random people, rules and mishaps, the access rules and the door's
//! machine against a naive model, compared after every input.
//!
//! | file | what is in it |
//! |---|---|
//! | `happening` | what can happen, and what is compared |
//! | `site`, `world` | random rules and people; what they and fate do |
//! | `real` | the code under test, with the service's part between desk and door |
//! | `naive` | the model: plain lists, an if for everything, a table of minutes |
//!
//! `DOORWARD_YEAR_INPUTS=5000000 cargo nextest run --release --no-capture a_simulated_year` plays a
//! whole year; fewer inputs play as many days of it as they would fill. `DOORWARD_YEAR_SEED` plays
//! a printed seed again.

mod happening;
mod naive;
mod real;
mod site;
mod world;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Instant;

use doorward::event::{Mode, PersonStatus};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use happening::{Counts, Deed, Happening, Now, Outcome, Seen, Site};
use naive::calendar::{Calendar, Says, civil_minutes};
use naive::{ANY_RULE, Naive};
use real::Real;
use world::{DAY, World};

/// Inputs of a whole year.
const YEAR: u64 = 5_000_000;
/// Inputs shown when the two disagree.
const SHOWN: usize = 20;

/// Says where it was when something fails, wherever that is.
struct Story {
    seed: u64,
    number: u64,
    newest: VecDeque<String>,
}

impl Story {
    fn add(&mut self, happening: &Happening, now: Now) {
        self.number += 1;
        let line = format!(
            "{:>9} {} tick {:>12} ms{}  {happening:?}",
            self.number,
            real::stamp(now.wall),
            now.tick,
            if now.trusted { "" } else { " untrusted" },
        );
        self.newest.push_back(line);
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
            for line in &self.newest {
                eprintln!("{line}");
            }
        }
    }
}

fn play(seed: u64, inputs: u64, trouble: f64) -> String {
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
    let mut count = |what: String| *counts.entry(what).or_default() += 1;
    for _ in 0..inputs {
        let (happening, now) = world.next();
        story.add(&happening, now);
        let expected = naive.apply(&world.site, &happening, now);
        let mut actual = real.apply(&world.site, &happening, now);
        forget_unknown_rules(&expected, &mut actual);
        assert_eq!(actual, expected, "left: the code; right: the naive model");
        for outcome in &actual.outcomes {
            assert_entitled(
                &world.site,
                &naive.calendar,
                outcome,
                actual.mode,
                &actual.deeds,
                now,
            );
            count(told(outcome));
        }
        for deed in &actual.deeds {
            if let Deed::Raised(alarm) = deed {
                count(format!("alarm {}", alarm.as_str()));
            }
            if let Deed::Released { cause, .. } = deed {
                count(format!("released {cause:?}"));
            }
        }
        count(format!("input: {}", happening.kind()));
        world.react(&actual, now);
    }
    let mut report = format!(
        "seed {seed}: {inputs} inputs, {:.1} days in {}, {} people, {:.1} s\n",
        world.days(),
        world.zone(),
        world.site.people.len(),
        began.elapsed().as_secs_f64()
    );
    for (what, times) in counts {
        writeln!(report, "  {times:>9} {what}").unwrap();
    }
    report
}

/// Where the model cannot tell which of several rules is named, any is right.
fn forget_unknown_rules(expected: &Seen, actual: &mut Seen) {
    for (expected, actual) in expected.outcomes.iter().zip(&mut actual.outcomes) {
        if let (Outcome::Denied { rule: any, .. }, Outcome::Denied { rule, .. }) =
            (expected, actual)
            && any == ANY_RULE
        {
            rule.replace_range(.., ANY_RULE);
        }
    }
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Granted { pin, duress, .. } => match (pin, duress) {
            (_, true) => "granted under duress".into(),
            (true, _) => "granted by face and PIN".into(),
            _ => "granted".into(),
        },
        Outcome::Denied { reason, .. } => format!("denied: {}", reason.as_str()),
        Outcome::Asked { challenge, .. } => format!("asked for {challenge:?}"),
    }
}

/// What must hold of every grant, whatever the models say of the rest.
fn assert_entitled(
    site: &Site,
    calendar: &Calendar,
    outcome: &Outcome,
    mode: Mode,
    deeds: &[Deed],
    now: Now,
) {
    let Outcome::Granted { who, .. } = outcome else {
        return;
    };
    let person = &site.people[*who].subject;
    assert_eq!(
        person.status,
        PersonStatus::Active,
        "granted while suspended"
    );
    if let Some(until) = person.valid_until {
        let over = calendar.reached(civil_minutes(until), now.wall);
        assert!(!over, "granted after the end of validity");
    }
    let mode_changed = deeds.iter().any(|deed| matches!(deed, Deed::Mode(..)));
    let group = person
        .groups
        .iter()
        .filter_map(|name| site.rules.groups.get(name))
        .find(|group| {
            let hours = group.schedule.as_ref().is_none_or(|name| {
                site.rules.schedules.contains_key(name)
                    && calendar.says(name, now.wall) == Says::Open
            });
            hours && (mode != Mode::Lockdown || group.overrides_lockdown || mode_changed)
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

#[test]
fn a_simulated_year_agrees_with_a_naive_model() {
    let inputs = from_env("DOORWARD_YEAR_INPUTS").unwrap_or(150_000);
    let drawn = || RandomState::new().build_hasher().finish();
    let seed = from_env("DOORWARD_YEAR_SEED").unwrap_or_else(drawn);
    println!("DOORWARD_YEAR_SEED={seed} DOORWARD_YEAR_INPUTS={inputs}");
    println!("{}", play(seed, inputs, 1.0));
}

/// Many sites and much trouble, instead of one site for long.
#[test]
fn short_troubled_runs_agree_with_a_naive_model() {
    let first = from_env("DOORWARD_YEAR_SEED").unwrap_or(1);
    for seed in first..first + 20 {
        play(seed, 2_000, 20.0);
    }
}
