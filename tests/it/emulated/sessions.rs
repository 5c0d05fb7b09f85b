//! A broker that loses the session, or claims one that it should not have.

use doorward::config::Protocol;

use super::{PROTOCOLS, Scene};
use crate::support::emulated::{Act, Incoming, Message};
use crate::support::sender::SOON;
use crate::support::wait_for;

#[test]
fn a_session_forgotten_under_way_loses_nothing_and_marks_what_may_come_twice() {
    for protocol in PROTOCOLS {
        for at_once in [false, true] {
            let mut scene = Scene::new(protocol);
            scene.door.mqtt().inflight = 20;
            scene.broker.conduct(|c| c.delivers_at_once = at_once);
            // Holds twenty, releases none.
            scene.broker.script(|seen| match seen.packet {
                Incoming::Release(_) => Act::ignore(),
                _ => Act::proper(),
            });
            scene.record(30);
            let pump = scene.pump();
            wait_for("a full window", SOON, || {
                scene.broker.said("> PUBREL") >= 20
            });
            let held = scene.broker.most_awaiting();
            scene.broker.forget();
            scene.broker.hang_up();
            scene
                .broker
                .conduct(|c| c.script = Box::new(|_| Act::proper()));
            scene.drained();
            drop(pump);

            let delivered = scene.broker.delivered();
            let events: Vec<&Message> = delivered
                .iter()
                .filter(|message| message.topic.contains("/event/"))
                .collect();
            let mut twice = 0;
            for sequence in 1..=30 {
                let copies: Vec<_> = events.iter().filter(|m| m.sequence() == sequence).collect();
                assert!(!copies.is_empty(), "{sequence} is lost");
                twice += copies.len() - 1;
                // Whatever came a second time said so; 3.1.1 has no place for it.
                let marked = copies[1..].iter().all(|copy| copy.maybe_dup);
                assert!(marked || protocol == Protocol::V311, "{sequence}");
            }
            assert_eq!(twice, if at_once { held } else { 0 });
            let marked = events.iter().filter(|message| message.maybe_dup).count();
            println!(
                "{protocol:?}, session forgotten with {held} held (delivered at once: {at_once}): 30 of 30, {twice} twice, {marked} marked"
            );
        }
    }
}

#[test]
fn a_session_that_was_not_asked_for_is_refused_until_the_broker_stops() {
    for protocol in PROTOCOLS {
        let mut scene = Scene::new(protocol);
        scene.broker.conduct(|c| c.claims_session = Some(true));
        scene.record(3);
        let pump = scene.pump();
        let failure = pump.failure();
        wait_for("more attempts", SOON, || scene.broker.connections() >= 3);
        assert_eq!(scene.broker.said("> PUBLISH"), 0);
        println!("{protocol:?}, session present though a clean one was asked for: {failure}");
        scene.broker.behave();
        scene.drained();
        scene.exactly_once(3);
        scene.patient();
        drop(pump);
    }
}

#[test]
fn a_broker_that_denies_the_session_it_has_gets_everything_anew() {
    for protocol in PROTOCOLS {
        let mut scene = Scene::new(protocol);
        scene.broker.conduct(|c| c.keeps_session = false);
        scene.broker.script(|seen| match seen.packet {
            Incoming::Release(_) if seen.connection < 4 => Act::ignore().and_close(),
            _ => Act::proper(),
        });
        scene.record(5);
        let pump = scene.pump();
        scene.drained();
        drop(pump);
        // Never released, so never delivered before: exactly once even so.
        scene.exactly_once(5);
        println!(
            "{protocol:?}, no session ever: five events after {} connections",
            scene.broker.connections()
        );
    }
}
