//! What the record and the delivery cost: synthetic events through the real store, outbox and pump
//! to a real broker.
//!
//! Works on a database of its own and below a topic of its own, never on the door's. Three parts:
//! events are recorded one by one while nothing is sent; then the pump connects and drains them;
//! then some are recorded one by one, each when the one before is delivered. Flows in: the broker's
//! settings. Flows out: rates, and how long a commit and a delivery take.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::{BenchError, Spread};
use crate::clock::{SystemClock, Timestamp};
use crate::config::{Config, Protocol};
use crate::event::chain::ChainHash;
use crate::event::wire::{Qos, QosPolicy};
use crate::event::{Class, Event, Granted, Method, PersonId, PersonRef, Recorded};
use crate::mqtt::request::{Request, RequestError};
use crate::mqtt::{self, MqttError, PumpConfig, PumpEvent, PumpHandle};
use crate::process;
use crate::store::Store;

/// Everything is published below this.
pub const BASE_TOPIC: &str = "doorward-bench";
/// Longest silence while something is awaited.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the one message that must come back may take.
const PROOF: Duration = Duration::from_secs(10);
/// How long the goodbye to the broker may take.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long the broker keeps the session of this measurement, in seconds.
const SESSION_S: u32 = 60;

/// What is to be measured.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many events are recorded, and then drained.
    pub events: usize,
    /// How many are sent one by one after that.
    pub paced: usize,
    /// Quality of service of every message.
    pub qos: Qos,
    /// Bytes of a message's payload; as long as an ordinary event if absent.
    pub payload: Option<usize>,
}

/// What was measured.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Delivery {
    /// Quality of service.
    pub qos: Qos,
    /// MQTT's version.
    pub protocol: Protocol,
    /// Messages under way at once, at most.
    pub inflight: u16,
    /// Bytes of a payload.
    pub payload_bytes: usize,
    /// Events recorded and drained.
    pub events: usize,
    /// Events a second that were recorded, one commit each, while nothing was sent.
    pub recorded_per_second: f64,
    /// One event and its outbox row, on the disk.
    pub commit: Spread,
    /// From the first hand-over to the last acknowledgement.
    pub drain_seconds: f64,
    /// Events a second in that time.
    pub drained_per_second: f64,
    /// Transactions of the pump for each drained event; absent where SQLite does not tell.
    pub commits_per_event: Option<f64>,
    /// CPU time of this process for each drained event, in microseconds.
    pub cpu_us_per_event: f64,
    /// From the commit to the last acknowledgement, one event at a time.
    pub latency: Spread,
}

/// Measures with a new database in `folder`. `progress` is called for every event recorded, and
/// for every one delivered.
///
/// # Errors
/// When the store cannot be used, the broker cannot be reached or refuses the messages, or the
/// connection ends on the way.
pub fn measure(
    config: &Config,
    folder: &Path,
    plan: &Plan,
    mut progress: impl FnMut(),
) -> Result<Delivery, BenchError> {
    let config = of_its_own(config, folder, plan.qos)?;
    let pump = PumpConfig::from_config(&config)?;
    prove_that_something_arrives(&config)?;
    let (event, payload_bytes) = synthetic(&config, plan.payload)?;
    let mut store = Store::open(&config.store.path, config.wire())?;

    let mut commits = Vec::with_capacity(plan.events);
    let began = Instant::now();
    for _ in 0..plan.events {
        let start = Instant::now();
        record(&mut store, &event)?;
        commits.push(start.elapsed());
        progress();
    }
    let recording = began.elapsed();

    let inflight = pump.inflight;
    let mut sender = Sender::start(pump)?;
    let first = sender.connected()?;
    let (transactions, cpu) = (transactions(&config.store.path), process::cpu_time());
    let mut last = first;
    for _ in 0..plan.events {
        (last, _) = sender.delivered()?;
        progress();
    }
    let cpu = process::cpu_time().saturating_sub(cpu);
    let transactions = transactions
        .zip(self::transactions(&config.store.path))
        .map(|(before, after)| after.wrapping_sub(before));
    let draining = last - first;

    let mut latencies = Vec::with_capacity(plan.paced);
    for _ in 0..plan.paced {
        let id = record(&mut store, &event)?;
        let committed = Instant::now();
        sender.pump.wake();
        let delivered = loop {
            match sender.delivered()? {
                (at, delivered) if delivered == id => break at,
                _ => {}
            }
        };
        latencies.push(delivered.saturating_duration_since(committed));
        progress();
    }
    sender.pump.shutdown(GOODBYE);

    let events = plan.events as f64;
    Ok(Delivery {
        qos: plan.qos,
        protocol: config.mqtt.map_or(Protocol::V5, |mqtt| mqtt.protocol),
        inflight,
        payload_bytes,
        events: plan.events,
        recorded_per_second: events / recording.as_secs_f64(),
        commit: Spread::of(commits),
        drain_seconds: draining.as_secs_f64(),
        drained_per_second: events / draining.as_secs_f64(),
        commits_per_event: transactions.map(|count| f64::from(count) / events),
        cpu_us_per_event: cpu.as_secs_f64() * 1e6 / events,
        latency: Spread::of(latencies),
    })
}

/// With MQTT 3.1.1 a message that the broker's rules deny is acknowledged like any other: one is sent
/// that must come back.
fn prove_that_something_arrives(config: &Config) -> Result<(), BenchError> {
    let (Some(mqtt), Some(wire)) = (&config.mqtt, config.wire()) else {
        return Ok(());
    };
    if mqtt.protocol != Protocol::V311 {
        return Ok(());
    }
    let topic = wire.topic(Class::Access);
    let payload = Uuid::now_v7().as_bytes().to_vec();
    let request = Request {
        command_topic: topic.clone(),
        result_topic: topic.clone(),
        correlation: Vec::new(),
        payload: payload.clone(),
        expiry_s: SESSION_S,
        timeout: PROOF,
    };
    match mqtt::request::ask(mqtt, &request, |incoming| incoming.payload == payload) {
        Ok(_) => Ok(()),
        Err(RequestError::Mqtt(error)) => Err(error.into()),
        Err(error @ RequestError::Connection(_)) => Err(BenchError::Interrupted(error.to_string())),
        Err(error @ RequestError::NotSent { .. }) => {
            Err(BenchError::NoConnection(error.to_string()))
        }
        Err(RequestError::NotAllowed { what, .. }) => Err(BenchError::NothingArrives {
            topic,
            cause: format!("the broker does not let this client {what} it"),
        }),
        Err(RequestError::NoAnswer { seconds }) => Err(BenchError::NothingArrives {
            topic,
            cause: format!("{seconds} s were waited"),
        }),
    }
}

/// The configured broker, with a database, a topic and a client id that are nobody else's.
fn of_its_own(config: &Config, folder: &Path, qos: Qos) -> Result<Config, BenchError> {
    let mut config = config.clone();
    let mqtt = config.mqtt.as_mut().ok_or(MqttError::NoBroker)?;
    let own = Uuid::now_v7().simple().to_string();
    // The end of it is random; the beginning is the time.
    let own = own.get(20..).unwrap_or(&own);
    mqtt.client_id = Some(format!("{BASE_TOPIC}-{own}"));
    mqtt.base_topic = Some(format!("{BASE_TOPIC}/{own}"));
    mqtt.session_expiry_s = SESSION_S;
    mqtt.qos = QosPolicy {
        access: qos,
        door: qos,
        admin: qos,
        alarm: qos,
        attack: qos,
        state: qos,
        command: qos,
        telemetry: qos,
        snapshot: qos,
    };
    config.store.path = folder.join("outbox.db");
    Ok(config)
}

/// An event whose message has so many bytes, and how many it has.
fn synthetic(config: &Config, payload: Option<usize>) -> Result<(Event, usize), BenchError> {
    let granted = |rule: String| {
        Event::AccessGranted(Granted {
            rule: rule.into(),
            person: PersonRef {
                id: PersonId(uuid::Uuid::now_v7()),
                name: "Bench".into(),
            },
            similarity: 0.75,
            liveness: Some(0.5),
            observations: 3,
            method: Method::Face,
            latency_ms: 240,
        })
    };
    let wire = config.wire().ok_or(MqttError::NoBroker)?;
    let bytes = |event: &Event| {
        let recorded = Recorded {
            seq: 0,
            id: Uuid::nil(),
            time: Timestamp::UNIX_EPOCH,
            clock_synced: true,
            by: None,
            event: event.clone(),
            hash: ChainHash([0; 32]),
        };
        wire.publication(&recorded)
            .map(|publication| publication.payload.len())
            .map_err(|error| BenchError::Payload(error.to_string()))
    };
    let Some(wanted) = payload else {
        let event = granted("everyone".into());
        let bytes = bytes(&event)?;
        return Ok((event, bytes));
    };
    let least = bytes(&granted(String::new()))?;
    let filler = wanted.checked_sub(least).ok_or_else(|| {
        BenchError::Payload(format!("an event's message has at least {least} bytes"))
    })?;
    Ok((granted("x".repeat(filler)), wanted))
}

fn record(store: &mut Store, event: &Event) -> Result<Uuid, BenchError> {
    let event = (Timestamp::now(), event.clone());
    let recorded = store.record_all([event], None)?;
    Ok(recorded.first().map_or(Uuid::nil(), |recorded| recorded.id))
}

/// How many transactions the database has seen, from the header of its WAL index: a counter that
/// every transaction increments. The difference of two readings is meant, not the number.
fn transactions(database: &Path) -> Option<u32> {
    let mut index = database.as_os_str().to_owned();
    index.push("-shm");
    let mut header = [0; 12];
    let mut file = std::fs::File::open(index).ok()?;
    file.read_exact(&mut header).ok()?;
    let [.., a, b, c, d] = header;
    Some(u32::from_ne_bytes([a, b, c, d]))
}

/// The pump, and when it reported what.
struct Sender {
    pump: PumpHandle,
    is_connected: bool,
    events: Receiver<(Instant, PumpEvent)>,
}

impl Sender {
    fn start(config: PumpConfig) -> Result<Self, BenchError> {
        let (send, events) = mpsc::channel();
        let pump = mqtt::spawn(config, Arc::new(SystemClock::new()), move |event| {
            // Whoever measured has what it needs when it no longer listens.
            let _ = send.send((Instant::now(), event));
        })?;
        Ok(Self {
            pump,
            is_connected: false,
            events,
        })
    }

    /// Since when there is a connection: the pump hands over from there on.
    fn connected(&mut self) -> Result<Instant, BenchError> {
        loop {
            if let (at, PumpEvent::Connected { .. }) = self.next()? {
                self.is_connected = true;
                return Ok(at);
            }
        }
    }

    /// The next delivery of an event.
    fn delivered(&mut self) -> Result<(Instant, Uuid), BenchError> {
        loop {
            if let (
                at,
                PumpEvent::Delivered {
                    event_id: Some(id), ..
                },
            ) = self.next()?
            {
                return Ok((at, id));
            }
        }
    }

    /// What would make the figures worthless is an error.
    fn next(&mut self) -> Result<(Instant, PumpEvent), BenchError> {
        match self.events.recv_timeout(PATIENCE) {
            Ok((_, PumpEvent::Disconnected { error })) if self.is_connected => {
                Err(BenchError::Interrupted(error.to_string()))
            }
            Ok((_, PumpEvent::Disconnected { error })) => {
                Err(BenchError::NoConnection(error.to_string()))
            }
            Ok((_, PumpEvent::Rejected { topic, reason, .. })) => {
                Err(BenchError::Refused { topic, reason })
            }
            Ok(event) => Ok(event),
            Err(_) => Err(BenchError::Silent(PATIENCE.as_secs())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MqttConfig;

    fn config() -> Config {
        Config {
            mqtt: Some(MqttConfig::default()),
            ..Config::default()
        }
    }

    #[test]
    fn a_message_is_as_long_as_asked_for_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let config = of_its_own(&config(), folder.path(), Qos::ExactlyOnce).unwrap();
        for wanted in [600, 5_000] {
            let (event, bytes) = synthetic(&config, Some(wanted)).unwrap();
            assert_eq!(bytes, wanted);
            let mut store = Store::open(&config.store.path, config.wire()).unwrap();
            record(&mut store, &event).unwrap();
            let outbox = crate::store::outbox::Outbox::open(&config.store.path).unwrap();
            let row = outbox
                .queued(10, crate::clock::Timestamp::UNIX_EPOCH)
                .unwrap()
                .pop()
                .unwrap();
            assert_eq!((row.payload.len(), row.qos), (wanted, Qos::ExactlyOnce));
        }
        let error = synthetic(&config, Some(10)).unwrap_err().to_string();
        assert!(error.contains("at least"), "{error}");
    }

    #[test]
    fn nothing_of_the_door_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let (door, bench) = (
            config(),
            of_its_own(&config(), folder.path(), Qos::AtMostOnce).unwrap(),
        );
        let mqtt = bench.mqtt.clone().unwrap();
        assert_ne!(bench.store.path, door.store.path);
        assert!(mqtt.client_id.unwrap().starts_with(BASE_TOPIC));
        let wire = bench.wire().unwrap();
        assert!(wire.base_topic.starts_with(BASE_TOPIC));
        let other = of_its_own(&config(), folder.path(), Qos::AtMostOnce).unwrap();
        assert_ne!(other.wire().unwrap().base_topic, wire.base_topic);
    }

    #[test]
    fn transactions_are_counted_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let config = of_its_own(&config(), folder.path(), Qos::ExactlyOnce).unwrap();
        let mut store = Store::open(&config.store.path, config.wire()).unwrap();
        let (event, _) = synthetic(&config, None).unwrap();
        record(&mut store, &event).unwrap();
        let before = transactions(&config.store.path).unwrap();
        for _ in 0..7 {
            record(&mut store, &event).unwrap();
        }
        let after = transactions(&config.store.path).unwrap();
        assert_eq!(after.wrapping_sub(before), 7);
    }
}
