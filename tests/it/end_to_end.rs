//! The whole of it against a real broker over TLS: what an independent subscriber gets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rustix::process::Signal;

use crate::support::broker::Broker;
use crate::support::clip::{self, Scene};
use crate::support::door::{Door, PATIENCE, stderr};
use crate::support::faces::{PERSON, STRANGERS, Sheet};
use crate::support::pki::{Pki, write_secret};
use crate::support::subscriber::{Login, Message, Subscriber};
use crate::support::wait_for;

const ACL: &str =
    "user door\ntopic write doorward/home/front/#\nuser watcher\ntopic read doorward/#\n";

/// A door on a broker that asks for a password, with a clip of a stranger and the person.
fn door_on(broker: &Broker, ca: &Path) -> Door {
    let door = Door::new(&format!(
        "[camera]\nsource = \"file\"\npath = \"clip.avi\"\n\
         [mqtt]\nurl = \"{}\"\nca_file = {ca:?}\nusername = \"door\"\npassword_file = \"password\"\n",
        broker.url(),
    ));
    write_secret(&door.path("password"), "secret\n");
    let sheet = Sheet::open().unwrap();
    let visitor = |cell| Scene::visitor(&sheet.face(cell).unwrap(), 4.0);
    let scenes = [
        visitor(STRANGERS[0]),
        Scene::empty(1.0),
        visitor(PERSON[0]),
        Scene::empty(1.5),
    ];
    clip::write(&door.path("clip.avi"), &scenes).unwrap();
    door
}

fn broker(pki: &Pki) -> crate::support::broker::Builder {
    Broker::builder(pki)
        .user("door", "secret")
        .user("watcher", "watching")
        .acl(ACL)
}

fn watch(broker: &Broker, pki: &Pki) -> Subscriber {
    let login = Login {
        user: Some(("watcher", "watching")),
        ..Login::default()
    };
    Subscriber::start(broker.port, Some(pki), "doorward/#", &login)
}

/// Checks that the subscriber got each recorded event exactly once, with the right topic and QoS.
#[track_caller]
fn each_event_exactly_once(door: &Door, messages: &[Message]) {
    each_event_arrived(door, messages, 1);
}

/// The same, where events of QoS 1 may come up to `at_qos_1` times.
#[track_caller]
fn each_event_arrived(door: &Door, messages: &[Message], at_qos_1: usize) {
    let mut received: BTreeMap<String, Vec<&Message>> = BTreeMap::new();
    for message in messages
        .iter()
        .filter(|m| m.payload.contains("specversion"))
    {
        let id = message.json()["id"].as_str().unwrap().to_owned();
        received.entry(id).or_default().push(message);
    }
    let recorded = door.json(&["events", "list"]);
    assert_eq!(received.len(), recorded.len());
    for event in recorded {
        let copies = &received[event["id"].as_str().unwrap()];
        let message = copies[0];
        let (class, qos) = match event["kind"].as_str().unwrap().split_once('.').unwrap() {
            ("access", _) => ("event/access", 2),
            ("door", _) => ("event/door", 1),
            ("admin", _) => ("event/admin", 1),
            other => panic!("{other:?}"),
        };
        assert_eq!(message.topic, format!("doorward/home/front/{class}"));
        assert_eq!(message.qos, qos);
        let allowed = if qos == 1 { at_qos_1 } else { 1 };
        assert!(copies.len() <= allowed, "{} times: {event}", copies.len());
        assert_eq!(message.content_type, "application/cloudevents+json");
        let json = message.json();
        assert_eq!(
            json["type"],
            format!("doorward.{}.v1", event["kind"].as_str().unwrap())
        );
        assert_eq!(json["data"], event["data"]);
        assert_eq!(message.sequence(), event["seq"].as_u64().unwrap());
    }
}

#[test]
fn an_independent_subscriber_gets_each_event_exactly_once() {
    let folder = tempfile::tempdir().unwrap();
    let pki = Pki::new(folder.path(), "ca");
    let broker = broker(&pki).start();
    let subscriber = watch(&broker, &pki);
    let door = door_on(&broker, &pki.ca);
    door.enroll_sample_person();
    let mut service = door.start();
    assert!(service.wait().success(), "{}", service.log());
    wait_for("stopped arrives", PATIENCE, || {
        subscriber.payloads("availability") == ["online", "stopped"]
    });
    each_event_exactly_once(&door, &subscriber.messages());
    let kinds = [
        "admin.enrolled",
        "access.denied",
        "access.granted",
        "door.released",
        "door.secured",
    ];
    assert_eq!(door.kinds(), kinds);
    let state = |text: &String| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let locks: Vec<_> = subscriber
        .payloads("state")
        .iter()
        .map(|s| state(s)["lock"].clone())
        .collect();
    assert_eq!(locks, ["secured", "released", "secured"]);
    assert!(!service.log().contains("secret"));
}

#[test]
fn without_a_broker_the_door_works_and_the_events_wait() {
    let folder = tempfile::tempdir().unwrap();
    let pki = Pki::new(folder.path(), "ca");
    let mut broker = broker(&pki).prepare();
    let door = door_on(&broker, &pki.ca);
    door.enroll_sample_person();
    let mut service = door.start();
    assert!(service.wait().success(), "{}", service.log());
    door.moved(&["secured", "released", "secured"]);
    assert!(
        service
            .log()
            .contains("connection refused: nothing listens"),
        "{}",
        service.log()
    );

    broker.start();
    let subscriber = watch(&broker, &pki);
    // Nobody at the door any more; only what waited is sent.
    clip::write(&door.path("clip.avi"), &[Scene::empty(60.0)]).unwrap();
    let mut service = door.start();
    wait_for("the last event arrives", PATIENCE, || {
        subscriber.sequences("event/").len() == 5
    });
    service.signal(Signal::TERM);
    assert!(service.wait().success(), "{}", service.log());
    each_event_exactly_once(&door, &subscriber.messages());
}

#[test]
fn a_killed_service_is_offline_and_delivers_the_rest_after_its_restart() {
    let folder = tempfile::tempdir().unwrap();
    let pki = Pki::new(folder.path(), "ca");
    let broker = broker(&pki).start();
    let subscriber = watch(&broker, &pki);
    let door = door_on(&broker, &pki.ca);
    door.enroll_sample_person();
    let mut service = door.start();
    service.wait_for("door released");
    service.signal(Signal::KILL);
    service.wait();
    wait_for("the will arrives", PATIENCE, || {
        subscriber
            .payloads("availability")
            .last()
            .is_some_and(|last| last == "offline")
    });
    clip::write(&door.path("clip.avi"), &[Scene::empty(60.0)]).unwrap();
    let mut service = door.start();
    // Only then does the record say that the door was secured.
    service.wait_for("\"ready\"");
    let recorded = || door.json(&["events", "list"]).len();
    wait_for("everything arrives", PATIENCE, || {
        let arrived: BTreeSet<u64> = subscriber.sequences("event/").into_iter().collect();
        arrived.len() == recorded()
    });
    service.signal(Signal::TERM);
    assert!(service.wait().success(), "{}", service.log());
    // What was under way at QoS 1 when the process died is sent again, and may come twice.
    each_event_arrived(&door, &subscriber.messages(), 2);
    assert_eq!(door.kinds().last().unwrap(), &"door.secured");
}

#[test]
fn a_missing_ca_or_key_file_is_named_at_start_with_the_relay_safe() {
    let door = Door::new("[mqtt]\nurl = \"mqtts://localhost\"\nca_file = \"none.pem\"\n");
    let output = door.run(&["run"]);
    assert_eq!(output.status.code(), Some(1));
    let error = stderr(&output);
    assert!(
        error.lines().last().unwrap().contains("none.pem"),
        "{error}"
    );
    door.moved(&["secured"]);
}
