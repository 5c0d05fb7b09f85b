//! `doorward people explain`: why somebody would or would not get in, and when.

use doorward::access::explain;
use doorward::clock::Timestamp;
use doorward::config::Config;
use doorward::event::Mode;
use doorward::store::Store;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::super::{Context, Outcome, print_line};

const EXAMPLES: &str = "\
Examples:
  doorward people explain \"Ada Lovelace\"
  doorward people explain ada --at \"2026-03-29 02:30\"
  doorward people explain ada --at 2026-10-25T00:30:00Z --json";

/// Say why somebody would or would not get in at some time, and from when on they would.
///
/// Asks the same rules as the door, for this door, with the operator's mode of that time and a
/// trusted clock. A lockout after repeated denials, and whether a first person is inside, are
/// matters of the moment and not asked.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Name or id.
    name: String,
    /// When: 2026-03-29T00:30:00Z (with any offset), or "2026-03-29 02:30" by the site's clock;
    /// now when absent. An hour that the clock shows twice means its first time, one that it
    /// skips the time after it.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

impl Args {
    pub(super) fn run(
        self,
        context: &Context,
        config: &Config,
        store: &Store,
    ) -> anyhow::Result<Outcome> {
        let person = store.person(&self.name)?;
        let policy = config.policy(store.rules()?)?;
        let at = match &self.at {
            Some(text) => parse(text, &policy.zone)?,
            None => Timestamp::now(),
        };
        let Some(mut subject) = store.subject(person.id)? else {
            anyhow::bail!("{} was removed just now", person.name);
        };
        if let Some(site) = super::site(config)? {
            subject.presence = site.presence(&person.name)?;
        }
        let order = store.mode_order(&policy.door, at)?;
        let mode = order.map_or(Mode::Normal, |(mode, _)| mode);
        let explanation = explain(&policy, &subject, mode, at);
        if context.json {
            context.print_json(&explanation)?;
        } else {
            print_line(explanation.to_string().trim_end())?;
        }
        Ok(Outcome::Done)
    }
}

/// An instant, or a time by the site's clock.
fn parse(text: &str, zone: &TimeZone) -> anyhow::Result<Timestamp> {
    if let Ok(instant) = text.parse() {
        return Ok(instant);
    }
    let civil: DateTime = text.parse().map_err(|_| {
        anyhow::anyhow!(
            "--at {text:?} is no time; write 2026-03-29T00:30:00Z, or \"2026-03-29 02:30\" by the site's clock"
        )
    })?;
    Ok(zone.to_timestamp(civil)?)
}
