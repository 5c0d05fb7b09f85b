//! Who comes, what goes wrong meanwhile, and what administration changes.

use doorward_core::event::{Alarm, DenyReason, Mode, PersonStatus, Role};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::{DAY, Plan, World};
use crate::happening::{Disk, Happening, Letter, OPERATORS, Wish};
use crate::{real, site};

impl World {
    /// One visit, and perhaps a trouble; and when the next one is.
    pub(super) fn visit(&mut self) {
        self.visits += 1;
        let mut who = self.rng.random_range(0..self.site.people.len());
        // Mostly somebody who is not inside already.
        if self.inside[who] && self.chance(0.9) {
            let outside: Vec<usize> = (0..self.inside.len())
                .filter(|&one| !self.inside[one])
                .collect();
            who = outside.choose(&mut self.rng).copied().unwrap_or(who);
        }
        match self.rng.random_range(0..100) {
            0..66 => self.happen(0, Happening::Claim(who)),
            66..92 => {
                self.plan(0, Plan::Press(true));
                let stuck = self.rarely(0.002);
                let let_go = if stuck {
                    self.between(15, 200)
                } else {
                    self.rng.random_range(200..2500)
                };
                self.plan(let_go, Plan::Press(false));
                let later = self.between(0, 3);
                self.plan(later, Plan::TryToOpen);
            }
            92..98 => {
                let reasons = [
                    DenyReason::Unknown,
                    DenyReason::LowQuality,
                    DenyReason::Ambiguous,
                ];
                let reason = *reasons.choose(&mut self.rng).unwrap();
                let many = if self.rarely(0.05) { 8 } else { 1 };
                for n in 0..many {
                    let later = n * 5000 + self.between(0, 10);
                    self.happen(later, Happening::FaceDenied(None, reason));
                }
            }
            98 => self.attack(who),
            _ => self.operate(),
        }
        self.trouble(who);
        let date_time = self
            .site
            .zone
            .to_datetime(real::stamp(self.start + self.time));
        let weight = if (7..19).contains(&date_time.hour()) {
            1.7
        } else {
            0.3
        };
        let per_visit = (self.inputs as f64 / self.visits as f64).clamp(1.0, 20.0);
        let left = self.wanted.saturating_sub(self.inputs).max(1) as f64;
        let time_left = (self.end - self.start - self.time).max(1000) as f64;
        let mean = time_left * per_visit / left / weight;
        let draw: f64 = self.rng.random_range(0.0001..1.0);
        let gap = (-draw.ln() * mean).clamp(50.0, DAY as f64 / 4.0);
        self.plan(gap as i64, Plan::Visit);
    }

    /// Somebody holds up a picture of `who`, or guesses.
    pub(super) fn attack(&mut self, who: usize) {
        if self.chance(0.5) {
            return self.guess(who);
        }
        let reasons = [DenyReason::SpoofSuspected, DenyReason::LivenessUnproven];
        let reason = *reasons.choose(&mut self.rng).unwrap();
        for n in 0..self.rng.random_range(1..8) {
            let later = n * self.between(2, 40);
            self.happen(later, Happening::FaceDenied(Some(who), reason));
        }
        let later = self.between(5, 400);
        self.happen(later, Happening::Claim(who));
    }

    /// Somebody whose face passes for that of `who`, or who holds them, does not know the PIN.
    fn guess(&mut self, who: usize) {
        let who = self.asked.choose(&mut self.rng).copied().unwrap_or(who);
        let times = self.rng.random_range(2..25);
        self.guessed.insert(who, times);
        self.happen(0, Happening::Claim(who));
        if self.chance(0.2) {
            // As fast as they can.
            for n in 0..self.rng.random_range(5..15) {
                self.happen(3_000 + n * 50, Happening::Typed(site::WRONG, 40));
            }
        }
        if self.chance(0.3) {
            let later = self.between(100, 100_000);
            self.happen(later, Happening::Changed(who, "PIN set"));
        }
    }

    pub(super) fn operate(&mut self) {
        match self.rng.random_range(0..10) {
            0..2 => {
                let words = ["OPEN", "UNLOCK", "OPEN", "LOCK", "open"];
                let word = *words.choose(&mut self.rng).unwrap();
                self.happen(0, Happening::Plain(word));
                self.plan(1500, Plan::TryToOpen);
            }
            2..7 => self.command(),
            _ => {
                let modes = [Mode::Normal, Mode::Unlocked, Mode::Lockdown, Mode::Lockdown];
                let mode = *modes.choose(&mut self.rng).unwrap();
                let ends = mode == Mode::Unlocked || self.chance(0.7);
                let lasts = ends.then(|| self.between(10, 1800));
                self.happen(0, Happening::Order(Some((mode, lasts))));
                let ends = self.between(10, 1800);
                self.happen(ends, Happening::Order(None));
                if self.rarely(0.01) {
                    let fails = self.between(1, 900);
                    self.happen(fails, Happening::Killed);
                }
            }
        }
    }

    /// An operator sends a command, or somebody sends one again.
    fn command(&mut self) {
        if self.chance(0.1)
            && let Some(letter) = self.sent.choose(&mut self.rng)
        {
            let letter = *letter;
            return self.happen(0, Happening::Command(letter));
        }
        let from = self.rng.random_range(0..OPERATORS.len());
        let mode = match self.rng.random_range(0..5) {
            0 => None,
            1 => Some((Mode::Unlocked, Some(self.rng.random_range(5..1800)))),
            2 => Some((Mode::Lockdown, None)),
            3 => Some((Mode::Normal, Some(self.rng.random_range(5..1800)))),
            _ => Some((Mode::Unlocked, None)),
        };
        let wish = match self.rng.random_range(0..10) {
            0..5 => Wish::Unlock,
            5 => Wish::Lock,
            6 => {
                let alarms = [Alarm::Duress, Alarm::Duress, Alarm::Clock, Alarm::Restored];
                Wish::Acknowledge(*alarms.choose(&mut self.rng).unwrap())
            }
            7 => Wish::Locate,
            _ => Wish::Mode(mode),
        };
        let many = if self.rarely(0.01) { 10 } else { 1 };
        for n in 0..many {
            self.send(n * 700, from, wish);
        }
        if wish == Wish::Unlock {
            self.plan(1500, Plan::TryToOpen);
        } else if mode.is_some() && matches!(wish, Wish::Mode(_)) {
            let ends = self.between(10, 1800);
            self.happen(ends, Happening::Order(None));
        }
    }

    /// An operator is about to send this; it is signed then.
    fn send(&mut self, later: i64, from: usize, wish: Wish) {
        let letter = Letter {
            from,
            forged: self.chance(0.03),
            id: 0,
            signed: 0,
            wish,
        };
        self.happen(later, Happening::Command(letter));
    }

    /// More commands than anybody sends; or rubbish with somebody's name on it.
    fn flood(&mut self, soon: i64) {
        let from = self.rng.random_range(0..OPERATORS.len());
        let forged = self.chance(0.4);
        let wishes = [Wish::Locate, Wish::Lock, Wish::Unlock];
        let wish = *wishes.choose(&mut self.rng).unwrap();
        let lasts = self.rng.random_range(100..6_000);
        for _ in 0..self.rng.random_range(20..400) {
            let later = soon + self.rng.random_range(0..lasts);
            if self.chance(0.1) {
                self.send(later, self.letters as usize % OPERATORS.len(), wish);
            } else if self.chance(0.02) {
                self.happen(later, Happening::Plain("LOCK"));
            } else {
                let letter = Letter {
                    from,
                    forged,
                    id: 0,
                    signed: 0,
                    wish,
                };
                self.happen(later, Happening::Command(letter));
            }
        }
    }

    /// Signs it with the true time; it takes its time to come, now and then for too long.
    pub(super) fn sign(&mut self, mut letter: Letter) -> Happening {
        self.letters += 1;
        letter.id = self.letters;
        let age = if self.chance(0.05) {
            self.between(20, 90)
        } else {
            self.rng.random_range(0..800)
        };
        letter.signed = (self.start + self.time - age).div_euclid(1000);
        if self.chance(0.04) {
            // Their clock is ahead; somebody keeps it until its time has come.
            let ahead = *[4, 9, 40, 600, 7_200, 80_000, 90_000, 200_000]
                .choose(&mut self.rng)
                .unwrap();
            letter.signed += ahead;
            let comes = (ahead - 6) * 1000 + self.rng.random_range(2_000..60_000);
            self.happen(comes, Happening::Command(letter));
        }
        if self.sent.len() >= 20 {
            self.sent.remove(0);
        }
        self.sent.push(letter);
        if self.chance(0.1) {
            // Somebody has listened, and sends it again at once.
            let again = self.rng.random_range(1..25_000);
            self.happen(again, Happening::Command(letter));
        }
        Happening::Command(letter)
    }

    pub(super) fn change_role(&mut self, operator: usize) {
        let roles = [
            Some(Role::Admin),
            Some(Role::Admin),
            Some(Role::Operate),
            Some(Role::View),
            None,
        ];
        self.site.roles[operator] = *roles.choose(&mut self.rng).unwrap();
    }

    pub(super) fn trouble(&mut self, who: usize) {
        let soon = self.between(0, 8);
        if self.rarely(0.0006) {
            let happening = if self.chance(0.5) {
                Happening::Stop
            } else {
                Happening::Killed
            };
            self.happen(soon, happening);
        }
        if self.rarely(0.00006) {
            self.flood(soon);
        }
        if self.rarely(0.004) {
            self.disk_trouble(soon);
        }
        if self.rarely(0.002) {
            let blind = if self.chance(0.5) {
                self.between(0, 5)
            } else {
                self.between(3, 60)
            };
            self.blind_until = self.time + blind;
        }
        if self.rarely(0.0006) {
            for n in 0..self.rng.random_range(1..4) {
                let later = soon + n * self.between(1, 6);
                self.happen(later, Happening::RelayFailed);
            }
        }
        if self.rarely(0.0003) {
            self.happen(soon, Happening::RelayStuck(true));
            let over = soon + self.between(1, 60);
            self.happen(over, Happening::RelayStuck(false));
        }
        if self.rarely(0.002) {
            let operator = self.rng.random_range(0..OPERATORS.len());
            self.happen(soon, Happening::Role(operator));
        }
        if self.rarely(0.01) {
            self.happen(soon, Happening::Interlock(true));
            let over = soon + self.between(2, 20);
            self.happen(over, Happening::Interlock(false));
        }
        if self.rarely(0.0006) {
            let error = self.between(-7200, 7200);
            self.happen(soon, Happening::ClockError(error));
            let over = soon + self.between(60, 7200);
            self.happen(over, Happening::ClockError(0));
        }
        if self.rarely(0.0006) {
            self.happen(soon, Happening::Trusted(false));
            let over = soon + self.between(60, 3600);
            self.happen(over, Happening::Trusted(true));
        }
        if self.rarely(0.006) {
            let changes = [
                "suspended",
                "valid from",
                "valid until",
                "groups",
                "PIN set",
                "PIN taken",
                "extended",
                "removed",
                "duties",
            ];
            let change = *changes.choose(&mut self.rng).unwrap();
            self.happen(soon, Happening::Changed(who, change));
            let back = soon + self.between(10, 200_000);
            let undone = match change {
                "suspended" => "resumed",
                "valid from" | "valid until" => "always valid",
                "PIN taken" => "PIN set",
                "removed" => "enrolled",
                _ => "groups",
            };
            self.happen(back, Happening::Changed(who, undone));
        }
    }

    /// It fails or hangs, for moments or for minutes; people come meanwhile.
    fn disk_trouble(&mut self, soon: i64) {
        let mut later = soon;
        for _ in 0..self.rng.random_range(1..4) {
            let disk = if self.chance(0.4) {
                Disk::Fails
            } else {
                Disk::Hangs
            };
            self.happen(later, Happening::Disk(disk));
            later += match self.rng.random_range(0..3) {
                0 => self.rng.random_range(50..3_000),
                1 => self.between(1, 12),
                _ => self.between(5, 200),
            };
        }
        self.happen(later, Happening::Disk(Disk::Works));
        if self.chance(0.2) {
            self.happen(soon, Happening::NearlyFull(true));
            let over = later + self.between(1, 100);
            self.happen(over, Happening::NearlyFull(false));
        }
        for _ in 0..self.rng.random_range(0..4) {
            let at = soon + self.rng.random_range(0..15_000);
            let who = self.rng.random_range(0..self.site.people.len());
            match self.rng.random_range(0..16) {
                0..3 => self.happen(at, Happening::Plain("OPEN")),
                3 => self.happen(at, Happening::Stop),
                4 => self.happen(at, Happening::Killed),
                5 | 6 => self.happen(at, Happening::Changed(who, "extended")),
                7 | 8 => {
                    let wish = Wish::Mode(Some((Mode::Unlocked, Some(300))));
                    self.send(at, 0, wish);
                }
                _ => self.happen(at, Happening::Claim(who)),
            }
            if self.chance(0.3) {
                self.plan(at, Plan::Press(true));
                self.plan(at + 700, Plan::Press(false));
            }
        }
    }

    pub(super) fn change(&mut self, who: usize, what: &str) {
        let shown = self
            .site
            .zone
            .to_datetime(real::stamp(self.start + self.time));
        let minutes = self.rng.random_range(-2000..2000);
        let date = shown
            .checked_add(jiff::Span::new().minutes(minutes))
            .unwrap()
            .with()
            .second(0)
            .subsec_nanosecond(0)
            .build()
            .unwrap();
        let person = &mut self.site.people[who];
        match what {
            "suspended" => person.subject.status = PersonStatus::Suspended,
            "resumed" => person.subject.status = PersonStatus::Active,
            "valid from" => person.subject.valid_from = Some(date),
            "valid until" => person.subject.valid_until = Some(date),
            "always valid" => {
                (person.subject.valid_from, person.subject.valid_until) = (None, None);
            }
            "PIN set" => site::give_pin(&mut self.rng, person),
            "PIN taken" => (person.pin, person.duress, person.subject.pin) = (None, None, None),
            "extended" => person.subject.extended ^= true,
            "removed" => person.enrolled = false,
            "enrolled" => person.enrolled = true,
            _ => person.subject.groups = site::groups_of(&mut self.rng, &self.site.rules),
        }
    }
}
