//! What waits for the broker, seen from outside: telemetry, pictures, refusals, limits, and the
//! verbs about them; the real service on a real broker.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use doorward::clock::Timestamp;
use doorward::config::Config;
use doorward::store::outbox::Outbox;
use doorward::store::{EventFilter, Store};
use rustix::process::Signal;
use serde_json::Value;

use crate::support::broker::Broker;
use crate::support::clip::{self, Scene};
use crate::support::door::{Door, PATIENCE, stderr};
use crate::support::faces::{STRANGERS, Sheet};
use crate::support::pki::{Pki, write_secret};
use crate::support::sender::secured;
use crate::support::subscriber::{Login, Subscriber};
use crate::support::wait_for;

/// A door that sees `scenes`, on a broker that knows it by name.
fn door_on(broker: &Broker, ca: &Path, scenes: &[Scene], more: &str) -> Door {
    let door = Door::new(&format!(
        "[camera]\nsource = \"file\"\npath = \"clip.avi\"\nrepeat = true\n{more}\n\
         [mqtt]\nurl = \"{}\"\nca_file = {ca:?}\nusername = \"door\"\npassword_file = \"password\"\n",
        broker.url(),
    ));
    write_secret(&door.path("password"), "secret\n");
    clip::write(&door.path("clip.avi"), scenes).unwrap();
    door
}

fn broker(pki: &Pki, may_write: &str) -> Broker {
    let acl = format!("user door\n{may_write}\nuser watcher\ntopic read doorward/#\n");
    Broker::builder(pki)
        .user("door", "secret")
        .user("watcher", "watching")
        .acl(&acl)
        // Mosquitto 2.0 ends the connection after every refusal when there is no limit.
        .line("max_queued_messages 100000")
        .start()
}

fn watcher() -> Login<'static> {
    Login {
        user: Some(("watcher", "watching")),
        ..Login::default()
    }
}

/// Recorded events of a kind, as JSON; without the verb, which takes longer.
fn events(door: &Door, kind: &str) -> Vec<Value> {
    let filter = EventFilter {
        kinds: vec![kind.into()],
        ..EventFilter::default()
    };
    let events = door.store().events(&filter).unwrap();
    let json = |event| serde_json::to_value(event).unwrap();
    events.into_iter().map(json).collect()
}

#[test]
fn a_broker_that_refuses_our_complaints_about_refusing_causes_no_more_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let pki = Pki::new(folder.path(), "ca");
    let own = "doorward/home/front";
    let broker = broker(
        &pki,
        &format!("topic write {own}/event/door\ntopic write {own}/availability"),
    );
    // At QoS 0 nobody would say that telemetry is refused.
    let scenes = [Scene::empty(2.0)];
    let door = door_on(&broker, &pki.ca, &scenes, "[mqtt.qos]\ntelemetry = 1");
    let mut service = door.start();
    service.wait_for("\"ready\"");
    let outbox = Outbox::open(&door.path("door.db")).unwrap();
    let refused = || outbox.rejected().unwrap();
    let about = |topic: &str| {
        let mut rows = refused();
        rows.retain(|(row, _)| row.topic == format!("{own}/{topic}"));
        rows
    };
    // Every one of them is refused: the first is told of, and that is refused too.
    for round in 0..4 {
        let mode = ["lockdown", "schedule"][round % 2];
        assert!(door.run(&["mode", mode]).status.success());
        wait_for("it is refused", PATIENCE, || {
            let rows = about("event/admin");
            let own = events(&door, "delivery.refused").len();
            rows.len() == events(&door, "admin.mode_set").len() + own && rows.len() > round
        });
    }
    wait_for("telemetry is refused", PATIENCE, || {
        !about("telemetry").is_empty()
    });
    // The summary of the last mode is on its way a little longer than its event.
    wait_for("nothing waits", PATIENCE, || {
        let depth = outbox.depth().unwrap();
        depth.queued + depth.under_way == 0
    });
    // Nothing follows from nothing: a second is a hundred of its round trips.
    let seen = refused().len();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(refused().len(), seen, "{:?}", refused());
    let told = events(&door, "delivery.refused");
    let topics: Vec<&str> = told
        .iter()
        .map(|event| event["data"]["topic"].as_str().unwrap())
        .collect();
    // One about the summary, one about administration; none about telemetry or the reports.
    let (state, admin) = (format!("{own}/state"), format!("{own}/event/admin"));
    assert_eq!(topics.len(), 2, "{told:?}");
    assert!(topics.contains(&state.as_str()) && topics.contains(&admin.as_str()));
    let first = told.iter().find(|event| event["data"]["topic"] == *admin);
    let first = &first.unwrap()["data"];
    let mode_set = events(&door, "admin.mode_set");
    assert_eq!(first["event"], mode_set[0]["id"]);
    assert_eq!(first["messages"], 1);
    assert!(
        first["reason"].as_str().unwrap().contains("uthori"),
        "{first}"
    );

    // What came meanwhile is told of at the end, once.
    service.signal(Signal::TERM);
    assert!(service.wait().success(), "{}", service.log());
    let told = events(&door, "delivery.refused");
    let count = |topic: &str| -> Vec<u64> {
        let about = told.iter().filter(|event| event["data"]["topic"] == *topic);
        about
            .map(|event| event["data"]["messages"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(count(&admin), [1, 3]);

    // Somebody mends the rules and tries again.
    let listed = door.json(&["outbox", "list-refused"]);
    assert_eq!(listed.len(), refused().len());
    let seq = about("event/admin")[0].0.seq;
    let listed = listed.iter().find(|row| row["seq"] == seq).unwrap();
    assert_eq!(listed["topic"], admin);
    let seq = seq.to_string();
    let one = door.json(&["outbox", "retry-refused", &seq]);
    assert_eq!(one[0]["queued"], 1);
    let again = door.run(&["outbox", "retry-refused", &seq]);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        stderr(&again).contains("list-refused"),
        "{}",
        stderr(&again)
    );
    let left = refused().len();
    assert_eq!(
        door.json(&["outbox", "retry-refused", "--all"])[0]["queued"],
        left
    );
    assert!(refused().is_empty());
    let status = &door.json(&["outbox", "status"])[0];
    let admin = status["classes"].as_array().unwrap();
    let admin = admin
        .iter()
        .find(|class| class["class"] == "admin")
        .unwrap();
    assert!(admin["queued"].as_u64().unwrap() >= 6, "{status}");
    assert_eq!(status["session"], true);
}

#[test]
fn telemetry_comes_regularly_and_a_picture_with_a_decision_where_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let pki = Pki::new(folder.path(), "ca");
    let broker = broker(&pki, "topic write doorward/home/front/#");
    let sheet = Sheet::open().unwrap();
    let stranger = Scene::visitor(&sheet.face(STRANGERS[0]).unwrap(), 5.0);
    let scenes = [Scene::empty(1.0), stranger, Scene::empty(2.0)];
    let telemetry = "[telemetry]\nevery_s = 5\nsnapshots = true\n";
    let door = door_on(&broker, &pki.ca, &scenes, telemetry);
    let subscriber = Subscriber::start(
        broker.port,
        Some(&pki),
        "doorward/home/front/telemetry",
        &watcher(),
    );
    let picture = folder.path().join("picture.jpg");
    let mut camera = Command::new("mosquitto_sub")
        .args(["-V", "mqttv5", "-h", "localhost"])
        .args(["-p", &broker.port.to_string(), "--cafile"])
        .arg(&pki.ca)
        .args(["-u", "watcher", "-P", "watching", "-N", "-C", "1"])
        .args(["-t", "doorward/home/front/snapshot"])
        .stdout(std::fs::File::create(&picture).unwrap())
        .spawn()
        .unwrap();
    wait_for("the watcher listens", PATIENCE, || {
        broker.log().contains("doorward/home/front/snapshot")
    });
    let mut service = door.start();
    service.wait_for("access denied");
    wait_for("the picture", PATIENCE, || {
        matches!(camera.try_wait(), Ok(Some(_)))
    });
    let bytes = std::fs::read(&picture).unwrap();
    let decoded = image::load_from_memory(&bytes).unwrap();
    assert_eq!((decoded.width(), decoded.height()), (640, 480));
    wait_for("the second telemetry", PATIENCE, || {
        subscriber.messages().len() >= 2
    });
    service.signal(Signal::TERM);
    assert!(service.wait().success(), "{}", service.log());
    let messages = subscriber.messages();
    let message = &messages[1];
    assert_eq!((message.qos, message.retain), (0, false));
    assert_eq!(message.content_type, "application/json");
    let json = message.json();
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    assert!(json["camera_fps"].as_f64().unwrap() > 5.0, "{json}");
    let detect = &json["vision"]["detect"];
    assert!(detect["runs"].as_u64().unwrap() > 0, "{json}");
    assert!(detect["mean_ms"].as_f64() <= detect["max_ms"].as_f64());
    assert!(json["memory_bytes"].as_u64().unwrap() > 1 << 20);
    assert_eq!(json["outbox"]["refused"], 0);
}

#[test]
fn what_waits_is_listed_goes_at_another_qos_and_is_dropped_by_hand() {
    let door = Door::new("[mqtt]\nurl = \"mqtts://broker.invalid\"\n");
    let config = Config::load(&door.config()).unwrap();
    let mut store = Store::open(&config.store.path, config.wire()).unwrap();
    let many = (0..3).map(|_| (Timestamp::now(), secured()));
    store.record_all(many, None).unwrap();
    let waiting = || door.json(&["outbox", "list"]);
    let listed = waiting();
    assert_eq!(listed.len(), 3, "{listed:?}");
    for row in &listed {
        assert_eq!((&row["stage"], &row["qos"]), (&"queued".into(), &1.into()));
        assert_eq!(row["topic"], "doorward/home/front/event/door");
    }
    assert_eq!(door.json(&["outbox", "list", "--limit", "2"]).len(), 2);

    let first = listed[0]["seq"].to_string();
    let done = &door.json(&["outbox", "set-qos", "2", &first])[0];
    assert_eq!(
        (&done["messages"], &done["session_given_up"]),
        (&1.into(), &false.into())
    );
    let of_qos_2 = waiting().into_iter().filter(|row| row["qos"] == 2);
    assert_eq!(
        of_qos_2
            .map(|row| row["seq"].to_string())
            .collect::<Vec<_>>(),
        [first.as_str()]
    );
    let done = &door.json(&["outbox", "drop", &first])[0];
    assert_eq!(done["messages"], 1);
    assert!(waiting().iter().all(|row| row["seq"] != listed[0]["seq"]));

    // Both are on record, and a number that is not there is no success.
    assert_eq!(events(&door, "delivery.qos_set").len(), 1);
    let dropped = events(&door, "delivery.dropped");
    assert_eq!(dropped.len(), 1);
    assert_eq!(dropped[0]["data"]["reason"], "asked");
    for arguments in [
        ["outbox", "drop", &first].as_slice(),
        &["outbox", "set-qos", "1", &first],
    ] {
        let output = door.run(arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            stderr(&output).contains("outbox list"),
            "{}",
            stderr(&output)
        );
    }
    let all = door.run(&["outbox", "drop", "--all"]);
    assert!(all.status.success(), "{}", stderr(&all));
    // What tells of it comes after.
    assert!(
        waiting()
            .iter()
            .all(|row| row["topic"] == "doorward/home/front/event/admin")
    );
}

#[test]
fn at_the_limit_the_owner_is_told_and_events_that_count_still_wait() {
    let folder = tempfile::tempdir().unwrap();
    let pki = Pki::new(folder.path(), "ca");
    let broker = broker(&pki, "topic write doorward/home/front/#");
    let limits = "[outbox]\nmax_messages = 1000\nwarn_percent = 50\n[telemetry]\nevery_s = 5\n";
    let door = door_on(&broker, &pki.ca, &[Scene::empty(2.0)], limits);
    drop(broker);
    let config = Config::load(&door.config()).unwrap();
    let mut store = Store::open(&config.store.path, config.wire()).unwrap();
    let many = (0..1_000).map(|_| (Timestamp::now(), secured()));
    store.record_all(many, None).unwrap();
    let mut service = door.start();
    let line = service.wait_for("alarm raised");
    assert!(
        line.contains("\"outbox\"") && line.contains("max_messages = 1000"),
        "{line}"
    );
    service.wait_for("messages were dropped");
    service.signal(Signal::TERM);
    assert!(service.wait().success(), "{}", service.log());
    let status = &door.json(&["outbox", "status"])[0];
    let classes = status["classes"].as_array().unwrap();
    let waiting = classes.iter().find(|class| class["class"] == "door");
    assert_eq!(waiting.unwrap()["queued"], 1_000, "{status}");
    assert_eq!(status["dropped"][0]["class"], "telemetry");
    assert_eq!(status["dropped"][0]["reason"], "limit");
    let text = door.run(&["outbox", "status"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(
        text.contains("wait for the broker") && text.contains("dropped so far"),
        "{text}"
    );
    assert_eq!(events(&door, "delivery.dropped").len(), 1);
}
