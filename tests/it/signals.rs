//! Signals at any moment: what ends the service ends it in order, and the rest does not end it.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::clip::{self, Scene};
use crate::support::door::Door;

fn door() -> Door {
    let door = Door::new("[camera]\nsource = \"file\"\npath = \"clip.avi\"\nrepeat = true\n");
    clip::write(&door.path("clip.avi"), &[Scene::empty(1.0)]).unwrap();
    door
}

#[test]
fn sigquit_ends_in_order_and_the_others_are_survived() {
    let door = door();
    let mut service = door.start();
    // Handlers stand before the relay is opened, long before the service is ready.
    service.wait_for("the relay is simulated");
    for signal in [Signal::HUP, Signal::USR1, Signal::USR2] {
        service.signal(signal);
    }
    service.wait_for("\"ready\"");
    let ignored = service.log().matches("means nothing here").count();
    assert_eq!(ignored, 2, "{}", service.log());
    service.signal(Signal::HUP);
    service.wait_for("SIGHUP");
    service.signal(Signal::QUIT);
    assert!(service.wait().success(), "{}", service.log());
    assert!(service.log().contains("stopped; the relay is secured"));
    assert_eq!(door.transitions().last().unwrap(), "secured");
    assert!(!door.transitions().contains(&"released".to_owned()));
}

#[test]
fn whenever_in_the_start_a_signal_comes_the_relay_is_never_left_released() {
    let signals = [Signal::HUP, Signal::QUIT, Signal::USR1, Signal::TERM];
    for (number, signal) in signals.into_iter().cycle().take(12).enumerate() {
        let door = door();
        let mut service = door.start();
        std::thread::sleep(Duration::from_millis(20 * number as u64));
        service.signal(signal);
        // Before the program's first line of its own, each of them ends it: nothing is open yet.
        // Afterwards it goes on or ends in order; so that it ends, it is told to.
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_raw(service.pid().cast_signed()).unwrap(),
            Signal::TERM,
        );
        let status = service.wait();
        let transitions = door.transitions();
        let only_secured = transitions.iter().all(|lock| lock == "secured");
        assert!(only_secured, "{signal:?} after {number}: {transitions:?}");
        if !transitions.is_empty() {
            assert!(
                status.success(),
                "{signal:?} after {number}: {status}, {}",
                service.log()
            );
        }
    }
}

#[test]
fn a_service_that_is_told_to_end_while_it_starts_ends_well() {
    let door = door();
    let mut service = door.start();
    service.wait_for("the relay is simulated");
    service.signal(Signal::TERM);
    assert!(service.wait().success(), "{}", service.log());
    assert_eq!(door.transitions().last().unwrap(), "secured");
}
