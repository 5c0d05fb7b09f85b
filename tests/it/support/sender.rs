//! The sending half of a door: a database, a configuration, a CA, a pump. No camera, no relay.

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use doorward::clock::{SystemClock, Timestamp};
use doorward::config::{Config, MqttConfig, Protocol};
use doorward::event::wire::Qos;
use doorward::event::{Event, Granted, Method, PersonId, PersonRef, SecureCause};
use doorward::mqtt::{self, Failure, PumpConfig, PumpEvent, PumpHandle, Retry, Subscription};
use doorward::store::Store;
use doorward::store::outbox::Outbox;

use super::pki::Pki;
use super::wait_for;

/// Faster than in life: a cut must not cost the test a second.
pub const RETRY: Retry = Retry {
    first: Duration::from_millis(250),
    longest: Duration::from_millis(400),
};

/// Long enough for everything that should happen at once.
pub const SOON: Duration = Duration::from_secs(30);

pub struct Sender {
    folder: tempfile::TempDir,
    pub pki: Pki,
    pub config: Config,
}

impl Sender {
    /// A door that trusts a CA of its own.
    pub fn new() -> Self {
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

    /// One that speaks this version of MQTT.
    pub fn speaking(protocol: Protocol) -> Self {
        let mut door = Self::new();
        door.mqtt().protocol = protocol;
        door
    }

    pub fn mqtt(&mut self) -> &mut MqttConfig {
        self.config.mqtt.as_mut().unwrap()
    }

    /// The same door with another broker.
    pub fn towards(mut self, url: &str) -> Self {
        self.mqtt().url = url.to_owned();
        self
    }

    /// The same door with a broker (or proxy) on this port.
    pub fn at(self, port: u16) -> Self {
        self.towards(&format!("mqtts://localhost:{port}"))
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn database(&self) -> PathBuf {
        self.config.store.path.clone()
    }

    pub fn store(&self) -> Store {
        Store::open(&self.database(), self.config.wire()).unwrap()
    }

    pub fn outbox(&self) -> Outbox {
        Outbox::open(&self.database()).unwrap()
    }

    pub fn pump(&self) -> Pump {
        self.pump_for(&[])
    }

    /// A pump that listens to these topics.
    pub fn pump_for(&self, subscriptions: &[&str]) -> Pump {
        self.start(RETRY, subscriptions, |_| {})
    }

    /// A pump whose events are shown to `witness`, on the pump's thread, before they are told.
    pub fn pump_telling(&self, witness: impl FnMut(&PumpEvent) + Send + 'static) -> Pump {
        self.start(RETRY, &[], witness)
    }

    /// A pump with other waits.
    pub fn pump_with(&self, retry: Retry) -> Pump {
        self.start(retry, &[], |_| {})
    }

    /// A pump with other waits that listens to these topics.
    pub fn pump_with_for(&self, retry: Retry, subscriptions: &[&str]) -> Pump {
        self.start(retry, subscriptions, |_| {})
    }

    fn start(
        &self,
        retry: Retry,
        subscriptions: &[&str],
        mut witness: impl FnMut(&PumpEvent) + Send + 'static,
    ) -> Pump {
        let mut config = PumpConfig::from_config(&self.config).unwrap();
        config.retry = retry;
        let wanted = |topic: &&str| Subscription {
            topic: (*topic).to_owned(),
            qos: Qos::AtLeastOnce,
        };
        config.subscriptions = subscriptions.iter().map(wanted).collect();
        let (send, events) = mpsc::channel();
        let clock = Arc::new(SystemClock::new());
        let handle = mqtt::spawn(config, clock, move |event| {
            witness(&event);
            let _ = send.send(event);
        });
        Pump {
            handle: handle.unwrap(),
            events,
        }
    }

    /// Until the broker has confirmed everything.
    #[track_caller]
    pub fn drained(&self, limit: Duration) {
        let outbox = self.outbox();
        wait_for("the outbox is empty", limit, || {
            let depth = outbox.depth().unwrap();
            depth.queued + depth.under_way == 0
        });
    }
}

/// A pump and what it reports.
pub struct Pump {
    pub handle: PumpHandle,
    pub events: mpsc::Receiver<PumpEvent>,
}

impl Pump {
    /// The next event that `pick` takes.
    #[track_caller]
    pub fn next<T>(&self, what: &str, mut pick: impl FnMut(PumpEvent) -> Option<T>) -> T {
        let end = Instant::now() + SOON;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left);
            let event = event.unwrap_or_else(|_| panic!("waited in vain: {what}"));
            if let Some(found) = pick(event) {
                return found;
            }
        }
    }

    #[track_caller]
    pub fn connected(&self) -> bool {
        self.next("a connection", |event| match event {
            PumpEvent::Connected {
                session_present, ..
            } => Some(session_present),
            _ => None,
        })
    }

    #[track_caller]
    pub fn failure(&self) -> Failure {
        self.next("a failure", |event| match event {
            PumpEvent::Disconnected { error } => Some(error),
            _ => None,
        })
    }
}

/// An event of QoS 2.
pub fn granted() -> Event {
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

/// An event of QoS 1.
pub fn secured() -> Event {
    Event::DoorSecured {
        cause: SecureCause::Stop,
    }
}

/// Records an event of QoS 2 now.
pub fn record(store: &mut Store) -> u64 {
    store.record(Timestamp::now(), granted()).unwrap().seq
}
