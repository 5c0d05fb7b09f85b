//! Three days without a broker, in a few seconds: everything waits, nothing grows but the disk,
//! and once the broker is back each event arrives, once.
//!
//! Time is simulated: the events of 72 hours up to now are recorded as fast as the disk allows,
//! with the pump trying to connect all the while. `DOORWARD_OUTAGE_EVENTS` says how many
//! (2 000 without it; 200 000 for the report in docs/delivery.md), `DOORWARD_OUTAGE_SEED` which.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use doorward::clock::Timestamp;
use doorward::config::OutboxConfig;
use doorward::event::wire::{Publication, Qos};
use doorward::event::{
    Alarm, Class, Denied, DenyReason, DropReason, Event, Method, ReleaseCause, SecureCause,
};
use doorward::process::Memory;
use doorward::store::Store;
use doorward::store::outbox::{Limits, Swept};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::broker::Broker;
use crate::support::sender::{Sender, granted};
use crate::support::subscriber::{Login, Message, Subscriber};
use crate::support::wait_for;

/// How long the broker is away, and the steps in which that passes: a picture of one step has
/// expired in the next.
const OUTAGE: Duration = Duration::from_secs(72 * 60 * 60);
const STEP: Duration = Duration::from_secs(12 * 60);
const PICTURE_EXPIRY: Duration = Duration::from_secs(300);
/// Events put on the disk in one transaction.
const BATCH: usize = 100;
/// What the process may grow by, however many events wait. Some of it is SQLite's page cache and
/// what the allocator keeps; 200 000 events are 130 MB.
const GROWTH: u64 = 64 << 20;

/// What the subscriber got, without keeping it.
#[derive(Default)]
struct Count {
    /// How often each event came, by its sequence number.
    events: Vec<u8>,
    telemetry: u64,
    pictures: u64,
    at_qos: [u64; 3],
    last: Option<Instant>,
}

impl Count {
    fn take(&mut self, message: &Message) {
        if message.topic.ends_with("/availability") {
            return;
        }
        self.last = Some(Instant::now());
        if message.topic.ends_with("/telemetry") {
            self.telemetry += 1;
            return;
        }
        if message.topic.ends_with("/snapshot") {
            self.pictures += 1;
            return;
        }
        self.at_qos[usize::from(message.qos)] += 1;
        let seq = usize::try_from(message.sequence()).unwrap();
        if self.events.len() <= seq {
            self.events.resize(seq + 1, 0);
        }
        self.events[seq] = self.events[seq].saturating_add(1);
    }

    fn received(&self) -> usize {
        self.events.iter().filter(|times| **times > 0).count()
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn resident() -> u64 {
    Memory::now().unwrap().resident
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Database and write-ahead log, in bytes.
fn on_disk(database: &Path) -> (u64, u64) {
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let log = database.with_file_name("doorward.db-wal");
    (size(database), size(&log))
}

/// Something that happens at a door, as often as it does: mostly visits.
fn happening(random: &mut ChaCha8Rng) -> Vec<Event> {
    let cause = SecureCause::Closed;
    match random.random_range(0..100) {
        0..60 => vec![
            granted(),
            Event::DoorReleased {
                cause: ReleaseCause::Grant,
                release_ms: Some(5_000),
                person: None,
            },
            Event::DoorOpened,
            Event::DoorClosed {
                open_ms: Some(random.random_range(1_000..9_000)),
            },
            Event::DoorSecured { cause },
        ],
        60..75 => vec![Event::AccessDenied(Denied {
            reason: DenyReason::Unknown,
            rule: None,
            needed: None,
            person: None,
            problem: None,
            similarity: Some(0.21),
            liveness: Some(0.93),
            observations: 3,
            method: Method::Face,
            latency_ms: 310,
        })],
        75..93 => vec![
            Event::DoorRex,
            Event::DoorOpened,
            Event::DoorClosed { open_ms: None },
        ],
        // At QoS 0 here.
        93..96 => vec![Event::ModeSet {
            mode: None,
            until: None,
        }],
        other => {
            let alarm = [Alarm::HeldOpen, Alarm::SpoofSuspected][other % 2];
            vec![
                Event::alarm_raised(alarm, "simulated".into(), None),
                Event::AlarmCleared { alarm },
            ]
        }
    }
}

/// How busy the door is at an hour of the day, relative to other hours.
fn busy(hour: u64) -> f64 {
    match hour % 24 {
        7..9 | 16..18 => 6.0,
        9..16 | 18..21 => 2.0,
        _ => 0.25,
    }
}

/// One step of the outage: its events, telemetry, a picture, and what the dispatcher would do.
struct Outage<'a> {
    store: &'a mut Store,
    door: &'a Sender,
    limits: Limits,
    random: ChaCha8Rng,
    telemetry: u64,
    pictures: u64,
    expired: u64,
    reports: u64,
}

impl Outage<'_> {
    fn step(&mut self, from: Timestamp, events: usize) {
        let mut left = events;
        let mut batch = Vec::new();
        let every = STEP / u32::try_from(events.max(1)).unwrap();
        while left > 0 {
            for event in happening(&mut self.random).into_iter().take(left) {
                let at = from + every * u32::try_from(events - left).unwrap();
                batch.push((at, event));
                left -= 1;
            }
            if batch.len() >= BATCH || left == 0 {
                self.store.record_all(batch.drain(..), None).unwrap();
            }
        }
        let now = from + STEP;
        self.other(Class::Telemetry, now + Duration::from_secs(120), 700);
        self.telemetry += 1;
        self.sweep(now);
        if events > 0 {
            self.other(Class::Snapshot, now + PICTURE_EXPIRY, 50_000);
            self.pictures += 1;
        }
    }

    fn other(&mut self, class: Class, expires_at: Timestamp, bytes: usize) {
        let wire = self.door.config.wire().unwrap();
        let publication = Publication {
            class,
            topic: wire.topic(class),
            qos: wire.qos.of(class),
            retain: false,
            content_type: "application/octet-stream",
            payload: vec![b'.'; bytes],
            expires_at: Some(expires_at),
            correlation: None,
        };
        self.store.publish_newest(&publication).unwrap();
    }

    fn sweep(&mut self, now: Timestamp) {
        loop {
            let swept = self.store.sweep_outbox(now, &self.limits).unwrap();
            if swept == Swept::default() {
                break;
            }
            self.expired += swept.expired;
            assert_eq!(swept.dropped, 0, "there is room for all of it");
        }
        let (class, reason) = (Class::Snapshot, DropReason::Expired);
        let recorded = self.store.report_dropped(now, class, reason).unwrap();
        self.reports += u64::from(recorded.is_some());
    }
}

#[test]
fn three_days_without_a_broker_cost_nothing_but_disk() {
    let events = number("DOORWARD_OUTAGE_EVENTS").unwrap_or(2_000);
    let seed = number("DOORWARD_OUTAGE_SEED").unwrap_or(1);
    println!("DOORWARD_OUTAGE_EVENTS={events} DOORWARD_OUTAGE_SEED={seed}");

    let mut door = Sender::new();
    door.mqtt().qos.admin = Qos::AtMostOnce;
    // Without this line what is sent at QoS 0 before the subscriber is back would be lost.
    let mut broker = Broker::builder(&door.pki)
        .line("queue_qos0_messages true")
        .start();
    let door = door.towards(&broker.url());
    let login = Login::default();
    // Its session stays at the broker when it goes.
    drop(Subscriber::start(
        broker.port,
        Some(&door.pki),
        "doorward/#",
        &login,
    ));
    broker.stop();

    let mut store = door.store();
    let pump = door.pump();
    pump.failure();
    let before = resident();
    let steps = OUTAGE.as_secs() / STEP.as_secs();
    let weights: Vec<f64> = (0..steps)
        .map(|step| busy(step * STEP.as_secs() / 3600))
        .collect();
    let all: f64 = weights.iter().sum();
    let start = Timestamp::now() - OUTAGE;
    let limits = Limits::from_config(&OutboxConfig::default());
    let mut outage = Outage {
        store: &mut store,
        door: &door,
        limits: limits.clone(),
        random: ChaCha8Rng::seed_from_u64(seed),
        telemetry: 0,
        pictures: 0,
        expired: 0,
        reports: 0,
    };
    let began = Instant::now();
    let (mut queued, mut weight, mut half) = (0, 0.0, before);
    for (step, share) in (0..).zip(&weights) {
        weight += share;
        let due = (events as f64 * weight / all).round() as u64;
        outage.step(
            start + STEP * u32::try_from(step).unwrap(),
            usize::try_from(due - queued).unwrap(),
        );
        queued = due;
        if step == steps / 2 {
            half = resident();
        }
    }
    let Outage {
        telemetry,
        pictures,
        expired,
        reports,
        ..
    } = outage;
    let recorded = queued + reports;
    let took = began.elapsed();
    let full = resident();
    let (peak, peak_log) = on_disk(&door.database());
    let size = store.outbox_size().unwrap();
    println!(
        "queued {queued} events and {reports} reports in {took:.1?} ({:.0}/s): {} messages, {:.1} MiB of payload wait",
        queued as f64 / took.as_secs_f64(),
        size.messages,
        mib(size.bytes)
    );
    println!(
        "telemetry: {telemetry} published, {} superseded; pictures: {pictures} published, {expired} expired",
        telemetry - 1
    );
    assert_eq!(store.head().unwrap().seq, recorded);
    // The newest telemetry waits with them, and a picture if somebody came just now.
    assert_eq!(size.messages, recorded + 1 + (pictures - expired));
    let dropped = store.dropped().unwrap();
    assert_eq!(dropped.len(), 1, "{dropped:?}");
    assert_eq!(
        (dropped[0].class, dropped[0].messages),
        (Class::Snapshot, expired)
    );
    assert!(
        !pump
            .events
            .try_iter()
            .any(|event| { !matches!(event, doorward::mqtt::PumpEvent::Disconnected { .. }) })
    );

    let count = Arc::new(Mutex::new(Count::default()));
    let counting = Arc::clone(&count);
    let began = Instant::now();
    broker.start();
    let _consumer = Subscriber::each(
        broker.port,
        Some(&door.pki),
        "doorward/#",
        &login,
        move |message| counting.lock().unwrap().take(&message),
    );
    let outbox = door.outbox();
    let (mut draining, mut left) = (full, u64::MAX);
    // As long as it goes on it may take its time.
    while left > 0 {
        let last = left;
        wait_for("more is confirmed", Duration::from_secs(60), || {
            draining = draining.max(resident());
            // As the dispatcher does: what expires while the rest drains is not sent any more.
            store.sweep_outbox(Timestamp::now(), &limits).unwrap();
            // What the pump says is not read here while it is told.
            pump.events.try_iter().for_each(drop);
            let depth = outbox.depth().unwrap();
            left = depth.queued + depth.under_way;
            left < last
        });
    }
    let took = began.elapsed();
    let expected = usize::try_from(recorded).unwrap();
    // What is lost never comes: the wait ends when nothing has come for a while.
    wait_for("the subscriber has all", Duration::from_secs(600), || {
        let count = count.lock().unwrap();
        let quiet = count
            .last
            .is_some_and(|last| last.elapsed() > Duration::from_secs(30));
        count.received() >= expected || quiet
    });
    let (file, log) = on_disk(&door.database());
    let conn = rusqlite::Connection::open(door.database()).unwrap();
    let pragma = |name: &str| -> u64 {
        let read = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        let number = conn.query_row(&format!("PRAGMA {name}"), [], read).unwrap();
        u64::try_from(number).unwrap()
    };
    let free = pragma("freelist_count") * pragma("page_size");
    let count = count.lock().unwrap();
    let lost = (1..=expected)
        .filter(|seq| count.events.get(*seq).is_none_or(|times| *times == 0))
        .count();
    let duplicated = count.events.iter().filter(|times| **times > 1).count();
    println!(
        "drained in {took:.1?} ({:.0}/s): {lost} lost, {duplicated} duplicated; by QoS at the subscriber {:?}",
        recorded as f64 / took.as_secs_f64(),
        count.at_qos
    );
    println!(
        "resident MiB: {:.1} before, {:.1} half way, {:.1} at the end of the outage, {:.1} at most while draining",
        mib(before),
        mib(half),
        mib(full),
        mib(draining)
    );
    println!(
        "disk MiB: {:.1} + {:.1} (log) at the end of the outage; {:.1} + {:.1} (log) after draining, {:.1} of it free for reuse",
        mib(peak),
        mib(peak_log),
        mib(file),
        mib(log),
        mib(free)
    );

    assert_eq!((lost, duplicated), (0, 0));
    assert_eq!(count.received(), expected);
    assert!(count.telemetry <= 1 && count.pictures <= 1);
    let size = store.outbox_size().unwrap();
    assert_eq!((size.messages, size.bytes), (0, 0));
    assert_eq!(outbox.depth().unwrap().rejected, 0);
    for (when, now) in [("half way", half), ("full", full), ("draining", draining)] {
        assert!(
            now.saturating_sub(before) < GROWTH,
            "{when}: {:.1} MiB after {:.1} MiB",
            mib(now),
            mib(before)
        );
    }
    assert!(store.verify(None).unwrap().is_whole());
}
