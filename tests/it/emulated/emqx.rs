//! What EMQX does differently: ids in use, a limit on unreleased messages, repetitions it drops.

use doorward::config::{Protocol, ResendDup};

use super::{FIRST, PROTOCOLS, Scene, reported};
use crate::support::emulated::{Act, Cut, Incoming, Outgoing};
use crate::support::sender::SOON;
use crate::support::wait_for;

#[test]
fn a_message_that_emqx_still_holds_is_released_and_counts_once() {
    for protocol in PROTOCOLS {
        let mut in_use = 0;
        let mut places = 0;
        // At the release, a message whose release never comes would be missed.
        for at_once in [true, false] {
            for make in [Cut::Before, Cut::After] {
                for k in 1.. {
                    let mut scene = Scene::new(protocol);
                    scene.broker.conduct(|conduct| {
                        conduct.emqx();
                        conduct.delivers_at_once = at_once;
                    });
                    scene.broker.cut(make(k));
                    scene.record(4);
                    let pump = scene.pump();
                    scene.drained();
                    if scene.broker.cuts() == 0 {
                        break;
                    }
                    scene.exactly_once(4);
                    scene.nothing_set_aside();
                    scene.patient();
                    assert_eq!(reported(&pump), 4);
                    places += 1;
                    let journal = scene.broker.journal();
                    in_use += journal.iter().filter(|l| l.ends_with(" 0x91")).count();
                }
            }
        }
        // 3.1.1 has no reason codes: the same situation, a plain answer.
        assert!(in_use > 0);
        println!(
            "{protocol:?}, EMQX, four events, cut at {places} places: each once; an id in use {in_use} times"
        );
    }
}

#[test]
fn new_messages_wait_until_every_held_one_is_known() {
    // Twenty are held without an answer. After the cut one repetition is not answered for long:
    // whoever sent new messages meanwhile, for which the window has room, would come round to ids
    // that are held.
    let mut scene = Scene::new(Protocol::V5);
    scene.door.mqtt().keep_alive_s = 3;
    scene.door.mqtt().inflight = 50;
    scene.broker.conduct(|conduct| conduct.emqx());
    let mut late = None;
    scene.broker.script(move |seen| match seen.packet {
        Incoming::Publish(_) if seen.connection == FIRST && seen.event().is_some() => {
            Act::proper().without_answer()
        }
        Incoming::Publish(message)
            if seen.connection == FIRST + 1 && seen.held && late.is_none() =>
        {
            late = Some(message.pkid);
            Act::ignore()
        }
        Incoming::Ping => match late.take() {
            Some(pkid) => Act::answer(vec![Outgoing::PingResp, Outgoing::PubRec(pkid, 0x91)]),
            None => Act::proper(),
        },
        _ => Act::proper(),
    });
    scene.record(20);
    let pump = scene.pump();
    wait_for("a window held", SOON, || scene.broker.most_awaiting() == 20);
    scene.broker.hang_up();
    scene.record(100);
    pump.handle.wake();
    scene.drained();
    scene.exactly_once(120);
    scene.nothing_set_aside();
    assert_eq!(reported(&pump), 120);
    let journal = scene.broker.journal();
    let mut later = journal.iter().skip_while(|line| *line != "> CONNECT");
    later.next();
    let second = later.skip_while(|line| *line != "> CONNECT");
    let early = second.take_while(|line| *line != "> PINGREQ");
    let fresh = early.filter(|line| line.starts_with("> PUBLISH") && !line.contains("DUP"));
    assert_eq!(fresh.count(), 0, "{journal:#?}");
}

#[test]
fn a_fresh_message_answered_in_use_was_not_taken_and_is_sent_under_another_id() {
    let mut scene = Scene::new(Protocol::V5);
    let mut left = 1;
    scene.broker.script(move |seen| {
        if seen.event().is_some() && left > 0 {
            left -= 1;
            return Act::refuse(seen.packet, 0x91);
        }
        Act::proper()
    });
    scene.record(3);
    let pump = scene.pump();
    scene.drained();
    let arrived = scene.broker.sequences();
    assert_eq!(reported(&pump), 3);
    scene.exactly_once(3);
    println!("0x91 to a fresh message: arrived {arrived:?}");
}

#[test]
fn no_more_than_the_window_awaits_its_release() {
    for protocol in PROTOCOLS {
        let mut scene = Scene::new(protocol);
        scene.door.mqtt().inflight = 50;
        scene.broker.conduct(|conduct| conduct.emqx());
        scene.broker.script(move |seen| match seen.packet {
            Incoming::Release(_) if seen.connection < FIRST + 3 => Act::ignore(),
            _ => Act::proper(),
        });
        scene.record(300);
        let pump = scene.pump();
        // Three connections whose releases get no answer: everything held is held for long.
        for more in 0..3 {
            wait_for("a full window", SOON, || {
                scene.broker.connections() == FIRST + more && scene.broker.most_awaiting() >= 50
            });
            scene.broker.hang_up();
        }
        scene.drained();
        scene.exactly_once(300);
        let most = scene.broker.most_awaiting();
        assert!(most <= 50, "{most}");
        assert_eq!(scene.broker.said("< DISCONNECT"), 0);
        drop(pump);
        println!("{protocol:?}: of 300 messages {most} awaited their release at most");
    }
}

#[test]
fn a_repetition_that_says_so_is_lost_where_the_broker_drops_it() {
    for protocol in PROTOCOLS {
        let mut scene = Scene::new(protocol);
        scene.door.mqtt().resend_dup = ResendDup::Always;
        scene.broker.conduct(|conduct| {
            conduct.emqx();
            conduct.drops_unseen_dup = true;
        });
        // The first copy is lost on the way.
        scene.broker.script(move |seen| match seen.event() {
            Some(_) if seen.connection == FIRST => Act::ignore().and_close(),
            _ => Act::proper(),
        });
        scene.record(1);
        let pump = scene.pump();
        scene.drained();
        assert_eq!(scene.broker.said("> PUBLISH 2 QoS 2 access DUP"), 1);
        assert!(scene.broker.sequences().is_empty());
        assert_eq!(reported(&pump), 1);
        println!("{protocol:?}, drops unseen DUP, resend_dup = always: acknowledged and lost");
    }
}

#[test]
fn a_repetition_that_does_not_say_so_is_delivered_there() {
    for protocol in PROTOCOLS {
        let mut scene = Scene::new(protocol);
        scene.door.mqtt().resend_dup = ResendDup::Never;
        scene.broker.conduct(|conduct| {
            conduct.emqx();
            conduct.drops_unseen_dup = true;
        });
        scene.broker.script(move |seen| match seen.event() {
            Some(_) if seen.connection == FIRST => Act::ignore().and_close(),
            _ => Act::proper(),
        });
        scene.record(1);
        let pump = scene.pump();
        scene.drained();
        scene.exactly_once(1);
        assert_eq!(reported(&pump), 1);
        println!("{protocol:?}, drops unseen DUP, resend_dup = never: delivered once");
    }
}

#[test]
fn a_release_the_broker_does_not_know_is_done() {
    for protocol in PROTOCOLS {
        let mut scene = Scene::new(protocol);
        // The first release is taken, and its answer lost.
        scene.broker.script(move |seen| match seen.packet {
            Incoming::Release(_) if seen.connection == FIRST => {
                Act::proper().without_answer().and_close()
            }
            _ => Act::proper(),
        });
        scene.record(1);
        let pump = scene.pump();
        scene.drained();
        scene.exactly_once(1);
        assert_eq!(scene.broker.said("> PUBREL"), 2);
        assert_eq!(scene.broker.connections(), FIRST + 1);
        assert_eq!(reported(&pump), 1);
        if protocol == Protocol::V5 {
            assert_eq!(scene.broker.said("< PUBCOMP 2 0x92"), 1);
        }
        println!("{protocol:?}, 0x92 to an unknown PUBREL: done, on the next connection");
    }
}

#[test]
fn a_release_nobody_asked_for_changes_nothing() {
    for protocol in PROTOCOLS {
        let mut scene = Scene::new(protocol);
        let pump = scene.pump();
        scene.record(1);
        pump.handle.wake();
        scene.drained();
        // An answer that comes twice.
        scene.broker.send(&Outgoing::PubComp(2, 0));
        scene.record(1);
        pump.handle.wake();
        scene.drained();
        scene.exactly_once(2);
    }
}
