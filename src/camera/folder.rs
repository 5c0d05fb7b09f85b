//! A folder of images played as a camera, in the order of their names.

use std::path::PathBuf;
use std::time::Duration;

use opencv::core::Mat;

use super::{CameraError, Read, Source};
use crate::config::CameraConfig;
use crate::vision::still::{self, images_in};

/// A folder and the place in it.
pub(super) struct FolderSource {
    folder: PathBuf,
    files: Vec<PathBuf>,
    next: usize,
    repeat: bool,
    pace: Duration,
}

impl FolderSource {
    /// Lists the folder; the images are decoded one by one.
    pub(super) fn open(config: &CameraConfig) -> Result<Self, CameraError> {
        let folder = config.path.clone().unwrap_or_default();
        let refuse = |message: String| CameraError::Folder {
            folder: folder.clone(),
            message,
        };
        let files = images_in(&folder).map_err(|error| refuse(error.to_string()))?;
        if files.is_empty() {
            return Err(refuse("holds no JPEG, PNG or WebP images".into()));
        }
        Ok(Self {
            files,
            next: 0,
            repeat: config.repeat,
            pace: Duration::from_secs_f64(1.0 / config.fps),
            folder,
        })
    }
}

impl Source for FolderSource {
    fn read(&mut self, frame: &mut Mat) -> Result<Read, CameraError> {
        if self.next == self.files.len() {
            if !self.repeat {
                return Ok(Read::End);
            }
            self.next = 0;
        }
        let picture = still::read(&self.files[self.next]).map_err(|error| CameraError::Folder {
            folder: self.folder.clone(),
            message: error.to_string(),
        })?;
        *frame = picture.image;
        self.next += 1;
        Ok(Read::Frame)
    }

    fn pace(&self) -> Option<Duration> {
        Some(self.pace)
    }

    fn describe(&self) -> String {
        format!("{} ({} images)", self.folder.display(), self.files.len())
    }
}
