//! Whether a face is good enough to be compared: each measure has its own named limit.
//!
//! And how much it says: [`Quality::weight`] is what a face so dark, blurred or turned keeps of
//! its similarity. Every flaw lowers it; none raises it.

use serde::Serialize;

use super::geometry::{Point, Rect};
use super::pose::HeadPose;
use crate::event::QualityProblem;

/// How good one face is. The figures about LFW are of 1029 faces of its deep-funneled images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quality {
    /// The detector's score, 0..1. LFW: 0.94 and above.
    pub detector_score: f32,
    /// Between the eye centres, in pixels of the frame.
    pub eye_distance_px: f32,
    /// Variance of the Laplacian of the aligned face's luma. Unblurred LFW faces measure 53 to
    /// 483; blurred with σ = 2 pixels, 95 % of them fall below 15 (and similarity drops by a fifth).
    pub sharpness: f32,
    /// Mean luma of the aligned face, 0..255. LFW: 56 to 183.
    pub brightness: f32,
    /// Standard deviation of the aligned face's luma. LFW: 19 to 92.
    pub contrast: f32,
    /// Share of the aligned face that is at the sensor's upper end, 0..1. LFW: up to 0.19.
    pub overexposed: f32,
    /// Where the head is turned, in degrees. LFW: yaw within 50, 98 % within 35.
    pub pose: HeadPose,
    /// From the face to the nearest edge of the frame, in widths of the face; negative when its
    /// landmarks reach beyond.
    pub edge_gap: f32,
}

/// The least, or the most, that is accepted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QualityLimits {
    /// 0..1.
    pub min_detector_score: f32,
    /// In pixels of the frame.
    pub min_eye_distance_px: f32,
    /// Variance of the Laplacian.
    pub min_sharpness: f32,
    /// Mean luma, 0..255.
    pub min_brightness: f32,
    /// Standard deviation of the luma.
    pub min_contrast: f32,
    /// Share, 0..1.
    pub max_overexposed: f32,
    /// Degrees, to either side.
    pub max_yaw_deg: f32,
    /// Degrees, up or down.
    pub max_pitch_deg: f32,
    /// Widths of the face.
    pub min_edge_gap: f32,
}

/// A failed limit, with what was measured and what is needed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QualityFailure {
    /// Which limit.
    pub problem: QualityProblem,
    /// Measured.
    pub found: f32,
    /// Needed: at least or at most.
    pub limit: f32,
}

impl std::error::Error for QualityFailure {}

impl std::fmt::Display for QualityFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let QualityFailure { found, limit, .. } = self;
        match self.problem {
            QualityProblem::TooSmall => write!(
                f,
                "the face is too small: {found:.1} pixels between the eyes, at least {limit:.1} needed"
            ),
            QualityProblem::Doubtful => write!(
                f,
                "the detector is not sure of this face: score {found:.2}, at least {limit:.2} needed"
            ),
            QualityProblem::CutOff => write!(
                f,
                "the face is cut off by the edge of the picture: gap {found:.2}, at least {limit:.2} face widths needed"
            ),
            QualityProblem::TooDark => write!(
                f,
                "the face is too dark: brightness {found:.0}, at least {limit:.0} needed"
            ),
            QualityProblem::Overexposed => write!(
                f,
                "the face is overexposed: {:.0} % of it is white, at most {:.0} % allowed",
                found * 100.0,
                limit * 100.0
            ),
            QualityProblem::LowContrast => write!(
                f,
                "the face has too little contrast: {found:.1}, at least {limit:.1} needed"
            ),
            QualityProblem::TooBlurred => write!(
                f,
                "the face is too blurred: sharpness {found:.1}, at least {limit:.1} needed"
            ),
            QualityProblem::TurnedAway => write!(
                f,
                "the face is turned too far to the side: {found:.0} degrees, at most {limit:.0} allowed"
            ),
            QualityProblem::TiltedAway => write!(
                f,
                "the face looks too far up or down: {found:.0} degrees, at most {limit:.0} allowed"
            ),
        }
    }
}

impl Quality {
    /// The first limit that this face fails, the one that explains most first.
    ///
    /// # Errors
    /// The failure, with what was measured and what is needed.
    pub fn check(&self, limits: &QualityLimits) -> Result<(), QualityFailure> {
        use QualityProblem as P;
        let (yaw, pitch) = (self.pose.yaw.abs(), self.pose.pitch.abs());
        let at_least = [
            (
                P::TooSmall,
                self.eye_distance_px,
                limits.min_eye_distance_px,
            ),
            (P::CutOff, self.edge_gap, limits.min_edge_gap),
            (P::Doubtful, self.detector_score, limits.min_detector_score),
            (P::TooDark, self.brightness, limits.min_brightness),
            (P::LowContrast, self.contrast, limits.min_contrast),
            (P::TooBlurred, self.sharpness, limits.min_sharpness),
        ];
        let at_most = [
            (P::Overexposed, self.overexposed, limits.max_overexposed),
            (P::TurnedAway, yaw, limits.max_yaw_deg),
            (P::TiltedAway, pitch, limits.max_pitch_deg),
        ];
        // A measure that is not a number fails.
        let failed = at_least
            .into_iter()
            .find(|(_, found, limit)| found < limit || found.is_nan())
            .or_else(|| {
                at_most
                    .into_iter()
                    .find(|(_, found, limit)| found > limit || found.is_nan())
            });
        match failed {
            Some((problem, found, limit)) => Err(QualityFailure {
                problem,
                found,
                limit,
            }),
            None => Ok(()),
        }
    }

    /// What a face like this keeps of its similarity to a good picture of the same face, 0..1:
    /// its weight among several (see [`crate::presentation::fusion`]). Each factor is fitted to
    /// LFW faces degraded step by step (docs/decisions/0006): with blur of σ = 1, 1.5, 2, 3 pixels
    /// similarity falls to 0.99, 0.95, 0.87, 0.66; with light dimmed to 40, 25, 15 % under
    /// sensor noise to 0.95, 0.88, 0.71; with 13, 33, 59 % of the face white to 0.97, 0.86, 0.56.
    #[must_use]
    pub fn weight(&self) -> f32 {
        let lost = |measure: f32, all: f32| (all / measure).powf(1.8);
        let turned = |degrees: f32| 0.5 * (degrees / 90.0).powi(2);
        let kept = [
            1.0 - lost(self.sharpness, 5.0),
            1.0 - lost(self.contrast, 4.0),
            1.0 - 1.3 * self.overexposed.powf(1.8),
            1.0 - turned(self.pose.yaw) - turned(self.pose.pitch),
        ];
        // f32::clamp keeps NaN; what cannot be measured says nothing.
        let kept = kept.map(|share| if share > 0.0 { share.min(1.0) } else { 0.0 });
        kept.into_iter().product()
    }

    /// One number, 0..1, to rank images of one person: falls with every flaw, and half-way at
    /// 30 pixels between the eyes (where the aligned face is sampled about one to one) and at
    /// sharpness 50 (the softest unblurred LFW face). It is not a probability.
    #[must_use]
    pub fn score(&self) -> f32 {
        let half_way = |value: f32, half: f32| value / (value + half);
        let size = half_way(self.eye_distance_px, 30.0);
        let sharp = half_way(self.sharpness, 50.0);
        (self.detector_score * self.weight() * (size * sharp).sqrt()).clamp(0.0, 1.0)
    }
}

/// Widths of the face between it and the nearest edge of a frame of this size. The detector cuts
/// its box at the frame, so a box at the left, right or lower edge is a face that goes on beyond
/// it; of the upper edge only the forehead can be missing, which costs little: there, the
/// landmarks count.
#[must_use]
pub fn edge_gap(rect: &Rect, points: &[Point], width: i32, height: i32) -> f32 {
    let (width, height) = (width as f32, height as f32);
    let of_box = [rect.x0, width - rect.x1, height - rect.y1];
    let of_points = points
        .iter()
        .flat_map(|p| [p.x, p.y, width - p.x, height - p.y]);
    let nearest = of_box
        .into_iter()
        .chain(of_points)
        .fold(f32::INFINITY, f32::min);
    nearest / rect.width().max(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the configuration has them when nothing else is said.
    const LIMITS: QualityLimits = QualityLimits {
        min_detector_score: 0.9,
        min_eye_distance_px: 20.0,
        min_sharpness: 15.0,
        min_brightness: 25.0,
        min_contrast: 12.0,
        max_overexposed: 0.3,
        max_yaw_deg: 50.0,
        max_pitch_deg: 45.0,
        min_edge_gap: 0.01,
    };

    fn good() -> Quality {
        Quality {
            detector_score: 0.99,
            eye_distance_px: 60.0,
            sharpness: 140.0,
            brightness: 116.0,
            contrast: 50.0,
            overexposed: 0.0,
            pose: HeadPose::default(),
            edge_gap: 0.5,
        }
    }

    #[test]
    fn each_limit_fails_by_its_own_name() {
        assert_eq!(good().check(&LIMITS), Ok(()));
        type Spoil = fn(&mut Quality);
        let cases: [(&str, Spoil); 10] = [
            ("too_small", |q| q.eye_distance_px = 5.0),
            ("doubtful", |q| q.detector_score = 0.75),
            ("cut_off", |q| q.edge_gap = 0.0),
            ("too_dark", |q| q.brightness = 10.0),
            ("overexposed", |q| q.overexposed = 0.6),
            ("low_contrast", |q| q.contrast = 5.0),
            ("too_blurred", |q| q.sharpness = 3.0),
            ("turned_away", |q| q.pose.yaw = -70.0),
            ("tilted_away", |q| q.pose.pitch = 50.0),
            ("too_blurred", |q| q.sharpness = f32::NAN),
        ];
        for (word, spoil) in cases {
            let mut quality = good();
            spoil(&mut quality);
            let failure = quality.check(&LIMITS).unwrap_err();
            assert_eq!(failure.problem.as_str(), word);
            assert!(quality.weight() <= good().weight(), "{word}");
            assert!(!failure.to_string().is_empty());
        }
    }

    #[test]
    fn a_face_at_the_edge_has_no_gap() {
        let rect = Rect {
            x0: 0.0,
            y0: 50.0,
            x1: 100.0,
            y1: 180.0,
        };
        let middle = [Point { x: 50.0, y: 100.0 }];
        assert_eq!(edge_gap(&rect, &middle, 640, 480), 0.0);
        let inside = Rect {
            x0: 100.0,
            x1: 200.0,
            ..rect
        };
        let points = [Point { x: 150.0, y: 100.0 }];
        assert_eq!(edge_gap(&inside, &points, 640, 480), 1.0);
        let beyond = [Point { x: 150.0, y: -10.0 }];
        assert_eq!(edge_gap(&inside, &beyond, 640, 480), -0.1);
    }

    proptest! {
        /// Less light, more blur, a turned head: never more weight.
        #[test]
        fn flaws_never_raise_the_weight(
            sharpness in 0.0f32..600.0, contrast in 0.0f32..90.0, white in 0.0f32..1.0,
            yaw in -90.0f32..90.0, pitch in -90.0f32..90.0, by in 0.0f32..1.0,
        ) {
            let quality = Quality {
                sharpness, contrast, overexposed: white, pose: HeadPose { yaw, pitch, roll: 0.0 }, ..good()
            };
            let weight = quality.weight();
            prop_assert!((0.0..=1.0).contains(&weight));
            for worse in [
                Quality { sharpness: sharpness * by, ..quality },
                Quality { contrast: contrast * by, ..quality },
                Quality { overexposed: white + (1.0 - white) * by, ..quality },
                Quality { pose: HeadPose { yaw: yaw * (1.0 + by), ..quality.pose }, ..quality },
                Quality { pose: HeadPose { pitch: pitch * (1.0 + by), ..quality.pose }, ..quality },
            ] {
                prop_assert!(worse.weight() <= weight + 1e-6);
                prop_assert!(worse.score() <= quality.score() + 1e-6);
            }
        }
    }
}
