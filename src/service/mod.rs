//! The running service: wires the parts to threads, starts them in a safe order, ends them in one.
//!
//! ```text
//! camera thread ─▶ newest-frame slot ─▶ vision thread ─▶ guard thread ─▶ latch thread ─▶ relay
//!         contact, exit button and keypad threads ─────────▲ ▲ └─▶ journal thread ─▶ store ─ wakes ─▶ MQTT
//!       caretaker (room, backups), dispatcher (outbox) ──────┘
//! ```
//! Start: lock, **relay to its safe level**, store, models, broker, the door's threads, camera, vision.
//! End (signal, end of a file, or any thread's failure): the door is secured, broker hears
//! `stopped`, and last of all the relay is set to its safe level once more.

mod advice;
mod archivist;
mod caretaker;
mod certificates;
pub mod commits;
mod dispatcher;
pub mod door;
pub mod guard;
mod inputs;
mod journal;
mod mailbox;
pub mod reader;
mod signals;
pub mod snapshots;
mod systemd;
mod telemetry;
pub mod verifier;
pub mod watchdog;
mod watcher;

pub use advice::advice;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::audit::backup::is_genuine;
use crate::audit::known_key;
use crate::audit::seal::Seals;
use crate::camera::{self, CameraError, CameraEvent, FrameSlot};
use crate::clock::{Clock, SystemClock};
use crate::conditions::Source;
use crate::config::{Config, ZoneError, Zones};
use crate::event::Alarm;
use crate::event::wire::Lock;
use crate::gpio::GpioError;
use crate::gpio::output::Outputs;
use crate::gpio::panel::Panel;
use crate::gpio::relay::{self, Relay, RelayError};
use crate::gpio::running::{self, Pins};
use crate::guard::Input;
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
use door::{Door, Parts, Ways};
use guard::{Errand, Message};
use inputs::Listening;
use mailbox::Mailbox;
use reader::Ask;
pub use signals::Signals;
use snapshots::Snapshots;
use systemd::Status;
use telemetry::Gauges;
use watchdog::Watchdog;
use watcher::Watcher;

/// How long the broker may take to hear the last events when the service ends; systemd waits 15 s.
const FAREWELL: Duration = Duration::from_secs(3);

/// How often it is looked at whether the latch is still there.
const LATCH_LOOK: Duration = Duration::from_millis(500);

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
    /// SIGTERM, SIGINT or SIGQUIT.
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
/// The handlers of `signals` stand already, and nothing can be released before they do.
///
/// # Errors
/// What kept it from starting, or made it end.
pub fn run(config: &Config, signals: Signals) -> Result<Ending, ServiceError> {
    // A second instance must not touch the first one's relay; any other trouble with the lock
    // must not keep the relay from being made safe.
    let lock = InstanceLock::acquire(&config.store.path);
    if let Err(error @ StoreError::InUse { .. }) = lock {
        return Err(error.into());
    }
    leave_note(config);
    let relay = relay::open(&config.relay)?;
    let _lock = lock?;

    let ended = guard(config, relay, signals);
    if let Err(ServiceError::Store(error @ StoreError::Damaged(_))) = &ended
        && let Err(error) = recover::mark_suspect(&config.store.path, error)
    {
        tracing::warn!(%error, "the next start cannot be told to look at the whole database");
    }
    ended
}

/// Whoever secures the relay after us learns from it which pin that is. A note that cannot be left
/// keeps nobody from a door that works.
fn leave_note(config: &Config) {
    let left = running::runtime_folder().map(|folder| Pins::of(config).leave_in(&folder));
    if let Some(Err(error)) = left {
        tracing::warn!(%error, "`doorward relay secure` has only the configuration to go by");
    }
}

/// Guards the door with a relay that is at its safe level, and leaves it there.
fn guard(config: &Config, relay: Box<dyn Relay>, signals: Signals) -> Result<Ending, ServiceError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::from_config(&config.clock));
    let zones = Zones::newest();
    let zone = zones.site(config.access.time_zone.as_deref())?;
    tracing::info!(
        zone = zone.iana_name().unwrap_or("without a name"),
        "times of day by {zones}"
    );
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
    // What follows takes seconds on a slow machine.
    if signals.ending() {
        return Ok(Ending::Signal);
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
            what: "the supervision",
            source,
        })?;
    runtime.block_on(supervise(
        config,
        (relay, signals),
        (store, recovery),
        pipeline,
        clock,
    ))
}

/// Starts the threads, waits for a reason to end, and ends them.
async fn supervise(
    config: &Config,
    (relay, mut signals): (Box<dyn Relay>, Signals),
    (store, recovery): (Store, Option<Recovery>),
    pipeline: Pipeline,
    clock: Arc<dyn Clock>,
) -> Result<Ending, ServiceError> {
    let stop = Arc::new(AtomicBool::new(false));
    let (notices, mut noticed) = tokio::sync::mpsc::unbounded_channel();
    let ways = Ways::new();
    let to_guard = ways.inbox.clone();
    let status = Status::default();

    let (to_tell, to_ask, broker) = (to_guard.clone(), ways.reader.clone(), status.clone());
    let mailbox = Mailbox::new(to_guard.clone(), Arc::clone(&clock));
    let mut certificates = Certificates::new(None);
    let session_expiry_s = Arc::new(AtomicU32::new(0));
    let granted = Arc::clone(&session_expiry_s);
    let pump = match &config.mqtt {
        Some(_) => {
            let settings = PumpConfig::from_config(config)?;
            certificates = Certificates::new(Some(Arc::clone(&settings.watched)));
            Some(mqtt::spawn(
                settings,
                Arc::clone(&clock),
                move |event| match event {
                    PumpEvent::Received(incoming) => mailbox.put(incoming),
                    event => {
                        if let PumpEvent::Connected {
                            session_expiry_s, ..
                        } = &event
                        {
                            granted.store(session_expiry_s.unwrap_or(0), Ordering::Relaxed);
                        }
                        tell_status(event, &to_tell, &to_ask, &broker);
                    }
                },
            )?)
        }
        None => None,
    };
    let waker = || -> Box<dyn Fn() + Send> {
        match &pump {
            Some(pump) => Box::new(pump.waker()),
            None => Box::new(|| {}),
        }
    };
    let second = match &config.outputs {
        Some(outputs) => relay::open_second(outputs)?,
        None => None,
    };
    let panel = match &config.outputs {
        Some(outputs) => {
            let outputs = Outputs::open(&outputs.lights())?;
            let panel = Panel::spawn(outputs, Arc::clone(&clock));
            Some(panel.map_err(|source| ServiceError::System {
                what: "the panel thread",
                source,
            })?)
        }
        None => None,
    };
    let slot = Arc::new(FrameSlot::default());
    let (snapshots, photographer) = Snapshots::new(config, &slot, &clock, waker())?;
    let reload = |pump: &mqtt::PumpHandle| -> Errand { Box::new(pump.reloader()) };
    // Rules and people are looked at all the time; only the broker's files wait for a word.
    match &pump {
        Some(pump) => signals.on_hangup(pump.reloader()),
        None => signals.on_hangup(|| {}),
    }
    if let Some(photographer) = photographer {
        start("snapshots", &notices, move || {
            photographer.run();
            Ok(())
        })?;
    }
    let vision = pipeline.vision();
    let model = (vision.model_id().to_owned(), vision.dimensions());
    let (news, gallery) = mpsc::channel();
    let commits = Arc::default();
    let parts = Parts {
        store,
        relay,
        second,
        panel,
        snapshots: Some(snapshots),
        reload: pump.as_ref().map(reload),
        committed: waker(),
        commits: Arc::clone(&commits),
        gallery: Some((model, news)),
        recovery: recovery.clone(),
    };
    let (door, signs) = Door::start(config, ways, parts, &clock, &mut |name, work| {
        start(name, &notices, work).map(drop)
    })?;

    Listening {
        config,
        clock: &clock,
        stop: &stop,
        guard: &to_guard,
        notices: &notices,
    }
    .start()?;
    let gauges = Gauges {
        slot: Arc::clone(&slot),
        meter: pipeline.meter(),
        started: clock.tick(),
        session_expiry_s,
        commits: Arc::clone(&commits),
    };
    let _dispatching = start_dispatcher(config, gauges, &clock, &to_guard, waker(), &notices)?;
    let watcher = Watcher {
        pipeline,
        gallery,
        slot: Arc::clone(&slot),
        clock: Arc::clone(&clock),
        motion_gate: config.camera.motion_gate,
        guard: to_guard.clone(),
        stop: Arc::clone(&stop),
        signs: signs.clone(),
    };
    let watcher = start("vision", &notices, move || watcher.run())?;
    let mut archivist = Archivist::new(config)?;
    let _caretaking = start_caretaker(
        config,
        certificates,
        recovery.as_ref(),
        &to_guard,
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
    systemd::notify(sd_notify::NotifyState::Ready);
    let stuck = Duration::from_secs(config.store.stuck_s.into());
    let journal = Arc::clone(&signs.journal);
    let mut watchdog = Watchdog::new(signs, Arc::clone(&clock), stuck, status);
    let ended = tokio::select! {
        never = watchdog.watch() => match never {},
        () = signals.ended() => Ok(Ending::Signal),
        () = latch_dies(&door) => Err(ServiceError::Panicked("latch")),
        notice = noticed.recv() => match notice {
            Some(Notice::SourceEnded) => Ok(Ending::SourceEnded),
            Some(Notice::Died(thread, error)) => Err(error.unwrap_or(ServiceError::Panicked(thread))),
            None => Err(ServiceError::Panicked("supervisor")),
        },
    };
    systemd::notify(sd_notify::NotifyState::Stopping);
    tracing::info!("stopping");

    // The door first, then what leads to it, then the broker. The camera's thread may hang in its
    // driver, the journal's in the disk: they hold nothing that moves the relay, and end with the
    // process.
    door.secure();
    stop.store(true, Ordering::Relaxed);
    let _ = watcher.join();
    let relay = door.stop();
    if journal.last().is_some() {
        tracing::warn!("the disk does not answer: the end of the record is not signed");
    } else if let Err(error) = archivist.look(&clock.moment(), true) {
        tracing::error!(%error, "the end of the record is not signed");
    }
    if let Some(pump) = pump {
        pump.shutdown(FAREWELL);
    }
    if let Some(mut relay) = relay {
        relay.set(Lock::Secured)?;
    }
    tracing::info!("stopped; the relay is secured");
    ended
}

/// Until the thread that owns the relay is gone, which only a panic of it brings about.
async fn latch_dies(door: &Door) {
    while !door.latch_is_gone() {
        tokio::time::sleep(LATCH_LOOK).await;
    }
}

/// Starts the caretaker; it ends when what this returns is dropped. Like the camera's, its
/// thread is not waited for: a copy that it has begun is worth nothing.
fn start_caretaker(
    config: &Config,
    certificates: Certificates,
    recovery: Option<&Recovery>,
    guard: &mpsc::Sender<Message>,
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
        guard.clone(),
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
    guard: &mpsc::Sender<Message>,
    committed: Box<dyn Fn() + Send>,
    notices: &Notices,
) -> Result<mpsc::Sender<()>, ServiceError> {
    let (working, ended) = mpsc::channel();
    if let Some(dispatcher) = Dispatcher::new(config, gauges, clock, guard, committed)? {
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

/// Shows in `systemctl status`, and at the door, whether the broker hears us; the guard hears of what
/// it refuses, once the reader knows what that was. Both only go away when the service ends.
fn tell_status(
    event: PumpEvent,
    guard: &mpsc::Sender<Message>,
    reader: &mpsc::Sender<Ask>,
    told: &Status,
) {
    let alarm = |alarm, detail| {
        let input = Input::Alarm {
            alarm,
            source: Source::Broker,
            detail,
        };
        let _ = guard.send(Message::Input(input));
    };
    let (online, status) = match event {
        PumpEvent::Connected { shortcoming, .. } => {
            alarm(Alarm::Broker, shortcoming);
            (true, "connected to the broker".to_owned())
        }
        PumpEvent::TakenOver { detail } => return alarm(Alarm::SessionTaken, Some(detail)),
        PumpEvent::Undisturbed => return alarm(Alarm::SessionTaken, None),
        PumpEvent::Disconnected { error } => (false, format!("no broker: {error}")),
        PumpEvent::Rejected {
            seq,
            event_id,
            topic,
            reason,
        } => {
            let _ = reader.send(Ask::Refused {
                seq,
                event: event_id,
                topic,
                reason,
            });
            return;
        }
        PumpEvent::Delivered { .. } | PumpEvent::Received(_) => return,
    };
    let _ = guard.send(Message::Input(Input::Online(online)));
    told.broker(status);
}
