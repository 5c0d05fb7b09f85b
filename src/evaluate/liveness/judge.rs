//! Shows presentations to the door's own liveness evidence.
//!
//! Flows in: files. Flows out: [`Judged`] presentations. Of several faces in a frame the largest
//! counts; frames whose face fails the quality limits are passed over, as at the door.

use std::path::Path;
use std::time::Duration;

use opencv::core::Mat;
use opencv::prelude::MatTraitConst as _;

use super::{Judged, Presentation, Verdict};
use crate::camera::{self, CameraError, Read};
use crate::clock::Tick;
use crate::config::{CameraConfig, SourceKind};
use crate::evaluate::subject::FaceChoice;
use crate::presentation::liveness::{Liveness, LivenessEvidence};
use crate::vision::{QualityLimits, Vision, VisionError, still};

/// Between frames of a folder, and of a video that does not say: 15 frames a second, as the
/// door's camera delivers them by default.
const FRAME: Duration = Duration::from_micros(66_667);

/// What is demanded of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// The least quality.
    pub quality: QualityLimits,
    /// How often a loose image is shown: one image alone never is enough evidence.
    pub still_frames: usize,
}

/// Judges one presentation after the other.
#[derive(Debug)]
pub struct Judge<'a> {
    vision: &'a mut Vision,
    limits: Limits,
}

/// Why a presentation cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The engine failed, or the pack has no liveness network, or an image is none.
    #[error(transparent)]
    Vision(#[from] VisionError),
    /// A video cannot be read.
    #[error(transparent)]
    Camera(#[from] CameraError),
}

/// What one presentation has shown so far.
#[derive(Default)]
struct Shown {
    evidence: LivenessEvidence,
    frames: usize,
    observations: usize,
    live: bool,
    score: Option<f32>,
}

impl<'a> Judge<'a> {
    /// With these limits.
    #[must_use]
    pub fn new(vision: &'a mut Vision, limits: Limits) -> Self {
        Self { vision, limits }
    }

    /// Judges one presentation, from an empty memory.
    ///
    /// # Errors
    /// When a file cannot be read or the engine fails: a presentation that is left out would
    /// change the rates.
    pub fn judge(&mut self, presentation: &Presentation) -> Result<Judged, JudgeError> {
        let mut shown = Shown::default();
        match presentation {
            Presentation::Still(path) => {
                let image = still::read(path)?.image;
                for _ in 0..self.limits.still_frames {
                    self.show(&mut shown, &image, FRAME)?;
                }
            }
            Presentation::Frames { files, .. } => {
                for path in files {
                    self.show(&mut shown, &still::read(path)?.image, FRAME)?;
                }
            }
            Presentation::Video(path) => self.play(&mut shown, path)?,
        }
        Ok(Judged {
            source: presentation.source().to_owned(),
            frames: shown.frames,
            observations: shown.observations,
            verdict: match (shown.live, shown.score) {
                (true, _) => Verdict::Live,
                (false, Some(_)) => Verdict::Spoof,
                (false, None) => Verdict::NoResponse,
            },
            score: shown.score,
        })
    }

    fn play(&mut self, shown: &mut Shown, path: &Path) -> Result<(), JudgeError> {
        let mut video = camera::open(&CameraConfig {
            source: SourceKind::File,
            path: Some(path.to_owned()),
            repeat: false,
            ..CameraConfig::default()
        })?;
        let pace = video.pace().unwrap_or(FRAME);
        let mut frame = Mat::default();
        while matches!(video.read(&mut frame)?, Read::Frame) {
            self.show(shown, &frame, pace)?;
        }
        Ok(())
    }

    fn show(&mut self, shown: &mut Shown, frame: &Mat, pace: Duration) -> Result<(), VisionError> {
        let at = u32::try_from(shown.frames).unwrap_or(u32::MAX);
        let now = Tick(pace.saturating_mul(at));
        shown.frames += 1;
        let faces = self.vision.detect(frame)?;
        let (width, height) = (frame.cols() as f32, frame.rows() as f32);
        let Some(detection) = FaceChoice::Largest.subject(&faces, width, height) else {
            return Ok(());
        };
        let Some(face) = self.vision.examine(frame, detection)? else {
            return Ok(());
        };
        if face.quality.check(&self.limits.quality).is_err() {
            return Ok(());
        }
        let cues = self.vision.liveness(frame, &face)?;
        shown.observations += 1;
        shown.evidence.add(cues, now);
        let score = match shown.evidence.verdict() {
            Liveness::Undecided => return Ok(()),
            Liveness::Live { score, .. } => {
                shown.live = true;
                score
            }
            Liveness::Spoof { score, .. } => score,
        };
        shown.score = Some(shown.score.map_or(score, |highest| highest.max(score)));
        Ok(())
    }
}
