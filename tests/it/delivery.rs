//! Delivery to a real Mosquitto: what is recorded arrives, in order, once, whatever happens.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use doorward::clock::Timestamp;
use doorward::config::{Config, MqttConfig};
use doorward::event::{Event, Granted, Method, PersonId, PersonRef, SecureCause};
use doorward::mqtt::{self, PumpConfig, PumpEvent, PumpHandle, Retry};
use doorward::store::Store;
use doorward::store::outbox::Outbox;

use crate::support::broker::Broker;
use crate::support::pki::Pki;
use crate::support::proxy::Proxy;
use crate::support::subscriber::{Login, Subscriber};
use crate::support::wait_for;

/// Faster than in life: a cut must not cost the test a second.
const RETRY: Retry = Retry {
    first: Duration::from_millis(250),
    longest: Duration::from_millis(400),
};
const SOON: Duration = Duration::from_secs(10);

/// A door's side of it: a database, a configuration, a CA.
struct Door {
    folder: tempfile::TempDir,
    pki: Pki,
    config: Config,
}

impl Door {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::new(folder.path(), "ca");
        let mut config = Config::default();
        config.store.path = folder.path().join("doorward.db");
        config.mqtt = Some(MqttConfig {
            ca_file: Some(pki.ca.clone()),
            ..MqttConfig::default()
        });
        Self {
            folder,
            pki,
            config,
        }
    }

    fn mqtt(&mut self) -> &mut MqttConfig {
        self.config.mqtt.as_mut().unwrap()
    }

    fn towards(mut self, url: &str) -> Self {
        self.mqtt().url = url.to_owned();
        self
    }

    fn store(&self) -> Store {
        Store::open(&self.config.store.path, self.config.wire()).unwrap()
    }

    fn outbox(&self) -> Outbox {
        Outbox::open(&self.config.store.path).unwrap()
    }

    fn pump(&self) -> (PumpHandle, mpsc::Receiver<PumpEvent>) {
        let mut config = PumpConfig::from_config(&self.config).unwrap();
        config.retry = RETRY;
        let (send, events) = mpsc::channel();
        let handle = mqtt::spawn(config, move |event| {
            let _ = send.send(event);
        });
        (handle.unwrap(), events)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Until everything recorded is with the broker.
    fn drained(&self, limit: Duration) {
        let outbox = self.outbox();
        wait_for("the outbox is empty", limit, || {
            let depth = outbox.depth().unwrap();
            depth.queued + depth.under_way == 0
        });
    }
}

/// An event of QoS 2.
fn granted() -> Event {
    Event::AccessGranted(Granted {
        person: PersonRef {
            id: PersonId::generate(),
            name: "Ada".into(),
        },
        similarity: 0.7,
        observations: 3,
        method: Method::Face,
        latency_ms: 240,
    })
}

/// An event of QoS 1.
fn secured() -> Event {
    Event::DoorSecured {
        cause: SecureCause::Stop,
    }
}

#[test]
fn what_was_recorded_without_a_broker_arrives_in_order_when_it_starts() {
    let door = Door::new();
    let mut broker = Broker::builder(&door.pki).prepare();
    let door = door.towards(&broker.url());
    let mut store = door.store();
    let (pump, events) = door.pump();
    for _ in 0..20 {
        store.record(Timestamp::now(), granted()).unwrap();
        store.record(Timestamp::now(), secured()).unwrap();
    }
    pump.wake();
    let PumpEvent::Disconnected { error } = events.recv_timeout(SOON).unwrap() else {
        panic!("connected to nothing");
    };
    assert!(error.to_string().contains("connection refused"), "{error}");

    // The consumer must be there before the first message.
    pump.shutdown(Duration::ZERO);
    broker.start();
    let consumer = Subscriber::start(
        broker.port,
        Some(&door.pki),
        "doorward/#",
        &Login::default(),
    );
    let (pump, events) = door.pump();
    wait_for("all events", SOON, || {
        consumer.sequences("/event/").len() >= 40
    });
    door.drained(SOON);
    let expected: Vec<u64> = (1..=40).collect();
    assert_eq!(consumer.sequences("/event/"), expected);
    let message = &consumer.messages()[1];
    assert_eq!(message.content_type, "application/cloudevents+json");
    assert_eq!((message.qos, message.retain), (2, false));
    assert_eq!(message.user_properties, "");
    let delivered = events
        .try_iter()
        .filter(|event| {
            matches!(
                event,
                PumpEvent::Delivered {
                    event_id: Some(_),
                    ..
                }
            )
        })
        .count();
    assert_eq!(delivered, 40);

    // New rows of this process come at once, without waiting for the poll.
    store.record(Timestamp::now(), granted()).unwrap();
    pump.wake();
    wait_for("one more", SOON, || {
        consumer.sequences("/access").len() == 21
    });

    pump.shutdown(SOON);
    assert_eq!(consumer.payloads("/availability"), ["online", "stopped"]);
    assert_eq!(
        Subscriber::retained(
            broker.port,
            Some(&door.pki),
            "doorward/home/front/availability"
        )
        .unwrap(),
        "stopped"
    );
}
