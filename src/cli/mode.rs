//! `doorward mode`: what an operator wants of the door for a while.

use anyhow::Context as _;
use doorward::clock::{Timestamp, rfc3339_millis};
use doorward::event::Mode;
use jiff::SignedDuration;
use serde_json::json;

use super::{Context, Outcome, print_line};

const EXAMPLES: &str = "\
Examples:
  doorward mode unlocked --for 2h
  doorward mode lockdown
  doorward mode normal --until 2026-12-24T18:00:00Z
  doorward mode schedule";

/// Show or order the door's mode: normal, unlocked, lockdown, or as the schedule says.
///
/// The order outlives a restart and ends at its time; then the schedule governs again
/// ([access] unlock_schedule). After a start one that opens waits until the clock is synchronised. An
/// unlocked door needs an end. A running service follows within a second; every order is an event.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show the order in force, as without a verb.
    Show,
    /// Locked; released for those who are granted, whatever the schedule says.
    Normal(End),
    /// Held released.
    Unlocked(End),
    /// Locked; only groups that override lockdown are granted.
    Lockdown(End),
    /// No order: the schedule governs.
    Schedule,
}

#[derive(Debug, clap::Args)]
struct End {
    /// For so long: 30m, 2h, 1h 30m.
    #[arg(long = "for", value_name = "DURATION", conflicts_with = "until")]
    lasting: Option<SignedDuration>,
    /// Until then (2026-01-31T18:00:00Z, with any offset).
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
}

impl End {
    fn resolve(self, now: Timestamp) -> anyhow::Result<Option<Timestamp>> {
        match self.lasting {
            Some(lasting) => Ok(Some(
                now.checked_add(lasting)
                    .context("--for reaches beyond the calendar")?,
            )),
            None => Ok(self.until),
        }
    }
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        let mut store = context.store(&config)?;
        let (now, door) = (Timestamp::now(), config.door.name.as_str());
        let order = match self.verb {
            None | Some(Verb::Show) => return show(context, store.mode_order(door, now)?),
            Some(Verb::Normal(end)) => Some((Mode::Normal, end.resolve(now)?)),
            Some(Verb::Unlocked(end)) => Some((Mode::Unlocked, end.resolve(now)?)),
            Some(Verb::Lockdown(end)) => Some((Mode::Lockdown, end.resolve(now)?)),
            Some(Verb::Schedule) => None,
        };
        store.set_mode(now, door, order)?;
        show(context, store.mode_order(door, now)?)
    }
}

fn show(context: &Context, order: Option<(Mode, Option<Timestamp>)>) -> anyhow::Result<Outcome> {
    if context.json {
        let (mode, until) = order.map_or((None, None), |(mode, until)| (Some(mode), until));
        context.print_json(&json!({"mode": mode, "until": until}))?;
    } else {
        print_line(&match order {
            None => "the schedule governs".to_owned(),
            Some((mode, None)) => format!("{} until another order", mode.as_str()),
            Some((mode, Some(until))) => {
                format!("{} until {}", mode.as_str(), rfc3339_millis(until))
            }
        })?;
    }
    Ok(Outcome::Done)
}
