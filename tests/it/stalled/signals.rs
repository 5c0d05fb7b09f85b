//! No signal that a terminal, an administrator or a habit sends ends the service with a released
//! relay: it goes on to the end of the release, or ends in order.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::door::{Door, doorward};
use crate::support::stalled::{Bench, Kind, Report};

use super::{AT_ONCE, judge};

const RELEASE: Duration = Duration::from_secs(2);

pub(super) fn scenario() -> Report {
    let mut report = Report::new("a signal while released");
    for (name, signal) in [
        ("SIGHUP", Signal::HUP),
        ("SIGQUIT", Signal::QUIT),
        ("SIGUSR1", Signal::USR1),
        ("SIGUSR2", Signal::USR2),
    ] {
        let bench = Bench::deserted(Kind::Nothing, RELEASE, "").unwrap();
        let mut service = bench.start_with(heedful(&bench.door));
        let pressed = bench.press();
        let released = bench.relay.next(true, pressed, pressed + RELEASE);
        service.signal(signal);
        let until = pressed + RELEASE + Duration::from_secs(1);
        let secured = bench.relay.next(false, pressed, until);
        let what = format!("{name}: released until");
        report.time(&what, released, secured, Duration::ZERO..=RELEASE + AT_ONCE);
        if service.ends_within(Duration::from_millis(100)) {
            let status = service.wait();
            report.fact(
                &format!("{name}: ended in order"),
                status.success(),
                status.to_string(),
            );
        } else {
            service.signal(Signal::TERM);
            let status = service.wait();
            report.fact(
                &format!("{name}: went on"),
                status.success(),
                status.to_string(),
            );
        }
        bench.record(&mut report, &["door.rex", "door.released", "door.secured"]);
    }
    report
}

/// The service with every signal at its default, as systemd starts it: a test that runs in the
/// background of a shell, or under `nohup`, would hand down some of them ignored.
fn heedful(door: &Door) -> Command {
    let mut command = Command::new("env");
    command
        .arg("--default-signal")
        .arg(doorward().get_program());
    command.arg("--config").arg(door.config()).arg("run");
    command
}

#[test]
fn none_ends_the_service_with_a_released_relay() {
    judge(Some(scenario()));
}
