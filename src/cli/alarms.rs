//! `doorward alarms`: which alarms stand, and that somebody has taken note.

use doorward::clock::{Timestamp, rfc3339_millis};
use doorward::event::Alarm;
use serde_json::json;

use super::{Context, Outcome, print_line};

/// List alarms, and take note of them.
///
/// An alarm is on the list while it stands, and afterwards until somebody has taken note of it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward alarms list
  doorward alarms ack held_open --note \"delivery, door was wedged\"")]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List alarms that stand or that nobody has taken note of.
    List {
        /// Also those that are over and noted.
        #[arg(long)]
        all: bool,
    },
    /// Take note of an alarm.
    Ack {
        /// Which, such as held_open.
        alarm: Alarm,
        /// What there is to say about it.
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        let mut store = context.store(&config)?;
        match self.verb {
            Verb::List { all } => {
                let mut conditions = store.conditions()?;
                conditions.retain(|condition| all || condition.is_open());
                if context.json {
                    context.print_json(&conditions)?;
                    return Ok(Outcome::Done);
                }
                if conditions.is_empty() {
                    print_line("no alarms")?;
                }
                for condition in conditions {
                    let state = match condition.cleared_at {
                        None => "stands".to_owned(),
                        Some(time) => format!("over since {}", rfc3339_millis(time)),
                    };
                    let noted = match (condition.acknowledged_at, &condition.note) {
                        (None, _) => "not acknowledged".to_owned(),
                        (Some(time), None) => format!("acknowledged {}", rfc3339_millis(time)),
                        (Some(time), Some(note)) => {
                            format!("acknowledged {}: {note}", rfc3339_millis(time))
                        }
                    };
                    print_line(&format!(
                        "{}  {:<8}  {:<15}  {state}, {noted}: {}",
                        rfc3339_millis(condition.raised_at),
                        condition.severity,
                        condition.alarm.as_str(),
                        condition.detail
                    ))?;
                }
            }
            Verb::Ack { alarm, note } => {
                let new = store.acknowledge(Timestamp::now(), alarm, note)?;
                if context.json {
                    context.print_json(&json!({"alarm": alarm, "acknowledged": new}))?;
                } else {
                    let already = if new { "" } else { "already " };
                    print_line(&format!("{already}acknowledged {}", alarm.as_str()))?;
                }
            }
        }
        Ok(Outcome::Done)
    }
}
