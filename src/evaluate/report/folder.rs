//! The page of `evaluate folder`.

use maud::{Markup, html};

use super::ReportError;
use super::chart::{Series, histogram, log_log, over_threshold};
use super::page::{facts, figure, names, page, rate};
use crate::evaluate::comparison::{Doubt, Likeness};
use crate::evaluate::folder::FolderReport;
use crate::evaluate::identification::{Identification, NonMated, Searches, Unusable};
use crate::evaluate::scores::Point;

/// People listed with their weak spots.
const WEAKEST: usize = 30;

/// The report as a page.
///
/// # Errors
/// When a chart cannot be drawn.
pub fn folder_page(report: &FolderReport) -> Result<String, ReportError> {
    let verification = &report.verification;
    let det = [Series {
        name: "all pairs".into(),
        points: error_pairs(&verification.curve),
    }];
    let groups = [
        ("different people", report.scores.impostor()),
        ("same person", report.scores.genuine()),
    ];
    let floor = 0.1 / verification.impostor_pairs.max(100) as f64;
    let marked = f64::from(report.threshold);
    let runs: Vec<Markup> = report
        .identification
        .iter()
        .map(identification)
        .collect::<Result<_, _>>()?;
    let body = html! {
        (facts(&[
            ("folder", report.folder.display().to_string()),
            ("model", report.model_id.clone()),
            ("people", format!("{} with {} pictures", report.people, report.pictures)),
            ("strangers", format!("{} with {} pictures", report.strangers, report.stranger_pictures)),
            ("threshold in force", format!("{:.3} ({:?}), margin {:.3}", report.threshold, report.security, report.margin)),
            ("several faces", format!("{} pictures; one face was taken ({:?})", report.several_faces.len(), report.face_choice)),
        ]))
        h2 { "Verification: every picture against every other one" }
        p {
            (verification.genuine_pairs) " pairs of one person, "
            (verification.impostor_pairs) " of different people."
            @if let Some(eer) = verification.equal_error {
                " Equal error rate " (format!("{:.2} %", eer.rate * 100.0))
                " at " (format!("{:.3}", eer.threshold)) "."
            }
        }
        table {
            tr { th { "threshold" } th { } th { "false matches (FMR)" } th { "false non-matches (FNMR)" } }
            @for named in &verification.at {
                tr {
                    td { (named.name) } td.n { (format!("{:.3}", named.threshold)) }
                    (rate(&named.fmr)) (rate(&named.fnmr))
                }
            }
        }
        (figure("False non-matches over false matches (DET)", &names(&det),
            log_log(&det, floor, "false match rate", "false non-match rate")?))
        (figure("Similarities", &groups.map(|(name, _)| name),
            histogram(&groups, -0.4..1.0, 70, "similarity", Some(marked))?))
        @for run in &runs { (run) }
        (people(report))
        (failures("Pictures that could not be used", &report.failures))
    };
    Ok(page("Face recognition on labelled pictures", &body))
}

fn identification(run: &Identification) -> Result<Markup, ReportError> {
    let columns: Vec<&Searches> = [Some(&run.single), run.fused.as_ref()]
        .into_iter()
        .flatten()
        .collect();
    let title = |searches: &Searches| match searches.fused {
        1 => "one picture".to_owned(),
        n => format!("{n} pictures fused"),
    };
    let series = columns.iter().flat_map(|searches| {
        let line = |name: &str, pick: fn(&Point) -> f64| Series {
            name: format!("{name}, {}", title(searches)),
            points: searches
                .curve
                .iter()
                .map(|point| (f64::from(point.threshold), pick(point)))
                .collect(),
        };
        [
            line("FPIR", |point| point.false_accept),
            line("FNIR", |point| point.false_reject),
        ]
    });
    let series: Vec<Series> = series.collect();
    let row = |name: &str, pick: fn(&Searches) -> &crate::evaluate::rate::Rate| {
        html! { tr { th { (name) } @for searches in &columns { (rate(pick(searches))) } } }
    };
    Ok(html! {
        h2 { "Identification: " (run.enroll) " pictures of each person enrolled" }
        p {
            (run.enrolled) " people enrolled with " (run.templates) " templates; "
            (run.skipped) " people have too few pictures, "
            (run.not_enrolled.len()) " could not be enrolled. "
            "Threshold " (format!("{:.3}", run.threshold)) " for a gallery of this size."
            @if run.single.non_mated == NonMated::LeftOut {
                " There are no strangers: each probe was also searched for as if its person were not enrolled."
            }
        }
        table {
            tr { th { } @for searches in &columns { th { (title(searches)) } } }
            (row("right person first (rank-1)", |s| &s.rank_1))
            (row("not named (FNIR)", |s| &s.fnir))
            (row("the same, unusable pictures counted", |s| &s.fnir_with_failures))
            (row("named as somebody else", |s| &s.named_another))
            (row("ambiguous", |s| &s.ambiguous))
            (row("strangers named (FPIR)", |s| &s.fpir))
            tr {
                th { "recommended threshold" }
                @for searches in &columns {
                    td {
                        @if let Some(best) = searches.recommended {
                            (format!("{:.3}", best.threshold)) " for FPIR "
                            (format!("{:.2} %", best.wanted_fpir * 100.0)) ": FNIR " (best.fnir)
                            "; true FPIR at most " (format!("{:.2} %", best.fpir.high * 100.0))
                        }
                    }
                }
            }
        }
        (figure("Error rates over the threshold", &names(&series),
            over_threshold(&series, 0.0..1.0, 1e-3, f64::from(run.threshold))?))
        @for searches in &columns {
            @if !searches.misses.is_empty() || !searches.false_accepts.is_empty() {
                h3 { "Errors, " (title(searches)) }
                table {
                    tr { th { "pictures" } th { "belongs to" } th { "nearest" } th { "similarity" } th { "outcome" } }
                    @for miss in &searches.misses {
                        tr {
                            td { (paths(&miss.files)) } td { (miss.person) } td { (miss.nearest) }
                            td.n { (format!("{:.3}", miss.similarity)) }
                            td { (miss.outcome.replace('_', " ")) }
                        }
                    }
                    @for accept in &searches.false_accepts {
                        tr {
                            td { (paths(&accept.files)) } td { "nobody enrolled" }
                            td { (accept.named.as_deref().unwrap_or("somebody else")) }
                            td.n { (format!("{:.3}", accept.similarity)) } td { "accepted" }
                        }
                    }
                }
            }
        }
        (failures("Refused for enrollment", &run.enroll_failures))
        (failures("Probes that could not be used", &run.probe_failures))
    })
}

fn people(report: &FolderReport) -> Markup {
    html! {
        @if !report.suspicions.is_empty() {
            h2 { "Doubtful pictures" }
            p { "Look at these: a wrong name, the wrong face of a group, or a very hard picture." }
            table {
                tr { th { "picture" } th { "named" } th { "doubt" } th { "most like their own" } th { "most like" } }
                @for doubtful in &report.suspicions {
                    tr {
                        td { (doubtful.image.display()) } td { (doubtful.person) }
                        td { (match doubtful.doubt {
                            Doubt::NearerToOther => "nearer to somebody else",
                            Doubt::UnlikeOwn => "unlike their other pictures",
                        }) }
                        td.n { (format!("{:.3}", doubtful.best_own)) }
                        td { (other(doubtful.nearest_other.as_ref())) }
                    }
                }
            }
        }
        h2 { "The most similar pictures of different people" }
        table {
            @for pair in &report.lookalikes {
                tr {
                    td { (pair.person) } td { (pair.likeness.image.display()) }
                    td { (other(Some(&pair.likeness))) } td { (pair.likeness.other_image.display()) }
                }
            }
        }
        h2 { "Weak spots of each person" }
        table {
            tr { th { "person" } th { "pictures" } th { "least alike" } th { } th { "nearest other" } }
            @for spot in report.weak_spots.iter().take(WEAKEST) {
                tr {
                    td { (spot.person) } td.n { (spot.images) }
                    @if let Some(lowest) = &spot.lowest_genuine {
                        td.n { (format!("{:.3}", lowest.similarity)) }
                        td { (lowest.image.display()) ", " (lowest.other_image.display()) }
                    } @else { td { } td { } }
                    td { (other(spot.nearest_other.as_ref())) }
                }
            }
        }
        @if report.weak_spots.len() > WEAKEST {
            p.note { "The weakest " (WEAKEST) " of " (report.weak_spots.len()) "; --json has all of them." }
        }
    }
}

fn failures(title: &str, list: &[Unusable]) -> Markup {
    html! {
        @if !list.is_empty() {
            h3 { (title) }
            table {
                @for failure in list { tr { td { (failure.file.display()) } td { (failure.message) } } }
            }
        }
    }
}

fn other(likeness: Option<&Likeness>) -> String {
    likeness.map_or_else(String::new, |likeness| {
        format!("{} ({:.3})", likeness.other_person, likeness.similarity)
    })
}

fn paths(files: &[std::path::PathBuf]) -> String {
    let names: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    names.join(", ")
}

fn error_pairs(curve: &[Point]) -> Vec<(f64, f64)> {
    curve
        .iter()
        .map(|point| (point.false_accept, point.false_reject))
        .collect()
}
