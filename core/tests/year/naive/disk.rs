//! The naive model's disk, and what it reads of it.

use std::collections::{BTreeMap, BTreeSet};

use doorward_core::event::{Alarm, DenyReason, Mode, Role};

use super::memory::Noted;
use super::paper::{Change, Note, Paper, Spent};
use super::papers::{Away, Fate};
use crate::happening::{HISTORY, Inside, Line, OPERATORS, Person, Said, Site, Summary};

/// The record may be ahead of a clock that is right by so much.
const AHEAD: i64 = 60_000;

type Order = Option<(Mode, Option<i64>)>;

#[derive(Debug, Default)]
pub struct OnDisk {
    pub revision: i64,
    pub order: Order,
    pub noted: BTreeMap<Alarm, i64>,
    pub raised: BTreeSet<Alarm>,
    pub ever_raised: BTreeSet<Alarm>,
    pub inside: Vec<Inside>,
    pub(super) spent: Vec<Spent>,
    pub(super) record: Vec<(i64, Noted)>,
    /// Wrong PINs that are not on `record` any more, and neither is a right or a new one after them: when
    /// by the wall, and whose.
    pub(super) old_guesses: Vec<(i64, usize)>,
    /// The latest time that is on the record.
    pub newest: Option<i64>,
    /// The same by clocks that were trusted: of all that is on it, and of what came since somebody said
    /// that the clock is right, if ever.
    pub(super) trusted: Option<i64>,
    pub restored_at: Option<i64>,
    pub(super) since_right: Option<Option<i64>>,
    pub ended_released: bool,
    pub summary: Option<Summary>,
    pub engaged: bool,
    pub other_engaged: bool,
    pub lines: Vec<Line>,
    pub answers: Vec<(Option<String>, bool)>,
}

/// What was read of it.
#[derive(Debug, Default, Clone)]
pub struct Known {
    /// When, for the first time and for the last time at this revision.
    pub since: Option<i64>,
    pub at: Option<i64>,
    pub revision: i64,
    pub people: Vec<Person>,
    pub roles: [Option<Role>; OPERATORS.len()],
    pub order: Order,
    pub noted: BTreeMap<Alarm, i64>,
    pub inside: Vec<Inside>,
    pub blocked: bool,
}

impl OnDisk {
    pub fn read(&self, site: &Site, known: &mut Known, tick: i64) {
        if known.at.is_none() || known.revision != self.revision {
            *known = Known {
                since: Some(tick),
                at: None,
                revision: self.revision,
                people: site.people.clone(),
                roles: site.roles,
                order: self.order,
                noted: self.noted.clone(),
                inside: self.inside.clone(),
                blocked: false,
            };
        }
        known.at = Some(tick);
        known.blocked = site.interlock && self.other_engaged;
        if site.shared {
            known.inside.clone_from(&self.inside);
            known.since = Some(tick);
        }
    }

    pub fn set_order(&mut self, order: Order) {
        if self.order != order {
            self.order = order;
            self.revision += 1;
        }
    }

    pub fn note(&mut self, alarm: Alarm, wall: i64, trusted: bool) {
        if self.ever_raised.contains(&alarm) && !self.noted.contains_key(&alarm) {
            self.noted.insert(alarm, wall);
            self.revision += 1;
            if alarm == Alarm::Clock {
                self.since_right = Some(None);
            }
            self.happened(wall, trusted);
        }
    }

    pub fn happened(&mut self, wall: i64, trusted: bool) {
        let later = |newest: Option<i64>| Some(newest.map_or(wall, |newest| newest.max(wall)));
        self.newest = later(self.newest);
        if trusted {
            self.trusted = later(self.trusted);
            self.since_right = self.since_right.map(later);
        }
    }

    /// It was replaced; nothing on it was lost.
    pub fn restored(&mut self, wall: i64, trusted: bool) {
        self.raised.insert(Alarm::Restored);
        self.ever_raised.insert(Alarm::Restored);
        self.noted.remove(&Alarm::Restored);
        self.restored_at = Some(wall);
        self.revision += 1;
        self.happened(wall, trusted);
    }

    /// How far time has come by what is on it; what a clock that was ahead left there before somebody
    /// said that it is right says nothing.
    pub fn latest(&self, wall: i64) -> Option<i64> {
        let ahead = self.trusted.is_some_and(|latest| latest > wall + AHEAD);
        self.since_right.filter(|_| ahead).unwrap_or(self.trusted)
    }

    pub(super) fn remember(&mut self, wall: i64, noted: Noted) {
        if let Noted::NewPin(who) | Noted::Granted(who, _, true) = noted {
            self.old_guesses.retain(|(_, guessed)| *guessed != who);
        }
        self.record.push((wall, noted));
        if self.record.len() <= HISTORY {
            return;
        }
        // A guess is forgotten only by what came after it.
        let (wall, noted) = self.record.remove(0);
        if let Noted::Denied(Some(who), DenyReason::PinWrong) = noted {
            let over = |noted: &Noted| match noted {
                Noted::NewPin(one) | Noted::Granted(one, _, true) => *one == who,
                _ => false,
            };
            if !self.record.iter().any(|(_, noted)| over(noted)) {
                self.old_guesses.push((wall, who));
            }
        }
    }

    pub fn left(&mut self, site: &Site, who: usize) {
        let Some((_, inside)) = &mut self.inside[who] else {
            return;
        };
        if site.shared {
            *inside = false;
        } else {
            // Nobody else sees them: somebody says so on the command line.
            self.inside[who] = None;
            self.revision += 1;
        }
    }

    /// What becomes of each paper, and whether the disk failed.
    pub(super) fn write(&mut self, site: &Site, away: &Away, works: bool) -> (Vec<Fate>, bool) {
        let papers = &away.papers;
        let mut fates = vec![Fate::Failed; papers.len()];
        for (paper, fate) in papers.iter().zip(&mut fates) {
            match paper.note {
                Some(Note::Engage) if site.interlock && self.other_engaged => {
                    *fate = Fate::OtherDoor;
                }
                Some(Note::Engage | Note::Engaged) => self.engaged = true,
                Some(Note::Free) => self.engaged = false,
                None => {}
            }
            if let Some(Change::Passed(who)) = paper.change
                && site.shared
            {
                self.inside[who] = Some((paper.at, true));
            }
        }
        let kept = |(paper, fate): (&Paper, &Fate)| {
            let empty = paper.says.is_empty() && paper.change.is_none() && paper.spent.is_none();
            *fate != Fate::OtherDoor && !empty
        };
        let anything = papers.iter().zip(&fates).any(kept);
        let needed = anything || !away.answers.is_empty() || away.summary.is_some();
        if needed && !works {
            return (fates, true);
        }
        for (paper, fate) in papers.iter().zip(&mut fates) {
            if *fate != Fate::OtherDoor {
                *fate = self.paper(site, paper);
            }
        }
        for answer in &away.answers {
            self.answers.push((answer.id.clone(), answer.ok));
        }
        if away.summary.is_some() {
            self.summary.clone_from(&away.summary);
        }
        (fates, false)
    }

    fn paper(&mut self, site: &Site, paper: &Paper) -> Fate {
        if paper.base.is_some_and(|base| base != self.revision) {
            return Fate::Stale;
        }
        let same = |one: &Spent, two: &Spent| (one.from, one.id) == (two.from, two.id);
        let on_disk = |spent| self.spent.iter().any(|one| same(one, spent));
        if paper.spent.as_ref().is_some_and(on_disk) {
            return Fate::Twice;
        }
        match &paper.change {
            Some(Change::Noted(alarm)) if !self.ever_raised.contains(alarm) => {
                return Fate::Pointless;
            }
            Some(Change::Mode(Some((_, Some(until))))) if *until <= paper.at => {
                return Fate::Pointless;
            }
            Some(Change::Noted(alarm)) => self.note(*alarm, paper.at, paper.trusted),
            Some(Change::Mode(order)) => self.set_order(*order),
            Some(Change::Passed(who)) if !site.shared => {
                self.inside[*who] = Some((paper.at, true));
            }
            Some(Change::Passed(_)) | None => {}
        }
        let at = paper.at;
        let spent = paper.spent.clone();
        self.spent.extend(spent.map(|spent| Spent { at, ..spent }));
        for said in &paper.says {
            self.say(paper, said);
        }
        Fate::Written
    }

    fn say(&mut self, paper: &Paper, said: &Said) {
        let noted = match said {
            Said::Granted { who, rule, pin } => Some(Noted::Granted(*who, rule.clone(), *pin)),
            Said::Denied { who, reason, .. } => Some(Noted::Denied(*who, *reason)),
            Said::Asked { .. } => Some(Noted::Asked),
            _ => None,
        };
        self.happened(paper.at, paper.trusted);
        if let Some(noted) = noted {
            self.remember(paper.at, noted);
        }
        match said {
            Said::Granted { .. } | Said::Released { .. } => self.ended_released = true,
            Said::Secured(_) => self.ended_released = false,
            Said::Raised(alarm, _) => {
                self.raised.insert(*alarm);
                self.ever_raised.insert(*alarm);
                self.noted.remove(alarm);
            }
            Said::Cleared(alarm) => {
                self.raised.remove(alarm);
            }
            _ => {}
        }
        self.lines.push(Line {
            by: paper.by.clone(),
            at: paper.at,
            trusted: paper.trusted,
            said: said.clone(),
        });
    }
}
