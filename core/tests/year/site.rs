//! A random site: rules, people, settings.

use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use doorward_core::access::rules::{
    DAY_MINUTES, Day, Group, Holiday, Interval, PinHashes, Rules, Schedule, Subject,
};
use doorward_core::access::{AccessConfig, AntiPassback, WithoutClock};
use doorward_core::door::{ContactSettings, RexSettings, Settings};
use doorward_core::event::{PersonRef, PersonStatus, Role};
use doorward_core::guard::WithoutRecord;
use jiff::ToSpan;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rand::Rng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand_chacha::ChaCha8Rng;

use super::happening::{DOOR, Person, Site};
use super::real::person_id;

/// One that is somebody's PIN may be somebody else's duress PIN.
pub const PINS: [&str; 3] = ["2580", "1379", "4862"];
pub const DURESS: [&str; 2] = ["2591", "4862"];
pub const WRONG: &str = "0000";

const WEEK: [Day; 7] = [
    Day::Mon,
    Day::Tue,
    Day::Wed,
    Day::Thu,
    Day::Fri,
    Day::Sat,
    Day::Sun,
];

/// As cheap as Argon2 allows: a year has many. Whoever is given the same digits again has another hash.
fn hash(digits: &str, number: u32) -> String {
    let params = Params::new(8, 1, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut salt = [7; 16];
    salt[..4].copy_from_slice(&number.to_le_bytes());
    let hash = argon2.hash_password_with_salt(digits.as_bytes(), &salt);
    hash.unwrap().to_string()
}

/// A site whose special days lie between `from` and `to`.
pub fn site(rng: &mut ChaCha8Rng, zone: &TimeZone, from: Date, to: Date) -> Site {
    let rules = rules(rng, from, to);
    let access = access(rng, &rules);
    let interlock = rng.random_bool(0.6);
    let mut site = Site {
        zone: zone.clone(),
        rules,
        people: Vec::new(),
        roles: [Some(Role::Admin), Some(Role::Operate), Some(Role::View)],
        door: door(rng),
        without_record: if rng.random_bool(0.3) {
            WithoutRecord::Grant
        } else {
            WithoutRecord::Deny
        },
        // Areas and the interlock need the file that doors share.
        shared: interlock || access.anti_passback == AntiPassback::Area || rng.random_bool(0.5),
        interlock,
        access,
        give_up: rng.random_range(1_000..=3_000),
        slow: rng.random_range(500..=2_000),
    };
    for who in 0..rng.random_range(60..=200) {
        let mut person = Person {
            subject: Subject {
                person: PersonRef {
                    id: person_id(who),
                    name: format!("Person {who}"),
                },
                status: PersonStatus::Active,
                groups: groups_of(rng, &site.rules),
                valid_from: None,
                valid_until: None,
                extended: rng.random_bool(0.1),
                pin: None,
                presence: None,
            },
            pin: None,
            duress: None,
            pins: 0,
            enrolled: true,
        };
        if rng.random_bool(0.8) {
            give_pin(rng, &mut person);
        }
        if rng.random_bool(0.1) {
            person.subject.valid_from = Some(moment_between(rng, from, to));
        }
        if rng.random_bool(0.1) {
            person.subject.valid_until = Some(moment_between(rng, from, to));
        }
        site.people.push(person);
    }
    site
}

pub fn give_pin(rng: &mut ChaCha8Rng, person: &mut Person) {
    let pin = PINS[rng.random_range(0..PINS.len())];
    let duress = DURESS[rng.random_range(0..DURESS.len())];
    person.pins += 1;
    person.pin = Some(pin);
    person.duress = (duress != pin && rng.random_bool(0.5)).then_some(duress);
    person.subject.pin = Some(PinHashes {
        pin: hash(pin, person.pins),
        duress: person.duress.map(|duress| hash(duress, person.pins)),
    });
}

pub fn groups_of(rng: &mut ChaCha8Rng, rules: &Rules) -> Vec<String> {
    let many = *[0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3].choose(rng).unwrap();
    let mut groups = rules.groups.keys().cloned().choose_multiple(rng, many);
    if rng.random_bool(0.03) {
        groups.push("nobody made this group".into());
    }
    groups
}

fn day_between(rng: &mut ChaCha8Rng, from: Date, to: Date) -> Date {
    let days = from.until(to).unwrap().get_days().max(1);
    from.checked_add(rng.random_range(0..days).days()).unwrap()
}

fn moment_between(rng: &mut ChaCha8Rng, from: Date, to: Date) -> DateTime {
    let (hour, minute) = (rng.random_range(0..24), rng.random_range(0..4) * 15);
    day_between(rng, from, to).at(hour, minute, 0, 0)
}

fn rules(rng: &mut ChaCha8Rng, from: Date, to: Date) -> Rules {
    let mut rules = Rules::default();
    for number in 0..rng.random_range(5..=9) {
        let schedule = schedule(rng, number, from, to);
        rules.schedules.insert(format!("hours {number}"), schedule);
    }
    let feasts = if from.until(to).unwrap().get_days() > 60 {
        8
    } else {
        4
    };
    for number in 0..rng.random_range(2..=feasts) {
        let holiday = holiday(rng, number, from, to);
        rules.holidays.insert(format!("feast {number}"), holiday);
    }
    for number in 0..rng.random_range(8..=14) {
        let schedule = match rng.random_range(0..20) {
            0 => Some("nobody made these hours".to_owned()),
            1..=5 => None,
            _ => rules.schedules.keys().cloned().choose(rng),
        };
        let doors = match rng.random_range(0..10) {
            0 => vec!["back".to_owned()],
            1 => vec!["back".to_owned(), DOOR.to_owned()],
            _ => Vec::new(),
        };
        let group = Group {
            doors,
            schedule,
            overrides_lockdown: rng.random_bool(0.2),
            first_person: rng.random_bool(0.2),
            waits_for_first: rng.random_bool(0.2),
            two_person: rng.random_bool(0.2),
            // One of them types.
            pin: rng.random_bool(0.25) || number == 0,
        };
        rules.groups.insert(format!("group {number}"), group);
    }
    rules
}

fn interval(rng: &mut ChaCha8Rng) -> Interval {
    loop {
        let start = rng.random_range(0..96) * 15;
        let end = rng.random_range(1..=96) * 15;
        if start != end {
            return Interval { start, end };
        }
    }
}

fn schedule(rng: &mut ChaCha8Rng, number: u32, from: Date, to: Date) -> Schedule {
    let hours = |start: u16, end: u16| Interval { start, end };
    let quarter = |rng: &mut ChaCha8Rng, low: u16, high: u16| rng.random_range(low..high) * 15;
    let mut schedule = Schedule::default();
    let everyday = match number % 5 {
        // The office.
        0 => vec![hours(quarter(rng, 24, 36), quarter(rng, 60, 84))],
        // The office with a break.
        1 => vec![
            hours(quarter(rng, 24, 36), 12 * 60),
            hours(12 * 60 + 45, quarter(rng, 60, 84)),
        ],
        // A night, which a clock change can meet; sometimes two that overlap, the later one first.
        2 => {
            let first = hours(quarter(rng, 70, 90), quarter(rng, 4, 32));
            let later = hours(quarter(rng, 90, 95), quarter(rng, 4, 32));
            if rng.random_bool(0.4) {
                vec![later, first]
            } else {
                vec![first]
            }
        }
        // Always, in one piece a day.
        3 => vec![hours(0, DAY_MINUTES)],
        // Anything, in any order, overlapping or not.
        _ => (0..rng.random_range(1..=4))
            .map(|_| interval(rng))
            .collect(),
    };
    for day in WEEK {
        let weekend = matches!(day, Day::Sat | Day::Sun);
        if !weekend || rng.random_bool(0.4) {
            schedule.week.insert(day, everyday.clone());
        }
    }
    if rng.random_bool(0.4) {
        schedule.week.insert(Day::Holiday, vec![interval(rng)]);
    }
    for _ in 0..rng.random_range(0..6) {
        let special = (0..rng.random_range(0..=2))
            .map(|_| interval(rng))
            .collect();
        schedule
            .exceptions
            .insert(day_between(rng, from, to), special);
    }
    schedule
}

fn holiday(rng: &mut ChaCha8Rng, number: u32, from: Date, to: Date) -> Holiday {
    match number {
        0 => Holiday {
            first: jiff::civil::date(2020, 12, 24),
            last: jiff::civil::date(2021, 1, 2),
            yearly: true,
        },
        1 => Holiday {
            first: jiff::civil::date(2024, 2, 29),
            last: jiff::civil::date(2024, 2, 29),
            yearly: true,
        },
        _ => {
            let first = day_between(rng, from, to);
            let longer = *[0, 0, 0, 1, 2, 4].choose(rng).unwrap();
            let yearly = rng.random_bool(0.5);
            let ago = if yearly { rng.random_range(0..9) } else { 0 };
            let past = |date: Date| date.checked_sub(ago.years()).unwrap();
            Holiday {
                first: past(first),
                last: past(first).checked_add(longer.days()).unwrap(),
                yearly,
            }
        }
    }
}

fn access(rng: &mut ChaCha8Rng, rules: &Rules) -> AccessConfig {
    let passback = [AntiPassback::Off, AntiPassback::Timed, AntiPassback::Area];
    let without_clock = [WithoutClock::Deny, WithoutClock::Believe];
    let unlocks = rng.random_bool(0.7);
    AccessConfig {
        without_clock: *without_clock.choose(rng).unwrap(),
        lockout_after: rng.random_range(0..=5),
        lockout_window_s: rng.random_range(1..=10) * 60,
        lockout_s: rng.random_range(1..=15) * 60,
        lockout_after_wrong_pins: *[0, 2, 3, 5, 10].choose(rng).unwrap(),
        anti_passback: *passback.choose(rng).unwrap(),
        anti_passback_s: rng.random_range(1..=60) * 60,
        area: Some("house".into()),
        second_person_s: rng.random_range(10..=30),
        pin_s: rng.random_range(8..=20),
        unlock_schedule: unlocks
            .then(|| rules.schedules.keys().cloned().choose(rng))
            .flatten(),
        unlock_after_first_person: rng.random_bool(0.5),
        alarm_after_denials: rng.random_range(0..=6),
        alarm_window_s: rng.random_range(1..=5) * 60,
        ..AccessConfig::default()
    }
}

fn door(rng: &mut ChaCha8Rng) -> Settings {
    let seconds = |rng: &mut ChaCha8Rng, low: u64, high: u64| {
        Duration::from_secs(rng.random_range(low..=high))
    };
    Settings {
        release: seconds(rng, 2, 8),
        extended_release: seconds(rng, 8, 20),
        rex: rng.random_bool(0.9).then(|| RexSettings {
            release: seconds(rng, 2, 8),
            stuck: seconds(rng, 20, 60),
        }),
        contact: rng.random_bool(0.9).then(|| ContactSettings {
            held_open: seconds(rng, 10, 60),
            extended_held_open: seconds(rng, 60, 120),
            pre_alarm: seconds(rng, 0, 15),
            relock_on_close: rng.random_bool(0.7),
            forced_open: rng.random_bool(0.8),
            suspicious_after: rng.random_range(0..=5),
        }),
    }
}
