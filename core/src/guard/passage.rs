//! From a grant, a command or a mode to the relay.
//!
//! What is to release the door is tried out on a copy of it, and what that would record is asked of
//! the record. Once it is there the step is taken, with the door as it is then: what forbids it now
//! withdraws it, and the record says so. What the relay is told follows from the door alone.

use super::commands::Ordered;
use super::record::Fate;
use super::{
    Author, Change, Deed, Done, EntryId, Facts, Guard, LEASE, Latched, RENEW, Rejection, SiteNote,
    Timer, WithoutRecord,
};
use crate::access::rules::{Presence, Subject};
use crate::clock::{Moment, Tick};
use crate::conditions::Source;
use crate::door::{self, Effect, GRACE, Input, Refusal, Released};
use crate::event::wire::{DoorSummary, Lock};
use crate::event::{
    Alarm, CommandRefusal, CommandVerb, Contact, DenyReason, Event, Granted, PersonRef,
    ReleaseCause,
};

/// What follows once an entry is on the record.
#[derive(Debug)]
pub(super) enum Then {
    /// Let somebody in.
    Admit(Box<Admission>),
    /// Release the door for an operator.
    Unlock(Box<Ordered>),
    /// The mode holds the door released.
    Hold,
    /// Carry out another command.
    CarryOut(Box<Ordered>),
}

/// Somebody who is to be let in.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) subject: Subject,
    pub(super) granted: Granted,
    /// Whether their entry counts as the first person's.
    pub(super) first_person: bool,
    /// Whether a second person came with them.
    pub(super) accompanied: bool,
    /// What is on the record of it.
    pub(super) recorded: Vec<Event>,
    /// What the record is being asked to take of it.
    pub(super) asked: Vec<Event>,
}

impl Then {
    /// What it was asked for is on the record.
    fn note(&mut self) {
        match self {
            Then::Admit(admission) => admission.recorded.append(&mut admission.asked),
            Then::Unlock(ordered) | Then::CarryOut(ordered) => {
                ordered.recorded.append(&mut ordered.asked);
            }
            Then::Hold => {}
        }
    }

    /// It is not, and will be asked for anew or not at all. What of it was recorded before.
    pub(super) fn forget(&mut self) -> Vec<Event> {
        match self {
            Then::Admit(admission) => {
                admission.asked.clear();
                admission.recorded.clone()
            }
            Then::Unlock(ordered) | Then::CarryOut(ordered) => {
                ordered.asked.clear();
                ordered.recorded.clone()
            }
            Then::Hold => Vec::new(),
        }
    }

    /// How the door will look once it is carried out.
    pub(super) fn foresee(&self, summary: &mut DoorSummary) {
        match self {
            Then::Admit(_) | Then::Unlock(_) | Then::Hold => summary.lock = Lock::Released,
            Then::CarryOut(_) => {}
        }
    }
}

/// What a step would do.
struct Proposal {
    /// What it would record, in order.
    events: Vec<Event>,
    refused: Option<Refusal>,
}

impl Proposal {
    fn releases(&self) -> bool {
        let release = |event: &Event| matches!(event, Event::DoorReleased { .. });
        self.events.iter().any(release)
    }
}

impl Admission {
    fn input(&self) -> Input {
        Input::Granted {
            person: self.granted.person.clone(),
            extended: self.subject.extended,
        }
    }
}

impl Guard {
    /// One step of the door; what it leads to is recorded as the door's own doing.
    pub(super) fn step(&mut self, input: Input, now: &Moment) {
        self.step_recorded(input, Author::Door, &[], now);
    }

    /// One step of the door, of which something is on the record already. Gives what forbade it.
    pub(super) fn step_recorded(
        &mut self,
        input: Input,
        author: Author,
        recorded: &[Event],
        now: &Moment,
    ) -> Option<Refusal> {
        let door = std::mem::take(&mut self.door);
        let (door, effects) = door::step(&self.settings.door, door, input, now.tick);
        self.door = door;
        let (mut events, mut asked, mut refused, mut exit) = (Vec::new(), None, None, false);
        for effect in effects {
            match effect {
                Effect::Release { event } => {
                    if let Event::DoorReleased { cause, .. } = &event {
                        tracing::info!(?cause, "door released");
                        exit |= *cause == ReleaseCause::Rex;
                    }
                    events.push(event);
                }
                Effect::Secure { event } => {
                    tracing::info!(?event, "door secured");
                    events.push(event);
                }
                Effect::Record(event) => events.push(event),
                Effect::Ask { event } => asked = Some(event),
                Effect::Raise { alarm, detail } => {
                    if let Some(event) = self.conditions.raise(alarm, Source::Door, detail) {
                        if let Event::AlarmRaised { alarm, detail, .. } = &event {
                            tracing::warn!(alarm = alarm.as_str(), detail, "alarm raised");
                        }
                        events.push(event);
                    }
                }
                Effect::Clear { alarm } => self.conditions.clear(alarm, Source::Door, now.tick),
                Effect::PreAlarm(warning) => self.warning = warning,
                Effect::Refused(refusal) => refused = Some(refusal),
            }
        }
        for event in &events {
            self.passed_by(event, now);
        }
        events.retain(|event| !recorded.contains(event));
        if !events.is_empty() {
            let mut entry = self.entry(author, events, now);
            if exit && self.settings.site {
                // Nobody is kept in: an exit button asks no other door.
                entry.site = Some(SiteNote::EngageAnyway);
                self.engaged = Some(true);
            }
            self.record.keep(entry, None, now.tick);
        }
        if let Some(event) = asked {
            self.ask_hold(event, now);
        }
        refused
    }

    /// What a step would do to the door as it is now.
    fn propose(&self, input: Input, now: &Moment) -> Proposal {
        let (_, effects) = door::step(&self.settings.door, self.door.clone(), input, now.tick);
        let mut proposal = Proposal {
            events: Vec::new(),
            refused: None,
        };
        for effect in effects {
            match effect {
                Effect::Release { event } | Effect::Record(event) => proposal.events.push(event),
                Effect::Refused(refusal) => proposal.refused = Some(refusal),
                Effect::Secure { .. }
                | Effect::Ask { .. }
                | Effect::Raise { .. }
                | Effect::Clear { .. }
                | Effect::PreAlarm(_) => {}
            }
        }
        proposal
    }

    /// Asks the record for somebody's grant and the release that follows from it.
    pub(super) fn admit(&mut self, mut admission: Admission, facts: &Facts, now: &Moment) {
        // What time has brought about meanwhile stands, whatever becomes of the grant.
        self.step(Input::Tick, now);
        let proposal = self.propose(admission.input(), now);
        if let Some(refusal) = proposal.refused {
            return self.turn_away(admission, refused_as(refusal), now);
        }
        let releases = proposal.releases();
        let first = admission.recorded.is_empty();
        let mut events = Vec::new();
        if first {
            events.push(Event::AccessGranted(admission.granted.clone()));
        }
        events.extend(proposal.events);
        events.retain(|event| !admission.recorded.contains(event));
        admission.asked.clone_from(&events);
        let mut entry = self.entry(Author::Door, events, now);
        entry.base = first.then_some(facts.revision);
        entry.site = self.engagement(releases);
        let then = Then::Admit(Box::new(admission));
        match self.settings.without_record {
            WithoutRecord::Deny => {
                if let Err(then) = self.record.ask(entry, then, now.tick) {
                    self.given_up(then, None, now);
                }
            }
            WithoutRecord::Grant if self.record.is_behind() => {
                entry.base = None;
                let id = self.record.keep(entry, None, now.tick);
                let mut then = then;
                then.note();
                self.goes_ahead(then, id, facts, now);
            }
            WithoutRecord::Grant => {
                self.record.keep(entry, Some(then), now.tick);
            }
        }
    }

    /// Asks the record for a release by an operator.
    pub(super) fn ask_unlock(&mut self, mut ordered: Ordered, facts: &Facts, now: &Moment) {
        self.step(Input::Tick, now);
        let proposal = self.propose(Input::Unlock, now);
        if let Some(refusal) = proposal.refused {
            let spent = ordered.spent.take().filter(|_| ordered.recorded.is_empty());
            let detail = refused_in_words(refusal);
            return self.refuse_order(&ordered, CommandRefusal::DoorRefused, detail, spent, now);
        }
        let releases = proposal.releases();
        let first = ordered.recorded.is_empty();
        let mut events = Vec::new();
        if first {
            events.push(ordered.event(now.wall));
        }
        events.extend(proposal.events);
        events.retain(|event| !ordered.recorded.contains(event));
        ordered.asked.clone_from(&events);
        let mut entry = self.entry(ordered.author.clone(), events, now);
        if first {
            entry.spent = ordered.spent.clone();
            entry.base = Some(facts.revision);
        }
        entry.site = self.engagement(releases);
        let then = Then::Unlock(Box::new(ordered));
        if let Err(then) = self.record.ask(entry, then, now.tick) {
            self.given_up(then, None, now);
        }
    }

    /// Asks the record for a release by the mode.
    fn ask_hold(&mut self, event: Event, now: &Moment) {
        let mut entry = self.entry(Author::Door, vec![event], now);
        entry.site = self.engagement(true);
        match self.settings.without_record {
            WithoutRecord::Deny => {
                if self.record.ask(entry, Then::Hold, now.tick).is_err() {
                    self.step(Input::HoldNotRecorded, now);
                }
            }
            WithoutRecord::Grant => {
                self.record.keep(entry, Some(Then::Hold), now.tick);
            }
        }
    }

    /// What the site has to be told before a release.
    fn engagement(&mut self, releases: bool) -> Option<SiteNote> {
        if !self.settings.site || !releases {
            return None;
        }
        self.engaged = None;
        let unless = self.settings.interlock.clone();
        Some(SiteNote::Engage { unless })
    }

    /// The disk answered.
    pub(super) fn recorded(&mut self, done: &Done, facts: &Facts, now: &Moment) {
        let behind = self.record.is_behind();
        if let Some(failure) = &done.failure {
            if !behind {
                tracing::error!(
                    failure,
                    "events cannot be recorded; they are kept in memory until they can"
                );
            }
            self.told = None;
        }
        if !done.site_told {
            self.engaged = None;
        }
        let fates = self.record.done(done, now.tick);
        self.presences_written(done, now.tick);
        self.fates(fates, facts, now);
        if done.failure.is_some() {
            let detail = match self.settings.without_record {
                WithoutRecord::Deny => "events cannot be written; nobody is let in",
                WithoutRecord::Grant => {
                    "events cannot be written; people are let in, and the record is in memory only"
                }
            };
            self.raise(Alarm::Storage, Source::Journal, detail.into(), now);
        } else {
            if behind {
                tracing::info!("the store can be written again");
            }
            self.conditions
                .clear(Alarm::Storage, Source::Journal, now.tick);
        }
    }

    /// A disk that takes its time is told of before it is too late.
    pub(super) fn slow(&mut self, now: &Moment) {
        match self.record.slow(now.tick) {
            Some(lasts) => {
                if !self.conditions.holds(Alarm::Storage, Source::Disk) {
                    let millis = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
                    tracing::warn!(millis, "the disk is slow: a commit is not answered");
                    let seconds = lasts.as_secs_f32();
                    let detail = format!(
                        "the disk is slow: a commit has taken {seconds:.1} s so far; nobody is let in on what it does not answer in time"
                    );
                    self.raise(Alarm::Storage, Source::Disk, detail, now);
                }
            }
            None => self
                .conditions
                .clear(Alarm::Storage, Source::Disk, now.tick),
        }
    }

    /// What became of entries.
    pub(super) fn fates(&mut self, fates: Vec<Fate<Then>>, facts: &Facts, now: &Moment) {
        for fate in fates {
            match fate {
                Fate::Recorded {
                    mut then,
                    entry,
                    changed,
                } => {
                    then.note();
                    if let Some(SiteNote::Engage { .. }) = entry.site {
                        self.engaged = Some(true);
                    }
                    self.carried(then, changed, facts, now);
                }
                Fate::TooLate { entry } => {
                    let events = entry.facts.into_iter().map(|fact| fact.event);
                    self.withdrawn(events, now);
                    if let Some(Change::Mode(late)) = entry.change {
                        self.take_back(late, now);
                    }
                }
                Fate::Rejected { then, why, .. } => match why {
                    Rejection::Stale => self.put_off(then, now),
                    why => self.given_up(then, Some(why), now),
                },
                Fate::GivenUp { then, .. } => self.given_up(then, None, now),
                Fate::GoesAhead { mut then, entry } => {
                    // It stays to be written.
                    then.note();
                    self.goes_ahead(then, entry, facts, now);
                }
            }
        }
    }

    /// What was asked of the record is there.
    fn carried(&mut self, then: Then, changed: bool, facts: &Facts, now: &Moment) {
        match then {
            Then::Admit(admission) => self.let_in(*admission, facts, now),
            Then::Unlock(ordered) => self.unlock_recorded(*ordered, facts, now),
            Then::Hold => self.hold_recorded(now),
            Then::CarryOut(ordered) => self.carry_out(*ordered, changed, now),
        }
    }

    /// It is not there yet, and happens all the same, as the configuration says.
    fn goes_ahead(&mut self, then: Then, entry: EntryId, facts: &Facts, now: &Moment) {
        if self.stopped {
            // Nothing is released any more; what is to be written stays to be written.
            return self.given_up(then, None, now);
        }
        tracing::warn!(entry = entry.0, "carried out before it is on the record");
        match then {
            Then::Admit(admission) => self.let_in_as_it_is(*admission, now),
            then => self.carried(then, true, facts, now),
        }
    }

    fn let_in(&mut self, admission: Admission, facts: &Facts, now: &Moment) {
        self.step(Input::Tick, now);
        let proposal = self.propose(admission.input(), now);
        if let Some(refusal) = proposal.refused {
            let recorded = admission.recorded.clone();
            self.withdrawn(recorded.into_iter(), now);
            return self.turn_away(admission, refused_as(refusal), now);
        }
        let missing = |event: &Event| {
            matches!(event, Event::DoorReleased { .. }) && !admission.recorded.contains(event)
        };
        if proposal.events.iter().any(missing) {
            // It was released when they were granted, and is not any more.
            return self.admit(admission, facts, now);
        }
        self.let_in_as_it_is(admission, now);
    }

    fn let_in_as_it_is(&mut self, admission: Admission, now: &Moment) {
        let input = admission.input();
        if let Some(refusal) = self.step_recorded(input, Author::Door, &admission.recorded, now) {
            self.withdrawn(admission.recorded.clone().into_iter(), now);
            return self.turn_away(admission, refused_as(refusal), now);
        }
        let Admission {
            subject,
            granted,
            first_person,
            ..
        } = admission;
        tracing::info!(
            person = %granted.person.id,
            rule = %granted.rule,
            similarity = granted.similarity,
            liveness = granted.liveness,
            latency_ms = granted.latency_ms,
            "access granted"
        );
        self.desk.entered(first_person, now);
        self.entered(subject, now);
        self.asked = None;
        self.momentarily(crate::indication::Indication::Granted);
        self.deeds.push(Deed::Picture);
    }

    fn unlock_recorded(&mut self, ordered: Ordered, facts: &Facts, now: &Moment) {
        self.step(Input::Tick, now);
        let proposal = self.propose(Input::Unlock, now);
        if let Some(refusal) = proposal.refused {
            self.withdrawn(ordered.recorded.clone().into_iter(), now);
            let detail = refused_in_words(refusal);
            return self.refuse_order(&ordered, CommandRefusal::DoorRefused, detail, None, now);
        }
        let missing = |event: &Event| {
            matches!(event, Event::DoorReleased { .. }) && !ordered.recorded.contains(event)
        };
        if proposal.events.iter().any(missing) {
            return self.ask_unlock(ordered, facts, now);
        }
        let author = ordered.author.clone();
        let _ = self.step_recorded(Input::Unlock, author, &ordered.recorded, now);
        self.executed(&ordered, None, now);
    }

    fn hold_recorded(&mut self, now: &Moment) {
        let event = Event::DoorReleased {
            cause: ReleaseCause::Mode,
            release_ms: None,
            person: None,
        };
        let recorded = [event];
        let held = self.door.lock();
        let _ = self.step_recorded(Input::HoldRecorded, Author::Door, &recorded, now);
        if held == Lock::Secured && self.door.lock() == Lock::Secured {
            self.withdrawn(recorded.into_iter(), now);
        }
    }

    /// What was asked of the record is not there, and does not happen.
    pub(super) fn given_up(&mut self, mut then: Then, why: Option<Rejection>, now: &Moment) {
        let recorded = then.forget();
        self.withdrawn(recorded.into_iter(), now);
        match then {
            Then::Admit(admission) => {
                let reason = match why {
                    Some(Rejection::Interlock) => DenyReason::Interlock,
                    _ => DenyReason::StorageFailure,
                };
                self.turn_away(*admission, reason, now);
            }
            Then::Unlock(ordered) => self.not_written(*ordered, why, now),
            Then::CarryOut(ordered) => self.not_written(*ordered, why, now),
            Then::Hold => self.step(Input::HoldNotRecorded, now),
        }
        // Whatever the site was told of it.
        self.engaged = None;
    }

    /// Somebody was granted and is not let in.
    fn turn_away(&mut self, admission: Admission, reason: DenyReason, now: &Moment) {
        let granted = admission.granted;
        let person = Some(granted.person.id);
        self.desk.denied(&self.policy, person, reason, now);
        self.deny(granted.denied(reason), now);
    }

    /// The record says that something releases the door, and it does not.
    fn withdrawn(&mut self, events: impl Iterator<Item = Event>, now: &Moment) {
        let mut withdrawn = None;
        for event in events {
            match event {
                Event::DoorReleased { cause, person, .. } => withdrawn = Some((cause, person)),
                Event::AccessGranted(granted) => {
                    withdrawn.get_or_insert((ReleaseCause::Grant, Some(granted.person)));
                }
                Event::CommandExecuted {
                    verb: CommandVerb::Unlock,
                    ..
                } => {
                    withdrawn.get_or_insert((ReleaseCause::Operator, None));
                }
                _ => {}
            }
        }
        if let Some((cause, person)) = withdrawn {
            tracing::warn!(?cause, "a release that is on the record was withdrawn");
            let event = Event::ReleaseWithdrawn { cause, person };
            self.keep(Author::Door, vec![event], now);
        }
    }

    /// Tells the latch what the door wants of it.
    pub(super) fn tell_latch(&mut self, now: Tick) {
        let due = self.timers.get(Timer::Lease).is_none_or(|at| now >= at);
        let until = match self.door.released(now) {
            Released::No => None,
            Released::Until(until) => Some(until),
            Released::Lasting { at_least } => {
                let told = self
                    .released_until
                    .filter(|until| !due && *until >= at_least);
                Some(told.unwrap_or((now + LEASE).max(at_least)))
            }
        };
        let lasting = matches!(self.door.released(now), Released::Lasting { .. });
        if lasting && (due || until != self.released_until) {
            self.timers.set(Timer::Lease, Some(now + RENEW));
        }
        if until != self.released_until {
            // Before everything else that follows.
            self.deeds.insert(
                0,
                match until {
                    Some(until) => Deed::Release { until },
                    None => Deed::Secure,
                },
            );
        }
        if !lasting {
            self.timers.set(Timer::Lease, None);
        }
        self.released_until = until;
    }

    /// A release that lasts ran out because nobody renewed it: the latch has secured the door.
    pub(super) fn lapse(&mut self, now: &Moment) {
        if self.timers.get(Timer::Lease).is_some()
            && self.released_until.is_some_and(|until| now.tick >= until)
        {
            tracing::error!("nobody renewed the release in time: the door was secured");
            self.released_until = None;
            self.timers.set(Timer::Lease, None);
            self.step(Input::Lapsed, now);
        }
    }

    /// What the latch says of the relay.
    pub(super) fn latched(&mut self, latched: Latched, now: &Moment) {
        let (alarm, source) = (Alarm::RelayFault, Source::Latch);
        match latched {
            Latched::Moved(Lock::Secured) => self.conditions.clear(alarm, source, now.tick),
            Latched::Moved(Lock::Released) => {}
            Latched::Failed {
                lock: Lock::Released,
                message,
            } => {
                tracing::error!(message, "the relay does not release");
                self.step(Input::RelayFailed, now);
            }
            Latched::Failed {
                lock: Lock::Secured,
                message,
            } => {
                let detail = format!(
                    "the relay does not secure; it is tried again until it does: {message}"
                );
                self.raise(alarm, source, detail, now);
            }
        }
    }

    /// Tells the other doors when this one is secured and shut again, or stands open.
    pub(super) fn tell_site(&mut self, now: &Moment) {
        let engaged = self.door.is_engaged();
        if !self.settings.site || self.engaged == Some(engaged) {
            return;
        }
        // What is asked for just now may be about to engage it.
        let asked = self
            .record
            .pending()
            .any(|then| !matches!(then, Then::CarryOut(_)));
        if asked || self.record.is_behind() {
            return;
        }
        let mut entry = self.entry(Author::Door, Vec::new(), now);
        entry.site = Some(if engaged {
            SiteNote::EngageAnyway
        } else {
            SiteNote::Free
        });
        self.engaged = Some(engaged);
        self.record.keep(entry, None, now.tick);
    }

    /// Somebody was let in. Where a contact says that the door is shut, they have entered once it is
    /// open.
    fn entered(&mut self, subject: Subject, now: &Moment) {
        if self.door.contact() == Some(Contact::Closed) {
            let id = subject.person.id;
            self.entering.retain(|other| other.person.id != id);
            self.entering.push(subject);
            self.timers.set(Timer::Gone, None);
        } else {
            self.passed(&subject.person, now);
        }
    }

    fn passed_by(&mut self, event: &Event, now: &Moment) {
        match event {
            Event::DoorOpened => {
                for subject in std::mem::take(&mut self.entering) {
                    self.passed(&subject.person, now);
                }
            }
            // They may just be opening it.
            Event::DoorSecured { .. } => self.timers.set(Timer::Gone, Some(now.tick + GRACE)),
            _ => {}
        }
    }

    fn passed(&mut self, person: &PersonRef, now: &Moment) {
        let area = self.policy.settings.area.clone();
        let presence = Presence {
            area: area.clone(),
            door: self.policy.door.clone(),
            at: now.wall,
        };
        let mut entry = self.entry(Author::Door, Vec::new(), now);
        entry.change = Some(Change::Passed {
            person: person.clone(),
            area,
        });
        let id = self.record.keep(entry, None, now.tick);
        self.presences
            .insert(person.id, super::Passed::now(presence, id));
    }
}

fn refused_as(refusal: Refusal) -> DenyReason {
    match refusal {
        Refusal::Interlock => DenyReason::Interlock,
        Refusal::Lockdown => DenyReason::Lockdown,
    }
}

pub(super) fn refused_in_words(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Lockdown => "the door is in lockdown",
        Refusal::Interlock => "another door of the interlock is open or released",
    }
}
