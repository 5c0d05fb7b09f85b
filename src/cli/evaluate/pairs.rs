//! `doorward evaluate pairs`: LFW's protocol.

use std::path::PathBuf;

use anyhow::Context as _;
use doorward::evaluate::pairs::{About, List, PairsReport, Resolved};
use doorward::evaluate::report::pairs_page;
use doorward::evaluate::subject::Reader;
use doorward::recognition::{Security, Thresholds};
use doorward::vision::Vision;

use super::folder::similarity;
use super::{Choice, Context, Outcome, ReportArgs, open_pack, print_rows, progress, read_text};

/// Evaluate a list of pairs by LFW's protocol.
///
/// The list is LFW's pairs.txt, or one in its format: a first line "FOLDS<TAB>PAIRS", then for
/// each fold PAIRS lines "NAME<TAB>N1<TAB>N2" of one person and PAIRS lines
/// "NAME1<TAB>N1<TAB>NAME2<TAB>N2" of two. The pictures are ROOT/NAME/NAME_0001.jpg or, where no
/// name ends so, numbered from 1 by their order. Each fold is judged by the threshold that is
/// best on all others. A pair with a picture without a face is an error.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The list.
    #[arg(long, value_name = "FILE")]
    pairs: PathBuf,
    /// Folder of the people's folders.
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// Which of several faces in a picture is meant.
    #[arg(long, value_enum, default_value = "central")]
    face: Choice,
    /// Also report the errors at this similarity; the standard level's by default.
    #[arg(long, value_name = "T", value_parser = similarity)]
    threshold: Option<f32>,
    #[command(flatten)]
    report: ReportArgs,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        self.report.check()?;
        let list = List::parse(&read_text(&self.pairs)?)
            .with_context(|| self.pairs.display().to_string())?;
        let found =
            Resolved::find(&list, &self.root).with_context(|| self.pairs.display().to_string())?;
        let pack = open_pack(&config)?;
        let mut vision = Vision::load(&pack, config.models.threads)?;
        let standard = Thresholds::of(Security::Standard, None, 1, pack.calibration()).claim;
        let about = About {
            pairs_file: &self.pairs,
            root: &self.root,
            model_id: &pack.embedding().model_id,
            face_choice: self.face.into(),
        };
        let bar = progress(found.pictures().len(), "pictures")?;
        let mut reader = Reader::new(&mut vision, about.face_choice);
        let threshold = self.threshold.unwrap_or(standard);
        let report = found.evaluate(&mut reader, threshold, about, || bar.inc(1))?;
        bar.finish_and_clear();
        self.report.write(|| pairs_page(&report))?;
        if context.json {
            context.print_json(&report)?;
        } else {
            print(&report)?;
        }
        Ok(Outcome::Done)
    }
}

fn print(report: &PairsReport) -> anyhow::Result<()> {
    let accuracy = &report.accuracy;
    let row = |name: &str, value: String| (name.to_owned(), value);
    let mean = match accuracy.standard_error {
        Some(error) => format!(
            "{:.2} % ± {:.2} % (mean and standard error of {} folds)",
            accuracy.mean * 100.0,
            error * 100.0,
            accuracy.folds.len()
        ),
        None => format!(
            "{:.2} %, too good: with one fold the threshold is found on the same pairs",
            accuracy.mean * 100.0
        ),
    };
    let mut rows = vec![
        row(
            "pairs",
            format!(
                "{} matched, {} mismatched, {} pictures",
                report.matched, report.mismatched, report.pictures
            ),
        ),
        row(
            "without a face",
            format!("{} pairs; they count as errors", report.failed_pairs),
        ),
        row("accuracy", mean),
    ];
    if let Some(eer) = report.equal_error {
        rows.push(row(
            "equal error rate",
            format!("{:.2} %", eer.rate * 100.0),
        ));
    }
    if let Some(area) = report.area_under_curve {
        rows.push(row("area under ROC", format!("{area:.5}")));
    }
    if let Some(tar) = report.tar_at_far_0_001 {
        let text = format!("{} at {:.3}", tar.rate, tar.threshold);
        rows.push(row("TAR at FAR 1e-3", text));
    }
    let force = &report.in_force;
    rows.push(row(
        &format!("FMR at {:.3}", force.threshold),
        force.fmr.to_string(),
    ));
    rows.push(row(
        &format!("FNMR at {:.3}", force.threshold),
        force.fnmr.to_string(),
    ));
    print_rows(&rows)
}
