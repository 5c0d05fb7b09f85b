//! `doorward gpio` over simulated pins. Real chips and keypads are nothing a test has.

use serde_json::json;

use crate::support::door::{Door, stderr};

const WIRED: &str = "\
[contact]
driver = \"simulated\"
file = \"contact.level\"
open = \"high\"
[rex]
driver = \"simulated\"
file = \"rex.level\"
pressed = \"low\"
[outputs]
driver = \"simulated\"
green = { pin = 5 }
sounder = { pin = 19 }
transitions = \"outputs.jsonl\"
[keypad]
driver = \"simulated\"
device = \"keypad\"
";

/// Everything is wired and at rest.
fn door() -> Door {
    let door = Door::new(WIRED);
    for (file, content) in [("contact.level", "0"), ("rex.level", "1"), ("keypad", "")] {
        std::fs::write(door.path(file), content).unwrap();
    }
    door
}

#[test]
fn watching_once_prints_the_levels_in_their_words() {
    let door = door();
    let levels = |door: &Door| {
        let mut lines = door.json(&["gpio", "watch", "--once"]);
        for line in &mut lines {
            assert!(line.as_object_mut().unwrap().remove("time").is_some());
        }
        lines
    };
    assert_eq!(
        levels(&door),
        [
            json!({"input": "contact", "state": "closed", "active": false}),
            json!({"input": "rex", "state": "released", "active": false}),
        ]
    );
    std::fs::write(door.path("contact.level"), "1").unwrap();
    std::fs::write(door.path("rex.level"), "0").unwrap();
    assert_eq!(
        levels(&door),
        [
            json!({"input": "contact", "state": "open", "active": true}),
            json!({"input": "rex", "state": "pressed", "active": true}),
        ]
    );
}

#[test]
fn a_level_file_with_garbage_is_an_error_that_names_it() {
    let door = door();
    std::fs::write(door.path("contact.level"), "open").unwrap();
    let output = door.run(&["gpio", "watch", "--once"]);
    assert_eq!(output.status.code(), Some(1));
    let error = stderr(&output);
    assert!(
        error.contains("contact.level: neither 0 nor 1; its first character must be 0 or 1"),
        "{error}"
    );
}

#[test]
fn nothing_wired_is_nothing_to_watch() {
    let door = Door::new("");
    let output = door.run(&["gpio", "watch"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("has no [contact], [rex] or [keypad]"));
}

#[test]
fn the_wiring_is_walked_through_and_everything_ends_off() {
    let door = door();
    let pieces = door.json(&["gpio", "test", "--yes"]);
    let names: Vec<_> = pieces
        .iter()
        .map(|p| p["piece"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "relay secured",
            "relay released",
            "relay secured again",
            "contact",
            "rex",
            "green",
            "sounder",
            "keypad"
        ]
    );
    assert!(pieces.iter().all(|p| p["ok"] == true), "{pieces:?}");
    door.moved(&["secured", "released", "secured"]);
    let outputs = std::fs::read_to_string(door.path("outputs.jsonl")).unwrap();
    let last_of = |output: &str| outputs.lines().rfind(|line| line.contains(output)).unwrap();
    assert!(last_of("green").contains("false"));
    assert!(last_of("sounder").contains("false"));
}

#[test]
fn a_piece_that_fails_is_named_and_the_others_are_still_tried() {
    let door = door();
    std::fs::remove_file(door.path("rex.level")).unwrap();
    let output = door.run(&["gpio", "test", "--yes"]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let table = String::from_utf8(output.stdout).unwrap();
    let row = |piece: &str| table.lines().find(|line| line.starts_with(piece)).unwrap();
    assert!(row("rex").contains("FAILED"), "{table}");
    assert!(row("rex").contains("rex.level"), "{table}");
    assert!(row("keypad").contains("ok"), "{table}");
}

#[test]
fn questions_need_a_terminal_and_nothing_moves_without_one() {
    let door = door();
    let output = door.run(&["gpio", "test"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("needs a terminal; in a script use --yes"));
    assert!(door.transitions().is_empty());
}

#[test]
fn the_wiring_is_not_tried_under_a_running_service() {
    let door = door();
    let database = door.path("door.db");
    let _service = doorward::store::InstanceLock::acquire(&database).unwrap();
    let output = door.run(&["gpio", "test", "--yes"]);
    assert_eq!(output.status.code(), Some(1));
    let error = stderr(&output);
    assert!(error.contains("sudo systemctl stop doorward"), "{error}");
    assert!(door.transitions().is_empty());
}
