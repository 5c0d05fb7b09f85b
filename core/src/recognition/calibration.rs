//! What a pack's similarities mean: measured false match rates and their thresholds.
//!
//! A cosine threshold says nothing by itself: each embedder spreads faces differently. The
//! manifest of a pack therefore carries the points that were measured with that very pack.
//! Flows in: `[calibration]` of a manifest, refused when its points contradict each other.
//! Nothing is ever taken over from one pack to another.

use serde::{Deserialize, Serialize};

/// Measured points of one embedder: at `threshold[i]` the share `fmr[i]` of impostor pairs
/// matches. There is at least one point; the false match rates fall strictly and the
/// thresholds rise strictly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Points")]
pub struct Calibration {
    /// False match rates of single comparisons (ISO/IEC 19795-1), above 0 and below 1.
    pub fmr: Vec<f64>,
    /// Cosine similarities, above -1 and below 1.
    pub threshold: Vec<f32>,
}

/// The section as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Points {
    fmr: Vec<f64>,
    threshold: Vec<f32>,
}

impl TryFrom<Points> for Calibration {
    type Error = &'static str;

    fn try_from(points: Points) -> Result<Self, Self::Error> {
        let Points { fmr, threshold } = points;
        if fmr.is_empty() || fmr.len() != threshold.len() {
            return Err("`fmr` and `threshold` need the same number of values, at least one");
        }
        // Comparisons with NaN are false, so these refuse it too.
        if !fmr.iter().all(|rate| 0.0 < *rate && *rate < 1.0) {
            return Err("`fmr`: every value must be above 0 and below 1");
        }
        if !fmr.is_sorted_by(|a, b| a > b) {
            return Err("`fmr`: the values must fall strictly");
        }
        if !threshold
            .iter()
            .all(|cosine| -1.0 < *cosine && *cosine < 1.0)
        {
            return Err("`threshold`: every value must be above -1 and below 1");
        }
        if !threshold.is_sorted_by(|a, b| a < b) {
            return Err("`threshold`: the values must rise strictly");
        }
        Ok(Self { fmr, threshold })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_must_agree_with_each_other() {
        let parse = |text: &str| toml::from_str::<Calibration>(text);
        let good = parse("fmr = [1e-3, 1e-4]\nthreshold = [0.3, 0.4]").unwrap();
        assert_eq!(
            (good.fmr, good.threshold),
            (vec![1e-3, 1e-4], vec![0.3, 0.4])
        );
        assert!(parse("fmr = [1e-3]\nthreshold = [0.3]").is_ok());
        for (text, expected) in [
            ("fmr = []\nthreshold = []", "at least one"),
            ("fmr = [0.1]\nthreshold = [0.3, 0.4]", "same number"),
            (
                "fmr = [0.1, 0.1]\nthreshold = [0.3, 0.4]",
                "must fall strictly",
            ),
            (
                "fmr = [0.1, 0.2]\nthreshold = [0.3, 0.4]",
                "must fall strictly",
            ),
            ("fmr = [0.0]\nthreshold = [0.3]", "above 0 and below 1"),
            ("fmr = [nan]\nthreshold = [0.3]", "above 0 and below 1"),
            (
                "fmr = [0.1, 0.01]\nthreshold = [0.4, 0.4]",
                "must rise strictly",
            ),
            ("fmr = [0.1]\nthreshold = [1.0]", "above -1 and below 1"),
            ("fmr = [0.1]\nthreshold = [nan]", "above -1 and below 1"),
            ("fmr = [0.1]\nthreshold = [0.3]\nx = 1", "unknown field `x`"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
