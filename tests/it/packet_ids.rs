//! A door's session goes through all packet ids, and any of them may be the last one before a cut.

use std::time::Duration;

use doorward::config::Protocol;

use crate::support::broker::Broker;
use crate::support::sender::{Sender, record};
use crate::support::subscriber::{Login, Subscriber};
use crate::support::wait_for;

/// Coprime to the 50 packet ids there are, so that every round ends at another one.
const EVENTS_A_ROUND: usize = 9;
const ROUNDS: usize = 15;

#[track_caller]
fn goes_on_wherever_it_was_cut(protocol: Protocol) {
    let mut door = Sender::new();
    door.mqtt().protocol = protocol;
    let broker = Broker::builder(&door.pki).start();
    let door = door.at(broker.port);
    let consumer = Subscriber::start(
        broker.port,
        Some(&door.pki),
        "doorward/+/+/event/#",
        &Login::default(),
    );
    let mut store = door.store();
    for _ in 0..ROUNDS {
        for _ in 0..EVENTS_A_ROUND {
            record(&mut store);
        }
        let pump = door.pump();
        door.drained(Duration::from_secs(20));
        // Like a crash: the next one finds the session as it was left.
        drop(pump);
    }
    wait_for("the events", Duration::from_secs(20), || {
        consumer.sequences("/event/access").len() >= ROUNDS * EVENTS_A_ROUND
    });
    let sequences = consumer.sequences("/event/access");
    let all: Vec<u64> = (1..).take(ROUNDS * EVENTS_A_ROUND).collect();
    assert_eq!(sequences, all);
}

#[test]
fn a_session_of_mqtt_5_goes_on_wherever_it_was_cut() {
    goes_on_wherever_it_was_cut(Protocol::V5);
}

#[test]
fn a_session_of_mqtt_3_1_1_goes_on_wherever_it_was_cut() {
    goes_on_wherever_it_was_cut(Protocol::V311);
}
