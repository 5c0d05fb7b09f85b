//! `doorward config`: the configuration.

use doorward::config::{Config, ConfigError, DEFAULT_TOML, Zones};
use doorward::service::advice;
use doorward::store::rules_in;

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

fn check(context: &Context) -> anyhow::Result<()> {
    let config = context.config()?;
    let zones = Zones::newest();
    let zone = match zones.site(config.access.time_zone.as_deref()) {
        Ok(zone) => zone.iana_name().unwrap_or("without a name").to_owned(),
        Err(error) => return Err(ConfigError::Zone(error).into()),
    };
    let path = &config.store.path;
    let warnings = match rules_in(path) {
        Ok(rules) => advice(&config, &rules.unwrap_or_default()),
        Err(error) => vec![format!(
            "the groups in {} were not looked at: {error}",
            path.display()
        )],
    };
    if context.json {
        let file = &context.config_path;
        return context.print_json(&serde_json::json!({
            "ok": true, "file": file, "warnings": warnings,
            "time_zone": zone, "zone_database": zones.to_string(),
        }));
    }
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
    print_line(&format!("time zone {zone}, by {zones}"))?;
    for warning in warnings {
        print_line(&format!("warning: {warning}"))?;
    }
    Ok(())
}
