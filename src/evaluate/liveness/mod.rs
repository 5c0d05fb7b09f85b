//! How well live faces are told from pictures of faces, in the terms of ISO/IEC 30107-3.
//!
//! Flows in: presentations that were judged ([`Judge`]), live ones and attacks by species. Flows
//! out: a [`LivenessReport`]. APCER is reported for each species and never averaged over them:
//! an attacker chooses the best one. ACER is not reported; the standard deprecates it.
//!
//! The first verdict of the door's evidence counts: at "live" the door would have opened, and
//! after "spoof" it stays closed whatever follows. A presentation gets no response when the
//! evidence never reached a verdict (no face, too few good frames, or nothing to go by). Rates
//! are shares of all presentations of a kind.

mod judge;
mod listing;

use std::path::PathBuf;

use serde::Serialize;

pub use judge::{Judge, Limits};
pub use listing::{Presentation, list};

use super::rate::Rate;
use crate::presentation::SpoofCue;

/// What a presentation was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A live face.
    Live,
    /// A picture of a face.
    Spoof,
    /// Nothing: the evidence was never enough.
    NoResponse,
}

/// One presentation after judging.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judged {
    /// The image, folder or video.
    pub source: PathBuf,
    /// Frames shown.
    pub frames: usize,
    /// Frames with a face that was good enough, until the verdict.
    pub observations: usize,
    /// What it was taken for.
    pub verdict: Verdict,
    /// The network's mean log-odds at the verdict, -6..6; nothing without one.
    pub score: Option<f32>,
    /// What gave a picture away.
    pub cue: Option<SpoofCue>,
}

/// Attacks of one species: one kind of instrument, such as prints on matt paper.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Species {
    /// Its name.
    pub name: String,
    /// Taken for live (attack presentation classification error rate).
    pub apcer: Rate,
    /// Without a verdict (attack presentation non-response rate).
    pub apnrr: Rate,
    /// The presentations.
    pub presentations: Vec<Judged>,
}

/// Live faces.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BonaFide {
    /// Taken for attacks (bona fide presentation classification error rate).
    pub bpcer: Rate,
    /// Without a verdict (bona fide presentation non-response rate).
    pub bpnrr: Rate,
    /// The presentations.
    pub presentations: Vec<Judged>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LivenessReport {
    /// Which pack.
    pub pack: String,
    /// How often a loose image was shown as a frame.
    pub still_frames: usize,
    /// Live faces.
    pub bona_fide: BonaFide,
    /// Attacks, by species.
    pub attacks: Vec<Species>,
    /// The species that is taken for live most often.
    pub worst_species: Option<String>,
}

impl LivenessReport {
    /// Counts what was judged.
    #[must_use]
    pub fn new(
        pack: &str,
        still_frames: usize,
        bona_fide: Vec<Judged>,
        attacks: Vec<(String, Vec<Judged>)>,
    ) -> Self {
        let attacks: Vec<Species> = attacks
            .into_iter()
            .map(|(name, presentations)| Species {
                name,
                apcer: share(&presentations, Verdict::Live),
                apnrr: share(&presentations, Verdict::NoResponse),
                presentations,
            })
            .collect();
        let worst = attacks
            .iter()
            .filter_map(|species| Some((species.apcer.rate?, &species.name)))
            .reduce(|worst, next| if next.0 > worst.0 { next } else { worst });
        Self {
            pack: pack.to_owned(),
            still_frames,
            bona_fide: BonaFide {
                bpcer: share(&bona_fide, Verdict::Spoof),
                bpnrr: share(&bona_fide, Verdict::NoResponse),
                presentations: bona_fide,
            },
            worst_species: worst.map(|(_, name)| name.clone()),
            attacks,
        }
    }
}

fn share(presentations: &[Judged], verdict: Verdict) -> Rate {
    let count = presentations
        .iter()
        .filter(|p| p.verdict == verdict)
        .count();
    Rate::of(count, presentations.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(verdicts: &[Verdict]) -> Vec<Judged> {
        let judged = |verdict: &Verdict| Judged {
            source: "x".into(),
            frames: 3,
            observations: 3,
            verdict: *verdict,
            score: None,
            cue: None,
        };
        verdicts.iter().map(judged).collect()
    }

    #[test]
    fn each_species_has_its_own_rates_and_the_worst_is_named() {
        use Verdict::{Live, NoResponse, Spoof};
        let report = LivenessReport::new(
            "pack",
            3,
            judged(&[Live, Live, Spoof, NoResponse]),
            vec![
                ("print".into(), judged(&[Spoof, Spoof, NoResponse, Live])),
                ("screen".into(), judged(&[Live, Spoof])),
                ("none".into(), vec![]),
            ],
        );
        let live = &report.bona_fide;
        assert_eq!((live.bpcer.rate, live.bpnrr.rate), (Some(0.25), Some(0.25)));
        let print = &report.attacks[0];
        assert_eq!(
            (print.apcer.rate, print.apnrr.rate),
            (Some(0.25), Some(0.25))
        );
        assert_eq!(report.worst_species.as_deref(), Some("screen"));
        assert_eq!(report.attacks[2].apcer.rate, None);
    }
}
