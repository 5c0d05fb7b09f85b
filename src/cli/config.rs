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
    /// Say whether the configuration file is right; otherwise the file, the line and the cause.
    Check,
    /// Print the configuration in force: the file's values over the defaults, paths resolved.
    Show,
    /// Print a complete file: every key with its unit, range and default.
    Default,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self.verb {
            Verb::Check => {
                let config = context.config()?;
                if context.json {
                    let file = &context.config_path;
                    context.print_json(&serde_json::json!({"ok": true, "file": file}))?;
                } else {
                    let broker = match &config.mqtt {
                        Some(mqtt) => format!("broker {}", mqtt.url),
                        None => "no broker".into(),
                    };
                    let path = context.config_path.display();
                    let door = &config.door;
                    print_line(&format!(
                        "{path}: ok (door {}/{}, {broker})",
                        door.site, door.name
                    ))?;
                }
            }
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
