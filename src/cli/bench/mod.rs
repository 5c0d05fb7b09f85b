//! `doorward bench`: what the door costs on this machine.

mod outbox;
mod start;
mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use doorward::bench::chain::Chain;
use doorward::bench::{Spread, decision, gallery, idle, release, soak, stages};
use doorward::config::Config;
use doorward::event::telemetry::CommitTimes;
use doorward::gallery::Gallery;
use doorward::vision::{Vision, still};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{Context, Outcome, open_pack, print_line};

/// Sizes of the synthetic galleries, in templates.
const GALLERIES: [usize; 3] = [1_000, 10_000, 100_000];
/// How long the empty scene is watched, in seconds.
const IDLE_SECONDS: u32 = 10;

/// Measure what the door costs on this machine, beside the budgets.
///
/// Needs no faces: stages are measured on a synthetic frame (or --image), searches on synthetic
/// people. With --clip it also plays a clip in which enrolled people come to the door, at its own
/// speed, and measures how long they wait. Opens nothing and records nothing: events go to a
/// temporary store beside the real one. Stop the service first; two of them share the cores.
///
/// With --soak it plays the clip over and over, as fast as it can, and reports every minute:
/// exit code 1 says that memory or CPU time a frame grew.
///
/// `doorward bench outbox` measures the way to the broker.
///
/// Examples:
///   doorward bench
///   doorward bench --only stages,search --threads 1 --json
///   doorward bench --clip visitors.avi --only decision
///   doorward bench --soak 30 --clip visitors.avi
///   doorward bench outbox --events 20000 --qos 2
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    other: Option<Other>,
    /// Measure only these; all of them by default, `decision` only with --clip.
    #[arg(
        long,
        value_name = "PART",
        value_delimiter = ',',
        conflicts_with = "soak"
    )]
    only: Vec<Part>,
    /// Rounds of `stages` and `search`.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    iterations: u32,
    /// Threads a network may use, instead of [models] threads.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: Option<u32>,
    /// Measure the stages on this picture (JPEG, PNG, WebP), with the best face in it.
    #[arg(long, value_name = "FILE", conflicts_with = "soak")]
    image: Option<PathBuf>,
    /// A video file or a folder of images in which enrolled people come to the door.
    #[arg(long, value_name = "PATH")]
    clip: Option<PathBuf>,
    /// Play the clip over and over for so many minutes.
    #[arg(long, value_name = "MINUTES", requires = "clip")]
    soak: Option<f64>,
    /// Start as the service does, say so, work for a moment, say how much memory it took.
    #[arg(long, hide = true)]
    until_ready: bool,
}

/// What is measured on its own.
#[derive(Debug, clap::Subcommand)]
enum Other {
    Outbox(outbox::Args),
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// One observation, stage by stage, beside the bare networks.
    Stages,
    /// 1:N searches over synthetic people.
    Search,
    /// From the start of the process to the first decision possible; memory.
    Start,
    /// CPU share of an empty scene.
    Idle,
    /// From a claim to the relay command, everything on the disk before it.
    Release,
    /// From a face in view to the relay command, on a clip.
    Decision,
}

/// What was measured; `None` for what was not asked for.
#[derive(Debug, Serialize)]
struct Report {
    threads: u32,
    cores: usize,
    model: String,
    stages: Option<stages::Stages>,
    search: Option<Vec<Search>>,
    start: Option<start::Start>,
    idle: Option<Idle>,
    release: Option<Spread>,
    commits: Option<CommitTimes>,
    decision: Option<decision::Decisions>,
}

#[derive(Debug, Serialize)]
struct Search {
    templates: usize,
    #[serde(flatten)]
    time: Spread,
}

#[derive(Debug, Serialize)]
struct Idle {
    fps: u32,
    cpu_share: f64,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        if let Some(Other::Outbox(args)) = self.other {
            return args.run(context);
        }
        let mut config = context.config()?;
        config.models.threads = self.threads.unwrap_or(config.models.threads);
        if self.until_ready {
            start::be_ready(&config)?;
            return Ok(Outcome::Done);
        }
        if let (Some(minutes), Some(clip)) = (self.soak, &self.clip) {
            return run_soak(context, &config, clip, minutes);
        }
        let report = self.measure(context, &config)?;
        if context.json {
            context.print_json(&report)?;
        } else {
            table::print(&report)?;
        }
        Ok(Outcome::Done)
    }

    fn wants(&self, part: Part) -> bool {
        if self.only.is_empty() {
            return part != Part::Decision || self.clip.is_some();
        }
        self.only.contains(&part)
    }

    fn measure(&self, context: &Context, config: &Config) -> anyhow::Result<Report> {
        let pack = open_pack(config)?;
        let mut vision = Vision::load(&pack, config.models.threads)?;
        let mut report = Report {
            threads: config.models.threads,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            model: vision.model_id().to_owned(),
            stages: None,
            search: None,
            start: None,
            idle: None,
            release: None,
            commits: None,
            decision: None,
        };
        let rounds = self.iterations as usize;
        let dimensions = vision.dimensions();
        // First, while nothing else of this process is in the way.
        if self.wants(Part::Start) {
            let bar = progress("start", start::ROUNDS)?;
            report.start = Some(start::measure(context, self.threads, || bar.inc(1))?);
        }
        if self.wants(Part::Stages) {
            let frame = match &self.image {
                Some(path) => still::read(path)?.image,
                None => stages::synthetic_frame()?,
            };
            let bar = progress("stages", rounds)?;
            let measured = stages::measure(&mut vision, &pack, &frame, rounds, || bar.inc(1))?;
            report.stages = Some(measured);
        }
        if self.wants(Part::Search) {
            let bar = progress("search", GALLERIES.len())?;
            let search = |templates| {
                let time = gallery::search(templates, dimensions, rounds);
                bar.inc(1);
                Search { templates, time }
            };
            report.search = Some(GALLERIES.map(search).into());
        }
        if self.wants(Part::Idle) {
            let (mut chain, _folder) = chain(context, config, vision)?;
            let bar = progress("idle", (IDLE_SECONDS * idle::FPS) as usize)?;
            let cpu_share = idle::measure(&mut chain, IDLE_SECONDS, || bar.inc(1))?;
            let fps = idle::FPS;
            report.idle = Some(Idle { fps, cpu_share });
        }
        if self.wants(Part::Release) {
            let folder = folder_beside(config)?;
            let bar = progress("release", rounds)?;
            let measured = release::measure(config, folder.path(), rounds, || bar.inc(1))?;
            report.release = Some(measured.time);
            report.commits = measured.commits;
        }
        if self.wants(Part::Decision) {
            let Some(clip) = &self.clip else {
                bail!(
                    "decision needs --clip: a video file or a folder of images in which enrolled people come to the door"
                );
            };
            // A chain of its own: its time begins anew, and it knows no other scene.
            let (mut chain, _folder) = chain(context, config, super::load_vision(config)?)?;
            let bar = progress("decision", 0)?;
            let played = decision::play(&mut chain, clip, || bar.inc(1))?;
            report.decision = Some(played);
        }
        Ok(report)
    }
}

/// The configured people, rules and models, with a store of its own beside the real one: a commit
/// costs what the disk costs.
fn chain(
    context: &Context,
    config: &Config,
    vision: Vision,
) -> anyhow::Result<(Chain, tempfile::TempDir)> {
    let people = context
        .store(config)?
        .gallery(vision.model_id(), vision.dimensions())?;
    let gallery = Gallery::new(people, vision.dimensions());
    let folder = folder_beside(config)?;
    Ok((Chain::new(config, vision, gallery, folder.path())?, folder))
}

/// A temporary folder on the disk of the real store.
fn folder_beside(config: &Config) -> anyhow::Result<tempfile::TempDir> {
    let beside = config.store.path.parent().unwrap_or(Path::new("."));
    tempfile::Builder::new()
        .prefix(".doorward-bench-")
        .tempdir_in(beside)
        .with_context(|| format!("cannot make a folder in {}", beside.display()))
}

fn run_soak(
    context: &Context,
    config: &Config,
    clip: &Path,
    minutes: f64,
) -> anyhow::Result<Outcome> {
    let duration = Duration::try_from_secs_f64(minutes * 60.0)
        .ok()
        .filter(|duration| !duration.is_zero())
        .context("--soak needs a number of minutes above zero")?;
    let (mut chain, _folder) = chain(context, config, super::load_vision(config)?)?;
    // A report that cannot be printed (the reader went away) ends the run at its end, not before.
    let mut printed = Ok(());
    let verdict = soak::run(&mut chain, clip, duration, |report| {
        let result = if context.json {
            context.print_json(report)
        } else {
            print_line(&table::soak_line(report))
        };
        if printed.is_ok() {
            printed = result;
        }
    })?;
    printed?;
    if context.json {
        context.print_json(&serde_json::json!({"verdict": verdict}))?;
    } else {
        print_line(&table::soak_verdict(&verdict))?;
    }
    if !verdict.flat {
        bail!("memory or CPU time a frame grew during the run; see the reports above");
    }
    Ok(Outcome::Done)
}

/// A bar that vanishes where nobody watches, and when it is dropped; without a length it only counts.
fn progress(what: &'static str, length: usize) -> anyhow::Result<ProgressBar> {
    let template = if length == 0 {
        "{msg:9} {spinner} {pos} frames"
    } else {
        "{msg:9} {bar:30} {pos}/{len}  {eta} left"
    };
    let style = ProgressStyle::with_template(template).context("progress style")?;
    let bar = match length {
        0 => ProgressBar::new_spinner(),
        length => ProgressBar::new(u64::try_from(length)?),
    };
    let bar = bar
        .with_style(style)
        .with_finish(indicatif::ProgressFinish::AndClear);
    bar.set_message(what);
    Ok(bar)
}
