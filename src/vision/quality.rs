//! Whether a face is good enough to be compared: each measure has its own named limit.

use opencv::core::{Mat, Scalar};
use opencv::imgproc;

use super::VisionError;

/// How good one face is.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Quality {
    /// The detector's score, 0..1.
    pub detector_score: f32,
    /// Between the eye centres, in pixels of the frame.
    pub eye_distance_px: f32,
    /// Variance of the Laplacian of the aligned face's luma. Unblurred LFW faces measure 53 to
    /// 483; blurred with σ = 2 pixels, 95 % of them fall below 15 (and similarity drops by a fifth).
    pub sharpness: f32,
}

/// The least that is accepted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QualityLimits {
    /// In pixels of the frame.
    pub min_eye_distance_px: f32,
    /// Variance of the Laplacian.
    pub min_sharpness: f32,
}

/// Which limit a face fails.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum QualityFailure {
    /// Too far away, or a tiny picture.
    #[error(
        "the face is too small: {found:.1} pixels between the eyes, at least {least:.1} needed"
    )]
    TooSmall {
        /// Measured.
        found: f32,
        /// Needed.
        least: f32,
    },
    /// Out of focus or moving.
    #[error("the face is too blurred: sharpness {found:.1}, at least {least:.1} needed")]
    TooBlurred {
        /// Measured.
        found: f32,
        /// Needed.
        least: f32,
    },
}

impl Quality {
    /// The first limit that this face fails.
    ///
    /// # Errors
    /// The failure, with what was measured and what is needed.
    pub fn check(&self, limits: &QualityLimits) -> Result<(), QualityFailure> {
        if self.eye_distance_px < limits.min_eye_distance_px {
            return Err(QualityFailure::TooSmall {
                found: self.eye_distance_px,
                least: limits.min_eye_distance_px,
            });
        }
        if self.sharpness < limits.min_sharpness {
            return Err(QualityFailure::TooBlurred {
                found: self.sharpness,
                least: limits.min_sharpness,
            });
        }
        Ok(())
    }

    /// One number, 0..1, to rank images of one person: rises with every measure, half-way at
    /// 30 pixels between the eyes (where the aligned face is sampled about one to one) and at
    /// sharpness 50 (the softest unblurred LFW face). It is not a probability.
    #[must_use]
    pub fn score(&self) -> f32 {
        let half_way = |value: f32, half: f32| value / (value + half);
        let size = half_way(self.eye_distance_px, 30.0);
        let sharp = half_way(self.sharpness, 50.0);
        (self.detector_score * (size * sharp).sqrt()).clamp(0.0, 1.0)
    }
}

/// Measures sharpness; keeps its buffers between faces.
#[derive(Debug, Default)]
pub(super) struct SharpnessMeter {
    grey: Mat,
    edges: Mat,
}

impl SharpnessMeter {
    /// Variance of the Laplacian of a BGR face.
    pub(super) fn measure(&mut self, aligned: &Mat) -> Result<f32, VisionError> {
        imgproc::cvt_color_def(aligned, &mut self.grey, imgproc::COLOR_BGR2GRAY)?;
        imgproc::laplacian_def(&self.grey, &mut self.edges, opencv::core::CV_32F)?;
        let (mut mean, mut deviation) = (Scalar::default(), Scalar::default());
        opencv::core::mean_std_dev(
            &self.edges,
            &mut mean,
            &mut deviation,
            &opencv::core::no_array(),
        )?;
        Ok((deviation[0] * deviation[0]) as f32)
    }
}
