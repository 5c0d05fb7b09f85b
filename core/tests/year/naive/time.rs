//! What time alone brings about in the naive model, and the end.

use doorward_core::conditions::Source;
use doorward_core::event::Alarm;

use super::door::Knock;
use super::{Naive, of};
use crate::happening::{Now, Said, Site};

/// How often the schedule is looked at.
const ROUND: i64 = 250;

impl Naive {
    pub(super) fn time_passes(&mut self, site: &Site, now: Now) {
        self.knock(site, Knock::Tick, now);
        if self.running.gone_at.is_some_and(|at| at <= now.tick) {
            self.running.gone_at = None;
            self.running.entering.clear();
        }
        let answers = self.running.desk.over(site, now);
        self.answered(site, answers, now);
        let since = now.tick - site.give_up;
        let over = self.running.papers.give_up(|paper| paper.since <= since);
        self.learn(site, over, now);
        self.decide_again(site, now);
        let slow = self.running.papers.away_since();
        if slow.is_some_and(|since| now.tick - since >= site.slow) {
            if !self.running.alarms.held(Alarm::Storage, Source::Disk) {
                self.raise(Alarm::Storage, Source::Disk, None, now);
            }
        } else {
            let alarms = &mut self.running.alarms;
            alarms.clear(Alarm::Storage, Source::Disk, now.tick);
        }
        if self.running.round_at.is_some_and(|at| at <= now.tick) {
            self.running.round_at = None;
            if !self.running.stopped {
                self.running.round_at = Some(now.tick + ROUND);
                self.follow_schedule(site, now);
            }
        }
        if self.running.desk.many_denials(now.tick) {
            let whom = self.running.denied_last;
            if self
                .running
                .alarms
                .raise(Alarm::RepeatedDenied, Source::Visitor, None)
            {
                self.say(vec![Said::Raised(Alarm::RepeatedDenied, whom)], None, now);
            }
        } else {
            let alarms = &mut self.running.alarms;
            alarms.clear(Alarm::RepeatedDenied, Source::Visitor, now.tick);
        }
        self.wrong_pins(site, now);
        for alarm in self.running.alarms.over(now.tick) {
            self.say(vec![Said::Cleared(alarm)], None, now);
        }
    }

    /// Nothing is decided by a clock that nobody has looked at.
    pub(super) fn look_at_clock(&mut self, now: Now) {
        self.running.clock.look(now);
        if !self.running.clock.wrong {
            let alarms = &mut self.running.alarms;
            alarms.clear(Alarm::Clock, Source::Clock, now.tick);
        } else if !self.running.stopped {
            let alarms = &mut self.running.alarms;
            let news = alarms.raise(Alarm::Clock, Source::Clock, None);
            if news || self.running.clock.needs_a_word() {
                self.running.clock.heard = false;
                self.say(vec![Said::Raised(Alarm::Clock, None)], None, now);
            }
        }
    }

    /// Who is locked out for too many wrong PINs is an alarm of theirs for as long.
    fn wrong_pins(&mut self, site: &Site, now: Now) {
        let capped = self.running.desk.capped(site, now.tick);
        let alarms = &mut self.running.alarms;
        if alarms.standing().any(|alarm| alarm == Alarm::WrongPins) {
            for who in (0..site.people.len()).filter(|who| !capped.contains(who)) {
                alarms.clear(Alarm::WrongPins, of(who), now.tick);
            }
        }
        for who in capped {
            let known = self.running.known.people.get(who);
            if known.is_some_and(|person| person.enrolled) {
                self.raise_of(Alarm::WrongPins, who, None, now);
            }
        }
    }

    pub(super) fn stop(&mut self, site: &Site, now: Now) {
        self.knock(site, Knock::Stop, now);
        let given_up = self.running.papers.give_up(|_| true);
        self.running.stopped = true;
        self.learn(site, given_up, now);
        let over = self.running.alarms.finish();
        let over: Vec<Said> = over.into_iter().map(Said::Cleared).collect();
        if !over.is_empty() {
            self.say(over, None, now);
        }
        self.running.round_at = None;
    }
}
