//! Where the service's log goes: standard error, for journald, people or programs.
//!
//! Under systemd standard error is a socket to journald, which may wait for the same disk as we do. So
//! lines are written by a thread of their own: who logs never waits. What finds no room is dropped,
//! counted, and told of later.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use doorward::config::{LogConfig, LogFormat};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Lines that may wait to be written: minutes of an ordinary log, and at most a few MiB.
const WAITING: usize = 4096;
/// How often dropped lines are looked for.
const LOOK: Duration = Duration::from_secs(10);

/// The log while it is written. Dropping it writes what waits, for about a second at most.
pub(super) struct Log {
    gaps: Gaps,
    _worker: WorkerGuard,
}

/// Starts logging as configured; `json` overrides the format. Panics are logged, too: the thread
/// that panics may have a relay to secure, and must not wait for journald before that.
pub(super) fn start(config: &LogConfig, json: bool) -> anyhow::Result<Log> {
    let levels: Targets = config.level.parse()?;
    let (writer, worker) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING)
        .lossy(true)
        .thread_name("log")
        .finish(std::io::stderr());
    let log = Log {
        gaps: Gaps::new(writer.error_counter()),
        _worker: worker,
    };
    let registry = tracing_subscriber::registry().with(levels);
    if json || config.format == LogFormat::Json {
        let lines = fmt::layer().json().with_writer(writer);
        registry.with(lines).try_init()?;
    } else {
        let lines = fmt::layer()
            .with_writer(writer)
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
        // journald writes the time itself.
        if std::env::var_os("JOURNAL_STREAM").is_some() {
            registry.with(lines.without_time()).try_init()?;
        } else {
            registry.with(lines).try_init()?;
        }
    }
    std::panic::set_hook(Box::new(panicked));
    log.gaps.watch()?;
    Ok(log)
}

impl Drop for Log {
    fn drop(&mut self) {
        self.gaps.tell();
    }
}

/// Lines that were dropped, and how many of them have been told of.
#[derive(Clone)]
struct Gaps {
    dropped: ErrorCounter,
    told: Arc<AtomicUsize>,
}

impl Gaps {
    fn new(dropped: ErrorCounter) -> Self {
        Self {
            dropped,
            told: Arc::default(),
        }
    }

    /// Looks for them from a thread of its own, which ends with the process.
    fn watch(&self) -> std::io::Result<()> {
        let gaps = self.clone();
        std::thread::Builder::new()
            .name("log-gaps".into())
            .spawn(move || {
                loop {
                    std::thread::sleep(LOOK);
                    gaps.tell();
                }
            })?;
        Ok(())
    }

    fn tell(&self) {
        let dropped = self.dropped.dropped_lines();
        let told = self.told.fetch_max(dropped, Ordering::Relaxed);
        let lines = dropped.saturating_sub(told);
        if lines > 0 {
            tracing::warn!(
                lines,
                "the log could not be written in time; lines are missing"
            );
        }
    }
}

/// With a backtrace where `RUST_BACKTRACE` asks for one; finding its names reads the disk.
fn panicked(panic: &PanicHookInfo<'_>) {
    let current = std::thread::current();
    let thread = current.name().unwrap_or("unnamed");
    let place = panic.location().map(tracing::field::display);
    let words = panic.payload_as_str().unwrap_or("without a word");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(thread, place, "panic: {words}\n{backtrace}");
    } else {
        tracing::error!(thread, place, "panic: {words}");
    }
}
