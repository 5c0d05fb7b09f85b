//! The running service: wires the parts to threads, starts them in a safe order, ends them in one.
//!
//! ```text
//! camera thread ─▶ newest-frame slot ─▶ vision thread ─▶ keeper thread ─▶ store, relay
//!                                                            └─ wakes ─▶ MQTT thread ─▶ broker
//! ```
//! Start: lock, **relay to its safe level**, store, models, broker, keeper, camera, vision.
//! End (signal, end of a file, or any thread's failure): keeper secures, broker hears
//! `stopped`, and last of all the relay is set to its safe level once more.

mod keeper;
mod watcher;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::camera::{self, CameraError, CameraEvent, FrameSlot};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::door::Settings;
use crate::door::relay::{self, Relay, RelayError};
use crate::event::wire::Lock;
use crate::mqtt::{self, MqttError, PumpConfig, PumpEvent};
use crate::pipeline::Pipeline;
use crate::store::{InstanceLock, Store, StoreError};
use crate::vision::pack::{ModelPack, PackError};
use crate::vision::{Vision, VisionError};
use keeper::{Keeper, Message};
use watcher::Watcher;

/// How long the broker may take to hear the last events when the service ends; systemd waits 15 s.
const FAREWELL: Duration = Duration::from_secs(3);

/// Why the service did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The relay cannot be used.
    #[error(transparent)]
    Relay(#[from] RelayError),
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

    let store = Store::open(&config.store.path, config.wire())?;
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
    runtime.block_on(supervise(config, relay, store, pipeline))
}

/// Starts the threads, waits for a reason to end, and ends them.
async fn supervise(
    config: &Config,
    relay: Box<dyn Relay>,
    store: Store,
    pipeline: Pipeline,
) -> Result<Ending, ServiceError> {
    use tokio::signal::unix::{SignalKind, signal};
    let handler = |source| ServiceError::System {
        what: "the signal handling",
        source,
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(handler)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(handler)?;

    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let stop = Arc::new(AtomicBool::new(false));
    let (notices, mut noticed) = tokio::sync::mpsc::unbounded_channel();
    let (to_keeper, messages) = mpsc::channel();

    let pump = match &config.mqtt {
        Some(_) => Some(Arc::new(mqtt::spawn(
            PumpConfig::from_config(config)?,
            tell_status,
        )?)),
        None => None,
    };
    let to_wake = pump.clone();
    let committed = Box::new(move || {
        if let Some(pump) = &to_wake {
            pump.wake();
        }
    });
    let mut keeper = Keeper::new(
        store,
        relay,
        Arc::clone(&clock),
        Settings::from_config(config),
        config.liveness.challenge_timeout(),
        committed,
    );
    keeper.begin()?;
    let keeper = start("keeper", &notices, move || Ok(keeper.run(&messages)))?;

    let slot = Arc::new(FrameSlot::default());
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
    start_camera(config, slot, clock, &stop, &notices)?;

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
    let relay = keeper.join();
    // The keeper's share of the handle went with its thread.
    if let Some(pump) = pump.and_then(Arc::into_inner) {
        pump.shutdown(FAREWELL);
    }
    if let Ok(Some(mut relay)) = relay {
        relay.set(Lock::Secured)?;
    }
    tracing::info!("stopped; the relay is secured");
    ended
}

fn start_camera(
    config: &Config,
    slot: Arc<FrameSlot>,
    clock: Arc<dyn Clock>,
    stop: &Arc<AtomicBool>,
    notices: &UnboundedSender<Notice>,
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
    notices: &UnboundedSender<Notice>,
    work: impl FnOnce() -> Result<T, ServiceError> + Send + 'static,
) -> Result<JoinHandle<Option<T>>, ServiceError> {
    /// Reports the thread's death when it unwinds.
    struct Alive(&'static str, UnboundedSender<Notice>);
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

/// Shows in `systemctl status` whether the broker hears us.
fn tell_status(event: PumpEvent) {
    let status = match event {
        PumpEvent::Connected { .. } => "connected to the broker".to_owned(),
        PumpEvent::Disconnected { error } => format!("no broker: {error}"),
        PumpEvent::Delivered { .. } | PumpEvent::Rejected { .. } => return,
    };
    notify_systemd(sd_notify::NotifyState::Status(&status));
}

/// Outside systemd there is nobody to be told, and that is fine.
fn notify_systemd(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd could not be notified");
    }
}
