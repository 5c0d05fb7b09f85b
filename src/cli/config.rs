//! `doorward config`: the configuration.

use doorward::config::{Config, DEFAULT_TOML};

use super::{Context, Outcome, print_line};

/// Check, show or write the configuration.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Say whether the configuration file is right; otherwise the file, the line and the cause. Also
    /// what it promises and the groups in the database do not keep.
    Check,
    /// Print the configuration in force: the file's values over the defaults, paths resolved. Of the
    /// camera's address only host and path are shown.
    Show,
    /// Print a complete file: every key with its unit, range and default.
    Default,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self.verb {
            Verb::Check => check(context)?,
            Verb::Show => {
                let config = context.config()?;
                if context.json {
                    context.print_json(&config)?;
                } else {
                    print_line(toml::to_string_pretty(&config)?.trim_end())?;
                }
            }
            Verb::Default if context.json => context.print_json(&Config::default())?,
            Verb::Default => print_line(DEFAULT_TOML.trim_end())?,
        }
        Ok(Outcome::Done)
    }
}
