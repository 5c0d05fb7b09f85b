//! Another client takes the door's session, and the broker tells: nothing of it is believed any more.

use doorward::config::Protocol;
use doorward::mqtt::PumpEvent;

use super::{FIRST, Scene};
use crate::support::emulated::{Act, Incoming, Message};
use crate::support::sender::SOON;
use crate::support::wait_for;

#[test]
fn a_takeover_that_the_broker_tells_of_loses_nothing_and_is_an_alarm() {
    let mut scene = Scene::new(Protocol::V5);
    scene.door.mqtt().inflight = 20;
    // Twenty are held when somebody comes with a clean start: their messages go with the session.
    scene.broker.script(|seen| match seen.packet {
        Incoming::Release(_) if seen.connection == FIRST => Act::ignore(),
        _ => Act::proper(),
    });
    scene.record(30);
    let pump = scene.pump();
    wait_for("a full window", SOON, || {
        scene.broker.said("> PUBREL") >= 20
    });
    scene.broker.take_session();
    let detail = pump.next("the takeover", |event| match event {
        PumpEvent::TakenOver { detail } => Some(detail),
        _ => None,
    });
    assert!(
        detail.contains("doorward-home-front") && detail.contains("user names"),
        "{detail}"
    );
    scene.drained();
    let delivered = scene.broker.delivered();
    for sequence in 1..=30 {
        let of = |m: &&Message| m.topic.contains("/event/") && m.sequence() == sequence;
        let copies: Vec<_> = delivered.iter().filter(of).collect();
        assert_eq!(copies.len(), 1, "{sequence}");
    }
    let marked = delivered.iter().filter(|m| m.maybe_dup).count();
    assert!(marked >= 20, "{marked}");
    println!("taken over with 20 held: 30 of 30, {marked} marked");
}
