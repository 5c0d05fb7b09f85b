//! Whose digits they are: the keypad's turns, and what typed digits are compared with.
//!
//! Digits belong to whoever was shown when the first of them was pressed, whatever happens before
//! Enter. Who stands there without the turn can still call for help: the duress PINs of those who had
//! it a moment ago, or are locked out, are looked for in digits that are nobody's PIN. Flows in: whose
//! turn it is, and when. Flows out: a [`Comparison`], which takes long and is somebody else's to make,
//! and what came of it. Remembers few turns, whatever happens.

use std::collections::VecDeque;
use std::time::Duration;

use super::pin::{Digits, Pin};
use super::rules::PinHashes;
use crate::clock::Tick;
use crate::event::{PersonId, PersonRef};

/// How long a PIN may take from its first digit to Enter; longer than a keypad's silences allow.
pub const TYPING: Duration = Duration::from_secs(120);
/// How long after their turn somebody's duress PIN is looked for: who is forced is not hurried away
/// from the door by a minute, and who left an hour ago types nothing.
const LINGERS: Duration = Duration::from_secs(60);
/// Turns that are remembered; more than there are in [`TYPING`] before any door.
const TURNS: usize = 64;
/// Duress PINs that digits are compared with at most, the newest turns first: each takes a tenth of a
/// second and more.
pub const OTHERS: usize = 4;

/// A time in which digits could be somebody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn {
    person: PersonId,
    from: Tick,
    /// When it ended.
    to: Option<Tick>,
    /// Whether they were asked; otherwise they were turned away, locked out.
    asked: bool,
}

/// Who was shown at the keypad lately.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keypad {
    turns: VecDeque<Turn>,
}

impl Keypad {
    /// It is this person's turn, or nobody's.
    pub fn turn_of(&mut self, person: Option<PersonId>, now: Tick) {
        let running = self.turns.iter_mut().find(|turn| turn.to.is_none());
        match (running, person) {
            (Some(turn), Some(person)) if turn.person == person => return,
            (Some(turn), _) => turn.to = Some(now),
            (None, None) => return,
            (None, Some(_)) => {}
        }
        if let Some(person) = person {
            self.remember(
                Turn {
                    person,
                    from: now,
                    to: None,
                    asked: true,
                },
                now,
            );
        }
    }

    /// Somebody is turned away who would be asked, were they not locked out: nobody's turn. Who is turned
    /// away again soon was there all the time, and was there last.
    pub fn turned_away(&mut self, person: PersonId, now: Tick) {
        let lingers = |turn: &Turn| {
            let soon = turn.to.is_some_and(|to| now.since(to) <= LINGERS);
            turn.person == person && !turn.asked && soon
        };
        let before = self.turns.iter().position(lingers);
        let before = before.and_then(|at| self.turns.remove(at));
        self.remember(
            Turn {
                person,
                from: before.map_or(now, |turn| turn.from),
                to: Some(now),
                asked: false,
            },
            now,
        );
    }

    /// Whose turn it was.
    #[must_use]
    pub fn owner(&self, at: Tick) -> Option<PersonId> {
        let mut asked = self.turns.iter().rev().filter(|turn| turn.asked);
        let turn = asked.find(|turn| turn.from <= at && turn.to.is_none_or(|to| at < to))?;
        Some(turn.person)
    }

    /// Everybody else whose call for help digits may be that began then, the newest turn first.
    #[must_use]
    pub fn others(&self, owner: Option<PersonId>, began: Tick) -> Vec<PersonId> {
        let mut others = Vec::new();
        for turn in self.turns.iter().rev() {
            let there = turn.from <= began
                && turn.to.is_none_or(|to| began.since(to) <= LINGERS)
                && Some(turn.person) != owner;
            if there && !others.contains(&turn.person) {
                others.push(turn.person);
            }
        }
        others
    }

    fn remember(&mut self, turn: Turn, now: Tick) {
        let long_ago = |to: Tick| now.since(to) > TYPING + LINGERS;
        self.turns.retain(|turn| !turn.to.is_some_and(long_ago));
        if self.turns.len() >= TURNS {
            self.turns.pop_front();
        }
        self.turns.push_back(turn);
    }
}

/// What typed digits are to be compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Whoever typed them, if it was anybody's turn.
    pub owner: Option<(PersonRef, PinHashes)>,
    /// Whose duress PIN they may be.
    pub others: Vec<(PersonRef, PinHashes)>,
}

/// What digits were found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Which PIN of whoever typed them.
    pub owner: Option<(PersonId, Pin)>,
    /// Who called for help by them.
    pub forced: Option<PersonRef>,
}

impl Comparison {
    /// Whether there is nothing to compare.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.owner.is_none() && self.others.is_empty()
    }

    /// Compares. Takes as long whatever the digits are: nobody who looks on must be able to tell.
    #[must_use]
    pub fn with(&self, digits: &Digits) -> Compared {
        let digits = digits.as_str();
        let own = self.owner.as_ref();
        let own = own.map(|(person, hashes)| (person, hashes.verify(digits)));
        let others: Vec<_> = self
            .others
            .iter()
            .map(|(person, hashes)| (person, hashes.is_duress(digits)))
            .collect();
        let forced = match own {
            Some((person, Pin::Duress)) => Some(person),
            Some((_, Pin::Right)) => None,
            Some((_, Pin::Wrong)) | None => {
                let mut others = others.into_iter();
                others.find_map(|(person, duress)| duress.then_some(person))
            }
        };
        Compared {
            owner: own.map(|(person, pin)| (person.id, pin)),
            forced: forced.cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{DURESS, PIN, hash, pins, subject};
    use super::*;

    fn at(seconds: u64) -> Tick {
        Tick(Duration::from_secs(seconds))
    }

    fn person(n: u8) -> PersonId {
        subject(n, &[]).person.id
    }

    #[test]
    fn a_turn_lasts_until_the_next_one_begins() {
        let mut keypad = Keypad::default();
        keypad.turn_of(None, at(1));
        keypad.turn_of(Some(person(1)), at(10));
        keypad.turn_of(Some(person(1)), at(12));
        keypad.turn_of(Some(person(2)), at(20));
        keypad.turn_of(Some(person(1)), at(22));
        keypad.turn_of(None, at(30));
        let owners = [9, 10, 19, 20, 21, 22, 29, 30].map(|second| keypad.owner(at(second)));
        let (one, two) = (Some(person(1)), Some(person(2)));
        assert_eq!(owners, [None, one, one, two, two, one, one, None]);
    }

    #[test]
    fn others_are_those_who_were_there_when_the_digits_began() {
        let mut keypad = Keypad::default();
        keypad.turn_of(Some(person(1)), at(10));
        keypad.turned_away(person(3), at(15));
        keypad.turn_of(Some(person(2)), at(20));
        keypad.turned_away(person(3), at(50));
        let others = |owner: Option<u8>, second| keypad.others(owner.map(person), at(second));
        assert_eq!(others(Some(1), 14), [], "3 was not there yet");
        assert_eq!(others(Some(2), 80), [person(3), person(1)]);
        assert_eq!(others(Some(2), 81), [person(3)], "1 is gone");
        assert_eq!(others(None, 111), [person(2)]);
    }

    #[test]
    fn who_is_turned_away_again_was_there_last_but_not_since_an_hour_ago() {
        let mut keypad = Keypad::default();
        keypad.turned_away(person(1), at(100));
        keypad.turned_away(person(2), at(110));
        keypad.turned_away(person(1), at(160));
        assert_eq!(keypad.others(None, at(165)), [person(1), person(2)]);
        assert_eq!(keypad.others(None, at(130)), [person(1), person(2)]);
        keypad.turned_away(person(1), at(3_700));
        assert_eq!(keypad.others(None, at(3_695)), []);
        assert_eq!(keypad.others(None, at(3_700)), [person(1)]);
    }

    #[test]
    fn few_are_remembered() {
        let mut keypad = Keypad::default();
        for n in 0..200 {
            keypad.turn_of(Some(person(n)), at(100));
            keypad.turned_away(person(n), at(100));
        }
        assert!(keypad.turns.len() <= TURNS);
        assert!(keypad.others(None, at(100)).len() <= TURNS);
        keypad.turn_of(None, at(1_000));
        keypad.turn_of(Some(person(1)), at(2_000));
        assert_eq!(keypad.turns.len(), 1);
    }

    #[test]
    fn digits_that_are_somebodys_own_are_nobody_elses() {
        let (one, two) = (subject(1, &[]).person, subject(2, &[]).person);
        // Their PIN is the other one's duress PIN.
        let own = PinHashes {
            pin: hash(DURESS),
            duress: None,
        };
        let comparison = Comparison {
            owner: Some((two.clone(), own)),
            others: vec![(one.clone(), pins())],
        };
        let with = |digits: &str| comparison.with(&Digits::new(digits.to_owned().into()));
        let right = with(DURESS);
        assert_eq!(right.owner, Some((two.id, Pin::Right)));
        assert_eq!(right.forced, None);
        let nobodys = Comparison {
            owner: None,
            ..comparison.clone()
        };
        let digits = Digits::new(DURESS.to_owned().into());
        assert_eq!(nobodys.with(&digits).forced, Some(one));
        assert_eq!(with(PIN).forced, None, "a right PIN is no call for help");
    }
}
