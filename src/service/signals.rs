//! Signals: which end the service, which one it carries out, which it ignores.
//!
//! | signal | what it does |
//! |---|---|
//! | SIGTERM, SIGINT, SIGQUIT | ends the service in order: the relay is secured, the broker is told |
//! | SIGHUP | what the command `reload` does |
//! | SIGUSR1, SIGUSR2 | nothing, but for a line in the log |
//!
//! Each of them would end a process that does not ask for it, and a pin keeps its level then. So a
//! thread of its own waits for them, from before the relay is opened until the process is gone.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::ServiceError;

/// What is done at a SIGHUP. It must not wait for anybody.
type Reload = Box<dyn Fn() + Send>;

/// What the thread shares with the service.
#[derive(Default)]
struct Hangup {
    reload: Option<Reload>,
    /// One came before anybody could carry it out.
    early: bool,
}

/// The handlers, which stand for the rest of the process's life.
pub struct Signals {
    ended: watch::Receiver<bool>,
    hangup: Arc<Mutex<Hangup>>,
}

impl Signals {
    /// Installs the handlers; call this before anything else.
    ///
    /// # Errors
    /// When the system refuses a handler or a thread.
    pub fn stand() -> Result<Self, ServiceError> {
        let what = "the signal handling";
        let refused = |source| ServiceError::System { what, source };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .map_err(refused)?;
        let handlers = {
            let _inside = runtime.enter();
            Handlers::install().map_err(refused)?
        };
        let (end, ended) = watch::channel(false);
        let hangup = Arc::<Mutex<Hangup>>::default();
        let share = Arc::clone(&hangup);
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || runtime.block_on(handlers.wait(&end, &share)))
            .map_err(refused)?;
        Ok(Self { ended, hangup })
    }

    /// Whether the service is to end.
    pub(super) fn ending(&self) -> bool {
        *self.ended.borrow()
    }

    /// Returns once the service is to end.
    pub(super) async fn ended(&mut self) {
        // The thread, and with it the sender, lasts as long as the process.
        let _ = self.ended.wait_for(|end| *end).await;
    }

    /// What a SIGHUP does from now on; one that came before does it now. It must not wait.
    pub(super) fn on_hangup(&self, reload: impl Fn() + Send + 'static) {
        let mut hangup = lock(&self.hangup);
        if std::mem::take(&mut hangup.early) {
            reload();
        }
        hangup.reload = Some(Box::new(reload));
    }
}

/// One stream a signal.
struct Handlers {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    user_1: Signal,
    user_2: Signal,
}

impl Handlers {
    fn install() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            user_1: signal(SignalKind::user_defined1())?,
            user_2: signal(SignalKind::user_defined2())?,
        })
    }

    async fn wait(mut self, end: &watch::Sender<bool>, hangup: &Mutex<Hangup>) {
        loop {
            let ends = tokio::select! {
                _ = self.terminate.recv() => Some("SIGTERM"),
                _ = self.interrupt.recv() => Some("SIGINT"),
                _ = self.quit.recv() => Some("SIGQUIT"),
                _ = self.hangup.recv() => {
                    hung_up(hangup);
                    None
                }
                _ = self.user_1.recv() => ignored("SIGUSR1"),
                _ = self.user_2.recv() => ignored("SIGUSR2"),
            };
            if let Some(signal) = ends {
                tracing::info!(signal, "told to end");
                end.send_replace(true);
            }
        }
    }
}

fn ignored(signal: &str) -> Option<&'static str> {
    tracing::info!(signal, "means nothing here; ignored");
    None
}

fn hung_up(hangup: &Mutex<Hangup>) {
    let mut hangup = lock(hangup);
    match &hangup.reload {
        Some(reload) => {
            tracing::info!("SIGHUP: reading again what can change");
            reload();
        }
        // Everything is read at the start; it may have been read already, so it is not forgotten.
        None => hangup.early = true,
    }
}

fn lock(hangup: &Mutex<Hangup>) -> std::sync::MutexGuard<'_, Hangup> {
    hangup.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_hangup_that_comes_too_early_is_carried_out_later_and_once() {
        let (_end, ended) = watch::channel(false);
        let hangup = Arc::<Mutex<Hangup>>::default();
        let signals = Signals {
            ended,
            hangup: Arc::clone(&hangup),
        };
        hung_up(&hangup);
        hung_up(&hangup);
        let times = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&times);
        signals.on_hangup(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(times.load(Ordering::Relaxed), 1);
        hung_up(&hangup);
        assert_eq!(times.load(Ordering::Relaxed), 2);
    }
}
