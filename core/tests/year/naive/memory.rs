//! What the naive model remembers of denials, and what a start makes of the record.

use doorward_core::event::DenyReason;

use super::desk::Desk;
use super::rules::group_rule;
use crate::happening::{Now, Site};

/// An access event as it was recorded.
#[derive(Debug, Clone)]
pub enum Noted {
    Granted(usize, String),
    Denied(Option<usize>, DenyReason),
    Asked,
}

fn tried(reason: DenyReason) -> bool {
    use DenyReason as R;
    [
        R::SpoofSuspected,
        R::LivenessUnproven,
        R::PinWrong,
        R::PinMissing,
    ]
    .contains(&reason)
}

fn alarming(reason: DenyReason) -> bool {
    use DenyReason as R;
    ![
        R::LowQuality,
        R::ClockUntrusted,
        R::Interlock,
        R::StorageFailure,
    ]
    .contains(&reason)
}

impl Desk {
    /// Until when somebody is or was locked out, and which of their tries count towards the next
    /// time: every counted denial again, from the first.
    fn tries_of(&self, site: &Site, who: usize) -> (i64, Vec<i64>) {
        let window = i64::from(site.access.lockout_window_s) * 1000;
        let enough = site.access.lockout_after as usize;
        let (mut until, mut counted) = (i64::MIN, Vec::new());
        for &at in self.tries[who].iter().filter(|_| enough > 0) {
            if at < until {
                continue;
            }
            counted.retain(|&one| at - one < window);
            counted.push(at);
            if counted.len() >= enough {
                until = at + i64::from(site.access.lockout_s) * 1000;
                counted.clear();
            }
        }
        (until, counted)
    }

    /// How long somebody is locked out still.
    pub fn locked_out(&self, site: &Site, who: usize, now: i64) -> Option<i64> {
        let (until, _) = self.tries_of(site, who);
        (now < until).then(|| until - now)
    }

    /// Whoever is not locked out and has not tried within the window begins anew. In the order of
    /// the record that is no matter of course: a clock may have been set back since.
    fn forget_old_tries(&mut self, site: &Site, tick: i64) {
        let window = i64::from(site.access.lockout_window_s) * 1000;
        for who in 0..self.tries.len() {
            if self.tries[who].is_empty() {
                continue;
            }
            let (until, counted) = self.tries_of(site, who);
            let recent = counted.last().is_some_and(|&at| tick - at < window);
            if tick >= until && !recent {
                self.tries[who].clear();
            }
        }
    }

    /// Somebody was denied: perhaps that is one too many.
    fn one_more(&mut self, site: &Site, tick: i64) {
        let window = i64::from(site.access.alarm_window_s) * 1000;
        let enough = site.access.alarm_after_denials as usize;
        self.denials.retain(|&one| tick - one < window);
        self.denials.push(tick);
        let many = enough > 0 && self.denials.len() >= enough;
        if many {
            self.denials.remove(0);
        }
        if many || self.alarm_until.is_some_and(|until| tick < until) {
            self.alarm_until = Some(tick + window);
        }
    }

    pub(super) fn denied(
        &mut self,
        site: &Site,
        who: Option<usize>,
        reason: DenyReason,
        tick: i64,
    ) {
        if let Some(who) = who.filter(|_| tried(reason)) {
            self.forget_old_tries(site, tick);
            self.tries[who].push(tick);
        }
        if alarming(reason) {
            self.one_more(site, tick);
        }
    }

    /// A start: what is known is what is on the record, by its age.
    pub fn remember(&mut self, site: &Site, record: &[(i64, Noted)], now: Now) {
        for (wall, noted) in record {
            match noted {
                Noted::Granted(who, rule) => {
                    self.tries[*who].clear();
                    let mut groups = site.rules.groups.iter();
                    if groups.any(|(name, group)| *rule == group_rule(name) && group.first_person) {
                        self.first_entered = Some(*wall);
                    }
                }
                Noted::Asked => {}
                Noted::Denied(who, reason) => {
                    let age = (now.wall - wall).max(0);
                    self.denied(site, *who, *reason, now.tick - age);
                }
            }
        }
    }
}
