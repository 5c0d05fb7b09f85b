//! Pictures of whoever stands at the door, for whoever watches: off unless the owner asks for them.
//!
//! A thread of its own waits for the next frame, makes a small JPEG of it and queues it for the
//! broker in place of an older one that still waits. The guard only asks: neither the relay nor
//! vision ever waits for a picture. Nothing is kept but the row of the outbox, and that expires.
//! Flows in: requests, the newest frame. Flows out: `snapshot` messages.
//!
//! Pictures are personal data: they go out with decisions only with `[telemetry] snapshots`, and
//! otherwise only when an operator asks for one (`docs/threat-model.md`). Never in the log.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use crate::camera::FrameSlot;
use crate::clock::Clock;
use crate::config::Config;
use crate::event::wire::Wire;
use crate::store::{Store, StoreError};
use crate::vision::{VisionError, still};

/// How long the next frame may take: several frames of a slow camera.
const PATIENCE: Duration = Duration::from_secs(2);
/// A picture for a person to look at, small enough for a mobile link.
const MAX_WIDTH: u16 = 640;
const QUALITY: u8 = 80;

/// Why there is no picture.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SnapshotError {
    /// The camera delivers nothing.
    #[error("the camera delivers no pictures: {0}")]
    NoPicture(String),
    /// Nobody is told anything.
    #[error("no broker is configured; add [mqtt] with its url")]
    NoBroker,
    /// The thread that makes them has ended.
    #[error("the service ends")]
    Ending,
}

/// Why one could not be queued.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("no frame came within {PATIENCE:?}")]
    NoFrame,
    #[error(transparent)]
    Vision(#[from] VisionError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where pictures are asked for.
pub struct Snapshots {
    /// None without a broker.
    ask: Option<SyncSender<()>>,
    slot: Arc<FrameSlot>,
    clock: Arc<dyn Clock>,
    with_decisions: bool,
}

/// Makes them; [`run`](Self::run) it on a thread of its own.
pub(super) struct Photographer {
    asked: Receiver<()>,
    slot: Arc<FrameSlot>,
    clock: Arc<dyn Clock>,
    store: Store,
    wire: Wire,
    expiry: Duration,
    /// Tells the MQTT pump that there is something to send.
    committed: Box<dyn Fn() + Send>,
}

impl Snapshots {
    /// The handle, and the work that it asks for where there is a broker.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub(super) fn new(
        config: &Config,
        slot: &Arc<FrameSlot>,
        clock: &Arc<dyn Clock>,
        committed: Box<dyn Fn() + Send>,
    ) -> Result<(Self, Option<Photographer>), StoreError> {
        let mut snapshots = Self {
            ask: None,
            slot: Arc::clone(slot),
            clock: Arc::clone(clock),
            with_decisions: config.telemetry.snapshots,
        };
        let Some(wire) = config.wire() else {
            return Ok((snapshots, None));
        };
        // One that waits will be of the newest frame when its turn comes: more need not wait.
        let (ask, asked) = sync_channel(1);
        snapshots.ask = Some(ask);
        let photographer = Photographer {
            asked,
            slot: Arc::clone(slot),
            clock: Arc::clone(clock),
            store: Store::open(&config.store.path, None)?,
            wire,
            expiry: Duration::from_secs(u64::from(config.telemetry.snapshot_expiry_s)),
            committed,
        };
        Ok((snapshots, Some(photographer)))
    }

    /// Asks for the newest picture to be published, whatever `[telemetry] snapshots` says; never
    /// waits for it. It leaves the device a moment later, when the next frame is in.
    ///
    /// # Errors
    /// When there is no picture to be had, or nobody to send it to.
    pub fn publish_newest(&self) -> Result<(), SnapshotError> {
        let ask = self.ask.as_ref().ok_or(SnapshotError::NoBroker)?;
        if self.slot.fps(self.clock.tick()) <= 0.0 {
            let cause = self.slot.complaint();
            let cause = cause.unwrap_or_else(|| "no frame came for some seconds".into());
            return Err(SnapshotError::NoPicture(cause));
        }
        match ask.try_send(()) {
            Ok(()) | Err(TrySendError::Full(())) => Ok(()),
            Err(TrySendError::Disconnected(())) => Err(SnapshotError::Ending),
        }
    }

    /// Somebody was let in or turned away: a picture, where the owner wants one.
    pub(super) fn decided(&self) {
        if self.with_decisions
            && let Err(error) = self.publish_newest()
        {
            tracing::debug!(%error, "no picture of the visitor");
        }
    }
}

impl Photographer {
    /// Makes pictures until nobody can ask for one any more.
    pub(super) fn run(mut self) {
        while self.asked.recv().is_ok() {
            match self.take() {
                Ok(bytes) => tracing::debug!(bytes, "picture queued"),
                Err(error) => tracing::warn!(%error, "a picture cannot be published"),
            }
        }
    }

    fn take(&mut self) -> Result<usize, Failed> {
        let frame = self.slot.copy_next(PATIENCE).ok_or(Failed::NoFrame)?;
        let jpeg = still::to_jpeg(&frame, MAX_WIDTH, QUALITY)?;
        let bytes = jpeg.len();
        let expires_at = self.clock.now() + self.expiry;
        let publication = self.wire.snapshot(jpeg, expires_at);
        self.store.publish_newest(&publication)?;
        (self.committed)();
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use opencv::core::{CV_8UC3, Mat, Scalar};

    use super::*;
    use crate::clock::{SystemClock, Tick};
    use crate::config::MqttConfig;
    use crate::store::outbox::Outbox;

    struct Fixture {
        _folder: tempfile::TempDir,
        config: Config,
        slot: Arc<FrameSlot>,
        clock: Arc<dyn Clock>,
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.store.path = folder.path().join("door.db");
        config.mqtt = Some(MqttConfig::default());
        Fixture {
            _folder: folder,
            config,
            slot: Arc::default(),
            clock: Arc::new(SystemClock::new()),
        }
    }

    impl Fixture {
        fn snapshots(&self) -> (Snapshots, Option<Photographer>) {
            Snapshots::new(&self.config, &self.slot, &self.clock, Box::new(|| {})).unwrap()
        }

        fn frame(&self, width: i32, at: Tick) {
            let grey = Scalar::all(100.0);
            let mut frame =
                Mat::new_rows_cols_with_default(width / 2, width, CV_8UC3, grey).unwrap();
            self.slot.publish(&mut frame, at);
        }
    }

    #[test]
    fn the_next_frame_is_queued_small_and_for_a_while_in_place_of_an_older_one() {
        let f = fixture();
        let (snapshots, photographer) = f.snapshots();
        let mut photographer = photographer.unwrap();
        for _ in 0..2 {
            std::thread::scope(|scope| {
                let camera = scope.spawn(|| {
                    for _ in 0..200 {
                        f.frame(1280, f.clock.tick());
                        std::thread::sleep(Duration::from_millis(5));
                    }
                });
                photographer.take().unwrap();
                camera.join().unwrap();
            });
        }
        assert_eq!(snapshots.publish_newest(), Ok(()));
        assert_eq!(snapshots.publish_newest(), Ok(()), "one that waits will do");
        let rows = Outbox::open(&f.config.store.path)
            .unwrap()
            .queued(9, crate::clock::Timestamp::UNIX_EPOCH)
            .unwrap();
        let [row] = &rows[..] else {
            panic!("{} rows", rows.len())
        };
        assert_eq!((row.class.as_str(), row.retain), ("snapshot", false));
        assert_eq!(row.content_type, "image/jpeg");
        let left = row.expires_at.unwrap() - f.clock.now().as_millisecond();
        assert!((290_000..=300_000).contains(&left), "{left}");
        let picture = image::load_from_memory(&row.payload).unwrap();
        assert_eq!((picture.width(), picture.height()), (640, 320));
    }

    #[test]
    fn without_frames_or_a_broker_the_reason_is_told() {
        let mut f = fixture();
        let (snapshots, _photographer) = f.snapshots();
        f.slot.complain("camera gone".into());
        let told = snapshots.publish_newest().unwrap_err();
        assert_eq!(told, SnapshotError::NoPicture("camera gone".into()));
        f.config.mqtt = None;
        let (snapshots, photographer) = f.snapshots();
        assert!(photographer.is_none());
        assert_eq!(snapshots.publish_newest(), Err(SnapshotError::NoBroker));
    }

    #[test]
    fn decisions_ask_for_none_unless_the_owner_does() {
        let mut f = fixture();
        assert!(!f.config.telemetry.snapshots, "never on by default");
        for wanted in [false, true] {
            f.config.telemetry.snapshots = wanted;
            let (snapshots, photographer) = f.snapshots();
            f.frame(320, f.clock.tick());
            std::thread::sleep(Duration::from_millis(1));
            f.frame(320, f.clock.tick());
            snapshots.decided();
            let asked = photographer.unwrap().asked.try_recv().is_ok();
            assert_eq!(asked, wanted);
        }
    }
}
