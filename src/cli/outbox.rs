//! `doorward outbox`: what waits for the broker, what it refused, and another try.

use anyhow::{Context as _, ensure};
use doorward::config::Config;
use doorward::store::Store;
use doorward::store::outbox::{Limits, Outbox};
use serde_json::json;

use super::{Context, Outcome, print_line};

const EXAMPLES: &str = "\
Examples:
  doorward outbox status
  doorward outbox list-refused
  doorward outbox retry-refused 4711
  doorward outbox retry-refused --all";

/// Show what waits for the broker, and what it refused.
///
/// Events wait in the database until the broker has confirmed them, for days if need be. What it
/// refuses for good is kept with the reason (the newest thousand or so) until somebody has mended
/// that, for example its access rules, and tries again. Works beside a running service; whether
/// the broker can be reached right now stands in `systemctl status doorward`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show how much waits, by class, of how much may; and what was dropped.
    Status,
    /// List refused messages with the reason, the oldest first.
    ListRefused,
    /// Queue refused messages again; a running service sends them within a second.
    RetryRefused(Retry),
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Retry {
    /// Number of the message, as `list-refused` shows it.
    seq: Option<i64>,
    /// All of them.
    #[arg(long)]
    all: bool,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        let mut store = context.store(&config)?;
        match self.verb {
            Verb::Status => status(context, &config, &store)?,
            Verb::ListRefused => list(context, &config)?,
            Verb::RetryRefused(Retry { seq, .. }) => {
                let queued = store.retry_refused(seq)?;
                if let Some(seq) = seq {
                    ensure!(
                        queued > 0,
                        "there is no refused message {seq}; see `doorward outbox list-refused`"
                    );
                }
                if context.json {
                    context.print_json(&json!({"queued": queued}))?;
                } else {
                    print_line(&format!("{queued} queued again"))?;
                }
            }
        }
        Ok(Outcome::Done)
    }
}

fn status(context: &Context, config: &Config, store: &Store) -> anyhow::Result<()> {
    let holdings = store.outbox_holdings()?;
    let dropped = store.dropped()?;
    let broker = config.mqtt.as_ref().map(|mqtt| mqtt.url.as_str());
    if context.json {
        return context.print_json(&json!({
            "broker": broker,
            "session": holdings.session,
            "size": holdings.size,
            "limits": config.outbox,
            "used_per_mille": holdings.size.per_mille(&Limits::from_config(&config.outbox)),
            "classes": holdings.classes,
            "dropped": dropped,
        }));
    }
    let broker = broker.unwrap_or("none ([mqtt] is not configured)");
    let session = if holdings.session {
        "to be resumed"
    } else {
        "none yet"
    };
    print_line(&format!("broker   {broker}"))?;
    print_line(&format!("session  {session}"))?;
    print_line(&holdings.size.describe(&config.outbox))?;
    if !holdings.classes.is_empty() {
        print_line("class           queued  under way  refused")?;
    }
    for class in &holdings.classes {
        print_line(&format!(
            "{:<12}  {:>8}  {:>9}  {:>7}",
            class.class, class.queued, class.under_way, class.refused
        ))?;
    }
    for dropped in dropped {
        print_line(&format!(
            "dropped so far: {} of {} ({})",
            dropped.messages,
            dropped.class.as_str(),
            dropped.reason.as_str()
        ))?;
    }
    Ok(())
}

fn list(context: &Context, config: &Config) -> anyhow::Result<()> {
    let outbox = Outbox::open(&config.store.path)?;
    let refused = outbox.rejected().context("the refused messages")?;
    if refused.is_empty() && !context.json {
        print_line("nothing was refused")?;
    }
    for (row, reason) in refused {
        if context.json {
            context.print_json(&json!({
                "seq": row.seq,
                "event": row.event_id,
                "class": row.class,
                "topic": row.topic,
                "qos": u8::from(row.qos),
                "bytes": row.payload.len(),
                "reason": reason,
            }))?;
        } else {
            let bytes = row.payload.len();
            let seq = row.seq;
            print_line(&format!("{seq:>8}  {}  {bytes} bytes: {reason}", row.topic))?;
        }
    }
    Ok(())
}
