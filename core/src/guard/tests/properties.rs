//! What holds for every guard, whatever happens to it, its disk and its facts, and whenever.

use proptest::prelude::*;

use super::rig::recorded_first;
use super::steps::{any_step, end, play};
use crate::event::{Event, ReleaseCause, SecureCause};
use crate::guard::WithoutRecord;

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

    /// The record and the relay agree in the end: whoever is on it as let in was, or it was withdrawn,
    /// or ended in the same moment.
    #[test]
    fn a_grant_on_the_record_was_carried_out_or_withdrawn(
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let mut rig = play(&steps, WithoutRecord::Deny);
        end(&mut rig);
        for (n, line) in rig.record.iter().enumerate() {
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
            // A lockdown that came with the same answer of the disk ended it before the relay moved.
            let ended = rig.record[n..].iter().any(|other| matches!(
                other.event,
                Event::DoorSecured { cause: SecureCause::Mode }
            ));
            prop_assert!(open || moved_then || withdrawn || ended, "{line:?}");
        }
    }

    /// Nothing is recorded twice or out of order, whatever the disk does meanwhile.
    #[test]
    fn releases_and_securings_take_turns_on_the_record(
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let mut rig = play(&steps, WithoutRecord::Deny);
        end(&mut rig);
        // A release that was withdrawn, or came while it was released, stands before no securing. One
        // that the disk was asked for stands before what happened until it answered: an exit, say, that
        // an operator ended.
        let (mut released, mut secured, mut secured_twice) = (0usize, 0usize, false);
        for line in &rig.record {
            match line.event {
                Event::DoorReleased { .. } => released += 1,
                Event::DoorSecured { .. } => {
                    secured += 1;
                    secured_twice |= secured > released;
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
