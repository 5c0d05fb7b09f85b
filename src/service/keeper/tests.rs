//! The keeper over random visits, buttons and failures of the disk.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};

use proptest::prelude::*;
use rusqlite::Connection;

use super::*;
use crate::config::{ContactConfig, MqttConfig, RexConfig};
use crate::event::{PersonRef, PersonStatus};
use crate::gpio::relay::RelayError;
use crate::presentation::{Identity, TrackId};
use crate::store::NewTemplate;
use crate::store::outbox::{Change, Outbox};

/// Milliseconds, moved by hand.
#[derive(Default)]
struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + jiff::SignedDuration::try_from(self.tick().0).unwrap()
    }
    fn tick(&self) -> Tick {
        Tick(Duration::from_millis(self.0.load(Ordering::Relaxed)))
    }
    fn trusted(&self) -> bool {
        true
    }
}

/// Looks into the database, as somebody else would, whenever it is commanded.
struct Witness {
    database: PathBuf,
    seen: Sender<(Lock, Option<String>)>,
}

impl Relay for Witness {
    fn set(&mut self, lock: Lock) -> Result<(), RelayError> {
        self.seen.send((lock, newest(&self.database))).unwrap();
        Ok(())
    }
}

/// Kind of the newest event on the disk.
fn newest(database: &Path) -> Option<String> {
    let conn = Connection::open(database).unwrap();
    conn.query_row(
        "SELECT kind FROM events ORDER BY seq DESC LIMIT 1",
        [],
        |row| row.get(0),
    )
    .ok()
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Visit,
    Press(bool),
    Move(Contact),
    Disk { works: bool },
    Wait(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Visit),
        2 => any::<bool>().prop_map(Step::Press),
        2 => any::<bool>().prop_map(|open| {
            Step::Move(if open { Contact::Open } else { Contact::Closed })
        }),
        2 => any::<bool>().prop_map(|works| Step::Disk { works }),
        4 => (0u64..9_000).prop_map(Step::Wait),
    ]
}

/// What a run left behind.
struct Run {
    /// Relay commands, each with the newest event on the disk at that instant, and whether the
    /// exit button was pressed then.
    commands: Vec<(Lock, Option<String>, bool)>,
    released: usize,
    whole: bool,
    gaps: bool,
}

fn run(steps: &[Step], on_storage_failure: OnStorageFailure) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("door.db");
    let mut store = Store::open(&database, None).unwrap();
    let template = NewTemplate {
        model_id: "test".into(),
        embedding: vec![1.0],
        quality: 1.0,
        image_sha256: "0".repeat(64),
        photo: None,
    };
    let person: PersonRef = store
        .enroll(Timestamp::UNIX_EPOCH, "Ada", &[template])
        .unwrap()
        .person;
    let mut config = Config {
        contact: Some(ContactConfig::default()),
        rex: Some(RexConfig::default()),
        ..Config::default()
    };
    config.audit.on_storage_failure = on_storage_failure;
    let clock = Arc::new(HandClock::default());
    let (seen, witnessed) = mpsc::channel();
    let relay = Box::new(Witness {
        database: database.clone(),
        seen,
    });
    let committed = Box::new(|| {});
    let mut keeper = Keeper::new(&config, store, relay, None, clock.clone(), committed).unwrap();
    keeper.begin().unwrap();
    let raw = Connection::open(&database).unwrap();
    let mut commands = Vec::new();
    let mut pressed = false;
    let mut sabotaged = false;
    for step in steps {
        match *step {
            Step::Visit => {
                let claim = Claim {
                    track: TrackId(0),
                    identity: Identity::Member {
                        member: 0,
                        similarity: 0.9,
                        liveness: None,
                    },
                    observations: 3,
                    began: clock.tick(),
                };
                let member = Some(Member {
                    person: person.clone(),
                    status: PersonStatus::Active,
                });
                keeper.told(Message::Claim { claim, member });
            }
            Step::Press(now) => {
                pressed = now;
                keeper.told(Message::Rex { pressed });
            }
            Step::Move(contact) => keeper.told(Message::Contact(contact)),
            Step::Disk { works } if works == sabotaged => {
                sabotaged = !works;
                raw.execute_batch(if works {
                    "DROP TRIGGER sabotage"
                } else {
                    "CREATE TRIGGER sabotage BEFORE INSERT ON events
                     BEGIN SELECT RAISE(ABORT, 'no'); END"
                })
                .unwrap();
            }
            Step::Disk { .. } => {}
            Step::Wait(ms) => {
                clock.0.fetch_add(ms, Ordering::Relaxed);
            }
        }
        keeper.due();
        commands.extend(
            witnessed
                .try_iter()
                .map(|(lock, kind)| (lock, kind, pressed)),
        );
    }
    if sabotaged {
        raw.execute_batch("DROP TRIGGER sabotage").unwrap();
    }
    clock.0.fetch_add(60_000, Ordering::Relaxed);
    keeper.due();
    drop(keeper.end());
    commands.extend(witnessed.try_iter().map(|(lock, kind)| (lock, kind, false)));
    let store = Store::open(&database, None).unwrap();
    let events = store.events(&Default::default()).unwrap();
    Run {
        released: events
            .iter()
            .filter(|event| matches!(event.event, Event::DoorReleased { .. }))
            .count(),
        whole: store.verify(None).unwrap().is_whole(),
        gaps: events.iter().zip(1..).any(|(event, seq)| event.seq != seq),
        commands,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Invariants 1, 2 and 3.
    #[test]
    fn nothing_is_released_without_its_record_but_for_an_exit_and_the_record_adds_up(
        steps in prop::collection::vec(any_step(), 1..40),
    ) {
        let run = run(&steps, OnStorageFailure::Deny);
        let mut releases = 0;
        for (lock, newest, pressed) in &run.commands {
            if *lock == Lock::Released {
                releases += 1;
                let recorded = newest.as_deref() == Some("door.released");
                prop_assert!(recorded || *pressed, "released on {newest:?}");
            }
        }
        prop_assert_eq!(run.commands.last().map_or(Lock::Secured, |last| last.0), Lock::Secured);
        prop_assert_eq!(run.released, releases, "what could not be written then is written later");
        prop_assert!(run.whole);
        prop_assert!(!run.gaps);
    }
}

#[test]
fn with_grant_on_storage_failure_the_door_opens_and_the_record_follows() {
    let steps = [
        Step::Disk { works: false },
        Step::Visit,
        Step::Wait(10_000),
        Step::Disk { works: true },
        Step::Wait(6_000),
    ];
    let denied = run(&steps, OnStorageFailure::Deny);
    assert!(
        denied
            .commands
            .iter()
            .all(|(lock, ..)| *lock == Lock::Secured)
    );
    assert_eq!(denied.released, 0);
    let granted = run(&steps, OnStorageFailure::Grant);
    let released = |(lock, ..): &&(Lock, _, _)| *lock == Lock::Released;
    assert_eq!(granted.commands.iter().filter(released).count(), 1);
    assert_eq!(granted.released, 1, "written when the disk works again");
    assert!(granted.whole && !granted.gaps);
}

#[test]
fn nobody_is_let_in_while_older_events_wait() {
    let steps = [
        Step::Disk { works: false },
        Step::Visit,
        Step::Disk { works: true },
        Step::Visit,
    ];
    let behind = run(&steps, OnStorageFailure::Deny);
    assert_eq!(
        behind.released, 0,
        "the denial before it is not written yet"
    );
    let later = [Step::Wait(6_000), Step::Visit];
    let caught_up = run(&[&steps[..], &later].concat(), OnStorageFailure::Deny);
    assert_eq!(caught_up.released, 1);
}

/// A keeper before a broker that refuses everything, and what the keeper makes of that.
struct Refused {
    _folder: tempfile::TempDir,
    keeper: Keeper,
    clock: Arc<HandClock>,
    outbox: Outbox,
    _witnessed: mpsc::Receiver<(Lock, Option<String>)>,
}

fn before_a_broker_that_refuses() -> Refused {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("door.db");
    let config = Config {
        mqtt: Some(MqttConfig::default()),
        ..Config::default()
    };
    let store = Store::open(&database, config.wire()).unwrap();
    let clock = Arc::new(HandClock::default());
    let (seen, witnessed) = mpsc::channel();
    let relay = Box::new(Witness {
        database: database.clone(),
        seen,
    });
    let committed = Box::new(|| {});
    let mut keeper = Keeper::new(&config, store, relay, None, clock.clone(), committed).unwrap();
    keeper.begin().unwrap();
    Refused {
        _folder: folder,
        keeper,
        clock,
        outbox: Outbox::open(&database).unwrap(),
        _witnessed: witnessed,
    }
}

impl Refused {
    /// The broker refuses what waits, and what follows from that, until nothing follows any more.
    fn settle(&mut self) {
        for _ in 0..10 {
            let rows = self
                .outbox
                .queued(100, crate::clock::Timestamp::UNIX_EPOCH)
                .unwrap();
            if rows.is_empty() {
                return;
            }
            for row in rows {
                let (seq, reason) = (row.seq, "not authorised");
                let change = Change::Rejected { seq, reason };
                self.outbox.apply(&[change], None).unwrap();
                self.keeper.told(Message::Undelivered(Undelivered {
                    seq,
                    event: row.event_id,
                    topic: row.topic,
                    reason: reason.into(),
                }));
            }
            self.keeper.due();
        }
        panic!("refusals without end");
    }

    fn pass(&mut self, hours: u64) {
        for _ in 0..hours * 6 {
            self.clock.0.fetch_add(600_000, Ordering::Relaxed);
            self.keeper.due();
            self.settle();
        }
    }

    /// Topic and number of each report.
    fn reports(&mut self) -> Vec<(String, u64)> {
        let events = self.keeper.journal.store().events(&Default::default());
        let report = |recorded: crate::event::Recorded| match recorded.event {
            Event::DeliveryRefused {
                topic, messages, ..
            } => Some((topic, messages)),
            _ => None,
        };
        events.unwrap().into_iter().filter_map(report).collect()
    }
}

#[test]
fn a_broker_that_refuses_everything_is_told_of_and_causes_nothing_else() {
    let mut refused = before_a_broker_that_refuses();
    refused.settle();
    let state = ("doorward/home/front/state".to_owned(), 1);
    assert_eq!(refused.reports(), std::slice::from_ref(&state));
    // No report leads to a summary that is refused, which leads to a report.
    refused.pass(100);
    assert_eq!(refused.reports(), [state]);
}

#[test]
fn refused_events_are_told_of_at_once_and_then_once_an_hour_with_their_number() {
    let mut refused = before_a_broker_that_refuses();
    refused.settle();
    let before = refused.reports().len();
    for _ in 0..5 {
        refused.keeper.record(Event::DoorRex);
        refused.settle();
    }
    refused.pass(3);
    refused.keeper.record(Event::DoorRex);
    refused.settle();
    let mut reports = refused.reports();
    reports.retain(|(topic, _)| topic.ends_with("/event/door"));
    let numbers: Vec<u64> = reports.iter().map(|(_, messages)| *messages).collect();
    assert_eq!(numbers, [1, 4, 1]);
    assert_eq!(
        refused.reports().len(),
        before + 3,
        "the summary has its day"
    );
}
