//! SIGKILL at random instants while the door grants: what is left must always add up.
//!
//! The child is this test binary again, running the service's own guard, journal and latch with a simulated relay.
//! `DOORWARD_CRASH_KILLS` says how many kills there are (60 by default), `DOORWARD_CRASH_SEED`
//! repeats a run.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use doorward::clock::{Clock, SystemClock, Tick, Timestamp};
use doorward::config::Config;
use doorward::event::{Event, PersonStatus};
use doorward::gallery::Member;
use doorward::gpio::relay;
use doorward::guard::Input;
use doorward::presentation::{Claim, Identity, TrackId};
use doorward::service::door::{self, Parts, Ways};
use doorward::service::guard::Message;
use doorward::store::{InstanceLock, NewTemplate, Store};
use rand::{Rng as _, SeedableRng as _};

use crate::support::door::{Door, PATIENCE, stderr};
use crate::support::wait_for;

/// Names the configuration to the child; without it the child's test does nothing.
const CHILD: &str = "DOORWARD_CRASH_CHILD";

/// The process that is killed: grants as fast as the disk allows, until it dies.
#[test]
fn child_of_the_crash_test() {
    let Some(config) = std::env::var_os(CHILD) else {
        return;
    };
    let mut config = Config::load(Path::new(&config)).unwrap();
    config.relay.release_ms = 1;
    let _lock = InstanceLock::acquire(&config.store.path).unwrap();
    let relay = relay::open(&config.relay).unwrap();
    let store = Store::open(&config.store.path, config.wire()).unwrap();
    let person = store.person("Crash Dummy").unwrap().reference();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let parts = Parts {
        store,
        relay,
        second: None,
        panel: None,
        snapshots: None,
        reload: None,
        commits: Arc::default(),
        committed: Box::new(|| {}),
        gallery: None,
        recovery: None,
    };
    let ways = Ways::new();
    let guard = ways.inbox.clone();
    let _door = door::Door::start(&config, ways, parts, &clock, &mut |_, work| {
        std::thread::spawn(work);
        Ok(())
    })
    .unwrap();
    let member = Member {
        person,
        status: PersonStatus::Active,
    };
    let end = Instant::now() + Duration::from_secs(30);
    while Instant::now() < end {
        let claim = claim(clock.tick());
        let member = Some(member.clone());
        let claimed = Message::Input(Input::Claim { claim, member });
        if guard.send(claimed).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn claim(began: Tick) -> Claim {
    Claim {
        track: TrackId(1),
        identity: Identity::Member {
            member: 0,
            similarity: 0.8,
            liveness: Some(0.9),
        },
        observations: 3,
        began,
    }
}

#[test]
fn a_kill_at_any_instant_leaves_a_record_that_adds_up() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let kills: u64 = number("DOORWARD_CRASH_KILLS").unwrap_or(60);
    let seed: u64 = number("DOORWARD_CRASH_SEED").unwrap_or_else(rand_seed);
    println!("DOORWARD_CRASH_KILLS={kills} DOORWARD_CRASH_SEED={seed}");
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);

    let mut door = crash_door();
    let (mut busy, mut before) = (0, 0);
    for kill in 1..=kills {
        // The whole record is checked every time: a new one now and then keeps that quick.
        if kill % 50 == 0 {
            door = crash_door();
            busy += std::mem::take(&mut before);
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child_of_the_crash_test", "--nocapture"])
            .env(CHILD, door.config())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Mostly while it grants, now and then while it starts.
        if kill % 5 > 0 {
            wait_for("the child opens the door", PATIENCE, || {
                releases(&door) > before
            });
        }
        std::thread::sleep(Duration::from_micros(random.random_range(0..40_000)));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert!(!status.success(), "kill {kill}: the child ended by itself");

        // What systemd's ExecStopPost does.
        let secured = door.run(&["relay", "secure"]);
        assert!(secured.status.success(), "{}", stderr(&secured));
        let transitions = door.transitions();
        assert_eq!(transitions.last().unwrap(), "secured", "kill {kill}");

        let store = door.store();
        let report = store.verify(None).unwrap();
        assert!(report.is_whole(), "kill {kill}: {report:?}");
        let events = store.events(&Default::default()).unwrap();
        for (n, event) in (1..).zip(&events) {
            assert_eq!(event.seq, n, "kill {kill}: a gap");
        }
        let recorded = events
            .iter()
            .filter(|event| matches!(event.event, Event::DoorReleased { .. }))
            .count();
        let released = releases(&door);
        assert!(
            released <= recorded,
            "kill {kill}: {released} releases, {recorded} on the record"
        );
        before = released;
    }
    busy += before;
    println!("{kills} kills, {busy} releases");
    assert!(busy as u64 >= kills / 2, "the door hardly opened: {busy}");
}

fn releases(door: &Door) -> usize {
    let text = std::fs::read_to_string(door.path("relay.jsonl")).unwrap_or_default();
    text.matches("\"released\"").count()
}

fn crash_door() -> Door {
    let door = Door::new("");
    let template = NewTemplate {
        model_id: "test".into(),
        embedding: vec![1.0],
        quality: 1.0,
        image_sha256: "0".repeat(64),
        photo: None,
    };
    let now = Timestamp::now();
    let mut store = door.store();
    store.enroll(now, "Crash Dummy", &[template]).unwrap();
    door
}

fn rand_seed() -> u64 {
    u64::from(std::process::id()) << 32 ^ Timestamp::now().as_nanosecond() as u64
}
