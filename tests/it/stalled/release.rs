//! A release ends when it must, and a grant that could not be recorded in time opens nothing.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::broker::Broker;
use crate::support::clip::Scene;
use crate::support::door::{PATIENCE, Service, doorward};
use crate::support::faces::{PERSON, Sheet};
use crate::support::pki::Pki;
use crate::support::stalled::{Bench, Kind, Report, Stall, stall_time, within};
use crate::support::wait_for;

use super::judge;

const RELEASE: Duration = Duration::from_secs(1);

/// The disk stands still while the door is released, and the leaf moves: that has to be recorded.
fn opened_meanwhile(report: &mut Report, bench: &Bench, released: Option<Instant>) -> Stall {
    let stall = bench.stall();
    bench.leaf(true);
    let secured = released.and_then(|at| bench.moved(false, at, &stall));
    report.time("length of the release", released, secured, within(RELEASE));
    bench.second_follows(report, false, secured);
    stall
}

fn shut_and_end(report: &mut Report, bench: &Bench, service: Service, cause: &[&str]) {
    bench.leaf(false);
    std::thread::sleep(Duration::from_millis(300));
    let after = ["door.opened", "door.secured", "door.closed"];
    let expected: Vec<_> = cause.iter().copied().chain(after).collect();
    bench.end(report, service, &expected);
}

pub(super) fn by_button(kind: Kind) -> Option<Report> {
    let mut report = Report::new(format!("{}, leaf opens after the button", kind.as_str()));
    let bench = Bench::deserted(kind, RELEASE, "")?;
    let service = bench.start();
    let pressed = bench.press();
    let released = bench.relay.next(true, pressed, pressed + RELEASE);
    opened_meanwhile(&mut report, &bench, released).lift();
    shut_and_end(&mut report, &bench, service, &["door.rex", "door.released"]);
    Some(report)
}

pub(super) fn by_face(kind: Kind) -> Option<Report> {
    let mut report = Report::new(format!("{}, leaf opens after a grant", kind.as_str()));
    let visit = [visitor(), Scene::empty(30.0)];
    let bench = Bench::new(kind, RELEASE, &visit, "")?;
    bench.door.enroll_sample_person();
    let began = Instant::now();
    let service = bench.start();
    let released = bench
        .relay
        .next(true, began, began + Duration::from_secs(20));
    opened_meanwhile(&mut report, &bench, released).lift();
    let cause = ["access.granted", "door.released"];
    shut_and_end(&mut report, &bench, service, &cause);
    Some(report)
}

/// By an operator's signed command, over a real broker.
pub(super) fn by_command(kind: Kind) -> Option<Report> {
    let mut report = Report::new(format!("{}, leaf opens after a command", kind.as_str()));
    let folder = tempfile::tempdir().unwrap();
    let pki = Pki::new(folder.path(), "ca");
    let broker = Broker::builder(&pki).start();
    let mqtt = format!(
        "[mqtt]\nurl = \"{}\"\nca_file = {:?}\n",
        broker.url(),
        pki.ca
    );
    let bench = Bench::deserted(kind, RELEASE, &mqtt)?;
    let keys = folder.path().to_str().unwrap();
    let add = [
        "operators",
        "add",
        "otto",
        "--role",
        "operate",
        "--generate",
        keys,
    ];
    assert!(bench.door.run(&add).status.success());
    let service = bench.start();
    wait_for("the door listens", PATIENCE, || {
        broker
            .log()
            .contains("Sending SUBACK to doorward-home-front")
    });
    let began = Instant::now();
    let mut command = doorward();
    command.arg("--config").arg(bench.door.config());
    command.args(["command", "--as", "otto", "--key"]);
    command.arg(folder.path().join("otto.key")).arg("unlock");
    let command = command.stdout(Stdio::null()).spawn();
    let released = bench.relay.next(true, began, began + PATIENCE);
    opened_meanwhile(&mut report, &bench, released).lift();
    shut_and_end(&mut report, &bench, service, &["door.released"]);
    command.unwrap().wait().unwrap();
    Some(report)
}

/// A mode that keeps the door released goes on doing so: whoever holds it does not wait either.
pub(super) fn by_mode(kind: Kind) -> Option<Report> {
    let mut report = Report::new(format!("{}, mode unlocked", kind.as_str()));
    let bench = Bench::deserted(kind, RELEASE, "")?;
    let mut service = bench.start();
    let began = Instant::now();
    assert!(
        bench
            .door
            .run(&["mode", "unlocked", "--for", "1h"])
            .status
            .success()
    );
    let released = bench.relay.next(true, began, began + PATIENCE);
    report.fact("released", released.is_some(), "no");
    let stall = bench.stall();
    let ends = stall.ends;
    let secured = bench.relay.next(false, began, ends);
    report.fact(
        "released all the time",
        secured.is_none(),
        "secured meanwhile",
    );
    stall.wait();
    service.signal(Signal::TERM);
    report.fact("ended well", service.wait().success(), service.log());
    report.fact("secured at the end", !bench.relay.is_released(), "released");
    bench.record(&mut report, &["door.mode", "door.released", "door.secured"]);
    Some(report)
}

/// Somebody comes while nothing can be written, and nothing can for longer than they are kept
/// waiting: nobody stands there any more when it can.
pub(super) fn late(kind: Kind) -> Option<Report> {
    let mut report = Report::new(format!("{}, somebody comes", kind.as_str()));
    let visit = [Scene::empty(2.0), visitor(), Scene::empty(30.0)];
    let bench = Bench::new(kind, RELEASE, &visit, "")?;
    bench.door.enroll_sample_person();
    let mut service = bench.start();
    let began = Instant::now();
    // They are known some three seconds from here.
    let stall = bench.stall_for(stall_time().max(Duration::from_secs(6)) + Duration::from_secs(2));
    stall.wait();
    std::thread::sleep(Duration::from_secs(2));
    let opened = bench.relay.was_released(began);
    report.fact("never released", !opened, "released after the stall");
    service.signal(Signal::TERM);
    report.fact("ended well", service.wait().success(), service.log());
    // The commit of the grant may have arrived after all; then the record says what became of it.
    let events = bench.whole(&mut report);
    let says = |word: &str| {
        let mut texts = events
            .iter()
            .map(|event| serde_json::to_string(event).unwrap());
        texts.any(|text| text.contains(word))
    };
    let denied = says("storage_failure");
    report.fact("denied as storage_failure", denied, "no");
    let agrees = !says("door.released") || says("withdrawn");
    report.fact(
        "record and relay agree",
        agrees,
        "released by the record only",
    );
    Some(report)
}

fn visitor() -> Scene {
    Scene::visitor(&Sheet::open().unwrap().face(PERSON[0]).unwrap(), 4.0)
}

#[test]
fn by_the_button_it_ends_on_time_on_a_frozen_disk() {
    judge(by_button(Kind::Frozen));
}

#[test]
fn by_the_button_it_ends_on_time_under_somebody_elses_write_lock() {
    judge(by_button(Kind::Locked));
}

#[test]
fn by_a_grant_it_ends_on_time_on_a_frozen_disk() {
    judge(by_face(Kind::Frozen));
}

#[test]
fn by_a_grant_it_ends_on_time_under_somebody_elses_write_lock() {
    judge(by_face(Kind::Locked));
}

#[test]
fn by_a_command_it_ends_on_time_on_a_frozen_disk() {
    judge(by_command(Kind::Frozen));
}

#[test]
fn by_a_mode_it_lasts_through_a_frozen_disk() {
    judge(by_mode(Kind::Frozen));
}

#[test]
fn whoever_comes_while_the_disk_is_frozen_is_not_let_in_when_it_thaws() {
    judge(late(Kind::Frozen));
}
