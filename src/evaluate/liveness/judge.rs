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
use crate::vision::{LivenessCues, QualityLimits, Vision, VisionError, still};

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
    /// The first verdict, which is what the door acts on.
    decided: Option<Liveness>,
}

impl Shown {
    /// The next frame, `pace` after the one before, with its cues if it has any.
    fn add(&mut self, cues: Option<LivenessCues>, pace: Duration) {
        let before = u32::try_from(self.frames).unwrap_or(u32::MAX);
        self.frames += 1;
        if let Some(cues) = cues
            && self.decided.is_none()
        {
            self.observations += 1;
            self.evidence.add(cues, Tick(pace.saturating_mul(before)));
            self.decided = match self.evidence.verdict() {
                Liveness::Undecided => None,
                decided => Some(decided),
            };
        }
    }

    fn judged(self, source: &Path) -> Judged {
        let (verdict, score, cue) = match self.decided {
            None | Some(Liveness::Undecided) => (Verdict::NoResponse, None, None),
            Some(Liveness::Live { score, .. }) => (Verdict::Live, Some(score), None),
            Some(Liveness::Spoof { score, cue, .. }) => (Verdict::Spoof, Some(score), Some(cue)),
        };
        Judged {
            source: source.to_owned(),
            frames: self.frames,
            observations: self.observations,
            verdict,
            score,
            cue,
        }
    }
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
                // Equal frames have equal cues.
                let cues = self.cues(&still::read(path)?.image)?;
                for _ in 0..self.limits.still_frames {
                    shown.add(cues, FRAME);
                }
            }
            Presentation::Frames { files, .. } => {
                for path in files {
                    let cues = match shown.decided {
                        None => self.cues(&still::read(path)?.image)?,
                        Some(_) => None,
                    };
                    shown.add(cues, FRAME);
                }
            }
            Presentation::Video(path) => self.play(&mut shown, path)?,
        }
        Ok(shown.judged(presentation.source()))
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
            let cues = match shown.decided {
                None => self.cues(&frame)?,
                Some(_) => None,
            };
            shown.add(cues, pace);
        }
        Ok(())
    }

    /// What one frame says; nothing without a face that is good enough.
    fn cues(&mut self, frame: &Mat) -> Result<Option<LivenessCues>, VisionError> {
        let faces = self.vision.detect(frame)?;
        let (width, height) = (frame.cols() as f32, frame.rows() as f32);
        let Some(detection) = FaceChoice::Largest.subject(&faces, width, height) else {
            return Ok(None);
        };
        let Some(face) = self.vision.examine(frame, detection)? else {
            return Ok(None);
        };
        if face.quality.check(&self.limits.quality).is_err() {
            return Ok(None);
        }
        Ok(Some(self.vision.liveness(frame, &face)?))
    }
}
