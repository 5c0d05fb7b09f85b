//! `doorward evaluate`: how well faces are recognised, measured on one's own pictures.

mod folder;
mod liveness;
mod make_pairs;
mod pairs;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use doorward::evaluate::report;
use doorward::evaluate::subject::FaceChoice;

use super::{Context, Outcome, open_pack, print_line, progress};

const EXAMPLES: &str = "\
Pictures of people, one folder each, and strangers who must stay outside:
  doorward evaluate folder photos/ --enroll 3 --report photos.html
By LFW's protocol, on its own list or on one of your own:
  doorward evaluate pairs --pairs pairs.txt --root lfw/
  doorward evaluate make-pairs --root photos/ --folds 4 --pairs-per-fold 30 --seed 1 --out pairs.txt
Live faces against prints and screens:
  doorward evaluate liveness --bona-fide live/ --attack print=prints/ phone=phones/

Nothing is enrolled, recorded or sent, and no door is opened.";

/// Measure recognition on labelled pictures: how often the wrong person would get in, and the
/// right one would not.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Folder(folder::Args),
    Pairs(pairs::Args),
    MakePairs(make_pairs::Args),
    Liveness(liveness::Args),
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self.verb {
            Verb::Folder(args) => args.run(context),
            Verb::Pairs(args) => args.run(context),
            Verb::MakePairs(args) => args.run(context),
            Verb::Liveness(args) => args.run(context),
        }
    }
}

/// Where the report goes.
#[derive(Debug, clap::Args)]
struct ReportArgs {
    /// Write a report with charts as one HTML page. It names people and files.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Replace what is there already.
    #[arg(long, requires = "report")]
    force: bool,
}

impl ReportArgs {
    /// Before the work, not after it.
    fn check(&self) -> anyhow::Result<()> {
        match &self.report {
            Some(path) => Ok(report::check_place(path, self.force)?),
            None => Ok(()),
        }
    }

    fn write(
        &self,
        page: impl FnOnce() -> Result<String, report::ReportError>,
    ) -> anyhow::Result<()> {
        if let Some(path) = &self.report {
            report::write(path, &page()?, self.force)?;
            eprintln!("report: {}", path.display());
        }
        Ok(())
    }
}

/// Which of several faces in a picture is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Choice {
    /// The largest, weighed by how near it is to the middle.
    Prominent,
    /// The one nearest the middle.
    Central,
    /// The largest.
    Largest,
}

impl From<Choice> for FaceChoice {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Prominent => FaceChoice::Prominent,
            Choice::Central => FaceChoice::Central,
            Choice::Largest => FaceChoice::Largest,
        }
    }
}

/// Read-only, so that the file that is meant can be told apart from one that is not there.
fn read_text(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Prints rows of a name and a value, the values below each other.
fn print_rows(rows: &[(String, String)]) -> anyhow::Result<()> {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max();
    for (name, value) in rows {
        let line = format!("{name:<width$}  {value}", width = width.unwrap_or(0));
        print_line(line.trim_end())?;
    }
    Ok(())
}
