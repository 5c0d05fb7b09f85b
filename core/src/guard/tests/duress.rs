//! Duress: each entry is told, whoever's it is, and nobody's is lost behind somebody else's.

use super::rig::{Disk, Rig, id};
use crate::access::fixtures::{DURESS, PIN};
use crate::command::Command;
use crate::event::{Alarm, Event};
use crate::guard::WithoutRecord;

/// A door at which people 1 to 3 type a PIN.
fn door() -> Rig {
    let mut rig = Rig::new(WithoutRecord::Deny);
    for n in 1..=3 {
        rig.change(n, |person| person.groups = vec!["typing".into()]);
    }
    rig.pass(500);
    rig
}

fn visit(rig: &mut Rig, n: u8, digits: &str) {
    rig.claim(n);
    rig.pass(1_000);
    rig.type_in(digits);
    rig.pass(10_000);
}

fn stands(rig: &Rig) -> bool {
    rig.guard.alarms().any(|alarm| alarm == Alarm::Duress)
}

#[test]
fn every_duress_entry_is_told_whoever_typed_it_before() {
    let mut rig = door();
    for n in [1, 2, 1] {
        visit(&mut rig, n, DURESS);
    }
    visit(&mut rig, 3, PIN);
    let expected = [1, 2, 1].map(|n| format!("the duress PIN of person {n} was typed"));
    assert_eq!(rig.told_of_duress(), expected);
    let persons = rig.record.iter().filter_map(|line| match &line.event {
        event @ Event::AlarmRaised { .. } => event.person().map(|person| person.id),
        _ => None,
    });
    assert_eq!(persons.collect::<Vec<_>>(), [id(1), id(2), id(1)]);
}

#[test]
fn one_entry_is_told_once_though_it_leads_to_several_answers() {
    let mut rig = door();
    rig.change(1, |person| person.groups = vec!["vault-typing".into()]);
    rig.change(2, |person| person.groups = vec!["vault".into()]);
    rig.pass(500);
    visit(&mut rig, 1, DURESS);
    rig.claim(2);
    assert!(rig.released());
    assert_eq!(rig.told_of_duress().len(), 1);
}

#[test]
fn an_earlier_note_is_none_of_what_was_typed_since() {
    let mut rig = door();
    visit(&mut rig, 1, DURESS);
    rig.disk = Disk::Hangs;
    let alarm = Alarm::Duress;
    rig.command("1", Command::Acknowledge { alarm, note: None });
    rig.pass(100);
    // The disk still writes the note when this happens.
    rig.claim(2);
    rig.type_in(DURESS);
    rig.disk = Disk::Works;
    rig.answer();
    rig.pass(2_000);
    assert!(stands(&rig), "nobody took note of the second one");
    assert!(!rig.since(0).contains(&"cleared duress".to_owned()));
    rig.command("2", Command::Acknowledge { alarm, note: None });
    rig.pass(2_000);
    assert!(!stands(&rig));
    let cleared = rig
        .since(0)
        .iter()
        .filter(|line| *line == "cleared duress")
        .count();
    assert_eq!(cleared, 1, "when nobody's stands any more");
}

#[test]
fn a_restart_is_no_entry_and_the_next_entry_is_told_all_the_same() {
    let mut rig = door();
    visit(&mut rig, 1, DURESS);
    rig.restart("2026-03-30T12:10:00[Europe/Berlin]", true);
    rig.pass(60_000);
    assert!(stands(&rig) && rig.told_of_duress().len() == 1);
    visit(&mut rig, 1, DURESS);
    assert_eq!(rig.told_of_duress().len(), 2);
}
