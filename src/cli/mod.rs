//! The command line: one file a verb, each with its arguments beside its `run`.
//!
//! A verb only translates into library calls and prints. Results go to standard output, as
//! text for people or, with `--json`, as one JSON value (a line each for lists that grow);
//! everything else goes to standard error.

mod alarms;
mod author;
mod bench;
mod certs;
mod command;
mod completions;
mod config;
mod db;
mod enroll;
mod evaluate;
mod events;
mod exchange;
mod gpio;
mod groups;
mod holidays;
mod identify;
mod logging;
mod mode;
mod models;
mod operators;
mod outbox;
mod people;
mod reenroll;
mod relay;
mod rules;
mod run;
mod schedules;
mod secrecy;
mod topics;
mod witness;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use doorward::config::{Config, ConfigError, DEFAULT_PATH, Protocol};
use doorward::store::Store;
use doorward::vision::Vision;
use doorward::vision::pack::{ModelPack, PackError};
use indicatif::{ProgressBar, ProgressStyle};

/// Progress over fewer than so many is not worth a bar.
const MANY: usize = 4;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; the message says why and what to do
  2  wrong arguments
  3  the configuration was refused
  4  done in part: some images were refused or poses missed (enroll, identify, people reenroll),
     some of the wiring failed (gpio test), a relay that is configured but was not running could
     not be secured (relay secure), or a certificate needs attention (certs status)

First steps:
  doorward config default > doorward.toml
  doorward --config doorward.toml enroll \"Ada Lovelace\" --folder photos/ada
  doorward --config doorward.toml run";

/// A door that opens for the right face, and tells the truth about it.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Cli {
    /// Configuration file.
    #[arg(long, global = true, value_name = "FILE", env = "DOORWARD_CONFIG", default_value = DEFAULT_PATH)]
    config: PathBuf,

    /// Print results as JSON.
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(run::Args),
    Enroll(enroll::Args),
    People(people::Args),
    Groups(groups::Args),
    Schedules(schedules::Args),
    Holidays(holidays::Args),
    Rules(rules::Args),
    Mode(mode::Args),
    Alarms(alarms::Args),
    Operators(operators::Args),
    Command(command::Args),
    Identify(identify::Args),
    Evaluate(evaluate::Args),
    Events(events::Args),
    Outbox(outbox::Args),
    Db(db::Args),
    Topics(topics::Args),
    Witness(witness::Args),
    Models(models::Args),
    Bench(bench::Args),
    Certs(certs::Args),
    Config(config::Args),
    Relay(relay::Args),
    Gpio(gpio::Args),
    Completions(completions::Args),
}

/// What every verb gets.
struct Context {
    config_path: PathBuf,
    json: bool,
}

/// MQTT's version, where a verb is told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Version {
    #[value(name = "5")]
    V5,
    #[value(name = "3.1.1")]
    V311,
}

impl From<Version> for Protocol {
    fn from(version: Version) -> Self {
        match version {
            Version::V5 => Protocol::V5,
            Version::V311 => Protocol::V311,
        }
    }
}

/// How a verb ended when it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    Partly,
}

impl Cli {
    /// Runs the verb and reports its failure, if any, in one line.
    pub(crate) fn run(self) -> ExitCode {
        secrecy::keep();
        let context = Context {
            config_path: self.config,
            json: self.json,
        };
        let result = match self.verb {
            Verb::Run(args) => args.run(&context),
            Verb::Enroll(args) => args.run(&context),
            Verb::People(args) => args.run(&context),
            Verb::Groups(args) => args.run(&context),
            Verb::Schedules(args) => args.run(&context),
            Verb::Holidays(args) => args.run(&context),
            Verb::Rules(args) => args.run(&context),
            Verb::Mode(args) => args.run(&context),
            Verb::Alarms(args) => args.run(&context),
            Verb::Operators(args) => args.run(&context),
            Verb::Command(args) => args.run(&context),
            Verb::Identify(args) => args.run(&context),
            Verb::Evaluate(args) => args.run(&context),
            Verb::Events(args) => args.run(&context),
            Verb::Outbox(args) => args.run(&context),
            Verb::Db(args) => args.run(&context),
            Verb::Topics(args) => args.run(&context),
            Verb::Witness(args) => args.run(&context),
            Verb::Models(args) => args.run(&context),
            Verb::Bench(args) => args.run(&context),
            Verb::Certs(args) => args.run(&context),
            Verb::Config(args) => args.run(&context),
            Verb::Relay(args) => args.run(&context),
            Verb::Gpio(args) => args.run(&context),
            Verb::Completions(args) => args.run(&context),
        };
        match result {
            Ok(Outcome::Done) => ExitCode::SUCCESS,
            Ok(Outcome::Partly) => ExitCode::from(4),
            Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
            Err(error) => {
                // Standard error may be gone too; then nobody is there to be told.
                let _ = writeln!(std::io::stderr(), "doorward: {error:#}");
                ExitCode::from(if error.is::<ConfigError>() { 3 } else { 1 })
            }
        }
    }
}

impl Context {
    fn config(&self) -> anyhow::Result<Config> {
        Ok(Config::load(&self.config_path)?)
    }

    fn store(&self, config: &Config) -> anyhow::Result<Store> {
        refuse_foreign_root(&config.store.path)?;
        let mut store = Store::open(&config.store.path, config.wire())?;
        store.set_author(Some(author::author()?));
        Ok(store)
    }

    /// Prints one JSON value on a line of its own.
    fn print_json(&self, value: &impl serde::Serialize) -> anyhow::Result<()> {
        print_line(&serde_json::to_string(value)?)
    }
}

/// Root in the folder of another user would leave files that the service cannot write.
fn refuse_foreign_root(database: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let owner = |path: &Path| std::fs::metadata(path).ok().map(|metadata| metadata.uid());
    let folder = database.parent().unwrap_or(Path::new("."));
    if author::own_uid() == 0
        && let Some(uid @ 1..) = owner(folder)
    {
        anyhow::bail!(
            "root must not touch {}, which belongs to user {uid}: the service could not write what root leaves there; run this as that user, for example sudo -u doorward doorward …",
            folder.display()
        );
    }
    Ok(())
}

fn print_line(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("cannot write to standard output")
}

/// The configured model pack.
fn open_pack(config: &Config) -> Result<ModelPack, PackError> {
    ModelPack::open_named(&config.models.directory, &config.models.pack)
}

fn load_vision(config: &Config) -> anyhow::Result<Vision> {
    Ok(Vision::load(&open_pack(config)?, config.models.threads)?)
}

/// A bar over so many of `what`; it vanishes where nobody watches.
fn progress(count: usize, what: &'static str) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}  {eta} left")
        .context("progress style")?;
    let bar = ProgressBar::new(u64::try_from(count)?).with_style(style);
    Ok(bar.with_message(what))
}

/// The same, hidden for a few that are done at once.
fn progress_over_many(count: usize, what: &'static str) -> anyhow::Result<ProgressBar> {
    if count < MANY {
        return Ok(ProgressBar::hidden());
    }
    progress(count, what)
}

/// Images given one by one, then those of a folder.
fn image_paths(images: Vec<PathBuf>, folder: Option<&Path>) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths = images;
    if let Some(folder) = folder {
        let found = doorward::enroll::images_in(folder)
            .with_context(|| format!("cannot read the folder {}", folder.display()))?;
        anyhow::ensure!(
            !found.is_empty(),
            "the folder {} holds no JPEG, PNG or WebP images",
            folder.display()
        );
        paths.extend(found);
    }
    Ok(paths)
}

/// `doorward … | head` closes our output early; that is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
