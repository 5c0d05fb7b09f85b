//! The ledger, shared between the client library (which saves) and the pump (which feeds).
//!
//! The clock is in here too: the ledger itself never asks what time it is.
//!
//! The library asks before it acts: it awaits the save before a PUBLISH or a PUBREL can leave,
//! and here that means a commit. All of it happens on the pump's own thread, so a slow disk
//! slows the sending and nothing else. How each library asks is told in its dialect; the rules
//! are in [`Ledger`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ledger::Ledger;
use crate::clock::{Clock, Moment};

/// A handle on the one ledger.
#[derive(Clone)]
pub(super) struct Shared {
    ledger: Arc<Mutex<Ledger>>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.ledger.fmt(f)
    }
}

impl Shared {
    pub(super) fn new(ledger: Ledger, clock: Arc<dyn Clock>) -> Self {
        Self {
            ledger: Arc::new(Mutex::new(ledger)),
            clock,
        }
    }

    /// Now, for whatever is asked of the ledger next.
    pub(super) fn now(&self) -> Moment {
        self.clock.moment()
    }

    /// Never held across an await; a poisoned ledger is as good as its last commit.
    pub(super) fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
