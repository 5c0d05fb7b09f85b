//! The running service: wires the parts to threads, starts them in a safe order, ends them in one.
//!
//! ```text
//! camera thread ─▶ newest-frame slot ─▶ vision thread ─▶ keeper thread ─▶ store, relay, panel
//!         contact, exit button and keypad threads ─────────▲ ▲ └─ wakes ─▶ MQTT thread ─▶ broker
//!       caretaker (room, backups), dispatcher (outbox) ──────┘
//! ```
//! Start: lock, **relay to its safe level**, store, models, broker, keeper, camera, vision.
//! End (signal, end of a file, or any thread's failure): keeper secures, broker hears
//! `stopped`, and last of all the relay is set to its safe level once more.

mod advice;
mod archivist;
mod caretaker;
mod certificates;
mod dispatcher;
mod inputs;
pub mod keeper;
mod mailbox;
pub mod snapshots;
mod telemetry;
mod throttle;
mod watcher;

pub use advice::advice;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::audit::backup::is_genuine;
use crate::audit::known_key;
use crate::audit::seal::Seals;
use crate::camera::{self, CameraError, CameraEvent, FrameSlot};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, ZoneError, Zones};
use crate::event::wire::Lock;
use crate::gpio::GpioError;
use crate::gpio::output::Outputs;
use crate::gpio::panel::Panel;
use crate::gpio::relay::{self, Relay, RelayError};
use crate::mqtt::{self, MqttError, PumpConfig, PumpEvent};
use crate::pipeline::Pipeline;
use crate::store::recover::{self, Recovery};
use crate::store::{InstanceLock, Store, StoreError};
use crate::vision::pack::{ModelPack, PackError};
use crate::vision::{Vision, VisionError};
use archivist::Archivist;
use caretaker::Caretaker;
use certificates::Certificates;
use dispatcher::Dispatcher;
use inputs::Listening;
use keeper::{Keeper, Kept, Message, Undelivered};
use mailbox::Mailbox;
use snapshots::Snapshots;
use telemetry::Gauges;
use watcher::Watcher;

/// How long the broker may take to hear the last events when the service ends; systemd waits 15 s.
const FAREWELL: Duration = Duration::from_secs(3);

/// Why the service did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The relay cannot be used.
    #[error(transparent)]
    Relay(#[from] RelayError),
    /// An input, an output or the keypad cannot be used.
    #[error(transparent)]
    Gpio(#[from] GpioError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The model pack is not what it should be.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// Vision failed.
    #[error(transparent)]
    Vision(#[from] VisionError),
    /// The file or folder that plays the camera failed.
    #[error(transparent)]
    Camera(#[from] CameraError),
    /// The MQTT configuration cannot be used.
    #[error(transparent)]
    Mqtt(#[from] MqttError),
    /// The operating system refused a thread or a signal handler.
    #[error("cannot start {what}: {source}")]
    System {
        /// What.
        what: &'static str,
        /// The system's word.
        source: std::io::Error,
    },
    /// Nobody knows the site's time zone: schedules would hold at the wrong hours.
    #[error(transparent)]
    Zone(#[from] ZoneError),
    /// A thread died of a defect.
    #[error("the {0} thread panicked; this is a defect of doorward, please report it with the log")]
    Panicked(&'static str),
}

/// Why the service ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// SIGTERM or SIGINT.
    Signal,
    /// The video file or image folder came to its end.
    SourceEnded,
}

/// Something a thread tells the one that waits.
enum Notice {
    /// End of the source.
    SourceEnded,
    /// A thread ended by itself: that ends the service.
    Died(&'static str, Option<ServiceError>),
}

/// Where threads tell it.
type Notices = UnboundedSender<Notice>;

/// Runs the service until it is told to stop; the relay is at its safe level when this returns.
///
/// # Errors
/// What kept it from starting, or made it end.
pub fn run(config: &Config) -> Result<Ending, ServiceError> {
    // A second instance must not touch the first one's relay; any other trouble with the lock
    // must not keep the relay from being made safe.
    let lock = InstanceLock::acquire(&config.store.path);
    if let Err(error @ StoreError::InUse { .. }) = lock {
        return Err(error.into());
    }
    let relay = relay::open(&config.relay)?;
    let _lock = lock?;

    let ended = guard(config, relay);
    if let Err(ServiceError::Store(error @ StoreError::Damaged(_))) = &ended
        && let Err(error) = recover::mark_suspect(&config.store.path, error)
    {
        tracing::warn!(%error, "the next start cannot be told to look at the whole database");
    }
    ended
}

/// Guards the door with a relay that is at its safe level, and leaves it there.
fn guard(config: &Config, relay: Box<dyn Relay>) -> Result<Ending, ServiceError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::from_config(&config.clock));
    let zones = Zones::newest();
    let zone = zones.site(config.access.time_zone.as_deref())?;
    tracing::info!(zone = zone.iana_name().unwrap_or("without a name"), "times of day by {zones}");
    let newest = config.store.backup_path();
    // A key that cannot be used is told of when something is to be signed.
    let key = known_key(&config.audit.key_path(&config.store.path)).unwrap_or_default();
    let seals = Seals::of(config.source(), key);
    let (store, recovery) = recover::open_or_recover(
        &config.store.path,
        config.wire(),
        &newest,
        &|backup| is_genuine(&seals, backup, &newest),
        clock.now(),
    )?;
    if let Some(recovery) = &recovery {
        tracing::error!("{recovery}");
    }
    for remark in advice(config, &store.rules()?) {
        tracing::warn!("{remark}");
    }
    let pack = ModelPack::open_named(&config.models.directory, &config.models.pack)?;
    let vision = Vision::load(&pack, config.models.threads)?;
    if let Some(left_out) = store.left_out(vision.model_id())? {
        tracing::warn!(pack = pack.name(), people = left_out.0.len(), "{left_out}");
    }
    let pipeline = Pipeline::new(vision, &config.recognition, &config.liveness)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| ServiceError::System {
            what: "the signal handling",
            source,
        })?;
    runtime.block_on(supervise(config, relay, (store, recovery), pipeline, clock))
}

/// Starts the threads, waits for a reason to end, and ends them.
async fn supervise(
    config: &Config,
    relay: Box<dyn Relay>,
    (store, recovery): (Store, Option<Recovery>),
    pipeline: Pipeline,
    clock: Arc<dyn Clock>,
) -> Result<Ending, ServiceError> {
    use tokio::signal::unix::{SignalKind, signal};
    let handler = |source| ServiceError::System {
        what: "the signal handling",
        source,
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(handler)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(handler)?;

    let stop = Arc::new(AtomicBool::new(false));
    let (notices, mut noticed) = tokio::sync::mpsc::unbounded_channel();
    let (to_keeper, messages) = mpsc::channel();

    let to_tell = to_keeper.clone();
    let mailbox = Mailbox::new(to_keeper.clone(), Arc::clone(&clock));
    let mut certificates = Certificates::new(None);
    let pump = match &config.mqtt {
        Some(_) => {
            let settings = PumpConfig::from_config(config)?;
            certificates = Certificates::new(Some(Arc::clone(&settings.watched)));
            Some(mqtt::spawn(settings, move |event| match event {
                PumpEvent::Received(incoming) => mailbox.put(incoming),
                event => tell_status(&event, &to_tell),
            })?)
        }
        None => None,
    };
    let waker = || -> Box<dyn Fn() + Send> {
        match &pump {
            Some(pump) => Box::new(pump.waker()),
            None => Box::new(|| {}),
        }
    };
    let panel = match &config.outputs {
        Some(outputs) => {
            let outputs = Outputs::open(outputs)?;
            let panel = Panel::spawn(outputs, Arc::clone(&clock));
            Some(panel.map_err(|source| ServiceError::System {
                what: "the panel thread",
                source,
            })?)
        }
        None => None,
    };
    let slot = Arc::new(FrameSlot::default());
    let mut keeper = Keeper::new(config, store, relay, panel, Arc::clone(&clock), waker())?;
    let (snapshots, photographer) = Snapshots::new(config, &slot, &clock, waker())?;
    keeper.set_snapshots(snapshots);
    if let Some(pump) = &pump {
        keeper.on_reload(Box::new(pump.reloader()));
    }
    if let Some(photographer) = photographer {
        start("snapshots", &notices, move || {
            photographer.run();
            Ok(())
        })?;
    }
    if let Some(recovery) = &recovery {
        keeper.recovered(recovery);
    }
    keeper.begin()?;
    let ending = notices.clone();
    let keeper = start("keeper", &notices, move || {
        let kept = keeper.run(&messages);
        if kept.failure.is_some() {
            // Nobody listens any more only when the service is ending already.
            let _ = ending.send(Notice::Died("keeper", None));
        }
        Ok(kept)
    })?;

    Listening {
        config,
        clock: &clock,
        stop: &stop,
        keeper: &to_keeper,
        notices: &notices,
    }
    .start()?;
    let gauges = Gauges {
        slot: Arc::clone(&slot),
        meter: pipeline.meter(),
        started: clock.tick(),
    };
    let _dispatching = start_dispatcher(config, gauges, &clock, &to_keeper, waker(), &notices)?;
    let watcher = Watcher {
        pipeline,
        store: Store::open(&config.store.path, None)?,
        slot: Arc::clone(&slot),
        clock: Arc::clone(&clock),
        motion_gate: config.camera.motion_gate,
        keeper: to_keeper.clone(),
        stop: Arc::clone(&stop),
    };
    let watcher = start("vision", &notices, move || watcher.run())?;
    let mut archivist = Archivist::new(config)?;
    let _caretaking = start_caretaker(
        config,
        certificates,
        recovery.as_ref(),
        &to_keeper,
        &clock,
        &stop,
        &notices,
    )?;
    start_camera(config, slot, Arc::clone(&clock), &stop, &notices)?;

    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        site = config.door.site,
        door = config.door.name,
        "ready"
    );
    notify_systemd(sd_notify::NotifyState::Ready);
    let ended = tokio::select! {
        _ = terminate.recv() => Ok(Ending::Signal),
        _ = interrupt.recv() => Ok(Ending::Signal),
        notice = noticed.recv() => match notice {
            Some(Notice::SourceEnded) => Ok(Ending::SourceEnded),
            Some(Notice::Died(thread, error)) => Err(error.unwrap_or(ServiceError::Panicked(thread))),
            None => Err(ServiceError::Panicked("supervisor")),
        },
    };
    notify_systemd(sd_notify::NotifyState::Stopping);
    tracing::info!("stopping");

    // Vision first, so that no new claim comes; then the door; then the broker. The camera's
    // thread may hang in its driver: it holds nothing that matters and ends with the process.
    stop.store(true, Ordering::Relaxed);
    let _ = watcher.join();
    let _ = to_keeper.send(Message::Stop);
    let kept = keeper.join();
    if let Err(error) = archivist.look(&clock.moment(), true) {
        tracing::error!(%error, "the end of the record is not signed");
    }
    if let Some(pump) = pump {
        pump.shutdown(FAREWELL);
    }
    if let Ok(Some(Kept { mut relay, failure })) = kept {
        relay.set(Lock::Secured)?;
        if let Some(failure) = failure {
            return Err(failure.into());
        }
    }
    tracing::info!("stopped; the relay is secured");
    ended
}

/// Starts the caretaker; it ends when what this returns is dropped. Like the camera's, its
/// thread is not waited for: a copy that it has begun is worth nothing.
fn start_caretaker(
    config: &Config,
    certificates: Certificates,
    recovery: Option<&Recovery>,
    keeper: &mpsc::Sender<Message>,
    clock: &Arc<dyn Clock>,
    stop: &Arc<AtomicBool>,
    notices: &Notices,
) -> Result<mpsc::Sender<()>, ServiceError> {
    let caretaker = Caretaker::new(
        &config.store,
        Archivist::new(config)?,
        certificates,
        recovery,
        Arc::clone(clock),
        keeper.clone(),
        Arc::clone(stop),
    );
    let (working, ended) = mpsc::channel();
    start("caretaker", notices, move || {
        caretaker.run(&ended);
        Ok(())
    })?;
    Ok(working)
}

/// Starts the dispatcher where there is a broker; it ends when what this returns is dropped.
fn start_dispatcher(
    config: &Config,
    gauges: Gauges,
    clock: &Arc<dyn Clock>,
    keeper: &mpsc::Sender<Message>,
    committed: Box<dyn Fn() + Send>,
    notices: &Notices,
) -> Result<mpsc::Sender<()>, ServiceError> {
    let (working, ended) = mpsc::channel();
    if let Some(dispatcher) = Dispatcher::new(config, gauges, clock, keeper, committed)? {
        start("dispatcher", notices, move || {
            dispatcher.run(&ended);
            Ok(())
        })?;
    }
    Ok(working)
}

fn start_camera(
    config: &Config,
    slot: Arc<FrameSlot>,
    clock: Arc<dyn Clock>,
    stop: &Arc<AtomicBool>,
    notices: &Notices,
) -> Result<(), ServiceError> {
    let config = config.camera.clone();
    let stop = Arc::clone(stop);
    let tell = notices.clone();
    start("camera", notices, move || {
        let mut failure = None;
        camera::capture(&config, &slot, &clock, &stop, |event| match event {
            CameraEvent::Opened { source, remark } => {
                tracing::info!(source, "camera opened");
                if let Some(remark) = remark {
                    tracing::warn!(remark, "the camera does not give what it was asked for");
                }
            }
            CameraEvent::Failed(error) => tracing::warn!(%error, "camera failed; opening it again"),
            CameraEvent::Gone(error) => failure = Some(error),
            CameraEvent::Ended => {
                tracing::info!("the camera's file or folder has ended");
                // Nobody listens any more only when the service is ending already.
                let _ = tell.send(Notice::SourceEnded);
            }
        });
        failure.map_or(Ok(()), |error| Err(ServiceError::Camera(error)))
    })?;
    Ok(())
}

/// Starts a thread whose failure or panic ends the service; its result comes from `join`.
fn start<T: Send + 'static>(
    name: &'static str,
    notices: &Notices,
    work: impl FnOnce() -> Result<T, ServiceError> + Send + 'static,
) -> Result<JoinHandle<Option<T>>, ServiceError> {
    /// Reports the thread's death when it unwinds.
    struct Alive(&'static str, Notices);
    impl Drop for Alive {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let _ = self.1.send(Notice::Died(self.0, None));
            }
        }
    }
    let alive = Alive(name, notices.clone());
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || match work() {
            Ok(value) => Some(value),
            Err(error) => {
                let _ = alive.1.send(Notice::Died(name, Some(error)));
                None
            }
        })
        .map_err(|source| ServiceError::System { what: name, source })
}

/// Shows in `systemctl status`, and at the door, whether the broker hears us; the keeper hears
/// of what it refuses. The keeper only goes away when the service ends.
fn tell_status(event: &PumpEvent, keeper: &mpsc::Sender<Message>) {
    let (online, status) = match event {
        PumpEvent::Connected { .. } => (true, "connected to the broker".to_owned()),
        PumpEvent::Disconnected { error } => (false, format!("no broker: {error}")),
        PumpEvent::Rejected {
            seq,
            event_id,
            topic,
            reason,
        } => {
            let _ = keeper.send(Message::Undelivered(Undelivered {
                seq: *seq,
                event: *event_id,
                topic: topic.clone(),
                reason: reason.clone(),
            }));
            return;
        }
        PumpEvent::Delivered { .. } | PumpEvent::Received(_) => return,
    };
    let _ = keeper.send(Message::Online(online));
    notify_systemd(sd_notify::NotifyState::Status(&status));
}

/// Outside systemd there is nobody to be told, and that is fine.
fn notify_systemd(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd could not be notified");
    }
}
