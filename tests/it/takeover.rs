//! Somebody connects to a real broker with the door's client id.

use std::process::Command;
use std::time::Duration;

use doorward::config::Protocol;
use doorward::mqtt::PumpEvent;

use crate::support::broker::Broker;
use crate::support::clip::{self, Scene};
use crate::support::door::Door;
use crate::support::pki::Pki;
use crate::support::sender::{Pump, SOON, Sender, record};
use crate::support::subscriber::{Login, Subscriber};
use crate::support::wait_for;

/// Connects with a clean start, leaves a session that outlives the connection, and goes.
fn take(broker: &Broker, pki: &Pki) {
    let taken = Command::new("mosquitto_pub")
        .args(["-V", "mqttv5", "-x", "100", "-h", "localhost", "-p"])
        .arg(broker.port.to_string())
        .arg("--cafile")
        .arg(&pki.ca)
        .args(["-i", "doorward-home-front", "-t", "x", "-m", "x"])
        .status();
    assert!(taken.unwrap().success());
}

fn told(pump: &Pump) -> String {
    pump.next("the takeover", |event| match event {
        PumpEvent::TakenOver { detail } => Some(detail),
        _ => None,
    })
}

#[test]
fn with_mqtt_5_every_takeover_is_noticed_and_the_door_comes_back_at_once() {
    let door = Sender::new();
    let broker = Broker::builder(&door.pki).start();
    let door = door.towards(&broker.url());
    let consumer = Subscriber::start(
        broker.port,
        Some(&door.pki),
        "doorward/#",
        &Login::default(),
    );
    let mut store = door.store();
    let pump = door.pump();
    for round in 1..=3 {
        pump.connected();
        door.drained(SOON);
        take(&broker, &door.pki);
        let detail = told(&pump);
        // Mosquitto 2.0 says nothing, later ones do.
        let noticed = ["took its place", "may be using this door's client id"];
        assert!(
            noticed.iter().any(|words| detail.contains(words)),
            "{detail}"
        );
        record(&mut store);
        pump.handle.wake();
        wait_for("the event", SOON, || {
            consumer.sequences("/access").len() == round
        });
    }
    door.drained(SOON);
}

#[test]
fn with_mqtt_5_a_restart_of_the_broker_is_no_takeover() {
    let door = Sender::new();
    let mut broker = Broker::builder(&door.pki).start();
    let door = door.towards(&broker.url());
    let mut store = door.store();
    let (send, taken) = std::sync::mpsc::channel();
    let pump = door.pump_telling(move |event| {
        if let PumpEvent::TakenOver { detail } = event {
            let _ = send.send(detail.clone());
        }
    });
    pump.connected();
    door.drained(SOON);
    for _ in 0..3 {
        broker.restart();
        assert!(pump.connected(), "the session is the old one");
        record(&mut store);
        pump.handle.wake();
        door.drained(SOON);
    }
    assert_eq!(taken.try_iter().collect::<Vec<_>>(), Vec::<String>::new());
    // Somebody else with the broker there all the time is one, after restarts too.
    take(&broker, &door.pki);
    told(&pump);
}

#[test]
fn with_mqtt_3_1_1_two_in_a_row_are_suspected_and_a_restart_of_the_broker_is_not() {
    let door = Sender::speaking(Protocol::V311);
    let mut broker = Broker::builder(&door.pki).start();
    let door = door.towards(&broker.url());
    let mut store = door.store();
    let pump = door.pump();
    pump.connected();
    door.drained(SOON);
    broker.stop();
    pump.failure();
    // It is asked again before it is back.
    pump.failure();
    broker.start();
    pump.connected();
    door.drained(SOON);
    take(&broker, &door.pki);
    pump.failure();
    pump.connected();
    door.drained(SOON);
    take(&broker, &door.pki);
    let detail = told(&pump);
    assert!(
        detail.contains("may be using this door's client id"),
        "{detail}"
    );
    record(&mut store);
    pump.handle.wake();
    door.drained(SOON);
}

#[test]
fn a_takeover_is_an_alarm() {
    let folder = tempfile::tempdir().unwrap();
    let pki = Pki::new(folder.path(), "ca");
    let broker = Broker::builder(&pki).start();
    let door = Door::new(&format!(
        "[camera]\nsource = \"file\"\npath = \"clip.avi\"\nrepeat = true\n[mqtt]\nurl = \"{}\"\nca_file = {:?}\n",
        broker.url(),
        pki.ca
    ));
    clip::write(&door.path("clip.avi"), &[Scene::empty(2.0)]).unwrap();
    let login = Login::default();
    let consumer = Subscriber::start(broker.port, Some(&pki), "doorward/home/front/alarm", &login);
    let mut service = door.start();
    service.wait_for("\"ready\"");
    wait_for("it is connected", Duration::from_secs(60), || {
        broker.log().contains("as doorward-home-front (p5, c0")
    });
    take(&broker, &pki);
    wait_for("the alarm", Duration::from_secs(60), || {
        consumer.messages().iter().any(|message| {
            let json = message.json();
            json["data"]["alarm"] == "session_taken" && json["data"]["severity"] == "major"
        })
    });
    // It may be an attack: at QoS 2.
    assert_eq!(consumer.messages()[0].qos, 2);
}
