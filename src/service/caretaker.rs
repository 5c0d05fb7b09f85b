//! The caretaker's thread: room on the disk, backups, the [archivist](super::archivist)'s work, what was
//! taken away, and the age of certificates.
//!
//! It tells the guard of the alarms of storage and certificates and never touches the relay, nor the record but by
//! reading it and through the archivist. Whatever fails here is logged and an alarm; it never ends the service.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::archivist::{Archivist, ArchivistError};
use super::certificates::{Certificates, News};
use super::guard::Message;
use crate::audit::backup::back_up;
use crate::clock::{Clock, Tick, Timestamp};
use crate::conditions::Source;
use crate::config::StoreConfig;
use crate::event::Alarm;
use crate::guard::Input;
use crate::store::recover::{Recovery, last_backup};
use crate::store::space::{SpaceNews, SpaceWatch, free_space};
use crate::store::{Store, StoreError};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(60);
/// How long after the start the first backup is made, at the earliest: the start has enough to do.
const FIRST_BACKUP: Duration = Duration::from_secs(5 * 60);
/// How soon a backup that failed is tried again.
const RETRY_BACKUP: Duration = Duration::from_secs(60 * 60);

/// What it looks after, and what it has found.
pub(super) struct Caretaker {
    database: PathBuf,
    backup: PathBuf,
    /// Time between two backups; none are made without.
    every: Option<Duration>,
    min_free: u64,
    clock: Arc<dyn Clock>,
    guard: Sender<Message>,
    stop: Arc<AtomicBool>,
    space: SpaceWatch,
    troubles: Troubles,
    backup_at: Option<Tick>,
    archivist: Archivist,
    certificates: Certificates,
}

/// The reasons for one alarm: it begins with the first and ends with the last.
#[derive(Debug, Default)]
struct Troubles {
    /// The database was replaced at the start, which raised the alarm; a new backup ends that.
    replaced: bool,
    low: bool,
    no_backup: bool,
    /// No checkpoint can be signed, or the record contradicts the last one.
    unsigned: bool,
}

impl Troubles {
    fn any(&self) -> bool {
        self.replaced || self.low || self.no_backup || self.unsigned
    }
}

impl Caretaker {
    pub(super) fn new(
        config: &StoreConfig,
        archivist: Archivist,
        certificates: Certificates,
        recovery: Option<&Recovery>,
        clock: Arc<dyn Clock>,
        guard: Sender<Message>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let backup = config.backup_path();
        let every = match config.backup_every_h {
            0 => None,
            hours => Some(Duration::from_secs(u64::from(hours) * 3600)),
        };
        Self {
            database: config.path.clone(),
            every,
            min_free: u64::from(config.min_free_mib) << 20,
            guard,
            stop,
            space: SpaceWatch::default(),
            troubles: Troubles {
                replaced: recovery.is_some(),
                ..Troubles::default()
            },
            backup_at: every.map(|every| {
                // What was just replaced is backed up soon, however new the backup is.
                let age = match recovery {
                    Some(_) => None,
                    None => age(last_backup(&backup), clock.now()),
                };
                clock.tick() + first_backup(age, every)
            }),
            backup,
            clock,
            archivist,
            certificates,
        }
    }

    /// Works until `ended` is closed.
    pub(super) fn run(mut self, ended: &Receiver<()>) {
        loop {
            self.look_at_space();
            // Before old events go.
            self.look_at_revocations();
            self.look_at_record();
            self.look_at_certificates();
            if self.backup_at.is_some_and(|at| self.clock.tick() >= at) {
                self.back_up();
            }
            if ended.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    fn look_at_space(&mut self) {
        let free = match free_space(&self.database) {
            Ok(free) => free,
            // The guard and vision find out themselves when the file is gone.
            Err(error) => {
                tracing::warn!(%error, "the free space of the database's disk is unknown");
                return;
            }
        };
        match self.space.news(free, self.min_free) {
            Some(SpaceNews::Low) => {
                self.troubles.low = true;
                let (free, min) = (free >> 20, self.min_free >> 20);
                self.raise(format!(
                    "the disk of the database is nearly full: {free} MiB are free, less than [store] min_free_mib = {min}; free some space before nothing can be recorded"
                ));
            }
            Some(SpaceNews::Enough) => {
                self.troubles.low = false;
                self.settle();
            }
            None => {}
        }
    }

    fn look_at_record(&mut self) {
        match self.archivist.look(&self.clock.moment(), false) {
            Ok(()) if self.troubles.unsigned => {
                self.troubles.unsigned = false;
                self.settle();
            }
            Ok(()) => {}
            Err(error) => {
                self.troubles.unsigned = true;
                self.raise(format!("the record cannot be looked after: {error}"));
            }
        }
    }

    /// What could not be kept beside the database, or never was, is made up for.
    fn look_at_revocations(&mut self) {
        let detail = match self.archivist.keep_revocations(self.clock.now()) {
            Ok(()) => None,
            Err(error) => {
                tracing::warn!(%error, "what was taken away may not survive a restoration");
                Some(error.to_string())
            }
        };
        let _ = self.guard.send(Message::Input(Input::Alarm {
            alarm: Alarm::Storage,
            source: Source::Revocations,
            detail,
        }));
    }

    fn look_at_certificates(&mut self) {
        let Some(news) = self.certificates.look(&self.clock.moment()) else {
            return;
        };
        let detail = match news {
            News::Wrong(detail) => {
                tracing::warn!(detail, "trouble with certificates");
                Some(detail)
            }
            News::Fine => None,
        };
        let _ = self.guard.send(Message::Input(Input::Alarm {
            alarm: Alarm::Certificate,
            source: Source::Certificates,
            detail,
        }));
    }

    fn back_up(&mut self) {
        let Some(every) = self.every else { return };
        let made = self.make_backup();
        let next = match made {
            Ok(()) => {
                tracing::info!(file = %self.backup.display(), "backup made");
                self.troubles.no_backup = false;
                self.troubles.replaced = false;
                self.settle();
                every
            }
            Err(ArchivistError::Store(StoreError::BackupStopped)) => return,
            Err(error) => {
                self.troubles.no_backup = true;
                self.raise(format!("no backup could be made: {error}"));
                RETRY_BACKUP.min(every)
            }
        };
        self.backup_at = Some(self.clock.tick() + next);
    }

    fn make_backup(&self) -> Result<(), ArchivistError> {
        let mut store = Store::open(&self.database, None)?;
        let signer = self.archivist.signer(&mut store, self.clock.now())?;
        let now = self.clock.now();
        Ok(back_up(&store, &self.backup, &signer, now, |_| {
            self.go_on()
        })?)
    }

    fn go_on(&self) -> ControlFlow<()> {
        if self.stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// The guard only goes away when the service ends, and then nothing is left to be told.
    fn raise(&self, detail: String) {
        // The guard says nothing of a second reason for an alarm that stands.
        tracing::warn!(detail, "trouble with the storage");
        let _ = self.guard.send(Message::Input(Input::Alarm {
            alarm: Alarm::Storage,
            source: Source::Caretaker,
            detail: Some(detail),
        }));
    }

    fn settle(&self) {
        if !self.troubles.any() {
            let _ = self.guard.send(Message::Input(Input::Alarm {
                alarm: Alarm::Storage,
                source: Source::Caretaker,
                detail: None,
            }));
        }
    }
}

/// Age of the newest backup. One from the future says nothing: the clock was wrong then or is now.
fn age(made: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    Duration::try_from(now.duration_since(made?)).ok()
}

/// How long after the start the first backup is due.
fn first_backup(age: Option<Duration>, every: Duration) -> Duration {
    age.map_or(Duration::ZERO, |age| every.saturating_sub(age))
        .max(FIRST_BACKUP)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_fresh_backup_is_not_made_again_and_an_old_one_soon_but_not_at_once() {
        assert_eq!(first_backup(None, 24 * HOUR), FIRST_BACKUP);
        assert_eq!(first_backup(Some(30 * HOUR), 24 * HOUR), FIRST_BACKUP);
        assert_eq!(first_backup(Some(24 * HOUR), 24 * HOUR), FIRST_BACKUP);
        assert_eq!(first_backup(Some(HOUR), 24 * HOUR), 23 * HOUR);
    }

    #[test]
    fn a_backup_from_the_future_counts_for_nothing() {
        let now: Timestamp = "2026-03-04T05:06:07Z".parse().unwrap();
        assert_eq!(age(Some(now - HOUR), now), Some(HOUR));
        assert_eq!(age(Some(now + HOUR), now), None);
        assert_eq!(age(None, now), None);
    }
}
