//! The question for the broker's version, and DUP: nothing is lost for want of an answer, and the
//! question itself costs nothing.

use std::time::Duration;

use doorward::config::{Protocol, ResendDup};

use super::{FIRST, PROTOCOLS, Scene, reported};
use crate::support::emulated::{Act, Cut, Sys};
use crate::support::sender::SOON;
use crate::support::wait_for;

const VERSION: &str = "$SYS/brokers/+/version";

/// A door as it is shipped, and an EMQX of this version, in its first minute.
fn emqx(protocol: Protocol, version: &str) -> Scene {
    let mut scene = Scene::new(protocol);
    scene.door.mqtt().resend_dup = ResendDup::Auto;
    let version = version.to_owned();
    scene.broker.conduct(|conduct| {
        conduct.emqx();
        conduct.drops_unseen_dup = true;
        conduct.version = Some(version);
    });
    scene
}

/// The first copy of each message is lost on its way, over so many connections.
fn lose_first_copies(scene: &Scene, connections: usize) {
    scene.broker.script(move |seen| match seen.event() {
        Some(_) if seen.connection < FIRST + connections => Act::ignore().and_close(),
        _ => Act::proper(),
    });
}

#[test]
fn in_the_first_minute_of_a_broker_that_drops_repetitions_nothing_is_lost() {
    for protocol in PROTOCOLS {
        for sys in [Sys::Granted, Sys::Denied] {
            let mut scene = emqx(protocol, "6.3.0-beta.2");
            scene.broker.conduct(|conduct| conduct.sys = sys);
            lose_first_copies(&scene, 3);
            scene.record(300);
            let pump = scene.pump();
            scene.drained();
            scene.exactly_once(300);
            assert_eq!(reported(&pump), 300);
            let dup = scene.broker.journal();
            let dup = dup.iter().filter(|line| line.contains("DUP")).count();
            assert_eq!(dup, 0);
            println!("{protocol:?}, $SYS {sys:?}: 300 of 300, none with DUP");
        }
    }
}

#[test]
fn cut_anywhere_a_broker_that_drops_repetitions_gets_each_message_once() {
    for protocol in PROTOCOLS {
        let mut places = 0;
        for make in [Cut::Before, Cut::After] {
            for k in 1.. {
                let mut scene = emqx(protocol, "6.2.3");
                scene.broker.cut(make(k));
                scene.record(3);
                let pump = scene.pump();
                scene.drained();
                if scene.broker.cuts() == 0 {
                    break;
                }
                places += 1;
                scene.exactly_once(3);
                drop(pump);
            }
        }
        assert!(places >= 20, "{places}");
    }
}

/// Whether repetitions say so once the broker has told this version.
fn says_dup(version: &str) -> bool {
    let mut scene = emqx(Protocol::V5, version);
    scene.broker.conduct(|conduct| {
        conduct.minute = Duration::from_millis(300);
        // What is kept is from before an upgrade.
        conduct.kept_version = Some("6.1.0".into());
    });
    let pump = scene.pump();
    wait_for("the version", SOON, || {
        scene.broker.said("< PUBLISH 0 QoS 0 version") > 0
    });
    // Only the cut that follows may lose something.
    let connection = scene.broker.connections();
    scene.broker.script(move |seen| match seen.event() {
        Some(_) if seen.connection == connection => Act::proper().without_answer().and_close(),
        _ => Act::proper(),
    });
    scene.record(1);
    pump.handle.wake();
    scene.drained();
    scene.exactly_once(1);
    scene
        .broker
        .journal()
        .iter()
        .any(|line| line.contains("access DUP"))
}

#[test]
fn only_a_version_that_was_told_to_keep_to_the_standard_is_sent_dup() {
    for (version, dup) in [
        ("6.1.2", true),
        ("6.2.0", false),
        ("6.2.3", false),
        ("6.2.4", true),
        ("6.3.0-beta.2", false),
        ("6.3.0", true),
        ("nonsense", false),
    ] {
        assert_eq!(says_dup(version), dup, "{version}");
    }
}

#[test]
fn a_version_kept_from_before_an_upgrade_is_not_believed() {
    for protocol in PROTOCOLS {
        let mut scene = emqx(protocol, "6.2.1");
        scene
            .broker
            .conduct(|conduct| conduct.kept_version = Some("6.1.0".into()));
        let pump = scene.pump();
        wait_for("the question", SOON, || scene.broker.said("< SUBACK") > 0);
        let told = scene.broker.said("< PUBLISH 0 QoS 0 version");
        assert_eq!(told, usize::from(protocol == Protocol::V311));
        let connection = scene.broker.connections();
        scene.broker.script(move |seen| match seen.event() {
            Some(_) if seen.connection == connection => Act::ignore().and_close(),
            _ => Act::proper(),
        });
        scene.record(1);
        pump.handle.wake();
        scene.drained();
        scene.exactly_once(1);
    }
}

#[test]
fn the_question_is_taken_back_after_a_minute_and_costs_an_absent_door_nothing() {
    let mut scene = emqx(Protocol::V5, "6.1.2");
    let pump = scene.pump();
    wait_for("the question", SOON, || {
        scene.broker.subscriptions() == [VERSION]
    });
    wait_for("the version", Duration::from_secs(70), || {
        scene.broker.said("< PUBLISH 0 QoS 0 version") == 1
    });
    wait_for(
        "the question is taken back",
        Duration::from_secs(30),
        || scene.broker.subscriptions().is_empty(),
    );
    scene.record(1);
    pump.handle.shutdown(SOON);
    scene
        .broker
        .conduct(|conduct| conduct.minute = Duration::from_millis(50));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(scene.broker.missed(), 0);
}

#[test]
fn a_question_that_a_cut_left_in_the_session_is_taken_back_by_a_door_that_does_not_ask() {
    let mut scene = emqx(Protocol::V5, "6.1.2");
    scene
        .broker
        .conduct(|conduct| conduct.minute = Duration::from_millis(200));
    let pump = scene.pump();
    wait_for("the question", SOON, || {
        scene.broker.subscriptions() == [VERSION]
    });
    drop(pump);
    scene.door.mqtt().resend_dup = ResendDup::Never;
    let _pump = scene.pump();
    wait_for("it is taken back", SOON, || {
        scene.broker.subscriptions().is_empty()
    });
}

#[test]
fn a_broker_that_hangs_up_over_the_question_is_asked_once() {
    for protocol in PROTOCOLS {
        let mut scene = emqx(protocol, "6.1.2");
        scene.broker.conduct(|conduct| conduct.sys = Sys::Fatal);
        let pump = scene.pump_for(&["doorward/home/front/command"]);
        let failure = pump.failure().to_string();
        assert!(failure.contains("question for its version"), "{failure}");
        assert!(!failure.contains("client_id"), "{failure}");
        pump.connected();
        // The question would come half a second after everything else.
        std::thread::sleep(Duration::from_millis(1_500));
        scene.record(3);
        pump.handle.wake();
        scene.drained();
        let asked = || scene.broker.said(&format!("> SUBSCRIBE {VERSION}"));
        assert_eq!((scene.broker.connections(), asked()), (FIRST + 1, 1));
        assert_eq!(
            scene.broker.subscriptions(),
            ["doorward/home/front/command"],
            "what the door needs is there"
        );
        // Nor is it after a restart of the service.
        pump.handle.shutdown(SOON);
        let pump = scene.pump();
        std::thread::sleep(Duration::from_millis(1_500));
        assert_eq!(asked(), 1);
        drop(pump);
        scene.exactly_once(3);
    }
}
