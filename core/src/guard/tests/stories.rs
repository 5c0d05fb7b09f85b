//! The guard, told story by story.

use std::time::Duration;

use super::rig::{Disk, Rig};
use crate::event::{Alarm, Contact, Event, Mode, PersonStatus};
use crate::guard::{Input, LEASE, Latched, WithoutRecord};

fn door() -> Rig {
    Rig::new(WithoutRecord::Deny)
}

#[test]
fn a_grant_is_on_the_record_before_the_relay_and_ends_by_itself() {
    let mut rig = door();
    let lines = rig.record.len();
    rig.disk = Disk::Hangs;
    rig.claim(1);
    assert!(!rig.released(), "the disk has not answered");
    rig.pass(500);
    rig.disk = Disk::Works;
    rig.answer();
    assert!(rig.released());
    let (at, _, recorded) = rig.moves[0];
    assert_eq!(recorded, lines + 2, "grant and release");
    rig.pass(10_000);
    assert_eq!(
        rig.moves[1].0,
        at + Duration::from_secs(5),
        "the whole time"
    );
    let expected = [
        "access.granted",
        "released grant",
        "secured release_time_over",
    ];
    assert_eq!(rig.since(lines), expected);
}

#[test]
fn the_exit_button_waits_for_no_disk_and_is_recorded_after() {
    let mut rig = door();
    let lines = rig.record.len();
    rig.disk = Disk::Hangs;
    rig.rex(true);
    assert_eq!(rig.moves, [(rig.now.tick, true, lines)], "at once");
    rig.pass(100);
    rig.rex(false);
    rig.pass(15_000);
    let lasted = rig.moves[1].0.since(rig.moves[0].0);
    assert_eq!(lasted, Duration::from_secs(5), "for the whole time");
    assert_eq!(rig.since(lines), [""; 0]);
    rig.disk = Disk::Works;
    rig.answer();
    let story = rig.since(lines).join(", ");
    let expected = "door.rex, released rex, raised storage, secured release_time_over";
    assert_eq!(story, expected, "in order, nothing lost");
}

#[test]
fn a_commit_that_comes_late_never_opens_the_door() {
    let mut rig = door();
    let lines = rig.record.len();
    rig.disk = Disk::Hangs;
    rig.claim(1);
    rig.pass(1_999);
    assert!(rig.guard.alarms().any(|alarm| alarm == Alarm::Storage));
    rig.disk = Disk::Works;
    rig.pass(0);
    rig.disk = Disk::Hangs;
    rig.pass(20_000);
    rig.disk = Disk::Works;
    rig.answer();
    rig.pass(10_000);
    assert!(rig.moves.is_empty(), "{:?}", rig.moves);
    let story = rig.since(lines);
    assert_eq!(story[..2], ["access.granted", "released grant"]);
    assert!(
        story.contains(&"denied storage_failure".to_owned()),
        "{story:?}"
    );
    assert!(story.contains(&"withdrawn grant".to_owned()), "{story:?}");
    assert!(story.contains(&"cleared storage".to_owned()), "{story:?}");
    rig.claim(1);
    assert!(rig.released(), "and the next one is let in");
}

#[test]
fn a_disk_that_cannot_be_written_lets_nobody_in_and_loses_nothing() {
    let mut rig = door();
    let lines = rig.record.len();
    rig.disk = Disk::Fails;
    rig.claim(1);
    rig.disk = Disk::Works;
    rig.claim(1);
    assert!(rig.moves.is_empty(), "older events wait");
    rig.pass(6_000);
    let story = rig.since(lines).join(", ");
    let expected = "denied storage_failure, raised storage, denied storage_failure";
    assert_eq!(story, expected);
    rig.claim(1);
    assert!(rig.released());
}

#[test]
fn with_grant_people_are_let_in_and_the_record_follows() {
    for disk in [Disk::Fails, Disk::Hangs] {
        let mut rig = Rig::new(WithoutRecord::Grant);
        let lines = rig.record.len();
        rig.disk = disk;
        rig.claim(1);
        rig.pass(3_000);
        assert_eq!(rig.moves.len(), 1, "{disk:?}");
        rig.pass(20_000);
        rig.disk = Disk::Works;
        rig.answer();
        rig.pass(6_000);
        let story = rig.since(lines);
        for once in [
            "access.granted",
            "released grant",
            "secured release_time_over",
        ] {
            let times = story.iter().filter(|line| *line == once).count();
            assert_eq!(times, 1, "{disk:?} {once}: {story:?}");
        }
    }
}

#[test]
fn what_is_not_known_freshly_lets_nobody_in() {
    let mut rig = door();
    let lines = rig.record.len();
    rig.readable = false;
    rig.pass(2_900);
    rig.claim(1);
    assert!(rig.released(), "three seconds are fresh");
    rig.pass(6_000);
    rig.claim(2);
    assert!(!rig.released());
    assert!(
        rig.since(lines)
            .contains(&"denied storage_failure".to_owned())
    );
    rig.rex(true);
    assert!(rig.released(), "nobody is kept in");
    rig.rex(false);
    rig.pass(6_000);
    rig.readable = true;
    rig.pass(300);
    rig.claim(2);
    assert!(rig.released());
}

#[test]
fn rules_that_change_before_the_commit_are_asked_again() {
    for suspended in [true, false] {
        let mut rig = door();
        let lines = rig.record.len();
        rig.disk = Disk::Hangs;
        rig.claim(1);
        rig.change(1, |person| {
            if suspended {
                person.status = PersonStatus::Suspended;
            }
        });
        rig.disk = Disk::Works;
        rig.answer();
        assert!(!rig.released(), "the new rules are not read yet");
        rig.pass(250);
        assert_eq!(rig.released(), !suspended);
        let denied = rig.since(lines).contains(&"denied suspended".to_owned());
        assert_eq!(denied, suspended);
    }
}

#[test]
fn rules_that_changed_and_cannot_be_read_let_nobody_in() {
    let mut rig = door();
    rig.disk = Disk::Hangs;
    rig.claim(1);
    rig.change(1, |_| {});
    rig.readable = false;
    rig.disk = Disk::Works;
    rig.answer();
    rig.pass(5_000);
    assert!(rig.moves.is_empty());
    rig.readable = true;
    rig.pass(5_000);
    assert!(rig.moves.is_empty(), "given up");
}

#[test]
fn a_door_held_by_its_mode_is_a_lease_that_runs_out_with_the_guard() {
    let mut rig = door();
    let lines = rig.record.len();
    rig.order(Some((Mode::Unlocked, None)));
    assert!(rig.released());
    let began = rig.moves[0].0;
    rig.pass(60_000);
    assert_eq!(rig.moves.len(), 1, "renewed all the time");
    let last = rig.relay.unwrap();
    assert!(last <= rig.now.tick + LEASE);
    // The guard hangs for ten seconds.
    rig.jump(rig.now.tick + Duration::from_secs(10));
    assert_eq!(rig.moves[1].0, last, "secured by the latch alone");
    assert!(last.since(began) < Duration::from_secs(64));
    rig.tell(Input::Tick);
    assert!(rig.released(), "and asked for again");
    let story = rig.since(lines).join(", ");
    assert!(story.contains("secured lapsed, released mode"), "{story}");
    rig.order(None);
    assert!(!rig.released());
}

#[test]
fn a_pressed_exit_button_is_a_lease_and_no_longer_than_it_is_believed() {
    let mut rig = door();
    rig.disk = Disk::Hangs;
    rig.rex(true);
    rig.pass(30_000);
    assert!(rig.released());
    rig.pass(40_000);
    assert!(!rig.released(), "jammed");
    assert!(rig.guard.alarms().any(|alarm| alarm == Alarm::RexStuck));
    rig.rex(false);
    rig.rex(true);
    rig.jump(rig.now.tick + Duration::from_secs(20));
    assert!(!rig.released(), "the guard hangs");
    assert_eq!(rig.moves.len(), 4);
}

#[test]
fn who_has_entered_is_known_to_be_inside_though_the_store_is_not_read_anew_for_it() {
    use crate::access::settings::AntiPassback;
    let mut rig = Rig::with(WithoutRecord::Deny, |_, policy| {
        policy.settings.anti_passback = AntiPassback::Timed;
        policy.settings.anti_passback_s = 3;
    });
    rig.tell(Input::Contact(Contact::Closed));
    rig.claim(1);
    rig.claim(1);
    assert!(
        !rig.since(0).contains(&"denied anti_passback".to_owned()),
        "at the door"
    );
    rig.tell(Input::Contact(Contact::Open));
    rig.pass(1_000);
    rig.claim(1);
    assert!(rig.since(0).contains(&"denied anti_passback".to_owned()));
    rig.pass(2_500);
    let lines = rig.record.len();
    rig.claim(1);
    assert_eq!(rig.since(lines)[0], "access.granted");
}

#[test]
fn a_slow_disk_is_told_of_and_so_is_its_end() {
    let mut rig = door();
    rig.disk = Disk::Hangs;
    rig.tell(Input::Contact(Contact::Closed));
    rig.tell(Input::Contact(Contact::Open));
    rig.pass(999);
    assert_eq!(
        rig.guard.alarms().filter(|a| *a == Alarm::Storage).count(),
        0
    );
    rig.pass(1);
    assert_eq!(
        rig.guard.alarms().filter(|a| *a == Alarm::Storage).count(),
        1
    );
    rig.disk = Disk::Works;
    rig.answer();
    rig.pass(6_000);
    assert_eq!(
        rig.guard.alarms().filter(|a| *a == Alarm::Storage).count(),
        0
    );
    let raised = rig.record.iter().find_map(|line| match &line.event {
        Event::AlarmRaised {
            alarm: Alarm::Storage,
            detail,
            ..
        } => Some(detail.clone()),
        _ => None,
    });
    assert!(raised.unwrap().contains("1.0 s"));
}

#[test]
fn what_waits_goes_together() {
    let mut rig = door();
    rig.disk = Disk::Hangs;
    rig.rex(true);
    rig.rex(false);
    let batches = rig.batches;
    for _ in 0..20 {
        rig.tell(Input::Contact(Contact::Open));
        rig.pass(200);
        rig.tell(Input::Contact(Contact::Closed));
        rig.pass(200);
    }
    assert_eq!(rig.batches, batches, "one under way");
    let lines = rig.record.len();
    rig.disk = Disk::Works;
    rig.answer();
    assert!(rig.record.len() >= lines + 20);
    assert!(rig.batches <= batches + 2, "{}", rig.batches - batches);
}

#[test]
fn an_operator_is_answered_once_it_is_on_the_record_or_given_up() {
    let mut rig = door();
    let lines = rig.record.len();
    rig.plain("OPEN");
    assert!(rig.released());
    assert!(rig.answers.pop().unwrap().contains(r#""ok":true"#));
    assert_eq!(
        rig.since(lines)[..2],
        ["command.executed", "released operator"]
    );
    rig.pass(10_000);
    rig.disk = Disk::Hangs;
    rig.plain("OPEN");
    rig.pass(4_000);
    let lines = rig.record.len();
    rig.disk = Disk::Works;
    rig.answer();
    rig.pass(10_000);
    assert!(!rig.released());
    let story = rig.since(lines);
    assert!(
        story.contains(&"withdrawn operator".to_owned()),
        "{story:?}"
    );
    assert!(story.contains(&"command.refused".to_owned()), "{story:?}");
    assert!(rig.answers.pop().unwrap().contains("storage_failure"));
}

#[test]
fn locking_waits_for_no_disk() {
    let mut rig = door();
    rig.plain("OPEN");
    rig.disk = Disk::Hangs;
    rig.pass(1_000);
    rig.plain("LOCK");
    assert!(!rig.released());
    rig.disk = Disk::Works;
    rig.answer();
    assert!(rig.since(0).contains(&"secured operator".to_owned()));
}

#[test]
fn lockdown_that_comes_while_a_grant_is_written_withdraws_it() {
    let mut rig = door();
    let lines = rig.record.len();
    rig.disk = Disk::Hangs;
    rig.plain("OPEN");
    rig.order(Some((Mode::Lockdown, None)));
    // As if it had been judged by these rules already.
    rig.store.revision -= 1;
    rig.disk = Disk::Works;
    rig.answer();
    assert!(!rig.released());
    let story = rig.since(lines);
    assert!(
        story.contains(&"withdrawn operator".to_owned()),
        "{story:?}"
    );
}

#[test]
fn another_door_of_the_interlock_keeps_this_one_secured() {
    let mut rig = door();
    rig.others_engaged = true;
    // Known to the site's file, and not read here yet.
    rig.claim(1);
    assert!(!rig.released());
    assert!(rig.since(0).contains(&"denied interlock".to_owned()));
    rig.pass(300);
    rig.claim(2);
    assert!(!rig.released());
    rig.rex(true);
    assert!(rig.released(), "an exit button asks no other door");
}

#[test]
fn the_end_secures_at_once_and_withdraws_what_is_asked_for() {
    let mut rig = door();
    rig.order(Some((Mode::Unlocked, None)));
    let lines = rig.record.len();
    rig.disk = Disk::Hangs;
    rig.tell(Input::Contact(Contact::Open));
    rig.claim(1);
    rig.tell(Input::Stop);
    assert!(!rig.released(), "whatever the disk does");
    assert!(!rig.guard.is_settled());
    rig.claim(2);
    rig.disk = Disk::Works;
    rig.answer();
    rig.pass(1_000);
    assert!(rig.guard.is_settled());
    assert!(!rig.released());
    let story = rig.since(lines);
    assert!(story.contains(&"secured stop".to_owned()), "{story:?}");
}

#[test]
fn a_relay_that_does_not_obey_is_an_alarm_either_way() {
    use crate::event::wire::Lock;
    let mut rig = door();
    rig.claim(1);
    let message = || "no".to_owned();
    rig.tell(Input::Latch(Latched::Failed {
        lock: Lock::Released,
        message: message(),
    }));
    assert!(!rig.released());
    assert!(rig.guard.alarms().any(|alarm| alarm == Alarm::RelayFault));
    let mut rig = door();
    rig.tell(Input::Latch(Latched::Failed {
        lock: Lock::Secured,
        message: message(),
    }));
    assert!(rig.guard.alarms().any(|alarm| alarm == Alarm::RelayFault));
    rig.tell(Input::Latch(Latched::Moved(Lock::Secured)));
    rig.pass(6_000);
    assert!(rig.guard.alarms().all(|alarm| alarm != Alarm::RelayFault));
}
