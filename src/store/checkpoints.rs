//! Checkpoints in the database: what was last published, and queueing the next one.

use rusqlite::{Connection, OptionalExtension, params};

use super::events::{supersede, to_i64, to_u64};
use super::verify::contradiction;
use super::{Store, StoreError, chain};
use crate::clock::{Timestamp, rfc3339_millis};
use crate::event::chain::{ChainHash, Head};
use crate::event::checkpoint::{Claims, Signer};

/// A checkpoint as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// What it says.
    pub claims: Claims,
    /// The signed text (JWS compact).
    pub token: String,
}

impl Store {
    /// The newest event; number 0 before the first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn head(&self) -> Result<Head, StoreError> {
        chain::head(&self.conn)
    }

    /// The head that was last published, and when.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn last_checkpoint(&self) -> Result<Option<(Head, Timestamp)>, StoreError> {
        last(&self.conn)
    }

    /// Signs the head, queues it as the retained checkpoint and remembers it, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Rewound`] when the record does not contain what was published before: a new
    /// checkpoint must not paper over that. Otherwise when nothing can be signed or written.
    pub fn checkpoint(
        &mut self,
        now: Timestamp,
        signer: &Signer,
    ) -> Result<Checkpoint, StoreError> {
        let stamp = self.stamp.clone();
        let tx = self.write()?;
        if let Some((published, _)) = last(&tx)?
            && let Some(finding) = contradiction(&tx, &published)?
        {
            return Err(StoreError::Rewound(finding.to_string()));
        }
        let (start, head) = (chain::start(&tx)?, chain::head(&tx)?);
        let claims = signer.claims(&head, head.seq.saturating_sub(start.seq), now);
        let token = signer.sign(&claims)?;
        tx.execute("DELETE FROM checkpoints", [])?;
        tx.execute(
            "INSERT INTO checkpoints (seq, hash, time) VALUES (?, ?, ?)",
            params![to_i64(head.seq), head.hash.0, rfc3339_millis(now)],
        )?;
        if let Some(wire) = &stamp.wire {
            supersede(&tx, &wire.checkpoint(&token))?;
        }
        tx.commit()?;
        Ok(Checkpoint { claims, token })
    }
}

pub(super) fn last(conn: &Connection) -> Result<Option<(Head, Timestamp)>, StoreError> {
    let row: Option<(i64, [u8; 32], String)> = conn
        .query_row(
            "SELECT seq, hash, time FROM checkpoints ORDER BY seq DESC LIMIT 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    let Some((seq, hash, time)) = row else {
        return Ok(None);
    };
    let time = time
        .parse()
        .map_err(|error| StoreError::Content(format!("checkpoint of event {seq}: {error}")))?;
    let head = Head {
        seq: to_u64(seq)?,
        hash: ChainHash(hash),
    };
    Ok(Some((head, time)))
}
