//! `doorward events`: what happened, and whether that is still what was recorded.

mod export;
mod verify;

use std::time::Duration;

use anyhow::bail;
use doorward::clock::{Timestamp, rfc3339_millis};
use doorward::event::{KINDS, Recorded};
use doorward::store::{EventFilter, Store};

use super::{Context, Outcome, print_line};

/// How often `follow` looks for new events.
const LOOK: Duration = Duration::from_millis(200);

/// List, follow, verify and export the record.
///
/// With --json one object a line.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Print the newest events, oldest first.
    List {
        #[command(flatten)]
        filter: Filter,
        /// At most so many, the newest ones; 0 for all.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Print events as they happen, until Ctrl-C.
    Follow {
        #[command(flatten)]
        filter: Filter,
    },
    /// Find edits, gaps, swaps and cuts; exit code 1 when there are any.
    Verify(verify::Args),
    /// Sign how far the record goes; queue it for the broker and print it.
    Checkpoint,
    /// Print the public key that checkpoints are verified with.
    Key,
    /// Write the record for others: --csv, --json (one object a line) or --html.
    Export(export::Args),
}

#[derive(Debug, clap::Args)]
struct Filter {
    /// At or after this time (2026-01-31T08:00:00Z, with any offset).
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Only this kind (access.denied) or class (access); may be repeated.
    #[arg(long = "kind", value_name = "KIND", value_parser = known_kind)]
    kinds: Vec<String>,
    /// Only about this person (name or id; an id also finds people who were removed).
    #[arg(long, value_name = "NAME")]
    person: Option<String>,
}

impl Filter {
    fn resolve(self, store: &Store) -> anyhow::Result<EventFilter> {
        let person = match self.person {
            None => None,
            Some(name) => Some(match name.parse() {
                Ok(id) => id,
                Err(_) => store.person(&name)?.id,
            }),
        };
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since >= until
        {
            bail!("--since {since} is not before --until {until}");
        }
        Ok(EventFilter {
            since: self.since,
            until: self.until,
            kinds: self.kinds,
            person,
            ..EventFilter::default()
        })
    }
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self.verb {
            Verb::Verify(args) => return args.run(context),
            Verb::Export(args) => return args.run(context),
            Verb::Checkpoint => return verify::checkpoint(context),
            Verb::Key => return verify::key(context),
            Verb::List { filter, limit } => {
                let config = context.config()?;
                let store = context.store(&config)?;
                let filter = EventFilter {
                    limit: (limit > 0).then_some(limit),
                    ..filter.resolve(&store)?
                };
                for event in store.events(&filter)? {
                    print(context, &event)?;
                }
            }
            Verb::Follow { filter } => {
                let config = context.config()?;
                let store = context.store(&config)?;
                let mut filter = filter.resolve(&store)?;
                let newest = EventFilter {
                    limit: Some(1),
                    ..EventFilter::default()
                };
                filter.after_seq = Some(store.events(&newest)?.pop().map_or(0, |e| e.seq));
                loop {
                    for event in store.events(&filter)? {
                        filter.after_seq = Some(event.seq);
                        print(context, &event)?;
                    }
                    std::thread::sleep(LOOK);
                }
            }
        }
        Ok(Outcome::Done)
    }
}

fn print(context: &Context, event: &Recorded) -> anyhow::Result<()> {
    if context.json {
        return context.print_json(event);
    }
    let json = serde_json::to_value(&event.event)?;
    let details = json["data"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| match value {
            serde_json::Value::Object(person) => {
                format!("{key}={}", person.get("name").unwrap_or(value))
            }
            serde_json::Value::Number(n) if n.is_f64() => {
                format!("{key}={:.3}", n.as_f64().unwrap_or_default())
            }
            serde_json::Value::String(text) if !text.contains(' ') => format!("{key}={text}"),
            other => format!("{key}={other}"),
        })
        .collect::<Vec<_>>()
        .join(" ");
    let doubt = if event.clock_synced { "" } else { " ?" };
    let by = event.by.as_ref().map(|by| format!("  by {by}"));
    print_line(&format!(
        "{:>6}  {}{doubt}  {:<15}  {details}{}",
        event.seq,
        rfc3339_millis(event.time),
        event.event.kind(),
        by.unwrap_or_default()
    ))
}

fn known_kind(text: &str) -> Result<String, String> {
    let is_known = KINDS
        .iter()
        .any(|kind| *kind == text || kind.split('.').next() == Some(text));
    if is_known {
        return Ok(text.to_owned());
    }
    Err(format!(
        "no such kind; allowed: access, door, admin, alarm, record, {}",
        KINDS.join(", ")
    ))
}
