//! From frames to claims: vision, tracks and presentations in one piece.
//!
//! The service, the benchmarks and the demo's rehearsal all look through this one pipeline, so
//! that what is measured is what opens the door. It decides nothing about the door, keeps no
//! pictures, and does no I/O of its own. Flows in: frames with the time of their capture, and
//! the gallery. Flows out: [`Look`]s, with [`Report`]s about the faces in view.

mod meter;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use opencv::core::Mat;

use crate::clock::Tick;
use crate::config::{LivenessConfig, LivenessMode, RecognitionConfig};
use crate::gallery::{Gallery, Match};
use crate::presentation::{
    Asks, Evidence, Presentations, Report, Rules, Sighting, TrackId, Tracker,
};
use crate::recognition;
use crate::vision::geometry::Rect;
use crate::vision::{Detection, QualityLimits, Vision, VisionError};

pub use meter::Meter;
use meter::Stage;

/// Faces examined in one frame, the largest first: more people than fit before a door.
const MAX_FACES: usize = 3;

/// What one frame brought.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Look {
    /// Faces that came into view.
    pub appeared: Vec<TrackId>,
    /// Faces that went out of view.
    pub gone: Vec<TrackId>,
    /// What presentations had to say.
    pub reports: Vec<Report>,
}

/// The chain from frame to claim, with what it remembers between frames.
#[derive(Debug)]
pub struct Pipeline {
    vision: Vision,
    recognition: RecognitionConfig,
    limits: QualityLimits,
    tracker: Tracker,
    presentations: Presentations,
    in_view: BTreeSet<TrackId>,
    meter: Arc<Meter>,
}

impl Pipeline {
    /// Nobody is in view, and nobody is known.
    ///
    /// # Errors
    /// When the model pack's measurements do not reach the security level, or when liveness is
    /// asked for and the pack cannot tell.
    pub fn new(
        mut vision: Vision,
        config: &RecognitionConfig,
        liveness: &LivenessConfig,
    ) -> Result<Self, VisionError> {
        recognition::check(config.security, vision.calibration())?;
        if liveness.mode != LivenessMode::Off {
            vision.load_liveness()?;
        }
        let rules = Rules {
            thresholds: config.thresholds(0, vision.calibration()),
            margin: config.margin,
            confirmations: usize::try_from(config.confirmations).unwrap_or(usize::MAX),
            window: Duration::from_millis(config.window_ms),
            deny_after: Duration::from_millis(config.deny_after_ms),
            repeat_after: Duration::from_millis(config.repeat_after_ms),
            liveness: liveness.mode,
            challenge_timeout: liveness.challenge_timeout(),
        };
        Ok(Self {
            vision,
            recognition: config.clone(),
            limits: config.quality_limits(),
            tracker: Tracker::default(),
            presentations: Presentations::new(rules),
            in_view: BTreeSet::new(),
            meter: Arc::default(),
        })
    }

    /// How long its stages take.
    #[must_use]
    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// The networks.
    #[must_use]
    pub fn vision(&self) -> &Vision {
        &self.vision
    }

    /// Whether a face is in view.
    #[must_use]
    pub fn sees_a_face(&self) -> bool {
        !self.in_view.is_empty()
    }

    /// From now on this gallery is searched.
    pub fn gallery_changed(&mut self, gallery: &Gallery) {
        let calibration = self.vision.calibration();
        let thresholds = self.recognition.thresholds(gallery.len(), calibration);
        self.presentations.gallery_changed(thresholds);
    }

    /// Looks at one frame, captured at `captured`; later than the one before.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn look(
        &mut self,
        frame: &Mat,
        gallery: &Gallery,
        captured: Tick,
    ) -> Result<Look, VisionError> {
        let meter = self.meter();
        meter.time(Stage::Frame, || self.look_at(frame, gallery, captured))
    }

    fn look_at(
        &mut self,
        frame: &Mat,
        gallery: &Gallery,
        captured: Tick,
    ) -> Result<Look, VisionError> {
        let faces = self.largest_faces(frame)?;
        let (mut look, tracks) = self.follow(&faces, captured);
        for (detection, track) in faces.into_iter().zip(tracks) {
            if !self.presentations.wants(track, captured) {
                continue;
            }
            if let Some(evidence) = self.evidence(frame, detection, track, gallery)? {
                let report = self
                    .presentations
                    .observe(track, evidence, gallery, captured);
                look.reports.extend(report);
            }
        }
        Ok(look)
    }

    /// Assigns the faces to tracks, and notices who came and who went.
    fn follow(&mut self, faces: &[Detection], captured: Tick) -> (Look, Vec<TrackId>) {
        let boxes: Vec<Rect> = faces.iter().map(|face| face.rect).collect();
        let (tracks, ended) = self.tracker.update(&boxes, captured);
        let mut look = Look::default();
        for track in ended {
            self.presentations.end(track);
            self.in_view.remove(&track);
            look.gone.push(track);
        }
        for track in &tracks {
            if self.in_view.insert(*track) {
                look.appeared.push(*track);
            }
        }
        (look, tracks)
    }

    fn largest_faces(&mut self, frame: &Mat) -> Result<Vec<Detection>, VisionError> {
        let mut faces = self
            .meter
            .time(Stage::Detect, || self.vision.detect(frame))?;
        faces.sort_by(|a, b| b.rect.area().total_cmp(&a.rect.area()));
        faces.truncate(MAX_FACES);
        Ok(faces)
    }

    /// What this frame says about one face; nothing when there is no face after all. The costly
    /// questions are asked last, and only where the answers can matter.
    fn evidence(
        &mut self,
        frame: &Mat,
        detection: Detection,
        track: TrackId,
        gallery: &Gallery,
    ) -> Result<Option<Evidence>, VisionError> {
        let (meter, vision) = (&self.meter, &mut self.vision);
        let examined = meter.time(Stage::Examine, || vision.examine(frame, detection))?;
        let Some(face) = examined else {
            return Ok(None);
        };
        let quality = face.quality;
        if let Err(failure) = quality.check(&self.limits) {
            tracing::trace!(track = track.0, ?failure, "observation");
            return Ok(Some(Evidence::Poor(failure.problem)));
        }
        let embedding = meter.time(Stage::Embed, || vision.embed(&face))?.embedding;
        let found: Option<Match> = gallery.search(&embedding);
        let Asks { liveness, eyes } = self.presentations.asks(track, found.as_ref());
        let sighting = Sighting {
            embedding,
            weight: quality.weight(),
            found,
            liveness: if liveness {
                let score = meter.time(Stage::Liveness, || vision.liveness(frame, &face))?;
                Some(score)
            } else {
                None
            },
            eyes_open: if eyes {
                vision.eyes_open(frame, &face)?
            } else {
                None
            },
        };
        // Never the embedding: it is the person.
        tracing::trace!(track = track.0, ?found, liveness = ?sighting.liveness, ?quality, "observation");
        Ok(Some(Evidence::Seen(sighting)))
    }
}
