//! SIGTERM secures the door whatever the disk does. That the process ends as well takes the disk:
//! it is measured after the stall.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::stalled::{Bench, Kind, Report};

use super::{SIGTERM, judge};

const RELEASE: Duration = Duration::from_secs(3);

pub(super) fn released(kind: Kind) -> Option<Report> {
    let mut report = Report::new(format!("{}, SIGTERM while released", kind.as_str()));
    let bench = Bench::deserted(kind, RELEASE, "")?;
    let mut service = bench.start();
    let pressed = bench.press();
    let released = bench.relay.next(true, pressed, pressed + RELEASE);
    report.fact("released before", released.is_some(), "no");
    let stall = bench.stall();
    // Something to write, on which a door that waits for its disk waits.
    bench.leaf(true);
    std::thread::sleep(Duration::from_millis(100));
    let asked = Instant::now();
    service.signal(Signal::TERM);
    let secured = bench.moved(false, asked, &stall);
    report.time(
        "SIGTERM to secured",
        Some(asked),
        secured,
        Duration::ZERO..=SIGTERM,
    );
    bench.second_follows(&mut report, false, secured);
    stall.lift();
    let status = service.wait();
    report.fact("ended well", status.success(), status.to_string());
    let kinds = ["door.rex", "door.released", "door.opened", "door.secured"];
    bench.record(&mut report, &kinds);
    Some(report)
}

/// Nothing is released: it stays so, and the process ends as soon as the disk lets it.
pub(super) fn idle(kind: Kind) -> Option<Report> {
    let mut report = Report::new(format!("{}, SIGTERM while idle", kind.as_str()));
    let bench = Bench::deserted(kind, RELEASE, "")?;
    let began = Instant::now();
    let mut service = bench.start();
    let stall = bench.stall();
    service.signal(Signal::TERM);
    let asked = Instant::now();
    service.wait_for("\"stopping\"");
    let stopping = Some(Instant::now());
    report.time(
        "SIGTERM to stopping",
        Some(asked),
        stopping,
        Duration::ZERO..=SIGTERM,
    );
    std::thread::sleep(Duration::from_secs(1));
    let quiet = !bench.relay.was_released(began) && !bench.relay.is_released();
    report.fact("secured all the time", quiet, "released");
    stall.lift();
    let thawed = Instant::now();
    let status = service.wait();
    let most = Duration::from_secs(5);
    report.time(
        "ended after the stall",
        Some(thawed),
        Some(Instant::now()),
        Duration::ZERO..=most,
    );
    report.fact("ended well", status.success(), status.to_string());
    bench.record(&mut report, &[]);
    Some(report)
}

#[test]
fn sigterm_secures_at_once_on_a_frozen_disk() {
    judge(released(Kind::Frozen));
}

#[test]
fn sigterm_secures_at_once_under_somebody_elses_write_lock() {
    judge(released(Kind::Locked));
}

#[test]
fn sigterm_ends_an_idle_door_as_soon_as_the_disk_thaws() {
    judge(idle(Kind::Frozen));
}
