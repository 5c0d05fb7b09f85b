//! `doorward evaluate liveness`: live faces and attacks.

use std::path::PathBuf;

use doorward::evaluate::liveness::{Judge, Judged, Limits, LivenessReport, Presentation, list};
use doorward::evaluate::report::liveness_page;
use doorward::vision::Vision;
use indicatif::ProgressBar;

use super::{Context, Outcome, ReportArgs, open_pack, print_rows, progress};

/// Evaluate liveness on live faces and on attacks (ISO/IEC 30107-3).
///
/// Each DIR holds presentations: loose images, video files, and folders of frames. An attack
/// NAME is one kind of instrument (print, phone, mask); give each its own, since an attacker
/// chooses the best. A loose image is shown as several equal frames; it has no movement, so
/// videos from the door's own camera say far more.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Live faces.
    #[arg(long, value_name = "DIR")]
    bona_fide: PathBuf,
    /// Attacks of one species.
    #[arg(long, value_name = "NAME=DIR", required = true, num_args = 1.., value_parser = species)]
    attack: Vec<(String, PathBuf)>,
    /// How often a loose image is shown as a frame.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=1000))]
    still_frames: u32,
    #[command(flatten)]
    report: ReportArgs,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        self.report.check()?;
        let live = list(&self.bona_fide)?;
        let mut attacks = Vec::new();
        for (name, folder) in self.attack {
            attacks.push((name, list(&folder)?));
        }
        let pack = open_pack(&config)?;
        let mut vision = Vision::load(&pack, config.models.threads)?;
        let limits = Limits {
            quality: config.recognition.quality_limits(),
            still_frames: self.still_frames as usize,
        };
        let total = live.len() + attacks.iter().map(|(_, shown)| shown.len()).sum::<usize>();
        let bar = progress(total, "presentations")?;
        let mut judge = Judge::new(&mut vision, limits);
        let live = judge_all(&mut judge, &live, &bar)?;
        let mut judged = Vec::new();
        for (name, shown) in attacks {
            judged.push((name, judge_all(&mut judge, &shown, &bar)?));
        }
        bar.finish_and_clear();
        let report = LivenessReport::new(&pack.info().id, limits.still_frames, live, judged);
        self.report.write(|| liveness_page(&report))?;
        if context.json {
            context.print_json(&report)?;
        } else {
            print(&report)?;
        }
        Ok(Outcome::Done)
    }
}

fn judge_all(
    judge: &mut Judge<'_>,
    shown: &[Presentation],
    bar: &ProgressBar,
) -> anyhow::Result<Vec<Judged>> {
    let mut judged = Vec::with_capacity(shown.len());
    for presentation in shown {
        judged.push(judge.judge(presentation)?);
        bar.inc(1);
    }
    Ok(judged)
}

fn print(report: &LivenessReport) -> anyhow::Result<()> {
    let row = |name: &str, value: String| (name.to_owned(), value);
    let live = &report.bona_fide;
    let mut rows = vec![
        row(
            "live faces",
            format!("{} presentations", live.presentations.len()),
        ),
        row("  BPCER", format!("{} taken for attacks", live.bpcer)),
        row("  BPNRR", format!("{} without a verdict", live.bpnrr)),
    ];
    for species in &report.attacks {
        let count = species.presentations.len();
        rows.push(row(&species.name, format!("{count} attacks")));
        rows.push(row("  APCER", format!("{} taken for live", species.apcer)));
        rows.push(row(
            "  APNRR",
            format!("{} without a verdict", species.apnrr),
        ));
    }
    if let Some(worst) = &report.worst_species {
        rows.push(row("worst species", worst.clone()));
    }
    print_rows(&rows)
}

/// `NAME=DIR`.
fn species(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, folder)) if !name.is_empty() && !folder.is_empty() => {
            Ok((name.to_owned(), folder.into()))
        }
        _ => Err("expected NAME=DIR, such as print=attacks/print".to_owned()),
    }
}
