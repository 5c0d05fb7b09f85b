//! The service from camera to relay and record, with real faces in a composed clip.

use std::path::Path;
use std::time::{Duration, Instant};

use doorward::event::{Event, SecureCause};
use doorward::store::EventFilter;

use rustix::process::Signal;

use crate::support::clip::{self, Scene};
use crate::support::door::{Door, PATIENCE, doorward, stderr};
use crate::support::faces::{ENROLLMENT, PERSON, STRANGERS, Sheet};
use crate::support::small_disk::{fill, on_small_disk, seen_by};
use crate::support::wait_for;

/// Somebody who comes, stays a moment and leaves.
fn visitor(cell: crate::support::faces::Cell) -> Scene {
    Scene::visitor(&Sheet::open().unwrap().face(cell).unwrap(), 4.0)
}

/// A door whose camera plays these scenes; `more` follows the [camera] section.
fn door_with(scenes: &[Scene], more: &str) -> Door {
    let door = Door::new(&format!(
        "[camera]\nsource = \"file\"\npath = \"clip.avi\"\n{more}"
    ));
    clip::write(&door.path("clip.avi"), scenes).unwrap();
    door
}

/// Puts another value in place of the default 500 ms.
fn release_for(door: &Door, ms: u32) {
    let text = std::fs::read_to_string(door.config()).unwrap();
    let text = text.replace("release_ms = 500", &format!("release_ms = {ms}"));
    std::fs::write(door.config(), text).unwrap();
}

fn last_event(door: &Door) -> Event {
    let mut events = door.store().events(&EventFilter::default()).unwrap();
    events.pop().unwrap().event
}

#[test]
fn a_stranger_is_denied_and_the_enrolled_person_opens_the_door_once() {
    let scenes = [
        Scene::empty(0.5),
        visitor(STRANGERS[0]),
        Scene::empty(1.0),
        visitor(PERSON[0]),
        Scene::empty(1.5),
    ];
    let door = door_with(&scenes, "");
    door.enroll_sample_person();
    let mut service = door.start();
    assert!(service.wait().success(), "{}", service.log());
    let expected = [
        "admin.enrolled",
        "access.denied",
        "access.granted",
        "door.released",
        "door.secured",
    ];
    assert_eq!(door.kinds(), expected);
    door.moved(&["secured", "released", "secured"]);
    let events = door.json(&["events", "list", "--kind", "access"]);
    assert_eq!(events[0]["data"]["reason"], "unknown");
    assert_eq!(events[1]["data"]["person"]["name"], "Sam Sample");
    assert!(events[1]["data"]["observations"].as_u64().unwrap() >= 3);
    assert!(
        !service.log().contains("Sam"),
        "a log names people by their id only"
    );
}

#[test]
fn sigterm_while_released_secures_and_says_so() {
    for signal in [Signal::TERM, Signal::INT] {
        let door = door_with(&[visitor(PERSON[0]), Scene::empty(60.0)], "");
        release_for(&door, 60_000);
        door.enroll_sample_person();
        let mut service = door.start();
        service.wait_for("door released");
        door.moved(&["secured", "released"]);
        service.signal(signal);
        assert!(service.wait().success(), "{}", service.log());
        door.moved(&["secured", "released", "secured"]);
        let cause = SecureCause::Stop;
        assert_eq!(last_event(&door), Event::DoorSecured { cause });
    }
}

#[test]
fn after_sigkill_relay_secure_makes_it_safe_and_the_next_start_records_it() {
    let door = door_with(&[visitor(PERSON[0]), Scene::empty(60.0)], "");
    release_for(&door, 60_000);
    door.enroll_sample_person();
    let mut service = door.start();
    service.wait_for("door released");
    wait_for("the release is recorded", PATIENCE, || {
        matches!(last_event(&door), Event::DoorReleased { .. })
    });
    door.moved(&["secured", "released"]);
    service.signal(Signal::KILL);
    assert!(!service.wait().success());
    // What systemd's ExecStopPost runs. (A simulated pin keeps its level, as a real one may.)
    assert_eq!(door.transitions().last().unwrap(), "released");
    assert!(door.run(&["relay", "secure"]).status.success());
    assert_eq!(door.transitions().last().unwrap(), "secured");

    std::fs::remove_file(door.path("relay.jsonl")).unwrap();
    let mut service = door.start();
    service.wait_for("\"ready\"");
    assert_eq!(door.transitions()[0], "secured", "before anything else");
    let cause = SecureCause::Start;
    wait_for("the end of the last run is recorded", PATIENCE, || {
        let events = door.store().events(&EventFilter::default()).unwrap();
        let mut events = events.iter();
        let _ = events.find(|event| matches!(event.event, Event::DoorReleased { .. }));
        events.next().map(|event| event.event.clone()) == Some(Event::DoorSecured { cause })
    });
}

#[test]
fn systemd_is_told_when_the_door_is_guarded_and_when_it_ends() {
    let door = door_with(&[Scene::empty(30.0)], "");
    let path = door.path("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let receive = || {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
    };
    let mut command = doorward();
    command.arg("--config").arg(door.config()).arg("run");
    command.env("NOTIFY_SOCKET", &path);
    let mut service = door.start_with(command);
    assert_eq!(receive(), "READY=1");
    door.moved(&["secured"]);
    service.signal(Signal::TERM);
    assert_eq!(receive(), "STOPPING=1");
    assert!(service.wait().success());
}

#[test]
fn a_second_instance_is_refused_and_leaves_the_first_alone() {
    let door = door_with(&[Scene::empty(30.0)], "");
    let mut first = door.start();
    first.wait_for("\"ready\"");
    let second = door.run(&["run"]);
    assert_eq!(second.status.code(), Some(1));
    let error = stderr(&second);
    assert!(
        error.contains("another doorward service already runs on"),
        "{error}"
    );
    assert_eq!(door.transitions(), ["secured"], "only the first one's own");
}

#[test]
fn what_the_cli_changes_counts_within_a_second() {
    let door = door_with(&[visitor(PERSON[0]), Scene::empty(1.0)], "repeat = true\n");
    let mut service = door.start();
    service.wait_for("\"ready\"");
    service.wait_for("access denied");
    door.enroll_sample_person();
    let enrolled = Instant::now();
    service.wait_for("\"people\":1");
    // A quarter of a second is usual; the rest is for a machine that is busy with other tests.
    let took = enrolled.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    service.wait_for("access granted");
    door.json(&["people", "suspend", "Sam Sample"]);
    let denied = service.wait_for("access denied");
    assert!(denied.contains("\"suspended\""), "{denied}");
}

#[test]
fn a_missing_camera_file_is_named_and_ends_the_service() {
    let door = Door::new("[camera]\nsource = \"file\"\npath = \"none.avi\"\n");
    let output = door.run(&["run"]);
    assert_eq!(output.status.code(), Some(1));
    let error = stderr(&output);
    let last = error.lines().last().unwrap();
    assert!(
        last.contains("none.avi: cannot be opened; check that the file exists"),
        "{error}"
    );
    door.moved(&["secured"]);
    let empty = Door::new("[camera]\nsource = \"folder\"\npath = \"pictures\"\n");
    std::fs::create_dir(empty.path("pictures")).unwrap();
    let error = stderr(&empty.run(&["run"]));
    assert!(
        error.contains("holds no JPEG, PNG or WebP images"),
        "{error}"
    );
}

#[test]
fn a_missing_camera_device_is_an_alarm_and_the_door_goes_on() {
    let door = Door::new("[camera]\ndevice = \"/dev/video99\"\n");
    let mut service = door.start();
    let line = service.wait_for("opening it again");
    assert!(
        line.contains("/dev/video99: cannot be opened; check [camera] device"),
        "{line}"
    );
    service.wait_for("alarm raised");
    wait_for("the alarm is recorded", PATIENCE, || {
        door.kinds() == ["alarm.raised"]
    });
    service.signal(Signal::TERM);
    assert!(service.wait().success());
}

#[test]
fn a_folder_of_images_plays_as_a_camera() {
    // A photo on a grey ground, which is what liveness is there to refuse.
    let door = Door::new(
        "[camera]\nsource = \"folder\"\npath = \"frames\"\nfps = 10.0\n[liveness]\nmode = \"off\"\n",
    );
    door.enroll_sample_person();
    let frames = door.path("frames");
    std::fs::create_dir(&frames).unwrap();
    let face = Sheet::open().unwrap().face(PERSON[0]).unwrap();
    let mut canvas = image::RgbImage::from_pixel(320, 240, image::Rgb([127; 3]));
    image::imageops::replace(&mut canvas, &face, 107, 66);
    for n in 0..8 {
        // A camera's picture is never twice the same; one that is counts once.
        for (x, y, pixel) in canvas.enumerate_pixels_mut() {
            pixel.0[1] ^= u8::from((x + y + n) % 8 == 0);
        }
        canvas.save(frames.join(format!("{n:02}.png"))).unwrap();
    }
    let mut service = door.start();
    assert!(service.wait().success(), "{}", service.log());
    assert!(
        door.kinds().contains(&"access.granted"),
        "{}",
        service.log()
    );
    door.moved(&["secured", "released", "secured"]);
}

#[test]
fn on_a_full_disk_nobody_is_let_in_and_nothing_is_forgotten() {
    let door = door_with(&[visitor(PERSON[0]), Scene::empty(1.0)], "repeat = true\n");
    let disk = door.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let text = std::fs::read_to_string(door.config()).unwrap();
    let text = text.replace(
        "path = \"door.db\"",
        "path = \"disk/door.db\"\nmin_free_mib = 1",
    );
    std::fs::write(door.config(), text).unwrap();

    // With more room than the limit: this is about what cannot be written, not about foresight.
    let mut command = on_small_disk(&disk, 4096, Path::new(doorward().get_program()));
    command.arg("--config").arg(door.config()).arg("run");
    let mut service = door.start_with(command);
    service.wait_for("\"ready\"");
    let inside = seen_by(service.pid(), &disk);
    let filler = fill(&inside);
    service.wait_for("the disk is full");
    std::fs::remove_file(filler).unwrap();
    service.wait_for("the store can be written again");

    let images = Sheet::open().unwrap();
    let images = images.save(&ENROLLMENT, &door.path("")).unwrap();
    let mut enroll = vec!["enroll", "Sam Sample", "--image"];
    enroll.extend(images.iter().map(|path| path.to_str().unwrap()));
    door.json_inside(service.pid(), &enroll);
    service.wait_for("\"people\":1");
    let filler = fill(&inside);
    let refused = service.wait_for("storage_failure");
    assert!(refused.contains("access denied"), "{refused}");
    assert_eq!(
        door.transitions(),
        ["secured"],
        "not on the record, not let in"
    );

    std::fs::remove_file(filler).unwrap();
    service.wait_for("door released");
    service.wait_for("door secured");
    let mut events = Vec::new();
    wait_for("the alarm is over and all is recorded", PATIENCE, || {
        events = door.json_inside(service.pid(), &["events", "list"]);
        let mut alarms = events
            .iter()
            .filter(|event| event["data"]["alarm"] == "storage");
        alarms
            .next_back()
            .is_some_and(|event| event["kind"] == "alarm.cleared")
    });
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    let refused = events
        .iter()
        .position(|event| event["data"]["reason"] == "storage_failure")
        .unwrap();
    // The alarm may have begun with the first failure: it does not flap.
    assert!(kinds.contains(&"alarm.raised"), "{kinds:?}");
    let granted = kinds[refused..].windows(2);
    let mut granted = granted.filter(|two| two == &["access.granted", "door.released"]);
    assert!(granted.next().is_some(), "{kinds:?}");
    service.signal(Signal::TERM);
    assert!(service.wait().success(), "{}", service.log());
}
