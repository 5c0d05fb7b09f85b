//! The ledger, shared between the client library (which saves) and the pump (which feeds).
//!
//! The library asks before it acts: it awaits the save before a PUBLISH or a PUBREL can leave,
//! and here that means a commit. All of it happens on the pump's own thread, so a slow disk
//! slows the sending and nothing else. How each library asks is told in its dialect; the rules
//! are in [`Ledger`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ledger::Ledger;

/// A handle on the one ledger.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<Mutex<Ledger>>);

impl Shared {
    pub(super) fn new(ledger: Ledger) -> Self {
        Self(Arc::new(Mutex::new(ledger)))
    }

    /// Never held across an await; a poisoned ledger is as good as its last commit.
    pub(super) fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
