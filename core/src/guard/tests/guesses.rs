//! Guessing: wrong PINs lock out, pictures do not, and no window lets anybody go on for ever.

use super::rig::{Rig, id};
use crate::access::fixtures::{PIN, pins};
use crate::event::{Alarm, Event, QualityProblem};
use crate::guard::WithoutRecord;
use crate::presentation::{Identity, SpoofCue};

fn door() -> Rig {
    let mut rig = Rig::with(WithoutRecord::Deny, |_, policy| {
        policy.settings.lockout_after = 5;
        policy.settings.alarm_after_denials = 5;
    });
    rig.change(1, |person| person.groups = vec!["typing".into()]);
    rig.pass(500);
    rig
}

fn last(rig: &Rig) -> String {
    rig.since(0).pop().unwrap_or_default()
}

/// Wrong PINs as fast as the windows let, for so many hours; how many were compared.
fn guess_for(rig: &mut Rig, hours: u64) -> usize {
    let before = rig.record.len();
    for _ in 0..hours * 60 {
        rig.claim(1);
        rig.type_in("9999");
        rig.jump(rig.now.tick + std::time::Duration::from_secs(60));
        rig.read();
        rig.tell(crate::guard::Input::Tick);
    }
    let wrong = rig.since(before);
    wrong
        .iter()
        .filter(|line| *line == "denied pin_wrong")
        .count()
}

#[test]
fn a_picture_locks_nobody_out_and_is_asked_for_no_pin() {
    let mut rig = door();
    let (member, similarity) = (1, 0.9);
    for _ in 0..50 {
        rig.show(
            1,
            Identity::Spoof {
                member,
                similarity,
                liveness: -3.0,
                cue: SpoofCue::Network,
            },
        );
        rig.show(1, Identity::Unproven { member, similarity });
        rig.show(
            1,
            Identity::TooPoor {
                problem: QualityProblem::TooDark,
            },
        );
        rig.pass(1_000);
    }
    assert!(!rig.since(0).contains(&"access.challenged".to_owned()));
    rig.claim(1);
    assert_eq!(last(&rig), "access.challenged", "the owner is asked");
    // Somebody whose face it is stands there without typing.
    for _ in 0..20 {
        rig.claim(1);
        rig.pass(16_000);
    }
    assert_eq!(last(&rig), "denied pin_missing");
    rig.claim(1);
    rig.type_in(PIN);
    assert!(rig.released(), "{:?}", last(&rig));
}

#[test]
fn many_denials_and_pictures_are_told_with_whose_they_are() {
    let mut rig = door();
    rig.change(2, |person| person.groups = vec!["typing".into()]);
    let (similarity, liveness, cue) = (0.9, -3.0, SpoofCue::Network);
    for n in [1, 2, 1] {
        let member = usize::from(n);
        let identity = Identity::Spoof {
            member,
            similarity,
            liveness,
            cue,
        };
        rig.show(n, identity);
    }
    let named = |rig: &Rig, wanted: Alarm| -> Vec<_> {
        let raised = rig.record.iter().filter_map(|line| match &line.event {
            event @ Event::AlarmRaised { alarm, .. } if *alarm == wanted => {
                event.person().map(|person| person.id)
            }
            _ => None,
        });
        raised.collect()
    };
    assert_eq!(named(&rig, Alarm::SpoofSuspected), [id(1), id(2)]);
    for _ in 0..2 {
        rig.claim(1);
        rig.type_in("9999");
    }
    assert_eq!(named(&rig, Alarm::RepeatedDenied), [id(1)]);
}

#[test]
fn wrong_pins_are_capped_over_all_windows() {
    let mut rig = door();
    assert_eq!(guess_for(&mut rig, 24), 10, "1440 of them before");
    assert_eq!(last(&rig), "denied lockout");
    let days = 30;
    let more = guess_for(&mut rig, 24 * days);
    assert!(more <= 30, "one a day: {more}");
}

#[test]
fn the_cap_is_told_once_names_whom_and_ends_by_a_new_pin() {
    let mut rig = door();
    guess_for(&mut rig, 2);
    let raised: Vec<_> = rig
        .record
        .iter()
        .filter(|line| matches!(&line.event, Event::AlarmRaised { alarm, .. } if alarm.as_str() == "wrong_pins"))
        .map(|line| line.event.person().map(|person| person.id))
        .collect();
    assert_eq!(raised, [Some(id(1))]);
    // Any other change of theirs changes nothing about it.
    rig.change(1, |person| person.extended = true);
    rig.pass(500);
    rig.claim(1);
    assert_eq!(last(&rig), "denied lockout");
    rig.change(1, |person| {
        let mut pins = pins();
        pins.pin = crate::access::fixtures::hash("7391");
        person.pin = Some(pins);
    });
    rig.pass(500);
    rig.claim(1);
    rig.type_in("7391");
    assert!(rig.released());
    rig.pass(10_000);
    assert!(rig.since(0).contains(&"cleared wrong_pins".to_owned()));
}

#[test]
fn the_cap_outlives_a_restart_and_the_day_lets_its_owner_try_once() {
    let mut rig = door();
    guess_for(&mut rig, 1);
    let raised = |rig: &Rig| {
        rig.since(0)
            .iter()
            .filter(|l| *l == "raised wrong_pins")
            .count()
    };
    rig.restart("2026-03-30T18:00:00[Europe/Berlin]", true);
    rig.pass(40_000);
    rig.claim(1);
    assert_eq!(last(&rig), "denied lockout");
    assert_eq!(raised(&rig), 1, "a restart is no news");
    rig.restart("2026-03-31T14:00:00[Europe/Berlin]", true);
    rig.claim(1);
    rig.type_in("9999");
    rig.claim(1);
    assert_eq!(last(&rig), "denied lockout", "one try a day");
    rig.restart("2026-04-01T15:00:00[Europe/Berlin]", true);
    rig.claim(1);
    rig.type_in(PIN);
    assert!(rig.released(), "their own right PIN");
    rig.pass(10_000);
    let wrong = rig.record.len();
    for _ in 0..4 {
        rig.claim(1);
        rig.type_in("9999");
    }
    assert_eq!(
        rig.since(wrong).last().unwrap(),
        "denied pin_wrong",
        "counted anew"
    );
}

#[test]
fn a_grant_by_the_face_alone_proves_no_pin() {
    let mut rig = door();
    for round in 0..10 {
        rig.claim(1);
        rig.type_in("9999");
        if round % 3 == 2 {
            rig.change(1, |person| person.groups = vec!["always".into()]);
            rig.pass(1_000);
            rig.claim(1);
            assert!(rig.released());
            rig.change(1, |person| person.groups = vec!["typing".into()]);
        }
        rig.pass(301_000);
    }
    rig.claim(1);
    assert_eq!(last(&rig), "denied lockout");
}
