//! People are answered, in the naive model, and judged anew where the rules changed meanwhile.

use doorward_core::event::{Alarm, DenyReason};

use super::Naive;
use super::desk::Answer;
use super::door::Knock;
use super::memory::alarming;
use super::paper::{Guest, Story, Then};
use super::rules::Verdict;
use crate::happening::{Now, Said, Site};

/// How long an attack lasts that is not repeated.
const ATTACK: i64 = 60_000;

impl Naive {
    pub(super) fn face_denied(
        &mut self,
        site: &Site,
        who: Option<usize>,
        reason: DenyReason,
        now: Now,
    ) {
        self.look_up(site, now);
        self.deny_face(site, who, reason, now);
        if reason == DenyReason::SpoofSuspected {
            let until = Some(now.tick + ATTACK);
            if let Some(who) = who {
                self.raise_of(Alarm::SpoofSuspected, who, until, now);
            }
        }
    }

    pub(super) fn deny_face(
        &mut self,
        site: &Site,
        who: Option<usize>,
        reason: DenyReason,
        now: Now,
    ) {
        self.running.desk.denied(site, who, reason, now.tick);
        self.denied_of(who, reason);
        let (rule, pin) = (None, false);
        let said = Said::Denied {
            who,
            reason,
            rule,
            pin,
        };
        self.say(vec![said], None, now);
    }

    pub(super) fn answered(&mut self, site: &Site, answers: Vec<Answer>, now: Now) {
        for answer in answers {
            match answer {
                Answer::Granted {
                    who,
                    rule,
                    pin,
                    first,
                    accompanied,
                } => {
                    let guest = Guest {
                        who,
                        rule,
                        pin,
                        first,
                        longer: self.running.known.people[who].subject.extended,
                        accompanied,
                        story: Story::default(),
                    };
                    if self.knows(site, now) {
                        self.admit(site, guest, now);
                    } else {
                        self.turn_away(site, guest, DenyReason::StorageFailure, now);
                    }
                }
                Answer::Denied {
                    who,
                    reason,
                    rule,
                    pin,
                } => self.say_denied(who, reason, rule, pin, now),
                Answer::Asked { who, challenge, ms } => {
                    let said = Said::Asked { who, challenge, ms };
                    self.say(vec![said], None, now);
                }
            }
        }
    }

    fn denied_of(&mut self, who: Option<usize>, reason: DenyReason) {
        if alarming(reason) {
            self.running.denied_last = who;
        }
    }

    pub(super) fn say_denied(
        &mut self,
        who: usize,
        reason: DenyReason,
        rule: String,
        pin: bool,
        now: Now,
    ) {
        self.denied_of(Some(who), reason);
        let said = Said::Denied {
            who: Some(who),
            reason,
            rule: Some(rule),
            pin,
        };
        self.say(vec![said], None, now);
    }

    pub(super) fn turn_away(&mut self, site: &Site, guest: Guest, reason: DenyReason, now: Now) {
        let who = guest.who;
        self.running.desk.denied(site, Some(who), reason, now.tick);
        self.say_denied(who, reason, guest.rule, guest.pin, now);
    }

    /// The rules changed before it was written: it waits for the new ones.
    pub(super) fn put_off(&mut self, site: &Site, mut then: Then, now: Now) {
        let _ = then.dropped();
        self.running.facts_after = Some(now.tick);
        self.running.again.push((then, now.tick + site.give_up));
        self.running.read = true;
    }

    pub(super) fn decide_again(&mut self, site: &Site, now: Now) {
        let known = self.reading_is_new();
        for (then, until) in std::mem::take(&mut self.running.again) {
            match then {
                then if !known && until <= now.tick => self.given_up(site, then, None, now),
                then if !known => self.running.again.push((then, until)),
                Then::LetIn(guest) => self.judge_again(site, guest, now),
                Then::Unlock(order) | Then::CarryOut(order) => self.order_again(site, order, now),
                Then::Hold => self.knock(site, Knock::HoldNotRecorded, now),
            }
        }
    }

    pub(super) fn judge_again(&mut self, site: &Site, mut guest: Guest, now: Now) {
        if !self.running.known.people[guest.who].enrolled {
            return self.say_denied(guest.who, DenyReason::Unknown, guest.rule, guest.pin, now);
        }
        match self
            .judge(site, guest.who, guest.pin, guest.accompanied, now)
            .0
        {
            Verdict::Yes { rule, first } => {
                (guest.rule, guest.first) = (rule, first);
                guest.longer = self.running.known.people[guest.who].subject.extended;
                self.admit(site, guest, now);
            }
            Verdict::No { reason, rule } => {
                self.say_denied(guest.who, reason, rule, guest.pin, now);
            }
            Verdict::Ask { pin, rule } => {
                let reason = if pin {
                    DenyReason::PinMissing
                } else {
                    DenyReason::SecondPersonMissing
                };
                self.say_denied(guest.who, reason, rule, guest.pin, now);
            }
        }
    }
}
