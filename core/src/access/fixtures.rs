//! A site for the tests of this folder.

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::answer::Evidence;
use super::policy::Policy;
use super::rules::{Day, Group, Holiday, PinHashes, Presence, Rules, Schedule, Subject};
use super::settings::AccessConfig;
use crate::clock::{Moment, Tick};
use crate::event::PersonStatus;
use crate::event::{PersonId, PersonRef};

pub(crate) const PIN: &str = "4711";
pub(crate) const DURESS: &str = "0815";

pub(crate) fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

/// The instant of a civil time with its zone in brackets, or of an RFC 3339 one.
pub(crate) fn at(text: &str) -> Timestamp {
    match text.parse::<jiff::Zoned>() {
        Ok(zoned) => zoned.timestamp(),
        Err(_) => text.parse().unwrap(),
    }
}

pub(crate) fn moment(text: &str) -> Moment {
    Moment {
        wall: at(text),
        tick: Tick(std::time::Duration::from_secs(1_000)),
        clock_trusted: true,
    }
}

/// The same, so many seconds later.
pub(crate) fn later(now: &Moment, seconds: u32) -> Moment {
    Moment {
        wall: now.wall + jiff::SignedDuration::from_secs(i64::from(seconds)),
        tick: now.tick + std::time::Duration::from_secs(u64::from(seconds)),
        clock_trusted: now.clock_trusted,
    }
}

pub(crate) fn schedule(days: &[Day], hours: &[&str]) -> Schedule {
    let intervals: Vec<_> = hours.iter().map(|text| text.parse().unwrap()).collect();
    Schedule {
        week: days.iter().map(|&day| (day, intervals.clone())).collect(),
        ..Schedule::default()
    }
}

pub(crate) fn holiday(first: &str, last: &str, yearly: bool) -> Holiday {
    Holiday {
        first: first.parse().unwrap(),
        last: last.parse().unwrap(),
        yearly,
    }
}

pub(crate) const WORKDAYS: [Day; 5] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri];

/// Office hours in Berlin, a Christmas holiday, and one group for each thing a group can ask for.
pub(crate) fn policy() -> Policy {
    let mut rules = Rules::default();
    let office = schedule(&WORKDAYS, &["08:00-18:00"]);
    rules.schedules.insert("office-hours".into(), office);
    let christmas = holiday("2025-12-24", "2026-01-06", true);
    rules.holidays.insert("christmas".into(), christmas);
    let office_hours = || Some("office-hours".to_owned());
    let mut group = |name: &str, group: Group| rules.groups.insert(name.into(), group);
    let plain = Group::default();
    group("always", plain.clone());
    group(
        "staff",
        Group {
            schedule: office_hours(),
            ..plain.clone()
        },
    );
    group(
        "chiefs",
        Group {
            schedule: office_hours(),
            first_person: true,
            ..plain.clone()
        },
    );
    group(
        "followers",
        Group {
            schedule: office_hours(),
            waits_for_first: true,
            ..plain.clone()
        },
    );
    group(
        "elsewhere",
        Group {
            doors: vec!["back".into()],
            ..plain.clone()
        },
    );
    group(
        "guards",
        Group {
            overrides_lockdown: true,
            ..plain.clone()
        },
    );
    group(
        "vault",
        Group {
            two_person: true,
            ..plain.clone()
        },
    );
    group(
        "typing",
        Group {
            pin: true,
            ..plain.clone()
        },
    );
    group(
        "vault-typing",
        Group {
            pin: true,
            two_person: true,
            ..plain.clone()
        },
    );
    group(
        "lost",
        Group {
            schedule: Some("nobody-made-it".into()),
            ..plain
        },
    );
    Policy {
        rules,
        zone: zone("Europe/Berlin"),
        door: "front".into(),
        settings: AccessConfig::default(),
    }
}

/// Somebody with the nth id in these groups.
pub(crate) fn subject(n: u8, groups: &[&str]) -> Subject {
    Subject {
        person: PersonRef {
            id: PersonId(uuid::Uuid::from_u128(u128::from(n))),
            name: format!("person {n}"),
        },
        status: PersonStatus::Active,
        groups: groups.iter().map(|&name| name.to_owned()).collect(),
        valid_from: None,
        valid_until: None,
        extended: false,
        pin: Some(pins()),
        presence: None,
    }
}

pub(crate) fn inside(area: Option<&str>, since: Timestamp) -> Option<Presence> {
    Some(Presence {
        area: area.map(str::to_owned),
        door: "front".into(),
        at: since,
    })
}

/// A hash as the product's, at a thousandth of the cost.
pub(crate) fn hash(digits: &str) -> String {
    let params = Params::new(8, 1, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2.hash_password_with_salt(digits.as_bytes(), b"a salt of sixteen");
    hash.unwrap().to_string()
}

/// Somebody's PINs.
pub(crate) fn pins() -> PinHashes {
    PinHashes {
        pin: hash(PIN),
        duress: Some(hash(DURESS)),
    }
}

pub(crate) fn evidence(now: &Moment) -> Evidence {
    Evidence {
        similarity: 0.8,
        liveness: Some(0.9),
        observations: 3,
        began: now.tick,
    }
}

/// Digits are typed, and compared at once with the PINs that everybody here has.
pub(crate) fn typed(
    desk: &mut super::Desk,
    policy: &Policy,
    digits: &str,
    mode: crate::event::Mode,
    now: &Moment,
) -> Vec<super::Answer> {
    match desk.keypad().owner(now.tick) {
        Some(person) => desk.pin(policy, person, pins().verify(digits), mode, now),
        None => desk.tick(policy, now),
    }
}
