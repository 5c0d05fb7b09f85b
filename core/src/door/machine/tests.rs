//! The door, told story by story. The invariants are in [`super::properties`].

use uuid::Uuid;

use super::*;
use crate::door::{ContactSettings, Effect, Input, Refusal, RexSettings};
use crate::event::{Event, PersonId, PersonRef};

pub(super) fn settings() -> Settings {
    let s = Duration::from_secs;
    Settings {
        release: s(5),
        extended_release: s(15),
        rex: Some(RexSettings {
            release: s(4),
            stuck: s(60),
        }),
        contact: Some(ContactSettings {
            held_open: s(30),
            extended_held_open: s(90),
            pre_alarm: s(5),
            relock_on_close: true,
            forced_open: true,
            suspicious_after: 3,
        }),
    }
}

pub(super) fn granted(extended: bool) -> Input {
    let person = PersonRef {
        id: PersonId(Uuid::nil()),
        name: "Ada Lovelace".into(),
    };
    Input::Granted { person, extended }
}

pub(super) fn mode(mode: Mode, lasts: Option<u64>) -> Input {
    let lasts = lasts.map(Duration::from_millis);
    Input::Operator(Some(Choice {
        mode,
        lasts,
        until: None,
    }))
}

fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .unwrap()
        .as_str()
        .unwrap()
        .replace('_', " ")
}

/// An effect in a few fixed words, as `docs/door.md` has them.
pub(super) fn words(effect: &Effect) -> String {
    match effect {
        Effect::Release {
            event: Event::DoorReleased { cause, .. },
        } => format!("release ({})", word(cause)),
        Effect::Ask {
            event: Event::DoorReleased { cause, .. },
        } => format!("ask ({})", word(cause)),
        Effect::Release { event } | Effect::Ask { event } => panic!("{event:?}"),
        Effect::Secure {
            event: Event::DoorSecured { cause },
        } => format!("secure ({})", word(cause)),
        Effect::Secure { event } => panic!("{event:?}"),
        Effect::Record(Event::DoorMode { mode, source, .. }) => {
            format!("record {} ({})", word(mode), word(source))
        }
        Effect::Record(Event::DoorClosed { open_ms }) => {
            assert!(open_ms.is_none_or(|ms| ms < 1_000_000_000));
            "record closed".into()
        }
        Effect::Record(event) => format!("record {}", event.kind().trim_start_matches("door.")),
        Effect::Raise { alarm, detail } => {
            assert!(!detail.is_empty());
            format!("raise {}", word(alarm))
        }
        Effect::Clear { alarm } => format!("clear {}", word(alarm)),
        Effect::PreAlarm(true) => "warn".into(),
        Effect::PreAlarm(false) => "stop warning".into(),
        Effect::Refused(Refusal::Interlock) => "refuse (interlock)".into(),
        Effect::Refused(Refusal::Lockdown) => "refuse (lockdown)".into(),
    }
}

/// One step, and the next when that asks the record, which answers at once.
pub(super) fn step_recorded(
    settings: &Settings,
    door: Door,
    input: Input,
    now: Tick,
) -> (Door, Vec<Effect>) {
    let (mut door, mut effects) = step(settings, door, input, now);
    let before = effects.len();
    effects.retain(|effect| !matches!(effect, Effect::Ask { .. }));
    if effects.len() < before {
        let (after, more) = step(settings, door, Input::HoldRecorded, now);
        door = after;
        effects.extend(more);
    }
    (door, effects)
}

/// A door and its settings.
struct Rig {
    settings: Settings,
    door: Door,
}

impl Rig {
    fn new() -> Self {
        let (settings, door) = (settings(), Door::default());
        Self { settings, door }
    }

    /// With the door shut at time 0.
    fn shut() -> Self {
        let mut rig = Self::new();
        assert_eq!(rig.at(0, Input::Contact(Contact::Closed)), "");
        rig
    }

    fn at(&mut self, ms: u64, input: Input) -> String {
        let now = Tick(Duration::from_millis(ms));
        let (door, effects) = step_recorded(&self.settings, self.door.clone(), input, now);
        self.door = door;
        effects.iter().map(words).collect::<Vec<_>>().join("; ")
    }

    fn tick(&mut self, ms: u64) -> String {
        self.at(ms, Input::Tick)
    }

    fn due(&self) -> Option<u64> {
        let at = self.door.deadline()?;
        u64::try_from(at.0.as_millis()).ok()
    }
}

const OPEN: Input = Input::Contact(Contact::Open);
const CLOSED: Input = Input::Contact(Contact::Closed);
const PRESSED: Input = Input::Rex { pressed: true };
const LET_GO: Input = Input::Rex { pressed: false };
const OPENING_HOURS: Input = Input::Schedule { unlocked: true };
const AFTER_HOURS: Input = Input::Schedule { unlocked: false };
const BLOCKED: Input = Input::Interlock { blocked: true };
const FREE: Input = Input::Interlock { blocked: false };

#[test]
fn a_grant_releases_for_its_time_and_another_one_extends_but_never_shortens() {
    let mut rig = Rig::new();
    assert_eq!(rig.at(0, granted(true)), "release (grant)");
    assert_eq!(rig.due(), Some(15_000));
    assert_eq!(rig.at(1_000, granted(false)), "");
    assert_eq!(rig.due(), Some(15_000));
    assert_eq!(rig.at(14_000, granted(false)), "");
    assert_eq!(rig.tick(18_999), "");
    assert_eq!(rig.tick(19_000), "secure (release time over)");
}

#[test]
fn an_operators_mode_ends_by_itself_in_what_the_schedule_says() {
    let mut rig = Rig::new();
    assert_eq!(
        rig.at(0, mode(Mode::Unlocked, Some(10_000))),
        "record unlocked (operator); release (mode)"
    );
    assert_eq!(rig.at(1_000, granted(false)), "");
    assert_eq!(rig.at(2_000, Input::Lock), "");
    assert_eq!(rig.due(), Some(10_000));
    assert_eq!(rig.tick(10_000), "record normal (schedule); secure (mode)");
    let lockdown = mode(Mode::Lockdown, Some(5_000));
    assert_eq!(rig.at(20_000, lockdown), "record lockdown (operator)");
    assert_eq!(rig.at(21_000, OPENING_HOURS), "");
    assert_eq!(
        rig.tick(25_000),
        "record unlocked (schedule); release (mode)"
    );
    assert_eq!(
        rig.at(30_000, AFTER_HOURS),
        "record normal (schedule); secure (mode)"
    );
}

#[test]
fn a_mode_that_could_not_be_recorded_stays_secured_and_is_tried_again() {
    let at = |ms| Tick(Duration::from_millis(ms));
    let mut rig = Rig::new();
    let (door, asked) = step(&rig.settings, rig.door, OPENING_HOURS, at(0));
    assert_eq!(words(&asked[1]), "ask (mode)");
    assert_eq!(door.lock(), Lock::Secured, "the record has not answered");
    rig.door = door;
    assert_eq!(rig.tick(5), "", "it is asked once");
    assert_eq!(rig.at(10, Input::HoldNotRecorded), "");
    assert_eq!(rig.door.lock(), Lock::Secured);
    assert_eq!(rig.tick(5_009), "");
    assert_eq!(rig.tick(5_010), "release (mode)");
}

#[test]
fn a_record_that_comes_when_the_mode_is_over_releases_nothing() {
    let settings = settings();
    let at = |ms| Tick(Duration::from_millis(ms));
    let (door, _) = step(&settings, Door::default(), OPENING_HOURS, at(0));
    let (door, _) = step(&settings, door, AFTER_HOURS, at(10));
    let (door, effects) = step(&settings, door, Input::HoldRecorded, at(20));
    assert_eq!((door.lock(), effects), (Lock::Secured, vec![]));
    let (door, effects) = step(&settings, door, OPENING_HOURS, at(30));
    assert_eq!(door.lock(), Lock::Secured);
    assert_eq!(words(&effects[1]), "ask (mode)", "it is asked anew");
}

#[test]
fn what_is_not_renewed_is_secured_and_the_mode_asks_again() {
    let mut rig = Rig::new();
    rig.at(0, OPENING_HOURS);
    assert_eq!(
        rig.at(9_000, Input::Lapsed),
        "secure (lapsed); release (mode)"
    );
    rig.at(10_000, AFTER_HOURS);
    rig.at(20_000, PRESSED);
    assert_eq!(rig.at(29_000, Input::Lapsed), "secure (lapsed)");
    assert_eq!(rig.tick(29_001), "");
}

#[test]
fn lockdown_secures_within_a_momentary_release_and_refuses_operators_only() {
    let mut rig = Rig::new();
    rig.at(0, granted(false));
    assert_eq!(
        rig.at(1_000, mode(Mode::Lockdown, None)),
        "record lockdown (operator); secure (mode)"
    );
    assert_eq!(rig.at(2_000, Input::Unlock), "refuse (lockdown)");
    assert_eq!(rig.at(3_000, granted(false)), "release (grant)");
    rig.tick(60_000);
    assert_eq!(rig.at(61_000, PRESSED), "record rex; release (rex)");
}

#[test]
fn interlock_refuses_everything_but_the_exit_button() {
    let mut rig = Rig::new();
    rig.at(0, BLOCKED);
    assert_eq!(rig.at(1_000, granted(false)), "refuse (interlock)");
    assert_eq!(rig.at(2_000, Input::Unlock), "refuse (interlock)");
    assert_eq!(rig.at(3_000, OPENING_HOURS), "record unlocked (schedule)");
    assert_eq!(rig.due(), None);
    assert_eq!(rig.at(4_000, PRESSED), "record rex; release (rex)");
    assert_eq!(rig.at(5_000, LET_GO), "");
    assert_eq!(rig.tick(9_000), "secure (release time over)");
    assert_eq!(rig.at(10_000, FREE), "release (mode)");
}

#[test]
fn a_pressed_button_holds_the_door_until_it_is_let_go_or_not_believed() {
    let mut rig = Rig::new();
    assert_eq!(rig.at(0, PRESSED), "record rex; release (rex)");
    assert_eq!(rig.at(100, PRESSED), "");
    assert_eq!(rig.tick(30_000), "");
    assert_eq!(rig.at(30_001, LET_GO), "secure (release time over)");
    rig.at(100_000, PRESSED);
    assert_eq!(rig.due(), Some(160_000));
    assert_eq!(rig.tick(160_000), "secure (rex stuck); raise rex stuck");
    assert_eq!(rig.at(161_000, PRESSED), "");
    assert_eq!(rig.at(170_000, LET_GO), "clear rex stuck");
    assert_eq!(rig.at(171_000, PRESSED), "record rex; release (rex)");
}

#[test]
fn nobody_locks_the_door_on_a_pressed_button() {
    for lock in [Input::Lock, mode(Mode::Lockdown, None)] {
        let mut rig = Rig::new();
        rig.at(0, granted(false));
        rig.at(1_000, PRESSED);
        rig.at(2_000, lock);
        assert_eq!(rig.door.lock(), Lock::Released);
        assert_eq!(rig.at(2_500, LET_GO), "secure (release time over)");
    }
    let mut rig = Rig::new();
    rig.at(0, OPENING_HOURS);
    rig.at(1_000, PRESSED);
    assert_eq!(rig.at(2_000, AFTER_HOURS), "record normal (schedule)");
    assert_eq!(rig.at(2_500, LET_GO), "secure (release time over)");
}

#[test]
fn closing_after_a_passage_secures_unless_somebody_presses_the_button() {
    let mut rig = Rig::shut();
    rig.at(1_000, granted(false));
    assert_eq!(rig.at(2_000, OPEN), "record opened");
    assert_eq!(rig.at(3_000, CLOSED), "record closed; secure (closed)");
    rig.at(10_000, PRESSED);
    rig.at(11_000, OPEN);
    assert_eq!(rig.at(12_000, CLOSED), "record closed");
    rig.at(13_000, LET_GO);
    rig.at(20_000, OPENING_HOURS);
    assert_eq!(rig.at(21_000, OPEN), "record opened");
    assert_eq!(rig.at(22_000, CLOSED), "record closed");
    assert_eq!(rig.door.lock(), Lock::Released);
    rig.settings.contact.as_mut().unwrap().relock_on_close = false;
    rig.at(30_000, AFTER_HOURS);
    rig.at(31_000, granted(false));
    rig.at(32_000, OPEN);
    assert_eq!(rig.at(33_000, CLOSED), "record closed");
}

#[test]
fn opening_without_a_release_is_forced_but_not_just_after_it() {
    let mut rig = Rig::shut();
    assert_eq!(rig.at(1_000, OPEN), "record opened; raise forced open");
    assert_eq!(rig.at(2_000, CLOSED), "record closed; clear forced open");
    rig.at(3_000, granted(false));
    assert_eq!(rig.tick(8_000), "secure (release time over)");
    assert_eq!(rig.at(8_500, OPEN), "record opened");
    rig.at(9_000, CLOSED);
    rig.at(9_001, granted(false));
    rig.at(9_002, Input::Lock);
    assert_eq!(rig.at(9_503, OPEN), "record opened; raise forced open");
    rig.at(9_600, CLOSED);
    rig.settings.contact.as_mut().unwrap().forced_open = false;
    assert_eq!(rig.at(20_000, OPEN), "record opened");
}

#[test]
fn a_door_held_open_warns_then_alarms_until_it_is_closed() {
    let mut rig = Rig::shut();
    rig.at(0, granted(false));
    rig.at(1_000, OPEN);
    rig.tick(5_000);
    assert_eq!(rig.due(), Some(26_000));
    assert_eq!(rig.tick(26_000), "warn");
    assert_eq!(rig.tick(31_000), "raise held open");
    assert_eq!(rig.due(), None);
    assert_eq!(
        rig.at(40_000, CLOSED),
        "record closed; stop warning; clear held open"
    );
    rig.at(50_000, granted(true));
    rig.at(51_000, OPEN);
    rig.tick(70_000);
    assert_eq!(rig.due(), Some(136_000));
    rig.at(80_000, CLOSED);
    rig.at(90_000, granted(false));
    rig.at(91_000, OPEN);
    assert_eq!(rig.tick(116_000), "secure (release time over); warn");
    assert_eq!(
        rig.at(117_000, granted(true)),
        "release (grant); stop warning"
    );
}

#[test]
fn being_open_counts_from_the_end_of_the_unlocked_mode() {
    let mut rig = Rig::shut();
    rig.at(0, OPENING_HOURS);
    rig.at(1_000, OPEN);
    assert_eq!(rig.due(), None);
    assert_eq!(
        rig.at(100_000, AFTER_HOURS),
        "record normal (schedule); secure (mode)"
    );
    assert_eq!(rig.tick(125_000), "warn");
    assert_eq!(
        rig.at(126_000, OPENING_HOURS),
        "record unlocked (schedule); stop warning; release (mode)"
    );
}

#[test]
fn a_door_found_open_at_the_start_is_no_forced_entry_but_counts() {
    let mut rig = Rig::new();
    assert_eq!(rig.at(0, OPEN), "record opened");
    assert_eq!(rig.tick(25_000), "warn");
    assert_eq!(rig.tick(30_000), "raise held open");
}

#[test]
fn a_contact_that_never_moves_is_reported_until_it_moves() {
    let mut rig = Rig::shut();
    for n in 1..3 {
        rig.at(n * 10_000, granted(false));
        assert_eq!(rig.tick(n * 10_000 + 5_000), "secure (release time over)");
    }
    rig.at(30_000, granted(false));
    assert_eq!(
        rig.tick(35_000),
        "secure (release time over); raise contact fault"
    );
    rig.at(40_000, granted(false));
    assert_eq!(rig.tick(45_000), "secure (release time over)");
    rig.at(50_000, granted(false));
    assert_eq!(rig.at(51_000, OPEN), "clear contact fault; record opened");
}

#[test]
fn a_bouncing_contact_is_reported_once_and_its_settled_position_recorded() {
    let mut rig = Rig::shut();
    rig.at(0, OPENING_HOURS);
    for n in 1..=20 {
        let (reading, says) = if n % 2 == 1 {
            (OPEN, "record opened")
        } else {
            (CLOSED, "record closed")
        };
        assert_eq!(rig.at(n * 100, reading), says, "change {n}");
    }
    assert_eq!(rig.at(2_100, OPEN), "raise contact fault");
    assert_eq!(rig.at(2_200, CLOSED), "");
    assert_eq!(rig.at(2_300, OPEN), "");
    assert!(rig.door.is_engaged());
    assert_eq!(rig.door.contact(), Some(Contact::Closed));
    assert_eq!(rig.tick(12_299), "");
    assert_eq!(rig.tick(12_300), "clear contact fault; record opened");
}

#[test]
fn a_relay_that_fails_is_secured_reported_once_and_tried_again() {
    let mut rig = Rig::new();
    rig.at(0, OPENING_HOURS);
    assert_eq!(
        rig.at(0, Input::RelayFailed),
        "secure (relay fault); raise relay fault"
    );
    assert_eq!(rig.tick(4_999), "");
    assert_eq!(rig.tick(5_000), "release (mode)");
    assert_eq!(rig.at(5_000, Input::RelayFailed), "secure (relay fault)");
    assert_eq!(rig.tick(10_000), "release (mode)");
    assert_eq!(rig.tick(11_000), "clear relay fault");
}

#[test]
fn a_stop_secures_and_is_the_end() {
    let mut rig = Rig::shut();
    rig.at(0, granted(false));
    assert_eq!(rig.at(1_000, Input::Stop), "secure (stop)");
    for input in [granted(false), PRESSED, OPENING_HOURS, Input::Unlock, OPEN] {
        assert_eq!(rig.at(2_000, input), "");
    }
    assert_eq!(rig.due(), None);
}

#[test]
fn without_contact_and_button_their_inputs_are_ignored() {
    let mut rig = Rig::new();
    rig.settings.rex = None;
    rig.settings.contact = None;
    for input in [PRESSED, LET_GO, OPEN, CLOSED, OPEN] {
        assert_eq!(rig.at(0, input), "");
    }
    assert_eq!(rig.door, Door::default());
}
