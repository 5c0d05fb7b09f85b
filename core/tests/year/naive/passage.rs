//! From an answer to the relay, in the naive model: whatever releases is written first, but for the
//! exit button.

use doorward_core::conditions::Source;
use doorward_core::door::Refusal;
use doorward_core::event::{Alarm, Contact, DenyReason, ReleaseCause};
use doorward_core::guard::WithoutRecord;

use super::door::{Deed, Knock};
use super::paper::{Change, Guest, Note, Paper, Then, withdrawn};
use super::papers::{Away, Fate, News};
use super::running::Passed;
use super::{Naive, ms};
use crate::happening::{Inside, Now, Said, Site};

/// How long after securing somebody may still be opening the door.
const GRACE: i64 = 500;

impl Naive {
    /// One step of the door; what it leads to is the door's own doing.
    pub(super) fn knock(&mut self, site: &Site, knock: Knock, now: Now) {
        self.knock_for(site, knock, None, &[], now);
    }

    /// One step of the door, of which something is written already. What forbade it.
    pub(super) fn knock_for(
        &mut self,
        site: &Site,
        knock: Knock,
        by: Option<String>,
        written: &[Said],
        now: Now,
    ) -> Option<Refusal> {
        let deeds = self.running.door.knock(&site.door, knock, now.tick);
        let (mut says, mut refused, mut ask, mut exit) = (Vec::new(), None, false, false);
        for deed in deeds {
            match deed {
                Deed::Say(said) => {
                    let cause = ReleaseCause::Rex;
                    exit |= matches!(said, Said::Released { cause: why, .. } if why == cause);
                    says.push(said);
                }
                Deed::Raise(alarm) => {
                    if self.running.alarms.raise(alarm, Source::Door, None) {
                        says.push(Said::Raised(alarm, None));
                    }
                }
                Deed::Clear(alarm) => {
                    self.running.alarms.clear(alarm, Source::Door, now.tick);
                }
                Deed::Refuse(refusal) => refused = Some(refusal),
                Deed::AskToHold => ask = true,
            }
        }
        for said in &says {
            match said {
                Said::Opened => {
                    for who in std::mem::take(&mut self.running.entering) {
                        self.passes(who, now);
                    }
                }
                Said::Secured(_) => self.running.gone_at = Some(now.tick + GRACE),
                _ => {}
            }
        }
        says.retain(|said| !written.contains(said));
        if !says.is_empty() {
            let mut paper = self.paper(says, by, now);
            if exit && site.shared {
                paper.note = Some(Note::Engaged);
                self.running.engaged_told = Some(true);
            }
            self.running.papers.keep(paper);
        }
        if ask {
            self.ask_to_hold(site, now);
        }
        refused
    }

    /// Where somebody is: by what happened here, until what was read knows it.
    pub(super) fn where_is(&self, who: usize) -> Inside {
        let here = self.running.passed.get(&who);
        let read = || self.running.known.inside.get(who).copied().flatten();
        here.map(|passed| (passed.at, true)).or_else(read)
    }

    fn passes(&mut self, who: usize, now: Now) {
        let mut paper = self.paper(Vec::new(), None, now);
        paper.change = Some(Change::Passed(who));
        let paper = self.running.papers.keep(paper);
        let passed = Passed {
            at: now.wall,
            paper,
            written: None,
        };
        self.running.passed.insert(who, passed);
    }

    fn released_for(&self, site: &Site, guest: &Guest) -> Option<Said> {
        let time = if guest.longer {
            site.door.extended_release
        } else {
            site.door.release
        };
        (!self.running.door.released).then(|| Said::Released {
            cause: ReleaseCause::Grant,
            ms: Some(ms(time)),
            who: Some(guest.who),
        })
    }

    /// Asks for what lets somebody in: the grant, and the release where there is none yet.
    pub(super) fn admit(&mut self, site: &Site, mut guest: Guest, now: Now) {
        self.knock(site, Knock::Tick, now);
        if self.running.door.forbids(false).is_some() {
            return self.turn_away(site, guest, DenyReason::Interlock, now);
        }
        let first = guest.story.written.is_empty();
        let mut says = Vec::new();
        if first {
            says.push(Said::Granted {
                who: guest.who,
                rule: guest.rule.clone(),
                pin: guest.pin,
            });
        }
        let release = self.released_for(site, &guest);
        let note = self.engage(site, release.is_some());
        says.extend(release);
        guest.story.asked.clone_from(&says);
        let mut paper = self.paper(says, None, now);
        paper.base = first.then_some(self.running.known.revision);
        paper.note = note;
        if site.without_record == WithoutRecord::Deny {
            paper.then = Some(Then::LetIn(guest));
            return self.ask(site, paper, now);
        }
        if self.running.papers.behind() {
            paper.base = None;
            self.running.papers.keep(paper);
            let mut then = Then::LetIn(guest);
            then.noted();
            return self.anyway(site, then, now);
        }
        paper.then = Some(Then::LetIn(guest));
        self.running.papers.keep(paper);
    }

    pub(super) fn ask(&mut self, site: &Site, paper: Paper, now: Now) {
        if let Err(then) = self.running.papers.ask(paper) {
            self.given_up(site, *then, None, now);
        }
    }

    fn ask_to_hold(&mut self, site: &Site, now: Now) {
        let said = Said::Released {
            cause: ReleaseCause::Mode,
            ms: None,
            who: None,
        };
        let mut paper = self.paper(vec![said], None, now);
        paper.note = self.engage(site, true);
        paper.then = Some(Then::Hold);
        if site.without_record == WithoutRecord::Grant {
            self.running.papers.keep(paper);
        } else if self.running.papers.ask(paper).is_err() {
            self.knock(site, Knock::HoldNotRecorded, now);
        }
    }

    /// What the other doors are told before a release.
    pub(super) fn engage(&mut self, site: &Site, releases: bool) -> Option<Note> {
        let told = site.shared && releases;
        if told {
            self.running.engaged_told = None;
        }
        told.then_some(Note::Engage)
    }

    /// The disk has answered.
    pub(super) fn back(&mut self, site: &Site, away: Away, fates: &[Fate], failed: bool, now: Now) {
        if failed {
            self.running.told = None;
        }
        for (paper, fate) in away.papers.iter().zip(fates) {
            for passed in self.running.passed.values_mut() {
                if passed.paper == paper.number && *fate != Fate::Failed {
                    passed.written = Some(now.tick);
                }
            }
        }
        let news = self.running.papers.back(away, fates, failed, now.tick);
        self.learn(site, news, now);
        if failed {
            self.raise(Alarm::Storage, Source::Journal, None, now);
        } else {
            let alarms = &mut self.running.alarms;
            alarms.clear(Alarm::Storage, Source::Journal, now.tick);
        }
    }

    pub(super) fn learn_one(&mut self, site: &Site, news: News, now: Now) {
        match news {
            News::Written(mut then, note) => {
                then.noted();
                if note == Some(Note::Engage) {
                    self.running.engaged_told = Some(true);
                }
                self.written(site, then, now);
            }
            News::TooLate(says, change) => {
                self.withdraw(&says, now);
                if let Some(Change::Mode(late)) = change {
                    self.take_back(late, now);
                }
            }
            News::Refused(then, Fate::Stale) => self.put_off(site, then, now),
            News::Refused(then, fate) => self.given_up(site, then, Some(fate), now),
            News::GivenUp(then) => self.given_up(site, then, None, now),
            News::Anyway(mut then) => {
                then.noted();
                self.anyway(site, then, now);
            }
        }
    }

    /// A mode that was refused for being too late is on the disk all the same: not for long.
    fn take_back(&mut self, late: Option<(doorward_core::event::Mode, Option<i64>)>, now: Now) {
        let order = self.running.order;
        let order = order.filter(|(_, until)| until.is_none_or(|until| until > now.wall));
        if late == order {
            return;
        }
        self.running.disowned = Some(late);
        let mut paper = self.paper(Vec::new(), None, now);
        paper.change = Some(Change::Mode(order));
        self.running.papers.keep(paper);
    }

    fn written(&mut self, site: &Site, then: Then, now: Now) {
        match then {
            Then::LetIn(guest) => self.let_in(site, guest, now),
            Then::Unlock(order) => self.unlock_written(site, order, now),
            Then::CarryOut(order) => self.carry_out(site, order, now),
            Then::Hold => self.hold(site, now),
        }
    }

    /// It is not written, and happens all the same.
    fn anyway(&mut self, site: &Site, then: Then, now: Now) {
        match then {
            then if self.running.stopped => self.given_up(site, then, None, now),
            Then::LetIn(guest) => self.let_in_now(site, guest, now),
            then => self.written(site, then, now),
        }
    }

    fn let_in(&mut self, site: &Site, guest: Guest, now: Now) {
        self.knock(site, Knock::Tick, now);
        if self.running.door.forbids(false).is_some() {
            self.withdraw(&guest.story.written, now);
            return self.turn_away(site, guest, DenyReason::Interlock, now);
        }
        let release = self.released_for(site, &guest);
        if release.is_some_and(|release| !guest.story.written.contains(&release)) {
            return self.admit(site, guest, now);
        }
        self.let_in_now(site, guest, now);
    }

    fn let_in_now(&mut self, site: &Site, guest: Guest, now: Now) {
        let knock = Knock::Granted(guest.who, guest.longer);
        let written = guest.story.written.clone();
        if self.knock_for(site, knock, None, &written, now).is_some() {
            self.withdraw(&written, now);
            return self.turn_away(site, guest, DenyReason::Interlock, now);
        }
        if guest.first {
            self.running.desk.first_entered = Some(now.wall);
        }
        // Where a contact shows that it is shut, they have entered once it is open.
        if self.running.door.contact == Some(Contact::Closed) {
            self.running.entering.retain(|who| *who != guest.who);
            self.running.entering.push(guest.who);
            self.running.gone_at = None;
        } else {
            self.passes(guest.who, now);
        }
    }

    fn hold(&mut self, site: &Site, now: Now) {
        let said = Said::Released {
            cause: ReleaseCause::Mode,
            ms: None,
            who: None,
        };
        let before = self.running.door.released;
        self.knock_for(
            site,
            Knock::HoldRecorded,
            None,
            std::slice::from_ref(&said),
            now,
        );
        if !before && !self.running.door.released {
            self.withdraw(&[said], now);
        }
    }

    pub(super) fn given_up(&mut self, site: &Site, mut then: Then, why: Option<Fate>, now: Now) {
        let written = then.dropped();
        self.withdraw(&written, now);
        match then {
            Then::LetIn(guest) => {
                let reason = if why == Some(Fate::OtherDoor) {
                    DenyReason::Interlock
                } else {
                    DenyReason::StorageFailure
                };
                self.turn_away(site, guest, reason, now);
            }
            Then::Unlock(order) | Then::CarryOut(order) => {
                self.not_written(order, why, now);
            }
            Then::Hold => self.knock(site, Knock::HoldNotRecorded, now),
        }
        self.running.engaged_told = None;
    }

    pub(super) fn withdraw(&mut self, written: &[Said], now: Now) {
        if let Some(said) = withdrawn(written) {
            self.say(vec![said], None, now);
        }
    }
}
