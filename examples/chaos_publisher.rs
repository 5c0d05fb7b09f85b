//! The publisher that `scripts/chaos` kills: the real store, outbox and pump, and nothing else of a door.
//!
//! ```text
//! chaos_publisher CONFIG EVENTS RETRY_MS
//! ```
//! It is told on standard input how far to record, a line each: `UNTIL MICROSECONDS` (so many events
//! in the whole life of the database, so long between two of them). It says on standard output, a line
//! each, what happens: `resuming UNDER_WAY` at its start, `connected`, `disconnected UNDER_WAY REASON`,
//! `rejected REASON`, and `drained COUNT` when everything recorded so far has left the outbox. It ends
//! by itself when all EVENTS have.
//!
//! A new process goes on where the database stands, so it may be killed at any instant.

use std::io::BufRead as _;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use doorward::clock::{SystemClock, Timestamp};
use doorward::config::Config;
use doorward::event::{Event, Granted, Method, PersonId, PersonRef};
use doorward::mqtt::{self, PumpConfig, PumpEvent, PumpHandle, Retry};
use doorward::store::outbox::Outbox;
use doorward::store::{EventFilter, Store};

/// How often the outbox is asked whether it is empty.
const LOOK: Duration = Duration::from_millis(20);
/// How long the goodbye to the broker may take.
const GOODBYE: Duration = Duration::from_secs(5);

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter("warn,doorward::mqtt=info")
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [config, events, retry] = &arguments[..] else {
        bail!("usage: chaos_publisher CONFIG EVENTS RETRY_MS");
    };
    let config = Config::load(config.as_ref())?;
    let first = Duration::from_millis(retry.parse().context("RETRY_MS")?);
    Publisher::start(&config, first)?.run(events.parse().context("EVENTS")?)
}

/// An order of the harness: record until there are so many, with a pause after each.
struct Order {
    until: u64,
    pause: Duration,
}

struct Publisher {
    store: Store,
    outbox: Outbox,
    pump: PumpHandle,
    orders: Receiver<Order>,
    recorded: u64,
}

impl Publisher {
    fn start(config: &Config, first: Duration) -> anyhow::Result<Self> {
        let mut pump = PumpConfig::from_config(config)?;
        // The longest wait is bounded: a fault every few seconds would make it a minute.
        pump.retry = Retry {
            first,
            longest: first * 2,
        };
        let store = Store::open(&config.store.path, config.wire())?;
        let newest = EventFilter {
            limit: Some(1),
            ..EventFilter::default()
        };
        let recorded = store.events(&newest)?.last().map_or(0, |event| event.seq);
        let outbox = Outbox::open(&config.store.path)?;
        let under_way = move || outbox.depth().map_or(0, |depth| depth.under_way);
        println!("resuming {}", under_way());
        let pump = mqtt::spawn(
            pump,
            Arc::new(SystemClock::new()),
            move |event| match event {
                PumpEvent::Connected { .. } => println!("connected"),
                PumpEvent::Disconnected { error } => {
                    println!("disconnected {} {error}", under_way())
                }
                PumpEvent::Rejected { reason, .. } => println!("rejected {reason}"),
                _ => {}
            },
        )?;
        Ok(Self {
            outbox: Outbox::open(&config.store.path)?,
            store,
            pump,
            orders: listen(),
            recorded,
        })
    }

    fn run(mut self, events: u64) -> anyhow::Result<()> {
        let mut drained = None;
        while drained != Some(events) {
            match self.orders.recv_timeout(LOOK) {
                Ok(order) => self.record(&order)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("the harness is gone"),
            }
            if drained != Some(self.recorded) && self.is_drained()? {
                drained = Some(self.recorded);
                println!("drained {}", self.recorded);
            }
        }
        self.pump.shutdown(GOODBYE);
        Ok(())
    }

    fn record(&mut self, order: &Order) -> anyhow::Result<()> {
        while self.recorded < order.until {
            self.store.record(Timestamp::now(), granted())?;
            self.recorded += 1;
            self.pump.wake();
            if !order.pause.is_zero() {
                std::thread::sleep(order.pause);
            }
        }
        Ok(())
    }

    fn is_drained(&self) -> anyhow::Result<bool> {
        let depth = self.outbox.depth()?;
        Ok(depth.queued + depth.under_way == 0)
    }
}

/// What comes in on standard input; what is not an order ends it.
fn listen() -> Receiver<Order> {
    let (send, orders) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let order = line.split_once(' ').and_then(|(until, micros)| {
                Some(Order {
                    until: until.parse().ok()?,
                    pause: Duration::from_micros(micros.parse().ok()?),
                })
            });
            let Some(order) = order else { return };
            if send.send(order).is_err() {
                return;
            }
        }
    });
    orders
}

fn granted() -> Event {
    Event::AccessGranted(Granted {
        rule: "everyone".into(),
        person: PersonRef {
            id: PersonId(uuid::Uuid::now_v7()),
            name: "Ada".into(),
        },
        similarity: 0.7,
        liveness: None,
        observations: 3,
        method: Method::Face,
        latency_ms: 240,
    })
}
