//! Signs of life: regular while everything works, and none once it does not; and what systemd
//! makes of that, played by [`Manager`]. What only the real systemd does: restart the service
//! afterwards, and keep its promise while the whole machine is short of memory or time.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::stalled::{Bench, Kind, Manager, Report};

use super::judge;

/// `WatchdogSec=` here; shorter than any unit's, so that a test does not wait for minutes.
const WATCHDOG: Duration = Duration::from_secs(2);
/// A journal that is stuck for so long is no sign of life; `Bench` says so.
const JOURNAL_LIMIT: Duration = Duration::from_secs(2);
const RELEASE: Duration = Duration::from_secs(3);

/// The whole process is stopped while the door is released: nothing in it can end that.
pub(super) fn stopped() -> Report {
    let mut report = Report::new("SIGSTOP while released");
    let bench = Bench::deserted(Kind::Nothing, Duration::from_secs(1), "").unwrap();
    let manager = Manager::new(&bench.door, WATCHDOG);
    let mut service = bench.start_with(manager.start());
    let pressed = bench.press();
    let released = bench.relay.next(true, pressed, pressed + RELEASE);
    service.signal(Signal::STOP);
    let stopped = Instant::now();
    let struck = manager.silent(stopped, stopped + Duration::from_secs(10));
    if struck.is_some() {
        let secured = manager.strike(&mut service);
        let said = String::from_utf8_lossy(&secured.stderr).into_owned();
        report.fact("ExecStopPost ended well", secured.status.success(), said);
    }
    let secured = bench
        .relay
        .next(false, stopped, Instant::now() + Duration::from_millis(100));
    let most = WATCHDOG + Duration::from_millis(1500);
    report.fact("released before", released.is_some(), "no");
    report.time(
        "SIGSTOP to secured",
        Some(stopped),
        secured,
        Duration::ZERO..=most,
    );
    report.fact("secured at the end", !bench.relay.is_released(), "released");
    bench.second_follows(&mut report, false, secured);
    report
}

/// While all is well there is a sign of life at least every half of the watchdog's time.
fn healthy() -> Report {
    let mut report = Report::new("signs of life");
    let bench = Bench::deserted(Kind::Nothing, RELEASE, "").unwrap();
    let manager = Manager::new(&bench.door, WATCHDOG);
    let mut service = bench.start_with(manager.start());
    let began = Instant::now();
    std::thread::sleep(4 * WATCHDOG);
    let pings = manager.pings();
    let moments = [began].into_iter().chain(pings).chain([Instant::now()]);
    let moments: Vec<_> = moments.filter(|at| *at >= began).collect();
    let pause = moments.windows(2).map(|pair| pair[1] - pair[0]).max();
    let longest = pause.map(|pause| began + pause);
    report.time(
        "longest pause",
        Some(began),
        longest,
        Duration::ZERO..=WATCHDOG * 3 / 4,
    );
    service.signal(Signal::TERM);
    report.fact("ended well", service.wait().success(), service.log());
    report
}

/// Nothing reaches the disk: signs of life come until the journal's limit, and then no more.
pub(super) fn stuck() -> Option<Report> {
    let mut report = Report::new("disk frozen, signs of life");
    let bench = Bench::deserted(Kind::Frozen, Duration::from_secs(1), "")?;
    let manager = Manager::new(&bench.door, WATCHDOG);
    let mut service = bench.start_with(manager.start());
    let stall = bench.stall_for(JOURNAL_LIMIT + 3 * WATCHDOG);
    let pressed = bench.press();
    let struck = manager.silent(pressed, stall.ends);
    // The last ping may come just before the limit, or half the watchdog's time before that.
    let least = JOURNAL_LIMIT + WATCHDOG / 3;
    let most = JOURNAL_LIMIT + WATCHDOG + Duration::from_millis(700);
    report.time(
        "press to the watchdog's end",
        Some(pressed),
        struck,
        least..=most,
    );
    let secured = !bench.relay.is_released();
    report.fact("secured by then", secured, "released");
    stall.lift();
    // Not played: systemd would have killed it. It recovers where nobody does.
    std::thread::sleep(2 * WATCHDOG);
    let thawed = Instant::now() - WATCHDOG;
    let alive = manager.pings().last().is_some_and(|at| *at > thawed);
    report.fact("alive again", alive, "no sign of life");
    service.signal(Signal::TERM);
    report.fact("ended well", service.wait().success(), service.log());
    let log = service.log();
    let mut lines = log.lines().map(str::to_lowercase);
    let named = lines.any(|line| line.contains("watchdog") && line.contains("journal"));
    report.fact("the log names the journal", named, "no");
    bench.record(&mut report, &["door.rex", "door.released", "door.secured"]);
    Some(report)
}

#[test]
fn a_stopped_process_is_killed_and_its_relay_secured() {
    judge(Some(stopped()));
}

#[test]
fn signs_of_life_come_regularly_while_all_is_well() {
    judge(Some(healthy()));
}

#[test]
fn signs_of_life_end_while_the_journal_is_stuck_and_the_log_says_why() {
    judge(stuck());
}
