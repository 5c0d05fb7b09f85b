//! The page of `evaluate liveness`.

use maud::html;

use super::ReportError;
use super::chart::histogram;
use super::page::{facts, figure, page, rate};
use crate::evaluate::liveness::{Judged, LivenessReport};

/// The report as a page.
///
/// # Errors
/// When a chart cannot be drawn.
pub fn liveness_page(report: &LivenessReport) -> Result<String, ReportError> {
    let scores =
        |judged: &[Judged]| -> Vec<f32> { judged.iter().filter_map(|j| j.score).collect() };
    let live = &report.bona_fide;
    let live_scores = scores(&live.presentations);
    let body = html! {
        (facts(&[
            ("model pack", report.pack.clone()),
            ("live faces", format!("{} presentations", live.presentations.len())),
            ("taken for attacks (BPCER)", live.bpcer.to_string()),
            ("without a verdict (BPNRR)", live.bpnrr.to_string()),
            ("worst species", report.worst_species.clone().unwrap_or_default()),
        ]))
        table {
            tr { th { "attack species" } th { "presentations" } th { "taken for live (APCER)" } th { "without a verdict (APNRR)" } }
            @for species in &report.attacks {
                tr {
                    td { (species.name) } td.n { (species.presentations.len()) }
                    (rate(&species.apcer)) (rate(&species.apnrr))
                }
            }
        }
        p {
            "The first verdict of the door's evidence counts; the network's score is not the verdict. "
            "A loose image was shown as " (report.still_frames) " equal frames. "
            "An attacker chooses the best species: rates are not averaged over them."
        }
        @for species in &report.attacks {
            (figure(&format!("The network's score at the verdict, {}", species.name), &["live faces", &species.name],
                histogram(&[("", &live_scores), ("", &scores(&species.presentations))], -6.0..6.0, 24, "score", None)?))
        }
    };
    Ok(page("Live faces and pictures of faces", &body))
}
