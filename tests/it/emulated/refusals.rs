//! A broker that refuses, with every reason it has, and one that allows little.

use doorward::config::Protocol;
use doorward::event::Event;
use doorward::mqtt::{Failure, PumpEvent};
use rumqttc::mqttbytes::v5::ConnectReturnCode;

use super::{FIRST, Scene, reported};
use crate::support::emulated::Act;
use crate::support::sender::{SOON, granted, secured};
use crate::support::wait_for;

/// The first event is refused with `reason`, everything else is taken. What was set aside, and what arrived.
#[track_caller]
fn refuse_once(event: fn() -> Event, reason: u8) -> (Vec<String>, Vec<u64>, usize) {
    let mut scene = Scene::new(Protocol::V5);
    let mut said = false;
    scene.broker.script(move |seen| {
        if seen.event().is_some() && !std::mem::replace(&mut said, true) {
            return Act::refuse(seen.packet, reason);
        }
        Act::proper()
    });
    scene.record_one(event());
    scene.record_one(event());
    let pump = scene.pump();
    scene.drained();
    let rejected = scene.door.outbox().rejected().unwrap();
    let mut arrived = scene.broker.sequences();
    arrived.sort_unstable();
    assert_eq!(reported(&pump), arrived.len());
    assert_eq!(rejected.len() + arrived.len(), 2);
    let reasons = rejected.into_iter().map(|(_, reason)| reason).collect();
    (reasons, arrived, scene.broker.connections())
}

#[test]
fn a_message_that_is_refused_has_a_defined_fate() {
    for (reason, word) in [
        // For now: sent again on the same connection, and taken.
        (0x80, None),
        (0x83, None),
        (0x97, None),
        // For good.
        (0x87, Some("NotAuthorized")),
        (0x90, Some("TopicNameInvalid")),
        (0x91, None),
        (0x99, Some("PayloadFormatInvalid")),
    ] {
        for (qos, event) in [(1, secured as fn() -> Event), (2, granted)] {
            let (reasons, arrived, connections) = refuse_once(event, reason);
            println!(
                "{reason:#04x} at QoS {qos}: set aside {reasons:?}, arrived {arrived:?}, {connections} connections"
            );
            assert_eq!(reasons, Vec::from_iter(word));
            let expected: &[u64] = if word.is_some() { &[2] } else { &[1, 2] };
            assert_eq!(arrived, expected);
        }
    }
}

#[test]
fn a_message_taken_without_a_subscriber_is_delivered() {
    for event in [secured as fn() -> Event, granted] {
        let mut scene = Scene::new(Protocol::V5);
        scene.broker.script(|seen| match seen.event() {
            Some(_) => Act::refuse(seen.packet, 0x10),
            None => Act::proper(),
        });
        scene.record_one(event());
        let pump = scene.pump();
        scene.drained();
        assert_eq!(reported(&pump), 1);
    }
}

#[test]
fn a_connection_ended_with_a_reason_is_named_and_made_again() {
    for (reason, configuration) in [
        (0x80, false),
        (0x83, false),
        (0x87, true),
        (0x89, false),
        (0x8b, false),
        (0x8e, true),
        (0x93, true),
        (0x95, false),
        (0x96, false),
        (0x97, false),
        (0x98, true),
    ] {
        let mut scene = Scene::new(Protocol::V5);
        let mut said = false;
        scene.broker.script(move |seen| {
            if seen.event().is_some() && !std::mem::replace(&mut said, true) {
                return Act::disconnect(reason);
            }
            Act::proper()
        });
        scene.record(3);
        let pump = scene.pump();
        let failure = pump.failure();
        println!("DISCONNECT {reason:#04x}: {failure}");
        let named = matches!(failure, Failure::Configuration(_));
        assert_eq!(named, configuration, "{failure:?}");
        scene.drained();
        scene.patient();
        if reason == 0x95 {
            // Too large, said without a limit: the largest under way are set aside, and these
            // are all of one size.
            let rejected = scene.door.outbox().rejected().unwrap().len();
            assert!(rejected > 0);
            assert_eq!(rejected + scene.broker.sequences().len(), 3);
            continue;
        }
        scene.exactly_once(3);
    }
}

#[test]
fn a_broker_that_refuses_connect_is_asked_again() {
    use ConnectReturnCode as Code;
    for (code, configuration) in [
        (Code::NotAuthorized, true),
        (Code::Banned, true),
        (Code::ServerBusy, false),
        (Code::ServerUnavailable, false),
        (Code::QuotaExceeded, false),
        (Code::ConnectionRateExceeded, false),
        (Code::ImplementationSpecificError, false),
    ] {
        let mut scene = Scene::new(Protocol::V5);
        scene.broker.conduct(|c| c.refuses = Some(code));
        scene.record(1);
        let pump = scene.pump();
        let failure = pump.failure();
        println!("CONNACK {code:?}: {failure}");
        let named = matches!(failure, Failure::Configuration(_));
        assert_eq!(named, configuration, "{failure:?}");
        wait_for("more attempts", SOON, || scene.broker.connections() >= 3);
        scene.broker.behave();
        scene.drained();
        scene.exactly_once(1);
        scene.patient();
    }
}

#[test]
fn a_broker_of_mqtt_3_1_1_only_is_told_apart_however_it_says_so() {
    use crate::support::emulated::Outgoing;
    for (how, act) in [
        ("refuses in its own words", Some(vec![0x20, 2, 0, 1])),
        ("hangs up without a word", None),
    ] {
        let scene = Scene::new(Protocol::V5);
        scene.broker.script(move |_| match act.clone() {
            Some(bytes) => Act::answer(vec![Outgoing::Raw(bytes)]).and_close(),
            None => Act::ignore().and_close(),
        });
        let pump = scene.pump();
        let failure = pump.failure().to_string();
        println!("3.1.1 only, {how}: {failure}");
        assert!(failure.contains("mqtt.protocol"), "{how}: {failure}");
        assert!(!failure.contains("client certificate"), "{how}: {failure}");
    }
}

#[test]
fn a_denial_that_ends_the_connection_without_a_word_names_what_was_sent() {
    for protocol in super::PROTOCOLS {
        let mut scene = Scene::new(protocol);
        scene.broker.script(|seen| match seen.event() {
            Some(_) => Act::ignore().and_close(),
            None => Act::proper(),
        });
        scene.record(1);
        let pump = scene.pump();
        let failure = pump.failure().to_string();
        println!("{protocol:?}, hangs up over a denial: {failure}");
        for words in ["may not allow what was just sent", "/event/access", "rules"] {
            assert!(failure.contains(words), "{words:?} is not in {failure:?}");
        }
        scene.broker.behave();
        scene.drained();
        scene.exactly_once(1);
    }
}

#[test]
fn a_session_that_is_kept_for_a_shorter_time_is_told_of() {
    let mut scene = Scene::new(Protocol::V5);
    scene
        .broker
        .conduct(|c| c.allowance.session_expiry = Some(300));
    scene.record(1);
    let pump = scene.pump();
    let granted = pump.next("a connection", |event| match event {
        PumpEvent::Connected {
            session_expiry_s, ..
        } => session_expiry_s,
        _ => None,
    });
    assert_eq!(granted, 300);
    scene.drained();
}

#[test]
fn receive_maximum_1_sends_one_at_a_time() {
    let mut scene = Scene::new(Protocol::V5);
    scene.broker.conduct(|c| c.allowance.receive_max = Some(1));
    scene.record(10);
    let pump = scene.pump();
    scene.drained();
    scene.exactly_once(10);
    assert_eq!(scene.broker.most_awaiting(), 1);
    assert_eq!(scene.broker.sequences(), (1..=10).collect::<Vec<u64>>());
    drop(pump);
    println!("receive maximum 1: ten events in order, one awaiting at most");
}

#[test]
fn a_window_that_shrinks_under_way_delivers_all() {
    let mut scene = Scene::new(Protocol::V5);
    scene.broker.script(|seen| {
        if seen.connection == FIRST && seen.event().is_some() {
            Act::ignore()
        } else {
            Act::proper()
        }
    });
    scene.record(10);
    let pump = scene.pump();
    wait_for("ten under way", SOON, || {
        scene.broker.said("> PUBLISH") >= 11
    });
    scene.broker.conduct(|c| c.allowance.receive_max = Some(2));
    scene.broker.hang_up();
    scene.drained();
    scene.exactly_once(10);
    let marked = scene
        .broker
        .delivered()
        .iter()
        .filter(|m| m.maybe_dup)
        .count();
    drop(pump);
    println!(
        "receive maximum falls from 65535 to 2 with ten under way: each once, {marked} marked"
    );
}

#[test]
fn maximum_qos_lowers_the_qos() {
    for (max, said) in [(1, "> PUBLISH 2 QoS 1"), (0, "> PUBLISH 0 QoS 0 access")] {
        let mut scene = Scene::new(Protocol::V5);
        scene.broker.conduct(|c| c.allowance.max_qos = Some(max));
        scene.record(5);
        let pump = scene.pump();
        scene.drained();
        scene.exactly_once(5);
        assert!(
            scene.broker.said(said) >= 1,
            "{:#?}",
            scene.broker.journal()
        );
        assert_eq!(scene.broker.said("< PUBREC"), 0);
        drop(pump);
        println!(
            "maximum QoS {max}: five events with that, {}",
            scene.broker.connections()
        );
    }
}

#[test]
fn retained_messages_that_are_not_kept_are_set_aside_and_events_arrive() {
    let mut scene = Scene::new(Protocol::V5);
    scene.broker.conduct(|c| c.allowance.retain = Some(false));
    scene.record(2);
    let pump = scene.pump();
    let reason = pump.next("a refusal", |event| match event {
        PumpEvent::Rejected { reason, .. } => Some(reason),
        _ => None,
    });
    assert!(
        reason.contains("does not keep retained messages"),
        "{reason}"
    );
    scene.drained();
    scene.exactly_once(2);
    drop(pump);
    println!("retain not available: {reason}; two events arrived");
}

#[test]
fn a_packet_larger_than_the_broker_takes_is_set_aside_alone() {
    let mut scene = Scene::new(Protocol::V5);
    scene.broker.conduct(|c| c.allowance.max_packet = Some(200));
    scene.record(2);
    let pump = scene.pump();
    let (topic, reason) = pump.next("a refusal", |event| match event {
        PumpEvent::Rejected { topic, reason, .. } => Some((topic, reason)),
        _ => None,
    });
    assert!(topic.ends_with("/access"), "{topic}");
    assert!(
        reason.contains("the largest allowed is 200 bytes"),
        "{reason}"
    );
    scene.drained();
    // Small enough: availability.
    assert_eq!(scene.broker.delivered()[0].payload, b"online");
    assert!(scene.broker.sequences().is_empty());
    assert_eq!(scene.door.outbox().rejected().unwrap().len(), 2);
    drop(pump);
    println!("maximum packet size 200: {reason}");
}
