//! The thread that keeps the broker informed.
//!
//! It owns the outbox's sending side for the life of the process: connect, feed, wait, connect
//! again. It must never end by itself, whatever the broker does (nor by a panic: `lives`), and never touch
//! anything but the outbox. Flows in: wakes and the stop. Flows out: [`PumpEvent`]s.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::backoff::Backoff;
use super::connection::{Ended, Link};
use super::credentials::Credentials;
use super::failure::{self, Failure, LinkError};
use super::lives::Lives;
use super::network::Network;
use super::settings::{MqttError, PumpConfig};
use crate::clock::{Clock, Tick};
pub use crate::command::Incoming;
use crate::event::wire::Qos;

/// A connection that lived this long was a good one: the next failure starts a new series.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);

/// How often the network is looked at while there is no connection. No less than a second: a
/// broker that is still busy with the end of the last connection must not be asked earlier.
const LOOK: Duration = Duration::from_secs(1);

/// What the service learns from the pump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PumpEvent {
    /// The broker accepted the connection.
    Connected {
        /// Whether it still had our session.
        session_present: bool,
        /// What it was seen not to do, and what follows.
        shortcoming: Option<String>,
        /// MQTT 5: for how many seconds it keeps our session when we are away.
        session_expiry_s: Option<u32>,
    },
    /// Another client took our place at the broker, or seems to have; what was under way is sent again,
    /// marked.
    TakenOver {
        /// How that is known, and what to do.
        detail: String,
    },
    /// There was no other client for an hour.
    Undisturbed,
    /// There is no connection; it is tried again.
    Disconnected {
        /// Why.
        error: Failure,
    },
    /// The broker's last word on a message is in (at QoS 0: it went to the socket).
    Delivered {
        /// Number of the outbox row.
        seq: i64,
        /// The event it carried.
        event_id: Option<Uuid>,
        /// Where to.
        topic: String,
        /// How.
        qos: Qos,
    },
    /// The broker refused a message for good, or it can never be sent.
    Rejected {
        /// Number of the outbox row; it is kept with the reason.
        seq: i64,
        /// The event it carried.
        event_id: Option<Uuid>,
        /// Where to.
        topic: String,
        /// Why.
        reason: String,
    },
    /// A message came in on a topic of [`PumpConfig::subscriptions`].
    Received(Incoming),
}

/// How the pump is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Not at all.
    No,
    /// Send what is left, say `stopped`, until then.
    By(Tick),
    /// At once, without a word: the broker publishes the will.
    Now,
}

/// The running pump. Dropping it ends the pump like a crash would; a service that means to
/// stop calls [`PumpHandle::shutdown`].
pub struct PumpHandle {
    clock: Arc<dyn Clock>,
    wake: Arc<Notify>,
    stop: watch::Sender<Stop>,
    credentials: Arc<Credentials>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for PumpHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PumpHandle")
            .field("thread", &self.thread)
            .finish_non_exhaustive()
    }
}

impl PumpHandle {
    /// There are new rows. Never blocks.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// The same for a thread of its own, which may outlive the pump: then nobody is woken.
    pub fn waker(&self) -> impl Fn() + Send + use<> {
        let wake = Arc::clone(&self.wake);
        move || wake.notify_one()
    }

    /// What makes the pump read the files named in `[mqtt]` again, now; for another thread.
    pub fn reloader(&self) -> impl Fn() + Send + use<> {
        let credentials = Arc::clone(&self.credentials);
        move || credentials.reload()
    }

    /// Sends what is left, publishes `stopped`, says goodbye to the broker and ends; returns
    /// within about `deadline`. What could not be sent stays in the outbox.
    pub fn shutdown(mut self, deadline: Duration) {
        self.end(Stop::By(self.clock.tick() + deadline));
    }

    fn end(&mut self, stop: Stop) {
        self.stop.send_replace(stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!(target: "doorward::mqtt", "the MQTT thread ended by a panic");
        }
    }
}

impl Drop for PumpHandle {
    fn drop(&mut self) {
        self.end(Stop::Now);
    }
}

/// Starts the pump. `on_event` is called on the pump's thread and must be quick.
///
/// # Errors
/// When the outbox cannot be opened or the thread cannot be started.
pub fn spawn(
    config: PumpConfig,
    clock: Arc<dyn Clock>,
    on_event: impl FnMut(PumpEvent) + Send + 'static,
) -> Result<PumpHandle, MqttError> {
    if config.endpoint.tls.is_none() {
        warn!(
            target: "doorward::mqtt",
            "mqtt.allow_plaintext: everything sent to {} can be read and forged on the way, and nothing proves who the broker is",
            config.endpoint
        );
    }
    let wake = Arc::new(Notify::new());
    let (stop, stopping) = watch::channel(Stop::No);
    let credentials = Arc::clone(&config.watched);
    let lives = Lives {
        config,
        clock: Arc::clone(&clock),
        on_event: Arc::new(Mutex::new(on_event)),
        wake: Arc::clone(&wake),
        stopping,
    };
    let first = lives.build()?;
    let thread = std::thread::Builder::new()
        .name("mqtt".into())
        .spawn(move || lives.run(first))
        .map_err(MqttError::Thread)?;
    Ok(PumpHandle {
        clock,
        wake,
        stop,
        credentials,
        thread: Some(thread),
    })
}

/// The pump of one life.
pub(super) struct Pump {
    pub link: Link,
}

impl Pump {
    /// Connects, again and again, until it is asked to stop.
    pub(super) async fn run(self) {
        let Pump { mut link } = self;
        let mut backoff = Backoff::new(link.config.retry);
        while *link.stopping.borrow() == Stop::No {
            let end = link.run().await;
            let mut eager = false;
            let wait = match end.ended {
                Ended::Stopped => break,
                Ended::Rebuild => link.config.retry.first,
                Ended::Failed(error) => {
                    let now = link.session.now().tick;
                    let circumstances = &end.circumstances;
                    let failure = failure::classify(&error, &link.config.endpoint, circumstances);
                    if circumstances
                        .lived
                        .is_some_and(|lived| lived >= GOOD_CONNECTION)
                    {
                        backoff.reset();
                    }
                    if error.is_too_large() {
                        let refused = link.session.lock().too_large(now);
                        refused.into_iter().for_each(|o| link.reporter.ended(o));
                    }
                    let taken = link.taken_over(&error, circumstances).await;
                    link.lower_what_is_too_much();
                    // What came in waits in the broker's session and would come again for ever.
                    let give_up = error.is_unusable_session() || error.is_flooded() || taken;
                    if give_up && let Err(error) = link.session.lock().forget_session() {
                        warn!(target: "doorward::mqtt", "the unusable session cannot be given up yet: {error}");
                    }
                    // Whoever took our place may do so again at once: being away for long would be worse.
                    let wait = if taken {
                        backoff.soon()
                    } else {
                        backoff.next(&failure)
                    };
                    eager = matches!(failure, Failure::Network(_));
                    link.reporter.disconnected(failure, &detail(&error), wait);
                    wait
                }
            };
            // Answers already known are not worth losing, whatever comes next.
            if let Err(error) = link.session.lock().flush() {
                warn!(target: "doorward::mqtt", "acknowledgements are not recorded yet: {error}");
            }
            let first = link.config.retry.first;
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = network_returns(), if eager => {
                    debug!(target: "doorward::mqtt", "the network has changed; connecting at once");
                }
                // What was refused may be accepted now.
                () = async {
                    link.config.watched.renewed().await;
                    tokio::time::sleep(first).await;
                } => {}
                _ = link.stopping.wait_for(|stop| *stop != Stop::No) => {}
            }
        }
        if let Err(error) = link.session.lock().flush() {
            warn!(target: "doorward::mqtt", "acknowledgements are not recorded, so messages may be sent again: {error}");
        }
        info!(target: "doorward::mqtt", "stopped");
    }
}

/// Until there is more of a network than there was: never sooner than [`LOOK`] after the attempt
/// that failed.
async fn network_returns() {
    let mut before = Network::now();
    loop {
        tokio::time::sleep(LOOK).await;
        let now = Network::now();
        if now.has_more_than(&before) {
            return;
        }
        before = now;
    }
}

/// The library's own words, for the log only.
fn detail(error: &LinkError) -> String {
    format!("{error:?}")
}
