//! Verification: is the record what was recorded?
//!
//! Reads every event once, in one snapshot, and holds one at a time. It changes nothing. What it
//! cannot see: a record that was rewritten whole, hashes and all, since the last checkpoint that
//! somebody else holds (docs/audit.md).

mod unsigned;

use std::fmt;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::events::{COLUMNS, read, to_i64, to_u64};
use super::{Store, StoreError, chain, checkpoints};
use crate::event::Event;
use crate::event::chain::{ChainHash, Head, Link};
use unsigned::Unsigned;

/// Findings that are listed; more are counted.
const LISTED: usize = 100;

/// Something that is wrong with the record.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// The kept chain does not begin where the record says that it was pruned.
    WrongStart {
        /// Where it begins.
        start: Head,
        /// What the newest `record.pruned` says; absent when nothing was ever pruned.
        pruned: Option<Head>,
    },
    /// Events are missing.
    Missing {
        /// The first one.
        from: u64,
        /// The last one.
        through: u64,
    },
    /// An event is not what was recorded, or what came before it is not.
    Altered {
        /// Which.
        seq: u64,
    },
    /// The last event is not the one that the database remembers as the newest.
    WrongEnd {
        /// The last one that is there.
        last: Head,
        /// What the database remembers.
        head: Head,
    },
    /// The record ends before a checkpoint: it was cut.
    Cut {
        /// The checkpoint.
        checkpoint: Head,
        /// The newest event.
        head: Head,
    },
    /// An event is another one than a witness heard, or gone.
    NotAsWitnessed {
        /// What was heard.
        witnessed: Head,
        /// The hash that the event has now; absent when it is gone.
        found: Option<ChainHash>,
    },
    /// The door has a key to sign checkpoints with, and the record holds none.
    NoCheckpoint,
    /// Events are older than they can be without a checkpoint of them.
    Unsigned {
        /// The first one.
        from: u64,
        /// The newest event that a checkpoint covers; 0 when there is none.
        checkpoint: u64,
    },
    /// An event is another one than a checkpoint says: the record was rewritten.
    Rewritten {
        /// The checkpoint.
        checkpoint: Head,
        /// The hash that the event has now; absent when it is gone.
        found: Option<ChainHash>,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::WrongStart { start, pruned } => {
                let pruned = pruned.map_or(0, |pruned| pruned.seq);
                let start = start.seq;
                write!(
                    f,
                    "the kept events begin after number {start}, but the record was pruned through number {pruned}: its beginning was changed"
                )
            }
            Finding::Missing { from, through } if from == through => {
                write!(f, "event {from} is missing")
            }
            Finding::Missing { from, through } => {
                write!(f, "events {from} to {through} are missing")
            }
            Finding::Altered { seq } => write!(
                f,
                "event {seq} is not what was recorded, or not after what was recorded before it"
            ),
            Finding::WrongEnd { last, head } => write!(
                f,
                "the last event is number {}, but number {} was recorded last, with another hash: the end was changed",
                last.seq, head.seq
            ),
            Finding::Cut { checkpoint, head } => write!(
                f,
                "the record ends with event {}, but a checkpoint says that there was event {}: it was cut",
                head.seq, checkpoint.seq
            ),
            Finding::NotAsWitnessed { witnessed, found } => {
                let seq = witnessed.seq;
                match found {
                    Some(_) => write!(f, "event {seq} is another one than the witness heard: the record was rewritten at or before it"),
                    None => write!(f, "event {seq} was heard by the witness, and is not there"),
                }
            }
            Finding::NoCheckpoint => f.write_str(
                "the door has its key for checkpoints, but the record holds no checkpoint: they were removed, or the record was begun anew",
            ),
            Finding::Unsigned { from, checkpoint } => write!(
                f,
                "no checkpoint covers event {from} and those after it, as it should by now (the last one covers event {checkpoint}): checkpoints were removed, or could not be signed"
            ),
            Finding::Rewritten { checkpoint, .. } => write!(
                f,
                "event {} is another one than a checkpoint says: the record was rewritten at or before it",
                checkpoint.seq
            ),
        }
    }
}

/// What verification found.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Report {
    /// Events that were read.
    pub events: u64,
    /// Where the kept chain begins.
    pub start: Head,
    /// The newest event, as the database remembers it.
    pub head: Head,
    /// The newest checkpoint that could be compared with an event, if one could.
    pub compared: Option<Head>,
    /// What is wrong; the first ones.
    pub findings: Vec<Finding>,
    /// How many more findings there were.
    pub more: u64,
}

/// What must be there beside the events.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected {
    /// The key that signs checkpoints was made: then one was signed.
    pub has_key: bool,
    /// Time between two checkpoints while the service runs; none are made without.
    pub every: Option<Duration>,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }

    fn add(&mut self, finding: Finding) {
        if self.findings.len() < LISTED {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }
}

impl Store {
    /// Verifies the whole record, against the last checkpoint of this database and against
    /// `checkpoint`, which somebody else kept.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn verify(&self, checkpoint: Option<&Head>) -> Result<Report, StoreError> {
        self.verify_with(checkpoint, Expected::default(), |_| {})
    }

    /// The same, and whether there are the checkpoints that are expected; `progress` hears how many events
    /// were read.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn verify_with(
        &self,
        checkpoint: Option<&Head>,
        expected: Expected,
        mut progress: impl FnMut(u64),
    ) -> Result<Report, StoreError> {
        // One snapshot: the service goes on recording meanwhile.
        let tx = self.conn.unchecked_transaction()?;
        let mut report = Report {
            start: chain::start(&tx)?,
            head: chain::head(&tx)?,
            ..Report::default()
        };
        let published = checkpoints::last(&tx)?.map(|(head, _)| head);
        let mut unsigned = Unsigned::after(published.map_or(0, |head| head.seq), expected.every);
        let mut last = report.start;
        let mut pruned = None;
        let mut statement = tx.prepare(&format!(
            "SELECT {COLUMNS}, person_id FROM events ORDER BY seq"
        ))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let seq = to_u64(row.get(0)?)?;
            let stored = stored_hash(row)?;
            // A database that was replaced leaves numbers out, and its first event says so.
            let is_linked = seq == last.seq + 1 || is_restoration(row, &last)?;
            if !is_linked && seq > last.seq {
                let (from, through) = (last.seq + 1, seq - 1);
                report.add(Finding::Missing { from, through });
            }
            // After a gap there is nothing to compare the first hash with.
            if (is_linked && computed(row, seq, last.hash)? != stored)
                || seq <= report.start.seq
                || !is_consistent(row, seq, &mut pruned)
            {
                report.add(Finding::Altered { seq });
            }
            if let Ok(recorded) = read(row) {
                unsigned.look(&recorded);
            }
            last = Head {
                seq,
                hash: stored.unwrap_or_default(),
            };
            report.events += 1;
            progress(report.events);
        }
        if report.start != pruned.unwrap_or_default() {
            let start = report.start;
            report.add(Finding::WrongStart { start, pruned });
        }
        if last != report.head {
            let head = report.head;
            report.add(Finding::WrongEnd { last, head });
        }
        if expected.has_key && published.is_none() && report.head.seq > 0 {
            report.add(Finding::NoCheckpoint);
        } else if let Some(finding) = unsigned.finding() {
            report.add(finding);
        }
        for checkpoint in published.iter().chain(checkpoint) {
            match contradiction(&tx, checkpoint)? {
                Some(finding) if !report.findings.contains(&finding) => report.add(finding),
                Some(_) => {}
                None if checkpoint.seq >= report.start.seq => {
                    report.compared = report
                        .compared
                        .filter(|other| other.seq > checkpoint.seq)
                        .or(Some(*checkpoint));
                }
                None => {}
            }
        }
        Ok(report)
    }
}

impl Store {
    /// What of the record is not as a witness heard it: the first differences in `report`, all of them
    /// counted. Gives how many events could be compared.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn compare(&self, witnessed: &[Head], report: &mut Report) -> Result<u64, StoreError> {
        let tx = self.conn.unchecked_transaction()?;
        let (mut compared, start) = (0, report.start.seq);
        for witnessed in witnessed.iter().filter(|heard| heard.seq > start) {
            compared += 1;
            match contradiction(&tx, witnessed)? {
                None => {}
                Some(Finding::Rewritten { checkpoint, found }) => {
                    report.add(Finding::NotAsWitnessed {
                        witnessed: checkpoint,
                        found,
                    })
                }
                Some(cut) => report.add(cut),
            }
        }
        Ok(compared)
    }
}

/// How the record contradicts a checkpoint, if it does. A checkpoint from before the kept
/// events can neither be confirmed nor contradicted.
pub(super) fn contradiction(
    conn: &Connection,
    checkpoint: &Head,
) -> Result<Option<Finding>, StoreError> {
    let (start, head) = (chain::start(conn)?, chain::head(conn)?);
    let checkpoint = *checkpoint;
    if checkpoint.seq > head.seq {
        return Ok(Some(Finding::Cut { checkpoint, head }));
    }
    if checkpoint.seq < start.seq {
        return Ok(None);
    }
    let found = if checkpoint.seq == start.seq {
        Some(start.hash)
    } else {
        conn.query_row(
            "SELECT hash FROM events WHERE seq = ? AND hash IS NOT NULL",
            [to_i64(checkpoint.seq)],
            |row| row.get(0).map(ChainHash),
        )
        .optional()?
    };
    Ok((found != Some(checkpoint.hash)).then_some(Finding::Rewritten { checkpoint, found }))
}

/// Whether a row says that the database was replaced by one that ended with `last`.
fn is_restoration(row: &Row<'_>, last: &Head) -> Result<bool, StoreError> {
    let (kind, data): (String, String) = (row.get(3)?, row.get(4)?);
    let known = serde_json::from_str::<serde_json::Value>(&data)
        .ok()
        .and_then(|data| data["last_known_seq"].as_u64());
    Ok(kind == "record.restored" && known == Some(last.seq))
}

/// The hash column; `None` when it was emptied.
fn stored_hash(row: &Row<'_>) -> Result<Option<ChainHash>, StoreError> {
    Ok(row.get::<_, Option<[u8; 32]>>(7)?.map(ChainHash))
}

/// The hash of a row as it should be; `None` when its id is none.
fn computed(row: &Row<'_>, seq: u64, previous: ChainHash) -> Result<Option<ChainHash>, StoreError> {
    let (id, time, kind): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let (data, by): (String, Option<String>) = (row.get(4)?, row.get(5)?);
    let Ok(uuid) = id.parse::<Uuid>() else {
        return Ok(None);
    };
    // The chain covers the id's bytes; another spelling of them would not be found otherwise.
    if uuid.to_string() != id {
        return Ok(None);
    }
    let link = Link {
        seq,
        id: uuid,
        time: &time,
        kind: &kind,
        by: by.as_deref(),
        clock_synced: row.get(6)?,
        data: &data,
    };
    Ok(Some(link.hash(previous)))
}

/// Whether a row can be read, and its person, which no hash covers, is that of its data. Remembers
/// what the newest `record.pruned` says.
fn is_consistent(row: &Row<'_>, seq: u64, pruned: &mut Option<Head>) -> bool {
    let Ok(recorded) = read(row) else {
        return false;
    };
    if let Event::RecordPruned {
        through_seq, hash, ..
    } = &recorded.event
        && *through_seq < seq
        && let Ok(hash) = hash.parse()
    {
        *pruned = Some(Head {
            seq: *through_seq,
            hash,
        });
    }
    let person = recorded.event.person().map(|person| person.id.to_string());
    row.get::<_, Option<String>>(8)
        .is_ok_and(|stored| stored == person)
}
