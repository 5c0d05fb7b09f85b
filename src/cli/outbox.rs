//! `doorward outbox`: what waits for the broker, what it refused, and another try.

use anyhow::{Context as _, ensure};
use doorward::clock::Timestamp;
use doorward::config::Config;
use doorward::event::wire::Qos;
use doorward::store::Store;
use doorward::store::outbox::{Chosen, Limits, Managed, Outbox, Stage};
use serde_json::json;

use super::{Context, Outcome, print_line};

const EXAMPLES: &str = "\
Examples:
  doorward outbox status
  doorward outbox list --limit 20
  doorward outbox set-qos 1 --all
  doorward outbox drop 4711
  doorward outbox list-refused
  doorward outbox retry-refused 4711
  doorward outbox retry-refused --all";

/// Show and manage what waits for the broker, and what it refused.
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
    /// List what waits, in the order in which it is sent.
    List(List),
    /// Send messages that wait with another quality of service.
    ///
    /// A message keeps the one that was configured when it happened: for a broker that cannot do QoS 2,
    /// change [mqtt.qos] for what comes and this for what waits. Where some are under way, the session
    /// with the broker is given up, and what was under way may arrive twice (marked with MQTT 5). A running
    /// service follows within a second; it is an event.
    SetQos(SetQos),
    /// Drop messages that wait: they are never sent.
    ///
    /// What they tell of stays in the record (`doorward events`). As with set-qos, the session is given up
    /// where some are under way. It is an event.
    Drop(Pick),
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

#[derive(Debug, clap::Args)]
struct List {
    /// So many at most.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
}

#[derive(Debug, clap::Args)]
struct SetQos {
    /// Quality of service.
    #[arg(value_name = "0|1|2", value_parser = clap::value_parser!(u8).range(0..=2))]
    qos: u8,
    #[command(flatten)]
    pick: Pick,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Pick {
    /// Number of the message, as `list` shows it.
    seq: Option<i64>,
    /// All of them.
    #[arg(long)]
    all: bool,
}

impl Pick {
    fn chosen(&self) -> Chosen {
        self.seq.map_or(Chosen::All, Chosen::One)
    }

    /// Says what was done; a number that is not there is an error.
    fn tell(&self, context: &Context, done: &str, managed: Managed) -> anyhow::Result<()> {
        if let Some(seq) = self.seq {
            ensure!(
                managed.messages > 0,
                "no message {seq} waits for which there is something to do; see `doorward outbox list`"
            );
        }
        if context.json {
            return context.print_json(&managed);
        }
        print_line(&format!("{} {done}", managed.messages))?;
        if managed.session_given_up {
            print_line(
                "the session with the broker was given up: what was under way may arrive twice",
            )?;
        }
        Ok(())
    }
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        let mut store = context.store(&config)?;
        match self.verb {
            Verb::Status => status(context, &config, &store)?,
            Verb::List(List { limit }) => waiting(context, &store, limit)?,
            Verb::SetQos(SetQos { qos, pick }) => {
                let new = Qos::try_from(qos).map_err(anyhow::Error::msg)?;
                let managed = store.set_outbox_qos(Timestamp::now(), pick.chosen(), new)?;
                pick.tell(context, &format!("go at QoS {qos} now"), managed)?;
            }
            Verb::Drop(pick) => {
                let managed = store.drop_from_outbox(Timestamp::now(), pick.chosen())?;
                pick.tell(context, "dropped", managed)?;
            }
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

fn waiting(context: &Context, store: &Store, limit: u32) -> anyhow::Result<()> {
    let waiting = store.outbox_waiting(limit)?;
    if waiting.is_empty() && !context.json {
        print_line("nothing waits")?;
    }
    for (row, stage) in waiting {
        let (stage, words) = match stage {
            None => ("queued", "queued"),
            Some(Stage::Published) => ("published", "sent, no answer yet"),
            Some(Stage::Received) => ("received", "the broker has it, not released yet"),
        };
        let (qos, bytes, seq) = (u8::from(row.qos), row.payload.len(), row.seq);
        if context.json {
            context.print_json(&json!({
                "seq": seq,
                "event": row.event_id,
                "class": row.class,
                "topic": row.topic,
                "qos": qos,
                "bytes": bytes,
                "stage": stage,
                "maybe_dup": row.maybe_dup,
            }))?;
        } else {
            let twice = if row.maybe_dup {
                ", may arrive twice"
            } else {
                ""
            };
            let topic = row.topic;
            print_line(&format!(
                "{seq:>8}  {topic}  QoS {qos}, {bytes} bytes: {words}{twice}"
            ))?;
        }
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
