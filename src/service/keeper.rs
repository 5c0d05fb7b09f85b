//! The door's keeper: the one thread that records and moves the relay.
//!
//! Carries out what [`crate::access`] and [`crate::door`] decide, in the order that keeps the
//! invariants: a grant is on the disk before the relay is released, and the relay is secured
//! before that is written down. While storage fails nobody is let in; what happens meanwhile
//! is kept in memory and written, in order, as soon as it can be.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::access::{Outcome, decided};
use crate::clock::{Clock, Tick, Timestamp};
use crate::door::relay::Relay;
use crate::door::{Door, Effect, Input, Settings, step};
use crate::event::wire::{DoorSummary, Lock};
use crate::event::{
    Alarm, Challenge, Challenged, Class, Denied, DenyReason, Event, Granted, SecureCause,
};
use crate::gallery::Member;
use crate::presentation::{Claim, Identity};
use crate::store::{Store, StoreError};
use crate::vision::QualityProblem;

/// How long the keeper sleeps when nothing is due.
const IDLE: Duration = Duration::from_secs(1);
/// How soon a relay that would not be secured is tried again.
const RETRY_SECURE: Duration = Duration::from_millis(200);
/// How often a failed store is tried again.
const RETRY_STORE: Duration = Duration::from_secs(5);
/// An attack that is not repeated for so long is over.
const ATTACK_OVER: Duration = Duration::from_secs(60);
/// Most events kept while the store fails; a door sees about ten a minute.
const BACKLOG: usize = 1_000;
/// Waiting events written at a time: the relay must not wait for all of them.
const BATCH: usize = 10;

/// What the keeper is told.
#[derive(Debug)]
pub(super) enum Message {
    /// A presentation came to a claim, about this member if it names one.
    Claim {
        claim: Claim,
        member: Option<Member>,
    },
    /// Somebody who looks like this member was asked to blink.
    Challenge { member: Option<Member> },
    /// A condition began (with its cause) or ended.
    Alarm {
        alarm: Alarm,
        detail: Option<String>,
    },
    /// The service ends.
    Stop,
}

/// The keeper's state and what it works with.
pub(super) struct Keeper {
    store: Store,
    relay: Box<dyn Relay>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    challenge_timeout: Duration,
    /// Tells the MQTT pump that there is something to send.
    committed: Box<dyn Fn() + Send>,
    door: Door,
    alarms: BTreeSet<Alarm>,
    /// Set while a spoof is suspected: when that is over.
    attack_over_at: Option<Tick>,
    /// Set while the relay would not be secured: when to try again.
    secure_at: Option<Tick>,
    /// What could not be written yet, in order.
    backlog: VecDeque<(Timestamp, Event)>,
    /// Set while the store fails: when to try again.
    store_at: Option<Tick>,
}

impl Keeper {
    pub(super) fn new(
        store: Store,
        relay: Box<dyn Relay>,
        clock: Arc<dyn Clock>,
        settings: Settings,
        challenge_timeout: Duration,
        committed: Box<dyn Fn() + Send>,
    ) -> Self {
        Self {
            store,
            relay,
            clock,
            settings,
            challenge_timeout,
            committed,
            door: Door::default(),
            alarms: BTreeSet::new(),
            attack_over_at: None,
            secure_at: None,
            backlog: VecDeque::new(),
            store_at: None,
        }
    }

    /// Records what the last run could not, and publishes the state of the door.
    pub(super) fn begin(&mut self) -> Result<(), StoreError> {
        let state = self.summary();
        if self.store.may_have_ended_released()? {
            let cause = SecureCause::Start;
            let event = Event::DoorSecured { cause };
            self.store
                .record_with_state(self.clock.now(), event, Some(&state))?;
        } else {
            self.store.publish_state(&state)?;
        }
        (self.committed)();
        Ok(())
    }

    /// Works until told to stop, or until everybody who could tell it something is gone.
    /// Gives the relay back, secured.
    pub(super) fn run(mut self, messages: &Receiver<Message>) -> Box<dyn Relay> {
        loop {
            match messages.recv_timeout(self.patience()) {
                Ok(Message::Claim { claim, member }) => self.claim(&claim, member.as_ref()),
                Ok(Message::Challenge { member }) => self.challenge(member),
                Ok(Message::Alarm { alarm, detail }) => self.alarm(alarm, detail),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.due();
        }
        self.input(Input::Stop);
        while !self.backlog.is_empty() && self.write_some_backlog() {}
        if !self.backlog.is_empty() {
            let events = self.backlog.len();
            tracing::error!(
                events,
                "the store still cannot be written: these events are lost"
            );
        }
        self.relay
    }

    fn patience(&self) -> Duration {
        if self.store_at.is_none() && !self.backlog.is_empty() {
            return Duration::ZERO;
        }
        let now = self.clock.tick();
        [
            self.door.deadline(),
            self.attack_over_at,
            self.secure_at,
            self.store_at,
        ]
        .into_iter()
        .flatten()
        .map(|at| at.since(now))
        .fold(IDLE, Duration::min)
    }

    /// What time alone brings about.
    fn due(&mut self) {
        let now = self.clock.tick();
        if self.secure_at.is_some_and(|at| now >= at) {
            self.secure_relay();
        }
        if self.attack_over_at.is_some_and(|at| now >= at) {
            self.attack_over_at = None;
            self.alarm(Alarm::SpoofSuspected, None);
        }
        let store_due = self.store_at.is_none_or(|at| now >= at);
        if self.alarms.contains(&Alarm::Storage)
            && store_due
            && self.write_some_backlog()
            && self.backlog.is_empty()
        {
            tracing::info!("the store can be written again");
            self.alarm(Alarm::Storage, None);
        }
        self.input(Input::Tick);
    }

    fn claim(&mut self, claim: &Claim, member: Option<&Member>) {
        let latency = self.clock.tick().since(claim.began);
        match decided(claim, member, latency) {
            Outcome::Granted(granted) => self.grant(granted),
            Outcome::Denied(denied) => self.deny(denied),
        }
        if let Identity::Spoof { cue, .. } = claim.identity {
            self.attack_over_at = Some(self.clock.tick() + ATTACK_OVER);
            let cue = cue.as_str();
            let detail = format!("a picture of an enrolled person was shown: {cue}");
            self.alarm(Alarm::SpoofSuspected, Some(detail));
        }
    }

    fn grant(&mut self, granted: Granted) {
        let event = Event::AccessGranted(granted.clone());
        let Granted {
            person,
            similarity,
            liveness,
            observations,
            method,
            latency_ms,
            ..
        } = granted;
        // Not behind a backlog: by the time it is written, somebody else may stand at the door.
        if self.backlog.is_empty() && self.commit(self.clock.now(), event) {
            tracing::info!(person = %person.id, similarity, liveness, latency_ms, "access granted");
            let extended = false;
            self.input(Input::Granted { person, extended });
        } else {
            self.deny(Denied {
                reason: DenyReason::StorageFailure,
                rule: None,
                needed: None,
                problem: None,
                person: Some(person),
                similarity: Some(similarity),
                liveness,
                observations,
                method,
                latency_ms,
            });
        }
    }

    fn challenge(&mut self, member: Option<Member>) {
        // Erased between the comparison and now: nobody is left to be asked.
        let Some(Member { person, .. }) = member else {
            return;
        };
        tracing::info!(person = %person.id, "asked to blink");
        self.record(Event::AccessChallenged(Challenged {
            person,
            challenge: Challenge::Blink,
            timeout_ms: u64::try_from(self.challenge_timeout.as_millis()).unwrap_or(u64::MAX),
        }));
    }

    fn deny(&mut self, denied: Denied) {
        tracing::info!(
            reason = denied.reason.as_str(),
            problem = denied.problem.map(QualityProblem::as_str),
            person = denied.person.as_ref().map(|person| person.id.to_string()),
            similarity = denied.similarity,
            liveness = denied.liveness,
            latency_ms = denied.latency_ms,
            "access denied"
        );
        self.record(Event::AccessDenied(denied));
    }

    fn alarm(&mut self, alarm: Alarm, detail: Option<String>) {
        let raised = detail.is_some();
        let changed = if raised {
            self.alarms.insert(alarm)
        } else {
            self.alarms.remove(&alarm)
        };
        if !changed {
            return;
        }
        let event = match detail {
            Some(detail) => {
                tracing::warn!(alarm = alarm.as_str(), detail, "alarm raised");
                Event::AlarmRaised {
                    alarm,
                    severity: alarm.severity(),
                    detail,
                }
            }
            None => {
                tracing::info!(alarm = alarm.as_str(), "alarm cleared");
                Event::AlarmCleared { alarm }
            }
        };
        self.record(event);
    }

    fn input(&mut self, input: Input) {
        let door = std::mem::take(&mut self.door);
        let (door, effects) = step(&self.settings, door, input, self.clock.tick());
        self.door = door;
        for effect in effects {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Release { event, must_record } => {
                if !must_record {
                    self.record(event);
                } else if !self.commit(self.clock.now(), event) {
                    return self.input(Input::ReleaseNotRecorded);
                }
                match self.relay.set(Lock::Released) {
                    Ok(()) => tracing::info!("door released"),
                    Err(error) => {
                        tracing::error!(%error, "the relay does not release");
                        self.input(Input::RelayFailed);
                    }
                }
            }
            Effect::Secure { event } => {
                self.secure_relay();
                tracing::info!("door secured");
                self.record(event);
            }
            Effect::Record(event) => self.record(event),
            Effect::Raise { alarm, detail } => self.alarm(alarm, Some(detail)),
            Effect::Clear { alarm } => self.alarm(alarm, None),
            Effect::PreAlarm(warns) => tracing::info!(warns, "the door has been open for long"),
            Effect::Refused(refusal) => tracing::info!(?refusal, "not carried out"),
        }
    }

    fn secure_relay(&mut self) {
        self.secure_at = match self.relay.set(Lock::Secured) {
            Ok(()) => None,
            Err(error) => {
                if self.secure_at.is_none() {
                    tracing::error!(%error, "the relay does not secure; trying again until it does");
                }
                Some(self.clock.tick() + RETRY_SECURE)
            }
        };
    }

    /// Records an event, now or as soon as the store can be written.
    fn record(&mut self, event: Event) {
        let now = self.clock.now();
        if self.backlog.is_empty() && self.commit(now, event.clone()) {
            return;
        }
        if self.backlog.len() == BACKLOG {
            tracing::error!("too many events wait for the store: the oldest one is lost");
            self.backlog.pop_front();
        }
        self.backlog.push_back((now, event));
        if self.alarms.insert(Alarm::Storage) {
            let detail = "events cannot be written; nobody is let in".to_owned();
            let alarm = Alarm::Storage;
            self.backlog.push_back((
                now,
                Event::AlarmRaised {
                    alarm,
                    severity: alarm.severity(),
                    detail,
                },
            ));
        }
    }

    /// Writes the oldest of the waiting events; false when the store still fails.
    fn write_some_backlog(&mut self) -> bool {
        for _ in 0..BATCH {
            let Some((at, event)) = self.backlog.pop_front() else {
                break;
            };
            if !self.commit(at, event.clone()) {
                self.backlog.push_front((at, event));
                return false;
            }
        }
        true
    }

    fn commit(&mut self, at: Timestamp, event: Event) -> bool {
        // Everything but a decision changes what the retained summary says.
        let state = (event.class() != Class::Access).then(|| self.summary());
        match self.store.record_with_state(at, event, state.as_ref()) {
            Ok(recorded) => {
                tracing::debug!(seq = recorded.seq, kind = recorded.event.kind(), "recorded");
                self.store_at = None;
                (self.committed)();
                true
            }
            Err(error) => {
                if self.store_at.is_none() {
                    tracing::error!(%error, "events cannot be recorded; nobody is let in until they can");
                }
                self.store_at = Some(self.clock.tick() + RETRY_STORE);
                false
            }
        }
    }

    fn summary(&self) -> DoorSummary {
        DoorSummary {
            lock: self.door.lock(),
            contact: None,
            mode: crate::event::Mode::Normal,
            alarms: self.alarms.iter().copied().collect(),
            version: env!("CARGO_PKG_VERSION"),
            since: self.clock.now(),
        }
    }
}
