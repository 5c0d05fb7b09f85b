//! What a camera was asked for, and what it gives. Pure.
//!
//! A device never refuses a size or rate that it does not have, it silently gives another.
//! Too few pixels or frames are the commonest reason why faces are recognised late, so the
//! difference is said in the log.

use std::fmt;

use crate::config::{CameraConfig, PixelFormat};

/// A lower share of the rate that was asked for is worth a warning.
const MIN_RATE: f64 = 0.7;

/// Format, size and rate of a video device.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mode {
    /// Four letters; `None` when any will do, or the device does not say.
    pub(super) format: Option<[u8; 4]>,
    /// In pixels.
    pub(super) width: u32,
    /// In pixels.
    pub(super) height: u32,
    /// In frames a second; 0 when the device does not say.
    pub(super) fps: f64,
}

impl Mode {
    /// What the configuration asks for.
    pub(super) fn asked(config: &CameraConfig) -> Self {
        Self {
            format: match config.format {
                PixelFormat::Mjpg => Some(*b"MJPG"),
                PixelFormat::Yuyv => Some(*b"YUYV"),
                PixelFormat::Any => None,
            },
            width: config.width,
            height: config.height,
            fps: config.fps,
        }
    }

    /// What to tell an installer when `given` is much different from what was asked.
    pub(super) fn compare(&self, given: &Mode) -> Option<String> {
        let mut remarks = Vec::new();
        if (self.width, self.height) != (given.width, given.height) {
            remarks.push("the size");
        }
        if given.fps > 0.0 && given.fps < self.fps * MIN_RATE {
            remarks.push("the frame rate");
        }
        if self.format.is_some() && given.format.is_some() && self.format != given.format {
            remarks.push("the pixel format");
        }
        if remarks.is_empty() {
            return None;
        }
        Some(format!(
            "asked for {self}, the camera gives {given}: it does not have {} that [camera] names; `v4l2-ctl --list-formats-ext` lists what it has",
            remarks.join(" and ")
        ))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)?;
        if let Some(format) = self.format {
            write!(f, " {}", format.escape_ascii())?;
        }
        if self.fps > 0.0 {
            write!(f, " at {:.0} fps", self.fps)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(format: Option<&[u8; 4]>, width: u32, fps: f64) -> Mode {
        Mode {
            format: format.copied(),
            width,
            height: width * 3 / 4,
            fps,
        }
    }

    #[test]
    fn only_a_camera_that_gives_much_less_is_remarked() {
        let asked = mode(Some(b"MJPG"), 640, 15.0);
        assert_eq!(asked.compare(&asked), None);
        assert_eq!(asked.compare(&mode(Some(b"MJPG"), 640, 30.0)), None);
        assert_eq!(
            asked.compare(&mode(None, 640, 0.0)),
            None,
            "it says nothing"
        );
        let any = Mode::asked(&CameraConfig {
            format: PixelFormat::Any,
            ..CameraConfig::default()
        });
        assert_eq!(any.compare(&mode(Some(b"YUYV"), 640, 15.0)), None);
    }

    #[test]
    fn a_remark_names_what_was_asked_and_what_is_given() {
        let asked = mode(Some(b"MJPG"), 640, 15.0);
        let remark = asked.compare(&mode(Some(b"YUYV"), 320, 5.0)).unwrap();
        for part in [
            "asked for 640x480 MJPG at 15 fps, the camera gives 320x240 YUYV at 5 fps",
            "the size and the frame rate and the pixel format",
            "v4l2-ctl --list-formats-ext",
        ] {
            assert!(remark.contains(part), "{remark}");
        }
    }
}
