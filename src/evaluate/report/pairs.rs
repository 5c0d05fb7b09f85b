//! The page of `evaluate pairs`.

use maud::html;

use super::ReportError;
use super::chart::{Series, histogram, log_log};
use super::page::{facts, figure, names, page, rate};
use crate::evaluate::pairs::PairsReport;

/// The report as a page.
///
/// # Errors
/// When a chart cannot be drawn.
pub fn pairs_page(report: &PairsReport) -> Result<String, ReportError> {
    let accuracy = &report.accuracy;
    let det = [Series {
        name: "all pairs".into(),
        points: report
            .curve
            .iter()
            .map(|point| (point.false_accept, point.false_reject))
            .collect(),
    }];
    let groups = [
        ("mismatched", report.scores.impostor()),
        ("matched", report.scores.genuine()),
    ];
    let floor = 0.1 / report.mismatched.max(10) as f64;
    let force = &report.in_force;
    let mean = match accuracy.standard_error {
        Some(error) => format!("{:.2} % ± {:.2} %", accuracy.mean * 100.0, error * 100.0),
        None => format!(
            "{:.2} % (too good: one fold, judged by its own best threshold)",
            accuracy.mean * 100.0
        ),
    };
    let percent = |share: f64| format!("{:.2} %", share * 100.0);
    let body = html! {
        (facts(&[
            ("pairs", format!("{}: {} matched, {} mismatched, {} pictures", report.pairs_file.display(), report.matched, report.mismatched, report.pictures)),
            ("folder", report.root.display().to_string()),
            ("model", report.model_id.clone()),
            ("accuracy", mean),
            ("equal error rate", report.equal_error.map(|eer| percent(eer.rate)).unwrap_or_default()),
            ("area under the ROC curve", report.area_under_curve.map(|area| format!("{area:.5}")).unwrap_or_default()),
            ("true accepts at FAR 1e-3", report.tar_at_far_0_001.map(|tar| format!("{} at {:.3}", tar.rate, tar.threshold)).unwrap_or_default()),
            ("pairs without a face on both sides", format!("{}; they count as errors", report.failed_pairs)),
        ]))
        table {
            tr { th { "threshold in force" } th { "false matches" } th { "false non-matches" } }
            tr { td.n { (format!("{:.3}", force.threshold)) } (rate(&force.fmr)) (rate(&force.fnmr)) }
        }
        (figure("False non-matches over false matches (DET)", &names(&det),
            log_log(&det, floor, "false match rate", "false non-match rate")?))
        (figure("Similarities", &groups.map(|(name, _)| name),
            histogram(&groups, -0.4..1.0, 70, "similarity", Some(f64::from(force.threshold)))?))
        h2 { "Folds" }
        table {
            tr { th { "fold" } th { "threshold" } th { "accuracy" } }
            @for (index, fold) in accuracy.folds.iter().enumerate() {
                tr { td.n { (index + 1) } td.n { (format!("{:.3}", fold.threshold)) } td.n { (percent(fold.accuracy)) } }
            }
        }
        @for failure in &report.failures {
            p { (failure.file.display()) ": " (failure.message) }
        }
    };
    Ok(page("Face verification on a list of pairs", &body))
}
