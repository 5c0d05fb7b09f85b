//! `docs/door.md` has a table of states and inputs; it says what the code does.

use super::tests::{granted, mode, settings, step_recorded, words};
use super::*;
use crate::door::Input;

const DOCUMENT: &str = include_str!("../../../../docs/door.md");

/// The states of the table, in the order of its columns.
const STATES: [&str; 5] = ["secured", "released", "held", "lockdown", "stopped"];

fn at(ms: u64) -> Tick {
    Tick(Duration::from_millis(ms))
}

/// The usual door of a state, shut, one second after it came into it at 1 s.
fn canonical(state: &str) -> Door {
    let inputs = match state {
        "secured" => vec![],
        "released" => vec![granted(false)],
        "held" => vec![Input::Schedule { unlocked: true }],
        "lockdown" => vec![mode(Mode::Lockdown, None)],
        "stopped" => vec![Input::Stop],
        other => panic!("no state {other}"),
    };
    let shut = Input::Contact(Contact::Closed);
    let (mut door, _) = step(&settings(), Door::default(), shut, at(0));
    for input in inputs {
        (door, _) = step_recorded(&settings(), door, input, at(1_000));
    }
    door
}

fn state(door: &Door) -> &'static str {
    match (door.stopped, door.relay, door.mode()) {
        (true, ..) => "stopped",
        (_, Relay::Held, _) => "held",
        (_, Relay::Moment(_), _) => "released",
        (_, Relay::Secured, Mode::Lockdown) => "lockdown",
        (_, Relay::Secured, Mode::Normal) => "secured",
        (_, Relay::Secured, Mode::Unlocked) => "held when it can be",
    }
}

/// The inputs of a row: those that prepare it, then the one that it is about.
fn inputs(row: &str) -> Vec<Input> {
    let contact = Input::Contact;
    let rex = |pressed| Input::Rex { pressed };
    let blocked = Input::Interlock { blocked: true };
    match row {
        "granted" => vec![granted(false)],
        "granted, interlock blocked" => vec![blocked, granted(false)],
        "unlock" => vec![Input::Unlock],
        "unlock, interlock blocked" => vec![blocked, Input::Unlock],
        "lock" => vec![Input::Lock],
        "operator: normal" => vec![mode(Mode::Normal, None)],
        "operator: unlocked" => vec![mode(Mode::Unlocked, None)],
        "operator: unlocked, interlock blocked" => vec![blocked, mode(Mode::Unlocked, None)],
        "operator: lockdown" => vec![mode(Mode::Lockdown, None)],
        "operator: as the schedule says" => vec![Input::Operator(None)],
        "schedule: unlocked" => vec![Input::Schedule { unlocked: true }],
        "schedule: locked" => vec![Input::Schedule { unlocked: false }],
        "contact: opened" => vec![contact(Contact::Open)],
        "contact: closed again" => vec![contact(Contact::Open), contact(Contact::Closed)],
        "exit button: pressed" => vec![rex(true)],
        "exit button: let go" => vec![rex(true), rex(false)],
        "interlock: blocked" => vec![blocked],
        "interlock: free again" => vec![blocked, Input::Interlock { blocked: false }],
        "release by the mode recorded" => vec![mode(Mode::Unlocked, None), Input::HoldRecorded],
        "the same, the mode over" => vec![
            mode(Mode::Unlocked, None),
            mode(Mode::Normal, None),
            Input::HoldRecorded,
        ],
        "the same, not recorded" => vec![mode(Mode::Unlocked, None), Input::HoldNotRecorded],
        "release not renewed" => vec![Input::Lapsed],
        "tick, nothing due" | "tick, an hour later" => vec![Input::Tick],
        "relay failed" => vec![Input::RelayFailed],
        "stop" => vec![Input::Stop],
        other => panic!("docs/door.md has a row {other:?} that no input belongs to"),
    }
}

fn cell(row: &str, column: &str) -> String {
    let now = if row == "tick, an hour later" {
        at(3_600_000)
    } else {
        at(2_000)
    };
    let mut inputs = inputs(row);
    let last = inputs.pop().unwrap();
    let mut before = canonical(column);
    for input in inputs {
        (before, _) = step(&settings(), before, input, now);
    }
    let (after, effects) = step(&settings(), before.clone(), last, now);
    let mut does: Vec<String> = effects.iter().map(words).collect();
    if let (Relay::Moment(then), Relay::Moment(now)) = (before.relay, after.relay)
        && now.until > then.until
    {
        does.push("extend".into());
    }
    if does.is_empty() {
        does.push(if after == before { "nothing" } else { "note" }.into());
    }
    let mut cell = does.join("; ");
    if state(&before) != state(&after) {
        cell = format!("{cell} → {}", state(&after));
    }
    cell
}

#[test]
fn the_table_in_the_documentation_says_what_the_code_does() {
    let lines: Vec<Vec<&str>> = DOCUMENT
        .lines()
        .skip_while(|line| !line.starts_with("| input |"))
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert_eq!(lines[0][1..], STATES);
    let rows = &lines[2..];
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|line| {
            let mut right = vec![line[0].to_owned()];
            right.extend(STATES.map(|column| cell(line[0], column)));
            (*line != right).then(|| format!("| {} |", right.join(" | ")))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "these rows are to be:\n{}",
        wrong.join("\n")
    );
    assert_eq!(rows.len(), 26, "every input has its rows");
}
