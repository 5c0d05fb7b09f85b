//! The database at the start of the service: opened, or put right first.
//!
//! A damaged file is set aside and the newest backup that is sound takes its place; without
//! one an empty database does, and nobody is let in until they are enrolled again. Nothing is
//! ever deleted. What cannot be read for lack of rights, or was written by a newer version, is
//! no damage and stays an error.
//!
//! What was taken away since the backup is taken away again (`revocations`), and the alarm `restored`
//! stands until somebody on the device has looked.
//!
//! The replacement is made whole beside the database, with the event that says so as its first
//! new one, and takes its place in one step: a power cut leaves the old state or the new one.

use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _};

use super::backup::{Partial, beside, previous};
use super::health::{Depth, look_at, structure};
use super::outbox::stage;
use super::private::{close_to_others, with_suffix};
use super::revocations::{Log, Revoked, apply};
use super::{Store, StoreError, TakenAway, lock};
use crate::clock::Timestamp;
use crate::event::wire::Wire;
use crate::event::{Alarm, Event, RestoredFrom};

/// Numbers left out after a head that is known: what was published while the last of them
/// were being written is never published again under another event's number.
const GAP: u64 = 1_000;
/// Numbers left out when nobody knows how far the lost file had come.
const GAP_UNKNOWN: u64 = 1_000_000;
/// Beyond it a sequence number is damage: consumers could not tell it from its neighbour.
const BELIEVABLE: u64 = 1 << 52;

/// What was done to the database before it could be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// What was wrong.
    pub trouble: String,
    /// What stands in the file's place.
    pub source: RestoredFrom,
    /// The backup that was restored.
    pub backup: Option<PathBuf>,
    /// Where the old file is now.
    pub set_aside: Option<PathBuf>,
    /// The last event that the replacement knows; 0 for none.
    pub last_known_seq: u64,
    /// What the replacement would have given back.
    pub taken_away: TakenAway,
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the database {}", self.trouble)?;
        if let Some(aside) = &self.set_aside {
            write!(f, "; it is kept as {}", aside.display())?;
        }
        match &self.backup {
            Some(backup) => write!(
                f,
                "; the backup {} was restored, which ends with event {}: people and rules are as they were then, but whoever was suspended or removed since stays so; {}",
                backup.display(),
                self.last_known_seq,
                self.taken_away
            )?,
            None => f.write_str(
                "; there was no sound backup, so the record is empty and nobody is let in until they are enrolled again",
            )?,
        }
        f.write_str("; operators open nothing until somebody here has looked at people and rules, and run doorward alarms ack restored")
    }
}

/// Says whether a backup was made by this door, or why nobody knows.
pub type Genuine<'a> = dyn Fn(&Path) -> Result<(), String> + 'a;

/// Opens the database for the service; one that is missing or damaged is replaced first, if
/// there ever was one, by a backup that is `genuine`. The event that says so is recorded already.
///
/// # Errors
/// What [`Store::open`] says; and when the replacement cannot be made, for example for want of
/// room. Then the old file is where it was.
pub fn open_or_recover(
    path: &Path,
    wire: Option<Wire>,
    backup: &Path,
    genuine: &Genuine<'_>,
    now: Timestamp,
) -> Result<(Store, Option<Recovery>), StoreError> {
    let backups = [backup.to_owned(), previous(backup)];
    let recovery = match diagnose(path, &backups)? {
        None => None,
        Some(trouble) => {
            let recovery = recover(path, wire.clone(), &backups, genuine, trouble, now)?;
            Some(recovery)
        }
    };
    let store = Store::open(path, wire)?;
    let suspect = suspect(path);
    if suspect.exists() {
        std::fs::remove_file(&suspect).map_err(|source| StoreError::Backup {
            target: suspect,
            source,
        })?;
    }
    Ok((store, recovery))
}

/// Makes the next start look at the whole file: damage in an index escapes the quick look, and
/// the service would end by it again and again.
///
/// # Errors
/// When the note cannot be left beside the database.
pub fn mark_suspect(path: &Path, error: &StoreError) -> io::Result<()> {
    let note = suspect(path);
    std::fs::write(&note, format!("{error}\n"))?;
    close_to_others(&note)
}

fn suspect(path: &Path) -> PathBuf {
    beside(path, "suspect")
}

/// Puts the database in `file` at `path`, at somebody's wish; what is there is kept as
/// `.before-restore-<time>`. No service may run.
///
/// # Errors
/// When `file` is missing, damaged or from a newer version, or the copy cannot be made; then
/// nothing has changed.
pub fn restore(
    path: &Path,
    wire: Option<Wire>,
    file: &Path,
    now: Timestamp,
    progress: impl FnMut(super::backup::Progress) -> ControlFlow<()>,
) -> Result<Recovery, StoreError> {
    let source = look_at(file)?;
    if let Some(finding) = structure(&source, Depth::Full)?.into_iter().next() {
        return Err(StoreError::Unsound { finding });
    }
    let replacement = Replacement::begin(path, "before-restore", now)?;
    replacement.copy.fill_from(&source, progress)?;
    let trouble = "was replaced by hand".to_owned();
    let (recovery, ready) = replacement.prepare(wire, Some(file.to_owned()), trouble, now)?;
    ready.take_place()?;
    Ok(recovery)
}

/// Why the file at `path` cannot be used, if it should be there and cannot.
fn diagnose(path: &Path, backups: &[PathBuf]) -> Result<Option<String>, StoreError> {
    let size = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        // Opening it says what is the matter, with the way out.
        Err(_) => return Ok(None),
    };
    if size == 0 {
        // Without any trace of an earlier one this is the first start.
        let log = std::fs::metadata(with_suffix(path, "-wal")).map_or(0, |log| log.len());
        let was_there = log > 0
            || backups.iter().any(|backup| backup.exists())
            || Log::of(path).path().exists();
        return Ok(was_there.then(|| "was missing or empty".to_owned()));
    }
    let depth = if suspect(path).exists() {
        Depth::Full
    } else {
        Depth::Quick
    };
    let findings = structure(&look_at(path)?, depth)?;
    Ok(findings
        .into_iter()
        .next()
        .map(|finding| format!("was damaged ({finding})")))
}

fn recover(
    path: &Path,
    wire: Option<Wire>,
    backups: &[PathBuf],
    genuine: &Genuine<'_>,
    mut trouble: String,
    now: Timestamp,
) -> Result<Recovery, StoreError> {
    let replacement = Replacement::begin(path, "damaged", now)?;
    let mut restored = None;
    for backup in backups.iter().filter(|backup| backup.exists()) {
        if let Err(why) = genuine(backup) {
            let backup = backup.display();
            trouble = format!("{trouble}; the backup {backup} is not restored by itself: {why}");
            continue;
        }
        let source = look_at(backup)?;
        match structure(&source, Depth::Full)?.into_iter().next() {
            None => {
                let go_on = |_| ControlFlow::Continue(());
                replacement.copy.fill_from(&source, go_on)?;
                restored = Some(backup.clone());
                break;
            }
            Some(finding) => {
                let backup = backup.display();
                trouble = format!("{trouble}; the backup {backup} is damaged too ({finding})");
            }
        }
    }
    let (recovery, mut ready) = replacement.prepare(wire, restored, trouble, now)?;
    let alarm = Event::alarm_raised(Alarm::Storage, recovery.to_string(), None);
    ready.store.record(now, alarm)?;
    ready.take_place()?;
    Ok(recovery)
}

/// A database that is about to take another one's place.
struct Replacement<'a> {
    path: &'a Path,
    copy: Partial,
    aside: PathBuf,
    /// How far the one in place has come, as far as it can be read.
    head: Option<u64>,
}

impl<'a> Replacement<'a> {
    fn begin(path: &'a Path, word: &str, now: Timestamp) -> Result<Self, StoreError> {
        let target = beside(path, "restoring");
        let copy = Partial::create(&target).map_err(|source| StoreError::Backup {
            target: target.clone(),
            source,
        })?;
        // Left by a start that was cut off: not this copy's.
        for suffix in ["-wal", "-shm"] {
            let left = with_suffix(&target, suffix);
            if left.exists() {
                std::fs::remove_file(&left).map_err(|source| StoreError::Backup {
                    target: left.clone(),
                    source,
                })?;
            }
        }
        Ok(Self {
            path,
            copy,
            aside: free_name(path, word, now),
            head: head_of(path),
        })
    }

    /// Brings the copy up to date and records what happened.
    fn prepare(
        self,
        wire: Option<Wire>,
        backup: Option<PathBuf>,
        trouble: String,
        now: Timestamp,
    ) -> Result<(Recovery, Ready<'a>), StoreError> {
        let Self {
            path,
            copy,
            aside,
            head,
        } = self;
        let was_there = ["", "-wal", "-shm"]
            .iter()
            .any(|suffix| with_suffix(path, suffix).exists());
        let mut store = Store::open(copy.path(), wire)?;
        let known = head_in(&store.conn);
        let mut recovery = Recovery {
            trouble,
            source: match backup {
                Some(_) => RestoredFrom::Backup,
                None => RestoredFrom::Empty,
            },
            backup,
            set_aside: was_there.then(|| aside.clone()),
            last_known_seq: known.unwrap_or_default(),
            taken_away: TakenAway::default(),
        };
        let log = Log::of(path);
        let (revoked, unreadable) = match log.read() {
            Ok(read) => (Revoked::of(&read.lines), read.unreadable),
            Err(error) => {
                // Whatever it says, the door needs a database.
                let error = log.failed(error);
                tracing::error!(%error, "it is not known what was taken away since the backup");
                (Revoked::default(), 1)
            }
        };
        let gap = if head.is_some() { GAP } else { GAP_UNKNOWN };
        let last = head.max(known).max(Some(revoked.through));
        let after = last.unwrap_or_default().saturating_add(gap);
        forget_broker(&store.conn)?;
        continue_sequence_after(&store.conn, after)?;
        store.record(
            now,
            Event::RecordRestored {
                source: recovery.source,
                quarantined: recovery
                    .set_aside
                    .as_ref()
                    .map(|aside| aside.display().to_string()),
                last_known_seq: recovery.last_known_seq,
            },
        )?;
        let (conn, stamp) = (&store.conn, &store.stamp);
        let tx = conn.unchecked_transaction()?;
        recovery.taken_away = TakenAway {
            unreadable,
            ..apply(&tx, stamp, now, &revoked, recovery.last_known_seq)?
        };
        tx.commit()?;
        // Every cause and what follows stand in its text.
        let alarm = Event::alarm_raised(Alarm::Restored, recovery.to_string(), None);
        store.record(now, alarm)?;
        let ready = Ready {
            path,
            copy,
            aside,
            store,
        };
        Ok((recovery, ready))
    }
}

/// A database that has all it needs to take the other one's place.
struct Ready<'a> {
    path: &'a Path,
    copy: Partial,
    aside: PathBuf,
    store: Store,
}

impl Ready<'_> {
    /// Sets the old files aside and puts the new one in their place.
    fn take_place(self) -> Result<(), StoreError> {
        let Self {
            path,
            copy,
            aside,
            store,
        } = self;
        copy.make_single(store.conn)?;
        let failed = |source| StoreError::Backup {
            target: path.to_owned(),
            source,
        };
        // Somebody who opens the database in this instant must not make a new one. The log goes
        // last: a start that finds a log alone knows that something was there.
        let alone = lock::alone_in_folder(path)?;
        for suffix in ["", "-shm", "-wal"] {
            let old = with_suffix(path, suffix);
            if old.exists() {
                // It may have been made by an older version, open to others.
                close_to_others(&old).map_err(failed)?;
                std::fs::rename(&old, with_suffix(&aside, suffix)).map_err(failed)?;
            }
        }
        copy.put_at(path).map_err(failed)?;
        drop(alone);
        Ok(())
    }
}

/// The broker has heard since then what the copy still means to send, and the session has gone
/// on without it: everything waiting is sent again, marked as possibly arriving twice.
fn forget_broker(conn: &Connection) -> Result<(), StoreError> {
    conn.execute(
        concat!(
            "UPDATE outbox SET ",
            stage!(queued),
            ", pkid = NULL, maybe_dup = 1 WHERE ",
            stage!(waiting)
        ),
        [],
    )?;
    conn.execute("DELETE FROM mqtt_session", [])?;
    Ok(())
}

/// Makes the next event's number come after `seq`: numbers that were published are not used
/// again. The hash chain, where the schema has one, counts them itself.
fn continue_sequence_after(conn: &Connection, seq: u64) -> Result<(), StoreError> {
    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
    if has_table(conn, "chain")? {
        conn.execute("UPDATE chain SET seq = max(seq, ?)", [seq])?;
    }
    let counted = conn.execute(
        "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'events'",
        [seq],
    )?;
    if counted == 0 {
        conn.execute(
            "INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)",
            [seq],
        )?;
    }
    Ok(())
}

fn has_table(conn: &Connection, name: &str) -> Result<bool, StoreError> {
    Ok(conn
        .query_row(
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?",
            [name],
            |_| Ok(()),
        )
        .optional()?
        .is_some())
}

/// The highest sequence number that can still be read from a file, however damaged.
fn head_of(path: &Path) -> Option<u64> {
    let size = std::fs::metadata(path).ok()?.len();
    if size == 0 {
        return None;
    }
    head_in(&look_at(path).ok()?)
}

/// The highest sequence number that a database has given out; `None` when nothing says so.
fn head_in(conn: &Connection) -> Option<u64> {
    [
        "SELECT max(seq) FROM events",
        "SELECT seq FROM sqlite_sequence WHERE name = 'events'",
        "SELECT max(seq) FROM chain",
    ]
    .into_iter()
    .filter_map(|sql| {
        let seq: Option<i64> = conn.query_row(sql, [], |row| row.get(0)).ok()?;
        u64::try_from(seq?).ok()
    })
    .filter(|seq| *seq <= BELIEVABLE)
    .max()
}

/// A name for what is set aside that nothing has yet.
fn free_name(path: &Path, word: &str, now: Timestamp) -> PathBuf {
    let time = now.strftime("%Y%m%dT%H%M%SZ");
    let first = beside(path, &format!("{word}-{time}"));
    let taken = |name: &Path| {
        ["", "-wal", "-shm"]
            .iter()
            .any(|suffix| with_suffix(name, suffix).exists())
    };
    if !taken(&first) {
        return first;
    }
    (2u32..)
        .map(|n| beside(&first, &n.to_string()))
        .find(|name| !taken(name))
        .unwrap_or(first)
}

/// When the newest backup was made.
#[must_use]
pub fn last_backup(backup: &Path) -> Option<Timestamp> {
    let made = std::fs::metadata(backup).ok()?.modified().ok()?;
    Timestamp::try_from(made).ok()
}
