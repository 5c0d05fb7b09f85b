//! What holds for every guard, whatever happens to it, its disk and its facts, and whenever.

use proptest::prelude::*;

use super::rig::{Disk, Rig, recorded_first};
use crate::event::wire::Lock;
use crate::event::{Contact, Event, Mode, PersonStatus, ReleaseCause};
use crate::guard::{Input, Latched, WithoutRecord};

#[derive(Debug, Clone)]
enum Step {
    Claim(u8),
    Rex(bool),
    Contact(bool),
    Plain(&'static str),
    Order(Option<Mode>),
    Disk(Disk),
    Readable(bool),
    Others(bool),
    Suspend(u8, bool),
    RelayFails,
    Pass(u64),
    Hang(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let disk = prop_oneof![3 => Just(Disk::Works), 1 => Just(Disk::Fails), 2 => Just(Disk::Hangs)];
    let mode = prop_oneof![
        Just(Some(Mode::Unlocked)),
        Just(Some(Mode::Lockdown)),
        Just(Some(Mode::Normal)),
        Just(None)
    ];
    prop_oneof![
        8 => (1u8..4).prop_map(Step::Claim),
        4 => any::<bool>().prop_map(Step::Rex),
        4 => any::<bool>().prop_map(Step::Contact),
        3 => prop_oneof![Just("OPEN"), Just("LOCK"), Just("rubbish")].prop_map(Step::Plain),
        2 => mode.prop_map(Step::Order),
        6 => disk.prop_map(Step::Disk),
        1 => any::<bool>().prop_map(Step::Readable),
        1 => any::<bool>().prop_map(Step::Others),
        1 => (1u8..4, any::<bool>()).prop_map(|(n, suspended)| Step::Suspend(n, suspended)),
        1 => Just(Step::RelayFails),
        10 => prop_oneof![0u64..500, 0u64..9_000].prop_map(Step::Pass),
        1 => (0u64..8_000).prop_map(Step::Hang),
    ]
}

fn play(steps: &[Step], without_record: WithoutRecord) -> Rig {
    let mut rig = Rig::new(without_record);
    for step in steps {
        match *step {
            Step::Claim(n) => rig.claim(n),
            Step::Rex(pressed) => rig.rex(pressed),
            Step::Contact(open) => rig.tell(Input::Contact(if open {
                Contact::Open
            } else {
                Contact::Closed
            })),
            Step::Plain(payload) => rig.plain(payload),
            Step::Order(mode) => rig.order(mode.map(|mode| (mode, None))),
            Step::Disk(disk) => {
                rig.disk = disk;
                rig.answer();
            }
            Step::Readable(readable) => rig.readable = readable,
            Step::Others(engaged) => rig.others_engaged = engaged,
            Step::Suspend(n, suspended) => rig.change(n, |person| {
                person.status = if suspended {
                    PersonStatus::Suspended
                } else {
                    PersonStatus::Active
                };
            }),
            Step::RelayFails if rig.released() => {
                let message = "no".into();
                let lock = Lock::Released;
                rig.tell(Input::Latch(Latched::Failed { lock, message }));
            }
            Step::RelayFails => {}
            Step::Pass(ms) => rig.pass(ms),
            Step::Hang(ms) => {
                rig.jump(rig.now.tick + std::time::Duration::from_millis(ms));
                rig.tell(Input::Tick);
            }
        }
        let door = rig.guard.door().lock() == Lock::Released;
        assert_eq!(rig.released(), door, "relay and door agree after {step:?}");
    }
    rig
}

/// Ends everything that lasts, and lets the disk catch up.
fn end(rig: &mut Rig) {
    (rig.disk, rig.readable) = (Disk::Works, true);
    rig.answer();
    rig.pass(10_000);
    rig.tell(Input::Stop);
    rig.pass(10_000);
    assert!(rig.guard.is_settled());
    assert!(!rig.released());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Invariants 1 and 2: each movement of the relay has its record, before it unless somebody leaves.
    #[test]
    fn nothing_is_released_without_its_record_but_for_an_exit(
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let mut rig = play(&steps, WithoutRecord::Deny);
        end(&mut rig);
        for (n, (at, released, recorded)) in rig.moves.iter().enumerate() {
            if !released {
                continue;
            }
            let by_then = &rig.record[..*recorded];
            let before = rig.moves[..n].iter().filter(|(_, released, _)| *released).count();
            let releases = by_then.iter().filter(|line| {
                matches!(line.event, Event::DoorReleased { .. })
            });
            // Exits may be recorded later; whatever else moved the relay was there before.
            let exits = rig.record.iter().filter(|line| matches!(
                line.event,
                Event::DoorReleased { cause: ReleaseCause::Rex, .. }
            ));
            let late = exits.filter(|line| line.at >= *at).count();
            prop_assert!(
                releases.count() + late > before,
                "move {n} at {at:?}"
            );
        }
        let moves = rig.moves.iter().filter(|(_, released, _)| *released).count();
        let count = |wanted: fn(&Event) -> bool| {
            rig.record.iter().filter(|line| wanted(&line.event)).count()
        };
        let recorded = count(|event| matches!(event, Event::DoorReleased { .. }));
        prop_assert!(moves <= recorded, "{moves} movements, {recorded} on the record");
    }

    /// The record and the relay agree in the end: whoever is on it as let in was, or it was withdrawn.
    #[test]
    fn a_grant_on_the_record_was_carried_out_or_withdrawn(
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let mut rig = play(&steps, WithoutRecord::Deny);
        end(&mut rig);
        for line in &rig.record {
            let (person, at) = match &line.event {
                Event::AccessGranted(granted) => (Some(&granted.person), line.at),
                _ => continue,
            };
            let released_then = rig.moves.iter().rfind(|(moved, ..)| *moved <= at);
            let open = released_then.is_some_and(|(_, released, _)| *released);
            let moved_then = rig.moves.iter().any(|(moved, ..)| *moved == at);
            let withdrawn = rig.record.iter().any(|other| matches!(
                &other.event,
                Event::ReleaseWithdrawn { person: whose, .. } if whose.as_ref() == person
            ));
            prop_assert!(open || moved_then || withdrawn, "{line:?}");
        }
    }

    /// Nothing is recorded twice or out of order, whatever the disk does meanwhile.
    #[test]
    fn releases_and_securings_take_turns_on_the_record(
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let mut rig = play(&steps, WithoutRecord::Deny);
        end(&mut rig);
        // A release that was withdrawn, or came while it was released, stands before no securing.
        let mut secured_twice = false;
        let mut released = 0usize;
        for line in &rig.record {
            match line.event {
                Event::DoorReleased { .. } => released += 1,
                Event::DoorSecured { .. } => {
                    secured_twice |= released == 0;
                    released = 0;
                }
                _ => {}
            }
        }
        prop_assert!(!secured_twice, "{:?}", rig.since(0));
    }

    /// With `grant` everybody is let in who would be, and nothing is lost either.
    #[test]
    fn with_grant_the_record_still_adds_up(
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let mut rig = play(&steps, WithoutRecord::Grant);
        end(&mut rig);
        let moves = rig.moves.iter().filter(|(_, released, _)| *released).count();
        let recorded = rig.record.iter().filter(|line| {
            matches!(line.event, Event::DoorReleased { .. })
        });
        prop_assert!(moves <= recorded.count());
    }

    /// Whatever hangs, a pressed exit button releases at once.
    #[test]
    fn the_exit_button_always_releases(steps in prop::collection::vec(any_step(), 1..60)) {
        let mut rig = play(&steps, WithoutRecord::Deny);
        rig.rex(false);
        rig.rex(true);
        prop_assert!(rig.released());
        prop_assert!(recorded_first(ReleaseCause::Grant));
    }
}
