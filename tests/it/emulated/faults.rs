//! A broker that is silent, that hangs up, that talks nonsense.

use doorward::config::Protocol;
use doorward::mqtt::{Failure, PumpEvent};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::{PROTOCOLS, Scene};
use crate::support::emulated::{Act, Allowance, Incoming, Outgoing};
use crate::support::sender::{Pump, SOON};
use crate::support::wait_for;

/// The broker is repaired: what waited arrives, once.
#[track_caller]
fn recovers(scene: &Scene, pump: Pump, events: u64) {
    scene.broker.behave();
    scene.drained();
    scene.exactly_once(events);
    scene.nothing_set_aside();
    scene.patient();
    pump.handle.shutdown(SOON);
    let last = scene.broker.delivered().pop().unwrap();
    assert_eq!(last.payload, b"stopped");
}

#[test]
fn a_broker_that_never_answers_connect_is_reported_and_asked_again() {
    let mut scene = Scene::new(Protocol::V5);
    scene.broker.script(|_| Act::ignore());
    scene.record(2);
    let pump = scene.pump();
    let failure = pump.failure();
    assert!(matches!(failure, Failure::Network(_)), "{failure:?}");
    assert!(
        failure.to_string().contains("did not answer in time"),
        "{failure}"
    );
    // Nothing but CONNECT was tried, and the door goes on recording.
    assert_eq!(scene.broker.said("> PUBLISH"), 0);
    scene.record(1);
    wait_for("another attempt", SOON, || scene.broker.connections() == 2);
    println!("no answer to CONNECT: {failure}");
    scene.broker.hang_up();
    recovers(&scene, pump, 3);
}

#[test]
fn a_broker_that_falls_silent_is_noticed_by_its_missing_pong() {
    for protocol in PROTOCOLS {
        let mut scene = Scene::new(protocol);
        scene.door.mqtt().keep_alive_s = 1;
        scene.broker.script(|seen| match seen.packet {
            Incoming::Connect { .. } => Act::proper(),
            _ => Act::ignore(),
        });
        scene.record(2);
        let pump = scene.pump();
        let failure = pump.failure();
        assert!(matches!(failure, Failure::Network(_)), "{failure:?}");
        assert!(failure.to_string().contains("ping"), "{failure}");
        scene.record(1);
        println!("{protocol:?}, silence after CONNACK: {failure}");
        recovers(&scene, pump, 3);
    }
}

#[test]
fn a_broker_that_answers_pings_alone_is_noticed_too() {
    let mut scene = Scene::new(Protocol::V5);
    scene.door.mqtt().keep_alive_s = 5;
    scene.broker.script(|seen| match seen.packet {
        Incoming::Connect { .. } | Incoming::Ping => Act::proper(),
        _ => Act::ignore(),
    });
    scene.record(2);
    let pump = scene.pump();
    pump.connected();
    wait_for("a failure", SOON * 2, || {
        pump.events.try_iter().any(|event| match event {
            PumpEvent::Disconnected { error } => {
                println!("pings and nothing else: {error}");
                error.to_string().contains("answers pings but")
            }
            _ => false,
        })
    });
    recovers(&scene, pump, 2);
}

#[test]
fn a_broker_that_hangs_up_after_every_packet_loses_nothing() {
    for protocol in PROTOCOLS {
        for answers in [false, true] {
            let mut scene = Scene::new(protocol);
            scene.broker.script(move |_| {
                let act = Act::proper().and_close();
                if answers { act } else { act.without_answer() }
            });
            scene.record(5);
            let pump = scene.pump();
            wait_for("ten attempts", SOON, || scene.broker.connections() >= 10);
            let failure = pump.failure();
            scene.record(1);
            println!("{protocol:?}, hangs up after every packet (answers: {answers}): {failure}");
            recovers(&scene, pump, 6);
        }
    }
}

#[test]
fn a_broker_that_hangs_up_after_one_step_of_a_message_still_gets_them_all() {
    for protocol in PROTOCOLS {
        let mut scene = Scene::new(protocol);
        scene.broker.script(|seen| match seen.packet {
            Incoming::Release(_) => Act::proper().and_close(),
            _ if seen.event().is_some() => Act::proper().and_close(),
            _ => Act::proper(),
        });
        scene.record(5);
        let pump = scene.pump();
        scene.drained();
        println!(
            "{protocol:?}, hangs up after each PUBLISH and PUBREL: five events in {} connections",
            scene.broker.connections()
        );
        recovers(&scene, pump, 5);
    }
}

/// What a broker must not say, and to which packet.
fn nonsense(protocol: Protocol) -> Vec<(&'static str, bool, Vec<Outgoing>)> {
    let hello = Outgoing::ConnAck {
        session_present: false,
        refused: None,
        allowance: Allowance::default(),
    };
    let raw = |bytes: &[u8]| vec![Outgoing::Raw(bytes.to_vec())];
    let mut cases = vec![
        (
            "a web server",
            true,
            raw(&[b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(), &[b'.'; 100]].concat()),
        ),
        ("zeros for CONNACK", true, raw(&[0; 64])),
        (
            "an endless length for CONNACK",
            true,
            raw(&[0x20, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ),
        ("PUBACK for CONNACK", true, vec![Outgoing::PubAck(1, 0)]),
        (
            "PUBREL of an id never used",
            false,
            raw(&[0x62, 2, 0x12, 0x34]),
        ),
        (
            "PUBACK of an id never used",
            false,
            vec![Outgoing::PubAck(4660, 0)],
        ),
        (
            "PUBREC of an id never used",
            false,
            vec![Outgoing::PubRec(4660, 0)],
        ),
        (
            "PUBCOMP of an id never used",
            false,
            vec![Outgoing::PubComp(4660, 0)],
        ),
        (
            "PUBCOMP before PUBREC",
            false,
            vec![Outgoing::PubComp(2, 0)],
        ),
        (
            "SUBACK of an id never used",
            false,
            vec![Outgoing::SubAck(4660, 1)],
        ),
        ("a second CONNACK", false, vec![hello]),
        (
            "a length of 268 MB",
            false,
            raw(&[0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, b'x']),
        ),
        (
            "an endless length",
            false,
            raw(&[0x30, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ),
        ("packet id 0", false, raw(&[0x40, 2, 0, 0])),
        ("a packet type that is reserved", false, raw(&[0x00, 0x00])),
        ("CONNECT from the broker", false, raw(&[0x10, 2, 0, 0])),
    ];
    if protocol == Protocol::V5 {
        cases.push((
            "a reason code that is reserved",
            false,
            raw(&[0x50, 3, 0, 2, 0x42]),
        ));
        cases.push((
            "a property that does not exist",
            false,
            raw(&[0x40, 5, 0, 2, 0, 1, 0x7f]),
        ));
    }
    cases
}

/// Says it once, to CONNECT or to the first event; returns the failure that followed, if any.
#[track_caller]
fn say(protocol: Protocol, to_connect: bool, words: Vec<Outgoing>) -> String {
    let mut scene = Scene::new(protocol);
    scene.door.mqtt().keep_alive_s = 1;
    let mut words = Some(words);
    scene.broker.script(move |seen| {
        let now = match seen.packet {
            Incoming::Connect { .. } => to_connect,
            _ => seen.event().is_some(),
        };
        match now.then(|| words.take()).flatten() {
            Some(words) => Act::answer(words),
            None => Act::proper(),
        }
    });
    scene.record(1);
    let pump = scene.pump();
    // What ends no connection leaves the event without an answer: then the broker hangs up.
    let mut failure = None;
    wait_for("the nonsense is dealt with", SOON, || {
        failure = failure.take().or_else(|| {
            pump.events.try_iter().find_map(|event| match event {
                PumpEvent::Disconnected { error } => Some(error.to_string()),
                _ => None,
            })
        });
        failure.is_some() || scene.broker.said("> PINGREQ") > 0
    });
    scene.record(1);
    if failure.is_none() {
        scene.broker.hang_up();
    }
    recovers(&scene, pump, 2);
    failure.unwrap_or_else(|| "no failure".to_owned())
}

#[test]
fn nonsense_ends_the_connection_and_loses_nothing() {
    for protocol in PROTOCOLS {
        for (what, to_connect, words) in nonsense(protocol) {
            let failure = say(protocol, to_connect, words);
            println!("{protocol:?}, {what}: {failure}");
        }
    }
}

#[test]
fn random_bytes_end_the_connection_and_lose_nothing() {
    let cases: u64 = std::env::var("DOORWARD_GARBAGE").map_or(40, |n| n.parse().unwrap());
    for protocol in PROTOCOLS {
        let mut scene = Scene::new(protocol);
        let pump = scene.pump();
        pump.connected();
        for seed in 0..cases {
            let mut bytes = vec![0; 64];
            ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
            let words = bytes.clone();
            let mut said = false;
            let before = scene.broker.connections();
            scene.broker.script(move |seen| {
                if seen.event().is_some() && !std::mem::replace(&mut said, true) {
                    // What the bytes leave open ends with the connection.
                    return Act::answer(vec![Outgoing::Raw(words.clone())]).and_close();
                }
                Act::proper()
            });
            scene.record(1);
            pump.handle.wake();
            scene.drained();
            assert!(
                scene.broker.connections() > before,
                "seed {seed}: {bytes:x?}"
            );
        }
        scene.exactly_once(cases);
        println!("{protocol:?}, {cases} times 64 random bytes: nothing lost");
        recovers(&scene, pump, cases);
    }
}

#[test]
fn puback_for_a_message_of_qos_2_is_no_delivery() {
    for protocol in PROTOCOLS {
        let mut scene = Scene::new(protocol);
        let mut said = false;
        scene.broker.script(move |seen| match seen.event() {
            Some(message) if !std::mem::replace(&mut said, true) => {
                Act::answer(vec![Outgoing::PubAck(message.pkid, 0)])
            }
            _ => Act::proper(),
        });
        scene.record(2);
        let pump = scene.pump();
        let failure = pump.failure();
        println!("{protocol:?}, PUBACK for QoS 2: {failure}");
        assert!(failure.to_string().contains("sent again"), "{failure}");
        recovers(&scene, pump, 2);
    }
}
