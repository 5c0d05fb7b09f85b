//! How similar is similar enough: from a security level to a threshold.
//!
//! Pure. Flows in: the wanted false match rate, the number of people in the gallery, and what
//! was measured with the model pack ([`Calibration`]). Flows out: cosine thresholds. No constant
//! of a particular network stands here.
//!
//! Between measured points the threshold is interpolated on the normal quantile of the false
//! match rate, on which impostor similarities of face embedders lie close to a line (the DET
//! plot's axis: Martin et al., Eurospeech 1997); beyond the last point that line is continued.
//!
//! A stranger is compared with everybody, so the chance that somebody matches grows with the
//! gallery: about `people x FMR` (on LFW, 610 people with three templates each: 1 % of 5139
//! strangers at 0.471, where FMR is 1.6e-5). Up to [`REFERENCE_PEOPLE`] the level's FMR holds
//! as it is; beyond, the threshold rises so that the chance of the whole gallery stays the same.

mod calibration;

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, Normal};

pub use calibration::Calibration;

/// Largest gallery for which a level's false match rate is used as it is.
pub const REFERENCE_PEOPLE: usize = 100;
/// False match rate from which an observation supports a name at all.
const SUPPORT_FMR: f64 = 1e-3;
/// False match rate at which two faces are taken for the same one within a track: a swap of
/// people is missed once in ten thousand times, and a person taken for another one only has to
/// start again.
const SAME_FACE_FMR: f64 = 1e-4;

/// How strict the door is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// False match rate 1e-5: of strangers that try, at most about one in a thousand gets a match.
    #[default]
    Standard,
    /// False match rate 1e-6; genuine people are turned away more often.
    High,
    /// The threshold that the configuration names, whatever the gallery's size.
    Custom,
}

impl Security {
    /// The false match rate of one comparison; none when the threshold is given outright.
    #[must_use]
    pub fn fmr(self) -> Option<f64> {
        match self {
            Security::Standard => Some(1e-5),
            Security::High => Some(1e-6),
            Security::Custom => None,
        }
    }
}

/// The thresholds in force.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Thresholds {
    /// From here on the fused evidence names a person.
    pub claim: f32,
    /// From here on one observation supports that name.
    pub support: f32,
    /// Below, two faces of one track are two people.
    pub same_face: f32,
}

impl Thresholds {
    /// For a level and a gallery of so many people. `custom` is used with [`Security::Custom`]
    /// (and there must be one: the configuration sees to it; without one it is the standard level).
    #[must_use]
    pub fn of(
        security: Security,
        custom: Option<f32>,
        people: usize,
        calibration: &Calibration,
    ) -> Self {
        let claim = match (security.fmr(), custom) {
            (None, Some(threshold)) => threshold,
            (fmr, _) => {
                let fmr = fmr.unwrap_or(1e-5);
                threshold(calibration, for_gallery(fmr, people))
            }
        };
        Self {
            claim,
            support: threshold(calibration, SUPPORT_FMR).min(claim),
            same_face: threshold(calibration, SAME_FACE_FMR).min(claim),
        }
    }
}

/// The false match rate of one comparison that keeps the chance of the whole gallery at what it
/// is for [`REFERENCE_PEOPLE`].
#[must_use]
pub fn for_gallery(fmr: f64, people: usize) -> f64 {
    fmr * (REFERENCE_PEOPLE as f64 / people.max(1) as f64).min(1.0)
}

/// A pack whose measurements do not reach a security level.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "this model pack was measured at one false match rate only ({measured}), which says nothing about {wanted}; set [recognition] security = \"custom\" with a threshold that `doorward evaluate` recommends for it"
)]
pub struct Uncalibrated {
    /// The rate that was measured.
    pub measured: f64,
    /// The rate that the level needs.
    pub wanted: f64,
}

/// Whether a level means anything with this pack.
///
/// # Errors
/// When the level needs a false match rate that the pack's measurements cannot tell.
pub fn check(security: Security, calibration: &Calibration) -> Result<(), Uncalibrated> {
    match (security.fmr(), &calibration.fmr[..]) {
        (Some(wanted), &[measured]) if wanted < measured => Err(Uncalibrated { measured, wanted }),
        _ => Ok(()),
    }
}

/// The cosine similarity that impostor pairs reach at the rate `fmr` (above 0, below 1). With a
/// single measured point there is no line to go along: at a stricter rate than that, nothing
/// matches.
#[must_use]
pub fn threshold(calibration: &Calibration, fmr: f64) -> f32 {
    let fmr = fmr.clamp(1e-12, 0.5);
    let points: Vec<(f64, f64)> = calibration
        .fmr
        .iter()
        .zip(&calibration.threshold)
        .map(|(rate, threshold)| (deviate(*rate), f64::from(*threshold)))
        .collect();
    let at = deviate(fmr);
    // The segment that holds the rate, or the nearest one.
    let segment = points.windows(2).find(|pair| at <= pair[1].0);
    let line = match (segment, &points[..]) {
        (Some([a, b]), _) | (None, [.., a, b]) => a.1 + (b.1 - a.1) * (at - a.0) / (b.0 - a.0),
        (_, [only]) if at <= only.0 => only.1,
        // Nothing is known, so nothing matches.
        _ => 1.0,
    };
    line.clamp(-1.0, 1.0) as f32
}

/// The false match rate at a threshold: the inverse of [`threshold`]; `None` with a single
/// measured point.
#[must_use]
pub fn fmr_at(calibration: &Calibration, threshold: f32) -> Option<f64> {
    let points: Vec<(f64, f64)> = calibration
        .fmr
        .iter()
        .zip(&calibration.threshold)
        .map(|(rate, threshold)| (deviate(*rate), f64::from(*threshold)))
        .collect();
    let at = f64::from(threshold);
    let segment = points.windows(2).find(|pair| at <= pair[1].1);
    let (a, b) = match (segment, &points[..]) {
        (Some([a, b]), _) | (None, [.., a, b]) => (a, b),
        _ => return None,
    };
    let deviate = a.0 + (b.0 - a.0) * (at - a.1) / (b.1 - a.1);
    Some(Normal::standard().sf(deviate))
}

/// The normal deviate that is exceeded at this rate.
fn deviate(rate: f64) -> f64 {
    -Normal::standard().inverse_cdf(rate)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn measured() -> Calibration {
        Calibration {
            fmr: vec![1e-3, 1e-4, 1e-5],
            threshold: vec![0.341, 0.419, 0.486],
        }
    }

    #[test]
    fn measured_points_come_back_and_the_line_goes_on() {
        for (fmr, expected) in [(1e-3, 0.341), (1e-4, 0.419), (1e-5, 0.486)] {
            assert!((threshold(&measured(), fmr) - expected).abs() < 1e-4);
        }
        // The normal deviate of 1e-6 is 4.753; 0.1227 per unit above 4.265.
        assert!((threshold(&measured(), 1e-6) - 0.546).abs() < 1e-3);
    }

    #[test]
    fn a_gallery_beyond_the_reference_raises_the_threshold() {
        let at = |people| Thresholds::of(Security::Standard, None, people, &measured()).claim;
        assert_eq!(at(0), at(REFERENCE_PEOPLE));
        assert!((at(1) - 0.486).abs() < 1e-4);
        assert!((at(1_000) - threshold(&measured(), 1e-6)).abs() < 1e-6);
    }

    #[test]
    fn a_custom_threshold_is_taken_as_it_is() {
        let thresholds = Thresholds::of(Security::Custom, Some(0.3), 10_000, &measured());
        assert_eq!(thresholds.claim, 0.3);
        // Nothing supports a claim less than the claim itself would.
        assert!(thresholds.support <= 0.3 && thresholds.same_face <= 0.3);
    }

    #[test]
    fn one_measured_point_is_all_there_is() {
        let one = Calibration {
            fmr: vec![1e-3],
            threshold: vec![0.363],
        };
        assert_eq!(threshold(&one, 1e-3), 0.363);
        assert_eq!(threshold(&one, 1e-6), 1.0);
        assert!(check(Security::Standard, &one).is_err());
        assert_eq!(check(Security::Custom, &one), Ok(()));
        assert_eq!(check(Security::High, &measured()), Ok(()));
        assert_eq!(fmr_at(&one, 0.4), None);
    }

    proptest! {
        /// Stricter rates and larger galleries never lower a threshold, and the two functions
        /// are each other's inverse.
        #[test]
        fn thresholds_rise_with_strictness(a in -7.0f64..-1.0, b in -7.0f64..-1.0, people in 0usize..100_000) {
            let (strict, lax) = (10f64.powf(a.min(b)), 10f64.powf(a.max(b)));
            prop_assert!(threshold(&measured(), strict) >= threshold(&measured(), lax));
            prop_assert!(for_gallery(strict, people) >= for_gallery(strict, people + 1));
            let back = fmr_at(&measured(), threshold(&measured(), strict)).unwrap();
            prop_assert!((back.log10() - strict.log10()).abs() < 0.01);
        }
    }
}
