//! A door: guard, disk, latch and clock, all simulated.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::access::Policy;
use crate::access::fixtures::{at, moment, policy, subject};
use crate::access::pin::{Digits, Typed};
use crate::access::rules::{Group, Presence, Subject};
use crate::clock::{Moment, Tick};
use crate::command::token::{Claims, sign};
use crate::command::{Command, Incoming, Operator, gate};
use crate::door::{ContactSettings, RexSettings, Settings};
use crate::event::wire::{QosPolicy, Wire};
use crate::event::{Alarm, Event, PersonId, PersonStatus, Recorded, ReleaseCause, Role};
use crate::gallery::Member;
use crate::guard::{
    Author, Batch, Change, CommandSettings, Deed, Done, Entry, Facts, Guard, GuardSettings, Input,
    LEASE, Left, ModeOrder, Outcome, Patience, Rejection, SiteNote, WithoutRecord,
};
use crate::keys::{SigningKey, pem_of_seed};
use crate::presentation::{Claim, Identity, TrackId};

/// How the disk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disk {
    /// Answers at once.
    Works,
    /// Answers at once that it cannot.
    Fails,
    /// Does not answer; what is under way is written when it works again.
    Hangs,
}

/// Something on the record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) author: Author,
    pub(super) event: Event,
    pub(super) at: Tick,
    pub(super) wall: jiff::Timestamp,
}

pub(super) struct Rig {
    pub(super) guard: Guard,
    /// What the store holds.
    pub(super) store: Facts,
    /// What was read of it.
    pub(super) facts: Facts,
    pub(super) now: Moment,
    pub(super) disk: Disk,
    /// Whether the store can be read.
    pub(super) readable: bool,
    /// Whether another door of the interlock is engaged.
    pub(super) others_engaged: bool,
    pub(super) under_way: Option<Batch>,
    pub(super) record: Vec<Line>,
    pub(super) batches: usize,
    /// How many summaries of the door came onto the disk.
    pub(super) states: usize,
    /// Until when the relay is released.
    pub(super) relay: Option<Tick>,
    /// When the relay moved, and to what, with what was on the record then.
    pub(super) moves: Vec<(Tick, bool, usize)>,
    pub(super) answers: Vec<String>,
    /// Commands that the disk remembers.
    pub(super) spent: Vec<gate::Spent>,
    pub(super) pressed: bool,
    /// When the first digit of what is being typed was pressed.
    pub(super) typing: Option<Tick>,
    settings: GuardSettings,
    policy: Policy,
}

pub(super) fn id(n: u8) -> PersonId {
    PersonId(Uuid::from_u128(u128::from(n)))
}

fn key(name: &str) -> SigningKey {
    let seed = name.as_bytes().first().copied().unwrap_or_default();
    SigningKey::from_pem(&pem_of_seed(&[seed; 32])).unwrap()
}

fn operator(name: &str, role: Role) -> (String, Operator) {
    let key = key(name).public_key().clone();
    let name = name.to_owned();
    (name.clone(), Operator { name, role, key })
}

/// A door with contact and exit button, five seconds of release.
pub(super) fn settings(without_record: WithoutRecord) -> GuardSettings {
    let s = Duration::from_secs;
    let wire = Wire {
        base_topic: "d/home/front".into(),
        source: "/d/home/front".into(),
        qos: QosPolicy::default(),
    };
    GuardSettings {
        door: Settings {
            release: s(5),
            extended_release: s(15),
            rex: Some(RexSettings {
                release: s(5),
                stuck: s(60),
            }),
            contact: Some(ContactSettings {
                held_open: s(30),
                extended_held_open: s(90),
                pre_alarm: s(5),
                relock_on_close: true,
                forced_open: true,
                suspicious_after: 0,
            }),
        },
        challenge: s(5),
        without_record,
        patience: Patience {
            give_up: s(2),
            slow: s(1),
        },
        site: true,
        interlock: vec!["back".into()],
        panel: true,
        version: "test",
        commands: Some(CommandSettings {
            gate: gate::Settings {
                door: wire.source.clone(),
                max_age_s: 60,
                skew_s: 5,
                per_minute: 1_000,
            },
            wire,
            accept: true,
            plain_client: Some("home".into()),
        }),
    }
}

impl Rig {
    pub(super) fn new(without_record: WithoutRecord) -> Rig {
        Rig::with(without_record, |_, _| {})
    }

    /// A door with other settings.
    pub(super) fn with(
        without_record: WithoutRecord,
        change: impl FnOnce(&mut GuardSettings, &mut Policy),
    ) -> Rig {
        Rig::after(without_record, Left::default(), change)
    }

    /// A door with what the last run left.
    pub(super) fn after(
        without_record: WithoutRecord,
        left: Left,
        change: impl FnOnce(&mut GuardSettings, &mut Policy),
    ) -> Rig {
        let mut policy: Policy = policy();
        policy.settings.alarm_after_denials = 0;
        policy.settings.lockout_after = 0;
        let now = moment("2026-03-30T12:00:00[Europe/Berlin]");
        let people = (1..=6).map(|n| (id(n), subject(n, &["always"])));
        let facts = Facts {
            read_at: Some(now.tick),
            rules: Arc::new(policy.rules.clone()),
            people: Arc::new(people.collect()),
            operators: Arc::new(BTreeMap::from([
                operator("ada", Role::Admin),
                operator("vera", Role::View),
            ])),
            ..Facts::default()
        };
        let mut settings = settings(without_record);
        change(&mut settings, &mut policy);
        let guard = Guard::new(settings.clone(), policy.clone(), left, &now);
        let mut rig = Rig {
            typing: None,
            settings,
            policy,
            guard,
            store: facts.clone(),
            facts,
            now,
            disk: Disk::Works,
            readable: true,
            others_engaged: false,
            under_way: None,
            record: Vec::new(),
            batches: 0,
            states: 0,
            relay: None,
            moves: Vec::new(),
            answers: Vec::new(),
            spent: Vec::new(),
            pressed: false,
        };
        rig.tell(Input::Tick);
        rig.tell(Input::Online(true));
        rig.pass(10_000);
        rig
    }

    pub(super) fn tell(&mut self, input: Input) {
        let deeds = self.guard.handle(input, &self.facts, &self.now);
        let mut compared = Vec::new();
        for deed in deeds {
            match deed {
                Deed::Release { until } => self.release(until),
                Deed::Secure => self.secure(),
                Deed::Commit(batch) => {
                    assert!(self.under_way.is_none(), "one batch at a time");
                    self.batches += 1;
                    self.under_way = Some(batch);
                }
                Deed::Verify { digits, comparison } => {
                    compared.push(Input::Verified(comparison.with(&digits)));
                }
                _ => {}
            }
        }
        self.answer();
        for input in compared {
            self.tell(input);
        }
        let deadline = self.guard.deadline();
        let awake = deadline.is_some_and(|at| at <= self.now.tick);
        assert!(!awake, "it asks to be called again and again");
    }

    fn release(&mut self, until: Tick) {
        assert!(until > self.now.tick, "an end that is past");
        if self.relay.replace(until).is_none() {
            self.moves.push((self.now.tick, true, self.record.len()));
        }
    }

    fn secure(&mut self) {
        if self.relay.take().is_some() {
            self.moves.push((self.now.tick, false, self.record.len()));
        }
    }

    /// The disk answers, if it does.
    pub(super) fn answer(&mut self) {
        if self.disk == Disk::Hangs {
            return;
        }
        let Some(batch) = self.under_way.take() else {
            return;
        };
        let works = self.disk == Disk::Works;
        let outcomes: Vec<_> = batch
            .entries
            .iter()
            .map(|entry| {
                (
                    entry.id,
                    if works {
                        self.write(entry)
                    } else {
                        Outcome::Failed
                    },
                )
            })
            .collect();
        if works {
            self.states += usize::from(batch.state.is_some());
            for answer in &batch.answers {
                let text = String::from_utf8(answer.payload.clone()).unwrap();
                self.answers.push(text);
            }
        }
        self.tell(Input::Recorded(Done {
            outcomes,
            failure: (!works).then(|| "no".into()),
            site_told: true,
            took: Duration::ZERO,
        }));
    }

    fn write(&mut self, entry: &Entry) -> Outcome {
        if entry.base.is_some_and(|base| base != self.store.revision) {
            return Outcome::Rejected(Rejection::Stale);
        }
        if let Some(SiteNote::Engage { unless }) = &entry.site
            && self.others_engaged
        {
            assert_eq!(unless, &["back"]);
            return Outcome::Rejected(Rejection::Interlock);
        }
        match &entry.change {
            Some(Change::Mode(order)) => {
                self.store.order = *order;
                self.store.revision += 1;
            }
            // No revision counts that.
            Some(Change::Passed { person, area }) => {
                let mut people = (*self.store.people).clone();
                let door = "front".to_owned();
                people.get_mut(&person.id).unwrap().presence = Some(Presence {
                    area: area.clone(),
                    door,
                    at: entry.at,
                });
                self.store.people = Arc::new(people);
            }
            Some(Change::Acknowledge { .. }) | None => {}
        }
        self.spent.extend(entry.spent.clone());
        for fact in &entry.facts {
            self.record.push(Line {
                author: entry.author.clone(),
                event: fact.event.clone(),
                at: self.now.tick,
                wall: self.now.wall,
            });
        }
        Outcome::Committed { changed: true }
    }

    /// Time passes, each deadline at its time, the store read four times a second.
    pub(super) fn pass(&mut self, ms: u64) {
        let end = self.now.tick + Duration::from_millis(ms);
        while self.now.tick < end {
            let round = self.now.tick + Duration::from_millis(250);
            let due = self.guard.deadline().unwrap_or(round).max(self.now.tick);
            let mut next = due.min(round).min(end);
            if next == self.now.tick {
                next = (next + Duration::from_millis(1)).min(end);
            }
            self.jump(next);
            self.read();
            self.tell(Input::Tick);
        }
    }

    /// Time passes, and nobody asks the guard; the latch keeps its own time.
    pub(super) fn jump(&mut self, to: Tick) {
        let ms = to.since(self.now.tick);
        if let Some(until) = self.relay.filter(|until| *until <= to) {
            self.relay = None;
            self.moves.push((until, false, self.record.len()));
        }
        self.now.tick = to;
        self.now.wall += jiff::SignedDuration::try_from(ms).unwrap();
    }

    /// The reader's round.
    pub(super) fn read(&mut self) {
        if self.readable {
            if self.facts.revision != self.store.revision {
                self.facts = self.store.clone();
            }
            self.facts.read_at = Some(self.now.tick);
            self.facts.interlocked = self.others_engaged;
        }
    }

    pub(super) fn change(&mut self, n: u8, change: impl FnOnce(&mut Subject)) {
        let mut people = (*self.store.people).clone();
        change(people.get_mut(&id(n)).unwrap());
        self.store.people = Arc::new(people);
        self.store.revision += 1;
    }

    pub(super) fn order(&mut self, order: Option<ModeOrder>) {
        self.store.order = order;
        self.store.revision += 1;
        self.read();
        self.tell(Input::Tick);
    }

    /// Somebody at the device takes note of an alarm.
    pub(super) fn note(&mut self, alarm: Alarm) {
        let mut noted = (*self.store.acknowledged).clone();
        let _ = noted.insert(alarm, self.now.wall);
        self.store.acknowledged = Arc::new(noted);
        self.store.revision += 1;
        self.read();
        self.tell(Input::Tick);
    }

    pub(super) fn claim(&mut self, n: u8) {
        let member = usize::from(n);
        let similarity = 0.9;
        let liveness = None;
        self.show(
            n,
            Identity::Member {
                member,
                similarity,
                liveness,
            },
        );
    }

    /// A face of this kind that looks like this person.
    pub(super) fn show(&mut self, n: u8, identity: Identity) {
        let person = self.facts.people[&id(n)].person.clone();
        let claim = Claim {
            track: TrackId(0),
            identity,
            observations: 3,
            began: self.now.tick,
        };
        let member = Some(Member {
            person,
            status: PersonStatus::Active,
        });
        self.tell(Input::Claim { claim, member });
    }

    /// The first digit of a PIN is pressed.
    pub(super) fn press(&mut self) {
        self.typing = Some(self.now.tick);
    }

    /// The last one, and Enter.
    pub(super) fn enter(&mut self, digits: &str) {
        let began = self.typing.take().unwrap_or(self.now.tick);
        let digits = Digits::new(digits.to_owned().into());
        self.tell(Input::Pin(Typed { digits, began }));
    }

    /// A whole PIN at once.
    pub(super) fn type_in(&mut self, digits: &str) {
        self.press();
        self.enter(digits);
    }

    /// The service starts again, at this wall-clock time, with what stands in the store.
    pub(super) fn restart(&mut self, wall: &str, clock_trusted: bool) {
        let recorded = self.record.iter().zip(1u64..).map(|(line, seq)| Recorded {
            seq,
            id: Uuid::nil(),
            time: line.wall,
            clock_synced: true,
            by: None,
            event: line.event.clone(),
            hash: crate::event::chain::ChainHash::default(),
        });
        let left = Left {
            alarms: self.guard.alarms().collect(),
            history: recorded.collect(),
            newest: self.record.iter().map(|line| line.wall).max(),
            ..Left::default()
        };
        self.now = Moment {
            wall: at(wall),
            tick: Tick::default(),
            clock_trusted,
        };
        (self.relay, self.under_way) = (None, None);
        self.guard = Guard::new(self.settings.clone(), self.policy.clone(), left, &self.now);
        self.read();
        self.tell(Input::Tick);
    }

    pub(super) fn rex(&mut self, pressed: bool) {
        self.pressed = pressed;
        self.tell(Input::Rex { pressed });
    }

    pub(super) fn plain(&mut self, payload: &str) {
        self.send("d/home/front/command/plain/home", payload);
    }

    /// The wall clock is set; no time passes.
    pub(super) fn set_clock(&mut self, by_s: i64) {
        self.now.wall += jiff::SignedDuration::from_secs(by_s);
    }

    /// An operator sends this.
    pub(super) fn command(&mut self, id: &str, cmd: Command) {
        let token = self.token("ada", id, 0, cmd);
        self.signed(&token);
    }

    /// What an operator signs so many seconds from now.
    pub(super) fn token(&self, name: &str, id: &str, from_now: i64, cmd: Command) -> String {
        self.token_with(name, name, id, from_now, cmd)
    }

    /// What somebody signs in the name of an operator.
    pub(super) fn forged(&self, name: &str, id: &str) -> String {
        self.token_with(name, "mallory", id, 0, Command::Unlock {})
    }

    fn token_with(&self, iss: &str, by: &str, id: &str, from_now: i64, cmd: Command) -> String {
        let signed = self.now.wall.as_second() + from_now;
        let claims = Claims {
            iss: iss.into(),
            aud: "/d/home/front".into(),
            jti: id.into(),
            iat: signed,
            exp: signed + 30,
            cmd,
        };
        sign(&key(by), &claims).unwrap()
    }

    /// A token comes in.
    pub(super) fn signed(&mut self, token: &str) {
        self.send("d/home/front/command", token);
    }

    /// What the answer to a token says: `ok`, the reason why not, or nothing when there is none.
    pub(super) fn answer_to(&mut self, token: &str) -> String {
        let answers = self.answers.len();
        self.signed(token);
        let Some(answer) = self.answers.get(answers) else {
            return String::new();
        };
        let answer: serde_json::Value = serde_json::from_str(answer).unwrap();
        answer["reason"].as_str().unwrap_or("ok").to_owned()
    }

    fn send(&mut self, topic: &str, payload: &str) {
        let incoming = Incoming {
            topic: topic.into(),
            payload: payload.into(),
            retain: false,
            response_topic: None,
            correlation: None,
        };
        let received = self.now.tick;
        self.tell(Input::Command {
            incoming,
            received,
            lost: 0,
        });
    }

    /// Kinds on the record since so many lines, with reasons and causes.
    pub(super) fn since(&self, lines: usize) -> Vec<String> {
        self.record[lines..]
            .iter()
            .map(|line| told(&line.event))
            .collect()
    }

    /// What was told of duress: the details, in order.
    pub(super) fn told_of_duress(&self) -> Vec<String> {
        let told = self.record.iter().filter_map(|line| match &line.event {
            Event::AlarmRaised {
                alarm: Alarm::Duress,
                detail,
                ..
            } => Some(detail.clone()),
            _ => None,
        });
        told.collect()
    }

    pub(super) fn released(&self) -> bool {
        self.relay.is_some()
    }
}

/// An event in a few words.
pub(super) fn told(event: &Event) -> String {
    let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    match event {
        Event::AccessDenied(denied) => format!("denied {}", denied.reason.as_str()),
        Event::DoorReleased { cause, .. } => {
            format!("released {}", word(serde_json::to_value(cause).unwrap()))
        }
        Event::DoorSecured { cause } => {
            format!("secured {}", word(serde_json::to_value(cause).unwrap()))
        }
        Event::ReleaseWithdrawn { cause, .. } => {
            format!("withdrawn {}", word(serde_json::to_value(cause).unwrap()))
        }
        Event::AlarmRaised { alarm, .. } => format!("raised {}", alarm.as_str()),
        Event::AlarmCleared { alarm } => format!("cleared {}", alarm.as_str()),
        other => other.kind().to_owned(),
    }
}

/// Whether a release for this is recorded before it happens.
pub(super) fn recorded_first(cause: ReleaseCause) -> bool {
    cause != ReleaseCause::Rex
}

#[test]
fn the_lease_is_longer_than_the_rig_lets_pass_between_rounds() {
    assert!(LEASE > Duration::from_millis(250));
    let _ = Group::default();
}
