//! The archivist signs how far the record goes, keeps what it takes away beside it, and lets old events
//! go.
//!
//! Called by the caretaker, and once more when the service ends; never by the journal, on
//! whose commits people at the door wait. Flows in: time. Flows out: checkpoints for the broker, and a shorter
//! record.

use std::path::PathBuf;
use std::time::Duration;

use crate::audit::{KeyError, open_signer, signer_of};
use crate::clock::{Moment, Tick, Timestamp};
use crate::config::Config;
use crate::event::checkpoint::{Signer, due};
use crate::store::{Store, StoreError};

/// How often old events are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// Events deleted in one transaction: the journal may have to wait for it.
const PRUNE_AT_ONCE: usize = 500;

/// Why the archivist could not do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchivistError {
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store cannot be used, or contradicts what was published.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What it keeps, and by which rules.
#[derive(Debug)]
pub(super) struct Archivist {
    store: Store,
    key: PathBuf,
    issuer: String,
    every: Duration,
    keep: Option<Duration>,
    pruned: Option<Tick>,
    /// The last event of which it is known that what it takes away is kept beside the database.
    kept: u64,
}

impl Archivist {
    /// Opens the store now: one that is opened when it is needed might be made anew in the place
    /// of one that vanished.
    pub(super) fn new(config: &Config) -> Result<Self, StoreError> {
        let audit = &config.audit;
        let days = u64::from(audit.keep_days);
        Ok(Self {
            store: Store::open(&config.store.path, config.wire())?,
            key: audit.key_path(&config.store.path),
            issuer: config.source(),
            every: Duration::from_secs(u64::from(audit.checkpoint_every_min) * 60),
            keep: (days > 0).then(|| Duration::from_secs(days * 24 * 60 * 60)),
            pruned: None,
            kept: 0,
        })
    }

    /// Who signs what is said of `store`.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub(super) fn signer(
        &self,
        store: &mut Store,
        now: Timestamp,
    ) -> Result<Signer, ArchivistError> {
        Ok(signer_of(store, &self.key, self.issuer.clone(), now)?)
    }

    /// Makes up for what could not be kept beside the database, or never was.
    ///
    /// # Errors
    /// When something of it still cannot be.
    pub(super) fn keep_revocations(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.kept = self.store.keep_revocations(now, self.kept)?;
        Ok(())
    }

    /// Does what is due; `stop` says that the service ends, so that the last events are covered.
    ///
    /// # Errors
    /// When the key or the store cannot be used, or the record contradicts the last checkpoint.
    pub(super) fn look(&mut self, now: &Moment, stop: bool) -> Result<(), ArchivistError> {
        let store = &mut self.store;
        store.ensure_in_place()?;
        store.set_clock_synced(now.clock_trusted);
        if let Some(keep) = self.keep
            && !stop
            && self
                .pruned
                .is_none_or(|at| now.tick.since(at) >= PRUNE_EVERY)
        {
            let mut events = 0;
            loop {
                match store.prune(now.wall, keep, PRUNE_AT_ONCE)? {
                    0 => break,
                    some => events += some,
                }
            }
            if events > 0 {
                tracing::info!(events, "old events were deleted");
            }
            self.pruned = Some(now.tick);
        }
        let last = store.last_checkpoint()?;
        // One from the future was made by another clock: it says nothing about how long ago.
        let ago = |made| Duration::try_from(now.wall.duration_since(made)).unwrap_or(self.every);
        let last = last.as_ref().map(|(head, made)| (head, ago(*made)));
        if due(self.every, last, &store.head()?, stop) {
            let signer = open_signer(&self.key, self.issuer.clone())?;
            let checkpoint = store.checkpoint(now.wall, &signer)?;
            tracing::info!(seq = checkpoint.claims.seq, "checkpoint signed");
        }
        Ok(())
    }
}
