use std::sync::mpsc;

use super::*;
use crate::clock::{SystemClock, Timestamp};
use crate::config::MqttConfig;
use crate::event::{Event, SecureCause};
use crate::store::EventFilter;
use crate::store::outbox::Outbox;

struct Fixture {
    _folder: tempfile::TempDir,
    config: Config,
    dispatcher: Dispatcher,
    messages: mpsc::Receiver<Message>,
    woken: mpsc::Receiver<()>,
}

fn fixture(change: impl FnOnce(&mut Config)) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.store.path = folder.path().join("door.db");
    config.mqtt = Some(MqttConfig::default());
    change(&mut config);
    let (guard, messages) = mpsc::channel();
    let (wake, woken) = mpsc::channel();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let gauges = Gauges {
        slot: Arc::default(),
        meter: Arc::default(),
        started: Tick::default(),
        session_expiry_s: Arc::default(),
    };
    let committed = Box::new(move || wake.send(()).unwrap());
    let dispatcher = Dispatcher::new(&config, gauges, &clock, &guard, committed);
    Fixture {
        _folder: folder,
        dispatcher: dispatcher.unwrap().unwrap(),
        config,
        messages,
        woken,
    }
}

impl Fixture {
    fn look(&mut self, second: u64) {
        let now = Moment {
            wall: Timestamp::from_second(i64::try_from(second).unwrap()).unwrap(),
            tick: Tick(Duration::from_secs(second)),
            clock_trusted: true,
        };
        self.dispatcher.look(&now).unwrap();
    }

    fn queued(&self) -> Vec<crate::store::outbox::Row> {
        let outbox = Outbox::open(&self.config.store.path).unwrap();
        outbox
            .queued(1_000, crate::clock::Timestamp::UNIX_EPOCH)
            .unwrap()
    }

    fn record(&mut self, events: usize) {
        let cause = SecureCause::Stop;
        let event = (Timestamp::UNIX_EPOCH, Event::DoorSecured { cause });
        let events = std::iter::repeat_n(event, events);
        self.dispatcher.store.record_all(events, None).unwrap();
    }

    /// Messages of each `delivery.dropped` event.
    fn reports(&self) -> Vec<u64> {
        let filter = EventFilter {
            kinds: vec!["delivery.dropped".into()],
            ..EventFilter::default()
        };
        let events = self.dispatcher.store.events(&filter).unwrap();
        let messages = events.iter().filter_map(|recorded| match recorded.event {
            Event::DeliveryDropped { messages, .. } => Some(messages),
            _ => None,
        });
        messages.collect()
    }
}

#[test]
fn telemetry_is_queued_at_its_time_and_only_the_newest_waits() {
    let mut f = fixture(|_| {});
    f.look(1_000);
    let rows = f.queued();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].topic, "doorward/home/front/telemetry");
    assert_eq!((u8::from(rows[0].qos), rows[0].retain), (0, false));
    assert_eq!(rows[0].expires_at, Some(1_120_000));
    f.look(1_059);
    assert_eq!(f.queued(), rows);
    f.look(1_060);
    let newer = f.queued();
    assert_eq!(newer.len(), 1);
    assert!(newer[0].seq > rows[0].seq);
    assert_eq!(f.woken.try_iter().count(), 2);
    assert!(
        f.reports().is_empty(),
        "replaced by a newer one is not dropped"
    );
}

#[test]
fn no_telemetry_means_none() {
    let mut f = fixture(|config| config.telemetry.every_s = 0);
    f.look(1_000);
    assert_eq!(f.queued(), []);
}

#[test]
fn without_a_broker_there_is_nothing_to_look_after() {
    let f = fixture(|_| {});
    let config = Config {
        mqtt: None,
        ..f.config
    };
    let Dispatcher {
        gauges,
        clock,
        guard,
        ..
    } = f.dispatcher;
    let none = Dispatcher::new(&config, gauges, &clock, &guard, Box::new(|| {}));
    assert!(none.unwrap().is_none());
}

#[test]
fn a_full_outbox_is_an_alarm_until_it_is_well_below_again() {
    let mut f = fixture(|config| {
        config.telemetry.every_s = 0;
        config.outbox.max_messages = 10;
    });
    f.record(7);
    f.look(1);
    assert!(f.messages.try_recv().is_err());
    f.record(1);
    f.look(2);
    f.look(3);
    let told: Vec<Message> = f.messages.try_iter().collect();
    let [
        Message::Input(Input::Alarm {
            alarm: Alarm::Outbox,
            source: Source::Outbox,
            detail: Some(detail),
        }),
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert!(
        detail.contains("8 messages") && detail.contains("80 %"),
        "{detail}"
    );
    let conn = rusqlite::Connection::open(&f.config.store.path).unwrap();
    conn.execute("DELETE FROM outbox WHERE seq <= 2", [])
        .unwrap();
    f.look(4);
    let told: Vec<Message> = f.messages.try_iter().collect();
    assert!(
        matches!(
            &told[..],
            [Message::Input(Input::Alarm { detail: None, .. })]
        ),
        "{told:?}"
    );
}

#[test]
fn what_was_dropped_is_recorded_once_a_minute_and_events_that_count_stay() {
    let mut f = fixture(|config| {
        config.telemetry.every_s = 5;
        config.outbox.max_messages = 3;
    });
    f.record(3);
    for second in 1..=150 {
        f.look(second);
    }
    // Telemetry comes every five seconds and goes a second later: nothing else may.
    let reports = f.reports();
    assert_eq!(reports.len(), 3, "{reports:?}");
    assert_eq!(reports[0], 1);
    let total: u64 = reports.iter().sum();
    let dropped = f.dispatcher.store.dropped().unwrap();
    assert_eq!(dropped[0].reported, total);
    assert!(dropped[0].messages >= total && dropped[0].messages >= 25);
    let rows = f.queued();
    let kept = rows.iter().filter(|row| row.event_id.is_some()).count();
    assert_eq!(kept, 3 + reports.len());
}
