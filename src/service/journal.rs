//! The journal's thread: the one that waits for the disk, so that nobody else has to.
//!
//! It owns the connection that writes the door's record, and the site's file. Batches come in; each
//! is committed in one transaction and answered. It decides nothing, and knows no relay. A disk that
//! hangs holds this thread alone; the watchdog sees for how long.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use super::commits::Commits;
use super::guard::Message;
use crate::beat::Beat;
use crate::clock::Clock;
use crate::conditions::Source;
use crate::event::Alarm;
use crate::guard::{Batch, Done, EntryId, Input, Outcome, Rejection, SiteNote};
use crate::store::{Site, Store, StoreError};

/// What the thread works with.
pub(super) struct Journal {
    pub(super) store: Store,
    /// What the doors of the site tell each other, where they do.
    pub(super) site: Option<Site>,
    /// This door's name.
    pub(super) door: String,
    pub(super) clock: Arc<dyn Clock>,
    /// Since when it has been waiting for the disk.
    pub(super) busy: Arc<Beat>,
    /// Where the time of each commit is noted.
    pub(super) commits: Arc<Commits>,
    /// Tells the MQTT pump that there is something to send.
    pub(super) committed: Box<dyn Fn() + Send>,
    pub(super) guard: Sender<Message>,
}

impl Journal {
    /// Works until nobody can send a batch any more.
    ///
    /// # Errors
    /// A failure of the store that only a new start can repair. The guard has been answered by then.
    pub(super) fn run(mut self, batches: &Receiver<Batch>) -> Result<(), StoreError> {
        while let Ok(batch) = batches.recv() {
            let began = self.clock.tick();
            self.busy.mark(began);
            let (outcomes, failure, site_told) = self.write(batch);
            self.busy.rest();
            self.tell_of_revocations();
            let took = self.clock.tick().since(began);
            self.commits.note(took);
            let restart = failure.as_ref().is_some_and(StoreError::needs_restart);
            let done = Done {
                outcomes,
                failure: failure.as_ref().map(ToString::to_string),
                site_told,
                took,
            };
            // The guard only goes away when the service ends.
            let _ = self.guard.send(Message::Input(Input::Recorded(done)));
            match failure {
                None => (self.committed)(),
                Some(failure) if restart => return Err(failure),
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn write(&mut self, mut batch: Batch) -> (Vec<(EntryId, Outcome)>, Option<StoreError>, bool) {
        let (mut outcomes, mut site_told) = (Vec::new(), true);
        batch.entries.retain_mut(|entry| match entry.site.take() {
            None => true,
            Some(note) => match tell(self.site.as_mut(), &note, entry.at) {
                Ok(true) => true,
                Ok(false) => {
                    outcomes.push((entry.id, Outcome::Rejected(Rejection::Interlock)));
                    false
                }
                Err(error) => {
                    tracing::error!(%error, "the other doors cannot be told or asked");
                    site_told = false;
                    // Where there is an interlock, a door that cannot ask stays secured.
                    let asks = matches!(&note, SiteNote::Engage { unless } if !unless.is_empty());
                    if asks {
                        outcomes.push((entry.id, Outcome::Rejected(Rejection::Interlock)));
                    }
                    !asks
                }
            },
        });
        if let Err(error) = self.passed(&batch) {
            tracing::error!(%error, "where somebody is cannot be told to the other doors");
            site_told = false;
        }
        let is_empty = |batch: &Batch| {
            let contents = |entry: &crate::guard::Entry| {
                !entry.facts.is_empty() || entry.change.is_some() || entry.spent.is_some()
            };
            batch.answers.is_empty() && batch.state.is_none() && !batch.entries.iter().any(contents)
        };
        if is_empty(&batch) {
            let committed = Outcome::Committed { changed: true };
            let all = batch.entries.iter();
            outcomes.extend(all.map(|entry| (entry.id, committed.clone())));
            return (outcomes, None, site_told);
        }
        match self.store.commit(&self.door, &batch) {
            Ok(written) => {
                for fact in batch.entries.iter().flat_map(|entry| &entry.facts) {
                    tracing::debug!(kind = fact.event.kind(), "recorded");
                }
                outcomes.extend(written);
                (outcomes, None, site_told)
            }
            Err(error) => {
                let all = batch.entries.iter();
                outcomes.extend(all.map(|entry| (entry.id, Outcome::Failed)));
                (outcomes, Some(error), site_told)
            }
        }
    }

    /// What was taken away must survive a restoration too; where that is not sure somebody has to know.
    fn tell_of_revocations(&mut self) {
        if let Some(detail) = self.store.revocations_trouble() {
            let alarm = Input::Alarm {
                alarm: Alarm::Storage,
                source: Source::Revocations,
                detail: Some(detail),
            };
            // The guard only goes away when the service ends.
            let _ = self.guard.send(Message::Input(alarm));
        }
    }

    /// Where doors share a site file, that is where people are.
    fn passed(&self, batch: &Batch) -> Result<(), StoreError> {
        let Some(site) = &self.site else {
            return Ok(());
        };
        for entry in &batch.entries {
            if let Some(crate::guard::Change::Passed { person, area }) = &entry.change {
                site.passed(&person.name, area.as_deref(), entry.at)?;
            }
        }
        Ok(())
    }
}

/// Tells the site; false when another door of the interlock is engaged.
fn tell(
    site: Option<&mut Site>,
    note: &SiteNote,
    at: crate::clock::Timestamp,
) -> Result<bool, StoreError> {
    let Some(site) = site else { return Ok(true) };
    match note {
        SiteNote::Engage { unless } => site.engage(unless, at),
        SiteNote::EngageAnyway => site.engage_anyway(at).map(|()| true),
        SiteNote::Free => site.disengage().map(|()| true),
    }
}
