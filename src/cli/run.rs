//! `doorward run`: the service.

use doorward::service::{self, Signals};

use super::{Context, Outcome, logging};

/// Watch the camera and guard the door until stopped.
///
/// Logs to standard error. SIGTERM, SIGINT (Ctrl-C) and SIGQUIT end it cleanly: the relay is
/// secured, the broker is told. SIGHUP does what the command `reload` does. With --json the log is
/// one JSON object a line.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let signals = Signals::stand()?;
        let config = context.config()?;
        // Dropped last: what was logged is written by then.
        let _log = logging::start(&config.log, context.json)?;
        service::run(&config, signals)?;
        Ok(Outcome::Done)
    }
}
