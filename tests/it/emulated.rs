//! The real pump against a broker that does what a real one would not do on demand.
//!
//! Each file holds one kind of trouble. The broker's own record says what counts as delivered; every
//! test prints the outcome that `docs/delivery.md` lists.

mod cuts;
mod emqx;
mod faults;
mod qos2;
mod refusals;
mod sessions;
mod takeover;
mod versions;

use std::time::Duration;

use doorward::clock::Timestamp;
use doorward::config::{Protocol, ResendDup};
use doorward::event::Event;
use doorward::mqtt::{PumpEvent, Retry};
use doorward::store::Store;

use crate::support::emulated::Emulated;
use crate::support::sender::{Pump, SOON, Sender, granted};

/// What every test of both protocols runs through.
const PROTOCOLS: [Protocol; 2] = [Protocol::V5, Protocol::V311];

/// The first connection that carries messages: the one before it made the session, or cleared it.
const FIRST: usize = 2;

/// Quick: the emulated broker has nothing to tidy up after a cut.
const QUICK: Retry = Retry {
    first: Duration::from_millis(20),
    longest: Duration::from_millis(40),
};

/// An emulated broker and a door that knows it.
struct Scene {
    broker: Emulated,
    door: Sender,
    store: Store,
}

impl Scene {
    fn new(protocol: Protocol) -> Self {
        let broker = Emulated::start();
        let mut door = Sender::new().towards(&broker.url());
        door.mqtt().allow_plaintext = true;
        door.mqtt().protocol = protocol;
        // As the standard says, and without asking for the broker's version.
        door.mqtt().resend_dup = ResendDup::Always;
        let store = door.store();
        Self {
            broker,
            door,
            store,
        }
    }

    /// Records so many events of QoS 2.
    fn record(&mut self, events: usize) {
        for _ in 0..events {
            self.record_one(granted());
        }
    }

    fn record_one(&mut self, event: Event) {
        self.store.record(Timestamp::now(), event).unwrap();
    }

    fn pump(&self) -> Pump {
        self.door.pump_with(QUICK)
    }

    /// A pump that listens there too, as a door does.
    fn pump_for(&self, topics: &[&str]) -> Pump {
        self.door.pump_with_for(QUICK, topics)
    }

    /// Until everything is confirmed or set aside.
    #[track_caller]
    fn drained(&self) {
        self.door.drained(SOON);
    }

    /// Each of the events 1 to `events` counts as delivered once.
    #[track_caller]
    fn exactly_once(&self, events: u64) {
        let mut sequences = self.broker.sequences();
        sequences.sort_unstable();
        let expected: Vec<u64> = (1..=events).collect();
        assert_eq!(sequences, expected, "{:#?}", self.broker.journal());
    }

    /// No message was given up.
    #[track_caller]
    fn nothing_set_aside(&self) {
        let rejected = self.door.outbox().rejected().unwrap();
        let journal = self.broker.journal();
        assert!(rejected.is_empty(), "{rejected:?}\n{journal:#?}");
    }

    /// The client never came back sooner than the first wait.
    #[track_caller]
    fn patient(&self) {
        let pauses = self.broker.pauses();
        assert!(
            pauses.iter().all(|pause| *pause >= QUICK.first),
            "{pauses:?}"
        );
    }
}

/// How many events the pump has reported as delivered so far.
fn reported(pump: &Pump) -> usize {
    let events = pump.events.try_iter();
    let delivered = events.filter(|event| {
        matches!(
            event,
            PumpEvent::Delivered {
                event_id: Some(_),
                ..
            }
        )
    });
    delivered.count()
}
