//! `doorward relay secure`: what was running counts, whatever has become of the configuration.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::clip::{self, Scene};
use crate::support::door::{Door, PATIENCE, stderr};
use crate::support::manager::Manager;
use crate::support::wait_for;

const DOOR: &str = "[camera]\nsource = \"file\"\npath = \"clip.avi\"\nrepeat = true\n\
    [rex]\ndriver = \"simulated\"\nfile = \"rex\"\npressed = \"high\"\nrelease_ms = 60000\ndebounce_ms = 0\n\
    [outputs]\ndriver = \"simulated\"\ntransitions = \"outputs.jsonl\"\nsecond_relay = { pin = 26 }\n";

/// A door that was killed while its exit button held it released.
fn killed() -> (Door, Manager) {
    let door = Door::new(DOOR);
    clip::write(&door.path("clip.avi"), &[Scene::empty(1.0)]).unwrap();
    std::fs::write(door.path("rex"), "1").unwrap();
    let manager = Manager::of(&door);
    let mut service = manager.start(&door, Duration::from_secs(60));
    wait_for("both relays are released", PATIENCE, || {
        released(&door) == (true, true)
    });
    service.signal(Signal::KILL);
    service.wait();
    (door, manager)
}

/// The relay and the second one.
fn released(door: &Door) -> (bool, bool) {
    let first = door
        .transitions()
        .last()
        .is_some_and(|lock| lock == "released");
    let outputs = std::fs::read_to_string(door.path("outputs.jsonl")).unwrap_or_default();
    let last = outputs.lines().rfind(|line| line.contains("second_relay"));
    (first, last.is_some_and(|line| line.contains("\"on\":true")))
}

fn lines(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text).into_owned();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn both_relays_are_secured_as_they_were_running() {
    let (door, manager) = killed();
    let output = manager.secure(&door);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(released(&door), (false, false));
    let expected = [
        "relay secured (Simulated, pin 17, as it was running)",
        "outputs.second_relay secured (Simulated, pin 26, as it was running)",
    ];
    assert_eq!(lines(&output.stdout), expected);
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_configuration_that_cannot_be_read_keeps_no_door_released() {
    let (door, manager) = killed();
    for broken in ["[relay\n", "[relay]\npin = \"seventeen\"\n"] {
        std::fs::write(door.config(), broken).unwrap();
        let output = manager.secure(&door);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(released(&door), (false, false));
        let error = stderr(&output);
        assert!(error.contains("what was running is secured"), "{error}");
        assert!(error.contains("doorward.toml"), "{error}");
        // Without the note nobody knows the pin.
        assert_eq!(door.run(&["relay", "secure"]).status.code(), Some(3));
    }
    std::fs::remove_file(door.config()).unwrap();
    assert!(manager.secure(&door).status.success());
}

#[test]
fn what_is_configured_otherwise_is_secured_too() {
    let (door, manager) = killed();
    let text = std::fs::read_to_string(door.config()).unwrap();
    let text = text.replace("[relay]\n", "[relay]\npin = 23\nactive = \"low\"\n");
    let text = text.replace(
        "second_relay = { pin = 26 }",
        "second_relay = { pin = 26, active = \"low\" }",
    );
    std::fs::write(door.config(), text).unwrap();
    let folder = manager.runtime.to_str().unwrap();
    let told = door.json(&["relay", "secure", "--runtime", folder]);
    let line = |relay: &str, origin: &str, pin: u32| json!({"relay": relay, "origin": origin, "driver": "simulated", "pin": pin, "lock": "secured"});
    assert_eq!(
        told,
        [
            line("relay", "running", 17),
            line("outputs.second_relay", "running", 26),
            line("relay", "configuration", 23),
        ]
    );
    assert_eq!(released(&door), (false, false));
    let output = manager.secure(&door);
    assert!(stderr(&output).contains("pin 26 is configured with another active level"));
}

#[test]
fn what_fails_decides_the_exit_code_and_nothing_else_is_left_out() {
    let (door, manager) = killed();
    let text = std::fs::read_to_string(door.config()).unwrap();
    let elsewhere = "[relay]\ndriver = \"gpiochip\"\nchip = \"/dev/gpiochip99\"\n";
    let text = text.replace("[relay]\ndriver = \"simulated\"\n", elsewhere);
    std::fs::write(door.config(), text).unwrap();
    let output = manager.secure(&door);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(stderr(&output).contains("configured but not secured: relay on /dev/gpiochip99"));
    assert_eq!(released(&door), (false, false));

    // What was running cannot be secured; the second relay is, all the same.
    let (door, manager) = killed();
    let note = manager.runtime.join("relay.json");
    let mut pins: Value = serde_json::from_slice(&std::fs::read(&note).unwrap()).unwrap();
    pins["relay"]["transitions"] = json!("/nowhere/relay.jsonl");
    std::fs::write(&note, pins.to_string()).unwrap();
    let output = manager.secure(&door);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("not secured: relay transitions file /nowhere/relay.jsonl"));
    assert_eq!(
        lines(&output.stdout)[0],
        "relay NOT secured (Simulated, pin 17, as it was running)"
    );
    // The configuration names another file, which counts as another relay.
    assert_eq!(released(&door), (false, false));
}

#[test]
fn without_a_note_the_configuration_is_gone_by_and_a_bad_note_is_told() {
    let (door, manager) = killed();
    let note = manager.runtime.join("relay.json");
    std::fs::write(&note, "{").unwrap();
    let output = manager.secure(&door);
    assert!(output.status.success());
    assert!(
        stderr(&output).contains("relay.json: EOF"),
        "{}",
        stderr(&output)
    );
    assert_eq!(released(&door), (false, false));
    std::fs::remove_file(&note).unwrap();
    let output = manager.secure(&door);
    assert!(output.status.success());
    let expected = [
        "relay secured (Simulated, pin 17, as configured)",
        "outputs.second_relay secured (Simulated, pin 26, as configured)",
    ];
    assert_eq!(lines(&output.stdout), expected);
}

#[test]
fn a_second_relay_that_nobody_can_read_of_is_told_and_the_first_is_secured() {
    let door = Door::new("[outputs]\nsecond_relay = 26\n");
    let output = door.run(&["relay", "secure"]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(stderr(&output).contains("no second relay is known"));
    door.moved(&["secured"]);
}
