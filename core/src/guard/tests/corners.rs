//! Corners that the simulated year found, each as a story.

use std::time::Duration;

use uuid::Uuid;

use super::rig::{Disk, Rig};
use crate::access::AntiPassback;
use crate::command::{Command, ModeWord};
use crate::conditions::Source;
use crate::event::{Alarm, Class, Contact, Event, Mode, PersonStatus};
use crate::guard::{Author, Input, Undelivered, WithoutRecord};

fn door() -> Rig {
    Rig::new(WithoutRecord::Deny)
}

fn unlocked_for(seconds: u32) -> Command {
    Command::Mode {
        mode: ModeWord::Unlocked,
        until: None,
        for_s: Some(seconds),
    }
}

/// Where people are is counted by no revision: what was read before they passed stays as it was.
#[test]
fn who_has_entered_is_not_forgotten_as_soon_as_the_store_is_read_again() {
    let mut rig = Rig::with(WithoutRecord::Deny, |settings, policy| {
        (settings.site, settings.interlock) = (false, Vec::new());
        settings.door.contact = None;
        policy.settings.anti_passback = AntiPassback::Timed;
        policy.settings.anti_passback_s = 60;
    });
    rig.claim(1);
    assert!(rig.released());
    rig.pass(20_000);
    let lines = rig.record.len();
    rig.claim(1);
    assert_eq!(rig.since(lines), ["denied anti_passback"]);
    // Read anew, with everything else.
    rig.change(2, |_| {});
    rig.pass(10_000);
    rig.claim(1);
    assert_eq!(rig.since(lines), ["denied anti_passback"; 2]);
    rig.pass(40_000);
    rig.claim(1);
    assert!(rig.released());
}

#[test]
fn with_grant_the_rules_and_the_other_doors_count_all_the_same() {
    let mut rig = Rig::new(WithoutRecord::Grant);
    let lines = rig.record.len();
    rig.others_engaged = true;
    rig.claim(1);
    assert!(!rig.released());
    assert_eq!(rig.since(lines), ["denied interlock"]);
    rig.others_engaged = false;
    rig.pass(1_000);
    let lines = rig.record.len();
    rig.change(2, |person| person.status = PersonStatus::Suspended);
    rig.claim(2);
    rig.pass(1_000);
    assert!(rig.moves.is_empty());
    assert_eq!(rig.since(lines), ["denied suspended"]);
}

#[test]
fn with_grant_what_waits_for_the_disk_at_the_end_is_withdrawn() {
    let mut rig = Rig::new(WithoutRecord::Grant);
    let lines = rig.record.len();
    rig.disk = Disk::Hangs;
    rig.claim(1);
    rig.tell(Input::Stop);
    rig.disk = Disk::Works;
    rig.answer();
    assert!(rig.moves.is_empty());
    let story = rig.since(lines).join(", ");
    let expected = "access.granted, released grant, withdrawn grant, denied storage_failure";
    assert_eq!(story, expected);
}

#[test]
fn a_disk_that_fails_is_not_tried_again_at_once_for_nothing() {
    let mut rig = door();
    rig.tell(Input::Alarm {
        alarm: Alarm::Storage,
        source: Source::Caretaker,
        detail: Some("the disk is full".into()),
    });
    rig.disk = Disk::Fails;
    let batches = rig.batches;
    // Nothing but the summary changes.
    rig.tell(Input::Contact(Contact::Closed));
    assert!(rig.batches <= batches + 2, "{}", rig.batches - batches);
    rig.pass(6_000);
    assert!(rig.batches <= batches + 4, "{}", rig.batches - batches);
}

/// Whoever comes shortly before the disk is tried again must not be let in when that works.
#[test]
fn nobody_is_let_in_behind_older_events_however_soon_they_are_written() {
    let mut rig = door();
    rig.disk = Disk::Fails;
    rig.claim(1);
    rig.disk = Disk::Works;
    rig.pass(4_500);
    rig.claim(1);
    rig.plain("OPEN");
    rig.pass(2_000);
    assert!(rig.moves.is_empty(), "{:?}", rig.since(0));
    rig.claim(1);
    assert!(rig.released());
}

#[test]
fn a_mode_that_comes_onto_the_disk_too_late_is_taken_back() {
    let mut rig = door();
    rig.disk = Disk::Hangs;
    rig.command("1", unlocked_for(600));
    rig.pass(3_000);
    let lines = rig.record.len();
    rig.disk = Disk::Works;
    rig.answer();
    assert!(rig.answers.pop().unwrap().contains("storage_failure"));
    rig.pass(10_000);
    assert!(rig.moves.is_empty(), "it was refused");
    assert_eq!(rig.store.order, None);
    let story = rig.since(lines);
    assert!(
        !story.contains(&"withdrawn operator".to_owned()),
        "{story:?}"
    );
    rig.command("2", unlocked_for(600));
    assert!(rig.released(), "and can be ordered again");
}

#[test]
fn a_mode_for_a_time_ends_when_it_was_said_to_however_long_the_disk_took() {
    let mut rig = door();
    rig.disk = Disk::Hangs;
    rig.command("1", unlocked_for(600));
    rig.pass(700);
    let lines = rig.record.len();
    rig.disk = Disk::Works;
    rig.answer();
    rig.pass(2_000);
    let modes = rig.since(lines);
    let modes = modes.iter().filter(|line| *line == "door.mode");
    assert_eq!(modes.count(), 1);
}

#[test]
fn what_time_has_brought_about_is_no_operators_doing() {
    let mut rig = door();
    rig.plain("OPEN");
    let lines = rig.record.len();
    rig.jump(rig.now.tick + Duration::from_secs(6));
    rig.plain("LOCK");
    let by: Vec<_> = rig.record[lines..]
        .iter()
        .map(|line| line.author.clone())
        .collect();
    assert_eq!(by, [Author::Door, Author::Plain("home".into())]);
}

#[test]
fn a_plain_command_that_is_refused_is_recorded_as_its_clients() {
    let mut rig = door();
    rig.order(Some((Mode::Lockdown, None)));
    rig.plain("OPEN");
    let refused = rig.record.last().unwrap();
    assert!(matches!(refused.event, Event::CommandRefused { .. }));
    assert_eq!(refused.author, Author::Plain("home".into()));
}

/// What a broker that refuses everything says of what came onto the record since then, and of what
/// that leads to.
fn refuse_everything(rig: &mut Rig, seen: &mut (usize, usize)) {
    for _ in 0..10 {
        let lines = rig.record[seen.0..].iter().map(|line| &line.event);
        let events = lines.map(|event| (Some(event.kind()), event.class()));
        let states = (seen.1..rig.states).map(|_| (None, Class::State));
        let refused: Vec<_> = events.chain(states).collect();
        *seen = (rig.record.len(), rig.states);
        if refused.is_empty() {
            return;
        }
        for (kind, class) in refused {
            rig.tell(Input::Undelivered(Undelivered {
                event: kind.map(|_| Uuid::nil()),
                kind: kind.map(str::to_owned),
                class: class.as_str().to_owned(),
                topic: format!("d/{}", class.as_str()),
                reason: "not authorised".into(),
            }));
        }
    }
    panic!("refusals without end");
}

/// Topic and number of each report.
fn reports(rig: &Rig) -> Vec<(&str, u64)> {
    let reports = rig.record.iter().filter_map(|line| match &line.event {
        Event::DeliveryRefused {
            topic, messages, ..
        } => Some((topic.as_str(), *messages)),
        _ => None,
    });
    reports.collect()
}

fn pass_hours(rig: &mut Rig, hours: u64, seen: &mut (usize, usize)) {
    for _ in 0..hours * 6 {
        rig.jump(rig.now.tick + Duration::from_secs(600));
        rig.read();
        rig.tell(Input::Tick);
        refuse_everything(rig, seen);
    }
}

#[test]
fn a_broker_that_refuses_everything_is_told_of_once_and_causes_nothing_else() {
    let mut rig = door();
    assert!(rig.record.is_empty() && rig.states > 0);
    let mut seen = (0, rig.states - 1);
    refuse_everything(&mut rig, &mut seen);
    assert_eq!(reports(&rig), [("d/state", 1)]);
    // No report leads to a summary that is refused, which leads to a report.
    pass_hours(&mut rig, 100, &mut seen);
    assert_eq!(reports(&rig), [("d/state", 1)]);
}

#[test]
fn refused_events_are_told_of_at_once_and_then_once_an_hour_with_their_number() {
    let mut rig = door();
    let mut seen = (0, rig.states);
    for _ in 0..5 {
        rig.tell(Input::Contact(Contact::Closed));
        rig.tell(Input::Rex { pressed: true });
        rig.tell(Input::Rex { pressed: false });
        rig.jump(rig.now.tick + Duration::from_secs(6));
        rig.tell(Input::Tick);
        seen.1 = rig.states;
        refuse_everything(&mut rig, &mut seen);
    }
    pass_hours(&mut rig, 3, &mut seen);
    rig.tell(Input::Rex { pressed: true });
    rig.tell(Input::Rex { pressed: false });
    refuse_everything(&mut rig, &mut seen);
    let mut told = reports(&rig);
    told.retain(|(topic, _)| *topic == "d/door");
    let numbers: Vec<u64> = told.iter().map(|(_, messages)| *messages).collect();
    // Pressed, released, secured; the last press is news again.
    assert_eq!(numbers, [1, 14, 1]);
}
