//! When the pins move, on a clock that stands until it is moved.

use std::sync::Mutex;
use std::time::Duration;

use super::Script;
use crate::clock::{Clock, Tick, Timestamp};
use crate::event::wire::Lock;
use crate::gpio::latch::bolt::Bolt;
use crate::gpio::latch::{LatchReport, Pulse, ROUND};

/// A clock that stands until it is moved.
#[derive(Default)]
struct Standing(Mutex<Duration>);

impl Standing {
    fn to(&self, ms: u64) -> Tick {
        let now = Duration::from_millis(ms);
        *self.0.lock().unwrap() = now;
        Tick(now)
    }
}

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
    fn tick(&self) -> Tick {
        Tick(*self.0.lock().unwrap())
    }
    fn trusted(&self) -> bool {
        true
    }
}

fn at(ms: u64) -> Tick {
    Tick(Duration::from_millis(ms))
}

fn set(lock: Lock, ms: u64, expired: bool) -> LatchReport {
    let at = at(ms);
    LatchReport::Set { lock, at, expired }
}

/// Runs the bolt; what was reported comes back with the counts.
fn with_bolt(script: &Script, drive: impl FnOnce(&mut Bolt<'_>, &Standing)) -> Vec<LatchReport> {
    let (clock, pulse) = (Standing::default(), Pulse::default());
    let reports = Mutex::new(Vec::new());
    let report = |report| reports.lock().unwrap().push(report);
    let mut relay = script.relay("first");
    let second = Some(script.relay("second"));
    let mut bolt = Bolt::new(&mut *relay, second, &clock, &report, &pulse);
    drive(&mut bolt, &clock);
    drop(bolt);
    reports.into_inner().unwrap()
}

#[test]
fn a_release_ends_at_its_end_and_not_before() {
    let script = Script::default();
    let reports = with_bolt(&script, |bolt, clock| {
        clock.to(100);
        bolt.release_until(at(3_100));
        assert_eq!(bolt.patience(at(3_000)), Duration::from_millis(100));
        bolt.due(clock.to(3_099));
        assert_eq!(script.moves("first"), "R");
        bolt.due(clock.to(3_100));
        assert_eq!(script.moves("first"), "RS");
        assert_eq!(bolt.patience(at(3_100)), ROUND);
    });
    let expected = [
        set(Lock::Released, 100, false),
        set(Lock::Secured, 3_100, true),
    ];
    assert_eq!(reports, expected);
}

#[test]
fn a_lease_lasts_as_long_as_it_is_renewed_and_moves_the_pin_once() {
    let script = Script::default();
    let reports = with_bolt(&script, |bolt, clock| {
        for second in 0..10 {
            let now = clock.to(second * 1_000);
            bolt.due(now);
            bolt.release_until(now + Duration::from_secs(3));
        }
        bolt.due(clock.to(11_999));
        assert_eq!(script.moves("first"), "R");
        bolt.due(clock.to(12_000));
    });
    assert_eq!(reports.last(), Some(&set(Lock::Secured, 12_000, true)));
    assert_eq!(reports.len(), 2);
}

#[test]
fn a_later_order_moves_the_end_forth_and_back() {
    let script = Script::default();
    let reports = with_bolt(&script, |bolt, clock| {
        bolt.release_until(at(1_000));
        bolt.release_until(at(5_000));
        bolt.due(clock.to(1_000));
        assert_eq!(script.moves("first"), "R");
        bolt.release_until(at(2_000));
        bolt.due(clock.to(2_000));
        assert_eq!(script.moves("first"), "RS");
        // Back to what is past: secured at once.
        bolt.release_until(at(9_000));
        bolt.release_until(at(1_999));
        assert_eq!(script.moves("first"), "RSRS");
    });
    assert_eq!(reports.last(), Some(&set(Lock::Secured, 2_000, true)));
}

#[test]
fn an_order_that_comes_after_its_end_releases_nothing_and_is_told() {
    let script = Script::default();
    let reports = with_bolt(&script, |bolt, clock| {
        clock.to(3_000);
        bolt.release_until(at(3_000));
        bolt.release_until(at(2_000));
        assert_eq!(script.moves("first"), "");
    });
    let late = |report: &LatchReport| matches!(report, LatchReport::Failed { lock: Lock::Released, message } if message.contains("end"));
    assert!(
        reports.len() == 2 && reports.iter().all(late),
        "{reports:?}"
    );
}

#[test]
fn securing_by_order_is_no_expiry_and_happens_once() {
    let script = Script::default();
    let reports = with_bolt(&script, |bolt, clock| {
        bolt.secure();
        bolt.release_until(at(1_000));
        clock.to(10);
        bolt.secure();
        bolt.secure();
        bolt.due(clock.to(1_000));
        assert_eq!(script.moves("first"), "RS");
    });
    assert_eq!(reports[1..], [set(Lock::Secured, 10, false)], "{reports:?}");
}

#[test]
fn a_pin_that_does_not_secure_is_tried_again_until_it_does_and_told_once() {
    let script = Script::default();
    script.answers("first", ".xx");
    let reports = with_bolt(&script, |bolt, clock| {
        bolt.release_until(at(1_000));
        bolt.due(clock.to(1_000));
        bolt.due(clock.to(1_199));
        assert_eq!(bolt.patience(at(1_199)), Duration::from_millis(1));
        bolt.due(clock.to(1_200));
        assert_eq!(script.moves("first"), "R");
        bolt.due(clock.to(1_400));
        assert_eq!(script.moves("first"), "RS");
    });
    let [released, failed, secured] = &reports[..] else {
        panic!("{reports:?}");
    };
    assert_eq!(*released, set(Lock::Released, 0, false));
    assert!(
        matches!(failed, LatchReport::Failed { lock: Lock::Secured, message } if message.contains("refused"))
    );
    assert_eq!(*secured, set(Lock::Secured, 1_400, true));
}

#[test]
fn a_release_that_the_driver_refuses_ends_secured() {
    let script = Script::default();
    script.answers("first", "xx");
    let reports = with_bolt(&script, |bolt, clock| {
        bolt.release_until(at(1_000));
        bolt.due(clock.to(200));
        assert_eq!(script.moves("first"), "S");
        assert!(!script.moves("second").contains('R'));
    });
    let failed = |report: &LatchReport| match report {
        LatchReport::Failed { lock, .. } => Some(*lock),
        LatchReport::Set { .. } => None,
    };
    let failed: Vec<_> = reports.iter().filter_map(failed).collect();
    assert_eq!(failed, [Lock::Secured, Lock::Released]);
    assert_eq!(reports.last(), Some(&set(Lock::Secured, 200, false)));
}

#[test]
fn the_second_relay_follows_and_its_failure_stops_nothing() {
    let script = Script::default();
    script.answers("second", "x..x.");
    let reports = with_bolt(&script, |bolt, clock| {
        bolt.release_until(at(1_000));
        assert_eq!(
            (script.moves("first"), script.moves("second")),
            ("R".into(), "".into())
        );
        bolt.due(clock.to(200));
        assert_eq!(script.moves("second"), "R");
        bolt.due(clock.to(1_000));
        assert_eq!(script.moves("second"), "RS");
        bolt.release_until(at(2_000));
        bolt.secure();
        // Wanted released and failed, wanted secured and tried at once.
        assert_eq!(script.moves("second"), "RSS");
    });
    assert_eq!(reports.len(), 4, "{reports:?}");
    assert_eq!(script.moves("first"), "RSRSS");
}
