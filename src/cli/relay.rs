//! `doorward relay`: the relay alone.

use std::path::PathBuf;

use doorward::config::RelayDriver;
use doorward::event::wire::Lock;
use doorward::gpio::running::{self, Pins, Place};
use serde::Serialize;

use super::{Context, Outcome, print_line};

/// Handle the relay without the service.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Set the relay, and the second one, to their safe level and exit.
    ///
    /// The service leaves a note in its runtime folder on the pins it runs with; those come first, even
    /// when the configuration cannot be read. Then what the configuration says otherwise; of that only
    /// [relay] and [outputs] are read. Meant for systemd's ExecStopPost, after a crash or SIGKILL.
    Secure(Secure),
}

#[derive(Debug, clap::Args)]
struct Secure {
    /// The service's runtime folder; by hand usually /run/doorward.
    ///
    /// Without it $RUNTIME_DIRECTORY, which systemd sets.
    #[arg(long, value_name = "FOLDER")]
    runtime: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let Verb::Secure(secure) = self.verb;
        secure.run(context)
    }
}

/// Who says that there is a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Origin {
    Running,
    Configuration,
}

/// What became of one relay.
#[derive(Serialize)]
struct Line {
    /// Its section or key in the configuration.
    relay: &'static str,
    origin: Origin,
    driver: RelayDriver,
    pin: u32,
    /// Absent when it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    lock: Option<Lock>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Secure {
    fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let noted = self.noted();
        let running = noted.iter().flat_map(Pins::places);
        let mut lines: Vec<_> = running
            .map(|place| secure(place, Origin::Running))
            .collect();
        let mut whole = true;
        match Pins::configured(&context.config_path) {
            Ok((pins, wrong)) => {
                let known = |place: &Place<'_>| is_known(*place, noted.as_ref());
                let others = pins.places().filter(|place| !known(place));
                lines.extend(others.map(|place| secure(place, Origin::Configuration)));
                if let Some(error) = wrong {
                    eprintln!("doorward: no second relay is known from the configuration: {error}");
                    whole = noted.is_some();
                }
            }
            Err(error) if noted.is_some() => {
                eprintln!("doorward: what was running is secured; the configuration: {error}");
            }
            Err(error) => return Err(error.into()),
        }
        for line in &lines {
            line.print(context)?;
        }
        // What was running counts; without a note, everything that is configured.
        let (mut failed, mut aside) = (Vec::new(), Vec::new());
        for line in &lines {
            let counts = line.origin == Origin::Running || noted.is_none();
            let into = if counts { &mut failed } else { &mut aside };
            into.extend(line.error.as_deref());
        }
        anyhow::ensure!(failed.is_empty(), "not secured: {}", failed.join("; "));
        for error in &aside {
            eprintln!("doorward: configured but not secured: {error}");
        }
        Ok(if whole && aside.is_empty() {
            Outcome::Done
        } else {
            Outcome::Partly
        })
    }

    /// The service's note. One that cannot be read leaves the configuration to go by.
    fn noted(&self) -> Option<Pins> {
        let folder = self.runtime.clone().or_else(running::runtime_folder)?;
        Pins::left_in(&folder).unwrap_or_else(|error| {
            eprintln!("doorward: the service's note on its pins: {error}");
            None
        })
    }
}

/// Whether the note has this pin. Of two opinions on its level, the one that was running counts.
fn is_known(configured: Place<'_>, noted: Option<&Pins>) -> bool {
    let mut noted = noted.into_iter().flat_map(Pins::places);
    let Some(running) = noted.find(|running| running.is_the_pin_of(configured)) else {
        return false;
    };
    if running.active() != configured.active() {
        eprintln!(
            "doorward: pin {} is configured with another active level than it was running with, which counts",
            running.pin()
        );
    }
    true
}

fn secure(place: Place<'_>, origin: Origin) -> Line {
    let error = place.secure().err().map(|error| error.to_string());
    Line {
        relay: place.name(),
        origin,
        driver: place.driver(),
        pin: place.pin(),
        lock: error.is_none().then_some(Lock::Secured),
        error,
    }
}

impl Line {
    fn print(&self, context: &Context) -> anyhow::Result<()> {
        if context.json {
            return context.print_json(self);
        }
        let Self {
            relay, driver, pin, ..
        } = self;
        let what = if self.error.is_none() {
            "secured"
        } else {
            "NOT secured"
        };
        let origin = match self.origin {
            Origin::Running => "as it was running",
            Origin::Configuration => "as configured",
        };
        print_line(&format!("{relay} {what} ({driver:?}, pin {pin}, {origin})"))
    }
}
