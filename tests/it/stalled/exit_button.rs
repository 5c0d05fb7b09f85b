//! Nobody is kept in by a disk: the exit button acts at once and for the whole release time.

use std::time::{Duration, Instant};

use doorward::event::{Alarm, Event, Recorded};

use crate::support::stalled::{Bench, Kind, Report, within};

use super::{AT_ONCE, judge};

const RELEASE: Duration = Duration::from_secs(1);
const HELD: Duration = Duration::from_millis(4500);

/// Doors of one site: the file they share lies beside the database and stands still with it.
const SITE: &str = "[access]\nsite_file = \"disk/site.db\"\ninterlock = [\"back\"]\n";

pub(super) fn scenario(kind: Kind) -> Option<Report> {
    let mut report = Report::new(format!("{}, exit button", kind.as_str()));
    let bench = Bench::deserted(kind, RELEASE, SITE)?;
    let service = bench.start();
    let stall = bench.stall();
    let pressed = bench.press();
    let released = bench.moved(true, pressed, &stall);
    report.time(
        "press to release",
        Some(pressed),
        released,
        Duration::ZERO..=AT_ONCE,
    );
    let secured = released.and_then(|at| bench.moved(false, at, &stall));
    report.time("length of the release", released, secured, within(RELEASE));
    bench.second_follows(&mut report, true, released);
    bench.second_follows(&mut report, false, secured);
    // What was missed while it stood still must not come when it moves again.
    match kind {
        Kind::Nothing => stall.lift(),
        Kind::Frozen | Kind::Locked => stall.wait(),
    }
    std::thread::sleep(Duration::from_millis(500));
    let again = secured.is_some_and(|at| bench.relay.was_released(at));
    report.fact("released once", !again, "released again");
    let kinds = ["door.rex", "door.released", "door.secured"];
    bench.end(&mut report, service, &kinds);
    if kind != Kind::Nothing {
        let events = bench.events();
        let slow = |event: &Recorded| {
            matches!(
                &event.event,
                Event::AlarmRaised {
                    alarm: Alarm::Storage,
                    ..
                }
            )
        };
        let raised = events.iter().any(slow);
        report.fact("storage alarm raised", raised, "no");
    }
    Some(report)
}

/// Pressed for longer than any belief in it lasts without being renewed.
pub(super) fn held(kind: Kind) -> Option<Report> {
    let mut report = Report::new(format!("{}, exit button held", kind.as_str()));
    let bench = Bench::deserted(kind, RELEASE, "")?;
    let service = bench.start();
    let stall = bench.stall();
    let pressed = bench.hold(true);
    std::thread::sleep(HELD);
    let let_go = bench.hold(false);
    let released = bench.moved(true, pressed, &stall);
    report.time(
        "press to release",
        Some(pressed),
        released,
        Duration::ZERO..=AT_ONCE,
    );
    let secured = released.and_then(|at| bench.moved(false, at, &stall));
    let early = secured.is_some_and(|at| at < let_go);
    report.fact("released while held", !early, "secured before");
    report.time(
        "let go to secured",
        Some(let_go),
        secured,
        Duration::ZERO..=AT_ONCE,
    );
    stall.lift();
    let kinds = ["door.rex", "door.released", "door.secured"];
    bench.end(&mut report, service, &kinds);
    Some(report)
}

/// Several presses in one stall, the last one shortly before its end.
fn presses(kind: Kind) -> Option<Report> {
    let mut report = Report::new(format!("{}, exit button again", kind.as_str()));
    let bench = Bench::deserted(kind, RELEASE / 2, "")?;
    let service = bench.start();
    let stall = bench.stall();
    let mut expected = Vec::new();
    while stall.ends > Instant::now() + Duration::from_secs(1) {
        let pressed = bench.press();
        let released = bench.moved(true, pressed, &stall);
        report.time(
            "press to release",
            Some(pressed),
            released,
            Duration::ZERO..=AT_ONCE,
        );
        let secured = released.and_then(|at| bench.moved(false, at, &stall));
        report.time(
            "length of the release",
            released,
            secured,
            within(RELEASE / 2),
        );
        expected.extend(["door.rex", "door.released", "door.secured"]);
        std::thread::sleep(Duration::from_millis(500));
    }
    stall.wait();
    bench.end(&mut report, service, &expected);
    Some(report)
}

#[test]
fn on_a_good_day_it_releases_at_once_and_for_its_time() {
    judge(scenario(Kind::Nothing));
}

#[test]
fn on_a_frozen_disk_it_releases_at_once_and_for_its_time() {
    judge(scenario(Kind::Frozen));
}

#[test]
fn on_a_frozen_disk_it_releases_for_as_long_as_it_is_held() {
    judge(held(Kind::Frozen));
}

#[test]
fn under_somebody_elses_write_lock_it_releases_at_once_and_for_its_time() {
    judge(scenario(Kind::Locked));
}

#[test]
fn on_a_frozen_disk_it_does_so_again_and_again_and_all_of_it_is_recorded() {
    judge(presses(Kind::Frozen));
}
