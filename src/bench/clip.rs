//! A clip as a camera: for measurements that need people.

use std::path::Path;
use std::time::Duration;

use opencv::core::Mat;

use super::BenchError;
use crate::camera::{self, Read, Source};
use crate::clock::Tick;
use crate::config::{CameraConfig, SourceKind};

/// Frame rate of a folder of images, which has none of its own; a usual camera's.
pub const FOLDER_FPS: f64 = 15.0;

/// An open clip.
pub struct Clip {
    source: Box<dyn Source>,
    pace: Duration,
    frame: Mat,
    frames: u32,
}

impl Clip {
    /// Opens a video file or a folder of images; with `repeat` it never ends.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path, repeat: bool) -> Result<Self, BenchError> {
        let source = if path.is_dir() {
            SourceKind::Folder
        } else {
            SourceKind::File
        };
        let source = camera::open(&CameraConfig {
            source,
            path: Some(path.to_owned()),
            fps: FOLDER_FPS,
            repeat,
            ..CameraConfig::default()
        })?;
        let usual = Duration::from_secs_f64(1.0 / FOLDER_FPS);
        Ok(Self {
            pace: source.pace().unwrap_or(usual),
            source,
            frame: Mat::default(),
            frames: 0,
        })
    }

    /// Time between two frames.
    #[must_use]
    pub fn pace(&self) -> Duration {
        self.pace
    }

    /// The next frame, and when it would come if the clip were played at its own speed; `None`
    /// at the end.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&mut self) -> Result<Option<(&Mat, Tick)>, BenchError> {
        if self.source.read(&mut self.frame)? == Read::End {
            return Ok(None);
        }
        let at = Tick(self.pace.saturating_mul(self.frames));
        self.frames = self.frames.saturating_add(1);
        Ok(Some((&self.frame, at)))
    }
}
