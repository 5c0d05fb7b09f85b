//! Records what the client is about to do, before it can do it.
//!
//! **Which row a packet id belongs to.** The client gives out packet ids itself and asks before
//! the packet can leave. Publishes keep their order on the way from the feeder through the
//! client, so a packet id not seen before belongs to the oldest row handed over with the same
//! topic, payload, QoS and retain flag. Every event carries its own id in the payload, so equal
//! bytes means the same row; two equal retained messages could be swapped without anybody being
//! able to tell. An id that fits no row stops the connection.
//!
//! **One commit a batch.** The client asks once a message, but which id the next one gets is
//! known: the next free one. So the first question of a batch commits every row that was handed
//! over, each with the id foreseen for it, and the questions that follow find the answer on the
//! disk. When a foreseen id turns out wrong, the true one is committed before the answer, like
//! any other step, and what was foreseen for the rest is corrected with it. A row that was
//! committed but never asked about has not been sent: it goes back to the queue, or, if the
//! process dies first, it is sent under its id as a repetition of what the broker never saw.

use std::collections::BTreeSet;

use super::flight::{Flight, Settled};
use super::snapshot::{Snapshot, Step};
use super::{Ledger, SaveError};
use crate::clock::Timestamp;
use crate::event::wire::Qos;
use crate::mqtt::dialect;
use crate::store::StoreError;
use crate::store::outbox::{Change, Row, Stage};

/// What a snapshot shows that is not in the ledger.
struct News {
    /// Indices of rows handed over, and the packet ids they got.
    published: Vec<(usize, u16)>,
    /// Packet ids whose release is about to leave.
    released: Vec<u16>,
}

impl Ledger {
    /// Records what the client is about to put on the wire; durable when it returns.
    pub(in crate::mqtt) fn save(
        &mut self,
        session: &Snapshot<'_>,
        now: Timestamp,
    ) -> Result<(), SaveError> {
        let news = self.news(session)?;
        let foreseen = news.published.iter().all(|(index, pkid)| {
            self.handed
                .get(*index)
                .is_some_and(|row| self.reserved.get(&row.seq) == Some(pkid))
        });
        if !foreseen || !news.released.is_empty() || self.incoming != session.incoming {
            self.commit(session, &news, foreseen, now)?;
        }
        // From the back, so that the indices in front stay true.
        let mut published = news.published;
        published.sort_unstable_by(|a, b| b.cmp(a));
        for (index, pkid) in published {
            if let Some(row) = self.handed.remove(index) {
                self.reserved.remove(&row.seq);
                let bytes = dialect::packet_bytes(self.owner.protocol, &row);
                self.flights.insert(pkid, Flight::first(&row, bytes));
            }
        }
        for pkid in news.released {
            if let Some(flight) = self.flights.get_mut(&pkid) {
                flight.stage = Stage::Received;
            }
        }
        Ok(())
    }

    fn news(&self, session: &Snapshot<'_>) -> Result<News, SaveError> {
        let mut news = News {
            published: Vec::new(),
            released: Vec::new(),
        };
        for step in &session.steps {
            match step {
                Step::Published(publish) if !self.flights.contains_key(&publish.pkid) => {
                    let index = (0..self.handed.len())
                        .find(|index| {
                            news.published.iter().all(|(taken, _)| taken != index)
                                && self.handed.get(*index).is_some_and(|row| publish.is(row))
                        })
                        .ok_or(SaveError::UnknownPublish(publish.pkid))?;
                    news.published.push((index, publish.pkid));
                }
                Step::Released(pkid) => match self.flights.get(pkid) {
                    Some(flight) if flight.stage == Stage::Published => news.released.push(*pkid),
                    Some(_) => {}
                    None => return Err(SaveError::UnknownRelease(*pkid)),
                },
                Step::Published(_) | Step::Other(_) => {}
            }
        }
        Ok(news)
    }

    /// One transaction: answers that are known, what was foreseen wrongly, what is about to
    /// leave, what is foreseen to follow.
    fn commit(
        &mut self,
        session: &Snapshot<'_>,
        news: &News,
        foreseen: bool,
        now: Timestamp,
    ) -> Result<(), SaveError> {
        let (plan, last_pkid) = if foreseen {
            (Vec::new(), session.last_pkid)
        } else {
            self.plan(session, &news.published)
        };
        let right = |seq: i64, pkid: u16| self.reserved.get(&seq) == Some(&pkid);
        let planned: Vec<_> = plan
            .iter()
            .filter_map(|(index, pkid)| Some((self.handed.get(*index)?, *pkid)))
            .collect();
        let mut changes: Vec<Change<'_>> = self.settled.iter().map(Settled::change).collect();
        if !foreseen {
            let stays = |seq: i64, pkid: u16| {
                let same = |(row, planned): &(&Row, u16)| row.seq == seq && *planned == pkid;
                planned.iter().any(same)
            };
            let wrong = self.reserved.iter();
            let wrong = wrong.filter(|(seq, pkid)| !stays(**seq, **pkid));
            changes.extend(wrong.map(|(seq, _)| Change::Queued { seq: *seq }));
        }
        let fresh = planned
            .iter()
            .filter(|(row, pkid)| !right(row.seq, *pkid))
            .map(|(row, pkid)| Change::Published {
                row,
                pkid: *pkid,
                at: now,
            });
        changes.extend(fresh);
        changes.extend(news.released.iter().filter_map(|pkid| {
            let seq = self.flights.get(pkid)?.seq;
            Some(Change::Received { seq })
        }));
        let incoming = session.incoming.clone();
        let header = self.header_with(last_pkid, session.last_puback, incoming);
        let header = header.write();
        if self.established {
            self.outbox.apply(&changes, Some(&header))?;
        } else {
            self.outbox.apply_first(&changes, &header)?;
            self.established = true;
        }

        self.settled.clear();
        self.incoming.clone_from(&session.incoming);
        if !foreseen {
            self.reserved = planned.iter().map(|(row, pkid)| (row.seq, *pkid)).collect();
        }
        Ok(())
    }

    /// The ids of everything that was handed over: those given out, and those foreseen for the
    /// rest, with the last one of them.
    fn plan(&self, session: &Snapshot<'_>, given: &[(usize, u16)]) -> (Vec<(usize, u16)>, u16) {
        let mut plan = given.to_vec();
        let mut last = session.last_pkid;
        let limit = self.limits.map_or(0, |limits| limits.highest_pkid);
        let mut taken: BTreeSet<u16> = session.steps.iter().map(Step::pkid).collect();
        for (index, row) in self.handed.iter().enumerate() {
            if row.qos == Qos::AtMostOnce || given.iter().any(|(known, _)| *known == index) {
                continue;
            }
            let Some(pkid) = next_pkid(last, limit, |pkid| taken.contains(&pkid)) else {
                break;
            };
            taken.insert(pkid);
            last = if pkid == limit { 0 } else { pkid };
            plan.push((index, pkid));
        }
        (plan, last)
    }

    /// Rows that were committed with a foreseen id but never asked about have not been sent:
    /// they are queued as before.
    pub(super) fn withdraw(&mut self) -> Result<(), StoreError> {
        if !self.reserved.is_empty() {
            let seqs = self.reserved.keys();
            let changes: Vec<_> = seqs.map(|seq| Change::Queued { seq: *seq }).collect();
            self.outbox.apply(&changes, None)?;
            self.reserved.clear();
        }
        Ok(())
    }
}

/// The packet id that the client gives out next: both libraries count up to the limit and start
/// over, skipping what is in use.
fn next_pkid(last: u16, limit: u16, taken: impl Fn(u16) -> bool) -> Option<u16> {
    let after = |pkid| if pkid >= limit { 1 } else { pkid + 1 };
    let mut pkid = after(last);
    for _ in 0..limit {
        if !taken(pkid) {
            return Some(pkid);
        }
        pkid = after(pkid);
    }
    None
}
