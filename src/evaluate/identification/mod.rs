//! Who would be let in: people enrolled as at the door, everything else searched for.
//!
//! Pure: pictures that were read in, rates out. Searches and verdicts are the door's own
//! ([`crate::gallery`]); probes are fused as the door fuses observations
//! ([`crate::presentation::fusion`]). Never enrolls in the door's store.

mod search;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::Serialize;

pub use search::identify;

use super::rate::Rate;
use super::scores::Point;
use super::subject::{Picture, Sample};
use crate::recognition::{Security, Thresholds};
use crate::vision::QualityLimits;
use crate::vision::pack::Calibration;

/// Somebody's pictures after reading.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Who.
    pub name: String,
    /// In the order of their names.
    pub pictures: Vec<Picture>,
}

/// What is demanded.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// How strict the door is.
    pub security: Security,
    /// The threshold of [`Security::Custom`].
    pub custom: Option<f32>,
    /// What the pack's similarities mean.
    pub calibration: Calibration,
    /// How far the second person must be behind.
    pub margin: f32,
    /// The least quality of an image to be enrolled.
    pub enroll_limits: QualityLimits,
    /// The least quality of a probe.
    pub probe_limits: QualityLimits,
    /// At most so many probes of each person; all without a limit.
    pub probes: Option<usize>,
    /// Share of strangers who may be accepted, for the recommended threshold.
    pub wanted_fpir: f64,
}

impl Rules {
    /// The similarity in force with so many people enrolled.
    #[must_use]
    pub fn threshold(&self, people: usize) -> f32 {
        Thresholds::of(self.security, self.custom, people, &self.calibration).claim
    }
}

/// Limits that every face passes.
pub const ANY_QUALITY: QualityLimits = QualityLimits {
    min_detector_score: 0.0,
    min_eye_distance_px: 0.0,
    min_sharpness: 0.0,
    min_brightness: 0.0,
    min_contrast: 0.0,
    max_overexposed: 1.0,
    max_yaw_deg: f32::INFINITY,
    max_pitch_deg: f32::INFINITY,
    min_edge_gap: f32::NEG_INFINITY,
};

/// A picture that could not take part, or could not be enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unusable {
    /// The file.
    pub file: PathBuf,
    /// `no_face`, `unusable`, or the word of the failed quality limit, such as `too_blurred`.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// Where the searches that must find nobody come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NonMated {
    /// People who are not enrolled.
    Strangers,
    /// There are none: every probe against everybody but its own person.
    LeftOut,
}

/// A search that should have named somebody and did not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Miss {
    /// Whose probe.
    pub person: String,
    /// Its pictures.
    pub files: Vec<PathBuf>,
    /// Who came first.
    pub nearest: String,
    /// How like they are.
    pub similarity: f32,
    /// `named_another`, `ambiguous` or `nobody`.
    pub outcome: &'static str,
}

/// A search that should have named nobody and did not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FalseAccept {
    /// The probe's pictures.
    pub files: Vec<PathBuf>,
    /// Whom it was taken for; not known when its own person was left out of the search.
    pub named: Option<String>,
    /// How like they are.
    pub similarity: f32,
}

/// A threshold for a wanted rate of accepted strangers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Recommended {
    /// What was wanted, 0..1.
    pub wanted_fpir: f64,
    /// The lowest threshold that gives it here.
    pub threshold: f32,
    /// What it gives. The upper bound is what this set can promise.
    pub fpir: Rate,
    /// What it costs.
    pub fnir: Rate,
}

/// Rates over searches of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Searches {
    /// Pictures in a probe, at most.
    pub fused: usize,
    /// The right person comes first, whatever the similarity.
    pub rank_1: Rate,
    /// The right person is not named at the threshold.
    pub fnir: Rate,
    /// The same, with pictures that could not be used counted as not named: the whole system.
    pub fnir_with_failures: Rate,
    /// Somebody enrolled is named as somebody else.
    pub named_another: Rate,
    /// Somebody enrolled is denied because two people match.
    pub ambiguous: Rate,
    /// Where the searches that must find nobody come from.
    pub non_mated: NonMated,
    /// Somebody who is not enrolled is named.
    pub fpir: Rate,
    /// Somebody who is not enrolled is denied only because two people match.
    pub non_mated_ambiguous: Rate,
    /// Highest similarity of anybody who is not enrolled.
    pub non_mated_highest: Option<f32>,
    /// For the wanted rate; nothing without such searches.
    pub recommended: Option<Recommended>,
    /// FPIR and FNIR over the threshold.
    pub curve: Vec<Point>,
    /// Every search that failed to name its person.
    pub misses: Vec<Miss>,
    /// Every search that named somebody for a stranger.
    pub false_accepts: Vec<FalseAccept>,
}

/// One run with a fixed number of enrolled pictures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Identification {
    /// Pictures taken for enrollment, of each person.
    pub enroll: usize,
    /// People enrolled.
    pub enrolled: usize,
    /// People with too few pictures to have a probe left.
    pub skipped: usize,
    /// People of whom no picture could be enrolled.
    pub not_enrolled: Vec<String>,
    /// Templates in the gallery.
    pub templates: usize,
    /// Similarity in force for a gallery of so many people.
    pub threshold: f32,
    /// Pictures that were refused for enrollment.
    pub enroll_failures: Vec<Unusable>,
    /// Probes that could not be used.
    pub probe_failures: Vec<Unusable>,
    /// One picture a probe.
    pub single: Searches,
    /// Several pictures a probe.
    pub fused: Option<Searches>,
}

/// A picture's sample when it is good enough, or the reason why not.
///
/// # Errors
/// The reason, with the file.
pub fn usable<'a>(picture: &'a Picture, limits: &QualityLimits) -> Result<&'a Sample, Unusable> {
    let refused = |reason, message: String| Unusable {
        file: picture.path.clone(),
        reason,
        message,
    };
    let sample = picture
        .sample
        .as_ref()
        .map_err(|failure| refused(failure.code(), failure.to_string()))?;
    sample
        .quality
        .check(limits)
        .map_err(|failure| refused(failure.problem.as_str(), failure.to_string()))?;
    Ok(sample)
}
