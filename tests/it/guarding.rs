//! The running service as a guard: exit button, contact, modes, rules, PINs, alarms, and two doors of
//! one site. Rules are set by the real CLI while the service runs.
//!
//! Where somebody is needed, the sample person stands before the camera all the time and is decided
//! about once a second; liveness has tests of its own. Each test ends with the verified record.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use doorward::clock::Timestamp;
use doorward::event::Recorded;
use doorward::store::{EventFilter, Store};
use jiff::tz::TimeZone;
use jiff::{Span, Zoned};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::clip::{self, Scene};
use crate::support::door::{Door, PATIENCE, Service, doorward, stderr};
use crate::support::faces::{PERSON, Sheet};
use crate::support::small_disk::{fill, on_small_disk, seen_by};
use crate::support::wait_for;

const SAM: &str = "Sam Sample";

/// Somebody who stands there is denied once a second: that shall have no consequences of its own.
const UNCOUNTED: &str = "[access]\nlockout_after = 0\nalarm_after_denials = 0\n";
const TRUSTED: &str = "[clock]\nalways_trusted = true\n";
const CONTACT: &str = "[contact]\ndriver = \"simulated\"\nfile = \"contact\"\n";
const REX: &str =
    "[rex]\ndriver = \"simulated\"\nfile = \"rex\"\npressed = \"high\"\nrelease_ms = 300\n";
const KEYPAD: &str = "[keypad]\ndriver = \"simulated\"\ndevice = \"keypad\"\n";
const OUTPUTS: &str = "[outputs]\ndriver = \"simulated\"\ntransitions = \"outputs.jsonl\"\ngreen = { pin = 5 }\nred = { pin = 6 }\nblue = { pin = 13 }\nsounder = { pin = 19 }\n";

/// A door with nobody before it.
fn deserted(more: &str) -> Door {
    let door = Door::new(&format!("{CAMERA}{more}"));
    clip::write(&door.path("clip.avi"), &[Scene::empty(1.0)]).unwrap();
    door
}

/// A door with the sample person before it, whom nobody has enrolled yet.
fn visited(more: &str) -> Door {
    let door = Door::new(&format!("{CAMERA}{more}"));
    let face = Sheet::open().unwrap().face(PERSON[0]).unwrap();
    // Of a visit of three seconds the part between walking up and leaving.
    let visit = [Scene::visitor(&face, 3.0)];
    let standing = clip::frames(&visit);
    clip::record(&door.path("clip.avi"), standing.skip(12).take(22)).unwrap();
    door
}

/// A door with the sample person before it, enrolled and suspended: resumed when the test is ready.
fn besieged(more: &str) -> Door {
    let door = visited(more);
    door.enroll_sample_person();
    ok(&door, &["people", "suspend", SAM]);
    door
}

const CAMERA: &str = "[camera]\nsource = \"file\"\npath = \"clip.avi\"\nrepeat = true\nmotion_gate = false\n\
    [liveness]\nmode = \"off\"\n[recognition]\nrepeat_after_ms = 1000\n";

/// Puts another value in place of the default 500 ms.
fn release_for(door: &Door, ms: u32) {
    let text = std::fs::read_to_string(door.config()).unwrap();
    let text = text.replacen("release_ms = 500", &format!("release_ms = {ms}"), 1);
    std::fs::write(door.config(), text).unwrap();
}

fn started(door: &Door) -> Service {
    let mut service = door.start();
    service.wait_for("\"ready\"");
    service
}

/// Ends the service well; what it has written is whole.
#[track_caller]
fn ended(door: &Door, mut service: Service) {
    service.signal(Signal::TERM);
    assert!(service.wait().success(), "{}", service.log());
    ok(door, &["events", "verify"]);
}

#[track_caller]
fn ok(door: &Door, arguments: &[&str]) {
    let output = door.run(arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        stderr(&output)
    );
}

/// Gives the sample person a PIN and a duress PIN.
#[track_caller]
fn give_pins(door: &Door, pin: &str, duress: &str) {
    let mut command = doorward();
    command.arg("--config").arg(door.config());
    command.args(["people", "set", SAM, "--pin", "--duress-pin"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input
        .write_all(format!("{pin}\n{duress}\n").as_bytes())
        .unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
}

/// Types a line on the keypad.
fn type_in(door: &Door, pin: &str) {
    let mut keypad = std::fs::File::options();
    let mut keypad = keypad.append(true).open(door.path("keypad")).unwrap();
    keypad.write_all(format!("{pin}\n").as_bytes()).unwrap();
}

/// Sets the level of an input; nobody ever reads half of it.
fn level(door: &Door, input: &str, level: bool) {
    let new = door.path("new-level");
    std::fs::write(&new, if level { "1" } else { "0" }).unwrap();
    std::fs::rename(new, door.path(input)).unwrap();
}

/// What the lights and the sounder did, as `(time, output, on)`.
fn outputs(door: &Door) -> Vec<(Timestamp, String, bool)> {
    let text = std::fs::read_to_string(door.path("outputs.jsonl")).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let output = line["output"].as_str().unwrap().to_owned();
        let time = line["time"].as_str().unwrap().parse().unwrap();
        (time, output, line["on"].as_bool().unwrap())
    };
    whole.lines().map(line).collect()
}

/// Hours of a day that is neither today nor close to it, in UTC.
fn another_day() -> String {
    let day = Zoned::now().with_time_zone(TimeZone::UTC) + Span::new().days(3);
    let day = format!("{:?}", day.weekday()).to_lowercase();
    format!("{} 08:00-09:00", &day[..3])
}

const ALWAYS: &str = "mon-sun 00:00-24:00";

/// The record, read on as it grows.
struct Record {
    store: Store,
    seq: u64,
}

impl Record {
    /// From now on.
    fn of(door: &Door) -> Self {
        let mut record = Self {
            store: door.store(),
            seq: 0,
        };
        record.seq = record.since(0).last().map_or(0, |event| event.seq);
        record
    }

    fn since(&self, seq: u64) -> Vec<Recorded> {
        let filter = EventFilter {
            after_seq: Some(seq),
            ..EventFilter::default()
        };
        self.store.events(&filter).unwrap()
    }

    /// Waits for the next event of this kind that says this among others.
    #[track_caller]
    fn next(&mut self, kind: &str, says: Value) -> Recorded {
        let deadline = Instant::now() + PATIENCE;
        let found = loop {
            let new = self.since(self.seq);
            let found = new.iter().find(|recorded| {
                let event = serde_json::to_value(&recorded.event).unwrap();
                let says = says.as_object().unwrap();
                let said = |(key, value): (&String, &Value)| event["data"][key] == *value;
                event["kind"] == kind && says.iter().all(said)
            });
            if let Some(found) = found {
                break found.clone();
            }
            if Instant::now() > deadline {
                let got: Vec<_> = new.iter().map(|recorded| &recorded.event).collect();
                let got = serde_json::to_string(&got).unwrap();
                panic!("waited in vain for {kind} {says}, got {got}");
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        self.seq = found.seq;
        found
    }

    /// How often this kind is on the whole record, saying this.
    fn count(&self, kind: &str, says: &str) -> usize {
        let events = self.since(0);
        let texts = events
            .iter()
            .filter(|event| event.event.kind() == kind)
            .map(|event| serde_json::to_string(&event.event).unwrap());
        texts.filter(|text| text.contains(says)).count()
    }
}

fn data(recorded: &Recorded) -> Value {
    serde_json::to_value(&recorded.event).unwrap()["data"].take()
}

#[test]
fn the_exit_button_releases_in_lockdown_too() {
    let door = deserted(&format!("{UNCOUNTED}{REX}"));
    level(&door, "rex", false);
    let service = started(&door);
    let mut record = Record::of(&door);
    for mode in ["normal", "lockdown"] {
        ok(&door, &["mode", mode]);
        record.next("door.mode", json!({"mode": mode}));
        level(&door, "rex", true);
        record.next("door.rex", json!({}));
        record.next("door.released", json!({"cause": "rex", "release_ms": 300}));
        level(&door, "rex", false);
        record.next("door.secured", json!({"cause": "release_time_over"}));
    }
    let twice = ["secured", "released", "secured", "released", "secured"];
    assert_eq!(door.transitions(), twice);
    ended(&door, service);
}

#[test]
fn the_exit_button_works_on_a_full_disk_and_is_recorded_later() {
    let door = visited(&format!("{UNCOUNTED}{REX}"));
    level(&door, "rex", false);
    let disk = door.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let text = std::fs::read_to_string(door.config()).unwrap();
    let text = text.replace(
        "path = \"door.db\"",
        "path = \"disk/door.db\"\nmin_free_mib = 1",
    );
    std::fs::write(door.config(), text).unwrap();
    let mut command = on_small_disk(&disk, 4096, Path::new(doorward().get_program()));
    command.arg("--config").arg(door.config()).arg("run");
    let mut service = door.start_with(command);
    service.wait_for("\"ready\"");
    let filler = fill(&seen_by(service.pid(), &disk));
    // Whoever stands there is denied until nothing of it fits any more.
    service.wait_for("events cannot be recorded");
    level(&door, "rex", true);
    service.wait_for("door released");
    level(&door, "rex", false);
    service.wait_for("door secured");
    door.moved(&["secured", "released", "secured"]);
    std::fs::remove_file(filler).unwrap();
    service.wait_for("the store can be written again");
    let events = door.json_inside(service.pid(), &["events", "list", "--kind", "door"]);
    let kinds: Vec<_> = events.iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, ["door.rex", "door.released", "door.secured"]);
    assert_eq!(events[1]["data"]["cause"], "rex");
    door.json_inside(service.pid(), &["events", "verify"]);
    service.signal(Signal::TERM);
    assert!(service.wait().success(), "{}", service.log());
}

#[test]
fn a_door_that_was_passed_is_secured_when_it_is_closed() {
    let door = besieged(&format!("{UNCOUNTED}{CONTACT}"));
    release_for(&door, 60_000);
    level(&door, "contact", false);
    let service = started(&door);
    let mut record = Record::of(&door);
    ok(&door, &["people", "resume", SAM]);
    record.next("access.granted", json!({"method": "face"}));
    record.next("door.released", json!({"cause": "grant"}));
    ok(&door, &["people", "suspend", SAM]);
    record.next("access.denied", json!({"reason": "suspended"}));
    level(&door, "contact", true);
    record.next("door.opened", json!({}));
    door.moved(&["secured", "released"]);
    level(&door, "contact", false);
    record.next("door.closed", json!({}));
    record.next("door.secured", json!({"cause": "closed"}));
    door.moved(&["secured", "released", "secured"]);
    assert_eq!(record.count("alarm.raised", ""), 0);
    ended(&door, service);
}

#[test]
fn a_door_held_open_and_a_forced_one_are_alarms_until_it_is_shut() {
    let held = "held_open_s = 2\npre_alarm_s = 1\n";
    let door = deserted(&format!("{UNCOUNTED}{CONTACT}{held}{REX}{OUTPUTS}"));
    level(&door, "rex", false);
    level(&door, "contact", false);
    let service = started(&door);
    let mut record = Record::of(&door);
    level(&door, "rex", true);
    record.next("door.released", json!({"cause": "rex"}));
    level(&door, "contact", true);
    let opened = record.next("door.opened", json!({}));
    level(&door, "rex", false);
    let raised = record.next("alarm.raised", json!({"alarm": "held_open"}));
    let warned = outputs(&door)
        .into_iter()
        .find(|(_, output, on)| output == "sounder" && *on)
        .expect("the sounder warns before it is an alarm");
    assert!(
        warned.0 > opened.time && warned.0 < raised.time,
        "{warned:?}"
    );

    level(&door, "contact", false);
    record.next("door.closed", json!({}));
    level(&door, "contact", true);
    record.next(
        "alarm.raised",
        json!({"alarm": "forced_open", "severity": "critical"}),
    );
    assert_eq!(standing(&door), ["forced_open", "held_open"]);
    ok(
        &door,
        &["alarms", "ack", "forced_open", "--note", "the wind"],
    );
    record.next("alarm.acknowledged", json!({"alarm": "forced_open"}));
    // Taking note of it does not shut the door.
    assert!(standing(&door).contains(&"forced_open".to_owned()));
    level(&door, "contact", false);
    record.next("door.closed", json!({}));
    record.next("alarm.cleared", json!({"alarm": "forced_open"}));
    wait_for("both are over", PATIENCE, || standing(&door).is_empty());
    // Over, but nobody took note of this one.
    let listed = door.json(&["alarms", "list"]).remove(0);
    assert_eq!(listed[0]["alarm"], "held_open", "{listed}");
    assert_eq!(record.count("alarm.raised", ""), 2);
    door.moved(&["secured", "released", "secured"]);
    ended(&door, service);
}

/// Alarms that stand now, sorted.
fn standing(door: &Door) -> Vec<String> {
    let conditions = door.store().conditions().unwrap();
    let standing = conditions.iter().filter(|c| c.cleared_at.is_none());
    let mut names: Vec<String> = standing.map(|c| c.alarm.as_str().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn an_operators_mode_governs_until_its_end_or_the_next_order() {
    let door = besieged(UNCOUNTED);
    ok(
        &door,
        &["groups", "set", "guards", "--override-lockdown", "on"],
    );
    let service = started(&door);
    let mut record = Record::of(&door);
    ok(&door, &["mode", "unlocked", "--for", "1h"]);
    let ordered = record.next("admin.mode_set", json!({"mode": "unlocked"}));
    let mode = json!({"mode": "unlocked", "source": "operator"});
    assert!(data(&record.next("door.mode", mode))["until"].is_string());
    let released = record.next("door.released", json!({"cause": "mode"}));
    // A quarter of a second is usual; the rest is for a machine that is busy with other tests.
    let took = released.time.duration_since(ordered.time);
    assert!(
        Duration::try_from(took).unwrap() < Duration::from_secs(3),
        "{took}"
    );

    ok(&door, &["mode", "lockdown"]);
    record.next(
        "door.mode",
        json!({"mode": "lockdown", "source": "operator"}),
    );
    record.next("door.secured", json!({"cause": "mode"}));
    ok(&door, &["people", "resume", SAM]);
    record.next("access.denied", json!({"reason": "lockdown"}));
    door.moved(&["secured", "released", "secured"]);
    ok(&door, &["people", "set", SAM, "--add-group", "guards"]);
    record.next("access.granted", json!({"rule": "group guards"}));
    record.next("door.released", json!({"cause": "grant"}));
    ok(&door, &["people", "suspend", SAM]);
    record.next("access.denied", json!({"reason": "suspended"}));

    ok(&door, &["mode", "schedule"]);
    record.next("door.mode", json!({"mode": "normal", "source": "schedule"}));
    ok(&door, &["mode", "unlocked", "--for", "3s"]);
    record.next("door.released", json!({"cause": "mode"}));
    record.next("door.mode", json!({"mode": "normal", "source": "schedule"}));
    record.next("door.secured", json!({"cause": "mode"}));
    assert_eq!(door.transitions().last().unwrap(), "secured");
    assert_eq!(record.count("admin.mode_set", ""), 4);
    ended(&door, service);
}

#[test]
fn rules_that_change_count_while_the_service_runs() {
    let door = besieged(&format!("{UNCOUNTED}time_zone = \"UTC\"\n{TRUSTED}"));
    ok(
        &door,
        &["schedules", "set", "hours", "--hours", &another_day()],
    );
    ok(&door, &["groups", "set", "everyone", "--schedule", "hours"]);
    ok(&door, &["people", "resume", SAM]);
    let service = started(&door);
    let mut record = Record::of(&door);
    let denied = data(&record.next("access.denied", json!({"reason": "outside_schedule"})));
    assert_eq!(denied["rule"], "schedule hours");
    assert!(denied["needed"].is_string(), "{denied}");

    ok(&door, &["schedules", "set", "hours", "--hours", ALWAYS]);
    record.next("access.granted", json!({"rule": "group everyone"}));
    ok(&door, &["people", "suspend", SAM]);
    record.next("access.denied", json!({"reason": "suspended"}));
    ok(&door, &["people", "resume", SAM]);
    record.next("access.granted", json!({}));
    ok(&door, &["groups", "set", "everyone", "--door", "back"]);
    record.next("access.denied", json!({"reason": "not_permitted"}));
    ok(&door, &["groups", "set", "everyone", "--every-door"]);
    record.next("access.granted", json!({}));
    ok(&door, &["people", "set", SAM, "--until", "2020-01-01"]);
    record.next("access.denied", json!({"reason": "expired"}));
    ended(&door, service);
}

#[test]
fn without_a_trusted_clock_a_schedule_lets_nobody_in() {
    let clock = "[clock]\nsynchronised_file = \"synchronised\"\n";
    let door = besieged(&format!("{UNCOUNTED}time_zone = \"UTC\"\n{clock}"));
    ok(&door, &["schedules", "set", "hours", "--hours", ALWAYS]);
    ok(&door, &["groups", "set", "everyone", "--schedule", "hours"]);
    ok(&door, &["people", "resume", SAM]);
    let service = started(&door);
    let mut record = Record::of(&door);
    record.next("access.denied", json!({"reason": "clock_untrusted"}));
    door.moved(&["secured"]);
    std::fs::write(door.path("synchronised"), "").unwrap();
    record.next("access.granted", json!({}));
    ended(&door, service);
}

#[test]
fn a_pin_completes_a_face_and_a_duress_pin_does_not_show() {
    let door = besieged(&format!("{UNCOUNTED}pin_s = 10\n{KEYPAD}{OUTPUTS}"));
    ok(&door, &["groups", "set", "everyone", "--pin", "on"]);
    give_pins(&door, "4711", "0815");
    ok(&door, &["people", "resume", SAM]);
    // Typed before the start: it is nobody's PIN now.
    std::fs::write(door.path("keypad"), "4711\n").unwrap();
    let service = started(&door);
    let mut record = Record::of(&door);
    // From the PIN until the next one is asked for: what could be seen and heard besides the way
    // the green and blue lights blink.
    let mut shown = Vec::new();
    for (pin, silent_alarms) in [("4711", 0), ("0815", 1)] {
        let asked = json!({"challenge": "pin", "timeout_ms": 10_000});
        record.next("access.challenged", asked);
        assert_eq!(record.count("access.granted", ""), silent_alarms);
        let before = outputs(&door).len();
        type_in(&door, pin);
        record.next("access.granted", json!({"method": "face_and_pin"}));
        record.next("door.released", json!({"cause": "grant"}));
        let mut seen = Vec::new();
        wait_for("the grant was shown", PATIENCE, || {
            seen = outputs(&door).split_off(before);
            let sounded = seen.iter().position(|(_, output, _)| output == "sounder");
            let after = sounded.map_or(&[][..], |at| &seen[at..]);
            after.iter().any(|(_, output, on)| output == "blue" && *on)
        });
        seen.retain(|(_, output, _)| output == "sounder" || output == "red");
        let seen = seen.into_iter().map(|(_, output, on)| (output, on));
        shown.push(seen.collect::<Vec<_>>());
        assert_eq!(record.count("alarm.raised", "duress"), silent_alarms);
    }
    let beep = [("sounder".to_owned(), true), ("sounder".to_owned(), false)];
    assert_eq!(shown, [beep.clone(), beep]);
    assert_eq!(standing(&door), ["duress"]);
    ok(&door, &["alarms", "ack", "duress"]);
    record.next("alarm.cleared", json!({"alarm": "duress"}));
    ended(&door, service);
}

#[test]
fn pins_that_are_wrong_lock_out_across_a_restart_and_a_new_pin_ends_it() {
    let access = "[access]\nlockout_after = 0\nlockout_after_wrong_pins = 2\n\
        alarm_after_denials = 0\npin_s = 5\n";
    let door = besieged(&format!("{access}{KEYPAD}"));
    ok(&door, &["groups", "set", "everyone", "--pin", "on"]);
    give_pins(&door, "4711", "0815");
    ok(&door, &["people", "resume", SAM]);
    std::fs::write(door.path("keypad"), "").unwrap();
    let service = started(&door);
    let mut record = Record::of(&door);
    record.next("access.challenged", json!({"challenge": "pin"}));
    type_in(&door, "1234");
    record.next("access.denied", json!({"reason": "pin_wrong"}));
    record.next("access.challenged", json!({"challenge": "pin"}));
    record.next("access.denied", json!({"reason": "pin_missing"}));
    // Standing there is no guess.
    record.next("access.challenged", json!({"challenge": "pin"}));
    type_in(&door, "4712");
    record.next("access.denied", json!({"reason": "pin_wrong"}));
    let denied = record.next("access.denied", json!({"reason": "lockout"}));
    assert!(data(&denied)["needed"].is_string());
    assert_eq!(record.count("alarm.raised", "wrong_pins"), 1);
    ended(&door, service);

    let asked = record.count("access.challenged", "");
    let service = started(&door);
    let mut record = Record::of(&door);
    record.next("access.denied", json!({"reason": "lockout"}));
    assert_eq!(record.count("access.challenged", ""), asked);
    assert_eq!(door.transitions().last().unwrap(), "secured");
    // Whoever is locked out can call for help.
    type_in(&door, "0815");
    record.next("alarm.raised", json!({"alarm": "duress"}));
    assert_eq!(record.count("access.granted", ""), 0);
    give_pins(&door, "7391", "0815");
    record.next("access.challenged", json!({"challenge": "pin"}));
    type_in(&door, "7391");
    record.next("access.granted", json!({"method": "face_and_pin"}));
    record.next("alarm.cleared", json!({"alarm": "wrong_pins"}));
    ended(&door, service);
}

#[test]
fn an_alarm_outlives_a_killed_service_and_is_not_raised_again() {
    let door = deserted(&format!("{UNCOUNTED}{CONTACT}{REX}"));
    level(&door, "rex", false);
    level(&door, "contact", false);
    let mut service = started(&door);
    let mut record = Record::of(&door);
    // The contact has been read once when the button, which is read as often, is known.
    level(&door, "rex", true);
    record.next("door.rex", json!({}));
    level(&door, "rex", false);
    record.next("door.secured", json!({}));
    // Within half a second the opening would still belong to the release.
    std::thread::sleep(Duration::from_millis(600));
    level(&door, "contact", true);
    record.next("alarm.raised", json!({"alarm": "forced_open"}));
    service.signal(Signal::KILL);
    service.wait();

    let service = started(&door);
    let mut record = Record::of(&door);
    level(&door, "rex", true);
    record.next("door.rex", json!({}));
    level(&door, "rex", false);
    assert_eq!(standing(&door), ["forced_open"]);
    assert_eq!(record.count("alarm.raised", ""), 1);
    assert_eq!(record.count("alarm.cleared", ""), 0);
    ended(&door, service);
}

/// A door of a site of two, with this beside the site's file.
fn site(name: &str, folder: &Path, access: &str, more: &str) -> Door {
    let file = folder.join("site.db");
    let door =
        format!("[door]\nname = {name:?}\n{UNCOUNTED}site_file = {file:?}\n{access}\n{more}");
    besieged(&door)
}

#[test]
fn while_one_door_is_open_the_other_stays_shut() {
    let folder = tempfile::tempdir().unwrap();
    let outer = site("outer", folder.path(), "interlock = [\"inner\"]", CONTACT);
    let inner = site("inner", folder.path(), "interlock = [\"outer\"]", CONTACT);
    for door in [&outer, &inner] {
        release_for(door, 60_000);
        level(door, "contact", false);
    }
    let (at_outer, at_inner) = (started(&outer), started(&inner));
    let (mut outside, mut inside) = (Record::of(&outer), Record::of(&inner));
    ok(&outer, &["people", "resume", SAM]);
    outside.next("door.released", json!({"cause": "grant"}));
    ok(&inner, &["people", "resume", SAM]);
    inside.next("access.denied", json!({"reason": "interlock"}));
    ok(&outer, &["people", "suspend", SAM]);
    outside.next("access.denied", json!({"reason": "suspended"}));
    level(&outer, "contact", true);
    outside.next("door.opened", json!({}));
    inside.next("access.denied", json!({"reason": "interlock"}));
    inside.next("access.denied", json!({"reason": "interlock"}));
    assert_eq!(inner.transitions(), ["secured"]);
    level(&outer, "contact", false);
    outside.next("door.secured", json!({"cause": "closed"}));
    inside.next("door.released", json!({"cause": "grant"}));
    // And the other way round.
    ok(&outer, &["people", "resume", SAM]);
    outside.next("access.denied", json!({"reason": "interlock"}));
    ended(&outer, at_outer);
    ended(&inner, at_inner);
}

#[test]
fn who_is_inside_must_leave_before_they_may_enter_again() {
    let folder = tempfile::tempdir().unwrap();
    let into = |area: &str| format!("anti_passback = \"area\"\narea = {area:?}");
    let entrance = site("entrance", folder.path(), &into("inside"), "");
    let exit = site("exit", folder.path(), &into("outside"), "");
    let (at_entrance, at_exit) = (started(&entrance), started(&exit));
    let (mut inward, mut outward) = (Record::of(&entrance), Record::of(&exit));
    ok(&entrance, &["people", "resume", SAM]);
    inward.next("access.granted", json!({}));
    inward.next("access.denied", json!({"reason": "anti_passback"}));
    inward.next("access.denied", json!({"reason": "anti_passback"}));
    assert_eq!(inward.count("access.granted", ""), 1);
    ok(&exit, &["people", "resume", SAM]);
    outward.next("access.granted", json!({}));
    inward.next("access.granted", json!({}));
    ended(&entrance, at_entrance);
    ended(&exit, at_exit);
}

#[test]
fn who_is_let_in_has_entered_once_the_door_is_open() {
    let timed = "anti_passback = \"timed\"\nanti_passback_s = 3\n";
    let door = besieged(&format!("{UNCOUNTED}{timed}{TRUSTED}{CONTACT}"));
    release_for(&door, 60_000);
    level(&door, "contact", false);
    let service = started(&door);
    let mut record = Record::of(&door);
    ok(&door, &["people", "resume", SAM]);
    // Who only stands there has not entered.
    record.next("access.granted", json!({}));
    record.next("access.granted", json!({}));
    assert_eq!(record.count("access.denied", "anti_passback"), 0);
    level(&door, "contact", true);
    record.next("door.opened", json!({}));
    record.next("access.denied", json!({"reason": "anti_passback"}));
    // Nobody shut the door: whoever is let in now walks through it.
    record.next("access.granted", json!({}));
    record.next("access.denied", json!({"reason": "anti_passback"}));
    assert_eq!(record.count("door.opened", ""), 1);
    ended(&door, service);
}

#[test]
fn the_unlock_schedule_holds_the_door_released_in_its_hours() {
    let unlock = "time_zone = \"UTC\"\nunlock_schedule = \"open\"\n";
    let door = deserted(&format!("{UNCOUNTED}{unlock}{TRUSTED}"));
    ok(&door, &["schedules", "set", "open", "--hours", ALWAYS]);
    let mut record = Record::of(&door);
    let service = started(&door);
    record.next(
        "door.mode",
        json!({"mode": "unlocked", "source": "schedule"}),
    );
    record.next("door.released", json!({"cause": "mode"}));
    door.moved(&["secured", "released"]);
    ok(
        &door,
        &["schedules", "set", "open", "--hours", &another_day()],
    );
    let changed = record.next("admin.rule_changed", json!({"name": "open"}));
    record.next("door.mode", json!({"mode": "normal", "source": "schedule"}));
    let secured = record.next("door.secured", json!({"cause": "mode"}));
    let took = secured.time.duration_since(changed.time);
    assert!(
        Duration::try_from(took).unwrap() < Duration::from_secs(3),
        "{took}"
    );
    door.moved(&["secured", "released", "secured"]);
    ended(&door, service);
}

#[test]
fn the_unlock_schedule_waits_for_the_first_person() {
    let unlock =
        "time_zone = \"UTC\"\nunlock_schedule = \"open\"\nunlock_after_first_person = true\n";
    let door = besieged(&format!("{UNCOUNTED}{unlock}{TRUSTED}"));
    ok(&door, &["schedules", "set", "open", "--hours", ALWAYS]);
    ok(
        &door,
        &["groups", "set", "everyone", "--first-person", "on"],
    );
    let service = started(&door);
    let mut record = Record::of(&door);
    record.next("access.denied", json!({"reason": "suspended"}));
    record.next("access.denied", json!({"reason": "suspended"}));
    door.moved(&["secured"]);
    assert_eq!(record.count("door.mode", ""), 0);
    ok(&door, &["people", "resume", SAM]);
    record.next("access.granted", json!({"rule": "group everyone"}));
    record.next(
        "door.mode",
        json!({"mode": "unlocked", "source": "schedule"}),
    );
    record.next("door.released", json!({"cause": "mode"}));
    ended(&door, service);
}
