//! Everything that can happen to a guard, its disk, its facts and its relay, at random.

use proptest::prelude::*;

use super::rig::{Disk, Rig, id};
use crate::access::fixtures::PIN;
use crate::access::keypad::Compared;
use crate::access::pin::Pin;
use crate::command::{Command, ModeWord};
use crate::conditions::Source;
use crate::event::wire::Lock;
use crate::event::{Alarm, Contact, Mode, PersonStatus};
use crate::gallery::Member;
use crate::guard::{Input, Latched, Undelivered, WithoutRecord};
use crate::presentation::{Claim, Identity, SpoofCue, TrackId};

#[derive(Debug, Clone)]
pub(super) enum Step {
    Claim(u8),
    Rex(bool),
    Contact(bool),
    /// The face alone decides.
    Face(Identity),
    /// Somebody is asked to blink.
    Blink(u8),
    Digits(&'static str),
    /// What somebody typed has been compared.
    Compared(u8, Pin),
    Plain(&'static str),
    /// A signed command, with the number that it counts once by.
    Command(u8, Command),
    Pictured(bool),
    Alarm(Alarm, bool),
    Online(bool),
    Undelivered(&'static str),
    Order(Option<Mode>),
    Disk(Disk),
    Readable(bool),
    Others(bool),
    Suspend(u8, bool),
    RelayFails,
    RelayStuck(bool),
    Pass(u64),
    Hang(u64),
}

/// Any of them; of those that change what others mean, more.
pub(super) fn any_step() -> impl Strategy<Value = Step> {
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
        2 => any_identity().prop_map(Step::Face),
        1 => (1u8..4).prop_map(Step::Blink),
        1 => prop_oneof![Just(PIN), Just("0000")].prop_map(Step::Digits),
        4 => (1u8..4, any_pin()).prop_map(|(n, pin)| Step::Compared(n, pin)),
        5 => (0u8..20, any_command()).prop_map(|(id, command)| Step::Command(id, command)),
        1 => any::<bool>().prop_map(Step::Pictured),
        1 => (any_alarm(), any::<bool>()).prop_map(|(alarm, on)| Step::Alarm(alarm, on)),
        1 => any::<bool>().prop_map(Step::Online),
        1 => prop_oneof![Just("access"), Just("state")].prop_map(Step::Undelivered),
        1 => any::<bool>().prop_map(Step::RelayStuck),
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

fn any_identity() -> impl Strategy<Value = Identity> {
    let (member, similarity) = (1, 0.6);
    prop_oneof![
        Just(Identity::Unknown { similarity: None }),
        Just(Identity::Ambiguous { similarity }),
        Just(Identity::Unproven { member, similarity }),
        Just(Identity::Spoof {
            member,
            similarity,
            liveness: 0.1,
            cue: SpoofCue::Network,
        }),
    ]
}

fn any_pin() -> impl Strategy<Value = Pin> {
    prop_oneof![Just(Pin::Right), Just(Pin::Wrong), Just(Pin::Duress)]
}

fn any_alarm() -> impl Strategy<Value = Alarm> {
    prop_oneof![
        Just(Alarm::Storage),
        Just(Alarm::CameraFault),
        Just(Alarm::Tamper)
    ]
}

fn any_command() -> impl Strategy<Value = Command> {
    let mode = |mode, for_s| Command::Mode {
        mode,
        until: None,
        for_s,
    };
    let acknowledge = |alarm| Command::Acknowledge { alarm, note: None };
    prop_oneof![
        4 => Just(Command::Unlock {}),
        2 => Just(Command::Lock {}),
        2 => (1u32..20).prop_map(move |s| mode(ModeWord::Unlocked, Some(s))),
        1 => Just(mode(ModeWord::Lockdown, None)),
        1 => Just(mode(ModeWord::Schedule, None)),
        1 => prop_oneof![Just(Alarm::Duress), Just(Alarm::Storage)].prop_map(acknowledge),
        1 => Just(Command::Snapshot {}),
        1 => Just(Command::Locate { seconds: None }),
        1 => Just(Command::Reload {}),
    ]
}

/// A door to which all of this happens.
pub(super) fn play(steps: &[Step], without_record: WithoutRecord) -> Rig {
    let mut rig = Rig::new(without_record);
    rig.change(3, |person| person.groups = vec!["typing".into()]);
    for step in steps {
        match *step {
            Step::Claim(n) => rig.claim(n),
            Step::Rex(pressed) => rig.rex(pressed),
            Step::Contact(open) => rig.tell(Input::Contact(if open {
                Contact::Open
            } else {
                Contact::Closed
            })),
            Step::Face(identity) => rig.tell(Input::Claim {
                claim: Claim {
                    track: TrackId(0),
                    identity,
                    observations: 3,
                    began: rig.now.tick,
                },
                member: None,
            }),
            Step::Blink(n) => {
                let person = rig.facts.people[&id(n)].person.clone();
                let status = PersonStatus::Active;
                let member = Some(Member { person, status });
                rig.tell(Input::Challenge { member });
            }
            Step::Digits(digits) => rig.type_in(digits),
            Step::Compared(n, pin) => {
                let forced = (pin == Pin::Duress).then(|| rig.facts.people[&id(n)].person.clone());
                let owner = Some((id(n), pin));
                rig.tell(Input::Verified(Compared { owner, forced }));
            }
            Step::Command(number, ref command) => {
                rig.command(&number.to_string(), command.clone());
            }
            Step::Pictured(trouble) => {
                let trouble = trouble.then(|| "no frame".to_owned());
                rig.tell(Input::Pictured(trouble));
            }
            Step::Alarm(alarm, on) => rig.tell(Input::Alarm {
                alarm,
                source: Source::Caretaker,
                detail: on.then(|| "so it is".to_owned()),
            }),
            Step::Online(online) => rig.tell(Input::Online(online)),
            Step::Undelivered(class) => rig.tell(Input::Undelivered(Undelivered {
                event: None,
                kind: None,
                class: class.to_owned(),
                topic: format!("d/{class}"),
                reason: "not authorised".into(),
            })),
            Step::RelayStuck(stuck) => {
                let (lock, message) = (Lock::Secured, "no".into());
                rig.tell(Input::Latch(if stuck {
                    Latched::Failed { lock, message }
                } else {
                    Latched::Moved(lock)
                }));
            }
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
pub(super) fn end(rig: &mut Rig) {
    (rig.disk, rig.readable) = (Disk::Works, true);
    rig.answer();
    rig.pass(10_000);
    rig.tell(Input::Stop);
    rig.pass(10_000);
    assert!(rig.guard.is_settled());
    assert!(!rig.released());
}
