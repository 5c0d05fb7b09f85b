//! Everything that OpenCV's `VideoCapture` reads: V4L2 devices, GStreamer pipelines, streams, files.

use std::time::Duration;

use opencv::core::{Mat, Vector};
use opencv::prelude::*;
use opencv::videoio::{self, VideoCapture};

use super::mode::Mode;
use super::{CameraError, Read, Source};
use crate::config::{CameraConfig, SourceKind, told_of_path};

/// How long a stream may take to open, and to deliver its next frame, in milliseconds. FFmpeg's
/// own 30 s would keep the camera's thread long after the alarm of silence.
const STREAM_TIMEOUT_MS: i32 = 5_000;

/// An open capture.
pub(super) struct VideoSource {
    capture: VideoCapture,
    kind: SourceKind,
    name: String,
    repeat: bool,
    pace: Option<Duration>,
    /// What a V4L2 device was asked for.
    asked: Option<Mode>,
}

impl VideoSource {
    /// Opens what the configuration names; kinds other than `folder`.
    pub(super) fn open(config: &CameraConfig) -> Result<Self, CameraError> {
        let device = config.device.display().to_string();
        let path = config.path.as_ref().map(|path| path.display().to_string());
        let (name, shown, backend, hint) = match config.source {
            SourceKind::V4l2 => (
                device.clone(),
                told_of_path(&device),
                videoio::CAP_V4L2,
                "check [camera] device (v4l2-ctl --list-devices), that no other program uses it, and that this user is in the group video",
            ),
            SourceKind::Gstreamer => {
                let pipeline = config.pipeline.as_ref();
                (
                    pipeline
                        .map(|pipeline| pipeline.secret().to_owned())
                        .unwrap_or_default(),
                    pipeline.map(ToString::to_string).unwrap_or_default(),
                    videoio::CAP_GSTREAMER,
                    "try the pipeline with gst-launch-1.0; it must end in an appsink that gets BGR",
                )
            }
            SourceKind::Url => {
                let address = config.url.as_ref();
                (
                    address
                        .map(|address| address.secret().to_owned())
                        .unwrap_or_default(),
                    address.map(ToString::to_string).unwrap_or_default(),
                    videoio::CAP_FFMPEG,
                    "check the address, the network and the credentials",
                )
            }
            SourceKind::File | SourceKind::Folder => {
                let path = path.unwrap_or_default();
                (
                    path.clone(),
                    told_of_path(&path),
                    videoio::CAP_ANY,
                    "check that the file exists and is a video",
                )
            }
        };
        let opencv_failed = |error| opencv_failed(config.source, &shown, &error);
        let not_opened = || CameraError::Open {
            source_name: shown.clone(),
            hint: hint.to_owned(),
        };
        if config.source == SourceKind::File && !std::path::Path::new(&name).is_file() {
            return Err(not_opened());
        }
        let parameters: Vector<i32> = match config.source {
            SourceKind::Url => [
                videoio::CAP_PROP_OPEN_TIMEOUT_MSEC,
                STREAM_TIMEOUT_MS,
                videoio::CAP_PROP_READ_TIMEOUT_MSEC,
                STREAM_TIMEOUT_MS,
            ]
            .into_iter()
            .collect(),
            _ => Vector::new(),
        };
        let mut capture = VideoCapture::from_file_with_params(&name, backend, &parameters)
            .map_err(opencv_failed)?;
        if !capture.is_opened().map_err(opencv_failed)? {
            return Err(not_opened());
        }
        let asked = (config.source == SourceKind::V4l2).then(|| Mode::asked(config));
        if let Some(mode) = &asked {
            ask_for(mode, &mut capture).map_err(opencv_failed)?;
        }
        let fps = capture.get(videoio::CAP_PROP_FPS).map_err(opencv_failed)?;
        let pace = (config.source == SourceKind::File && fps > 0.0)
            .then(|| Duration::from_secs_f64(1.0 / fps));
        Ok(Self {
            capture,
            kind: config.source,
            name: shown,
            repeat: config.repeat,
            pace,
            asked,
        })
    }

    /// What the source says that it gives.
    fn given(&self) -> Mode {
        let property = |id| self.capture.get(id).unwrap_or_default();
        // Float to integer saturates: whatever a driver says cannot overflow.
        let format = (property(videoio::CAP_PROP_FOURCC) as u32).to_le_bytes();
        Mode {
            format: format.iter().all(u8::is_ascii_graphic).then_some(format),
            width: property(videoio::CAP_PROP_FRAME_WIDTH) as u32,
            height: property(videoio::CAP_PROP_FRAME_HEIGHT) as u32,
            fps: property(videoio::CAP_PROP_FPS),
        }
    }

    fn next(&mut self, frame: &mut Mat) -> Result<bool, CameraError> {
        self.capture
            .read(frame)
            .map_err(|error| opencv_failed(self.kind, &self.name, &error))
    }
}

impl Source for VideoSource {
    fn read(&mut self, frame: &mut Mat) -> Result<Read, CameraError> {
        if self.next(frame)? {
            return Ok(Read::Frame);
        }
        if self.kind != SourceKind::File {
            return Err(CameraError::Read {
                source_name: self.name.clone(),
            });
        }
        let rewound = self.repeat
            && self
                .capture
                .set(videoio::CAP_PROP_POS_FRAMES, 0.0)
                .unwrap_or(false);
        if rewound && self.next(frame)? {
            return Ok(Read::Frame);
        }
        Ok(Read::End)
    }

    fn pace(&self) -> Option<Duration> {
        self.pace
    }

    fn describe(&self) -> String {
        match &self.asked {
            Some(asked) => format!("{} ({}; asked for {asked})", self.name, self.given()),
            None => format!("{} ({})", self.name, self.given()),
        }
    }

    fn remark(&self) -> Option<String> {
        self.asked.as_ref()?.compare(&self.given())
    }
}

/// Asks a V4L2 device for a mode, the pixel format first (sizes and rates depend on it), and for
/// as few buffered frames as it can: old frames are worth nothing. It may give something else.
fn ask_for(mode: &Mode, capture: &mut VideoCapture) -> Result<(), opencv::Error> {
    if let Some(format) = mode.format {
        let format = f64::from(u32::from_le_bytes(format));
        capture.set(videoio::CAP_PROP_FOURCC, format)?;
    }
    for (property, value) in [
        (videoio::CAP_PROP_FRAME_WIDTH, f64::from(mode.width)),
        (videoio::CAP_PROP_FRAME_HEIGHT, f64::from(mode.height)),
        (videoio::CAP_PROP_FPS, mode.fps),
        (videoio::CAP_PROP_BUFFERSIZE, 1.0),
    ] {
        capture.set(property, value)?;
    }
    Ok(())
}

/// OpenCV's word: of a stream or a pipeline only its number, because the text may repeat what was to
/// be opened.
fn opencv_failed(source: SourceKind, shown: &str, error: &opencv::Error) -> CameraError {
    let is_local =
        !matches!(source, SourceKind::Url | SourceKind::Gstreamer) && !shown.contains("://");
    CameraError::OpenCv {
        source_name: shown.to_owned(),
        error: if is_local {
            error.to_string()
        } else {
            format!("OpenCV's error {}", error.code)
        },
    }
}
