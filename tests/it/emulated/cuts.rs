//! The connection ends at every step, and at every byte, of the handshakes of one message.

use doorward::config::Protocol;
use doorward::event::Event;

use super::{PROTOCOLS, Scene};
use crate::support::emulated::Cut;
use crate::support::sender::{granted, secured};

/// Every how many bytes the connection is cut; with 1 the run takes minutes.
fn stride() -> usize {
    std::env::var("DOORWARD_CUT_STRIDE").map_or(31, |stride| stride.parse().unwrap())
}

/// Cuts a new door's first connection at packet `k` and on, until there is nothing left to cut.
/// Returns the number of places.
fn at_every_packet(protocol: Protocol, at_once: bool, event: fn() -> Event) -> usize {
    let mut places = 0;
    for make in [Cut::Before, Cut::After] {
        for k in 1.. {
            let mut scene = Scene::new(protocol);
            scene.broker.conduct(|c| c.delivers_at_once = at_once);
            scene.broker.cut(make(k));
            scene.record_one(event());
            let pump = scene.pump();
            scene.drained();
            if scene.broker.cuts() == 0 {
                break;
            }
            places += 1;
            check(&scene, 1);
            scene.nothing_set_aside();
            scene.patient();
            drop(pump);
        }
    }
    places
}

/// QoS 2: once. QoS 1: at least once, and what came again said so.
#[track_caller]
fn check(scene: &Scene, events: u64) {
    let delivered = scene.broker.delivered();
    let messages: Vec<_> = delivered
        .iter()
        .filter(|m| m.topic.contains("/event/"))
        .collect();
    if messages.iter().all(|message| message.qos == 2) {
        scene.exactly_once(events);
        return;
    }
    for sequence in 1..=events {
        let copies: Vec<_> = messages
            .iter()
            .filter(|message| message.sequence() == sequence)
            .collect();
        let journal = scene.broker.journal();
        assert!(!copies.is_empty(), "{sequence} is lost: {journal:#?}");
        assert!(copies[1..].iter().all(|copy| copy.dup), "{journal:#?}");
    }
}

#[test]
fn a_cut_at_any_packet_of_qos_2_delivers_once() {
    for protocol in PROTOCOLS {
        for at_once in [false, true] {
            let places = at_every_packet(protocol, at_once, granted);
            // CONNECT, CONNACK, two packets for `online`, four for the event: twice.
            assert!(places >= 16, "{places}");
            println!("{protocol:?}, QoS 2, cut at {places} places: delivered once each time");
        }
    }
}

#[test]
fn a_cut_at_any_packet_of_qos_1_delivers_at_least_once() {
    for protocol in PROTOCOLS {
        let places = at_every_packet(protocol, true, secured);
        assert!(places >= 12, "{places}");
        println!("{protocol:?}, QoS 1, cut at {places} places: never lost, repetitions marked DUP");
    }
}

#[test]
fn a_cut_at_any_byte_delivers_what_the_qos_promises() {
    for protocol in PROTOCOLS {
        for event in [granted, secured] {
            for make in [Cut::BytesIn, Cut::BytesOut] {
                // Answers are few bytes: every one of them counts.
                let stride = if make(0) == Cut::BytesOut(0) {
                    1
                } else {
                    stride()
                };
                let mut scene = Scene::new(protocol);
                let pump = scene.pump();
                let mut events = 0;
                for bytes in (0..).step_by(stride) {
                    let cuts = scene.broker.cuts();
                    scene.broker.cut(make(bytes));
                    scene.broker.hang_up();
                    scene.record_one(event());
                    pump.handle.wake();
                    events += 1;
                    scene.drained();
                    if scene.broker.cuts() == cuts {
                        break;
                    }
                }
                check(&scene, events);
                let qos = scene.broker.delivered().last().unwrap().qos;
                println!(
                    "{protocol:?}, QoS {qos}, {:?}: {events} places",
                    make(stride)
                );
            }
        }
    }
}
