//! What holds for every door, whatever happens to it and whenever.
//!
//! An observer sees inputs and effects only, and keeps its own idea of relay, mode and button.

use proptest::prelude::*;

use super::tests::{granted, mode, settings};
use super::*;
use crate::door::{Effect, Input};
use crate::event::{Alarm, Event, SecureCause};

fn any_input() -> impl Strategy<Value = Input> {
    let modes = prop_oneof![
        Just(Mode::Normal),
        Just(Mode::Unlocked),
        Just(Mode::Lockdown)
    ];
    prop_oneof![
        6 => any::<bool>().prop_map(granted),
        2 => Just(Input::Unlock),
        2 => Just(Input::Lock),
        3 => (modes, prop::option::of(0u64..60_000)).prop_map(|(m, lasts)| mode(m, lasts)),
        2 => Just(Input::Operator(None)),
        3 => any::<bool>().prop_map(|unlocked| Input::Schedule { unlocked }),
        12 => any::<bool>().prop_map(|open| {
            Input::Contact(if open { Contact::Open } else { Contact::Closed })
        }),
        6 => any::<bool>().prop_map(|pressed| Input::Rex { pressed }),
        2 => any::<bool>().prop_map(|blocked| Input::Interlock { blocked }),
        6 => Just(Input::HoldRecorded),
        2 => Just(Input::HoldNotRecorded),
        1 => Just(Input::Lapsed),
        8 => Just(Input::Tick),
        1 => Just(Input::RelayFailed),
    ]
}

/// Inputs with pauses in milliseconds: now and then none, often short, sometimes long.
fn any_story() -> impl Strategy<Value = Vec<(Input, u64)>> {
    let pause = prop_oneof![1 => Just(0), 4 => 0u64..700, 4 => 0u64..8_000, 1 => 0u64..100_000];
    prop::collection::vec((any_input(), pause), 1..60)
}

/// What the observer knows.
#[derive(Default)]
struct Observer {
    released: bool,
    mode: Mode,
    secured_at: Option<Tick>,
    pressed: Option<Tick>,
    momentary_until: Tick,
}

/// One step as the observer sees it.
struct Seen<'a> {
    input: &'a Input,
    before: &'a Door,
    after: &'a Door,
    effects: &'a [Effect],
    now: Tick,
}

impl Observer {
    fn sees(&mut self, effect: &Effect, now: Tick) {
        match effect {
            Effect::Release { .. } => self.released = true,
            Effect::Secure { .. } => {
                self.released = false;
                self.secured_at = Some(now);
            }
            Effect::Record(Event::DoorMode { mode, .. }) => self.mode = *mode,
            _ => {}
        }
    }
}

/// Plays a story; `check` is called with the observer as it was before the step's effects.
fn play(
    story: Vec<(Input, u64)>,
    mut check: impl FnMut(&Observer, &Seen) -> Result<(), TestCaseError>,
) -> Result<(Door, Tick), TestCaseError> {
    let settings = settings();
    let (mut door, mut now) = (Door::default(), Tick::default());
    let mut observer = Observer::default();
    let mut asked = false;
    for (input, pause) in story {
        // The record answers what it was asked, and may take its time.
        let answer = matches!(input, Input::HoldRecorded | Input::HoldNotRecorded);
        if answer && !asked {
            continue;
        }
        now = now + Duration::from_millis(pause);
        let (after, effects) = step(&settings, door.clone(), input.clone(), now);
        let longer = match &input {
            Input::Granted { extended: true, .. } => Some(settings.extended_release),
            Input::Granted { .. } | Input::Unlock => Some(settings.release),
            Input::Rex { pressed: true } if observer.pressed.is_none() => {
                settings.rex.as_ref().map(|rex| rex.release)
            }
            _ => None,
        };
        if let Some(longer) = longer {
            observer.momentary_until = observer.momentary_until.max(now + longer);
        }
        let seen = Seen {
            input: &input,
            before: &door,
            after: &after,
            effects: &effects,
            now,
        };
        check(&observer, &seen)?;
        if let Input::Rex { pressed } = input {
            observer.pressed = pressed.then(|| observer.pressed.unwrap_or(now));
        }
        for effect in &effects {
            observer.sees(effect, now);
        }
        asked &= !answer;
        let asks = effects
            .iter()
            .filter(|effect| matches!(effect, Effect::Ask { .. }));
        let asks = asks.count();
        prop_assert!(
            asks + usize::from(asked) <= 1,
            "asked again before the answer"
        );
        asked |= asks > 0;
        door = after;
    }
    Ok((door, now))
}

/// Calls `check` before each effect, with the observer as it is then.
fn each_effect(
    observer: &Observer,
    seen: &Seen,
    mut check: impl FnMut(&Observer, &Effect) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let mut then = Observer { ..*observer };
    for effect in seen.effects {
        check(&then, effect)?;
        then.sees(effect, seen.now);
    }
    prop_assert_eq!(then.released, seen.after.lock() == Lock::Released);
    prop_assert_eq!(then.mode, seen.after.mode());
    Ok(())
}

fn cause(effect: &Effect) -> Option<ReleaseCause> {
    match effect {
        Effect::Release {
            event: Event::DoorReleased { cause, .. },
            ..
        } => Some(*cause),
        _ => None,
    }
}

#[test]
fn a_door_starts_secured() {
    assert_eq!(Door::default().lock(), Lock::Secured);
    assert_eq!(Door::default().deadline(), None);
}

proptest! {
    #[test]
    fn released_only_by_a_grant_a_button_an_operator_or_a_mode(story in any_story()) {
        play(story, |observer, seen| each_effect(observer, seen, |then, effect| {
            let allowed = match cause(effect) {
                None => true,
                Some(ReleaseCause::Grant) => matches!(seen.input, Input::Granted { .. }),
                Some(ReleaseCause::Operator) => *seen.input == Input::Unlock,
                Some(ReleaseCause::Rex) => *seen.input == Input::Rex { pressed: true },
                Some(ReleaseCause::Mode) => then.mode == Mode::Unlocked,
            };
            prop_assert!(allowed, "{effect:?}");
            Ok(())
        }))?;
    }

    #[test]
    fn releases_and_securings_alternate(story in any_story()) {
        play(story, |observer, seen| each_effect(observer, seen, |then, effect| {
            match effect {
                Effect::Release { .. } => prop_assert!(!then.released),
                Effect::Secure { .. } => prop_assert!(then.released),
                _ => {}
            }
            Ok(())
        }))?;
    }

    #[test]
    fn a_mode_releases_by_what_is_on_the_record_only(story in any_story()) {
        play(story, |_, seen| {
            let mut causes = seen.effects.iter().map(cause);
            if causes.any(|cause| cause == Some(ReleaseCause::Mode)) {
                prop_assert_eq!(seen.input, &Input::HoldRecorded);
            }
            Ok(())
        })?;
    }

    #[test]
    fn in_lockdown_nothing_releases_but_grants_and_the_exit_button(story in any_story()) {
        play(story, |observer, seen| each_effect(observer, seen, |then, effect| {
            if then.mode == Mode::Lockdown {
                prop_assert!(matches!(
                    cause(effect),
                    None | Some(ReleaseCause::Grant | ReleaseCause::Rex)
                ));
            }
            Ok(())
        }))?;
    }

    #[test]
    fn lockdown_secures_at_once_unless_the_exit_button_is_pressed(story in any_story()) {
        play(story, |observer, seen| {
            if seen.before.mode() != Mode::Lockdown
                && seen.after.mode() == Mode::Lockdown
                && observer.pressed.is_none()
            {
                prop_assert_eq!(seen.after.lock(), Lock::Secured);
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_momentary_release_never_outlives_its_time(story in any_story()) {
        let stuck = settings().rex.map_or(Duration::ZERO, |rex| rex.stuck);
        play(story, |observer, seen| {
            if *seen.input == Input::Tick
                && seen.after.lock() == Lock::Released
                && seen.after.mode() != Mode::Unlocked
            {
                let pressed = observer.pressed.is_some_and(|since| seen.now < since + stuck);
                prop_assert!(pressed || seen.now < observer.momentary_until);
            }
            Ok(())
        })?;
    }

    #[test]
    fn an_interlock_holds_back_everything_but_the_exit_button(story in any_story()) {
        let mut blocked = false;
        play(story, |_, seen| {
            if let Input::Interlock { blocked: now } = seen.input {
                // What was due before is done before.
                blocked = *now;
                return Ok(());
            }
            for effect in seen.effects {
                if blocked {
                    prop_assert!(matches!(cause(effect), None | Some(ReleaseCause::Rex)));
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn alarms_and_warnings_are_raised_and_cleared_in_turn(story in any_story()) {
        let mut raised: Vec<Alarm> = Vec::new();
        let mut warns = false;
        play(story, |_, seen| {
            for effect in seen.effects {
                match effect {
                    Effect::Raise { alarm, .. } => {
                        prop_assert!(!raised.contains(alarm), "{alarm:?} twice");
                        raised.push(*alarm);
                    }
                    Effect::Clear { alarm } => {
                        prop_assert!(raised.contains(alarm), "{alarm:?} from nothing");
                        raised.retain(|other| other != alarm);
                    }
                    Effect::PreAlarm(on) => {
                        prop_assert_ne!(*on, warns);
                        warns = *on;
                    }
                    _ => {}
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn after_a_tick_nothing_is_due(story in any_story()) {
        play(story, |_, seen| {
            if *seen.input == Input::Tick {
                prop_assert!(seen.after.deadline().is_none_or(|at| at > seen.now));
            }
            Ok(())
        })?;
    }

    #[test]
    fn before_the_deadline_a_tick_does_nothing(story in any_story()) {
        let (door, _) = play(story, |_, _| Ok(()))?;
        if let Some(at) = door.deadline() {
            let before = Tick(at.0.saturating_sub(Duration::from_millis(1)));
            let (after, effects) = step(&settings(), door.clone(), Input::Tick, before);
            prop_assert_eq!((after, effects), (door.clone(), Vec::new()));
            let (after, _) = step(&settings(), door.clone(), Input::Tick, at);
            prop_assert_ne!(after, door);
        }
    }

    #[test]
    fn a_late_tick_ends_where_punctual_ones_do(story in any_story(), late in 0u64..200_000) {
        let (door, now) = play(story, |_, _| Ok(()))?;
        let end = now + Duration::from_millis(late);
        let settings = settings();
        let finish = |mut door: Door, mut effects: Vec<Effect>| {
            // A relay that was faulty is proven a second after its release, late or not.
            for now in [end, end + Duration::from_secs(1)] {
                let (next, more) = step(&settings, door, Input::Tick, now);
                door = next;
                effects.extend(more);
            }
            door.secured_at = None;
            let mut effects: Vec<_> = effects.iter().map(|effect| format!("{effect:?}")).collect();
            effects.sort();
            (door, effects)
        };
        let late = finish(door.clone(), Vec::new());
        let (mut punctual, mut effects) = (door, Vec::new());
        while let Some(at) = punctual.deadline().filter(|at| *at < end) {
            let (next, more) = step(&settings, punctual, Input::Tick, at.max(now));
            punctual = next;
            effects.extend(more);
        }
        let punctual = finish(punctual, effects);
        let ignored = |(mut door, effects): (Door, Vec<String>)| {
            door.faulty = None;
            (door, effects)
        };
        prop_assert_eq!(ignored(late), ignored(punctual));
    }

    #[test]
    fn a_press_of_the_exit_button_always_releases(story in any_story()) {
        play(story, |observer, seen| {
            if *seen.input == (Input::Rex { pressed: true }) && observer.pressed.is_none() {
                prop_assert_eq!(seen.after.lock(), Lock::Released);
                prop_assert!(seen.effects.contains(&Effect::Record(Event::DoorRex)));
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_pressed_exit_button_keeps_the_door_released(story in any_story()) {
        let stuck = settings().rex.map_or(Duration::ZERO, |rex| rex.stuck);
        play(story, |observer, seen| {
            let held = observer.pressed.is_some_and(|since| seen.now < since + stuck);
            if held && *seen.input != (Input::Rex { pressed: false }) {
                for effect in seen.effects {
                    if let Effect::Secure { event: Event::DoorSecured { cause } } = effect {
                        prop_assert!(matches!(cause, SecureCause::RelayFault | SecureCause::Lapsed));
                    }
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn forced_open_exactly_when_opened_without_being_entitled(story in any_story()) {
        play(story, |observer, seen| {
            if !matches!(seen.input, Input::Contact(_)) || seen.before.contact().is_none() {
                return Ok(());
            }
            let mut entitled_opening = None;
            let mut forced = false;
            each_effect(observer, seen, |then, effect| {
                match effect {
                    Effect::Record(Event::DoorOpened) => {
                        let grace = Duration::from_millis(500);
                        let just_now = then.secured_at.is_some_and(|at| seen.now.since(at) <= grace);
                        entitled_opening =
                            Some(then.released || just_now || then.mode == Mode::Unlocked);
                    }
                    Effect::Raise { alarm: Alarm::ForcedOpen, .. } => forced = true,
                    _ => {}
                }
                Ok(())
            })?;
            // A contact that settles in this very step was judged when it moved.
            if seen.effects.contains(&Effect::Clear { alarm: Alarm::ContactFault }) {
                return Ok(());
            }
            prop_assert_eq!(forced, entitled_opening == Some(false));
            Ok(())
        })?;
    }

    #[test]
    fn nothing_is_released_after_a_stop(story in any_story(), more in any_story()) {
        let (door, mut now) = play(story, |_, _| Ok(()))?;
        let was_released = door.lock() == Lock::Released;
        let (mut door, effects) = step(&settings(), door, Input::Stop, now);
        prop_assert_eq!(
            effects.iter().any(|effect| matches!(effect, Effect::Secure { .. })),
            was_released
        );
        for (input, pause) in more {
            now = now + Duration::from_millis(pause);
            let (next, effects) = step(&settings(), door, input, now);
            prop_assert_eq!(effects, Vec::new());
            prop_assert_eq!(next.lock(), Lock::Secured);
            door = next;
        }
    }
}
