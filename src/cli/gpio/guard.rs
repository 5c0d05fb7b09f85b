//! Whatever ends `doorward gpio test`, the relay ends secured and everything else off.
//!
//! A pin keeps its level when its process dies, so Ctrl-C, SIGTERM and a lost terminal must
//! put it back first. Only SIGKILL cannot be answered; `doorward relay secure` is for that.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use doorward::gpio::output::Outputs;
use doorward::gpio::relay::Relay;
use tokio::signal::unix::{SignalKind, signal};

/// The exit code of a shell's command that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// What is switched on at times. Dropping a part puts it back.
#[derive(Default)]
pub(super) struct Held {
    pub(super) relay: Option<Box<dyn Relay>>,
    pub(super) outputs: Option<Outputs>,
}

/// Shared with the thread that waits for signals.
#[derive(Default)]
pub(super) struct Guard(Arc<Mutex<Held>>);

impl Guard {
    /// Starts to wait for signals.
    pub(super) fn stand() -> anyhow::Result<Self> {
        let guard = Self::default();
        let held = Arc::clone(&guard.0);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .context("cannot wait for signals")?;
        // The handlers must stand before the first pin moves.
        let (mut interrupt, mut terminate, mut hangup) = {
            let _inside = runtime.enter();
            let handler = |kind| signal(kind).context("cannot wait for signals");
            (
                handler(SignalKind::interrupt())?,
                handler(SignalKind::terminate())?,
                handler(SignalKind::hangup())?,
            )
        };
        std::thread::Builder::new()
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                        _ = hangup.recv() => {}
                    }
                });
                // Kept locked to the end: nothing is switched on again.
                let mut held = lock(&held);
                *held = Held::default();
                std::process::exit(INTERRUPTED);
            })
            .context("the system refuses a thread")?;
        Ok(guard)
    }

    /// What is held.
    pub(super) fn held(&self) -> MutexGuard<'_, Held> {
        lock(&self.0)
    }
}

/// A panic elsewhere is no reason to leave the relay released.
fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The waiting thread keeps its share until the process ends.
        *self.held() = Held::default();
    }
}
