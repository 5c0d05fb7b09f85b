//! The guard: what is decided at the door, as a state machine without I/O, clock or randomness.
//!
//! `handle(input, facts, now) -> deeds`. It never waits: a commit is a deed that is answered later, a
//! release is a deed with its end, and every deadline stands in one table of timers. What it knows of
//! the store comes in as a value ([`Facts`]), and what it does not know freshly enough it denies.
//!
//! The order is the product's promise: what releases the door is on the record before the relay is
//! told; the relay is told to secure before that is recorded; the exit button alone releases first
//! and is recorded after. A commit that comes too late never opens the door.
//!
//! | file | what is in it |
//! |---|---|
//! | `entry` | a transaction as a value |
//! | `facts` | what it is told of the store |
//! | `deed` | what goes in and what comes out |
//! | `record` | what waits for the disk |
//! | `timers` | all deadlines |
//! | `visitors` | claims, PINs, challenges: people are answered |
//! | `passage` | from a grant, a command or a mode to the relay |
//! | `commands` | operators are answered |
//! | `spent` | which commands are remembered, and what the gate asks |
//! | `wall` | how far the wall clock is believed |
//! | `administration` | rules, orders, acknowledgements |
//! | `refusals` | what the broker refuses |
//! | `panel` | what people at the door are shown |

mod administration;
mod commands;
mod deed;
mod entry;
mod facts;
mod panel;
mod passage;
mod record;
mod refusals;
mod spent;
mod throttle;
mod timers;
mod visitors;
mod wall;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use commands::CommandSettings;
pub use deed::{Deed, Input, Latched, Undelivered};
pub use entry::{
    Author, Batch, Change, Done, Entry, EntryId, Fact, ModeOrder, Outcome, Rejection, SiteNote,
};
pub use facts::{FRESH, Facts};
pub use record::Patience;
pub use timers::{Timer, Timers};
pub use wall::Times;

use crate::access::rules::{Presence, Subject};
use crate::access::{Desk, Policy};
use crate::clock::{Moment, Tick, Timestamp};
use crate::command::gate::Spent;
use crate::conditions::{Conditions, Source};
use crate::door::{self, Door};
use crate::event::wire::DoorSummary;
use crate::event::{Alarm, DenyReason, Event, PersonId, PersonRef, Recorded, SecureCause};
use crate::indication::Indication;
use commands::Commands;
use passage::Then;
use record::Record;
use refusals::Refusals;
use wall::Wall;

/// How long a release that lasts stands without being renewed; and how often it is.
pub const LEASE: Duration = Duration::from_secs(3);
const RENEW: Duration = Duration::from_secs(1);
/// How often clock, schedule and interlock are looked at.
pub const ROUND: Duration = Duration::from_millis(250);

/// What happens when the record cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WithoutRecord {
    /// Nobody is let in.
    #[default]
    Deny,
    /// People are let in, and the record is kept in memory until it can be written.
    Grant,
}

/// What the configuration says.
#[derive(Debug, Clone)]
pub struct GuardSettings {
    /// Times and switches of the door.
    pub door: door::Settings,
    /// How long somebody has to blink.
    pub challenge: Duration,
    /// What happens when the record cannot be written.
    pub without_record: WithoutRecord,
    /// How long the record may take.
    pub patience: Patience,
    /// Whether there is a site file.
    pub site: bool,
    /// The doors of which none may be engaged when this one is released.
    pub interlock: Vec<String>,
    /// Whether there are lights.
    pub panel: bool,
    /// The product's version, for the summary.
    pub version: &'static str,
    /// What is needed for commands; none without a broker.
    pub commands: Option<CommandSettings>,
}

/// What the last run left.
#[derive(Debug, Clone, Default)]
pub struct Left {
    /// Alarms that stood.
    pub alarms: Vec<Alarm>,
    /// What was recorded within the policy's memory, and wrong PINs since each person's last right one.
    pub history: Vec<Recorded>,
    /// Commands that are spent.
    pub spent: Vec<(Spent, Option<Timestamp>)>,
    /// What the record says about time.
    pub times: Times,
    /// Whether the relay may have been released when it ended.
    pub released: bool,
    /// When the newest event on the record happened, by whatever clock the door had then.
    pub newest: Option<Timestamp>,
}

impl Left {
    /// The least that it can be now: a power cut puts back a clock that nobody has synchronised since,
    /// and what is on the record happened before the start all the same.
    #[must_use]
    pub fn at_least(newest: Option<Timestamp>, now: &Moment) -> Timestamp {
        match newest {
            Some(newest) if !now.clock_trusted => newest.max(now.wall),
            _ => now.wall,
        }
    }
}

/// Where somebody is by what happened here, which the facts may not know yet.
#[derive(Debug)]
struct Passed {
    presence: Presence,
    entry: EntryId,
    /// When it was on the disk.
    written: Option<Tick>,
}

/// What is decided at one door.
#[derive(Debug)]
pub struct Guard {
    settings: GuardSettings,
    policy: Policy,
    desk: Desk,
    door: Door,
    conditions: Conditions,
    wall: Wall,
    record: Record<Then>,
    timers: Timers,
    deeds: Vec<Deed>,
    /// The facts that were applied last: their revision, and when they were read.
    applied: Option<(i64, Tick)>,
    /// Facts that were read before this do not know what was committed since.
    facts_after: Option<Tick>,
    /// The people of these.
    people: Arc<BTreeMap<PersonId, Subject>>,
    /// The newest revision of the facts, and when it was read first.
    revised: Option<(i64, Tick)>,
    /// The order that governs, as it was read or committed last.
    order: Option<ModeOrder>,
    /// The order that stood at the start, as long as the clock cannot tell whether it is over.
    doubted: Option<ModeOrder>,
    /// When the newest event of the last run happened.
    newest: Option<Timestamp>,
    /// An order that is on the disk and does not govern: it came there too late.
    disowned: Option<Option<ModeOrder>>,
    /// Where people are by what happened here, until the facts know it too.
    presences: BTreeMap<PersonId, Passed>,
    /// What was decided by rules that changed before it was recorded; judged anew, or given up then.
    reconsidered: Vec<(Then, Tick)>,
    /// What the site was told last; unknown when it could not be.
    engaged: Option<bool>,
    /// Those who were granted and have not been seen to pass yet.
    entering: Vec<Subject>,
    /// Until when the relay was told to be released.
    released_until: Option<Tick>,
    /// When each duress that stands was told of, by whose it is.
    forced: BTreeMap<PersonId, Timestamp>,
    /// How many comparisons of digits are under way.
    comparing: u32,
    /// The newest denial that counts as one of many.
    denied_last: Option<(DenyReason, Option<PersonRef>)>,
    /// The summary that was published last, without its time.
    told: Option<DoorSummary>,
    shown: Option<Indication>,
    /// What somebody was asked for, and until when.
    asked: Option<(Indication, Tick)>,
    /// Until when it blinks, so that somebody finds it.
    locating: Option<Tick>,
    /// Whether the door will soon have been open for too long.
    warning: bool,
    offline: bool,
    stopped: bool,
    commands: Option<Commands>,
    refusals: Refusals,
}

impl Guard {
    /// A guard of a secured door, with what the last run left.
    #[must_use]
    pub fn new(settings: GuardSettings, policy: Policy, left: Left, now: &Moment) -> Self {
        let mut conditions = Conditions::default();
        conditions.restore(left.alarms, now.tick);
        let mut desk = Desk::new();
        let wall = Left::at_least(left.newest, now);
        desk.restore(&policy, left.history.iter(), &Moment { wall, ..*now });
        for person in desk.capped(now) {
            conditions.confirm(Alarm::WrongPins, Source::Person(person));
        }
        let mut guard = Self {
            record: Record::new(settings.patience),
            commands: settings
                .commands
                .clone()
                .map(|commands| Commands::new(commands, left.spent)),
            settings,
            policy,
            desk,
            door: Door::default(),
            conditions,
            wall: Wall::new(left.times),
            timers: Timers::default(),
            deeds: Vec::new(),
            applied: None,
            facts_after: None,
            people: Arc::default(),
            revised: None,
            order: None,
            doubted: None,
            newest: left.newest,
            disowned: None,
            presences: BTreeMap::new(),
            reconsidered: Vec::new(),
            engaged: None,
            entering: Vec::new(),
            released_until: None,
            forced: BTreeMap::new(),
            comparing: 0,
            denied_last: None,
            told: None,
            shown: None,
            asked: None,
            locating: None,
            warning: false,
            offline: false,
            stopped: false,
            refusals: Refusals::default(),
        };
        guard.timers.set(Timer::Round, Some(now.tick));
        if left.released {
            let cause = SecureCause::Start;
            guard.keep(Author::Door, vec![Event::DoorSecured { cause }], now);
        }
        guard
    }

    /// Takes one input, and whatever time has brought about until now.
    #[must_use]
    pub fn handle(&mut self, input: Input, facts: &Facts, now: &Moment) -> Vec<Deed> {
        self.lapse(now);
        self.look_at_clock(now);
        self.apply_facts(facts, now);
        self.settle_doubt(now);
        match input {
            Input::Tick => {}
            Input::Recorded(done) => self.recorded(&done, facts, now),
            Input::Latch(latched) => self.latched(latched, now),
            // Nothing new is decided once the service ends.
            _ if self.stopped => {}
            Input::Claim { claim, member } => self.claim(&claim, member.as_ref(), facts, now),
            Input::Challenge { member } => self.challenge(member, now),
            Input::Pin(typed) => self.typed(typed, facts, now),
            Input::Verified(compared) => self.verified(compared, facts, now),
            Input::Contact(contact) => self.step(door::Input::Contact(contact), now),
            Input::Rex { pressed } => self.step(door::Input::Rex { pressed }, now),
            Input::Alarm {
                alarm,
                source,
                detail: Some(detail),
            } => self.raise(alarm, source, detail, now),
            Input::Alarm { alarm, source, .. } => self.conditions.clear(alarm, source, now.tick),
            Input::Online(online) => {
                self.offline = !online;
                self.connected(online, now.tick);
            }
            Input::Command {
                incoming,
                received,
                lost,
            } => self.command(&incoming, received, lost, facts, now),
            Input::Undelivered(undelivered) => self.undelivered(undelivered, now),
            Input::Pictured(trouble) => self.pictured(trouble, now),
            Input::Stop => self.stop(now),
        }
        self.due(facts, now);
        self.settle(now);
        std::mem::take(&mut self.deeds)
    }

    /// When [`Input::Tick`] does something, at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        self.timers.next()
    }

    /// Whether everything that was decided is on the record.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.record.is_empty()
    }

    /// The door, for whoever looks at it.
    #[must_use]
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// The desk, for whoever looks at it.
    #[must_use]
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// The alarms that stand.
    pub fn alarms(&self) -> impl Iterator<Item = Alarm> {
        self.conditions.active()
    }

    /// What comes in is judged by a clock that was looked at.
    fn look_at_clock(&mut self, now: &Moment) {
        match self.wall.look(now).map(str::to_owned) {
            Some(detail) if !self.stopped => {
                let (alarm, source) = (Alarm::Clock, Source::Clock);
                let news = self.conditions.raise(alarm, source, detail);
                let news = news.or_else(|| {
                    let detail = self.wall.take_anew()?;
                    Some(self.conditions.raise_anew(alarm, source, detail))
                });
                if let Some(event) = news {
                    self.wall.told();
                    self.raised(event, now);
                }
            }
            Some(_) => {}
            None => self.conditions.clear(Alarm::Clock, Source::Clock, now.tick),
        }
    }

    /// What time alone brings about.
    fn due(&mut self, facts: &Facts, now: &Moment) {
        self.step(door::Input::Tick, now);
        if self.timers.take_due(Timer::Gone, now.tick) {
            self.entering.clear();
        }
        let answers = self.desk.tick(&self.policy, now);
        self.answer(answers, facts, now);
        let overdue = self.record.overdue(now.tick);
        self.fates(overdue, facts, now);
        self.reconsider(facts, now);
        self.slow(now);
        if self.timers.take_due(Timer::Round, now.tick) && !self.stopped {
            self.timers.set(Timer::Round, Some(now.tick + ROUND));
            self.refusals_due(now);
            self.follow_schedule(now);
        }
        self.desk_alarm(now);
        self.wrong_pins(facts, now);
        for event in self.conditions.tick(now.tick) {
            tracing::info!(kind = event.kind(), ?event, "alarm cleared");
            self.keep(Author::Door, vec![event], now);
        }
    }

    /// Brings relay, site, record and panel to where the door is.
    fn settle(&mut self, now: &Moment) {
        self.tell_latch(now.tick);
        self.tell_site(now);
        self.show_standing(now.tick);
        self.commit(now);
        let timers = &mut self.timers;
        timers.set(Timer::Door, self.door.deadline());
        timers.set(Timer::Desk, self.desk.deadline());
        timers.set(Timer::Conditions, self.conditions.deadline());
        timers.set(Timer::Record, self.record.deadline(now.tick));
        let reconsidered = self.reconsidered.iter().map(|(_, until)| *until);
        timers.set(Timer::Reconsider, reconsidered.min());
        let lights = [self.asked.map(|(_, until)| until), self.locating];
        timers.set(Timer::Lights, lights.into_iter().flatten().min());
    }

    /// What is to be committed, if the disk is free for it.
    fn commit(&mut self, now: &Moment) {
        let summary = self.summary(now);
        let told = &mut self.told;
        let batch = self.record.next_batch(now.tick, now.wall, |thens| {
            let mut summary = summary;
            for then in thens {
                then.foresee(&mut summary);
            }
            let same = told.as_ref().is_some_and(|told| {
                DoorSummary {
                    since: told.since,
                    ..summary.clone()
                } == *told
            });
            if same {
                return None;
            }
            *told = Some(summary.clone());
            Some(summary)
        });
        if let Some(batch) = batch {
            self.deeds.push(Deed::Commit(batch));
        }
        let lost = self.record.take_lost();
        if lost > 0 {
            tracing::error!(
                lost,
                "too many events wait for the disk: the oldest are lost"
            );
        }
    }

    /// Something happened, whether it can be recorded now or not.
    fn keep(&mut self, author: Author, events: Vec<Event>, now: &Moment) {
        if !events.is_empty() {
            let entry = self.entry(author, events, now);
            self.record.keep(entry, None, now.tick);
        }
    }

    fn entry(&self, author: Author, events: Vec<Event>, now: &Moment) -> Entry {
        let mut entry = Entry::new(author, now.wall);
        entry.facts = events
            .into_iter()
            .map(|event| Fact {
                at: now.wall,
                clock_synced: now.clock_trusted,
                event,
            })
            .collect();
        entry
    }

    fn raise(&mut self, alarm: Alarm, source: Source, detail: String, now: &Moment) {
        if let Some(event) = self.conditions.raise(alarm, source, detail) {
            self.raised(event, now);
        }
    }

    /// Of somebody: for each of them by itself.
    fn raise_for(
        &mut self,
        alarm: Alarm,
        person: &PersonRef,
        over: Option<Tick>,
        detail: String,
        now: &Moment,
    ) {
        if let Some(event) = self.conditions.raise_for(alarm, person, over, detail) {
            self.raised(event, now);
        }
    }

    fn raised(&mut self, event: Event, now: &Moment) {
        if let Event::AlarmRaised {
            alarm,
            detail,
            person,
            ..
        } = &event
            && !alarm.is_silent()
        {
            let alarm = alarm.as_str();
            match person {
                // The text has their name, which is no business of the log.
                Some(person) => tracing::warn!(alarm, person = %person.id, "alarm raised"),
                None => tracing::warn!(alarm, detail, "alarm raised"),
            }
        }
        self.keep(Author::Door, vec![event], now);
    }

    fn summary(&self, now: &Moment) -> DoorSummary {
        DoorSummary {
            lock: self.door.lock(),
            contact: self.door.contact(),
            mode: self.door.mode(),
            alarms: self.conditions.active().collect(),
            version: self.settings.version,
            since: now.wall,
        }
    }

    /// The end: secured at once, recorded as far as the disk lets it.
    fn stop(&mut self, now: &Moment) {
        self.step(door::Input::Stop, now);
        let given_up = self.record.give_up_all();
        self.stopped = true;
        self.fates(given_up, &Facts::default(), now);
        let finished = self.conditions.finish();
        self.keep(Author::Door, finished, now);
        self.last_refusals(now);
        self.timers.set(Timer::Round, None);
    }
}
