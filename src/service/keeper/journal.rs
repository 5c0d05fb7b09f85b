//! The keeper's way to the record: now if it can be, in order as soon as it can.
//!
//! While the store fails, events wait in memory. Nothing new overtakes them, so the record keeps
//! the order in which things happened, and nobody is let in behind them: by the time they are
//! written, somebody else may stand at the door. Never touches the relay.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::{Tick, Timestamp};
use crate::event::Event;
use crate::event::wire::DoorSummary;
use crate::store::{Along, Store, StoreError};

/// How often a failed store is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Most events kept while the store fails; a door sees about ten a minute.
const BACKLOG: usize = 1_000;
/// Waiting events written at a time: the relay must not wait for all of them.
const BATCH: usize = 10;

/// The writing connection and what waits for it.
pub(super) struct Journal {
    store: Store,
    /// Tells the MQTT pump that there is something to send.
    committed: Box<dyn Fn() + Send>,
    /// What could not be written yet, in order.
    backlog: VecDeque<(Timestamp, Event)>,
    /// Set while the store fails: when to try again.
    retry_at: Option<Tick>,
    /// A failure that only a new start can repair.
    broken: Option<StoreError>,
}

impl Journal {
    pub(super) fn new(store: Store, committed: Box<dyn Fn() + Send>) -> Self {
        Self {
            store,
            committed,
            backlog: VecDeque::new(),
            retry_at: None,
            broken: None,
        }
    }

    /// For what is read, and for what is no event.
    pub(super) fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Whether events wait in memory.
    pub(super) fn is_behind(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// When waiting events should be tried again; at once while they go through.
    pub(super) fn deadline(&self, now: Tick) -> Option<Tick> {
        self.is_behind().then(|| self.retry_at.unwrap_or(now))
    }

    /// The failure that only a new start can repair, if there was one.
    pub(super) fn broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Takes that failure out.
    pub(super) fn into_failure(mut self) -> Option<StoreError> {
        self.broken.take()
    }

    /// Puts events on the disk, all or none of them; false when that is not possible now.
    pub(super) fn commit(
        &mut self,
        events: Vec<(Timestamp, Event)>,
        state: Option<&DoorSummary>,
        now: Tick,
        along: &Along,
    ) -> bool {
        !self.is_behind() && self.write(events, state, now, along)
    }

    /// Writes something else that must not overtake events that wait: then there is no error, and it
    /// is not done. A failure is for the caller to answer.
    pub(super) fn perform<T>(
        &mut self,
        now: Tick,
        work: impl FnOnce(&mut Store) -> Result<T, StoreError>,
    ) -> Result<T, Option<StoreError>> {
        if self.is_behind() {
            return Err(None);
        }
        match work(&mut self.store) {
            Ok(done) => {
                (self.committed)();
                Ok(done)
            }
            Err(error) if error.needs_restart() => {
                self.failed(error, now);
                Err(None)
            }
            Err(error) => Err(Some(error)),
        }
    }

    /// Keeps an event in memory until it can be written; false when an older one was lost for it.
    pub(super) fn keep(&mut self, at: Timestamp, event: Event) -> bool {
        let fits = self.backlog.len() < BACKLOG;
        if !fits {
            tracing::error!("too many events wait for the store: the oldest one is lost");
            self.backlog.pop_front();
        }
        self.backlog.push_back((at, event));
        fits
    }

    /// Writes the oldest of the waiting events; true when none is left.
    pub(super) fn catch_up(&mut self, state: &DoorSummary, now: Tick) -> bool {
        if self.is_behind() && self.retry_at.is_none_or(|at| now >= at) {
            let batch: Vec<_> = self.backlog.iter().take(BATCH).cloned().collect();
            let count = batch.len();
            if self.write(batch, Some(state), now, &Along::default()) {
                self.backlog.drain(..count);
            }
        }
        !self.is_behind()
    }

    /// Writes everything that waits, for the end of a run; says what is lost.
    pub(super) fn finish(&mut self, state: &DoorSummary, now: Tick) {
        self.retry_at = None;
        while self.is_behind() && self.retry_at.is_none() {
            self.catch_up(state, now);
        }
        if self.is_behind() {
            let events = self.backlog.len();
            tracing::error!(
                events,
                "the store still cannot be written: these events are lost"
            );
        }
    }

    fn write(
        &mut self,
        events: Vec<(Timestamp, Event)>,
        state: Option<&DoorSummary>,
        now: Tick,
        along: &Along,
    ) -> bool {
        let at = events.last().map(|(at, _)| *at).unwrap_or_default();
        match self.store.record_all_along(events, state, at, along) {
            Ok(recorded) => {
                for recorded in recorded {
                    let kind = recorded.event.kind();
                    tracing::debug!(seq = recorded.seq, kind, "recorded");
                }
                self.retry_at = None;
                (self.committed)();
                true
            }
            Err(error) => {
                self.failed(error, now);
                false
            }
        }
    }

    fn failed(&mut self, error: StoreError, now: Tick) {
        if self.retry_at.is_none() {
            tracing::error!(%error, "events cannot be recorded; they are kept in memory until they can");
        }
        self.retry_at = Some(now + RETRY);
        if error.needs_restart() {
            self.broken = Some(error);
        }
    }
}
