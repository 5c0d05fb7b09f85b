//! `doorward bench outbox`: measures against a real broker, and touches nothing of the door.

use serde_json::Value;

use crate::support::broker::Broker;
use crate::support::door::{Door, stderr};
use crate::support::pki::Pki;
use crate::support::subscriber::{Login, Subscriber};
use crate::support::wait_for;

use std::time::Duration;

struct Bench {
    door: Door,
    broker: Broker,
    pki: Pki,
}

/// A door whose configured broker is a real one.
fn bench() -> Bench {
    let door = Door::new("");
    let pki = Pki::new(&door.path(""), "ca");
    let broker = Broker::builder(&pki).start();
    door.configure(&format!(
        "[mqtt]\nurl = \"{}\"\nca_file = {:?}",
        broker.url(),
        pki.ca
    ));
    Bench { door, broker, pki }
}

#[test]
fn every_qos_is_measured_below_a_topic_of_its_own() {
    let Bench { door, broker, pki } = bench();
    let everything = Subscriber::start(broker.port, Some(&pki), "#", &Login::default());
    for qos in ["0", "1", "2"] {
        let arguments = [
            "bench", "outbox", "--events", "40", "--paced", "5", "--qos", qos,
        ];
        let measured: &Value = &door.json(&arguments)[0];
        assert_eq!(measured["qos"], qos.parse::<u8>().unwrap());
        assert_eq!(measured["commit"]["count"], 40);
        assert_eq!(measured["latency"]["count"], 5);
        for rate in ["recorded_per_second", "drained_per_second"] {
            assert!(measured[rate].as_f64().unwrap() > 0.0, "{measured}");
        }
        // At QoS 0 what has been sent is noted when there is time.
        let commits = measured["commits_per_event"].as_f64().unwrap();
        assert!(commits > 0.0 || qos == "0", "{measured}");
    }
    wait_for("the events", Duration::from_secs(20), || {
        everything.payloads("/event/access").len() == 3 * 45
    });
    let messages = everything.messages();
    assert!(
        messages
            .iter()
            .all(|m| m.topic.starts_with("doorward-bench/"))
    );
    assert!(!door.path("door.db").exists());
}

#[test]
fn a_payload_is_as_long_as_asked_for_and_the_broker_may_be_another() {
    let Bench { door, broker, pki } = bench();
    let everything = Subscriber::start(broker.port, Some(&pki), "#", &Login::default());
    let url = broker.url();
    let output = crate::support::door::doorward()
        .args(["bench", "outbox", "--broker", &url, "--ca"])
        .arg(&pki.ca)
        .args(["--events", "3", "--paced", "0", "--payload", "2000"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("3 events of 2000 bytes"), "{text}");
    wait_for("the events", Duration::from_secs(20), || {
        everything.payloads("/event/access").len() == 3
    });
    for payload in everything.payloads("/event/access") {
        assert_eq!(payload.len(), 2_000);
    }
    drop(door);
}

#[test]
fn without_a_broker_the_cause_and_the_way_out_are_told() {
    let door = Door::new("");
    let output = door.run(&["bench", "outbox"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--broker"), "{}", stderr(&output));

    let Bench {
        door,
        mut broker,
        pki: _pki,
    } = bench();
    broker.stop();
    let output = door.run(&["bench", "outbox", "--events", "1"]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("nothing was measured"), "{told}");
    assert!(told.contains("refused"), "{told}");
}

#[test]
fn a_denial_that_mqtt_3_1_1_acknowledges_is_no_rate() {
    for (rules, word) in [
        ("topic readwrite doorward/#\n", "did not come back"),
        ("topic write doorward-bench/#\n", "did not come back"),
        ("topic readwrite doorward/#\n", ""),
    ] {
        let Bench { door, broker, pki } = bench();
        drop(broker);
        let broker = Broker::builder(&pki)
            .acl(rules)
            // Without a limit Mosquitto 2.0 hangs up over a denial.
            .line(if word.is_empty() {
                ""
            } else {
                "max_queued_messages 1000"
            })
            .start();
        door.configure(&format!(
            "[mqtt]\nurl = \"{}\"\nca_file = {:?}",
            broker.url(),
            pki.ca
        ));
        let arguments = ["bench", "outbox", "--events", "1", "--protocol", "3.1.1"];
        let output = door.run(&arguments);
        assert_eq!(output.status.code(), Some(1), "{rules}");
        let told = stderr(&output);
        assert!(
            told.contains("doorward-bench/#") && told.contains(word),
            "{told}"
        );
    }
    // Where it is allowed, it is measured.
    let Bench { door, .. } = &bench();
    let arguments = [
        "bench",
        "outbox",
        "--events",
        "5",
        "--paced",
        "1",
        "--protocol",
        "3.1.1",
    ];
    let measured: &Value = &door.json(&arguments)[0];
    assert_eq!(measured["latency"]["count"], 1);
}

#[test]
fn a_broker_that_refuses_the_topic_is_told_apart() {
    let Bench { door, broker, pki } = bench();
    drop(broker);
    let broker = Broker::builder(&pki)
        .acl("topic readwrite doorward/#\n")
        .start();
    door.configure(&format!(
        "[mqtt]\nurl = \"{}\"\nca_file = {:?}",
        broker.url(),
        pki.ca
    ));
    let output = door.run(&["bench", "outbox", "--events", "1"]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("doorward-bench/#"), "{told}");
}
