//! What administration changed: rules, the operator's mode, acknowledgements, the unlock schedule.
//!
//! All of it stands in the store, written by the command line in another process, and comes in as
//! facts. Never writes a rule.

use super::{Author, Change, Done, EntryId, Facts, Guard, ModeOrder, Outcome, Passed};
use crate::access::rules::Presence;
use crate::clock::{Moment, Tick};
use crate::door::{Choice, Input};
use crate::event::Alarm;

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
            self.govern(order, now);
            for (alarm, noted) in facts.acknowledged.iter() {
                // Not of one that has been raised since.
                if self.duress_at.is_none_or(|raised| *noted >= raised) {
                    self.acknowledged(*alarm, now);
                }
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

    /// An operator ordered a mode, or none.
    pub(super) fn govern(&mut self, order: Option<ModeOrder>, now: &Moment) {
        let order = order.filter(|(_, until)| until.is_none_or(|until| until > now.wall));
        self.order = order;
        let choice = order.map(|(mode, until)| Choice {
            mode,
            lasts: until.map(|until| {
                let left = until.duration_since(now.wall);
                left.try_into().unwrap_or_default()
            }),
            until,
        });
        self.step(Input::Operator(choice), now);
    }

    /// An order is on the disk after it was refused for being too late: the one before it goes on
    /// governing, and is put back.
    pub(super) fn take_back(&mut self, late: Option<ModeOrder>, now: &Moment) {
        let order = self.order;
        let order = order.filter(|(_, until)| until.is_none_or(|until| until > now.wall));
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

    /// Somebody took note of an alarm.
    pub(super) fn acknowledged(&mut self, alarm: Alarm, now: &Moment) {
        if let Some(event) = self.conditions.acknowledged(alarm) {
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

impl Passed {
    pub(super) fn now(presence: Presence, entry: EntryId) -> Self {
        Self {
            presence,
            entry,
            written: None,
        }
    }
}
