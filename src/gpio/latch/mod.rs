//! The latch: the thread that owns the relay, and the second relay that follows it.
//!
//! It knows one thing, "released until then", and ends that by itself: whoever ordered the release
//! may wait for a disk, hang or be dead by then. A release that is to last is a **lease**, ordered
//! again and again with an end that is near; without the next order it runs out.
//!
//! Nothing on the way from a deadline to the pin waits for anybody: no file, no lock of a thread that
//! does I/O, no memory to be found, no log. Orders come through a queue whose room is taken at the
//! start; what the latch did goes to a callback, which must not wait either (a channel's `try_send`).
//!
//! Flows in: [`Latch::release_until`], [`Latch::secure`], time. Flows out: the pins, [`LatchReport`]s,
//! a [`Pulse`]. However the thread ends, a panic included, it secures first.

mod bolt;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::relay::Relay;
use crate::beat::Beat;
use crate::clock::{Clock, Tick};
use crate::event::wire::Lock;
use bolt::Bolt;

/// Orders that may wait. The latch needs microseconds for one: a queue that is full belongs to a
/// thread that hangs in its driver.
const QUEUE: usize = 16;
/// The longest wait between two signs of life.
const ROUND: Duration = Duration::from_millis(250);

/// What the latch did. The callback that gets it must not wait for anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LatchReport {
    /// The pin moved.
    Set {
        /// To where.
        lock: Lock,
        /// When it had moved.
        at: Tick,
        /// Whether a release came to its own end; otherwise an order moved it.
        expired: bool,
    },
    /// It did not move as it should. A pin that does not secure is tried again until it does, and
    /// reported once; a release that failed or came too late is not tried again.
    Failed {
        /// To where it should have moved.
        lock: Lock,
        /// Why it did not.
        message: String,
    },
}

/// Why an order does not reach the pin. Either way the door is secured, or will be at the end of
/// the release that was ordered last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LatchGone {
    /// The thread hangs, most likely in its driver.
    #[error("the latch does not answer: {QUEUE} orders wait for it")]
    Full,
    /// It was stopped, or died.
    #[error("the latch has ended")]
    Ended,
}

/// Signs of life and counts, for the watchdog and for telemetry.
#[derive(Debug, Default)]
pub struct Pulse {
    /// The last round.
    pub beat: Beat,
    releases: AtomicU64,
    expired: AtomicU64,
    failures: AtomicU64,
}

impl Pulse {
    /// How often the relay was released.
    #[must_use]
    pub fn releases(&self) -> u64 {
        self.releases.load(Ordering::Relaxed)
    }

    /// How many releases came to their own end.
    #[must_use]
    pub fn expired(&self) -> u64 {
        self.expired.load(Ordering::Relaxed)
    }

    /// How often a pin did not move as it should, those of the second relay included.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Clone, Copy)]
enum Order {
    ReleaseUntil(Tick),
    Secure,
    /// Says nothing: look at the demands.
    Wake,
}

/// What must be heard even when the queue is full.
#[derive(Debug, Default)]
struct Demands {
    secure: AtomicBool,
    stop: AtomicBool,
}

/// Whoever holds one can order. When the last one is dropped, the latch secures and ends.
#[derive(Debug, Clone)]
pub struct Latch {
    orders: SyncSender<Order>,
    demands: Arc<Demands>,
    pulse: Arc<Pulse>,
}

impl Latch {
    /// Starts the thread, with relays that are secured, as opening them leaves them. It gives the
    /// relay back, secured, when it ends.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn spawn(
        mut relay: Box<dyn Relay>,
        second: Option<Box<dyn Relay>>,
        clock: Arc<dyn Clock>,
        report: impl Fn(LatchReport) + Send + 'static,
    ) -> std::io::Result<(Self, JoinHandle<Box<dyn Relay>>)> {
        let (orders, ordered) = sync_channel(QUEUE);
        let latch = Self {
            orders,
            demands: Arc::default(),
            pulse: Arc::default(),
        };
        latch.pulse.beat.mark(clock.tick());
        let (demands, pulse) = (Arc::clone(&latch.demands), Arc::clone(&latch.pulse));
        let thread = std::thread::Builder::new()
            .name("latch".into())
            .spawn(move || {
                let bolt = Bolt::new(&mut *relay, second, &*clock, &report, &pulse);
                keep(bolt, &ordered, &demands, &*clock, &pulse);
                relay
            })?;
        Ok((latch, thread))
    }

    /// Released until then, from now on; a later call moves the end, forth or back. An end that is
    /// past already releases nothing.
    ///
    /// # Errors
    /// When the latch cannot hear it. Never waits.
    pub fn release_until(&self, until: Tick) -> Result<(), LatchGone> {
        self.order(Order::ReleaseUntil(until))
    }

    /// Secured, from now on.
    ///
    /// # Errors
    /// When the latch cannot hear it; a thread that hangs secures as soon as it does not any more,
    /// and forgets what else waited. Never waits.
    pub fn secure(&self) -> Result<(), LatchGone> {
        let ordered = self.order(Order::Secure);
        if ordered == Err(LatchGone::Full) {
            self.demands.secure.store(true, Ordering::Release);
        }
        ordered
    }

    /// Secures and ends the thread, whoever else holds a handle. Does not wait for it.
    pub fn stop(&self) {
        self.demands.stop.store(true, Ordering::Release);
        // A full queue needs no waking, and an ended thread hears nothing.
        let _ = self.order(Order::Wake);
    }

    /// Signs of life and counts; holding them does not keep the thread.
    #[must_use]
    pub fn beats(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    fn order(&self, order: Order) -> Result<(), LatchGone> {
        self.orders.try_send(order).map_err(|error| match error {
            TrySendError::Full(_) => LatchGone::Full,
            TrySendError::Disconnected(_) => LatchGone::Ended,
        })
    }
}

/// The thread's loop. Dropping the bolt at its end, or when it panics, secures.
fn keep(
    mut bolt: Bolt<'_>,
    orders: &Receiver<Order>,
    demands: &Demands,
    clock: &dyn Clock,
    pulse: &Pulse,
) {
    loop {
        let now = clock.tick();
        pulse.beat.mark(now);
        bolt.due(now);
        if demands.stop.load(Ordering::Acquire) {
            return;
        }
        if demands.secure.swap(false, Ordering::Acquire) {
            bolt.secure();
            for order in orders.try_iter().take(QUEUE) {
                if let Order::ReleaseUntil(_) = order {
                    bolt.dropped();
                }
            }
        }
        match orders.recv_timeout(bolt.patience(now)) {
            Ok(Order::ReleaseUntil(until)) => bolt.release_until(until),
            Ok(Order::Secure) => bolt.secure(),
            Ok(Order::Wake) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
