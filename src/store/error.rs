//! What can go wrong with the store, in words an operator can act on.

use std::path::PathBuf;

use rusqlite::ErrorCode;

use super::{PHOTO_LIMIT, RuleError};
use crate::clock::Timestamp;
use crate::event::Alarm;

/// A failure of the store. Every message names the cause and, where there is one, the way out.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file could not be opened.
    #[error(
        "cannot open the database {path}: {source}; check that the folder exists and that this user may write there",
        path = path.display()
    )]
    Open {
        /// Which file.
        path: PathBuf,
        /// SQLite's word.
        source: rusqlite::Error,
    },
    /// Others can use a file that holds names and templates.
    #[error(
        "{path} can be used by others (mode {mode:o}): it holds who may enter, and their templates; run chmod 600 on it, and think about who may have copied it",
        path = path.display()
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The folder of the database cannot be used.
    #[error(
        "cannot open the database's folder {folder}: {source}; check that the folder exists and that this user may write there",
        folder = folder.display()
    )]
    Folder {
        /// Which folder.
        folder: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The file belongs to a newer version.
    #[error(
        "the database {path} was written by a newer doorward (schema {found}; this version knows up to {known}); install that version again, or point [store] path to another file",
        path = path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest one this program knows.
        known: i64,
    },
    /// The MQTT session that was written to is no longer on record.
    #[error("the MQTT session was given up meanwhile; a new one is made")]
    SessionGone,
    /// The schema could not be brought up to date.
    #[error("cannot migrate the database {path}: {source}", path = path.display())]
    Migration {
        /// Which file.
        path: PathBuf,
        /// The migration crate's word.
        source: Box<refinery::Error>,
    },
    /// Another service holds the database.
    #[error(
        "another doorward service already runs on {path} (lock {lock}); stop it first, or give this one its own [store] path and [mqtt] client_id",
        path = path.display(), lock = lock.display()
    )]
    InUse {
        /// The database.
        path: PathBuf,
        /// The lock file.
        lock: PathBuf,
    },
    /// The lock file could not be made.
    #[error("cannot lock {lock}: {source}", lock = lock.display())]
    Lock {
        /// The lock file.
        lock: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// No room to write.
    #[error("the disk is full: {0}; free some space, nothing was written")]
    DiskFull(rusqlite::Error),
    /// May not be written.
    #[error("the database is read-only: {0}; check its owner, its mode and the mount")]
    ReadOnly(rusqlite::Error),
    /// Not a database, or damaged.
    #[error("the database is damaged: {0}; restore a backup or move the file away")]
    Damaged(rusqlite::Error),
    /// The file is no longer where it was opened.
    #[error(
        "the database {path} was deleted, moved or replaced while it was in use: nothing that is written now would last; the service must be started again, which restores the newest backup if the file is gone",
        path = path.display()
    )]
    Vanished {
        /// Where it was.
        path: PathBuf,
    },
    /// A copy of the database is damaged, so the database is.
    #[error(
        "the copy is damaged, and so is the database it was made of ({finding}); the copy was not kept; run doorward db check --full"
    )]
    Unsound {
        /// The first thing that is wrong.
        finding: String,
    },
    /// A backup, or what is to be restored from one, could not be written.
    #[error("cannot write {target}: {source}", target = target.display())]
    Backup {
        /// Which file was to be made.
        target: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// What was taken away cannot be kept beside the database.
    #[error(
        "{path}, which keeps what was taken away (people, operators, modes, used commands), cannot be used: {source}; until it can, a restored backup may give it back",
        path = path.display()
    )]
    Revocations {
        /// Which file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// Somebody asked for an end of it.
    #[error("the backup was broken off; the one before is still there")]
    BackupStopped,
    /// A copy would fill the disk.
    #[error(
        "not enough room in {folder}: {needed} bytes are needed, {free} are free; free some space or choose another disk",
        folder = folder.display()
    )]
    NoRoom {
        /// Where.
        folder: PathBuf,
        /// How much.
        needed: u64,
        /// How much there is.
        free: u64,
    },
    /// Another process held the write lock for too long.
    #[error("the database is busy: {0}; another process has held it for several seconds")]
    Busy(rusqlite::Error),
    /// Any other failure of SQLite.
    #[error("database error: {0}")]
    Sqlite(rusqlite::Error),
    /// A row does not hold what its schema promises.
    #[error("the database holds a value that makes no sense: {0}")]
    Content(String),
    /// The record does not contain what was published before.
    #[error("no checkpoint is signed: {0}; see `doorward events verify`")]
    Rewound(String),
    /// A checkpoint could not be signed.
    #[error(transparent)]
    Checkpoint(#[from] crate::event::checkpoint::CheckpointError),
    /// An event could not be written as JSON.
    #[error("cannot write the event as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Nobody is called that.
    #[error("nobody is enrolled as {name:?}{}", nearest.as_ref().map(|n| format!("; did you mean {n:?}?")).unwrap_or_default())]
    NoSuchPerson {
        /// The name or id that was asked for.
        name: String,
        /// The enrolled name that is most like it.
        nearest: Option<String>,
    },
    /// The name is taken.
    #[error("somebody is already enrolled as {0:?}; names are compared without regard to case")]
    NameTaken(String),
    /// The name cannot be used.
    #[error("{0:?} cannot be a name: 1 to 100 characters, no control characters")]
    BadName(String),
    /// The name of an operator cannot be used.
    #[error(
        "{0:?} cannot be an operator's name: 1 to 64 letters, digits, \"-\", \"_\", \".\" or \"@\""
    )]
    BadOperatorName(String),
    /// An operator of that name is there already.
    #[error(
        "{0:?} may send commands already (names are compared without regard to case); use --replace to give them another key or role"
    )]
    OperatorExists(String),
    /// More is to be kept of one person than is allowed.
    #[error(
        "the photos to be kept of {name:?} come to {bytes} bytes, at most {PHOTO_LIMIT} are kept of one person; enroll fewer or smaller pictures, or do not keep them"
    )]
    PhotosTooLarge {
        /// Whose.
        name: String,
        /// With those that are kept already.
        bytes: u64,
    },
    /// This very image was enrolled before.
    #[error("this image is already enrolled (for {owner:?})")]
    SameImage {
        /// For whom.
        owner: String,
    },
    /// A rule cannot be kept, or cannot go.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// What is to be said of a person makes no sense.
    #[error("{name:?}: {problem}")]
    BadChange {
        /// Of whom.
        name: String,
        /// What is wrong, and the way out.
        problem: String,
    },
    /// One entry of an import cannot be taken; nothing was changed.
    #[error("entry {}: {source}", index + 1)]
    Entry {
        /// Which, from 0.
        index: usize,
        /// Why.
        source: Box<StoreError>,
    },
    /// A door is not left open by mistake.
    #[error("an unlocked door needs an end; say for how long or until when")]
    UnlockedWithoutEnd,
    /// It would end before it begins.
    #[error("{0} has passed already; give a later end")]
    EndHasPassed(Timestamp),
    /// The rules have changed since something was decided by them.
    #[error("the rules have changed since this was decided")]
    Stale,
    /// The alarm has never been raised.
    #[error("the alarm {} was never raised; see doorward alarms list --all", .0.as_str())]
    NeverRaised(Alarm),
}

impl StoreError {
    /// Whether only a new start helps: it looks at the file and restores it.
    #[must_use]
    pub fn needs_restart(&self) -> bool {
        matches!(self, StoreError::Damaged(_) | StoreError::Vanished { .. })
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::DiskFull(error),
            Some(ErrorCode::ReadOnly) => StoreError::ReadOnly(error),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                StoreError::Damaged(error)
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy(error),
            _ => StoreError::Sqlite(error),
        }
    }
}
