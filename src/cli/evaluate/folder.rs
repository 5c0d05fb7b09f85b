//! `doorward evaluate folder`: a folder of people's pictures.

use std::path::PathBuf;

use doorward::config::Config;
use doorward::evaluate::files::{Labelled, Layout};
use doorward::evaluate::folder::{Faces, FolderReport, Settings};
use doorward::evaluate::identification::{ANY_QUALITY, Identification, NonMated, Rules, Searches};
use doorward::evaluate::report::folder_page;
use doorward::evaluate::subject::Reader;
use doorward::recognition::Security;
use doorward::vision::Vision;
use doorward::vision::pack::ModelPack;

use super::{Choice, Context, Outcome, ReportArgs, open_pack, print_rows, progress};

/// Pictures and people named in the text output; the report and --json have all of them.
const LISTED: usize = 10;

/// Evaluate a folder of labelled pictures.
///
/// DIR has one folder a person, DIR/NAME/*.jpg, and, if there are, DIR/strangers/ with people
/// who are not to be let in (loose pictures, or one folder each); or DIR/enrolled/NAME/*.jpg
/// and DIR/strangers/. Every picture is compared with every other one. Then the first K
/// pictures of each person, sorted by name, are enrolled in a gallery of their own, and all
/// others are searched for by the rules of the door. Without strangers each probe is also
/// searched for as if its person were not enrolled.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Pictures of each person that are enrolled; give it again, or 1,3,5, for several runs.
    #[arg(long, value_name = "K", default_values_t = [3], value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    enroll: Vec<u32>,
    /// At most so many probes of each person.
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u32).range(1..))]
    probes: Option<u32>,
    /// Also fuse so many probes into one, as the door fuses what it sees; 1 leaves that out.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    fuse: u32,
    /// How strict the door is; as the configuration says, by default.
    #[arg(long, value_enum, conflicts_with = "threshold")]
    security: Option<Level>,
    /// A similarity of your own instead, 0 to 1.
    #[arg(long, value_name = "T", value_parser = similarity)]
    threshold: Option<f32>,
    /// Share of strangers that may be let in, for the recommended threshold.
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = share)]
    fpir: f64,
    /// Which of several faces in a picture is meant.
    #[arg(long, value_enum, default_value = "prominent")]
    face: Choice,
    /// Take pictures of any quality, as if [recognition] had no limits.
    #[arg(long)]
    any_quality: bool,
    #[command(flatten)]
    report: ReportArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Level {
    /// One false match in 100 000 comparisons.
    Standard,
    /// One in a million.
    High,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        self.report.check()?;
        let listed = Labelled::list(&self.folder)?;
        let pack = open_pack(&config)?;
        let settings = self.settings(&config, &pack);
        let mut vision = Vision::load(&pack, config.models.threads)?;
        let pictures = |people: &[doorward::evaluate::files::Person]| -> usize {
            people.iter().map(|person| person.pictures.len()).sum()
        };
        let bar = progress(
            pictures(&listed.people) + pictures(&listed.strangers),
            "pictures",
        )?;
        let mut reader = Reader::new(&mut vision, settings.choice);
        let faces = Faces::read(&mut reader, &listed, || bar.inc(1))?;
        bar.finish_and_clear();
        let model = &pack.embedding().model_id;
        let report = FolderReport::new(&self.folder, listed.layout, model, &faces, &settings);
        self.report.write(|| folder_page(&report))?;
        if context.json {
            context.print_json(&report)?;
        } else {
            print(&report)?;
        }
        Ok(Outcome::Done)
    }

    fn settings(&self, config: &Config, pack: &ModelPack) -> Settings {
        let rules = &config.recognition;
        let limits = |limits| match self.any_quality {
            true => ANY_QUALITY,
            false => limits,
        };
        let (security, custom) = match (self.threshold, self.security) {
            (Some(threshold), _) => (Security::Custom, Some(threshold)),
            (None, Some(Level::Standard)) => (Security::Standard, None),
            (None, Some(Level::High)) => (Security::High, None),
            (None, None) => (rules.security, rules.threshold),
        };
        Settings {
            choice: self.face.into(),
            enroll: self.enroll.iter().map(|k| *k as usize).collect(),
            fuse: self.fuse as usize,
            rules: Rules {
                security,
                custom,
                calibration: pack.calibration().clone(),
                margin: rules.margin,
                enroll_limits: limits(rules.enroll_quality_limits()),
                probe_limits: limits(rules.quality_limits()),
                probes: self.probes.map(|m| m as usize),
                wanted_fpir: self.fpir,
            },
        }
    }
}

fn print(report: &FolderReport) -> anyhow::Result<()> {
    let layout = match report.layout {
        Layout::PersonFolders => "one folder a person",
        Layout::EnrolledAndStrangers => "enrolled/ and strangers/",
    };
    let mut rows = vec![
        row(
            "layout",
            format!(
                "{layout}; {} people with {} pictures, {} strangers with {}",
                report.people, report.pictures, report.strangers, report.stranger_pictures
            ),
        ),
        row(
            "several faces",
            format!(
                "{} pictures; the {} one was taken",
                report.several_faces.len(),
                word(report.face_choice)
            ),
        ),
        row(
            "no usable face",
            format!("{} pictures", report.failures.len()),
        ),
    ];
    for failure in report.failures.iter().take(LISTED) {
        rows.push(row(
            "",
            format!("{}: {}", failure.file.display(), failure.message),
        ));
    }
    let verification = &report.verification;
    rows.push(row(
        "verification",
        format!(
            "{} pairs of one person, {} of different people",
            verification.genuine_pairs, verification.impostor_pairs
        ),
    ));
    if let Some(eer) = verification.equal_error {
        rows.push(row(
            "  equal error rate",
            format!("{:.2} % at {:.3}", eer.rate * 100.0, eer.threshold),
        ));
    }
    for named in &verification.at {
        rows.push(row(
            &format!("  {} ({:.3})", named.name, named.threshold),
            format!("FMR {}", named.fmr),
        ));
        rows.push(row("", format!("FNMR {}", named.fnmr)));
    }
    for run in &report.identification {
        identification(&mut rows, run);
    }
    if !report.suspicions.is_empty() {
        rows.push(row(
            "doubtful pictures",
            format!("{}; look at them", report.suspicions.len()),
        ));
    }
    for doubtful in report.suspicions.iter().take(LISTED) {
        let other = doubtful
            .nearest_other
            .as_ref()
            .map(|other| format!(", {} {:.3}", other.other_person, other.similarity));
        rows.push(row(
            "",
            format!(
                "{}: {} {:.3}{}",
                doubtful.image.display(),
                doubtful.person,
                doubtful.best_own,
                other.unwrap_or_default()
            ),
        ));
    }
    rows.push(row(
        "bounds",
        "95 %, for independent trials; pairs that share a picture or a person are not".to_owned(),
    ));
    print_rows(&rows)
}

fn identification(rows: &mut Vec<(String, String)>, run: &Identification) {
    rows.push(row(
        &format!("identification, {} enrolled", run.enroll),
        format!(
            "{} people with {} templates, threshold {:.3}; {} people have too few pictures",
            run.enrolled, run.templates, run.threshold, run.skipped
        ),
    ));
    for (what, failures) in [
        ("refused for enrollment", &run.enroll_failures),
        ("unusable probes", &run.probe_failures),
    ] {
        if !failures.is_empty() {
            rows.push(row(&format!("  {what}"), failures.len().to_string()));
        }
        for failure in failures.iter().take(LISTED) {
            rows.push(row(
                "",
                format!("{}: {}", failure.file.display(), failure.message),
            ));
        }
    }
    for searches in [Some(&run.single), run.fused.as_ref()]
        .into_iter()
        .flatten()
    {
        searched(rows, searches);
    }
}

fn searched(rows: &mut Vec<(String, String)>, searches: &Searches) {
    rows.push(row(
        "",
        match searches.fused {
            1 => "one picture a probe:".to_owned(),
            n => format!("{n} pictures fused into a probe:"),
        },
    ));
    rows.push(row("  rank-1", searches.rank_1.to_string()));
    rows.push(row("  FNIR", searches.fnir.to_string()));
    rows.push(row(
        "  FNIR with unusable",
        searches.fnir_with_failures.to_string(),
    ));
    rows.push(row("  named another", searches.named_another.to_string()));
    rows.push(row("  ambiguous", searches.ambiguous.to_string()));
    let source = match searches.non_mated {
        NonMated::Strangers => "",
        NonMated::LeftOut => " (no strangers: own person left out)",
    };
    rows.push(row("  FPIR", format!("{}{source}", searches.fpir)));
    if let Some(best) = searches.recommended {
        rows.push(row(
            "  recommended threshold",
            format!(
                "{:.3} for FPIR {} %: FNIR {}; true FPIR up to {:.2} %",
                best.threshold,
                best.wanted_fpir * 100.0,
                best.fnir,
                best.fpir.high * 100.0
            ),
        ));
    }
    for miss in searches.misses.iter().take(LISTED) {
        let files: Vec<String> = miss
            .files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        rows.push(row(
            "  missed",
            format!(
                "{}: {} ({} {:.3})",
                files.join(", "),
                miss.outcome.replace('_', " "),
                miss.nearest,
                miss.similarity
            ),
        ));
    }
}

fn row(name: &str, value: String) -> (String, String) {
    (name.to_owned(), value)
}

fn word(choice: doorward::evaluate::subject::FaceChoice) -> &'static str {
    use doorward::evaluate::subject::FaceChoice;
    match choice {
        FaceChoice::Prominent => "most prominent",
        FaceChoice::Central => "central",
        FaceChoice::Largest => "largest",
    }
}

/// 0 to 1, both allowed.
pub(super) fn similarity(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}

/// Above 0 and below 1.
fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 1.0 => Ok(value),
        _ => Err("expected a number above 0 and below 1, such as 0.01 for 1 %".to_owned()),
    }
}
