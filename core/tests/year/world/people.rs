//! How people react to what they are answered.

use doorward_core::event::{Alarm, Challenge, Contact, DenyReason};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::{DAY, Plan, World};
use crate::happening::{Happening, Now, Said, Seen};
use crate::site::{DURESS, WRONG};

impl World {
    /// What was seen: people react, and time is due. `lease` is until when the relay is released
    /// unless somebody looks.
    pub fn react(&mut self, seen: &Seen, due: Option<i64>, lease: Option<i64>, now: Now) {
        self.released = seen.until.is_some();
        if due != self.due {
            self.due = due;
            let late = if self.chance(0.1) {
                self.between(0, 4)
            } else {
                0
            };
            self.tick_at = due.map(|due| self.boot + due.max(now.tick) + late);
        }
        if lease != self.lease {
            self.lease = lease;
            let hangs = self.rarely(0.0002);
            let early = self.rng.random_range(20..500);
            let looks = lease.filter(|_| !hangs);
            self.renew_at = looks.map(|until| self.boot + (until - early).max(now.tick + 1));
        }
        if seen.read {
            let later = self.rng.random_range(1..300);
            self.happen(later, Happening::Tick);
        }
        if let Some(comparing) = &seen.compare {
            let later = self.rng.random_range(100..1500);
            self.happen(later, Happening::Compared(comparing.outcome));
        }
        for line in &seen.lines {
            self.react_to(&line.said);
        }
    }

    fn react_to(&mut self, said: &Said) {
        match *said {
            Said::Granted { who, .. } => self.enters(who),
            Said::Asked {
                who,
                challenge: Challenge::SecondPerson,
                ..
            } => self.brings_somebody(who),
            Said::Asked { who, .. } => self.types(who),
            Said::Denied {
                who: Some(who),
                reason,
                ..
            } => {
                self.types_all_the_same(who, reason);
                self.tries_again(who);
            }
            Said::Raised(Alarm::Duress, _) => {
                let later = if self.chance(0.1) {
                    self.between(0, 3)
                } else {
                    self.between(20, 3_000)
                };
                self.happen(later, Happening::Noted(Alarm::Duress));
            }
            Said::Raised(Alarm::Clock, _) if self.chance(0.7) => {
                let later = if self.chance(0.5) {
                    self.between(0, 300)
                } else {
                    self.between(300, 9_000)
                };
                self.happen(later, Happening::Noted(Alarm::Clock));
            }
            _ => {}
        }
    }

    fn tries_again(&mut self, who: usize) {
        if self.chance(0.15) && self.site.people[who].enrolled {
            let later = self.between(3, 12);
            self.happen(later, Happening::Claim(who));
        }
    }

    fn enters(&mut self, who: usize) {
        self.inside[who] = true;
        if self.chance(0.92) {
            let later = self.between(0, 4);
            self.plan(later, Plan::TryToOpen);
        }
        let forgets = self.chance(0.05);
        let later = self.between(300, if forgets { 90_000 } else { 20_000 });
        self.happen(later, Happening::Left(who));
    }

    fn brings_somebody(&mut self, who: usize) {
        if self.chance(0.75) {
            let groups = self.site.people[who].subject.groups.clone();
            let people = 0..self.site.people.len();
            let colleagues: Vec<usize> = people
                .filter(|&one| {
                    let person = &self.site.people[one];
                    let common = |name: &String| groups.contains(name);
                    person.enrolled && person.subject.groups.iter().any(common)
                })
                .collect();
            let later = self.between(1, 35);
            if let Some(&colleague) = colleagues.choose(&mut self.rng) {
                self.happen(later, Happening::Claim(colleague));
            }
        }
    }

    fn types(&mut self, who: usize) {
        self.asked.push(who);
        if self.asked.len() > 20 {
            self.asked.remove(0);
        }
        let guesses = self.guessed.get(&who).copied().unwrap_or(0);
        if guesses > 0 {
            self.guessed.insert(who, guesses - 1);
        }
        let (pin, duress) = self.digits(who);
        let digits = match self.rng.random_range(0..100) {
            _ if guesses > 0 => WRONG,
            0..75 => pin,
            75..80 => duress,
            80..92 => WRONG,
            _ => return,
        };
        let takes = self.rng.random_range(200..6_000);
        let later = self.between(0, 10) + takes;
        self.happen(later, Happening::Typed(digits, takes));
        if self.chance(0.12) {
            // Another face is seen before the first digit or while they type; they may go on.
            let comes = self.rng.random_range(0..later);
            let other = self.somebody_else();
            self.happen(comes, Happening::Claim(other));
            if self.chance(0.5) {
                let still = comes + self.between(1, 65);
                let digits = if self.chance(0.7) { duress } else { pin };
                self.types_at(still, digits);
            }
            if self.chance(0.3) {
                let back = comes + self.rng.random_range(1..8_000);
                self.happen(back, Happening::Claim(who));
            }
        }
        if digits == WRONG {
            let again = if guesses > 0 && self.chance(0.3) {
                self.between(60, 1_200)
            } else {
                self.between(2, 6)
            };
            self.happen(later + again, Happening::Claim(who));
        }
    }

    fn digits(&self, who: usize) -> (&'static str, &'static str) {
        let person = &self.site.people[who];
        (
            person.pin.unwrap_or(WRONG),
            person.duress.unwrap_or(DURESS[0]),
        )
    }

    fn types_at(&mut self, later: i64, digits: &'static str) {
        let takes = self.rng.random_range(200..6_000);
        self.happen(later + takes, Happening::Typed(digits, takes));
    }

    /// Rather somebody who is asked for a PIN too.
    fn somebody_else(&mut self) -> usize {
        let asked = self.asked.choose(&mut self.rng).copied();
        let anybody = self.rng.random_range(0..self.site.people.len());
        asked.filter(|_| self.chance(0.7)).unwrap_or(anybody)
    }

    /// Who is locked out, was displaced or typed too late types all the same, or calls for help; who
    /// guesses comes again.
    fn types_all_the_same(&mut self, who: usize, reason: DenyReason) {
        let often = match reason {
            DenyReason::Lockout => 0.4,
            DenyReason::PinMissing => 0.2,
            _ => return,
        };
        if self.chance(often) {
            let (pin, duress) = self.digits(who);
            let later = self.between(0, 70);
            let digits = if self.chance(0.6) { duress } else { pin };
            self.types_at(later, digits);
        }
        if reason == DenyReason::Lockout
            && let Some(left) = self.guessed.get_mut(&who).filter(|left| **left > 0)
        {
            *left -= 1;
            let later = if self.chance(0.8) {
                self.between(30, 1_000)
            } else {
                DAY + self.between(0, 3_600)
            };
            self.happen(later, Happening::Claim(who));
        }
    }

    pub(super) fn opens(&mut self) -> Happening {
        self.contact = Contact::Open;
        let mut later = 0;
        if self.rarely(0.002) {
            for _ in 0..self.rng.random_range(5..30) {
                for contact in [Contact::Closed, Contact::Open] {
                    later += self.rng.random_range(20..400);
                    self.plan(later, Plan::Move(contact));
                }
            }
        }
        let open = match self.rng.random_range(0..100) {
            0..88 => self.between(2, 7),
            88..98 => self.between(8, 90),
            _ => self.between(60, 900),
        };
        self.plan(later + open, Plan::Move(Contact::Closed));
        Happening::Contact(Contact::Open)
    }
}
