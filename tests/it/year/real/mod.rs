//! The code under test, and the little of the service that stands between its two halves.

mod words;

use std::collections::VecDeque;
use std::time::Duration;

use doorward::access::rules::{Presence, Subject};
use doorward::access::{Answer, Desk, Evidence, Policy};
use doorward::clock::{Moment, Tick, Timestamp};
use doorward::door::{Choice, Door, Effect, Input, Settings, step};
use doorward::event::wire::Lock;
use doorward::event::{DenyReason, Event, Mode, PersonId, Recorded, ReleaseCause};
use uuid::Uuid;

use super::happening::{DOOR, Deed, HISTORY, Happening, Now, Outcome, Seen, Site};
use words::{deed, denied_event, outcome};

pub struct Real {
    policy: Policy,
    settings: Settings,
    desk: Desk,
    door: Door,
    presence: Vec<Option<Presence>>,
    history: VecDeque<Recorded>,
    seq: u64,
    disk: bool,
    schedule_said: bool,
    /// Where the relay stands by the effects that were carried out.
    relay: bool,
}

pub fn person_id(who: usize) -> PersonId {
    PersonId(Uuid::from_u128(who as u128 + 1))
}

fn who(id: PersonId) -> usize {
    usize::try_from(id.0.as_u128() - 1).unwrap()
}

pub fn stamp(wall: i64) -> Timestamp {
    Timestamp::from_millisecond(wall).unwrap()
}

fn moment(now: Now) -> Moment {
    Moment {
        wall: stamp(now.wall),
        tick: Tick(Duration::from_millis(now.tick.try_into().unwrap())),
        clock_trusted: now.trusted,
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

impl Real {
    pub fn new(site: &Site) -> Real {
        Real {
            policy: Policy {
                rules: site.rules.clone(),
                zone: site.zone.clone(),
                door: DOOR.into(),
                settings: site.access.clone(),
            },
            settings: site.door.clone(),
            desk: Desk::new(),
            door: Door::default(),
            presence: vec![None; site.people.len()],
            history: VecDeque::new(),
            seq: 0,
            disk: true,
            schedule_said: false,
            relay: false,
        }
    }

    pub fn apply(&mut self, site: &Site, happening: &Happening, now: Now) -> Seen {
        let (at, mut outcomes, mut deeds) = (moment(now), Vec::new(), Vec::new());
        let mut person = None;
        match *happening {
            Happening::Claim(index) => {
                person = Some(index);
                let mut answers = self.refresh(site, &at);
                let evidence = Evidence {
                    similarity: 0.8,
                    liveness: None,
                    observations: 3,
                    began: at.tick,
                };
                let (subject, mode) = (self.subject(site, index), self.door.mode());
                let claimed = self.desk.claim(&self.policy, &subject, evidence, mode, &at);
                answers.extend(claimed);
                self.answered(answers, &at, site, &mut outcomes, &mut deeds);
            }
            Happening::Typed(digits) => {
                let mut answers = self.refresh(site, &at);
                let mode = self.door.mode();
                answers.extend(self.desk.pin(&self.policy, digits, mode, &at));
                self.answered(answers, &at, site, &mut outcomes, &mut deeds);
            }
            Happening::Tick => {
                let mut answers = self.refresh(site, &at);
                answers.extend(self.desk.tick(&self.policy, &at));
                self.answered(answers, &at, site, &mut outcomes, &mut deeds);
                self.step(Input::Tick, &at, &mut deeds);
            }
            Happening::FaceDenied(index, reason) => {
                person = index;
                let id = index.map(person_id);
                self.desk.denied(&self.policy, id, reason, &at);
                self.record(denied_event(site, index, reason), &at);
            }
            Happening::Contact(reading) => {
                self.step(Input::Contact(reading), &at, &mut deeds);
            }
            Happening::Rex(pressed) => {
                self.step(Input::Rex { pressed }, &at, &mut deeds);
            }
            Happening::Unlock => {
                self.step(Input::Unlock, &at, &mut deeds);
            }
            Happening::Lock => {
                self.step(Input::Lock, &at, &mut deeds);
            }
            Happening::Operator(choice) => {
                self.operator(choice, &at, &mut deeds);
            }
            Happening::Interlock(blocked) => {
                self.step(Input::Interlock { blocked }, &at, &mut deeds);
            }
            Happening::RelayFailed => {
                self.step(Input::RelayFailed, &at, &mut deeds);
            }
            Happening::Stop => {
                self.step(Input::Stop, &at, &mut deeds);
            }
            Happening::Disk(works) => self.disk = works,
            Happening::Started {
                operator,
                contact,
                rex,
                blocked,
            } => {
                (self.desk, self.door) = (Desk::new(), Door::default());
                (self.relay, self.schedule_said) = (false, false);
                let history = self.history.iter();
                self.desk.restore(&self.policy, history, &at);
                self.step(Input::Interlock { blocked }, &at, &mut deeds);
                if operator.is_some() {
                    self.operator(operator, &at, &mut deeds);
                }
                if let Some(reading) = contact {
                    self.step(Input::Contact(reading), &at, &mut deeds);
                }
                if rex {
                    self.step(Input::Rex { pressed: true }, &at, &mut deeds);
                }
            }
            Happening::Left(index) => {
                person = Some(index);
                if let Some(presence) = &mut self.presence[index] {
                    presence.area = None;
                    presence.door = "back".into();
                }
            }
            Happening::Changed(index, _) => person = Some(index),
            Happening::ClockError(_) | Happening::Trusted(_) => {}
        }
        let unlocked = self.desk.unlocked(&self.policy, &at);
        if unlocked != self.schedule_said && *happening != Happening::Stop {
            self.schedule_said = unlocked;
            self.step(Input::Schedule { unlocked }, &at, &mut deeds);
        }
        Seen {
            outcomes,
            deeds,
            released: self.door.lock() == Lock::Released,
            mode: self.door.mode(),
            source: self.door.mode_source(),
            contact: self.door.contact(),
            engaged: self.door.is_engaged(),
            unlock_hours: unlocked,
            repeated_denials: self.desk.repeated_denials(&at),
            locked_out: person
                .and_then(|index| self.desk.locked_out(person_id(index), &at))
                .map(ms),
            desk_due: self.desk.deadline().map(|due| ms(due.0)),
            door_due: self.door.deadline().map(|due| ms(due.0)),
        }
    }

    fn subject(&self, site: &Site, index: usize) -> Subject {
        Subject {
            presence: self.presence[index].clone(),
            ..site.people[index].subject.clone()
        }
    }

    fn refresh(&mut self, site: &Site, at: &Moment) -> Vec<Answer> {
        let mut answers = Vec::new();
        for id in self.desk.waiting() {
            let index = who(id);
            let known = site.people[index].enrolled;
            let subject = known.then(|| self.subject(site, index));
            let refreshed = self.desk.refresh(&self.policy, id, subject.as_ref(), at);
            answers.extend(refreshed);
        }
        answers
    }

    /// Records what was answered and lets in whom the record and the door let in.
    fn answered(
        &mut self,
        answers: Vec<Answer>,
        at: &Moment,
        site: &Site,
        outcomes: &mut Vec<Outcome>,
        deeds: &mut Vec<Deed>,
    ) {
        for answer in answers {
            outcomes.push(outcome(&answer));
            let Answer::Granted {
                subject,
                first_person,
                ..
            } = &answer
            else {
                self.record(answer.event(at.tick), at);
                continue;
            };
            let index = who(subject.person.id);
            let before = deeds.len();
            let input = Input::Granted {
                person: subject.person.clone(),
                extended: subject.extended,
            };
            if self.disk {
                self.step(input, at, deeds);
            }
            let refused = deeds[before..]
                .iter()
                .any(|deed| matches!(deed, Deed::Refused(_)));
            if !self.disk || refused {
                let reason = if refused {
                    DenyReason::Interlock
                } else {
                    DenyReason::StorageFailure
                };
                let id = Some(subject.person.id);
                self.desk.denied(&self.policy, id, reason, at);
                self.record(denied_event(site, Some(index), reason), at);
                continue;
            }
            self.record(answer.event(at.tick), at);
            self.desk.entered(*first_person, at);
            self.presence[index] = Some(Presence {
                area: self.policy.settings.area.clone(),
                door: DOOR.into(),
                at: at.wall,
            });
        }
    }

    fn operator(
        &mut self,
        choice: Option<(Mode, Option<i64>)>,
        at: &Moment,
        deeds: &mut Vec<Deed>,
    ) {
        let wall = at.wall.as_millisecond();
        let choice = choice.map(|(mode, lasts)| Choice {
            mode,
            lasts: lasts.map(|lasts| Duration::from_millis(lasts.try_into().unwrap())),
            until: lasts.map(|lasts| stamp(wall + lasts)),
        });
        self.step(Input::Operator(choice), at, deeds);
    }

    /// One step, its effects carried out: without a disk a release that must be recorded is not.
    fn step(&mut self, input: Input, at: &Moment, deeds: &mut Vec<Deed>) {
        // As it changes during the step.
        let mut mode = self.door.mode();
        let (door, effects) = step(
            &self.settings,
            std::mem::take(&mut self.door),
            input.clone(),
            at.tick,
        );
        self.door = door;
        let mut unrecorded = false;
        for effect in effects {
            match &effect {
                Effect::Release { event, must_record } => {
                    let Event::DoorReleased { cause, .. } = event else {
                        panic!("a release is recorded as {event:?}");
                    };
                    let allowed = match cause {
                        ReleaseCause::Grant => matches!(input, Input::Granted { .. }),
                        ReleaseCause::Rex => matches!(input, Input::Rex { pressed: true }),
                        ReleaseCause::Operator => input == Input::Unlock,
                        ReleaseCause::Mode => mode == Mode::Unlocked,
                    };
                    assert!(allowed, "released for {cause:?} by {input:?}");
                    assert_eq!(*must_record, *cause != ReleaseCause::Rex);
                    unrecorded = *must_record && !self.disk;
                    self.relay = !unrecorded;
                }
                Effect::Secure { .. } => self.relay = false,
                Effect::Record(Event::DoorMode { mode: new, .. }) => mode = *new,
                _ => {}
            }
            deeds.push(deed(effect));
        }
        if unrecorded {
            self.step(Input::ReleaseNotRecorded, at, deeds);
        }
        assert_eq!(
            self.relay,
            self.door.lock() == Lock::Released,
            "the relay is not where the door believes it is"
        );
    }

    fn record(&mut self, event: Event, at: &Moment) {
        if !self.disk {
            return;
        }
        self.seq += 1;
        self.history.push_back(Recorded {
            clock_synced: true,
            by: None,
            hash: Default::default(),
            seq: self.seq,
            id: Uuid::from_u128(self.seq.into()),
            time: at.wall,
            event,
        });
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
    }
}
