//! Brokers that cannot do QoS 2: they are found out, and nothing waits for ever.

use doorward::config::Protocol;
use doorward::event::wire::Qos;
use doorward::mqtt::PumpEvent;
use doorward::store::outbox::Chosen;

use super::{FIRST, PROTOCOLS, Scene};
use crate::support::emulated::{Act, Incoming, Message};
use crate::support::sender::{Pump, SOON};
use crate::support::wait_for;

/// What the pump says about the broker's abilities when it connects.
fn shortcoming(pump: &Pump) -> String {
    pump.next("a connection that knows", |event| match event {
        PumpEvent::Connected { shortcoming, .. } => shortcoming,
        _ => None,
    })
}

/// How often each of the events arrived.
fn copies(scene: &Scene, events: u64) -> Vec<usize> {
    let delivered = scene.broker.delivered();
    let events = (1..=events).map(|sequence| {
        let of = |m: &&Message| m.topic.contains("/event/") && m.sequence() == sequence;
        delivered.iter().filter(of).count()
    });
    events.collect()
}

#[test]
fn a_broker_that_answers_qos_2_like_qos_1_is_found_out_and_everything_arrives() {
    for protocol in PROTOCOLS {
        for events in [1, 50] {
            let mut scene = Scene::new(protocol);
            scene
                .broker
                .conduct(|conduct| conduct.knows_no_qos_2 = true);
            scene.record(events);
            let pump = scene.pump();
            scene.drained();
            let said = shortcoming(&pump);
            assert!(
                said.contains("QoS 2") && said.contains("[mqtt.qos]"),
                "{said}"
            );
            let way_out = said.contains("mqtt.protocol = \"5\"");
            assert_eq!(way_out, protocol == Protocol::V311, "{said}");
            let copies = copies(&scene, events as u64);
            assert!(
                copies.iter().all(|copies| (1..=4).contains(copies)),
                "{copies:?}"
            );
            if protocol == Protocol::V5 {
                let delivered = scene.broker.delivered();
                let at_qos_1 = delivered
                    .iter()
                    .filter(|m| m.topic.contains("/event/") && m.qos == 1);
                let first = at_qos_1.take(1).all(|message| message.maybe_dup);
                assert!(first, "what was under way says so");
            }
            let connections = scene.broker.connections();
            assert!(connections <= FIRST + 5, "{connections}");
            // Later ones go at QoS 1 at once, also after a restart.
            pump.handle.shutdown(SOON);
            scene.record(1);
            let pump = scene.pump();
            scene.drained();
            assert_eq!(self::copies(&scene, events as u64 + 1).pop(), Some(1));
            shortcoming(&pump);
            println!(
                "{protocol:?}, no QoS 2, {events} events: {copies:?} copies, {connections} connections"
            );
        }
    }
}

#[test]
fn one_wrong_answer_proves_nothing() {
    let mut scene = Scene::new(Protocol::V5);
    let mut wrong = 0;
    scene.broker.script(move |seen| match seen.event() {
        Some(message) if seen.connection % 2 == 0 && wrong < 8 => {
            wrong += 1;
            Act::answer(vec![crate::support::emulated::Outgoing::PubAck(
                message.pkid,
                0,
            )])
        }
        _ => Act::proper(),
    });
    for _ in 0..4 {
        scene.record(1);
        let pump = scene.pump();
        scene.drained();
        drop(pump);
    }
    scene.exactly_once(4);
    let qos: Vec<u8> = scene.broker.delivered().iter().map(|m| m.qos).collect();
    assert_eq!(qos.iter().filter(|qos| **qos == 2).count(), 4, "{qos:?}");
}

#[test]
fn a_broker_that_hangs_up_over_a_release_it_has_had_blocks_nothing() {
    for protocol in PROTOCOLS {
        let mut scene = Scene::new(protocol);
        scene
            .broker
            .conduct(|conduct| conduct.hangs_up_on_unknown_release = true);
        // The first release is taken, and its answer lost.
        let mut lost = false;
        scene.broker.script(move |seen| match seen.packet {
            Incoming::Release(_) if !std::mem::replace(&mut lost, true) => {
                Act::proper().without_answer().and_close()
            }
            _ => Act::proper(),
        });
        scene.record(1);
        let pump = scene.pump();
        wait_for("the release is sent in vain", SOON, || {
            scene.broker.said("> PUBREL") >= 4
        });
        scene.record(20);
        pump.handle.wake();
        scene.drained();
        let copies = copies(&scene, 21);
        // The one whose release was lost may come again, and says so.
        assert!(
            copies[0] <= 2 && copies[1..].iter().all(|copies| *copies == 1),
            "{copies:?}"
        );
        let delivered = scene.broker.delivered();
        let again = delivered
            .iter()
            .filter(|m| m.topic.contains("/event/") && m.sequence() == 1)
            .nth(1);
        assert!(again.is_none_or(|m| m.maybe_dup || protocol == Protocol::V311));
        println!(
            "{protocol:?}, hangs up over a release: {} connections",
            scene.broker.connections()
        );
    }
}

#[test]
fn what_waits_gets_another_qos_by_hand_and_a_running_pump_follows() {
    for protocol in PROTOCOLS {
        let mut scene = Scene::new(protocol);
        // Everything of QoS 2 is left without an answer.
        scene.broker.script(|seen| match seen.event() {
            Some(message) if message.qos == 2 => Act::ignore(),
            _ => Act::proper(),
        });
        scene.record(5);
        let pump = scene.pump();
        wait_for("five under way", SOON, || {
            scene.door.outbox().depth().unwrap().under_way == 5
        });
        let now = doorward::clock::Timestamp::now();
        let managed = scene
            .store
            .set_outbox_qos(now, Chosen::All, Qos::AtLeastOnce)
            .unwrap();
        assert_eq!((managed.messages, managed.session_given_up), (5, true));
        scene.drained();
        // The event that tells of it came sixth.
        assert_eq!(copies(&scene, 6), [1; 6]);
        drop(pump);
    }
}

#[test]
fn what_is_dropped_by_hand_under_way_leaves_no_packet_id_behind() {
    let mut scene = Scene::new(Protocol::V5);
    scene.door.mqtt().inflight = 50;
    scene.broker.conduct(|conduct| conduct.emqx());
    // Held, and never released.
    scene.broker.script(|seen| match seen.packet {
        Incoming::Publish(_) if seen.event().is_some() => Act::proper().without_answer(),
        _ => Act::proper(),
    });
    scene.record(30);
    let pump = scene.pump();
    wait_for("thirty are held", SOON, || {
        scene.broker.most_awaiting() == 30
    });
    let now = doorward::clock::Timestamp::now();
    let managed = scene.store.drop_from_outbox(now, Chosen::All).unwrap();
    assert!(
        managed.messages >= 30 && managed.session_given_up,
        "{managed:?}"
    );
    scene
        .broker
        .conduct(|conduct| conduct.script = Box::new(|_| Act::proper()));
    scene.record(60);
    pump.handle.wake();
    scene.drained();
    // None met an id that the broker held: the thirty-first tells of the drop, the rest came later.
    let copies = copies(&scene, 91);
    assert!(copies[30..].iter().all(|copies| *copies == 1), "{copies:?}");
    assert_eq!(scene.broker.said("< PUBREC 1 0x91"), 0);
}
