//! Administration of rules, with the real binary: what each verb does, what it refuses, and that
//! an import is all or nothing.

use std::io::Write as _;
use std::process::{Output, Stdio};

use doorward::access::rules::{DAY_MINUTES, Day, Group, Holiday, Interval, Rules, Schedule};
use doorward::clock::Timestamp;
use doorward::event::{Alarm, Event, Mode};
use doorward::guard::{Author, Batch, Change, Entry, Outcome};
use doorward::store::{Apply, EventFilter, NewTemplate, PersonChange, Store, StoreError};
use jiff::civil::Date;
use proptest::prelude::*;
use serde_json::json;

use crate::support::door::{Door, doorward, stderr};

fn now() -> Timestamp {
    "2026-03-04T05:06:07.890Z".parse().unwrap()
}

/// A door with Ada and Bob.
fn staffed() -> Door {
    let door = Door::new("");
    let mut store = door.store();
    for name in ["Ada", "Bob"] {
        enroll(&mut store, name);
    }
    door
}

fn enroll(store: &mut Store, name: &str) {
    let template = NewTemplate {
        model_id: "m".into(),
        embedding: vec![0.6, 0.8],
        quality: 0.5,
        image_sha256: name.into(),
        photo: None,
    };
    store.enroll(now(), name, &[template]).unwrap();
}

#[track_caller]
fn ok(door: &Door, arguments: &[&str]) -> String {
    let output = door.run(arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn refused(door: &Door, arguments: &[&str], message: &str) {
    let before = events(door);
    let output = door.run(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    let error = stderr(&output);
    assert!(error.contains(message), "{error}\n wanted {message}");
    assert_eq!(events(door), before, "something was recorded");
}

/// Every event, as kind and data.
fn events(door: &Door) -> Vec<String> {
    let events = door.store().events(&EventFilter::default()).unwrap();
    events
        .iter()
        .map(|event| serde_json::to_string(&event.event).unwrap())
        .collect()
}

/// Runs a verb with lines on standard input.
fn with_input(door: &Door, arguments: &[&str], input: &str) -> Output {
    let mut child = doorward()
        .arg("--config")
        .arg(door.config())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A verb that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn groups_and_schedules_are_set_shown_and_removed_each_with_an_event() {
    let door = staffed();
    let hours = [
        "schedules",
        "set",
        "office",
        "--hours",
        "mon-fri 08:00-18:00",
    ];
    ok(&door, &hours);
    ok(
        &door,
        &[
            "groups",
            "set",
            "staff",
            "--door",
            "front",
            "--schedule",
            "office",
            "--pin",
            "on",
        ],
    );
    let rules = door.store().rules().unwrap();
    let staff = Group {
        doors: vec!["front".into()],
        schedule: Some("office".into()),
        pin: true,
        ..Group::default()
    };
    assert_eq!(rules.groups["staff"], staff);
    assert_eq!(rules.schedules["office"].week.len(), 5);
    // The same again is no change and no event; one switch leaves the rest.
    let before = events(&door).len();
    assert_eq!(ok(&door, &hours), "nothing to change\n");
    assert_eq!(events(&door).len(), before);
    let shown = ok(&door, &["groups", "set", "staff", "--pin", "off"]);
    assert_eq!(shown, "changed group staff\n  pin: on -> off\n");
    let last = events(&door).pop().unwrap();
    let expected = json!({"kind": "admin.rule_changed", "data":
        {"rule": "group", "name": "staff", "change": "changed", "now": "front, office"}});
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&last).unwrap(),
        expected
    );
    assert!(ok(&door, &["groups", "list"]).contains("staff: front, office\n"));
    assert!(ok(&door, &["groups", "show", "everyone"]).contains("2 members: Ada, Bob"));
    refused(
        &door,
        &["schedules", "remove", "office"],
        "schedule \"office\" is in use by staff; give them another one first",
    );
    ok(&door, &["groups", "remove", "staff"]);
    ok(&door, &["schedules", "remove", "office"]);
    assert!(door.store().rules().unwrap().schedules.is_empty());
}

#[test]
fn rules_that_cannot_be_kept_are_refused_with_the_way_out() {
    let door = Door::new("[access]\nunlock_schedule = \"day\"");
    ok(
        &door,
        &["schedules", "set", "day", "--hours", "mon 08:00-18:00"],
    );
    for (arguments, message) in [
        (
            vec!["groups", "set", "staff", "--schedule", "dayy"],
            "needs the schedule \"dayy\", which does not exist; make it with doorward schedules set, or did you mean \"day\"?",
        ),
        (
            vec!["groups", "set", "a/b", "--always"],
            "\"a/b\" cannot name a rule",
        ),
        (
            vec!["groups", "set", "a", "--door", "x y"],
            "\"x y\" cannot be the name of a door",
        ),
        (
            vec![
                "schedules",
                "set",
                "x",
                "--hours",
                "mon 08:00-12:00",
                "--hours",
                "mon-tue 11:00-13:00",
            ],
            "schedule \"x\", mon: 08:00-12:00 and 11:00-13:00 overlap",
        ),
        (
            vec!["schedules", "set", "x", "--hours", "fri-mon 08:00-12:00"],
            "is no range of days",
        ),
        (
            vec!["schedules", "set", "x", "--hours", "frei 08:00-12:00"],
            "\"frei\" is no day",
        ),
        (
            vec!["schedules", "remove", "day"],
            "holds this door unlocked",
        ),
        (
            vec!["schedules", "except", "dax", "2026-12-24", "--closed"],
            "there is no schedule \"dax\"",
        ),
        (
            vec!["groups", "remove", "everyon"],
            "there is no group \"everyon\"; did you mean \"everyone\"?",
        ),
        (
            vec![
                "holidays",
                "set",
                "x",
                "--from",
                "2026-02-02",
                "--to",
                "2026-02-01",
            ],
            "ends on 2026-02-01, before its first day 2026-02-02",
        ),
        (
            vec![
                "holidays",
                "set",
                "x",
                "--from",
                "2026-01-01",
                "--to",
                "2027-01-01",
                "--yearly",
            ],
            "must be shorter than a year",
        ),
    ] {
        refused(&door, &arguments, message);
    }
}

#[test]
fn exceptions_and_holidays() {
    let door = Door::new("");
    ok(
        &door,
        &[
            "schedules",
            "set",
            "day",
            "--hours",
            "mon-sun 22:00-06:00",
            "--hours",
            "holiday 10:00-12:00",
        ],
    );
    ok(
        &door,
        &[
            "schedules",
            "except",
            "day",
            "2026-12-24",
            "--hours",
            "08:00-12:00",
        ],
    );
    ok(
        &door,
        &["schedules", "except", "day", "2026-12-31", "--closed"],
    );
    let exceptions = || {
        door.store().rules().unwrap().schedules["day"]
            .exceptions
            .clone()
    };
    assert_eq!(exceptions().len(), 2);
    assert!(exceptions()[&"2026-12-31".parse::<Date>().unwrap()].is_empty());
    ok(
        &door,
        &["schedules", "except", "day", "2026-12-31", "--usual"],
    );
    assert_eq!(exceptions().len(), 1);
    ok(
        &door,
        &[
            "holidays",
            "set",
            "New Year",
            "--from",
            "2027-01-01",
            "--yearly",
        ],
    );
    assert_eq!(
        ok(&door, &["holidays", "list"]),
        "New Year: 2027-01-01, every year\n"
    );
    ok(&door, &["holidays", "remove", "New Year"]);
}

#[test]
fn a_person_is_set_and_their_pin_is_nowhere_to_be_read() {
    let door = staffed();
    ok(&door, &["groups", "set", "staff", "--always"]);
    let set = [
        "people",
        "set",
        "ada",
        "--group",
        "staff",
        "--until",
        "2026-02-28",
        "--extended",
        "on",
        "--pin",
        "--duress-pin",
    ];
    let output = with_input(&door, &set, "471147\n815163\n");
    assert!(output.status.success(), "{}", stderr(&output));
    let store = door.store();
    let subject = store
        .subject(store.person("Ada").unwrap().id)
        .unwrap()
        .unwrap();
    assert_eq!(subject.groups, ["staff"]);
    assert_eq!(
        subject.valid_until,
        Some("2026-03-01T00:00".parse().unwrap())
    );
    let pin = subject.pin.unwrap();
    assert!(pin.pin.starts_with("$argon2id$") && pin.duress.is_some());
    let shown = ok(&door, &["people", "show", "Ada"]);
    let exported = ok(&door, &["people", "export"]);
    let record = events(&door).join("\n");
    assert!(record.contains(r#""changes":["extended: on","groups: staff","valid until: 2026-03-01T00:00:00","PIN: set","duress PIN: set"]"#), "{record}");
    let told = [
        shown,
        exported,
        record,
        String::from_utf8(output.stdout).unwrap(),
    ]
    .join("\n");
    for secret in ["471147", "815163", "argon2"] {
        assert!(!told.contains(secret), "{told}");
    }
    for (arguments, input, message) in [
        (
            ["people", "set", "Ada", "--duress-pin"],
            "471147\n",
            "the PIN and the duress PIN must differ in two digits",
        ),
        (
            ["people", "set", "Ada", "--duress-pin"],
            "471148\n",
            "the PIN and the duress PIN must differ in two digits",
        ),
        (
            ["people", "set", "Ada", "--pin"],
            "815164\n",
            "the PIN and the duress PIN must differ in two digits",
        ),
        (
            ["people", "set", "Ada", "--pin"],
            "1234\n",
            "this PIN is among the first that are guessed",
        ),
        (
            ["people", "set", "Ada", "--pin"],
            "123\n",
            "a PIN is 4 to 12 digits",
        ),
        (
            ["people", "set", "Bob", "--duress-pin"],
            "90210\n",
            "add --pin",
        ),
    ] {
        let output = with_input(&door, &arguments, input);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
    }
    refused(
        &door,
        &["people", "set", "Ada", "--from", "2026-03-01"],
        "is never; give an end that is later",
    );
    refused(
        &door,
        &["people", "set", "Ada", "--add-group", "stuff"],
        "did you mean \"staff\"?",
    );
    refused(&door, &["people", "set", "Ada"], "nothing to set");
    ok(&door, &["people", "set", "Ada", "--no-pin"]);
    let store = door.store();
    assert!(
        store
            .subject(store.person("Ada").unwrap().id)
            .unwrap()
            .unwrap()
            .pin
            .is_none()
    );
}

#[test]
fn whoever_is_enrolled_joins_everyone_unless_told_otherwise() {
    let door = staffed();
    let mut store = door.store();
    store.put_group(now(), "staff", Group::default()).unwrap();
    let groups = ["staff".to_owned()].into();
    let carol = store
        .enroll_into(now(), "Carol", &[], &groups)
        .unwrap()
        .person;
    store.enroll_into(now(), "Ada", &[], &groups).unwrap();
    let of = |store: &Store, id| store.subject(id).unwrap().unwrap().groups;
    assert_eq!(of(&store, carol.id), ["staff"]);
    let ada = store.person("Ada").unwrap().id;
    assert_eq!(of(&store, ada), ["everyone", "staff"]);
    // A group that is gone has no members, and nobody joins it.
    store.remove_group(now(), "everyone").unwrap();
    assert_eq!(of(&store, ada), ["staff"]);
    enroll(&mut store, "Dan");
    let dan = store.person("Dan").unwrap().id;
    assert!(of(&store, dan).is_empty());
}

#[test]
fn changing_a_group_keeps_its_members() {
    let door = staffed();
    ok(&door, &["groups", "set", "everyone", "--pin", "on"]);
    assert!(ok(&door, &["groups", "show", "everyone"]).contains("2 members"));
}

#[test]
fn revisions_move_when_what_they_count_does_and_only_then() {
    let door = staffed();
    let mut store = door.store();
    let revisions = |store: &Store| {
        (
            store.rules_revision().unwrap(),
            store.gallery_revision().unwrap(),
        )
    };
    let mut last = revisions(&store);
    let mut moved = |store: &Store| {
        let new = revisions(store);
        let moved = (new.0 != last.0, new.1 != last.1);
        last = new;
        moved
    };
    store.put_group(now(), "staff", Group::default()).unwrap();
    assert_eq!(moved(&store), (true, false));
    let person = store.person("Ada").unwrap().reference();
    let ada = person.id;
    let extended = PersonChange {
        extended: Some(true),
        ..PersonChange::default()
    };
    store.set_person(now(), "Ada", &extended).unwrap();
    assert_eq!(moved(&store), (true, false));
    let mut entry = Entry::new(Author::Door, now());
    let area = Some("inside".into());
    entry.change = Some(Change::Passed { person, area });
    let batch = Batch {
        entries: vec![entry],
        ..Batch::default()
    };
    let written = store.commit("front", &batch).unwrap();
    assert!(matches!(written[0].1, Outcome::Committed { .. }));
    assert_eq!(moved(&store), (false, false));
    assert_eq!(
        store.subject(ada).unwrap().unwrap().presence.unwrap().door,
        "front"
    );
    store.rename(now(), "Ada", "Ada L").unwrap();
    assert_eq!(moved(&store), (true, true));
    store
        .set_mode(now(), "front", Some((Mode::Lockdown, None)))
        .unwrap();
    assert_eq!(moved(&store), (true, false));
    let alarm = Alarm::HeldOpen;
    let raised = Event::AlarmRaised {
        alarm,
        severity: alarm.severity(),
        detail: "x".into(),
        person: None,
    };
    store.record(now(), raised.clone()).unwrap();
    assert_eq!(moved(&store), (false, false));
    assert!(store.acknowledge(now(), alarm, None).unwrap());
    assert_eq!(moved(&store), (true, false));
    // What begins again has been seen by nobody.
    store.record(now(), raised).unwrap();
    assert!(store.conditions().unwrap()[0].acknowledged_at.is_none());
}

#[test]
fn an_order_of_a_mode_ends_by_itself() {
    let door = Door::new("");
    assert_eq!(ok(&door, &["mode"]), "the schedule governs\n");
    refused(
        &door,
        &["mode", "unlocked"],
        "an unlocked door needs an end",
    );
    refused(
        &door,
        &["mode", "lockdown", "--until", "2020-01-01T00:00:00Z"],
        "has passed already",
    );
    assert!(ok(&door, &["mode", "unlocked", "--for", "1h 30m"]).starts_with("unlocked until "));
    assert_eq!(
        ok(&door, &["mode", "lockdown"]),
        "lockdown until another order\n"
    );
    assert_eq!(events(&door).len(), 2);
    ok(&door, &["mode", "lockdown"]);
    assert_eq!(events(&door).len(), 2);
    assert_eq!(ok(&door, &["mode", "schedule"]), "the schedule governs\n");
    let mut store = door.store();
    let end = now() + jiff::SignedDuration::from_secs(60);
    store
        .set_mode(now(), "front", Some((Mode::Unlocked, Some(end))))
        .unwrap();
    assert!(store.mode_order("front", now()).unwrap().is_some());
    assert!(store.mode_order("front", end).unwrap().is_none());
    assert!(store.mode_order("back", now()).unwrap().is_none());
}

#[test]
fn alarms_are_listed_until_somebody_took_note() {
    let door = Door::new("");
    assert_eq!(ok(&door, &["alarms", "list"]), "no alarms\n");
    refused(
        &door,
        &["alarms", "ack", "held_open"],
        "held_open was never raised",
    );
    let alarm = Alarm::HeldOpen;
    let raised = Event::AlarmRaised {
        alarm,
        severity: alarm.severity(),
        detail: "open for 40 s".into(),
        person: None,
    };
    let mut store = door.store();
    store.record(now(), raised).unwrap();
    store.record(now(), Event::AlarmCleared { alarm }).unwrap();
    assert!(ok(&door, &["alarms", "list"]).contains("held_open"));
    ok(&door, &["alarms", "ack", "held_open", "--note", "delivery"]);
    assert_eq!(ok(&door, &["alarms", "list"]), "no alarms\n");
    assert!(ok(&door, &["alarms", "list", "--all"]).contains("delivery"));
    assert!(events(&door).pop().unwrap().contains("alarm.acknowledged"));
    assert_eq!(
        ok(&door, &["alarms", "ack", "held_open"]),
        "already acknowledged held_open\n"
    );
}

#[test]
fn wrong_pins_are_counted_since_the_last_right_one_or_a_new_pin() {
    use doorward::event::{DenyReason, Granted, Method, Rule};
    let door = staffed();
    let output = with_input(&door, &["people", "set", "Ada", "--pin"], "4711\n");
    assert!(output.status.success(), "{}", stderr(&output));
    let mut store = door.store();
    let ada = store.person("Ada").unwrap().reference();
    let granted = |method| Granted {
        person: ada.clone(),
        rule: Rule::Group("staff".into()),
        similarity: 0.9,
        liveness: None,
        observations: 3,
        method,
        latency_ms: 1,
    };
    let denied = |reason| Event::AccessDenied(granted(Method::FaceAndPin).denied(reason));
    let mut record = |event: Event| store.record(now(), event).unwrap().seq;
    record(denied(DenyReason::PinWrong));
    record(Event::AccessGranted(granted(Method::FaceAndPin)));
    let mut since = vec![record(denied(DenyReason::PinWrong))];
    // A face alone proves no PIN, and what is no guess is none.
    record(Event::AccessGranted(granted(Method::Face)));
    record(denied(DenyReason::PinMissing));
    since.push(record(denied(DenyReason::PinWrong)));
    since.push(record(denied(DenyReason::PinWrong)));
    let counted = |at_most| {
        let mut counted: Vec<u64> = door
            .store()
            .wrong_pins(at_most)
            .unwrap()
            .into_iter()
            .map(|recorded| recorded.seq)
            .collect();
        counted.sort_unstable();
        counted
    };
    assert_eq!(counted(10), since);
    assert_eq!(counted(2), since[1..]);
    assert_eq!(counted(0), [0; 0]);
    ok(&door, &["people", "set", "Ada", "--extended", "on"]);
    assert_eq!(counted(10), since, "another change");
    let output = with_input(&door, &["people", "set", "Ada", "--pin"], "7391\n");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(counted(10), [0; 0], "a new PIN");
}

#[test]
fn duress_of_several_people_lists_all_of_them_until_somebody_took_note() {
    let door = staffed();
    let mut store = door.store();
    let mut forced = |name: &str| {
        let person = store.person(name).unwrap().reference();
        let alarm = Alarm::Duress;
        let raised = Event::AlarmRaised {
            alarm,
            severity: alarm.severity(),
            detail: format!("the duress PIN of {name} was typed"),
            person: Some(person),
        };
        store.record(now(), raised).unwrap();
    };
    for name in ["Ada", "Bob", "Ada"] {
        forced(name);
    }
    let listed = ok(&door, &["alarms", "list"]);
    for name in ["Ada", "Bob"] {
        let told = format!("the duress PIN of {name} was typed");
        assert_eq!(listed.matches(&told).count(), 1, "{listed}");
    }
    ok(&door, &["alarms", "ack", "duress"]);
    forced("Bob");
    let listed = ok(&door, &["alarms", "list"]);
    assert!(
        listed.contains("Bob") && !listed.contains("Ada"),
        "{listed}"
    );
}

#[test]
fn people_exported_and_imported_again_are_no_change() {
    let door = staffed();
    ok(
        &door,
        &[
            "people",
            "set",
            "Ada",
            "--from",
            "2026-02-01",
            "--until",
            "2026-02-28",
        ],
    );
    for (file, flag) in [
        ("p.csv", "--csv"),
        ("p.toml", "--toml"),
        ("p.json", "--json"),
    ] {
        let exported = ok(&door, &["people", "export", flag]);
        std::fs::write(door.path(file), exported).unwrap();
        let before = events(&door);
        let path = door.path(file);
        assert_eq!(
            ok(&door, &["people", "import", path.to_str().unwrap()]),
            "nothing to change\n",
            "{file}"
        );
        assert_eq!(events(&door), before);
    }
}

#[test]
fn an_import_of_people_is_all_or_nothing_and_a_dry_run_is_nothing() {
    let door = staffed();
    let file = door.path("people.csv");
    let path = file.to_str().unwrap();
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    for (table, message) in [
        (
            "name,groups\nAda,\nEve,everyone\n",
            "people.csv:3: nothing was changed: \"Eve\": nobody is enrolled by that name; --create adds",
        ),
        (
            "name,groups\nAda,\nBob,staff\n",
            "people.csv:3: nothing was changed: there is no group \"staff\"",
        ),
        (
            "name,groups\nBob,\nada,\nAda,\n",
            "people.csv:4: nothing was changed: \"Ada\": entry 2 is about the same person",
        ),
        (
            "name,status\nAda,suspended\nBob,gone\n",
            "people.csv:3: status \"gone\"; allowed",
        ),
        (
            "name,valid_until\nAda,2026-02-30\n",
            "people.csv:2: valid_until: \"2026-02-30\" is no date",
        ),
        (
            "name,pin\nAda,1234\n",
            "people.csv:1: unknown column \"pin\"",
        ),
        ("name,groups\nAda\n", "people.csv:2: "),
    ] {
        write(table);
        refused(&door, &["people", "import", path], message);
    }
    write("name,status,valid_until\nAda,suspended,2026-02-28\nEve,active,\n");
    let before = events(&door);
    let shown = ok(&door, &["people", "import", path, "--create", "--dry-run"]);
    let expected = "changed Ada\n  status: active -> suspended\n  valid until: none -> 2026-03-01T00:00:00\nadded Eve\n";
    assert_eq!(shown, format!("{expected}dry run: nothing was changed\n"));
    assert_eq!(events(&door), before);
    assert_eq!(ok(&door, &["people", "import", path, "--create"]), expected);
    let kinds = events(&door)[before.len()..].join("\n");
    for kind in ["admin.suspended", "admin.person_changed", "admin.enrolled"] {
        assert!(kinds.contains(kind), "{kinds}");
    }
    let toml = door.path("people.toml");
    std::fs::write(
        &toml,
        "[[people]]\nname = \"Ada\"\n\n[[people]]\nname = \"Zoe\"\n",
    )
    .unwrap();
    refused(
        &door,
        &["people", "import", toml.to_str().unwrap()],
        "people.toml:4: nothing was changed: \"Zoe\"",
    );
    std::fs::write(&toml, "[[people]]\nname = \"Ada\"\npin = \"1\"\n").unwrap();
    refused(
        &door,
        &["people", "import", toml.to_str().unwrap()],
        "people.toml:3: unknown field `pin`",
    );
}

#[test]
fn rules_are_imported_all_or_none() {
    let door = Door::new("");
    let file = door.path("rules.toml");
    let path = file.to_str().unwrap();
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write("[groups.staff]\nschedule = \"day\"\n\n[groups.other]\n");
    refused(
        &door,
        &["rules", "import", path],
        "rules.toml: nothing was changed: group \"staff\" needs the schedule \"day\"",
    );
    write("[groups.staff]\npins = true\n");
    refused(
        &door,
        &["rules", "import", path],
        "rules.toml:2: unknown field `pins`",
    );
    write("[schedules.day.week]\nmon = [\"08:00-18:00\"]\n\n[groups.staff]\nschedule = \"day\"\n");
    let before = events(&door);
    let shown = ok(&door, &["rules", "import", path, "--prune", "--dry-run"]);
    for line in [
        "added schedule day\n  mon: - -> 08:00-18:00\n",
        "removed group everyone\n",
        "dry run",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    assert_eq!(events(&door), before);
    ok(&door, &["rules", "import", path]);
    assert_eq!(events(&door).len(), before.len() + 2);
    ok(&door, &["rules", "import", path, "--prune"]);
    assert!(
        !door
            .store()
            .rules()
            .unwrap()
            .groups
            .contains_key("everyone")
    );
    let exported = ok(&door, &["rules", "export"]);
    write(&exported);
    assert_eq!(
        ok(&door, &["rules", "import", path, "--prune"]),
        "nothing to change\n"
    );
}

#[test]
fn a_change_that_fails_in_the_middle_changes_nothing() {
    let door = staffed();
    let mut store = door.store();
    let result = store.edit_rules(now(), Apply::Yes, |rules| {
        rules.groups.clear();
        rules.holidays.insert(
            "a/b".into(),
            Holiday {
                first: Date::MIN,
                last: Date::MIN,
                yearly: false,
            },
        );
        Ok(())
    });
    assert!(matches!(result, Err(StoreError::Rule(_))));
    assert!(store.rules().unwrap().groups.contains_key("everyone"));
}

fn interval() -> impl Strategy<Value = Interval> {
    (0..DAY_MINUTES, 1..=DAY_MINUTES)
        .prop_filter("an empty one is none", |(start, end)| start != end)
        .prop_map(|(start, end)| Interval { start, end })
}

fn hours() -> impl Strategy<Value = Vec<Interval>> {
    prop::collection::vec(interval(), 0..3)
}

fn date() -> impl Strategy<Value = Date> {
    (1970..2100i16, 1..=12i8, 1..=28i8).prop_map(|(y, m, d)| Date::new(y, m, d).unwrap())
}

fn rules() -> impl Strategy<Value = Rules> {
    let name = "[a-zA-Z0-9._ -]{1,12}";
    let day = prop::sample::select(vec![Day::Mon, Day::Wed, Day::Sun, Day::Holiday]);
    let group = (
        prop::collection::vec("[a-z]{1,5}", 0..3),
        prop::option::of(name),
        any::<[bool; 5]>(),
    )
        .prop_map(|(doors, schedule, [a, b, c, d, e])| Group {
            doors,
            schedule,
            overrides_lockdown: a,
            first_person: b,
            waits_for_first: c,
            two_person: d,
            pin: e,
        });
    let schedule = (
        prop::collection::btree_map(day, hours(), 0..4),
        prop::collection::btree_map(date(), hours(), 0..3),
    )
        .prop_map(|(week, exceptions)| Schedule { week, exceptions });
    let holiday = (date(), date(), any::<bool>()).prop_map(|(first, last, yearly)| Holiday {
        first,
        last,
        yearly,
    });
    (
        prop::collection::btree_map(name, group, 0..3),
        prop::collection::btree_map(name, schedule, 0..3),
        prop::collection::btree_map(name, holiday, 0..3),
    )
        .prop_map(|(groups, schedules, holidays)| Rules {
            groups,
            schedules,
            holidays,
        })
}

proptest! {
    #[test]
    fn rules_survive_json_and_toml(rules in rules()) {
        let json = serde_json::to_string(&rules).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Rules>(&json).unwrap(), &rules);
        let toml = toml::to_string(&rules).unwrap();
        prop_assert_eq!(&toml::from_str::<Rules>(&toml).unwrap(), &rules);
    }
}
