//! The guard's way to the record: what waits for the disk, what is under way, what becomes of it.
//!
//! One batch is under way at a time; what comes meanwhile goes with the next, so that a slow disk
//! writes more at a time instead of falling behind. What was decided on condition of its record is
//! given back as soon as that fails or takes too long; what has happened anyway is kept, in order,
//! until it can be written. Nobody is let in behind such a backlog: by the time it is written,
//! somebody else may stand at the door. Knows no door and no disk.

use std::collections::VecDeque;
use std::time::Duration;

use super::entry::{Batch, Done, Entry, EntryId, Outcome, Rejection};
use crate::clock::Tick;
use crate::clock::Timestamp;
use crate::event::wire::{DoorSummary, Publication};

/// How often a disk that cannot be written is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Entries that are kept at most while it cannot; a door sees about ten a minute.
const BACKLOG: usize = 1_000;
/// Entries in one transaction at most.
const BATCH: usize = 100;
/// Answers that wait at most; they are of use for a minute only.
const ANSWERS: usize = 32;

/// How long the record may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// After this what depends on the record is given up.
    pub give_up: Duration,
    /// After this it is an alarm.
    pub slow: Duration,
}

/// An entry and what follows from it.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    pub(super) entry: Entry,
    /// What follows; taken out when it was carried out or given up.
    pub(super) then: Option<T>,
    /// Whether it is not to be recorded unless that can be done in time.
    conditional: bool,
    /// Whether it was given up while it was under way.
    withdrawn: bool,
    since: Tick,
}

/// A batch that is being written.
#[derive(Debug)]
struct UnderWay<T> {
    entries: VecDeque<Waiting<T>>,
    answers: Vec<Publication>,
    since: Tick,
}

/// What became of an entry, as the guard has to know it.
#[derive(Debug)]
pub(super) enum Fate<T> {
    /// On the disk, in time.
    Recorded {
        then: T,
        entry: Entry,
        changed: bool,
    },
    /// On the disk, after it had been given up.
    TooLate { entry: Entry },
    /// It never will be.
    Rejected { then: T, why: Rejection },
    /// It was not written in time, or cannot be: given up.
    GivenUp { then: T },
    /// The same of what happens anyway: it stays to be written.
    GoesAhead { then: T, entry: EntryId },
}

/// What waits for the disk.
#[derive(Debug)]
pub(super) struct Record<T> {
    patience: Patience,
    next: u64,
    waiting: VecDeque<Waiting<T>>,
    answers: VecDeque<Publication>,
    under_way: Option<UnderWay<T>>,
    /// Set while the disk cannot be written: when to try again.
    retry_at: Option<Tick>,
    /// How many entries were lost for want of room, and not yet told of.
    lost: u64,
}

impl<T> Record<T> {
    pub(super) fn new(patience: Patience) -> Self {
        Self {
            patience,
            next: 1,
            waiting: VecDeque::new(),
            answers: VecDeque::new(),
            under_way: None,
            retry_at: None,
            lost: 0,
        }
    }

    /// Whether the disk could not be written the last time: nothing is decided on its record now.
    pub(super) fn is_behind(&self) -> bool {
        self.retry_at.is_some()
    }

    /// Whether everything is written.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_none() && self.answers.is_empty()
    }

    /// Something that happened, whether it can be recorded now or not.
    pub(super) fn keep(&mut self, entry: Entry, then: Option<T>, now: Tick) -> EntryId {
        if self.waiting.len() >= BACKLOG {
            let oldest = self
                .waiting
                .iter()
                .position(|waiting| waiting.then.is_none());
            if let Some(oldest) = oldest {
                self.waiting.remove(oldest);
                self.lost += 1;
            }
        }
        self.push(entry, then, false, now)
    }

    /// Something that happens only if it can be recorded in time; gives it back when that is not to be
    /// hoped for.
    pub(super) fn ask(&mut self, entry: Entry, then: T, now: Tick) -> Result<EntryId, T> {
        if self.is_behind() || self.waiting.len() >= BACKLOG {
            return Err(then);
        }
        Ok(self.push(entry, Some(then), true, now))
    }

    fn push(&mut self, mut entry: Entry, then: Option<T>, conditional: bool, now: Tick) -> EntryId {
        let id = EntryId(self.next);
        self.next += 1;
        entry.id = id;
        self.waiting.push_back(Waiting {
            entry,
            then,
            conditional,
            withdrawn: false,
            since: now,
        });
        id
    }

    /// A message that carries no event.
    pub(super) fn answer(&mut self, answer: Publication) {
        self.answers.push_back(answer);
        if self.answers.len() > ANSWERS {
            self.answers.pop_front();
        }
    }

    /// How many entries were lost since this was asked.
    pub(super) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// What follows from entries that have not been answered.
    pub(super) fn pending(&self) -> impl Iterator<Item = &T> {
        let under_way = self.under_way.iter().flat_map(|batch| &batch.entries);
        let all = under_way.chain(&self.waiting);
        all.filter_map(|waiting| waiting.then.as_ref())
    }

    /// The next transaction, when there is something to write and nothing under way. `state` is the
    /// summary once these entries are written; nothing when the one that is there still holds.
    pub(super) fn next_batch(
        &mut self,
        now: Tick,
        wall: Timestamp,
        state: impl FnOnce(&mut dyn Iterator<Item = &T>) -> Option<DoorSummary>,
    ) -> Option<Batch> {
        let waits = self.retry_at.is_some_and(|at| now < at);
        if self.under_way.is_some() || waits {
            return None;
        }
        self.answers
            .retain(|answer| answer.expires_at.is_none_or(|at| at > wall));
        let count = self.waiting.len().min(BATCH);
        let entries: VecDeque<_> = self.waiting.drain(..count).collect();
        let state = state(&mut entries.iter().filter_map(|waiting| waiting.then.as_ref()));
        let answers: Vec<_> = if self.is_behind() {
            Vec::new()
        } else {
            self.answers.drain(..).collect()
        };
        if entries.is_empty() && answers.is_empty() && state.is_none() {
            return None;
        }
        let batch = Batch {
            entries: entries
                .iter()
                .map(|waiting| waiting.entry.clone())
                .collect(),
            answers: answers.clone(),
            state,
        };
        self.under_way = Some(UnderWay {
            entries,
            answers,
            since: now,
        });
        Some(batch)
    }

    /// The answer to the batch that was under way.
    pub(super) fn done(&mut self, done: &Done, now: Tick) -> Vec<Fate<T>> {
        let Some(batch) = self.under_way.take() else {
            return Vec::new();
        };
        let failed = done.failure.is_some();
        self.retry_at = failed.then(|| now + RETRY);
        if failed {
            for answer in batch.answers.into_iter().rev() {
                self.answers.push_front(answer);
            }
            self.answers.truncate(ANSWERS);
        }
        let mut fates = Vec::new();
        let mut again = VecDeque::new();
        for mut waiting in batch.entries {
            let outcome = done.outcomes.iter().find(|(id, _)| *id == waiting.entry.id);
            // Whoever says nothing about an entry did not write it.
            let outcome = outcome.map_or(&Outcome::Failed, |(_, outcome)| outcome);
            let then = waiting.then.take();
            match outcome {
                Outcome::Committed { .. } if waiting.withdrawn => fates.push(Fate::TooLate {
                    entry: waiting.entry,
                }),
                Outcome::Committed { changed } => {
                    if let Some(then) = then {
                        fates.push(Fate::Recorded {
                            then,
                            entry: waiting.entry,
                            changed: *changed,
                        });
                    }
                }
                Outcome::Rejected(_) | Outcome::Failed if waiting.withdrawn => {}
                Outcome::Rejected(why) => match then {
                    Some(then) => {
                        let why = why.clone();
                        fates.push(Fate::Rejected { then, why });
                    }
                    // It has happened.
                    None => again.extend(self.bare(waiting, why)),
                },
                Outcome::Failed if waiting.conditional => {
                    if let Some(then) = then {
                        fates.push(Fate::GivenUp { then });
                    }
                }
                Outcome::Failed => {
                    if let Some(then) = then {
                        let entry = waiting.entry.id;
                        fates.push(Fate::GoesAhead { then, entry });
                    }
                    again.push_back(waiting);
                }
            }
        }
        for waiting in again.into_iter().rev() {
            self.waiting.push_front(waiting);
        }
        if failed {
            // Nothing else is decided on a record that cannot be written.
            fates.extend(self.give_up(|_| true));
            // Whoever is turned away leaves something to be written, which finds out by itself. Where
            // nothing follows, the same would be tried again at once, for ever.
            if self.waiting.is_empty() && !fates.is_empty() {
                self.retry_at = None;
            }
        }
        fates
    }

    /// What happened is recorded all the same, without what the store does not take.
    fn bare(&mut self, mut waiting: Waiting<T>, why: &Rejection) -> Option<Waiting<T>> {
        let entry = &mut waiting.entry;
        let bare = entry.spent.is_none()
            && entry.change.is_none()
            && entry.base.is_none()
            && entry.site.is_none();
        if bare {
            tracing::error!(?why, facts = ?entry.facts, "the store does not take what happened");
            self.lost += 1;
            return None;
        }
        (entry.spent, entry.change, entry.base, entry.site) = (None, None, None, None);
        Some(waiting)
    }

    /// Gives up what has waited for too long.
    pub(super) fn overdue(&mut self, now: Tick) -> Vec<Fate<T>> {
        let give_up = self.patience.give_up;
        self.give_up(|waiting| now.since(waiting.since) >= give_up)
    }

    /// Gives up everything that has not been answered: the service ends.
    pub(super) fn give_up_all(&mut self) -> Vec<Fate<T>> {
        self.give_up(|_| true)
    }

    fn give_up(&mut self, over: impl Fn(&Waiting<T>) -> bool) -> Vec<Fate<T>> {
        let mut fates = Vec::new();
        for waiting in self
            .under_way
            .iter_mut()
            .flat_map(|batch| &mut batch.entries)
        {
            if over(waiting)
                && let Some(then) = waiting.then.take()
            {
                waiting.withdrawn = waiting.conditional;
                fates.push(if waiting.conditional {
                    Fate::GivenUp { then }
                } else {
                    let entry = waiting.entry.id;
                    Fate::GoesAhead { then, entry }
                });
            }
        }
        for mut waiting in std::mem::take(&mut self.waiting) {
            match waiting.then.take() {
                Some(then) if over(&waiting) && waiting.conditional => {
                    fates.push(Fate::GivenUp { then });
                }
                Some(then) if over(&waiting) => {
                    let entry = waiting.entry.id;
                    fates.push(Fate::GoesAhead { then, entry });
                    self.waiting.push_back(waiting);
                }
                then => {
                    waiting.then = then;
                    self.waiting.push_back(waiting);
                }
            }
        }
        fates
    }

    /// For how long the batch that is under way has been, once that is too long.
    pub(super) fn slow(&self, now: Tick) -> Option<Duration> {
        let since = self.under_way.as_ref()?.since;
        Some(now.since(since)).filter(|lasts| *lasts >= self.patience.slow)
    }

    /// When [`overdue`](Self::overdue), [`slow`](Self::slow) or [`next_batch`](Self::next_batch) has
    /// something to say.
    pub(super) fn deadline(&self, now: Tick) -> Option<Tick> {
        let under_way = self.under_way.iter().flat_map(|batch| &batch.entries);
        let asked = under_way.chain(&self.waiting);
        let give_up = asked
            .filter(|waiting| waiting.then.is_some())
            .map(|waiting| waiting.since + self.patience.give_up)
            .min();
        let slow = self
            .under_way
            .as_ref()
            .map(|batch| batch.since + self.patience.slow);
        let slow = slow.filter(|at| *at > now);
        let retry = self
            .retry_at
            .filter(|_| self.under_way.is_none() && !self.is_empty());
        [give_up, slow, retry].into_iter().flatten().min()
    }
}
