//! What keeps the door from writing, for how long, and that it is over whatever happens.

use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::disk::{Disk, Frozen};
use crate::support::door::PATIENCE;

/// Why nothing can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing stands still: what the door does on a good day, measured in the same way.
    Nothing,
    /// The file system of the database is frozen.
    Frozen,
    /// Another process holds the database's write lock.
    Locked,
}

impl Kind {
    /// As the table says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Nothing => "nothing stalls",
            Kind::Frozen => "disk frozen",
            Kind::Locked => "write lock held",
        }
    }
}

/// The time in which nothing can be written; over when dropped.
///
/// Made after the service of the door, so that it is over before the service is waited for: a
/// process that writes to a frozen disk cannot be killed.
pub struct Stall {
    cause: Cause,
    /// Whether it is over by itself then.
    pub ends: Instant,
}

enum Cause {
    Nothing,
    Frozen(Frozen),
    Locked(Sender<()>, Option<JoinHandle<()>>),
}

impl Stall {
    pub fn nothing(time: Duration) -> Self {
        Self::new(Cause::Nothing, time)
    }

    pub fn freeze(disk: &Disk, time: Duration) -> Self {
        Self::new(Cause::Frozen(disk.freeze(time)), time)
    }

    /// Takes the write lock as a second program would. This process is one to the door.
    pub fn lock(database: &Path, time: Duration) -> Self {
        let other = Connection::open(database).unwrap();
        other.busy_timeout(PATIENCE).unwrap();
        let (over, ended) = mpsc::channel::<()>();
        let (tell, held) = mpsc::channel();
        let holder = std::thread::spawn(move || {
            other.execute_batch("BEGIN IMMEDIATE").unwrap();
            tell.send(()).unwrap();
            // Told, dropped or time over: the lock goes with the connection.
            let _ = ended.recv_timeout(time);
        });
        held.recv().unwrap();
        Self::new(Cause::Locked(over, Some(holder)), time)
    }

    fn new(cause: Cause, time: Duration) -> Self {
        Self {
            cause,
            ends: Instant::now() + time,
        }
    }

    /// Waits until its time is over.
    pub fn wait(mut self) {
        std::thread::sleep(self.ends.saturating_duration_since(Instant::now()));
        match &mut self.cause {
            Cause::Nothing => {}
            Cause::Frozen(frozen) => frozen.wait(),
            Cause::Locked(_, holder) => holder.take().unwrap().join().unwrap(),
        }
    }

    /// Ends it before its time.
    pub fn lift(self) {
        drop(self);
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        if let Cause::Locked(over, Some(_)) = &self.cause {
            let _ = over.send(());
        }
    }
}
