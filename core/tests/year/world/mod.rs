//! What happens at the door in a year: visits mostly by day, and everything that goes wrong.
//!
//! Flows in: a seed, and what was seen (people react to what they are answered). Flows out: one
//! [`Happening`] after the other, each with its time.

mod people;
mod visits;

use std::collections::BTreeMap;

use doorward_core::event::{Alarm, Contact};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::happening::{Happening, Letter, Now, Site};
use super::site;

pub const DAY: i64 = 86_400_000;
const MINUTE: i64 = 60_000;

/// What is planned: something that happens, or somebody's intention.
#[derive(Debug, Clone)]
enum Plan {
    Visit,
    Quarter,
    Happen(Happening),
    TryToOpen,
    Move(Contact),
    Press(bool),
    PowerBack,
}

pub struct World {
    rng: ChaCha8Rng,
    pub site: Site,
    /// When the simulated time begins, by the wall.
    pub start: i64,
    pub end: i64,
    /// True time since the start.
    time: i64,
    boot: i64,
    down_until: Option<i64>,
    clock_error: i64,
    trusted: bool,
    plans: BTreeMap<(i64, u64), Plan>,
    planned: u64,
    due: Option<i64>,
    tick_at: Option<i64>,
    /// When somebody looks so that a lease is renewed.
    renew_at: Option<i64>,
    lease: Option<i64>,
    /// Until when nobody can read the store.
    blind_until: i64,
    /// The newest command, and those that may be sent again.
    letters: u64,
    sent: Vec<Letter>,
    contact: Contact,
    rex: bool,
    released: bool,
    /// Who was asked for a PIN lately, and who is being guessed, how often still.
    asked: Vec<usize>,
    guessed: BTreeMap<usize, u32>,
    /// Who is inside, as far as people know.
    inside: Vec<bool>,
    inputs: u64,
    wanted: u64,
    visits: u64,
    /// How much more often things go wrong than they would in a real year.
    trouble: f64,
}

impl World {
    pub fn new(mut rng: ChaCha8Rng, wanted: u64, days: i64, trouble: f64) -> World {
        let zones = [
            "Europe/Berlin",
            "America/New_York",
            "Australia/Lord_Howe",
            "UTC",
        ];
        let zone = TimeZone::get(zones.choose(&mut rng).unwrap()).unwrap();
        let year = jiff::civil::date(rng.random_range(2024..=2028), 1, 1);
        let new_year = year.to_zoned(zone.clone()).unwrap().timestamp();
        let mut start = new_year.as_millisecond();
        if days < 300 {
            start += rng.random_range(0..365) * DAY;
            let change = zone
                .following(Timestamp::from_millisecond(start).unwrap())
                .next();
            if let Some(change) = change.filter(|_| rng.random_bool(0.6)) {
                start = change.timestamp().as_millisecond() - rng.random_range(0..days * DAY);
            }
        }
        start -= start.rem_euclid(MINUTE);
        let end = start + days * DAY;
        let date = |at: i64| {
            zone.to_datetime(Timestamp::from_millisecond(at).unwrap())
                .date()
        };
        let site = site::site(&mut rng, &zone, date(start), date(end));
        let mut world = World {
            rng,
            site,
            start,
            end,
            time: 0,
            boot: 0,
            down_until: None,
            clock_error: 0,
            trusted: true,
            plans: BTreeMap::new(),
            planned: 0,
            due: None,
            tick_at: None,
            renew_at: None,
            lease: None,
            blind_until: 0,
            letters: 0,
            sent: Vec::new(),
            contact: Contact::Closed,
            rex: false,
            released: false,
            asked: Vec::new(),
            guessed: BTreeMap::new(),
            inside: Vec::new(),
            inputs: 0,
            wanted,
            visits: 0,
            trouble,
        };
        world.inside = vec![false; world.site.people.len()];
        world.happen(
            0,
            Happening::Started {
                contact: Some(Contact::Closed),
                rex: false,
                landed: false,
                restored: false,
            },
        );
        world.plan(1000, Plan::Visit);
        world.plan(0, Plan::Quarter);
        world
    }

    pub fn days(&self) -> f64 {
        self.time as f64 / DAY as f64
    }

    pub fn zone(&self) -> &str {
        self.site.zone.iana_name().unwrap_or("UTC")
    }

    fn plan(&mut self, later: i64, plan: Plan) {
        self.planned += 1;
        self.plans.insert((self.time + later, self.planned), plan);
    }

    fn happen(&mut self, later: i64, happening: Happening) {
        self.plan(later, Plan::Happen(happening));
    }

    /// So many milliseconds, from `low` to `high` seconds.
    fn between(&mut self, low: i64, high: i64) -> i64 {
        self.rng.random_range(low * 1000..=high * 1000)
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    fn rarely(&mut self, probability: f64) -> bool {
        let probability = (probability * self.trouble).min(0.2);
        self.rng.random_bool(probability)
    }

    /// The next input, and its time.
    pub fn next(&mut self) -> (Happening, Now) {
        loop {
            let (&(at, number), _) = self.plans.first_key_value().expect("visits never end");
            let looks = [
                (self.tick_at, Happening::Tick),
                (self.renew_at, Happening::Renewed),
            ];
            let looks = looks.into_iter().filter_map(|(at, look)| Some((at?, look)));
            let first = looks.min_by_key(|(at, _)| *at);
            if let Some((tick_at, look)) = first.filter(|(tick_at, _)| *tick_at < at)
                && self.down_until.is_none()
            {
                self.time = self.time.max(tick_at);
                (self.tick_at, self.due) = (None, None);
                (self.renew_at, self.lease) = (None, None);
                return self.input(look);
            }
            let plan = self.plans.remove(&(at, number)).expect("it was there");
            self.time = self.time.max(at);
            if let Some(happening) = self.carry_out(plan) {
                return self.input(happening);
            }
        }
    }

    fn input(&mut self, happening: Happening) -> (Happening, Now) {
        if happening != Happening::Renewed {
            self.inputs += 1;
        }
        let starts = matches!(happening, Happening::Started { .. });
        let late = self.rng.random_bool(0.03);
        let now = Now {
            wall: self.start + self.time + self.clock_error,
            tick: self.time - self.boot,
            trusted: self.trusted,
            read: starts || (self.time >= self.blind_until && !late),
        };
        (happening, now)
    }

    /// Whether there has been what was wanted.
    pub fn is_over(&self) -> bool {
        self.inputs >= self.wanted
    }

    fn carry_out(&mut self, plan: Plan) -> Option<Happening> {
        if let Some(until) = self.down_until {
            match plan {
                Plan::PowerBack => return Some(self.power_back()),
                Plan::Move(contact) => self.contact = contact,
                Plan::Press(pressed) => self.rex = pressed,
                Plan::Happen(
                    Happening::Claim(_)
                    | Happening::Typed(..)
                    | Happening::Compared(_)
                    | Happening::Plain(_)
                    | Happening::Command(_)
                    | Happening::Tick
                    | Happening::Stop
                    | Happening::Killed,
                )
                | Plan::TryToOpen => {}
                // It is done when the power is back.
                other => self.plan(until - self.time + 1, other),
            }
            return None;
        }
        match plan {
            Plan::Visit => {
                self.visit();
                None
            }
            Plan::Quarter => {
                let wall = self.start + self.time;
                let next = 15 * MINUTE - wall.rem_euclid(15 * MINUTE);
                let late = if self.chance(0.5) {
                    0
                } else {
                    self.between(0, 2)
                };
                self.plan(next + late, Plan::Quarter);
                Some(Happening::Tick)
            }
            Plan::TryToOpen => {
                if self.contact == Contact::Closed && (self.released || self.rarely(0.004)) {
                    return Some(self.opens());
                }
                None
            }
            Plan::Move(contact) => {
                self.contact = contact;
                Some(Happening::Contact(contact))
            }
            Plan::Press(pressed) => {
                self.rex = pressed;
                Some(Happening::Rex(pressed))
            }
            Plan::PowerBack => None,
            Plan::Happen(happening) => self.allowed(happening),
        }
    }

    /// Keeps the world's own picture true; some things cannot happen any more.
    fn allowed(&mut self, happening: Happening) -> Option<Happening> {
        match happening {
            Happening::Claim(who) | Happening::FaceDenied(Some(who), _)
                if !self.site.people[who].enrolled && self.chance(0.9) =>
            {
                return None;
            }
            // The first of them was pressed while the power was off.
            Happening::Typed(_, takes) if takes > self.time - self.boot => return None,
            Happening::Started { .. } => {}
            Happening::Order(Some((mode, lasts))) => {
                let wall = self.start + self.time + self.clock_error;
                let until = lasts.map(|lasts| wall + lasts);
                return Some(Happening::Order(Some((mode, until))));
            }
            Happening::ClockError(error) => self.clock_error = error,
            Happening::Trusted(trusted) => self.trusted = trusted,
            Happening::Changed(who, what) => self.change(who, what),
            Happening::Left(who) => self.inside[who] = false,
            Happening::Role(operator) => self.change_role(operator),
            Happening::Command(ref letter) if letter.signed == 0 => {
                return Some(self.sign(*letter));
            }
            // The record is waited for, but not for ever.
            Happening::Stop => {
                let leaves = self.between(0, 8);
                self.happen(leaves, Happening::Killed);
            }
            Happening::Killed => self.power_fails(),
            _ => {}
        }
        Some(happening)
    }

    fn power_fails(&mut self) {
        let down = self.between(2, 600);
        self.down_until = Some(self.time + down);
        (self.tick_at, self.renew_at, self.lease) = (None, None, None);
        self.plan(down, Plan::PowerBack);
    }

    fn power_back(&mut self) -> Happening {
        let down = self.down_until.take().map_or(0, |until| until - self.time);
        self.boot = self.time - self.rng.random_range(0..3000);
        self.due = None;
        if self.chance(0.4) {
            // No battery: the clock goes on where it was saved, until it is synchronised.
            self.clock_error = -down - self.between(0, 900);
            self.trusted = false;
            let synchronised = self.between(5, 600);
            self.happen(synchronised, Happening::ClockError(0));
            self.happen(synchronised + 1, Happening::Trusted(true));
        }
        let known = self.site.door.contact.is_some() || self.chance(0.5);
        let restored = self.rarely(0.03);
        if restored {
            let looks = self.between(5, 9_000);
            self.happen(looks, Happening::Noted(Alarm::Restored));
        }
        Happening::Started {
            contact: known.then_some(self.contact),
            rex: self.rex,
            landed: !restored && self.chance(0.5),
            restored,
        }
    }
}
