//! What the naive model remembers of denials, and what a start makes of the record.

use doorward_core::event::DenyReason;

use super::desk::Desk;
use super::disk::OnDisk;
use super::rules::group_rule;
use crate::happening::{Now, Site};

/// An access event as it was recorded.
#[derive(Debug, Clone)]
pub enum Noted {
    /// Who, by which rule, and whether by a PIN too.
    Granted(usize, String, bool),
    NewPin(usize),
    Denied(Option<usize>, DenyReason),
    Asked,
}

/// How long each wrong PIN locks out after too many.
const DAY: i64 = 86_400_000;

pub(super) fn alarming(reason: DenyReason) -> bool {
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
    /// Until when somebody is or was locked out for wrong PINs within the window: each of them again, from
    /// the first.
    fn until(&self, site: &Site, who: usize) -> i64 {
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
        until
    }

    /// Until when somebody is or was locked out for wrong PINs over all windows.
    fn capped_until(&self, site: &Site, who: usize) -> Option<i64> {
        let most = site.access.lockout_after_wrong_pins as usize;
        let tries = &self.tries[who];
        let newest = tries.last().filter(|_| most > 0 && tries.len() >= most);
        newest.map(|at| at + DAY)
    }

    pub fn capped(&self, site: &Site, now: i64) -> Vec<usize> {
        let until = |who: &usize| self.capped_until(site, *who);
        let all = 0..self.tries.len();
        all.filter(|who| until(who).is_some_and(|until| now < until))
            .collect()
    }

    /// How long somebody is locked out still.
    pub fn locked_out(&self, site: &Site, who: usize, now: i64) -> Option<i64> {
        let capped = self.capped_until(site, who).unwrap_or(i64::MIN);
        let until = self.until(site, who).max(capped);
        (now < until).then(|| until - now)
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
        if let Some(who) = who.filter(|_| reason == DenyReason::PinWrong) {
            self.tries[who].push(tick);
        }
        if alarming(reason) {
            self.one_more(site, tick);
        }
    }

    /// A start: what is known is what is on the record, by its age. An untrusted clock is behind, if it
    /// says that it is earlier than it was already.
    pub(super) fn remember(&mut self, site: &Site, disk: &OnDisk, now: Now) {
        let earliest = disk.newest.filter(|_| !now.trusted).unwrap_or(i64::MIN);
        let today = now.wall.max(earliest);
        for (wall, who) in &disk.old_guesses {
            let age = (today - wall).max(0);
            self.denied(site, Some(*who), DenyReason::PinWrong, now.tick - age);
        }
        for (wall, noted) in &disk.record {
            match noted {
                Noted::NewPin(who) => self.tries[*who].clear(),
                Noted::Granted(who, rule, pin) => {
                    if *pin {
                        self.tries[*who].clear();
                    }
                    let mut groups = site.rules.groups.iter();
                    if groups.any(|(name, group)| *rule == group_rule(name) && group.first_person) {
                        self.first_entered = Some(*wall);
                    }
                }
                Noted::Asked => {}
                Noted::Denied(who, reason) => {
                    let age = (today - wall).max(0);
                    self.denied(site, *who, *reason, now.tick - age);
                }
            }
        }
    }
}
