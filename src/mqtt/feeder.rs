//! Hands rows to the client: what is queued, as much as may be under way, in order.
//!
//! It decides *when*; *which* is the ledger's. It never waits for an answer and never writes
//! to the network. It also brings the connection down when the service stops: what is left is
//! sent, `stopped` goes last, within the time allowed.

use std::time::Duration;

use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use super::connection::{Ended, Live};
use super::dialect::{Client, Unsent};
use super::failure::LinkError;
use super::pump::Stop;
use crate::clock::Tick;
use crate::event::wire::Availability;

/// How often rows of another process (the CLI) are looked for.
const LOOK: Duration = Duration::from_millis(500);
/// Longest silence on messages under way, unless the keep-alive is longer still.
const SILENCE: Duration = Duration::from_secs(30);
/// How often the end of the sending is checked for while stopping.
const STOP_STEP: Duration = Duration::from_millis(20);
/// Share of the time to stop that is kept for saying `stopped`.
const LAST_WORD: u32 = 3;

/// What was found in a quiet moment.
enum Look {
    Same,
    /// There may be more to send.
    More,
    /// Somebody has given up the session.
    Gone,
}

/// The feeder of one connection.
pub(super) struct Feeder<'a, C> {
    pub live: &'a Live<'a>,
    pub client: &'a C,
    pub wake: &'a Notify,
}

impl<C: Client> Feeder<'_, C> {
    /// Feeds for as long as the connection lives; returns only what makes feeding impossible.
    pub(super) async fn run(&self) -> Ended {
        loop {
            match self.round() {
                Ok(()) => {}
                Err(error) => return Ended::Failed(error),
            }
            loop {
                tokio::select! {
                    () = self.live.progress.notified() => break,
                    () = self.wake.notified() => break,
                    () = tokio::time::sleep(LOOK) => {}
                }
                self.live.look_about(self.client);
                match self.look() {
                    Ok(Look::More) => break,
                    Ok(Look::Same) => {}
                    Ok(Look::Gone) => return Ended::Rebuild,
                    Err(error) => return Ended::Failed(error),
                }
            }
        }
    }

    /// Hands over what there is room for.
    fn round(&self) -> Result<(), LinkError> {
        loop {
            let now = self.live.session.now();
            let mut ledger = self.live.session.lock();
            ledger.flush_many()?;
            let rows = ledger.next(now)?;
            let mut refused = Vec::new();
            for row in rows {
                if let Some(reason) = ledger.unsendable(&row) {
                    refused.push(ledger.reject(row, reason));
                    continue;
                }
                match self.client.publish(&row, now.wall) {
                    Ok(()) => ledger.handed_over(row, now.tick),
                    Err(Unsent::Invalid) => {
                        let reason = "the topic is not a valid MQTT topic".to_owned();
                        refused.push(ledger.reject(row, reason));
                    }
                    // The client's queue has room for all packet ids; it is full only when
                    // the client is stuck, and gone only when the connection is.
                    Err(Unsent::NoRoom) => break,
                }
            }
            let again = !refused.is_empty();
            if again || ledger.outstanding() == 0 {
                ledger.flush()?;
            }
            drop(ledger);
            for outcome in refused {
                self.live.report(outcome);
            }
            if !again {
                return Ok(());
            }
        }
    }

    /// The quiet half second: commits answers, looks for foreign rows, for the end of a pause,
    /// and for a broker that answers pings but no messages.
    fn look(&self) -> Result<Look, LinkError> {
        let now = self.live.session.now().tick;
        let mut ledger = self.live.session.lock();
        ledger.flush()?;
        let patience = SILENCE.max(self.live.config.keep_alive * 2);
        if self.live.connected.borrow().is_some()
            && ledger.waited(now).is_some_and(|waited| waited > patience)
        {
            return Err(LinkError::Unresponsive);
        }
        let resumes = ledger.pause_has_ended(now);
        let changed = ledger.changed_elsewhere()?;
        if changed && ledger.session_is_gone()? {
            info!(target: "doorward::mqtt", "the session was given up by hand; a new one is made");
            return Ok(Look::Gone);
        }
        Ok(if changed || resumes {
            Look::More
        } else {
            Look::Same
        })
    }

    /// Waits for the stop, then brings the connection down.
    pub(super) async fn run_down(&self, stopping: &mut watch::Receiver<Stop>) -> Ended {
        // An error means that the handle is gone, and with it everybody who could want more.
        let stop = match stopping.wait_for(|stop| *stop != Stop::No).await {
            Ok(stop) => *stop,
            Err(_) => Stop::Now,
        };
        if let Stop::By(deadline) = stop
            && self.live.connected.borrow().is_some()
        {
            let now = self.live.session.now().tick;
            let left = deadline.since(now);
            self.drained(now + (left - left / LAST_WORD)).await;
            self.say_stopped(deadline).await;
        }
        Ended::Stopped
    }

    /// Until nothing is left to send, or until `deadline`.
    async fn drained(&self, deadline: Tick) {
        loop {
            let now = self.live.session.now();
            if now.tick >= deadline {
                return;
            }
            let left = {
                let mut ledger = self.live.session.lock();
                ledger.outstanding() > 0 || ledger.next(now).is_ok_and(|rows| !rows.is_empty())
            };
            if !left {
                return;
            }
            self.wake.notify_one();
            tokio::time::sleep(STOP_STEP).await;
        }
    }

    /// The last word, ahead of whatever still waits.
    async fn say_stopped(&self, deadline: Tick) {
        let stopped = self.live.config.wire.availability(Availability::Stopped);
        let said = self.live.session.lock().announce(&stopped);
        let seq = match said {
            Ok(seq) => seq,
            Err(error) => {
                warn!(target: "doorward::mqtt", "cannot say that the door stops: {error}");
                return;
            }
        };
        self.wake.notify_one();
        while self.live.session.now().tick < deadline && self.live.session.lock().is_open(seq) {
            tokio::time::sleep(STOP_STEP).await;
        }
    }
}
