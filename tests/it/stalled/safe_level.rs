//! `doorward relay secure` knows what was running: the service leaves driver, pins and levels in
//! its runtime folder, so that a configuration file that cannot be read keeps no door released.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::door::stderr;
use crate::support::stalled::{Bench, Kind, Manager};

const RELEASE: Duration = Duration::from_secs(60);

#[test]
fn a_broken_configuration_file_does_not_keep_a_door_released() {
    for broken in [Some("this is no configuration"), None] {
        let bench = Bench::deserted(Kind::Nothing, RELEASE, "").unwrap();
        let manager = Manager::new(&bench.door, Duration::from_secs(60));
        let mut service = bench.start_with(manager.start());
        let pressed = bench.press();
        let soon = pressed + Duration::from_secs(5);
        assert!(bench.relay.next(true, pressed, soon).is_some());
        assert!(bench.second.next(true, pressed, soon).is_some());
        service.signal(Signal::KILL);
        service.wait();
        assert!(bench.relay.is_released() && bench.second.is_released());

        match broken {
            Some(text) => std::fs::write(bench.door.config(), text).unwrap(),
            None => std::fs::remove_file(bench.door.config()).unwrap(),
        }
        let killed = Instant::now();
        let output = manager.stop_post(&bench.door.config());
        assert!(output.status.success(), "{}", stderr(&output));
        let soon = Instant::now() + Duration::from_secs(1);
        assert!(bench.relay.next(false, killed, soon).is_some());
        assert!(bench.second.next(false, killed, soon).is_some());
    }
}

#[test]
fn what_was_running_counts_and_not_what_the_configuration_says_now() {
    let bench = Bench::deserted(Kind::Nothing, RELEASE, "").unwrap();
    let manager = Manager::new(&bench.door, Duration::from_secs(60));
    let mut service = bench.start_with(manager.start());
    let pressed = bench.press();
    let soon = pressed + Duration::from_secs(5);
    assert!(bench.relay.next(true, pressed, soon).is_some());
    service.signal(Signal::KILL);
    service.wait();
    // Another relay, for the next start.
    let text = std::fs::read_to_string(bench.door.config()).unwrap();
    let text = text.replace("relay.jsonl", "other.jsonl");
    std::fs::write(bench.door.config(), text).unwrap();
    let killed = Instant::now();
    let output = manager.stop_post(&bench.door.config());
    assert!(output.status.success(), "{}", stderr(&output));
    let soon = Instant::now() + Duration::from_secs(1);
    assert!(bench.relay.next(false, killed, soon).is_some());
}

#[test]
fn the_unit_has_a_watchdog_and_a_runtime_folder() {
    let bench = Bench::deserted(Kind::Nothing, RELEASE, "").unwrap();
    let manager = Manager::new(&bench.door, Duration::from_secs(60));
    assert!(manager.unit("WatchdogSec").is_some());
    assert_eq!(manager.unit("RuntimeDirectory"), Some("doorward"));
}
