//! What was read of the store, and what the naive model believes of it.

use doorward_core::conditions::Source;
use doorward_core::event::{Alarm, Mode};
use doorward_core::guard::WithoutRecord;

use super::door::Knock;
use super::{Naive, of};
use crate::happening::{Now, Said, Site};

/// What was read longer ago lets nobody in.
const FRESH: i64 = 3_000;

impl Naive {
    /// What was read, where that is news.
    pub(super) fn take_over(&mut self, site: &Site, now: Now) {
        let run = &mut self.running;
        let Some(at) = run.known.at else { return };
        let news = (run.known.revision, at);
        if run.stopped || run.applied.is_some_and(|last| last == news || last.1 > at) {
            return;
        }
        let known_since = run.known.since.unwrap_or(at);
        run.passed
            .retain(|_, passed| passed.written.is_none_or(|at| at >= known_since));
        if !self.reading_is_new() {
            return;
        }
        let run = &mut self.running;
        let revision = run.applied.map(|last| last.0);
        run.applied = Some(news);
        if revision != Some(news.0) {
            if run.disowned.is_some_and(|order| order != run.known.order) {
                run.disowned = None;
            }
            let order = match run.disowned {
                Some(_) => run.order,
                None => run.known.order,
            };
            self.new_pins(revision.is_some());
            match (revision, order) {
                (None, Some((mode, until))) if !now.trusted => {
                    self.doubt(site, mode, until, now);
                }
                (Some(_), Some(_)) if order == self.running.doubted => {}
                _ => self.govern(site, order, now),
            }
            for (alarm, at) in self.running.known.noted.clone() {
                self.noted(alarm, at, now);
                match alarm {
                    Alarm::Clock => self.running.clock.right(at, now),
                    Alarm::Restored => self.running.clock.anew(at),
                    _ => {}
                }
            }
            self.follow_schedule(site, now);
        }
        if site.interlock {
            let blocked = self.running.known.blocked;
            self.knock(site, Knock::Interlock(blocked), now);
        }
    }

    /// Whether what was read knows everything that was written here.
    pub(super) fn reading_is_new(&self) -> bool {
        let after = self.running.facts_after;
        let at = self.running.known.at;
        at.is_some_and(|at| after.is_none_or(|after| at > after))
    }

    pub(super) fn fresh(&self, now: Now) -> bool {
        let at = self.running.known.at;
        at.is_some_and(|at| now.tick - at <= FRESH)
    }

    /// Whether people may be let in by what was read.
    pub(super) fn knows(&self, site: &Site, now: Now) -> bool {
        let anyhow = site.without_record == WithoutRecord::Grant;
        self.fresh(now) || (anyhow && self.running.known.at.is_some())
    }

    pub(super) fn govern(&mut self, site: &Site, order: Option<(Mode, Option<i64>)>, now: Now) {
        let order = order.filter(|(_, until)| until.is_none_or(|until| until > now.wall));
        (self.running.order, self.running.doubted) = (order, None);
        let choice = order.map(|(mode, until)| (mode, until.map(|until| until - now.wall), until));
        self.knock(site, Knock::Operator(choice), now);
    }

    /// An order of the last run, by a clock that may be hours behind. What opens waits for the time; what
    /// does not lasts as long as it may have to, which is counted from the newest that is on the record.
    fn doubt(&mut self, site: &Site, mode: Mode, until: Option<i64>, now: Now) {
        let order = Some((mode, until));
        (self.running.order, self.running.doubted) = (order, order);
        let earliest = self.running.newest.unwrap_or(now.wall);
        let lasts = until.map(|until| until - earliest);
        let takes = mode != Mode::Unlocked && lasts.is_none_or(|lasts| lasts > 0);
        let choice = takes.then_some((mode, lasts, until));
        self.knock(site, Knock::Operator(choice), now);
    }

    /// Whoever has another PIN than before begins anew.
    fn new_pins(&mut self, known: bool) {
        let run = &mut self.running;
        let people = run.known.people.iter();
        let pins: Vec<Option<u32>> = people
            .map(|person| (person.enrolled && person.pin.is_some()).then_some(person.pins))
            .collect();
        let before = run.pins.iter().zip(&pins);
        for (tries, (before, after)) in run.desk.tries.iter_mut().zip(before) {
            if known && before != after {
                tries.clear();
            }
        }
        run.pins = pins;
    }

    /// Somebody took note then of what had been told by then.
    pub(super) fn noted(&mut self, alarm: Alarm, at: i64, now: Now) {
        let forced = self.running.forced.iter();
        let since: Vec<Source> = forced
            .filter(|(_, told)| **told > at)
            .map(|(who, _)| of(*who))
            .collect();
        if self.running.alarms.noted(alarm, &since) {
            self.say(vec![Said::Cleared(alarm)], None, now);
        }
    }

    pub(super) fn follow_schedule(&mut self, site: &Site, now: Now) {
        let unlocked = self.unlock_hours(site, now);
        self.knock(site, Knock::Schedule(unlocked), now);
    }
}
