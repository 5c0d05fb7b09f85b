//! The thread, its queue and its ends, on the real clock.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Script;
use crate::clock::{Clock, SystemClock};
use crate::event::wire::Lock;
use crate::gpio::latch::{Latch, LatchGone, LatchReport, QUEUE, ROUND};
use crate::gpio::relay::Relay;

/// The thread, with what it reports.
fn spawn(
    script: &Script,
) -> (
    Latch,
    JoinHandle<Box<dyn Relay>>,
    Receiver<LatchReport>,
    SystemClock,
) {
    let clock = SystemClock::new();
    let (told, reports) = channel();
    let second = Some(script.relay("second"));
    let report = move |report| drop(told.send(report));
    let (latch, thread) = Latch::spawn(
        script.relay("first"),
        second,
        Arc::new(clock.clone()),
        report,
    )
    .unwrap();
    (latch, thread, reports, clock)
}

/// For as long as a busy machine may take to run a thread.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn the_thread_ends_a_release_on_time_while_whoever_ordered_it_sleeps() {
    let script = Script::default();
    let (latch, thread, reports, clock) = spawn(&script);
    let until = clock.tick() + Duration::from_millis(400);
    latch.release_until(until).unwrap();
    let ended = std::iter::from_fn(|| reports.recv_timeout(PATIENCE).ok()).find(|report| {
        matches!(
            report,
            LatchReport::Set {
                lock: Lock::Secured,
                ..
            }
        )
    });
    let Some(LatchReport::Set {
        at, expired: true, ..
    }) = ended
    else {
        panic!("{ended:?}");
    };
    assert!(
        at >= until && at.since(until) < Duration::from_secs(1),
        "{at:?}, {until:?}"
    );
    let pulse = latch.beats();
    assert_eq!(
        (pulse.releases(), pulse.expired(), pulse.failures()),
        (1, 1, 0)
    );
    latch.stop();
    drop(thread.join().unwrap());
    assert_eq!(latch.secure(), Err(LatchGone::Ended));
    assert_eq!(
        (script.moves("first"), script.moves("second")),
        ("RSS".into(), "RSS".into())
    );
}

#[test]
fn it_beats_while_nothing_happens() {
    let (latch, _thread, _reports, clock) = spawn(&Script::default());
    let pulse = latch.beats();
    let first = pulse.beat.last().unwrap();
    let begun = Instant::now();
    while pulse.beat.last().unwrap() <= first + ROUND && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
    let last = pulse.beat.last().unwrap();
    assert!(
        last > first + ROUND && clock.tick().since(last) < PATIENCE,
        "{last:?}"
    );
}

#[test]
fn dropping_the_last_handle_secures_and_ends_it() {
    let script = Script::default();
    let (latch, thread, reports, clock) = spawn(&script);
    let another = latch.clone();
    latch.release_until(clock.tick() + PATIENCE).unwrap();
    reports.recv_timeout(PATIENCE).unwrap();
    drop(latch);
    assert_eq!(script.moves("first"), "R");
    drop(another);
    drop(thread.join().unwrap());
    assert_eq!(
        (script.moves("first"), script.moves("second")),
        ("RS".into(), "RS".into())
    );
}

#[test]
fn a_panic_of_the_thread_secures() {
    let script = Script::default();
    // Released; and then the driver panics where the end of the release comes.
    script.answers("first", ".!");
    let (latch, thread, _reports, clock) = spawn(&script);
    latch
        .release_until(clock.tick() + Duration::from_millis(50))
        .unwrap();
    assert!(thread.join().is_err());
    assert_eq!(
        (script.moves("first"), script.moves("second")),
        ("RS".into(), "RS".into())
    );
    assert_eq!(
        latch.release_until(clock.tick() + PATIENCE),
        Err(LatchGone::Ended)
    );
}

#[test]
fn a_latch_that_hangs_keeps_nobody_waiting_and_secures_first_when_it_goes_on() {
    let script = Script::default();
    let hang = Duration::from_millis(500);
    script.answers_slowly("first", ".", hang);
    let (latch, thread, reports, clock) = spawn(&script);
    latch.release_until(clock.tick() + PATIENCE).unwrap();
    while !script.hangs() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let begun = Instant::now();
    let waiting = (0..).take_while(|_| latch.release_until(clock.tick() + PATIENCE).is_ok());
    assert_eq!(waiting.count(), QUEUE);
    assert_eq!(latch.secure(), Err(LatchGone::Full));
    assert!(begun.elapsed() < hang, "an order waited");
    let secured = std::iter::from_fn(|| reports.recv_timeout(PATIENCE).ok()).find(|report| {
        matches!(
            report,
            LatchReport::Set {
                lock: Lock::Secured,
                ..
            }
        )
    });
    assert!(secured.is_some());
    // What had waited is not carried out afterwards.
    let next = reports.recv_timeout(PATIENCE).unwrap();
    assert!(
        matches!(
            next,
            LatchReport::Failed {
                lock: Lock::Released,
                ..
            }
        ),
        "{next:?}"
    );
    latch.stop();
    drop(thread.join().unwrap());
    assert_eq!(script.moves("first"), "RSS");
}
