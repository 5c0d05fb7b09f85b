//! What administration changed: rules, the operator's mode, acknowledgements, the unlock schedule.
//!
//! All of it stands in the store, written by the command line in another process, and comes in as
//! facts. Never writes a rule.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Author, Change, Done, EntryId, Facts, Guard, ModeOrder, Outcome, Passed};
use crate::access::rules::{Presence, Subject};
use crate::clock::{Moment, Tick, Timestamp};
use crate::conditions::Source;
use crate::door::{Choice, Input};
use crate::event::{Alarm, Mode, PersonId};

impl Guard {
    /// Whether the facts know everything that was committed here.
    pub(super) fn facts_are_new(&self, facts: &Facts) -> bool {
        facts
            .read_at
            .is_some_and(|at| self.facts_after.is_none_or(|after| at > after))
    }

    /// Takes over what is new in the facts.
    pub(super) fn apply_facts(&mut self, facts: &Facts, now: &Moment) {
        let Some(read_at) = facts.read_at else { return };
        let known = (facts.revision, read_at);
        if self.stopped
            || self
                .applied
                .is_some_and(|last| last == known || last.1 > read_at)
        {
            return;
        }
        if self
            .revised
            .is_none_or(|(revision, _)| revision != facts.revision)
        {
            self.revised = Some((facts.revision, read_at));
        }
        // Where people are by the site's file is read each time, everything else when it has changed.
        let people_at = match (&facts.presences, self.revised) {
            (None, Some((_, at))) => at,
            _ => read_at,
        };
        self.presences
            .retain(|_, passed| passed.written.is_none_or(|written| written >= people_at));
        let known = self.applied.map(|(revision, _)| revision);
        if !self.facts_are_new(facts) {
            return;
        }
        self.applied = Some((facts.revision, read_at));
        if known != Some(facts.revision) {
            self.policy.rules = (*facts.rules).clone();
            self.new_pins(facts, known.is_some());
            if known.is_some() {
                tracing::info!("the rules were changed");
            }
            if self.disowned.is_some_and(|late| late != facts.order) {
                self.disowned = None;
            }
            let order = match self.disowned {
                Some(_) => self.order,
                None => facts.order,
            };
            match known {
                None => self.take_up(order, now),
                // What stands there since the start goes on being doubted.
                Some(_) if order.is_some() && order == self.doubted => {}
                Some(_) => self.govern(order, now),
            }
            for (alarm, noted) in facts.acknowledged.iter() {
                self.acknowledged(*alarm, *noted, now);
                match alarm {
                    Alarm::Clock => self.wall.noted(*noted, now),
                    Alarm::Restored => self.wall.look_anew(*noted),
                    _ => {}
                }
            }
            self.follow_schedule(now);
        }
        if !self.settings.interlock.is_empty() {
            let blocked = facts.interlocked;
            self.step(Input::Interlock { blocked }, now);
        }
    }

    /// Whoever has another PIN begins anew; at the start the record says so.
    fn new_pins(&mut self, facts: &Facts, compare: bool) {
        let before = std::mem::replace(&mut self.people, Arc::clone(&facts.people));
        let pin = |people: &BTreeMap<PersonId, Subject>, person| {
            let pins = people.get(&person)?.pin.as_ref()?;
            Some(pins.pin.clone())
        };
        let counted: Vec<_> = self.desk.counted().collect();
        for person in counted {
            if compare && pin(&before, person) != pin(&facts.people, person) {
                self.desk.new_pin(person);
            }
        }
    }

    /// An operator ordered a mode, or none.
    pub(super) fn govern(&mut self, order: Option<ModeOrder>, now: &Moment) {
        let order = standing(order, now.wall);
        (self.order, self.doubted) = (order, None);
        self.step(
            Input::Operator(order.map(|order| choice(order, now.wall))),
            now,
        );
    }

    /// What stands in the store at the start. A clock that is not trusted may be hours behind after a
    /// power cut: an order that opens may be over by then, and is left until the time is known. One
    /// that does not open stays, unless the record has what happened after its end.
    fn take_up(&mut self, order: Option<ModeOrder>, now: &Moment) {
        if now.clock_trusted || order.is_none() {
            return self.govern(order, now);
        }
        let known = self.newest.unwrap_or(now.wall);
        let safe = order.filter(|(mode, _)| match mode {
            Mode::Unlocked => false,
            Mode::Lockdown | Mode::Normal => true,
        });
        if safe.is_none() {
            tracing::warn!(
                ?order,
                "a mode that opens is not taken up: the clock is not synchronised"
            );
        }
        (self.order, self.doubted) = (order, order);
        let choice = standing(safe, known).map(|order| choice(order, known));
        self.step(Input::Operator(choice), now);
    }

    /// Judges what was doubted at the start, once the time is known: before anybody is let in by it.
    pub(super) fn settle_doubt(&mut self, now: &Moment) {
        if now.clock_trusted && self.doubted.is_some() && !self.stopped {
            self.govern(self.doubted, now);
        }
    }

    /// An order is on the disk after it was refused for being too late: the one before it goes on
    /// governing, and is put back.
    pub(super) fn take_back(&mut self, late: Option<ModeOrder>, now: &Moment) {
        let order = standing(self.order, now.wall);
        if late == order {
            return;
        }
        tracing::warn!(
            ?late,
            "a mode that was refused is on the record: it is taken back"
        );
        self.disowned = Some(late);
        let mut entry = self.entry(Author::Door, Vec::new(), now);
        entry.change = Some(Change::Mode(order));
        self.record.keep(entry, None, now.tick);
    }

    /// Somebody took note of an alarm then; not of what was told of after that.
    pub(super) fn acknowledged(&mut self, alarm: Alarm, noted: Timestamp, now: &Moment) {
        let since: Vec<Source> = self
            .forced
            .iter()
            .filter(|(_, told)| **told > noted)
            .map(|(person, _)| Source::Person(*person))
            .collect();
        if let Some(event) = self.conditions.acknowledged(alarm, &since) {
            self.keep(Author::Door, vec![event], now);
        }
    }

    /// What the unlock schedule says now.
    pub(super) fn follow_schedule(&mut self, now: &Moment) {
        let unlocked = self.desk.unlocked(&self.policy, now);
        self.step(Input::Schedule { unlocked }, now);
    }

    /// Where people are is on the disk: the facts that are read from now on know it.
    pub(super) fn presences_written(&mut self, done: &Done, now: Tick) {
        for (id, outcome) in &done.outcomes {
            if matches!(outcome, Outcome::Failed) {
                continue;
            }
            for passed in self.presences.values_mut() {
                if passed.entry == *id {
                    passed.written = Some(now);
                }
            }
        }
    }
}

/// An order whose end has not come.
fn standing(order: Option<ModeOrder>, at: Timestamp) -> Option<ModeOrder> {
    order.filter(|(_, until)| until.is_none_or(|until| until > at))
}

/// An order as the door takes it.
fn choice((mode, until): ModeOrder, at: Timestamp) -> Choice {
    let left = |until: Timestamp| until.duration_since(at).try_into().unwrap_or_default();
    Choice {
        mode,
        lasts: until.map(left),
        until,
    }
}

impl Passed {
    pub(super) fn now(presence: Presence, entry: EntryId) -> Self {
        Self {
            presence,
            entry,
            written: None,
        }
    }
}
