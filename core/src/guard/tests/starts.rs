//! What a start takes up of the last run's orders, by a clock that may be wrong.

use super::rig::Rig;
use crate::access::fixtures::at;
use crate::event::Mode;
use crate::guard::{Input, WithoutRecord};

/// As a Pi starts whose clock was not saved since the morning.
const MORNING: &str = "2026-03-30T08:00:00[Europe/Berlin]";
const EVENING: &str = "2026-03-30T18:00:00[Europe/Berlin]";
const ONE: &str = "2026-03-30T13:00:00[Europe/Berlin]";

/// A door whose last run ended at noon with this order until one.
fn ordered(mode: Mode) -> Rig {
    let mut rig = Rig::new(WithoutRecord::Deny);
    rig.order(Some((mode, Some(at(ONE)))));
    rig.pass(1_000);
    rig
}

#[test]
fn an_order_that_opens_is_not_taken_up_by_a_clock_that_is_not_trusted() {
    for (wall, passed) in [(MORNING, true), (EVENING, true), (MORNING, false)] {
        let mut rig = ordered(Mode::Unlocked);
        assert!(rig.released());
        rig.moves.clear();
        rig.restart(wall, false);
        rig.pass(60_000);
        // Whatever else changes.
        rig.change(3, |person| person.extended = true);
        rig.pass(60_000);
        assert!(
            rig.moves.is_empty() && rig.guard.door().mode() == Mode::Normal,
            "{wall}"
        );
        // What the time is, is known at last.
        rig.now.wall = at(if passed {
            EVENING
        } else {
            "2026-03-30T12:30:00[Europe/Berlin]"
        });
        rig.now.clock_trusted = true;
        rig.pass(1_000);
        assert_eq!(rig.released(), !passed, "{wall}");
        rig.pass(31 * 60_000);
        assert!(!rig.released(), "its end");
    }
}

#[test]
fn an_order_that_opens_is_taken_up_by_a_trusted_clock_until_its_end() {
    let mut rig = ordered(Mode::Unlocked);
    rig.restart("2026-03-30T12:59:00[Europe/Berlin]", true);
    assert!(rig.released());
    rig.pass(61_000);
    assert!(!rig.released());
    rig.restart(EVENING, true);
    assert!(!rig.released());
}

#[test]
fn a_new_order_counts_whatever_the_clock() {
    let mut rig = ordered(Mode::Unlocked);
    rig.restart(MORNING, false);
    rig.order(Some((
        Mode::Unlocked,
        Some(at("2026-03-30T08:10:00[Europe/Berlin]")),
    )));
    assert!(rig.released(), "somebody wants it now");
    rig.pass(11 * 60_000);
    assert!(!rig.released());
}

#[test]
fn a_lockdown_stays_and_ends_no_earlier_than_the_record_knows() {
    for wall in [MORNING, EVENING] {
        let mut rig = ordered(Mode::Lockdown);
        rig.restart(wall, false);
        assert_eq!(rig.guard.door().mode(), Mode::Lockdown, "{wall}");
        rig.pass(50 * 60_000);
        assert_eq!(rig.guard.door().mode(), Mode::Lockdown, "{wall}");
        rig.pass(11 * 60_000);
        assert_eq!(
            rig.guard.door().mode(),
            Mode::Normal,
            "an hour from the newest record"
        );
    }
    // The record has what happened after its end.
    let mut rig = ordered(Mode::Lockdown);
    rig.pass(61 * 60_000);
    rig.tell(Input::Rex { pressed: true });
    rig.tell(Input::Rex { pressed: false });
    rig.restart(MORNING, false);
    assert_eq!(rig.guard.door().mode(), Mode::Normal);
}

#[test]
fn a_lockdown_that_the_record_took_for_over_counts_before_anybody_is_let_in() {
    let mut rig = ordered(Mode::Lockdown);
    // The clock was ahead for a while.
    rig.now.wall = at(EVENING);
    rig.tell(Input::Rex { pressed: true });
    rig.tell(Input::Rex { pressed: false });
    rig.restart(MORNING, false);
    rig.pass(1_000);
    assert_eq!(rig.guard.door().mode(), Mode::Normal);
    // It is half past twelve, and somebody is there in the same moment.
    rig.now.wall = at("2026-03-30T12:30:00[Europe/Berlin]");
    rig.now.clock_trusted = true;
    let lines = rig.record.len();
    rig.claim(1);
    let granted = "access.granted".to_owned();
    assert!(
        !rig.since(lines).contains(&granted),
        "{:?}",
        rig.since(lines)
    );
    assert!(!rig.released() && rig.guard.door().mode() == Mode::Lockdown);
}

#[test]
fn the_newest_record_is_the_least_that_it_can_be_now_for_what_is_remembered() {
    let mut rig = Rig::with(WithoutRecord::Deny, |_, policy| {
        policy.settings.lockout_after = 3;
        policy.settings.lockout_window_s = 600;
    });
    rig.change(1, |person| person.groups = vec!["typing".into()]);
    rig.pass(500);
    for _ in 0..3 {
        rig.claim(1);
        rig.type_in("9999");
        rig.pass(20 * 60_000);
    }
    rig.restart(MORNING, false);
    rig.claim(1);
    assert_eq!(
        rig.since(0).last().unwrap(),
        "access.challenged",
        "far apart as they were"
    );
}
