//! Taking note: each message once, with everything in which it contradicts what was heard before.
//!
//! Messages of different QoS overtake each other on their way through a broker. So an event whose
//! predecessor is missing waits, and is a [gap](FindingKind::Gap) only when that lasts.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{NotesError, WitnessNotes, head, number, rowid};
use crate::clock::{Timestamp, rfc3339_millis};
use crate::event::chain::{ChainHash, Head};
use crate::event::checkpoint::{Claims, verify};
use crate::witness::finding::{Finding, FindingKind};
use crate::witness::heard::{HeardEvent, Unheard, claims};

/// What a message was.
#[derive(Debug)]
pub enum Taken {
    /// A statement of a door, with what does not fit.
    Noted(Vec<Finding>),
    /// None.
    Unheard(Unheard),
}

/// What is being taken note of.
struct Noting<'a> {
    tx: Transaction<'a>,
    door: String,
    now: Timestamp,
    told: Vec<Finding>,
}

impl WitnessNotes {
    /// Takes note of a message of the door whose topics begin with `base`; on the disk when it returns.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn hear(
        &mut self,
        base: &str,
        topic: &str,
        payload: &[u8],
        now: Timestamp,
    ) -> Result<Taken, NotesError> {
        if topic.strip_prefix(base) == Some("/checkpoint") {
            let Ok(token) = std::str::from_utf8(payload) else {
                return Ok(Taken::Unheard(Unheard::NoCheckpoint {
                    topic: topic.to_owned(),
                    what: "it is no text".into(),
                }));
            };
            return match claims(topic, token.trim()) {
                Ok(claims) => self.hear_checkpoint(base, token.trim(), &claims, now),
                Err(unheard) => Ok(Taken::Unheard(unheard)),
            };
        }
        match HeardEvent::read(topic, payload) {
            Ok(event) => self.hear_event(base, &event, payload, now),
            Err(unheard) => Ok(Taken::Unheard(unheard)),
        }
    }

    fn noting(&mut self, door: &str, now: Timestamp) -> Result<Noting<'_>, NotesError> {
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        Ok(Noting {
            tx,
            door: door.to_owned(),
            now,
            told: Vec::new(),
        })
    }

    fn hear_event(
        &mut self,
        base: &str,
        event: &HeardEvent,
        payload: &[u8],
        now: Timestamp,
    ) -> Result<Taken, NotesError> {
        let newest = self.newest(&event.source)?;
        let mut noting = self.noting(&event.source, now)?;
        if noting.speaks_elsewhere(base, event.seq())? {
            return noting.done();
        }
        let seq = event.seq();
        let others = noting.hashes(seq)?;
        if others.contains(&event.chainhash) {
            return noting.done();
        }
        if let Some(first) = others.first() {
            noting.tell(FindingKind::Fork, seq, format!(
                "event {seq} was heard with the hash {first}, and now with {}: there are two records",
                event.chainhash
            ))?;
        }
        if let Some((newest, id)) = newest {
            // Later ids are of later events: one below the newest comes late, or the numbers began anew.
            let is_late = event.id < id || noting.is_missing(seq)?;
            if others.is_empty() && seq < newest.seq && !is_late {
                noting.tell(
                    FindingKind::Rewind,
                    seq,
                    format!(
                        "event {seq} was made after event {}: the record was set back to before it",
                        newest.seq
                    ),
                )?;
            }
            if let Some(known) = event.restored_after().filter(|known| *known < newest.seq) {
                noting.tell(FindingKind::Rewind, seq, format!(
                    "the door says that its database was replaced by one that ends with event {known}, and event {} was heard: what is between them is gone from its record",
                    newest.seq
                ))?;
            }
        }
        let is_linked = noting.link(event)?;
        noting.keep(event, (!is_linked).then_some(payload))?;
        noting.link_successors(event)?;
        let heard = Head {
            seq,
            hash: event.chainhash,
        };
        noting.compare_checkpoints(heard)?;
        noting.done()
    }

    fn hear_checkpoint(
        &mut self,
        base: &str,
        token: &str,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<Taken, NotesError> {
        let key = self.key_of(&claims.iss)?;
        let signed = key.is_none_or(|key| verify(&key, token).is_ok());
        let mut noting = self.noting(&claims.iss, now)?;
        if noting.speaks_elsewhere(base, claims.seq)? {
            return noting.done();
        }
        let last = noting.last_checkpoint()?;
        let seq = claims.seq;
        let new = noting.tx.execute(
            "INSERT OR IGNORE INTO checkpoints (door, seq, hash, made, signed, token, at)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![
                noting.door,
                rowid(seq),
                claims.hash.0,
                claims.iat,
                signed,
                token,
                rfc3339_millis(now)
            ],
        )?;
        if new == 0 {
            return noting.done();
        }
        if !signed {
            let detail = format!("a checkpoint of event {seq} is not signed with the door's key");
            noting.tell(FindingKind::Forged, seq, detail)?;
            return noting.done();
        }
        if let Some(last) = last.filter(|last| last.seq > seq) {
            noting.tell(FindingKind::Rewind, seq, format!(
                "a checkpoint of event {seq} came after one of event {}: the record was set back",
                last.seq
            ))?;
        }
        let heard = noting.hashes(seq)?;
        if !heard.is_empty() {
            noting.compare(claims.head(), heard[0])?;
        }
        noting.done()
    }

    /// What has been missing for longer than `patience`; each gap is told once.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn overdue(
        &mut self,
        now: Timestamp,
        patience: Duration,
    ) -> Result<Vec<Finding>, NotesError> {
        let before = now.checked_sub(patience).unwrap_or(Timestamp::MIN);
        let mut told = Vec::new();
        let tx = self.conn.transaction()?;
        let waiting: Vec<(String, u64, u64)> = {
            let mut statement = tx.prepare_cached(
                "SELECT door, seq, follows FROM heard WHERE waiting IS NOT NULL AND at <= ? ORDER BY door, seq",
            )?;
            let rows = statement.query_map([rfc3339_millis(before)], |row| {
                Ok((row.get(0)?, number(row.get(1)?), number(row.get(2)?)))
            })?;
            rows.collect::<Result<_, _>>()?
        };
        for (door, seq, through) in waiting {
            let lower: Option<i64> = tx
                .prepare_cached("SELECT max(seq) FROM heard WHERE door = ? AND seq < ?")?
                .query_row(params![door, rowid(seq)], |row| row.get(0))?;
            let Some(lower) = lower.map(number) else {
                // The first that was ever heard: what came before it nobody here can tell.
                tx.execute(
                    "UPDATE heard SET waiting = NULL WHERE door = ? AND seq = ?",
                    params![door, rowid(seq)],
                )?;
                continue;
            };
            let from = lower + 1;
            let detail = if from == through {
                format!("event {from} never came")
            } else {
                format!("events {from} to {through} never came")
            };
            let finding = Finding {
                door,
                finding: FindingKind::Gap,
                seq,
                detail,
            };
            Self::tell(&tx, finding, now, &mut told)?;
        }
        tx.commit()?;
        Ok(told)
    }
}

impl Noting<'_> {
    fn tell(&mut self, finding: FindingKind, seq: u64, detail: String) -> Result<(), NotesError> {
        let finding = Finding {
            door: self.door.clone(),
            finding,
            seq,
            detail,
        };
        WitnessNotes::tell(&self.tx, finding, self.now, &mut self.told)
    }

    fn done(self) -> Result<Taken, NotesError> {
        self.tx.commit()?;
        Ok(Taken::Noted(self.told))
    }

    /// Whether a door's name is used on topics that are not its own: those that carry its name, unless
    /// it was heard elsewhere first (`[mqtt] base_topic`).
    fn speaks_elsewhere(&mut self, base: &str, seq: u64) -> Result<bool, NotesError> {
        self.tx.execute(
            "INSERT OR IGNORE INTO topics (door, base) VALUES (?, ?)",
            params![self.door, base],
        )?;
        let own: String = self.tx.query_row(
            "SELECT base FROM topics WHERE door = ?",
            [&self.door],
            |row| row.get(0),
        )?;
        if own == base {
            return Ok(false);
        }
        let detail = format!("somebody speaks for this door on {base}, but it speaks on {own}");
        self.tell(FindingKind::Impostor, seq, detail)?;
        Ok(true)
    }

    /// The hashes that were heard for a number, in that order.
    fn hashes(&self, seq: u64) -> Result<Vec<ChainHash>, NotesError> {
        let mut statement = self
            .tx
            .prepare_cached("SELECT hash FROM heard WHERE door = ? AND seq = ? ORDER BY n")?;
        let rows = statement.query_map(params![self.door, rowid(seq)], |row| {
            row.get(0).map(ChainHash)
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether a number is waited for.
    fn is_missing(&self, seq: u64) -> Result<bool, NotesError> {
        let waited = "SELECT EXISTS (SELECT 1 FROM heard WHERE door = ? AND seq > ? AND waiting IS NOT NULL)";
        let mut statement = self.tx.prepare_cached(waited)?;
        Ok(statement.query_row(params![self.door, rowid(seq)], |row| row.get(0))?)
    }

    /// Whether the event that it follows was heard; told, when it does not follow from it.
    fn link(&mut self, event: &HeardEvent) -> Result<bool, NotesError> {
        let previous = match event.follows() {
            0 => vec![ChainHash::default()],
            seq => self.hashes(seq)?,
        };
        if previous.is_empty() {
            return Ok(false);
        }
        if !previous.iter().any(|hash| event.is_after(*hash)) {
            let (seq, before) = (event.seq(), event.follows());
            self.tell(FindingKind::Fork, seq, format!(
                "event {seq} does not follow from event {before} as it was heard: one of them was rewritten"
            ))?;
        }
        Ok(true)
    }

    fn keep(&self, event: &HeardEvent, waiting: Option<&[u8]>) -> Result<(), NotesError> {
        self.tx
            .prepare_cached(
                "INSERT INTO heard (door, seq, hash, id, follows, at, waiting)
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                self.door,
                rowid(event.seq()),
                event.chainhash.0,
                event.id.as_bytes(),
                rowid(event.follows()),
                rfc3339_millis(self.now),
                waiting
            ])?;
        Ok(())
    }

    /// Looks at those that waited for this event.
    fn link_successors(&mut self, event: &HeardEvent) -> Result<(), NotesError> {
        let waiting: Vec<(i64, Vec<u8>)> = {
            let mut statement = self.tx.prepare_cached(
                "SELECT n, waiting FROM heard WHERE door = ? AND follows = ? AND waiting IS NOT NULL",
            )?;
            let rows = statement.query_map(params![self.door, rowid(event.seq())], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            rows.collect::<Result<_, _>>()?
        };
        for (n, payload) in waiting {
            if let Ok(successor) = HeardEvent::read("", &payload) {
                self.link(&successor)?;
            }
            self.tx
                .execute("UPDATE heard SET waiting = NULL WHERE n = ?", [n])?;
        }
        Ok(())
    }

    fn last_checkpoint(&self) -> Result<Option<Head>, NotesError> {
        Ok(self
            .tx
            .query_row(
                "SELECT seq, hash FROM checkpoints WHERE door = ? AND signed = 1 ORDER BY seq DESC LIMIT 1",
                [&self.door],
                head,
            )
            .optional()?)
    }

    fn compare_checkpoints(&mut self, heard: Head) -> Result<(), NotesError> {
        let checkpoints = checkpoints_of(&self.tx, &self.door, heard.seq)?;
        for checkpoint in checkpoints {
            self.compare(checkpoint, heard.hash)?;
        }
        Ok(())
    }

    fn compare(&mut self, checkpoint: Head, heard: ChainHash) -> Result<(), NotesError> {
        if checkpoint.hash == heard {
            return Ok(());
        }
        let seq = checkpoint.seq;
        self.tell(FindingKind::Fork, seq, format!(
            "event {seq} was heard with the hash {heard}, and a checkpoint says {}: there are two records",
            checkpoint.hash
        ))
    }
}

fn checkpoints_of(conn: &Connection, door: &str, seq: u64) -> Result<Vec<Head>, NotesError> {
    let mut statement = conn.prepare_cached(
        "SELECT seq, hash FROM checkpoints WHERE door = ? AND seq = ? AND signed = 1",
    )?;
    let rows = statement.query_map(params![door, rowid(seq)], head)?;
    Ok(rows.collect::<Result<_, _>>()?)
}
