//! What takes rights away, kept in a file beside the database as well, so that it survives every
//! restoration: a backup knows nothing of what was decided since.
//!
//! ```text
//! change in the database ─▶ its events ─▶ lines ─▶ <database>.revocations
//!                                                        │ a backup takes the database's place
//!                                                        ▼
//!                                               applied to it before it does
//! ```
//!
//! Whatever is recorded passes [`Writing`], so no way of changing something goes round it. What takes
//! away is on the disk before the commit, what gives back after it: whatever a power cut leaves, the
//! file says no more in somebody's favour than the database. Nothing in it grants anything by
//! itself. A file that cannot be written keeps nothing from being taken away; it is an alarm, and
//! [`Store::keep_revocations`] makes up for it.

mod apply;
mod derive;
mod file;
mod line;

use std::ops::{Deref, DerefMut};

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use apply::TakenAway;
pub(super) use apply::apply;
pub(super) use file::Log;
pub(super) use line::{Line, Revoked};

use super::{Store, StoreError, chain};
use crate::clock::Timestamp;
use crate::command::gate::{SETBACK_S, Spent};

/// The file is written anew when so much of it could go.
const SURPLUS: usize = 200;

/// After so many events the file says that nothing up to them is missing, so that the next start need
/// not look through them.
const FAR: u64 = 10_000;

/// A transaction whose events are looked through before it is committed.
pub(super) struct Writing<'a> {
    tx: Transaction<'a>,
    log: &'a Log,
    trouble: &'a mut Option<String>,
    /// The last event before it.
    before: u64,
    /// Commands that are spent by it.
    spent: Vec<Line>,
}

impl<'a> Writing<'a> {
    pub(super) fn begin(
        conn: &'a mut Connection,
        log: &'a Log,
        trouble: &'a mut Option<String>,
    ) -> Result<Self, StoreError> {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let before = chain::head(&tx)?.seq;
        Ok(Self {
            tx,
            log,
            trouble,
            before,
            spent: Vec::new(),
        })
    }

    /// A command is spent by it.
    pub(super) fn spends(&mut self, spent: &Spent, at: Timestamp) {
        self.spent.push(Line::spent(spent, at));
    }

    /// On the disk when it returns, and so is what it takes away.
    pub(super) fn commit(self) -> Result<(), StoreError> {
        let mut lines = self.spent;
        if chain::head(&self.tx)?.seq != self.before {
            lines.extend(derive::since(&self.tx, self.before)?);
        }
        let first: Vec<Line> = lines.iter().filter_map(Line::taking).collect();
        let then: Vec<Line> = lines.into_iter().filter(Line::gives).collect();
        let mut written = self.log.append(&first);
        self.tx.commit()?;
        written = written.and_then(|()| self.log.append(&then));
        if let Err(error) = written {
            let error = self.log.failed(error).to_string();
            tracing::error!(error, "what was taken away is in the database only");
            *self.trouble = Some(error);
        }
        Ok(())
    }
}

impl<'a> Deref for Writing<'a> {
    type Target = Transaction<'a>;
    fn deref(&self) -> &Self::Target {
        &self.tx
    }
}

impl DerefMut for Writing<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.tx
    }
}

impl Store {
    /// Why something that was taken away is not in the file beside the database, where that is so; asked
    /// once.
    pub fn revocations_trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    /// Makes up for what the file beside the database lacks, be it because it could not be written or
    /// because an older version never did; and writes it anew when much of it is over. Events up to
    /// `checked` are known to be in it. Gives the event up to which they are now.
    ///
    /// # Errors
    /// When it cannot be read or written, or the database cannot be read.
    pub fn keep_revocations(&mut self, now: Timestamp, checked: u64) -> Result<u64, StoreError> {
        self.ensure_in_place()?;
        let from = match self.log.read() {
            Ok(read) if read.unreadable == 0 => Revoked::of(&read.lines).complete.max(checked),
            Ok(_) => 0,
            Err(error) => return Err(self.log.failed(error)),
        };
        // A long record is read before anybody has to wait for it.
        let head = chain::head(&self.conn)?.seq;
        let mut missing = derive::since(&self.conn, from)?;
        // Nobody else writes meanwhile, neither here nor there.
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let failed = |error| self.log.failed(error);
        let read = self.log.read().map_err(failed)?;
        if read.unreadable > 0 {
            tracing::error!(
                file = %self.log.path().display(),
                lines = read.unreadable,
                "lines that say what was taken away cannot be read; they are made anew from the record as far as it goes"
            );
        }
        let mut revoked = Revoked::of(&read.lines);
        missing.extend(derive::since(&tx, head)?);
        let head = chain::head(&tx)?.seq;
        for (spent, at) in super::commands::spent(&tx)? {
            if stands(spent.over, now) {
                missing.push(Line::spent_at(&spent, at));
            }
        }
        missing.retain(|line| revoked.take(line));
        if head > revoked.complete + FAR {
            missing.push(Line::Through { seq: head });
        }
        revoked.complete = head;
        revoked.forget(|over| !stands(over, now));
        let kept = revoked.lines();
        let lines = read.lines.len() + missing.len();
        if read.unreadable > 0 || lines > kept.len() + SURPLUS {
            self.log.rewrite(&kept).map_err(failed)?;
        } else {
            self.log.append(&missing).map_err(failed)?;
        }
        drop(tx);
        Ok(head)
    }
}

/// Whether a spent command may still count for something.
fn stands(over: Timestamp, now: Timestamp) -> bool {
    over.as_second().saturating_add(SETBACK_S) > now.as_second()
}
