//! A simulated disk: what the journal writes, and what the reader reads of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use doorward_core::access::rules::{Presence, Subject};
use doorward_core::clock::{Tick, Timestamp};
use doorward_core::command::Operator;
use doorward_core::command::gate::Spent;
use doorward_core::event::wire::DoorSummary;
use doorward_core::event::{Alarm, DenyReason, Event, Method, PersonId, PersonRef, Recorded};
use doorward_core::guard::{
    Batch, Change, Done, Entry, EntryId, Facts, Left, ModeOrder, Outcome, Rejection, SiteNote,
    Times,
};
use doorward_core::keys::PublicKey;
use uuid::Uuid;

use super::words::{inside, line};
use super::{person_id, who};
use crate::happening::{DOOR, HISTORY, Inside, Line, OPERATORS, OTHER, Site};

/// What is on it.
#[derive(Default)]
pub struct Store {
    revision: i64,
    pub order: Option<ModeOrder>,
    noted: BTreeMap<Alarm, Timestamp>,
    raised: BTreeSet<Alarm>,
    ever_raised: BTreeSet<Alarm>,
    presence: BTreeMap<usize, Presence>,
    /// The same by name, but for those who have moved since.
    by_name: Arc<BTreeMap<String, Presence>>,
    moved: Vec<usize>,
    pub spent: Vec<(Spent, Option<Timestamp>)>,
    history: VecDeque<Recorded>,
    /// Wrong PINs of each since their last right one or their newest.
    wrong: BTreeMap<PersonId, Vec<Recorded>>,
    newest: Option<Timestamp>,
    /// The times on it by clocks that were trusted: the newest before somebody last took note of the
    /// alarm `clock`, and the newest since.
    until_noted: Option<Timestamp>,
    since_noted: Option<Timestamp>,
    clock_noted: bool,
    restored_at: Option<Timestamp>,
    seq: u64,
    ended_released: bool,
    pub summary: Option<DoorSummary>,
    /// Whether this door is engaged by the site's file, and whether the other one is.
    pub engaged: bool,
    pub other_engaged: bool,
    /// What came onto the disk since it was last looked at.
    pub lines: Vec<Line>,
    pub answers: Vec<(Option<String>, bool)>,
    /// Releases on the disk since the relay was last secured.
    pub releases: usize,
}

impl Store {
    /// Administration changed something that the rules' revision counts.
    pub fn changed(&mut self, at: Timestamp, trusted: bool) {
        self.revision += 1;
        self.happened(at, trusted);
    }

    /// Something is on the record that nobody looks at but for its time.
    pub fn happened(&mut self, at: Timestamp, trusted: bool) {
        self.newest = self.newest.max(Some(at));
        if trusted {
            self.since_noted = self.since_noted.max(Some(at));
        }
    }

    /// Administration gave somebody a PIN, or took it.
    pub fn new_pin(&mut self, person: PersonRef, at: Timestamp) {
        self.wrong.remove(&person.id);
        let changes = vec!["PIN: changed".into(), "duress PIN: changed".into()];
        self.remember(None, at, true, &Event::PersonChanged { person, changes });
    }

    pub fn set_order(&mut self, order: Option<ModeOrder>) {
        if self.order != order {
            self.order = order;
            self.revision += 1;
        }
    }

    /// Somebody took note of an alarm; whether that changed anything.
    pub fn note(&mut self, alarm: Alarm, at: Timestamp, trusted: bool) -> bool {
        let new = self.ever_raised.contains(&alarm) && !self.noted.contains_key(&alarm);
        if new {
            self.noted.insert(alarm, at);
            self.revision += 1;
            if alarm == Alarm::Clock {
                self.until_noted = self.until_noted.max(self.since_noted.take());
                self.clock_noted = true;
            }
            self.happened(at, trusted);
        }
        new
    }

    /// Somebody went out where this door does not see them.
    pub fn left(&mut self, site: &Site, index: usize) {
        if site.shared {
            if let Some(presence) = self.presence.get_mut(&index) {
                self.moved.push(index);
                presence.area = None;
                presence.door = OTHER.into();
            }
        } else if self.presence.remove(&index).is_some() {
            self.revision += 1;
        }
    }

    pub fn inside(&self, index: usize) -> Inside {
        self.presence.get(&index).map(inside)
    }

    /// What the reader reads: what has not changed by its revision it knows already.
    pub fn read(&mut self, site: &Site, keys: &[PublicKey], facts: &mut Facts, now: Tick) {
        if facts.read_at.is_none() || facts.revision != self.revision {
            *facts = Facts {
                revision: self.revision,
                rules: Arc::new(site.rules.clone()),
                people: Arc::new(self.people(site)),
                operators: Arc::new(operators(site, keys)),
                order: self.order,
                acknowledged: Arc::new(self.noted.clone()),
                ..Facts::default()
            };
        }
        facts.read_at = Some(now);
        facts.interlocked = site.interlock && self.other_engaged;
        if site.shared {
            // Changed where it is, once nobody else looks at it.
            facts.presences = None;
            facts.presences = Some(self.by_name(site));
        }
    }

    fn by_name(&mut self, site: &Site) -> Arc<BTreeMap<String, Presence>> {
        let moved = std::mem::take(&mut self.moved);
        if moved.is_empty() {
            return Arc::clone(&self.by_name);
        }
        let all = Arc::make_mut(&mut self.by_name);
        for index in moved {
            let name = site.people[index].subject.person.name.to_ascii_lowercase();
            if let Some(presence) = self.presence.get(&index) {
                all.insert(name, presence.clone());
            }
        }
        Arc::clone(&self.by_name)
    }

    fn people(&self, site: &Site) -> BTreeMap<PersonId, Subject> {
        let people = site.people.iter().enumerate();
        let enrolled = people.filter(|(_, person)| person.enrolled);
        enrolled
            .map(|(index, person)| {
                let mut subject = person.subject.clone();
                if !site.shared {
                    subject.presence = self.presence.get(&index).cloned();
                }
                (person_id(index), subject)
            })
            .collect()
    }

    /// What a run left.
    pub fn left_behind(&self, now: Timestamp) -> Left {
        let noted = self.noted.get(&Alarm::Clock).copied();
        let looked = self.noted.get(&Alarm::Restored).copied();
        Left {
            times: Times {
                newest: self.newest_trusted(now),
                noted,
                not_before: noted.max(looked).max(self.restored_at),
            },
            alarms: self.raised.iter().copied().collect(),
            history: self.history().cloned().collect(),
            spent: self.spent.clone(),
            released: self.ended_released,
            newest: self.newest,
        }
    }

    /// What a clock that was ahead left there until somebody took note of that is passed over.
    fn newest_trusted(&self, now: Timestamp) -> Option<Timestamp> {
        let all = self.until_noted.max(self.since_noted);
        let ahead = all.is_some_and(|all| all.duration_since(now).as_millis() > 60_000);
        if ahead && self.clock_noted {
            self.since_noted
        } else {
            all
        }
    }

    /// The database was replaced; nothing of it was lost.
    pub fn restored(&mut self, at: Timestamp, trusted: bool) {
        self.raised.insert(Alarm::Restored);
        self.ever_raised.insert(Alarm::Restored);
        self.noted.remove(&Alarm::Restored);
        self.restored_at = Some(at);
        self.changed(at, trusted);
    }

    /// What is remembered, and wrong PINs that are older.
    fn history(&self) -> impl Iterator<Item = &Recorded> {
        let oldest = self.history.front().map_or(0, |recorded| recorded.seq);
        let wrong = self.wrong.values().flatten();
        wrong
            .filter(move |recorded| recorded.seq < oldest)
            .chain(&self.history)
    }

    /// What the journal does with a batch. The site's file is no matter of the disk.
    pub fn write(&mut self, site: &Site, mut batch: Batch, works: bool) -> Done {
        let mut outcomes = Vec::new();
        batch.entries.retain_mut(|entry| {
            let told = entry.site.take().is_none_or(|note| self.tell(site, &note));
            if !told {
                outcomes.push((entry.id, Outcome::Rejected(Rejection::Interlock)));
            }
            told
        });
        for entry in &batch.entries {
            if let Some(Change::Passed { person, area }) = &entry.change
                && site.shared
            {
                self.passed(who(person.id), area.clone(), entry.at);
            }
        }
        let contents = |entry: &Entry| {
            !entry.facts.is_empty() || entry.change.is_some() || entry.spent.is_some()
        };
        let empty = batch.answers.is_empty()
            && batch.state.is_none()
            && !batch.entries.iter().any(contents);
        let works = works || empty;
        for entry in &batch.entries {
            let outcome = if works {
                self.entry(site, entry)
            } else {
                Outcome::Failed
            };
            outcomes.push((entry.id, outcome));
        }
        if works {
            for answer in &batch.answers {
                let said: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
                let id = said["id"].as_str().map(str::to_owned);
                self.answers.push((id, said["ok"] == true));
            }
            if batch.state.is_some() {
                self.summary = batch.state;
            }
        }
        Done {
            outcomes,
            failure: (!works).then(|| "the disk cannot be written".to_owned()),
            site_told: true,
            took: std::time::Duration::ZERO,
        }
    }

    /// False when the other door is engaged.
    fn tell(&mut self, site: &Site, note: &SiteNote) -> bool {
        assert!(site.shared, "there is no file to tell");
        match note {
            SiteNote::Engage { unless } => {
                assert_eq!(unless.is_empty(), !site.interlock);
                if site.interlock && self.other_engaged {
                    return false;
                }
                self.engaged = true;
            }
            SiteNote::EngageAnyway => self.engaged = true,
            SiteNote::Free => self.engaged = false,
        }
        true
    }

    fn passed(&mut self, index: usize, area: Option<String>, at: Timestamp) {
        if !self.moved.contains(&index) {
            self.moved.push(index);
        }
        let door = DOOR.to_owned();
        self.presence.insert(index, Presence { area, door, at });
    }

    fn entry(&mut self, site: &Site, entry: &Entry) -> Outcome {
        if entry.base.is_some_and(|base| base != self.revision) {
            return Outcome::Rejected(Rejection::Stale);
        }
        let spent_before = |spent: &Spent| {
            let mut all = self.spent.iter();
            all.any(|(one, _)| (&one.operator, &one.id) == (&spent.operator, &spent.id))
        };
        if entry.spent.as_ref().is_some_and(spent_before) {
            return Outcome::Rejected(Rejection::Contradiction("spent already".into()));
        }
        let over = |until: Timestamp| until <= entry.at;
        let mut changed = true;
        match &entry.change {
            Some(Change::Acknowledge { alarm, .. }) if !self.ever_raised.contains(alarm) => {
                let words = "it was never raised".to_owned();
                return Outcome::Rejected(Rejection::Arguments(words));
            }
            Some(Change::Mode(Some((_, Some(until))))) if over(*until) => {
                let words = "its end has passed".to_owned();
                return Outcome::Rejected(Rejection::Arguments(words));
            }
            Some(Change::Acknowledge { alarm, .. }) => {
                let trusted = entry.facts.iter().all(|fact| fact.clock_synced);
                changed = self.note(*alarm, entry.at, trusted);
            }
            Some(Change::Mode(order)) => self.set_order(*order),
            Some(Change::Passed { person, area }) if !site.shared => {
                self.passed(who(person.id), area.clone(), entry.at);
            }
            Some(Change::Passed { .. }) | None => {}
        }
        if let Some(spent) = &entry.spent {
            let at = spent.counts.then_some(entry.at);
            self.spent.push((spent.clone(), at));
        }
        for fact in &entry.facts {
            self.append(entry.author.by(), fact.at, fact.clock_synced, &fact.event);
        }
        Outcome::Committed { changed }
    }

    fn append(&mut self, by: Option<String>, at: Timestamp, trusted: bool, event: &Event) {
        match event {
            Event::AccessGranted(_) => self.ended_released = true,
            Event::DoorReleased { .. } => {
                self.ended_released = true;
                self.releases += 1;
            }
            Event::DoorSecured { .. } => self.ended_released = false,
            Event::AlarmRaised { alarm, .. } => {
                self.raised.insert(*alarm);
                self.ever_raised.insert(*alarm);
                self.noted.remove(alarm);
            }
            Event::AlarmCleared { alarm } => {
                self.raised.remove(alarm);
            }
            _ => {}
        }
        self.lines.push(line(by.clone(), at, trusted, event));
        self.happened(at, trusted);
        let access = matches!(
            event,
            Event::AccessGranted(_) | Event::AccessDenied(_) | Event::AccessChallenged(_)
        );
        if access {
            self.remember(by, at, trusted, event);
        }
    }

    fn remember(&mut self, by: Option<String>, at: Timestamp, trusted: bool, event: &Event) {
        self.seq += 1;
        let recorded = Recorded {
            clock_synced: trusted,
            by,
            hash: Default::default(),
            seq: self.seq,
            id: Uuid::from_u128(self.seq.into()),
            time: at,
            event: event.clone(),
        };
        match event {
            Event::AccessGranted(granted) if granted.method == Method::FaceAndPin => {
                self.wrong.remove(&granted.person.id);
            }
            Event::AccessDenied(denied) if denied.reason == DenyReason::PinWrong => {
                let person = denied.person.as_ref().expect("it is somebody's PIN");
                let wrong = self.wrong.entry(person.id).or_default();
                wrong.push(recorded.clone());
            }
            _ => {}
        }
        self.history.push_back(recorded);
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
    }
}

fn operators(site: &Site, keys: &[PublicKey]) -> BTreeMap<String, Operator> {
    let all = OPERATORS.iter().zip(site.roles).zip(keys);
    all.filter_map(|((name, role), key)| {
        let (name, role, key) = ((*name).to_owned(), role?, key.clone());
        Some((name.clone(), Operator { name, role, key }))
    })
    .collect()
}

/// No entry of a batch is left without a word.
pub fn assert_answered(batch: &Batch, done: &Done) {
    let mut asked: Vec<EntryId> = batch.entries.iter().map(|entry| entry.id).collect();
    let mut answered: Vec<EntryId> = done.outcomes.iter().map(|(id, _)| *id).collect();
    asked.sort_unstable();
    answered.sort_unstable();
    assert_eq!(asked, answered);
}
