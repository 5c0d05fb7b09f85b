//! `[recognition]` and `[liveness]`: how sure the door must be, and of what. Units, ranges and
//! meanings stand in `default.toml`; the sources of the defaults stand here.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use doorward_core::vision::QualityLimits;

use crate::recognition::{Calibration, Security, Thresholds};

pub use crate::presentation::LivenessMode;

/// `[recognition]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecognitionConfig {
    /// How strict: decides the threshold.
    pub security: Security,
    /// Cosine similarity from which a face is the person's; with `security = "custom"` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    /// How much better the best person must be than the second.
    pub margin: f32,
    /// Agreeing observations that a decision needs.
    pub confirmations: u32,
    /// Time within which they must be made.
    pub window_ms: u64,
    /// How long a face may stay unrecognised before it is denied.
    pub deny_after_ms: u64,
    /// How long after a decision the same face in view may ask again.
    pub repeat_after_ms: u64,
    /// Lowest score of the detector.
    pub min_detector_score: f32,
    /// Smallest distance between the eyes.
    pub min_eye_distance_px: f32,
    /// Lowest sharpness (variance of the Laplacian of the aligned face).
    pub min_sharpness: f32,
    /// Lowest mean luma of the aligned face.
    pub min_brightness: f32,
    /// Lowest standard deviation of its luma.
    pub min_contrast: f32,
    /// Largest share of it that may be white.
    pub max_overexposed: f32,
    /// How far the head may be turned to a side.
    pub max_yaw_deg: f32,
    /// How far up or down.
    pub max_pitch_deg: f32,
    /// Smallest gap between the face and the frame's edge, in widths of the face.
    pub min_edge_gap: f32,
    /// Lowest sharpness of an image to be enrolled.
    pub enroll_min_sharpness: f32,
}

impl Default for RecognitionConfig {
    fn default() -> Self {
        Self {
            security: Security::Standard,
            threshold: None,
            // Two look-alikes are told apart by more than the noise between frames of one face.
            margin: 0.05,
            confirmations: 3,
            window_ms: 2_000,
            deny_after_ms: 1_500,
            repeat_after_ms: 10_000,
            // The lowest of 1029 LFW faces has 0.94.
            min_detector_score: 0.9,
            min_eye_distance_px: 20.0,
            // Blurred with σ = 2 pixels, LFW faces fall to 18 and keep 0.87 of their similarity.
            min_sharpness: 15.0,
            // Blurred with σ = 1.3, where 0.97 is kept; 99 % of LFW is sharper than 38.
            enroll_min_sharpness: 35.0,
            // LFW dimmed to a quarter under sensor noise has brightness 30 and contrast 12.6 and
            // keeps 0.88 of its similarity (5 % of it less than 0.76); below, it falls fast.
            min_brightness: 25.0,
            min_contrast: 12.0,
            // At 0.34 one face in twenty keeps less than 0.42 of its similarity.
            max_overexposed: 0.3,
            // LFW holds next to nothing beyond: there, nobody knows the error rates. Up to there,
            // turned heads lose a tenth of their similarity.
            max_yaw_deg: 50.0,
            max_pitch_deg: 45.0,
            // A face that touches the edge goes on beyond it: cut off by a fifth at the chin,
            // half of the faces keep less than 0.58 of their similarity.
            min_edge_gap: 0.01,
        }
    }
}

impl RecognitionConfig {
    /// What a face must have to be compared.
    #[must_use]
    pub fn quality_limits(&self) -> QualityLimits {
        QualityLimits {
            min_detector_score: self.min_detector_score,
            min_eye_distance_px: self.min_eye_distance_px,
            min_sharpness: self.min_sharpness,
            min_brightness: self.min_brightness,
            min_contrast: self.min_contrast,
            max_overexposed: self.max_overexposed,
            max_yaw_deg: self.max_yaw_deg,
            max_pitch_deg: self.max_pitch_deg,
            min_edge_gap: self.min_edge_gap,
        }
    }

    /// What a face must have to be enrolled.
    #[must_use]
    pub fn enroll_quality_limits(&self) -> QualityLimits {
        QualityLimits {
            min_sharpness: self.enroll_min_sharpness,
            ..self.quality_limits()
        }
    }

    /// The thresholds for a gallery of so many people.
    #[must_use]
    pub fn thresholds(&self, people: usize, calibration: &Calibration) -> Thresholds {
        Thresholds::of(self.security, self.threshold, people, calibration)
    }
}

/// `[liveness]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LivenessConfig {
    /// What is asked of a face.
    pub mode: LivenessMode,
    /// Time to blink in.
    pub challenge_timeout_ms: u64,
}

impl Default for LivenessConfig {
    fn default() -> Self {
        Self {
            mode: LivenessMode::Passive,
            challenge_timeout_ms: 5_000,
        }
    }
}

impl LivenessConfig {
    /// Time to blink in.
    #[must_use]
    pub fn challenge_timeout(&self) -> Duration {
        Duration::from_millis(self.challenge_timeout_ms)
    }
}
