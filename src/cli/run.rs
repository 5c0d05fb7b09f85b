//! `doorward run`: the service.

use super::{Context, Outcome, logging};

/// Watch the camera and guard the door until stopped.
///
/// Logs to standard error. SIGTERM and SIGINT (Ctrl-C) end it cleanly: the relay is secured,
/// the broker is told. With --json the log is one JSON object a line.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        logging::start(&config.log, context.json)?;
        doorward::service::run(&config)?;
        Ok(Outcome::Done)
    }
}
