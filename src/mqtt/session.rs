//! The MQTT client's session on the disk.
//!
//! The client asks before it acts: it awaits [`SessionStore::save`] before a PUBLISH or a
//! PUBREL can leave, and here that means a commit. All of it happens on the pump's own thread,
//! so a slow disk slows the sending and nothing else. Nothing is decided here: the rules are in
//! [`Ledger`].

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rumqttc::{PersistedSession, SessionStore, SessionStoreError, SessionStoreKey};

use super::ledger::Ledger;

/// The ledger, shared between the client (which saves) and the pump (which feeds).
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

/// What the client awaits. Ours are ready when they are made: SQLite does not wait.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

impl SessionStore for Shared {
    fn load<'a>(&'a self, _key: &'a SessionStoreKey) -> Answer<'a, Option<PersistedSession>> {
        let session = self.lock().resume().map_err(Into::into);
        Box::pin(std::future::ready(session))
    }

    fn save<'a>(
        &'a self,
        _key: &'a SessionStoreKey,
        session: &'a PersistedSession,
    ) -> Answer<'a, ()> {
        let saved = self.lock().save(session).map_err(Into::into);
        Box::pin(std::future::ready(saved))
    }

    fn clear<'a>(&'a self, _key: &'a SessionStoreKey) -> Answer<'a, ()> {
        let cleared = self.lock().forget_session().map_err(Into::into);
        Box::pin(std::future::ready(cleared))
    }
}
