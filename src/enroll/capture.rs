//! Takes somebody's shots with the door's own camera, led by the [`guide`](super::guide).
//!
//! Only the newest frame is looked at; frames are never queued. Nothing is stored here: whoever
//! stops the process stops it without a trace. Flows in: the configured camera. Flows out:
//! advice frame by frame, and at the end the best shot of each pose.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::TryRecvError;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use opencv::core::Mat;
use opencv::prelude::*;

use super::candidate::{Candidate, Picture};
use super::guide::{Advice, Guide, Shot};
use super::pose::Pose;
use crate::camera::{self, CameraError, CameraEvent, FrameSlot};
use crate::clock::Clock;
use crate::config::{CameraConfig, SourceKind};
use crate::store::{InstanceLock, StoreError};
use crate::vision::pack::sha256_hex;
use crate::vision::{Detection, QualityLimits, Vision, VisionError, still};

/// How long one wait for a frame lasts: the time-out is noticed no later than that.
const PATIENCE: Duration = Duration::from_millis(200);
/// Mean of all channels, 0..255, below which a picture without a face is called dark. The
/// darkest of 1029 LFW pictures has 33.
const DARK: f64 = 25.0;
/// A second face counts from this share of the largest one's area: half as wide and high is
/// twice as far away, somebody who walks past.
const BYSTANDER: f32 = 0.25;

/// Why no shots could be taken.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The service has the camera.
    #[error(
        "the camera is in use by the running doorward service: stop it (sudo systemctl stop doorward), enroll, and start it again; or enroll from image files"
    )]
    InUse,
    /// The camera failed.
    #[error(transparent)]
    Camera(#[from] CameraError),
    /// The engine failed.
    #[error(transparent)]
    Vision(#[from] VisionError),
    /// The camera's thread could not be started.
    #[error("cannot start the camera's thread: {0}")]
    Thread(std::io::Error),
    /// A defect.
    #[error("the camera's thread panicked; this is a defect of doorward, please report it")]
    Panicked,
}

/// Why the session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Every pose is done.
    Complete,
    /// The time was over.
    TimedOut,
    /// The file or folder that is played as a camera came to its end.
    SourceEnded,
}

/// What to show to the person.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The pose that is asked for.
    pub wanted: Pose,
    /// Poses done, and poses in all.
    pub progress: (usize, usize),
    /// About the newest frame.
    pub advice: &'a Advice,
}

/// Refuses a camera that only one program can use while the service of this database runs.
///
/// # Errors
/// [`CaptureError::InUse`].
pub fn check_free(camera: &CameraConfig, database: &std::path::Path) -> Result<(), CaptureError> {
    let exclusive = matches!(camera.source, SourceKind::V4l2 | SourceKind::Gstreamer);
    // Any other trouble with the lock says nothing about the camera.
    if exclusive && let Err(StoreError::InUse { .. }) = InstanceLock::acquire(database) {
        return Err(CaptureError::InUse);
    }
    Ok(())
}

/// Shows frames to the guide until it is satisfied, its time is over, or the source ends.
///
/// # Errors
/// When the camera or the engine fails.
pub fn run(
    camera: &CameraConfig,
    vision: &mut Vision,
    limits: &QualityLimits,
    guide: &mut Guide<Mat>,
    clock: &Arc<dyn Clock>,
    mut show: impl FnMut(&Scene<'_>),
) -> Result<Ending, CaptureError> {
    let slot = Arc::new(FrameSlot::default());
    let stop = Arc::new(AtomicBool::new(false));
    let events = start(camera, &slot, clock, &stop)?;
    // The thread is not joined: it may hang in its driver, and holds nothing that matters.
    let _stopper = Stopper(stop);
    let mut frame = Mat::default();
    let (mut last, mut ended) = (0, false);
    while let Some(wanted) = guide.wanted() {
        if guide.timed_out(clock.tick()) {
            return Ok(Ending::TimedOut);
        }
        match events.try_recv() {
            Ok(CameraEvent::Failed(error) | CameraEvent::Gone(error)) => return Err(error.into()),
            Ok(CameraEvent::Ended) => ended = true,
            Ok(CameraEvent::Opened { .. }) | Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) if ended => {}
            Err(TryRecvError::Disconnected) => return Err(CaptureError::Panicked),
        }
        let Some(taken) = slot.take_newer(last, &mut frame, PATIENCE) else {
            if ended {
                return Ok(Ending::SourceEnded);
            }
            continue;
        };
        last = taken.number;
        let advice = look(&frame, vision, limits, guide)?;
        show(&Scene {
            wanted,
            progress: guide.progress(),
            advice: &advice,
        });
    }
    Ok(Ending::Complete)
}

/// Shots as candidates, to be judged like files.
///
/// # Errors
/// When a frame cannot be written as a picture.
pub fn candidates(shots: Vec<(Pose, Shot<Mat>)>) -> Result<Vec<Candidate>, VisionError> {
    shots
        .into_iter()
        .map(|(pose, shot)| {
            let image = still::to_png(&shot.picture)?;
            Ok(Candidate {
                picture: Picture::Shot(pose),
                image_sha256: sha256_hex(&image),
                image,
                embedding: shot.embedding,
                quality: shot.quality,
            })
        })
        .collect()
}

/// Starts the camera's thread; its reports come from the receiver.
fn start(
    camera: &CameraConfig,
    slot: &Arc<FrameSlot>,
    clock: &Arc<dyn Clock>,
    stop: &Arc<AtomicBool>,
) -> Result<mpsc::Receiver<CameraEvent>, CaptureError> {
    let (tell, events) = mpsc::channel();
    let (camera, slot) = (camera.clone(), Arc::clone(slot));
    let (clock, stop) = (Arc::clone(clock), Arc::clone(stop));
    let work = move || {
        camera::capture(&camera, &slot, &clock, &stop, |event| {
            // Nobody listens any more only when the session is over.
            let _ = tell.send(event);
        });
    };
    let thread = std::thread::Builder::new().name("camera".into());
    thread.spawn(work).map_err(CaptureError::Thread)?;
    Ok(events)
}

/// Ends the camera's thread when the session ends, however it does.
struct Stopper(Arc<AtomicBool>);

impl Drop for Stopper {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One frame: what it shows, and what to tell the person.
fn look(
    frame: &Mat,
    vision: &mut Vision,
    limits: &QualityLimits,
    guide: &mut Guide<Mat>,
) -> Result<Advice, VisionError> {
    let detection = match only_face(vision.detect(frame)?) {
        Ok(Some(detection)) => detection,
        Ok(None) if is_dark(frame)? => return Ok(Advice::TooDark),
        Ok(None) => return Ok(Advice::NoFace),
        Err(faces) => return Ok(Advice::SeveralFaces(faces)),
    };
    let Some(face) = vision.examine(frame, detection)? else {
        return Ok(Advice::NoFace);
    };
    if let Err(failure) = face.quality.check(limits) {
        return Ok(failure.into());
    }
    let head = face.quality.pose;
    let pose = match guide.admit(head) {
        Ok(pose) => pose,
        Err(advice) => return Ok(advice),
    };
    let observation = vision.embed(&face)?;
    let shot = Shot {
        head,
        quality: observation.quality.score(),
        embedding: observation.embedding,
        // The frame's buffer goes back to the camera.
        picture: frame.try_clone()?,
    };
    Ok(guide.take(pose, shot))
}

/// The largest face, if nobody else stands beside it; otherwise how many do.
fn only_face(mut faces: Vec<Detection>) -> Result<Option<Detection>, usize> {
    faces.sort_by(|a, b| b.rect.area().total_cmp(&a.rect.area()));
    let Some(largest) = faces.first().copied() else {
        return Ok(None);
    };
    let near = |face: &&Detection| face.rect.area() >= largest.rect.area() * BYSTANDER;
    match faces.iter().filter(near).count() {
        0 | 1 => Ok(Some(largest)),
        several => Err(several),
    }
}

fn is_dark(frame: &Mat) -> Result<bool, VisionError> {
    let mean = opencv::core::mean(frame, &opencv::core::no_array())?;
    Ok((mean[0] + mean[1] + mean[2]) / 3.0 < DARK)
}
