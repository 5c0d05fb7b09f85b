//! `doorward relay`: the relay alone.

use anyhow::Context as _;
use doorward::config::{Config, RelayConfig};
use doorward::gpio::relay;

use super::{Context, Outcome, print_line};

/// Handle the relay without the service.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Set the relay to its safe level and exit.
    ///
    /// Reads only the [relay] section, so that it works even if another part of the
    /// configuration is wrong. Meant for systemd's ExecStopPost, after a crash or SIGKILL.
    Secure,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let Verb::Secure = self.verb;
        let config = Config::load_relay(&context.config_path)?;
        let RelayConfig { driver, pin, .. } = config;
        // Opening a driver sets the safe level first of all.
        let opened = relay::open(&config).context("the relay could not be secured")?;
        drop(opened);
        if context.json {
            context.print_json(
                &serde_json::json!({"lock": "secured", "driver": driver, "pin": pin}),
            )?;
        } else {
            print_line(&format!("relay secured ({driver:?}, pin {pin})"))?;
        }
        Ok(Outcome::Done)
    }
}
