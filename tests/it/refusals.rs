//! Messages the broker does not take, and a disk that does not take them either: the rest goes on.

use std::time::Duration;

use doorward::clock::Timestamp;
use doorward::config::ResendDup;
use doorward::event::{Alarm, Event};
use doorward::mqtt::{Failure, PumpEvent};

use crate::support::broker::Broker;
use crate::support::pki::write_secret;
use crate::support::script::{Client, Packet, Script};
use crate::support::sender::{Pump, SOON, Sender, record, secured};
use crate::support::subscriber::{Login, Subscriber};
use crate::support::wait_for;

fn rejection(pump: &Pump) -> (String, String) {
    pump.next("a rejection", |event| match event {
        PumpEvent::Rejected { topic, reason, .. } => Some((topic, reason)),
        _ => None,
    })
}

#[test]
fn what_the_broker_forbids_is_set_aside_with_the_reason() {
    let mut door = Sender::new();
    let broker = Broker::builder(&door.pki)
        .user("door", "secret")
        .user("watcher", "secret")
        .acl("user watcher\ntopic read #\nuser door\ntopic write doorward/+/+/availability\ntopic write doorward/+/+/event/door\n")
        .start();
    let password = door.folder().join("password");
    write_secret(&password, "secret\n");
    door.mqtt().username = Some("door".into());
    door.mqtt().password_file = Some(password);
    let door = door.towards(&broker.url());
    let login = Login {
        user: Some(("watcher", "secret")),
        ..Login::default()
    };
    let consumer = Subscriber::start(broker.port, Some(&door.pki), "doorward/#", &login);
    let mut store = door.store();
    record(&mut store);
    let alarm = Event::AlarmRaised {
        severity: doorward::event::Severity::Major,
        alarm: Alarm::Storage,
        detail: String::new(),
        person: None,
    };
    store.record(Timestamp::now(), alarm).unwrap();
    store.record(Timestamp::now(), secured()).unwrap();
    let pump = door.pump();
    for topic in [
        "doorward/home/front/event/access",
        "doorward/home/front/alarm",
    ] {
        let rejected = rejection(&pump);
        assert_eq!(rejected, (topic.to_owned(), "NotAuthorized".to_owned()));
    }
    wait_for("the allowed one", SOON, || {
        consumer.sequences("/event/") == [3]
    });
    door.drained(SOON);
    let kept = door.outbox().rejected().unwrap();
    let kept: Vec<_> = kept
        .iter()
        .map(|(row, reason)| (row.seq, reason.as_str()))
        .collect();
    assert_eq!(kept, [(1, "NotAuthorized"), (2, "NotAuthorized")]);
}

#[test]
fn what_is_too_large_for_the_broker_is_set_aside_and_not_tried_for_ever() {
    let door = Sender::new();
    let broker = Broker::builder(&door.pki)
        .line("max_packet_size 20000")
        .start();
    let door = door.towards(&broker.url());
    let consumer = Subscriber::start(
        broker.port,
        Some(&door.pki),
        "doorward/#",
        &Login::default(),
    );
    let mut store = door.store();
    let alarm = Event::AlarmRaised {
        severity: doorward::event::Severity::Major,
        alarm: Alarm::Storage,
        detail: "x".repeat(20_000),
        person: None,
    };
    store.record(Timestamp::now(), alarm).unwrap();
    record(&mut store);
    let pump = door.pump();
    pump.connected();
    let (topic, reason) = rejection(&pump);
    assert!(
        topic.ends_with("/alarm") && reason.contains("20000 bytes"),
        "{reason}"
    );
    wait_for("the next one", SOON, || {
        consumer.sequences("/event/") == [2]
    });
    door.drained(SOON);
    assert!(
        pump.events
            .try_iter()
            .all(|event| !matches!(event, PumpEvent::Disconnected { .. }))
    );
}

#[test]
fn while_the_disk_refuses_nothing_is_sent_and_afterwards_everything_once() {
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
    pump.connected();
    door.drained(SOON);
    // What the pump writes fails; what others write does not.
    let disk = rusqlite::Connection::open(door.database()).unwrap();
    disk.execute_batch(
        "CREATE TRIGGER full BEFORE UPDATE ON outbox BEGIN SELECT RAISE(ABORT, 'no space'); END;",
    )
    .unwrap();
    for _ in 0..3 {
        record(&mut store);
    }
    pump.handle.wake();
    let failure = pump.failure();
    assert!(
        matches!(&failure, Failure::Storage(text) if text.contains("no space")),
        "{failure:?}"
    );
    std::thread::sleep(Duration::from_millis(800));
    assert_eq!(consumer.sequences("/event/"), [] as [u64; 0]);
    disk.execute_batch("DROP TRIGGER full;").unwrap();
    wait_for("all three", SOON, || {
        consumer.sequences("/event/").len() >= 3
    });
    door.drained(SOON);
    assert_eq!(consumer.sequences("/event/"), [1, 2, 3]);
}

/// A door that speaks plain MQTT to a script.
fn scripted() -> (Sender, Script) {
    let script = Script::new();
    let mut door = Sender::new();
    door.mqtt().allow_plaintext = true;
    // Nothing but events: no question for the broker's version.
    door.mqtt().resend_dup = ResendDup::Always;
    let url = format!("mqtt://127.0.0.1:{}", script.port);
    (door.towards(&url), script)
}

#[test]
fn a_message_the_broker_holds_since_before_the_cut_is_released_not_lost() {
    let (door, script) = scripted();
    let mut store = door.store();
    record(&mut store);
    let _pump = door.pump();

    // The connection breaks while the event is under way.
    let mut client = script.first();
    let Packet::Publish {
        qos: 1,
        pkid,
        topic,
        ..
    } = client.read()
    else {
        panic!("availability first");
    };
    assert!(topic.ends_with("/availability"));
    client.puback(pkid);
    let Packet::Publish {
        qos: 2,
        dup: false,
        pkid: held,
        ..
    } = client.read()
    else {
        panic!("then the event");
    };
    // Time to take the PUBACK in: together with the end it would count for nothing.
    std::thread::sleep(Duration::from_millis(200));
    drop(client);
    record(&mut store);

    // The broker has held it since: nothing new may be sent before the rebuild.
    let (mut client, connect) = script.accept();
    assert_eq!(connect, Packet::Connect { clean_start: false });
    client.accept(true);
    let again = client.read();
    assert!(
        matches!(again, Packet::Publish { qos: 2, dup: true, pkid, .. } if pkid == held),
        "{again:?}"
    );
    assert!(client.is_silent(Duration::from_millis(200)));
    client.pubrec(held, 0x91);
    assert_eq!(client.read(), Packet::Disconnect);

    // The release follows, and the id is free again.
    let (mut client, _) = script.accept();
    client.accept(true);
    assert_eq!(client.read(), Packet::PubRel { pkid: held });
    client.pubcomp(held);
    let mut fresh = None;
    while fresh.is_none() {
        match client.read() {
            Packet::Publish { qos: 1, pkid, .. } => client.puback(pkid),
            Packet::Publish {
                qos: 2,
                dup: false,
                pkid,
                ..
            } => fresh = Some(pkid),
            other => panic!("{other:?}"),
        }
    }

    // In use, but never sent before: the broker did not take it, so it goes again, under an id
    // that may be free, and as a message that was never sent.
    let fresh = fresh.unwrap();
    client.pubrec(fresh, 0x91);
    let again = client.read();
    assert!(
        matches!(again, Packet::Publish { qos: 2, dup: false, pkid, .. } if pkid != fresh),
        "{again:?}"
    );
    assert_eq!(door.outbox().depth().unwrap().rejected, 0);
}

#[test]
fn once_the_release_may_have_left_only_the_release_is_repeated() {
    let (door, script) = scripted();
    record(&mut door.store());
    let _pump = door.pump();
    let mut client = script.first();
    let event = loop {
        match client.read() {
            Packet::Publish { qos: 2, pkid, .. } => break pkid,
            Packet::Publish { pkid, .. } => client.puback(pkid),
            other => panic!("{other:?}"),
        }
    };
    client.pubrec(event, 0);
    assert_eq!(client.read(), Packet::PubRel { pkid: event });
    drop(client);

    let (mut client, _) = script.accept();
    client.accept(true);
    assert_eq!(client.read(), Packet::PubRel { pkid: event });
    // "Packet identifier not found": the first release got through.
    client.pubcomp_not_found(event);
    let Packet::Publish { qos: 1, pkid, .. } = client.read() else {
        panic!("availability goes on");
    };
    client.puback(pkid);
    door.drained(SOON);
}

/// Answers everything until the event of QoS 2 is there: its packet id, and whether it says that
/// it is a repetition.
fn event(client: &mut Client) -> (u16, bool) {
    loop {
        match client.read() {
            Packet::Publish {
                qos: 2, pkid, dup, ..
            } => return (pkid, dup),
            Packet::Publish { qos: 1, pkid, .. } => client.puback(pkid),
            Packet::Subscribe { pkid } => client.suback(pkid),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_the_broker_cannot_take_now_is_sent_again_after_a_pause_on_the_same_connection() {
    let (door, script) = scripted();
    record(&mut door.store());
    let pump = door.pump();
    let mut client = script.first();
    let (pkid, _) = event(&mut client);
    client.pubrec(pkid, 0x97);
    assert!(client.is_silent(Duration::from_millis(500)));
    let (pkid, dup) = event(&mut client);
    assert!(!dup, "the broker did not take the first one");
    client.pubrec(pkid, 0);
    assert_eq!(client.read(), Packet::PubRel { pkid });
    client.pubcomp(pkid);
    door.drained(SOON);
    assert!(
        pump.events
            .try_iter()
            .all(|event| !matches!(event, PumpEvent::Rejected { .. }))
    );
}

#[test]
fn a_broker_that_ends_the_connection_over_a_size_costs_the_largest_message_only() {
    let (door, script) = scripted();
    let mut store = door.store();
    let alarm = Event::AlarmRaised {
        severity: doorward::event::Severity::Major,
        alarm: Alarm::Storage,
        detail: "x".repeat(5_000),
        person: None,
    };
    store.record(Timestamp::now(), alarm).unwrap();
    record(&mut store);
    let pump = door.pump();
    let mut client = script.first();
    event(&mut client);
    client.disconnect(0x95);
    let (topic, reason) = rejection(&pump);
    assert!(topic.ends_with("/alarm"), "{topic}");
    assert!(reason.contains("ends the connection over it"), "{reason}");

    let (mut client, _) = script.accept();
    client.accept(true);
    let (pkid, dup) = event(&mut client);
    assert!(dup);
    client.pubrec(pkid, 0);
    assert_eq!(client.read(), Packet::PubRel { pkid });
    client.pubcomp(pkid);
    let Packet::Publish {
        qos: 1,
        pkid,
        topic,
        ..
    } = client.read()
    else {
        panic!("availability goes on");
    };
    assert!(topic.ends_with("/availability"), "{topic}");
    client.puback(pkid);
    door.drained(SOON);
    let rejected: Vec<i64> = door
        .outbox()
        .rejected()
        .unwrap()
        .iter()
        .map(|(row, _)| row.seq)
        .collect();
    assert_eq!(rejected, [1]);
}

/// Cuts the first connection with an event under way; whether the second one says so.
fn repetition_says_so(door: &Sender, script: &Script, version: Option<&str>) -> bool {
    let mut store = door.store();
    let pump = door.pump();
    let mut client = script.first();
    let mut asked = false;
    loop {
        match client.read() {
            Packet::Publish { qos: 1, pkid, .. } => {
                client.puback(pkid);
                if version.is_none() {
                    break;
                }
            }
            // The question comes last, in a packet of its own.
            Packet::Subscribe { pkid } => {
                asked = true;
                client.suback(pkid);
                if let Some(version) = version {
                    client.publish("$SYS/brokers/emqx@127.0.0.1/version", version);
                }
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(asked, version.is_some(), "asked for the version or not");
    door.drained(SOON);
    record(&mut store);
    pump.handle.wake();
    let (first, dup) = event(&mut client);
    assert!(!dup);
    drop(client);
    let (mut client, _) = script.accept();
    client.accept(true);
    let (again, dup) = event(&mut client);
    assert_eq!(first, again);
    dup
}

#[test]
fn a_repetition_says_so_as_the_setting_and_the_broker_want_it() {
    for (setting, version, dup) in [
        (ResendDup::Always, None, true),
        (ResendDup::Never, None, false),
        (ResendDup::Auto, Some("5.8.3"), true),
        (ResendDup::Auto, Some("6.2.1"), false),
    ] {
        let (mut door, script) = scripted();
        door.mqtt().resend_dup = setting;
        let said = repetition_says_so(&door, &script, version);
        assert_eq!(said, dup, "{setting:?} {version:?}");
    }
}
