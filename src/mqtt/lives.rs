//! The lives of the pump: a panic ends one, and the next is built from the outbox.
//!
//! A panic is a defect of ours or of a library, and the door works on without a broker; but it is
//! offline meanwhile and must say so. What the dead pump knew is gone, as after a power cut, and
//! nothing is lost by that. A defect that returns at once is met ever more rarely.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::{Notify, watch};
use tracing::error;

use super::backoff::Backoff;
use super::connection::Link;
use super::failure::Failure;
use super::ledger::{Ledger, Owner};
use super::pump::{Pump, PumpEvent, Stop};
use super::report::Reporter;
use super::session::Shared;
use super::settings::{MqttError, PumpConfig};
use super::takeover::Takeovers;
use crate::clock::Clock;
use crate::store::outbox::Outbox;

/// A life that lasted so long was a good one: the next panic starts a new series.
const GOOD_LIFE: Duration = Duration::from_secs(600);
/// How long the runtime may take to let go of a name that is just being resolved.
const RUNTIME_GRACE: Duration = Duration::from_millis(200);
/// How often the stop is looked for between two lives.
const STOP_STEP: Duration = Duration::from_millis(50);

/// What every life is made of.
pub(super) struct Lives {
    pub config: PumpConfig,
    pub clock: Arc<dyn Clock>,
    pub on_event: Arc<Mutex<dyn FnMut(PumpEvent) + Send>>,
    pub wake: Arc<Notify>,
    pub stopping: watch::Receiver<Stop>,
}

/// One of them, ready to run.
pub(super) struct Life {
    runtime: Runtime,
    pump: Pump,
}

impl Lives {
    /// Builds a pump from what is in the outbox.
    pub(super) fn build(&self) -> Result<Life, MqttError> {
        let config = self.config.clone();
        let outbox = Outbox::open(&config.database)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(MqttError::Thread)?;
        let owner = Owner {
            broker: config.endpoint.to_string(),
            protocol: config.protocol,
            client_id: config.client_id.clone(),
        };
        let ledger = Ledger::new(outbox, owner, config.resend_dup);
        let on_event = Arc::clone(&self.on_event);
        let link = Link {
            session: Shared::new(ledger, Arc::clone(&self.clock)),
            reporter: Reporter::new(Box::new(move |event| tell(&on_event, event))),
            wake: Arc::clone(&self.wake),
            stopping: self.stopping.clone(),
            cleared: false,
            one_by_one: false,
            takeovers: Takeovers::default(),
            config,
        };
        Ok(Life {
            runtime,
            pump: Pump { link },
        })
    }

    /// Lives until it is asked to stop.
    pub(super) fn run(&self, first: Life) {
        let mut waits = Backoff::new(self.config.retry);
        let mut next = Ok(first);
        loop {
            let begun = Instant::now();
            let failure = match next {
                Ok(life) => match life.live() {
                    Ok(()) => return,
                    Err(panic) => panicked(panic.as_ref()),
                },
                Err(MqttError::Store(error)) => Failure::Storage(error.to_string()),
                Err(error) => Failure::Defect(error.to_string()),
            };
            if begun.elapsed() >= GOOD_LIFE {
                waits.reset();
            }
            let wait = waits.next(&failure);
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            error!(target: "doorward::mqtt", wait_ms, "{failure}");
            // The one who is told may be the one who panicked.
            let event = PumpEvent::Disconnected { error: failure };
            let _ = catch_unwind(AssertUnwindSafe(|| tell(&self.on_event, event)));
            if self.stopped_within(wait) {
                return;
            }
            next = self.build();
        }
    }

    fn stopped_within(&self, wait: Duration) -> bool {
        let end = Instant::now() + wait;
        loop {
            if *self.stopping.borrow() != Stop::No {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            std::thread::sleep(left.min(STOP_STEP));
        }
    }
}

impl Life {
    /// Runs the pump to its end, or to what it panicked with.
    fn live(self) -> std::thread::Result<()> {
        let Self { runtime, pump } = self;
        let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(pump.run())));
        runtime.shutdown_timeout(RUNTIME_GRACE);
        ended
    }
}

fn tell(on_event: &Mutex<dyn FnMut(PumpEvent) + Send>, event: PumpEvent) {
    let mut on_event = on_event.lock().unwrap_or_else(PoisonError::into_inner);
    on_event(event);
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let words = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Failure::Defect(format!(
        "the MQTT thread panicked ({}); it is built anew from the outbox, and nothing is lost; this is a defect of doorward, please report it with the log",
        words.unwrap_or("without a word")
    ))
}
