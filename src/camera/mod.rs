//! Where frames come from: sources behind one trait, on a thread of their own.
//!
//! Frames are never queued: the thread overwrites the [`FrameSlot`], vision takes the newest.
//! A live source that fails is opened again with back-off for as long as the service runs; a
//! file or folder that fails, or ends, ends the service. [`SceneWatch`] tells whether the
//! picture can be trusted, and which frames vision can skip.

pub mod background;
mod folder;
pub mod health;
mod mode;
pub mod motion;
mod rate;
mod scene;
mod slot;
pub mod thumbnail;
mod video;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use opencv::core::{CV_8UC3, Mat};
use opencv::prelude::*;

pub use scene::{Look, SceneWatch};
pub use slot::{FrameSlot, Taken};

use crate::clock::Clock;
use crate::config::{CameraConfig, SourceKind};

/// First and longest pause before a camera is opened again.
const REOPEN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
/// How long the thread sleeps at a time, so that it notices the end of the service.
const NAP: Duration = Duration::from_millis(100);

/// What can go wrong with a camera.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    /// The source cannot be opened.
    #[error("camera {source_name}: cannot be opened; {hint}")]
    Open {
        /// Device, address or path.
        source_name: String,
        /// The way out.
        hint: String,
    },
    /// It stopped delivering.
    #[error("camera {source_name}: delivers no more frames")]
    Read {
        /// Device, address or path.
        source_name: String,
    },
    /// An image of a folder cannot be used.
    #[error("camera folder {folder}: {message}", folder = folder.display())]
    Folder {
        /// Which folder.
        folder: PathBuf,
        /// Cause.
        message: String,
    },
    /// It delivers pictures that vision cannot use.
    #[error(
        "camera {source_name}: delivers no 8-bit BGR frames; a GStreamer pipeline must end in `videoconvert ! video/x-raw,format=BGR ! appsink`"
    )]
    Format {
        /// Device, address or path.
        source_name: String,
    },
    /// OpenCV failed.
    #[error("camera {source_name}: {error}")]
    OpenCv {
        /// Device, address or path.
        source_name: String,
        /// OpenCV's word.
        error: String,
    },
}

/// What a read gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// A frame.
    Frame,
    /// The last frame was the last one.
    End,
}

/// A source of frames.
pub trait Source: Send {
    /// Waits for the next frame and writes it, 8-bit BGR, into `frame`.
    ///
    /// # Errors
    /// When no frame can be had; the source must then be opened again.
    fn read(&mut self, frame: &mut Mat) -> Result<Read, CameraError>;

    /// Time between frames, for sources that would otherwise be read as fast as possible.
    fn pace(&self) -> Option<Duration>;

    /// Device, address or path, and format, for the log.
    fn describe(&self) -> String;

    /// What an installer should know: the source gives something else than it was asked for.
    fn remark(&self) -> Option<String> {
        None
    }
}

/// Opens the configured source.
///
/// # Errors
/// When it is not there or cannot be used.
pub fn open(config: &CameraConfig) -> Result<Box<dyn Source>, CameraError> {
    Ok(match config.source {
        SourceKind::Folder => Box::new(folder::FolderSource::open(config)?),
        _ => Box::new(video::VideoSource::open(config)?),
    })
}

/// What happens to the camera, told to the service.
#[derive(Debug)]
pub enum CameraEvent {
    /// It is open.
    Opened {
        /// What it is and gives.
        source: String,
        /// What it does not give.
        remark: Option<String>,
    },
    /// It failed, and will be opened again; told once for each cause.
    Failed(CameraError),
    /// It failed for good.
    Gone(CameraError),
    /// A file or folder came to its end.
    Ended,
}

/// Reads frames until `stop` is set or the source ends; runs on a thread of its own.
pub fn capture(
    config: &CameraConfig,
    slot: &FrameSlot,
    clock: &Arc<dyn Clock>,
    stop: &AtomicBool,
    mut report: impl FnMut(CameraEvent),
) {
    let live = !matches!(config.source, SourceKind::File | SourceKind::Folder);
    let backoff = || {
        ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(REOPEN.0)
            .with_max_delay(REOPEN.1)
            .without_max_times()
            .build()
    };
    let mut pauses = backoff();
    let mut told = None;
    while !stop.load(Ordering::Relaxed) {
        let error = match open(config) {
            Ok(mut source) => {
                report(CameraEvent::Opened {
                    source: source.describe(),
                    remark: source.remark(),
                });
                let delivered = || {
                    pauses = backoff();
                    told = None;
                };
                match pump(source.as_mut(), slot, clock, stop, delivered) {
                    Ok(()) if stop.load(Ordering::Relaxed) => return,
                    Ok(()) => return report(CameraEvent::Ended),
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        if !live {
            return report(CameraEvent::Gone(error));
        }
        // A camera that stays away for a day must not fill the log.
        let cause = error.to_string();
        slot.complain(cause.clone());
        if told.as_ref() != Some(&cause) {
            told = Some(cause);
            report(CameraEvent::Failed(error));
        }
        let until = Instant::now() + pauses.next().unwrap_or(REOPEN.1);
        while Instant::now() < until && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(NAP);
        }
    }
}

/// Moves frames from the source into the slot; returns at the end of the source or of the service.
fn pump(
    source: &mut dyn Source,
    slot: &FrameSlot,
    clock: &Arc<dyn Clock>,
    stop: &AtomicBool,
    mut delivered: impl FnMut(),
) -> Result<(), CameraError> {
    let pace = source.pace();
    let mut due = Instant::now();
    let mut frame = Mat::default();
    while !stop.load(Ordering::Relaxed) {
        if source.read(&mut frame)? == Read::End {
            return Ok(());
        }
        if frame.empty() || frame.typ() != CV_8UC3 {
            return Err(CameraError::Format {
                source_name: source.describe(),
            });
        }
        if let Some(pace) = pace {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            // After a hiccup the pace goes on from now: a camera does not catch up either.
            due = Instant::now()
                .checked_sub(pace)
                .map_or(due, |late| due.max(late))
                + pace;
        }
        slot.publish(&mut frame, clock.tick());
        delivered();
    }
    Ok(())
}
