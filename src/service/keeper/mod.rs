//! The door's keeper: the one thread that records and moves the relay.
//!
//! Carries out what [`crate::access`] and [`crate::door`] decide, in the order that keeps the
//! invariants: what releases the door is on the disk before the relay is released, and the relay
//! is secured before that is written down. An exit button is the one exception: nobody is kept
//! in because a disk is full. Flows in: [`Message`]s, the rules in the store, time. Flows out:
//! events, the relay, what the panel shows.
//!
//! `claims` answers people, `commands` answers operators, `orders` follows administration,
//! `delivery` records what the broker refuses, `journal` reaches the disk.

mod claims;
mod commands;
mod delivery;
mod journal;
mod orders;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

pub use super::mailbox::Place;
use crate::access::rules::Subject;
use crate::access::{Desk, Policy};
use crate::clock::{Clock, ClockWatch, Tick, Timestamp};
use crate::conditions::{Conditions, Source};
use crate::config::{Config, OnStorageFailure};
use crate::door::{self, Door, Effect, Input, Refusal, Settings};
use crate::event::wire::{DoorSummary, Lock};
use crate::event::{Alarm, Class, Contact, Event, Mode, SecureCause};
use crate::gallery::Member;
use crate::gpio::indication::Indication;
use crate::gpio::keypad::Pin;
use crate::gpio::panel::Panel;
use crate::gpio::relay::Relay;
use crate::mqtt::Incoming;
use crate::presentation::Claim;
use crate::service::snapshots::Snapshots;
use crate::service::watchdog::Signs;
use crate::store::recover::Recovery;
use crate::store::{Along, Site, Store, StoreError};
use commands::Commands;
pub use commands::Errand;
use delivery::Refusals;
pub use delivery::Undelivered;
use journal::Journal;

/// How often administration's changes are looked for: they count within a second.
const LOOK: Duration = Duration::from_millis(250);
/// How soon a relay that would not be secured is tried again.
const RETRY_SECURE: Duration = Duration::from_millis(200);

/// What the keeper is told.
#[derive(Debug)]
pub enum Message {
    /// A presentation came to a claim, about this member if it names one.
    Claim {
        /// What vision claims.
        claim: Claim,
        /// Whom it names.
        member: Option<Member>,
    },
    /// Somebody who looks like this member was asked to blink.
    Challenge {
        /// Who.
        member: Option<Member>,
    },
    /// Somebody typed a PIN.
    Pin(Pin),
    /// The door leaf moved, or was seen for the first time.
    Contact(Contact),
    /// The exit button was pressed or let go.
    Rex {
        /// Which.
        pressed: bool,
    },
    /// A condition began (with its cause) or ended.
    Alarm {
        /// Which.
        alarm: Alarm,
        /// Who says so.
        source: Source,
        /// Why; absent when it ended.
        detail: Option<String>,
    },
    /// The broker hears us, or does not.
    Online(bool),
    /// A message came from the broker.
    Command {
        /// What.
        incoming: Incoming,
        /// When.
        received: Tick,
        /// How many before it were dropped, because too many waited.
        lost: u64,
        /// Its place among those that wait.
        place: Place,
    },
    /// The broker refused a message for good.
    Undelivered(Undelivered),
    /// The service ends.
    Stop,
}

/// Why something that was decided did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotDone {
    /// It could not be put on the record.
    NotRecorded,
    /// The door's state forbids it.
    Refused(Refusal),
}

/// How the keeper ended.
pub struct Kept {
    /// The relay, secured.
    pub relay: Box<dyn Relay>,
    /// A failure of the store that only a new start can repair.
    pub failure: Option<StoreError>,
}

/// The keeper's state and what it works with.
pub struct Keeper {
    journal: Journal,
    relay: Box<dyn Relay>,
    /// Does what the first one does.
    second: Option<Box<dyn Relay>>,
    signs: Signs,
    panel: Option<Panel>,
    clock: Arc<dyn Clock>,
    clock_watch: ClockWatch,
    settings: Settings,
    policy: Policy,
    desk: Desk,
    door: Door,
    conditions: Conditions,
    challenge_timeout: Duration,
    on_storage_failure: OnStorageFailure,
    /// What the doors of the site tell each other, where they do.
    site: Option<Site>,
    interlock: Vec<String>,
    /// What the site knows of this door.
    engaged: bool,
    /// Those who were granted and have not been seen to pass yet.
    entering: Vec<Subject>,
    /// Set once the door is secured: when they have turned away.
    gone_at: Option<Tick>,
    /// The rules' revision that is in force.
    revision: Option<i64>,
    looked: Option<Tick>,
    /// Set while the relay would not be secured: when to try again.
    secure_at: Option<Tick>,
    /// What somebody was asked for, and until when.
    asked: Option<(Indication, Tick)>,
    /// Until when it blinks, so that somebody finds it.
    locating: Option<Tick>,
    /// Whether the door will soon have been open for too long.
    warning: bool,
    offline: bool,
    /// What is needed for commands; none without a broker.
    commands: Option<Commands>,
    /// What goes to the disk with the command that is being carried out.
    in_hand: Option<Along>,
    /// Where pictures are asked for; nowhere without a camera.
    snapshots: Option<Snapshots>,
    refusals: Refusals,
}

impl Keeper {
    /// A keeper of a secured door. `committed` is called after every commit.
    ///
    /// # Errors
    /// When the rules cannot be read, or the time zone is not known.
    pub fn new(
        config: &Config,
        mut store: Store,
        relay: Box<dyn Relay>,
        panel: Option<Panel>,
        clock: Arc<dyn Clock>,
        committed: Box<dyn Fn() + Send>,
    ) -> Result<Self, StoreError> {
        store.set_clock_synced(clock.trusted());
        let policy = Policy::from_config(config, store.rules()?);
        let settings = Settings::from_config(config);
        let site = match &config.access.site_file {
            Some(path) => Some(Site::open(path, &config.door.name)?),
            None => None,
        };
        Ok(Self {
            journal: Journal::new(store, committed),
            relay,
            second: None,
            signs: Signs::default(),
            panel,
            clock,
            clock_watch: ClockWatch::default(),
            door: Door::default(),
            settings,
            policy,
            desk: Desk::new(),
            conditions: Conditions::default(),
            challenge_timeout: config.liveness.challenge_timeout(),
            on_storage_failure: config.audit.on_storage_failure,
            site,
            interlock: config.access.interlock.clone(),
            engaged: false,
            entering: Vec::new(),
            gone_at: None,
            revision: None,
            looked: None,
            secure_at: None,
            asked: None,
            locating: None,
            warning: false,
            offline: false,
            commands: Commands::from_config(config),
            in_hand: None,
            snapshots: None,
            refusals: Refusals::default(),
        })
    }

    /// From now on this relay follows.
    pub fn set_second(&mut self, second: Option<Box<dyn Relay>>) {
        self.second = second;
    }

    /// From now on it leaves its signs of life here; it owns the relay, too.
    pub fn set_signs(&mut self, signs: Signs) {
        self.signs = signs;
    }

    /// From now on pictures can be asked for.
    pub fn set_snapshots(&mut self, snapshots: Snapshots) {
        self.snapshots = Some(snapshots);
    }

    /// The database was replaced before there was a keeper, which raised an alarm and recorded it;
    /// the caretaker ends it.
    pub fn recovered(&mut self, recovery: &Recovery) {
        let detail = recovery.to_string();
        let _ = self
            .conditions
            .raise(Alarm::Storage, Source::Caretaker, detail);
    }

    /// Records what the last run could not, takes over what it left, and publishes the state.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn begin(&mut self) -> Result<(), StoreError> {
        let moment = self.clock.moment();
        let conditions = self.journal.store().conditions()?;
        let standing = conditions
            .iter()
            .filter(|condition| condition.cleared_at.is_none())
            .map(|condition| condition.alarm);
        self.conditions.restore(standing, moment.tick);
        let history = self
            .journal
            .store()
            .recent(self.policy.memory(), moment.wall)?;
        self.desk.restore(&self.policy, history.iter(), &moment);
        let state = self.summary();
        if self.journal.store().may_have_ended_released()? {
            let cause = SecureCause::Start;
            let event = Event::DoorSecured { cause };
            let store = self.journal.store();
            store.record_with_state(moment.wall, event, Some(&state))?;
        } else {
            self.journal.store().publish_state(&state)?;
        }
        if let Some(site) = &self.site {
            site.disengage()?;
        }
        self.look()?;
        Ok(())
    }

    /// Works until told to stop, until everybody who could tell it something is gone, or until
    /// the store needs a new start.
    #[must_use]
    pub fn run(mut self, messages: &Receiver<Message>) -> Kept {
        loop {
            let now = self.clock.tick();
            self.signs.latch.beat.mark(now);
            self.signs.guard.mark(now);
            match messages.recv_timeout(self.patience()) {
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(message) => self.told(message),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.due();
            if self.journal.broken() {
                break;
            }
        }
        self.end()
    }

    fn told(&mut self, message: Message) {
        match message {
            Message::Claim { claim, member } => self.claim(&claim, member.as_ref()),
            Message::Challenge { member } => self.challenge(member),
            Message::Pin(pin) => self.pin(&pin),
            Message::Contact(contact) => self.input(Input::Contact(contact)),
            Message::Rex { pressed } => self.input(Input::Rex { pressed }),
            Message::Alarm {
                alarm,
                source,
                detail: Some(detail),
            } => self.raise(alarm, source, detail),
            Message::Alarm { alarm, source, .. } => {
                self.conditions.clear(alarm, source, self.clock.tick());
            }
            Message::Online(online) => {
                self.offline = !online;
                self.connected(online);
            }
            Message::Command {
                incoming,
                received,
                lost,
                place,
            } => {
                drop(place);
                self.command(&incoming, received, lost);
            }
            Message::Undelivered(refused) => self.undelivered(refused),
            Message::Stop => {}
        }
    }

    fn end(mut self) -> Kept {
        self.input(Input::Stop);
        for event in self.conditions.finish() {
            self.record(event);
        }
        self.last_refusals();
        let (state, now) = (self.summary(), self.clock.tick());
        self.journal.finish(&state, now);
        Kept {
            relay: self.relay,
            failure: self.journal.into_failure(),
        }
    }

    fn patience(&self) -> Duration {
        let now = self.clock.tick();
        [
            self.door.deadline(),
            self.desk.deadline(),
            self.conditions.deadline(),
            self.secure_at,
            self.locating,
            self.journal.deadline(now),
        ]
        .into_iter()
        .flatten()
        .map(|at| at.since(now))
        .fold(LOOK, Duration::min)
    }

    /// What time alone brings about.
    fn due(&mut self) {
        let moment = self.clock.moment();
        let now = moment.tick;
        self.journal.store().set_clock_synced(moment.clock_trusted);
        if self.secure_at.is_some_and(|at| now >= at) {
            self.secure_relay();
        }
        if self.journal.is_behind() {
            let state = self.summary();
            if self.journal.catch_up(&state, now) {
                tracing::info!("the store can be written again");
                self.conditions.clear(Alarm::Storage, Source::Journal, now);
            }
        }
        self.input(Input::Tick);
        if self.gone_at.is_some_and(|at| now >= at) {
            self.gone_at = None;
            self.entering.clear();
        }
        let answers = self.desk.tick(&self.policy, &moment);
        self.answer(answers);
        self.desk_alarm(&moment);
        if self.looked.is_none_or(|at| now.since(at) >= LOOK) {
            self.looked = Some(now);
            match self.clock_watch.complaint(&moment) {
                Some(detail) => self.raise(Alarm::Clock, Source::Clock, detail),
                None => self.conditions.clear(Alarm::Clock, Source::Clock, now),
            }
            self.refusals_due(now);
            if let Err(error) = self.look() {
                tracing::warn!(%error, "the rules cannot be read; those in force stay in force");
            }
        }
        for event in self.conditions.tick(now) {
            tracing::info!(kind = event.kind(), ?event, "alarm cleared");
            self.record(event);
        }
        self.settle();
        self.free_when_shut();
        self.show_standing();
    }

    /// The door's own answer to an input, where nothing depends on it.
    fn input(&mut self, input: Input) {
        if let Err(reason) = self.drive(input, None) {
            tracing::warn!(?reason, "the door stays secured");
        }
    }

    /// One step of the door, carried out. `grant` is what the step is taken on: it is committed
    /// together with the release, and nothing happens when that fails.
    fn drive(&mut self, input: Input, grant: Option<Event>) -> Result<(), NotDone> {
        let before = self.door.clone();
        let (door, effects) = door::step(&self.settings, before.clone(), input, self.clock.tick());
        self.door = door;
        let mut facts = Vec::new();
        let mut grant = grant;
        let mut done = Ok(());
        for effect in effects {
            match effect {
                Effect::Release { event, must_record } => {
                    facts.extend(grant.take());
                    done = self.release(std::mem::take(&mut facts), event, must_record);
                }
                Effect::Secure { event } => {
                    self.secure_relay();
                    tracing::info!(?event, "door secured");
                    facts.push(event);
                }
                Effect::Record(event) => facts.push(event),
                Effect::Raise { alarm, detail } => self.raise(alarm, Source::Door, detail),
                Effect::Clear { alarm } => {
                    self.conditions
                        .clear(alarm, Source::Door, self.clock.tick());
                }
                Effect::PreAlarm(warning) => self.warning = warning,
                Effect::Refused(refusal) => {
                    grant = None;
                    done = Err(NotDone::Refused(refusal));
                }
            }
        }
        // Released already: the grant still has to be on the record to count.
        if let Some(grant) = grant
            && !self.commit(vec![grant.clone()])
        {
            if self.denies_unrecorded(std::slice::from_ref(&grant)) {
                self.door = before;
                done = Err(NotDone::NotRecorded);
            } else {
                self.keep(grant);
            }
        }
        for fact in facts {
            self.passed_by(&fact);
            self.record(fact);
        }
        done
    }

    /// Commits what the release stands on and the release itself in one transaction, then
    /// releases.
    fn release(
        &mut self,
        ahead: Vec<Event>,
        event: Event,
        must_record: bool,
    ) -> Result<(), NotDone> {
        let free = self.engage(must_record);
        let mut all = ahead.clone();
        all.push(event.clone());
        let recorded = free && self.commit(all);
        let deny = !free || self.denies_unrecorded(&ahead);
        if !recorded && must_record && deny {
            // A grant is not kept: it becomes a denial. Nor is a command: it is refused.
            for fact in ahead {
                let dropped = matches!(
                    fact,
                    Event::AccessGranted(_) | Event::CommandExecuted { .. }
                );
                if !dropped {
                    self.record(fact);
                }
            }
            self.input(Input::ReleaseNotRecorded);
            return Err(if free {
                NotDone::NotRecorded
            } else {
                NotDone::Refused(Refusal::Interlock)
            });
        }
        if !recorded {
            for fact in ahead.into_iter().chain([event]) {
                self.keep(fact);
            }
        }
        match self.relay.set(Lock::Released) {
            Ok(()) => {
                tracing::info!("door released");
                self.follow(Lock::Released);
            }
            Err(error) => {
                tracing::error!(%error, "the relay does not release");
                self.input(Input::RelayFailed);
            }
        }
        Ok(())
    }

    /// Whether what cannot be recorded does not happen. For a command always: it could be sent again.
    fn denies_unrecorded(&self, ahead: &[Event]) -> bool {
        let command = |event: &Event| matches!(event, Event::CommandExecuted { .. });
        self.on_storage_failure == OnStorageFailure::Deny || ahead.iter().any(command)
    }

    fn secure_relay(&mut self) {
        self.secure_at = match self.relay.set(Lock::Secured) {
            Ok(()) => {
                self.follow(Lock::Secured);
                None
            }
            Err(error) => {
                if self.secure_at.is_none() {
                    tracing::error!(%error, "the relay does not secure; trying again until it does");
                }
                Some(self.clock.tick() + RETRY_SECURE)
            }
        };
    }

    fn raise(&mut self, alarm: Alarm, source: Source, detail: String) {
        if let Some(event) = self.conditions.raise(alarm, source, detail) {
            self.raised(event);
        }
    }

    fn raised(&mut self, event: Event) {
        if let Event::AlarmRaised { alarm, detail, .. } = &event {
            tracing::warn!(alarm = alarm.as_str(), detail, "alarm raised");
        }
        self.record(event);
    }

    /// Records an event, now or as soon as the store can be written.
    fn record(&mut self, event: Event) {
        if !self.commit(vec![event.clone()]) {
            self.keep(event);
        }
    }

    fn keep(&mut self, event: Event) {
        self.journal.keep(self.clock.now(), event);
        let detail = match self.on_storage_failure {
            OnStorageFailure::Deny => "events cannot be written; nobody is let in",
            OnStorageFailure::Grant => {
                "events cannot be written; people are let in, and the record is in memory only"
            }
        };
        let detail = detail.to_owned();
        if let Some(raised) = self
            .conditions
            .raise(Alarm::Storage, Source::Journal, detail)
        {
            self.journal.keep(self.clock.now(), raised);
        }
    }

    fn commit(&mut self, events: Vec<Event>) -> bool {
        // Everything but a decision changes what the retained summary says; and a summary that is
        // refused must not be followed by another one for having been refused.
        let changed = events.iter().any(|event| {
            let refused = matches!(event, Event::DeliveryRefused { .. });
            event.class() != Class::Access && !refused
        });
        let state = changed.then(|| self.summary());
        let at: Timestamp = self.clock.now();
        let executed = |event: &Event| matches!(event, Event::CommandExecuted { .. });
        let secured = |event: &Event| {
            let cause = SecureCause::Operator;
            *event == Event::DoorSecured { cause }
        };
        let (spends, caused) = (events.iter().any(executed), events.iter().any(secured));
        let along = match &self.in_hand {
            Some(along) if spends => along.clone(),
            Some(along) if caused => Along {
                spent: None,
                ..along.clone()
            },
            _ => Along::default(),
        };
        let events = events.into_iter().map(|event| (at, event)).collect();
        let tick = self.clock.tick();
        let written = self.journal.commit(events, state.as_ref(), tick, &along);
        if written && spends {
            self.in_hand = None;
        }
        written
    }

    fn summary(&self) -> DoorSummary {
        DoorSummary {
            lock: self.door.lock(),
            contact: self.door.contact(),
            mode: self.door.mode(),
            alarms: self.conditions.active().collect(),
            version: env!("CARGO_PKG_VERSION"),
            since: self.clock.now(),
        }
    }

    /// A decision was made: a picture goes with it, where the owner wants that.
    fn picture(&self) {
        if let Some(snapshots) = &self.snapshots {
            snapshots.decided();
        }
    }

    fn follow(&mut self, lock: Lock) {
        let followed = self.second.as_mut().map(|second| second.set(lock));
        if let Some(Err(error)) = followed {
            tracing::warn!(%error, "the second relay does not follow");
        }
    }

    /// Shows something at the door.
    fn show(&self, indication: Indication) {
        if let Some(panel) = &self.panel {
            panel.show(indication);
        }
    }

    /// What the door shows while nothing else happens.
    fn show_standing(&mut self) {
        let now = self.clock.tick();
        self.asked = self.asked.filter(|(_, until)| now < *until);
        let alarm = self.conditions.active().any(|alarm| !alarm.is_silent());
        self.locating = self.locating.filter(|until| now < *until);
        if let Some((asked, _)) = self.asked {
            return self.show(asked);
        }
        self.show(match self.door.mode() {
            _ if self.warning => Indication::HeldOpenWarning,
            _ if alarm => Indication::Alarm,
            _ if self.locating.is_some() => Indication::Locate,
            Mode::Lockdown => Indication::Lockdown,
            Mode::Unlocked => Indication::Unlocked,
            Mode::Normal if self.offline => Indication::Offline,
            Mode::Normal => Indication::Ready,
        });
    }
}

#[cfg(test)]
mod tests;
