//! Whose digits they are: of whoever was shown at the first one.

use super::rig::Rig;
use crate::access::fixtures::{DURESS, PIN};
use crate::access::rules::PinHashes;
use crate::guard::WithoutRecord;

/// A door at which people 1 to 3 type a PIN; 2 and 3 have no duress PIN, and another PIN each.
fn door() -> Rig {
    let mut rig = Rig::with(WithoutRecord::Deny, |_, policy| {
        policy.settings.lockout_after = 3;
        policy.settings.lockout_s = 3_600;
    });
    rig.change(1, |person| person.groups = vec!["typing".into()]);
    for n in 2..=3 {
        rig.change(n, |person| {
            person.groups = vec!["typing".into()];
            person.pin = Some(PinHashes {
                pin: crate::access::fixtures::hash(&format!("739{n}")),
                duress: None,
            });
        });
    }
    rig.pass(500);
    rig
}

const ONE: &str = "the duress PIN of person 1 was typed";

#[test]
fn digits_are_of_whoever_was_shown_at_the_first_one() {
    let mut rig = door();
    rig.claim(1);
    rig.pass(1_000);
    rig.press();
    rig.pass(1_000);
    // Another face takes the place while they type.
    rig.claim(2);
    rig.pass(1_000);
    let lines = rig.record.len();
    rig.enter(DURESS);
    assert_eq!(
        rig.since(lines),
        ["raised duress"],
        "nobody else is charged"
    );
    assert_eq!(rig.told_of_duress(), [ONE]);
    rig.type_in("7392");
    assert!(rig.released(), "the other one is still waited for");
}

#[test]
fn right_digits_of_somebody_displaced_open_nothing_and_charge_nobody() {
    let mut rig = door();
    rig.claim(1);
    rig.press();
    rig.pass(1_000);
    rig.claim(2);
    let lines = rig.record.len();
    for digits in [PIN, "9999"] {
        rig.press();
        rig.typing = Some(crate::clock::Tick(
            rig.now.tick.0 - std::time::Duration::from_millis(900),
        ));
        rig.enter(digits);
    }
    assert_eq!(rig.since(lines), [""; 0]);
    assert!(!rig.released());
}

#[test]
fn who_was_displaced_before_they_began_can_still_signal() {
    let mut rig = door();
    rig.claim(1);
    rig.pass(1_000);
    rig.claim(2);
    rig.pass(1_000);
    rig.type_in(DURESS);
    assert_eq!(rig.told_of_duress(), [ONE]);
    assert!(
        rig.since(0).contains(&"denied pin_wrong".to_owned()),
        "it looks like a wrong PIN"
    );
}

#[test]
fn who_typed_too_late_can_still_signal() {
    let mut rig = door();
    rig.claim(1);
    rig.pass(14_000);
    rig.press();
    rig.pass(2_000);
    let lines = rig.record.len();
    rig.enter(DURESS);
    assert_eq!(rig.since(lines), ["raised duress"]);
    assert!(!rig.released());
}

#[test]
fn who_is_locked_out_can_still_signal() {
    let mut rig = door();
    for _ in 0..3 {
        rig.claim(1);
        rig.type_in("9999");
    }
    rig.claim(1);
    // Long after their last turn, so that nothing but the lockout says that they are there.
    rig.pass(600_000);
    rig.claim(1);
    assert_eq!(rig.since(0).last().unwrap(), "denied lockout");
    let lines = rig.record.len();
    rig.type_in(PIN);
    assert_eq!(rig.since(lines), [""; 0]);
    rig.type_in(DURESS);
    assert_eq!(rig.since(lines), ["raised duress"]);
    assert_eq!(rig.told_of_duress(), [ONE]);
    assert!(!rig.released());
    // Somebody else's turn is not taken by it.
    rig.claim(2);
    rig.claim(1);
    rig.type_in("7392");
    assert!(rig.released());
}

#[test]
fn who_has_no_duress_pin_takes_nobodys_place_among_those_who_are_heard() {
    let mut rig = door();
    let typing = rig.store.people[&super::rig::id(2)].clone();
    for n in 4..=6 {
        rig.change(n, |person| {
            (person.groups, person.pin) = (typing.groups.clone(), typing.pin.clone());
        });
    }
    rig.pass(500);
    for n in 1..=6 {
        rig.claim(n);
        rig.pass(1_000);
    }
    rig.type_in(DURESS);
    assert_eq!(rig.told_of_duress(), [ONE]);
}

#[test]
fn who_is_locked_out_and_shows_their_face_again_is_heard_first() {
    let mut rig = door();
    rig.change(2, |person| {
        person.pin = Some(crate::access::fixtures::pins())
    });
    rig.pass(500);
    for n in [1, 2] {
        for _ in 0..3 {
            rig.claim(n);
            rig.type_in("9999");
        }
    }
    for n in [1, 2, 1] {
        rig.claim(n);
        rig.pass(1_000);
    }
    // Both have the same.
    rig.type_in(DURESS);
    assert_eq!(rig.told_of_duress(), [ONE]);
}

#[test]
fn digits_of_nobody_who_was_there_are_compared_with_nothing() {
    let mut rig = door();
    let lines = rig.record.len();
    rig.type_in(DURESS);
    rig.claim(3);
    rig.pass(20_000);
    rig.claim(1);
    rig.pass(300_000);
    rig.type_in(DURESS);
    assert_eq!(rig.told_of_duress(), [""; 0], "{:?}", rig.since(lines));
}
