//! What was read of the store, and what the naive model believes of it.

use doorward_core::event::{Alarm, Mode};
use doorward_core::guard::WithoutRecord;

use super::Naive;
use super::door::Knock;
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
            self.govern(site, order, now);
            for (alarm, noted) in self.running.known.noted.clone() {
                if self.running.duress_at.is_none_or(|raised| noted >= raised) {
                    self.noted(alarm, now);
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
        self.running.order = order;
        let choice = order.map(|(mode, until)| (mode, until.map(|until| until - now.wall), until));
        self.knock(site, Knock::Operator(choice), now);
    }

    pub(super) fn noted(&mut self, alarm: Alarm, now: Now) {
        if self.running.alarms.noted(alarm) {
            self.say(vec![Said::Cleared(alarm)], None, now);
        }
    }

    pub(super) fn follow_schedule(&mut self, site: &Site, now: Now) {
        let unlocked = self.unlock_hours(site, now);
        self.knock(site, Knock::Schedule(unlocked), now);
    }
}
