//! The naive model: decides by brute force, from plain lists of what has happened. It follows the
//! documentation of `doorward_core::guard`, `access` and `door`; nothing of them but their plain values is
//! used.
//!
//! | file | what is in it |
//! |---|---|
//! | `desk`, `rules`, `calendar`, `memory` | who may enter |
//! | `door` | the relay, the leaf, the button, the mode |
//! | `papers`, `disk` | what waits for the record, and what is on it |
//! | `passage` | from an answer to the relay |
//! | `orders` | operators are answered |
//! | `alarms` | what stands |

mod alarms;
pub mod calendar;
mod desk;
mod disk;
mod door;
mod memory;
mod orders;
mod papers;
mod passage;
mod rules;

use std::collections::BTreeMap;

use doorward_core::access::pin::Pin;
use doorward_core::conditions::Source;
use doorward_core::event::wire::Lock;
use doorward_core::event::{Alarm, Contact, SecureCause};
use doorward_core::guard::{FRESH, LEASE, Latched, ROUND, WithoutRecord};

use super::happening::{Disk, Happening, Letter, Now, Said, Seen, Site, Summary};
use alarms::{Alarms, ClockLook};
use calendar::Calendar;
use desk::Desk;
use disk::{Known, OnDisk};
use door::{Knock, NaiveDoor};
use orders::Orders;
use papers::{Fate, News, Note, Paper, Papers, Then};

/// A rule that cannot be told, because what decides lies beyond the calendar.
pub const ANY_RULE: &str = "?";

/// How soon a lease is renewed.
const RENEW: i64 = 1_000;

fn ms(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

/// What the guard is told in one call.
enum Call {
    Nothing,
    Claim(usize),
    FaceDenied(Option<usize>, doorward_core::event::DenyReason),
    Typed(&'static str),
    Compared(usize, Pin),
    Contact(Contact),
    Rex(bool),
    Latch(Latched),
    NearlyFull(bool),
    Plain(&'static str),
    Command(Letter),
    Connected,
    Back(papers::Away, Vec<Fate>, bool),
    Stop,
}

/// Somebody passed here, which what was read may not say yet.
struct Passed {
    at: i64,
    paper: u64,
    written: Option<i64>,
}

pub struct Naive {
    pub calendar: Calendar,
    disk: OnDisk,
    disk_does: Disk,
    running: Running,
    /// Until when the latch keeps the relay released.
    relay: Option<i64>,
    moves: Vec<(i64, bool)>,
}

/// Everything that is gone with the process.
struct Running {
    door: NaiveDoor,
    desk: Desk,
    alarms: Alarms,
    orders: Orders,
    papers: Papers,
    known: Known,
    /// Revision and time of what was taken over last.
    applied: Option<(i64, i64)>,
    facts_after: Option<i64>,
    passed: BTreeMap<usize, Passed>,
    entering: Vec<usize>,
    gone_at: Option<i64>,
    again: Vec<(Then, i64)>,
    /// The order that governs, and one that is not to.
    order: Option<(doorward_core::event::Mode, Option<i64>)>,
    disowned: Option<Option<(doorward_core::event::Mode, Option<i64>)>>,
    duress_at: Option<i64>,
    clock: ClockLook,
    round_at: Option<i64>,
    told: Option<Summary>,
    engaged_told: Option<bool>,
    /// Until when the relay was told to be released; and when that was, if it has to be renewed.
    until: Option<i64>,
    renewed: Option<i64>,
    stopped: bool,
    compare: Option<(usize, Pin)>,
    read: bool,
}

impl Running {
    fn new(site: &Site) -> Running {
        Running {
            door: NaiveDoor::default(),
            desk: Desk::new(site.people.len()),
            alarms: Alarms::default(),
            orders: Orders::default(),
            papers: Papers::default(),
            known: Known::default(),
            applied: None,
            facts_after: None,
            passed: BTreeMap::new(),
            entering: Vec::new(),
            gone_at: None,
            again: Vec::new(),
            order: None,
            disowned: None,
            duress_at: None,
            clock: ClockLook::default(),
            round_at: None,
            told: None,
            engaged_told: None,
            until: None,
            renewed: None,
            stopped: false,
            compare: None,
            read: false,
        }
    }
}

impl Naive {
    pub fn new(site: &Site, calendar: Calendar) -> Naive {
        Naive {
            calendar,
            disk: OnDisk {
                inside: vec![None; site.people.len()],
                ..OnDisk::default()
            },
            disk_does: Disk::Works,
            running: Running::new(site),
            relay: None,
            moves: Vec::new(),
        }
    }

    pub fn apply(&mut self, site: &Site, happening: &Happening, now: Now) -> Seen {
        self.moves.clear();
        (self.running.compare, self.running.read) = (None, false);
        if let Some(until) = self.relay.filter(|until| *until <= now.tick) {
            self.relay_secured(until);
        }
        let person = self.others_do(site, happening, now);
        if now.read {
            self.disk.read(site, &mut self.running.known, now.tick);
        }
        let message = || "no".to_owned();
        match *happening {
            Happening::Claim(who) => self.tell(site, Call::Claim(who), now),
            Happening::FaceDenied(who, reason) => {
                self.tell(site, Call::FaceDenied(who, reason), now);
            }
            Happening::Typed(digits) => self.tell(site, Call::Typed(digits), now),
            Happening::Compared(who, pin) => self.tell(site, Call::Compared(who, pin), now),
            Happening::Contact(reading) => self.tell(site, Call::Contact(reading), now),
            Happening::Rex(pressed) => self.tell(site, Call::Rex(pressed), now),
            Happening::Plain(word) => self.tell(site, Call::Plain(word), now),
            Happening::Command(letter) => self.tell(site, Call::Command(letter), now),
            Happening::RelayFailed | Happening::RelayStuck(true) => {
                let lock = match happening {
                    Happening::RelayFailed => Lock::Released,
                    _ => Lock::Secured,
                };
                let message = message();
                self.tell(site, Call::Latch(Latched::Failed { lock, message }), now);
            }
            Happening::RelayStuck(false) => {
                self.tell(site, Call::Latch(Latched::Moved(Lock::Secured)), now);
            }
            Happening::NearlyFull(full) => self.tell(site, Call::NearlyFull(full), now),
            Happening::Stop => self.tell(site, Call::Stop, now),
            Happening::Killed => {
                self.running.stopped = true;
                self.drop_relay(now);
            }
            Happening::Started {
                contact,
                rex,
                landed,
            } => self.start(site, contact, rex, landed, now),
            _ => self.tell(site, Call::Nothing, now),
        }
        self.seen(site, person, now)
    }

    /// What others do to the store, the disk and the wires; and whom the input is about.
    fn others_do(&mut self, site: &Site, happening: &Happening, now: Now) -> Option<usize> {
        match *happening {
            Happening::Changed(who, _) => {
                self.disk.revision += 1;
                return Some(who);
            }
            Happening::Role(_) => self.disk.revision += 1,
            Happening::Order(order) => self.disk.set_order(order),
            Happening::Noted(alarm) => self.disk.note(alarm, now.wall),
            Happening::Interlock(engaged) => self.disk.other_engaged = engaged,
            Happening::Left(who) => {
                self.disk.left(site, who);
                return Some(who);
            }
            Happening::Disk(disk) => self.disk_does = disk,
            Happening::Claim(who) | Happening::Compared(who, _) => return Some(who),
            Happening::FaceDenied(who, _) => return who,
            _ => {}
        }
        None
    }

    fn start(&mut self, site: &Site, contact: Option<Contact>, rex: bool, landed: bool, now: Now) {
        if let Some(away) = self.running.papers.away.take().filter(|_| landed) {
            let _ = self.disk.write(site, &away, true);
        }
        self.drop_relay(now);
        let known = std::mem::take(&mut self.running.known);
        self.running = Running::new(site);
        self.running.known = known;
        self.running.alarms = Alarms::of_the_last_run(self.disk.raised.iter().copied(), now.tick);
        self.running.orders = Orders::after(&self.disk.spent);
        self.running.round_at = Some(now.tick);
        let record = self.disk.record.clone();
        self.running.desk.remember(site, &record, now);
        if self.disk.ended_released {
            self.say(vec![Said::Secured(SecureCause::Start)], None, now);
        }
        self.tell(site, Call::Connected, now);
        if let Some(reading) = contact {
            self.tell(site, Call::Contact(reading), now);
        }
        if rex {
            self.tell(site, Call::Rex(true), now);
        }
    }

    /// One call of the guard, and the disk's answers to what comes of it.
    fn tell(&mut self, site: &Site, call: Call, now: Now) {
        let mut next = Some(call);
        while let Some(call) = next.take() {
            self.call(site, call, now);
            if self.disk_does != Disk::Hangs
                && let Some(away) = self.running.papers.away.take()
            {
                let works = self.disk_does == Disk::Works;
                let (fates, failed) = self.disk.write(site, &away, works);
                next = Some(Call::Back(away, fates, failed));
            }
        }
    }

    fn call(&mut self, site: &Site, call: Call, now: Now) {
        self.lapse(site, now);
        self.take_over(site, now);
        match call {
            Call::Nothing => {}
            Call::Back(away, fates, failed) => self.back(site, away, &fates, failed, now),
            Call::Latch(latched) => self.latched(site, latched, now),
            _ if self.running.stopped => {}
            Call::Claim(who) => self.claim(site, who, now),
            Call::FaceDenied(who, reason) => self.face_denied(site, who, reason, now),
            Call::Typed(digits) => self.typed(site, digits, now),
            Call::Compared(who, pin) => self.compared(site, who, pin, now),
            Call::Contact(reading) => self.knock(site, Knock::Contact(reading), now),
            Call::Rex(pressed) => self.knock(site, Knock::Rex(pressed), now),
            Call::NearlyFull(true) => {
                self.raise(Alarm::Storage, Source::Caretaker, None, now);
            }
            Call::NearlyFull(false) => {
                let alarms = &mut self.running.alarms;
                alarms.clear(Alarm::Storage, Source::Caretaker, now.tick);
            }
            Call::Plain(word) => self.plain(site, word, now),
            Call::Command(letter) => self.signed(site, letter, now),
            Call::Connected => self.running.orders.connected = Some(now.tick),
            Call::Stop => self.stop(site, now),
        }
        self.time_passes(site, now);
        self.tell_latch(now);
        self.tell_others(site, now);
        self.send(now);
    }

    /// A lease that nobody renewed is over, and the latch has secured the door.
    fn lapse(&mut self, site: &Site, now: Now) {
        let run = &mut self.running;
        if run.renewed.is_some() && run.until.is_some_and(|until| until <= now.tick) {
            (run.until, run.renewed) = (None, None);
            self.knock(site, Knock::Lapsed, now);
        }
    }

    /// What was read, where that is news.
    fn take_over(&mut self, site: &Site, now: Now) {
        let run = &mut self.running;
        let Some(at) = run.known.at else { return };
        let news = (run.known.revision, at);
        if run.stopped || run.applied.is_some_and(|last| last == news || last.1 > at) {
            return;
        }
        let known_since = run.known.since.unwrap_or(at);
        run.passed
            .retain(|_, passed| passed.written.is_none_or(|at| at >= known_since));
        if !self.reading_is_new() {
            return;
        }
        let run = &mut self.running;
        let revision = run.applied.map(|last| last.0);
        run.applied = Some(news);
        if revision != Some(news.0) {
            if run.disowned.is_some_and(|order| order != run.known.order) {
                run.disowned = None;
            }
            let order = match run.disowned {
                Some(_) => run.order,
                None => run.known.order,
            };
            self.govern(site, order, now);
            for (alarm, noted) in self.running.known.noted.clone() {
                if self.running.duress_at.is_none_or(|raised| noted >= raised) {
                    self.noted(alarm, now);
                }
            }
            self.follow_schedule(site, now);
        }
        if site.interlock {
            let blocked = self.running.known.blocked;
            self.knock(site, Knock::Interlock(blocked), now);
        }
    }

    /// Whether what was read knows everything that was written here.
    fn reading_is_new(&self) -> bool {
        let after = self.running.facts_after;
        let at = self.running.known.at;
        at.is_some_and(|at| after.is_none_or(|after| at > after))
    }

    fn fresh(&self, now: Now) -> bool {
        let at = self.running.known.at;
        at.is_some_and(|at| now.tick - at <= ms(FRESH))
    }

    /// Whether people may be let in by what was read.
    fn knows(&self, site: &Site, now: Now) -> bool {
        let anyhow = site.without_record == WithoutRecord::Grant;
        self.fresh(now) || (anyhow && self.running.known.at.is_some())
    }

    fn govern(
        &mut self,
        site: &Site,
        order: Option<(doorward_core::event::Mode, Option<i64>)>,
        now: Now,
    ) {
        let order = order.filter(|(_, until)| until.is_none_or(|until| until > now.wall));
        self.running.order = order;
        let choice = order.map(|(mode, until)| (mode, until.map(|until| until - now.wall), until));
        self.knock(site, Knock::Operator(choice), now);
    }

    fn noted(&mut self, alarm: Alarm, now: Now) {
        if self.running.alarms.noted(alarm) {
            self.say(vec![Said::Cleared(alarm)], None, now);
        }
    }

    fn follow_schedule(&mut self, site: &Site, now: Now) {
        let unlocked = self.unlock_hours(site, now);
        self.knock(site, Knock::Schedule(unlocked), now);
    }

    fn raise(&mut self, alarm: Alarm, source: Source, until: Option<i64>, now: Now) {
        if self.running.alarms.raise(alarm, source, until) {
            self.say(vec![Said::Raised(alarm)], None, now);
        }
    }

    fn latched(&mut self, site: &Site, latched: Latched, now: Now) {
        match latched {
            Latched::Failed {
                lock: Lock::Released,
                ..
            } => self.knock(site, Knock::RelayFailed, now),
            Latched::Failed { .. } => self.raise(Alarm::RelayFault, Source::Latch, None, now),
            Latched::Moved(Lock::Secured) => {
                let alarms = &mut self.running.alarms;
                alarms.clear(Alarm::RelayFault, Source::Latch, now.tick);
            }
            Latched::Moved(Lock::Released) => {}
        }
    }

    fn time_passes(&mut self, site: &Site, now: Now) {
        self.knock(site, Knock::Tick, now);
        if self.running.gone_at.is_some_and(|at| at <= now.tick) {
            self.running.gone_at = None;
            self.running.entering.clear();
        }
        let answers = self.running.desk.over(site, now);
        self.answered(site, answers, now);
        let since = now.tick - site.give_up;
        let over = self.running.papers.give_up(|paper| paper.since <= since);
        self.learn(site, over, now);
        self.decide_again(site, now);
        let slow = self.running.papers.away_since();
        if slow.is_some_and(|since| now.tick - since >= site.slow) {
            if !self.running.alarms.held(Alarm::Storage, Source::Disk) {
                self.raise(Alarm::Storage, Source::Disk, None, now);
            }
        } else {
            let alarms = &mut self.running.alarms;
            alarms.clear(Alarm::Storage, Source::Disk, now.tick);
        }
        if self.running.round_at.is_some_and(|at| at <= now.tick) {
            self.running.round_at = None;
            if !self.running.stopped {
                self.running.round_at = Some(now.tick + ms(ROUND));
                if self.running.clock.wrong(now) {
                    self.raise(Alarm::Clock, Source::Clock, None, now);
                } else {
                    let alarms = &mut self.running.alarms;
                    alarms.clear(Alarm::Clock, Source::Clock, now.tick);
                }
                self.follow_schedule(site, now);
            }
        }
        if self.running.desk.many_denials(now.tick) {
            self.raise(Alarm::RepeatedDenied, Source::Visitor, None, now);
        } else {
            let alarms = &mut self.running.alarms;
            alarms.clear(Alarm::RepeatedDenied, Source::Visitor, now.tick);
        }
        for alarm in self.running.alarms.over(now.tick) {
            self.say(vec![Said::Cleared(alarm)], None, now);
        }
    }

    fn stop(&mut self, site: &Site, now: Now) {
        self.knock(site, Knock::Stop, now);
        let given_up = self.running.papers.give_up(|_| true);
        self.running.stopped = true;
        self.learn(site, given_up, now);
        let over = self.running.alarms.finish();
        let over: Vec<Said> = over.into_iter().map(Said::Cleared).collect();
        if !over.is_empty() {
            self.say(over, None, now);
        }
        self.running.round_at = None;
    }

    fn tell_latch(&mut self, now: Now) {
        let run = &mut self.running;
        let wants = run.door.wants_released(now.tick);
        let recent = run.renewed.is_some_and(|at| now.tick - at < RENEW);
        let until = wants.map(|(lasting, at_least)| {
            let stands = run.until.filter(|until| *until >= at_least);
            match stands {
                _ if !lasting => at_least,
                Some(until) if recent => until,
                _ => at_least.max(now.tick + ms(LEASE)),
            }
        });
        if !wants.is_some_and(|(lasting, _)| lasting) {
            run.renewed = None;
        } else if until != run.until || !recent {
            run.renewed = Some(now.tick);
        }
        let changed = until != run.until;
        run.until = until;
        if !changed {
            return;
        }
        match until {
            Some(until) => {
                if self.relay.replace(until).is_none() {
                    self.moves.push((now.tick, true));
                }
            }
            None => self.drop_relay(now),
        }
    }

    fn drop_relay(&mut self, now: Now) {
        if self.relay.is_some() {
            self.relay_secured(now.tick);
        }
    }

    fn relay_secured(&mut self, at: i64) {
        self.relay = None;
        self.moves.push((at, false));
    }

    fn tell_others(&mut self, site: &Site, now: Now) {
        let run = &self.running;
        let engaged = run.door.engaged();
        if !site.shared
            || run.engaged_told == Some(engaged)
            || run.papers.release_asked()
            || run.papers.behind()
        {
            return;
        }
        self.running.engaged_told = Some(engaged);
        let mut paper = self.paper(Vec::new(), None, now);
        paper.note = Some(if engaged { Note::Engaged } else { Note::Free });
        self.running.papers.keep(paper);
    }

    fn send(&mut self, now: Now) {
        let Running {
            papers,
            door,
            alarms,
            told,
            ..
        } = &mut self.running;
        papers.send(now.tick, now.wall, |released| {
            let standing = alarms.standing().collect();
            let summary = (door.released || released, door.contact, door.mode, standing);
            if told.as_ref() == Some(&summary) {
                return None;
            }
            *told = Some(summary.clone());
            Some(summary)
        });
    }

    /// A paper that says this.
    fn paper(&self, says: Vec<Said>, by: Option<String>, now: Now) -> Paper {
        Paper {
            number: 0,
            by,
            at: now.wall,
            trusted: now.trusted,
            since: now.tick,
            says,
            then: None,
            needed: false,
            dead: false,
            base: None,
            note: None,
            change: None,
            spent: None,
        }
    }

    /// Something happened.
    fn say(&mut self, says: Vec<Said>, by: Option<String>, now: Now) {
        let paper = self.paper(says, by, now);
        self.running.papers.keep(paper);
    }

    fn seen(&mut self, site: &Site, person: Option<usize>, now: Now) -> Seen {
        let run = &self.running;
        Seen {
            lines: std::mem::take(&mut self.disk.lines),
            answers: std::mem::take(&mut self.disk.answers),
            summary: self.disk.summary.clone(),
            order: self.disk.order,
            spent: self.disk.spent.len(),
            settled: run.papers.settled(),
            inside: person.map(|who| self.disk.inside[who]),
            engaged_told: self.disk.engaged,
            moves: std::mem::take(&mut self.moves),
            until: self.relay,
            compare: run.compare,
            awaited: run.desk.awaited(),
            read: run.read,
            mode: run.door.mode,
            source: run.door.source,
            contact: run.door.contact,
            engaged: run.door.engaged(),
            alarms: run.alarms.standing().collect(),
            repeated_denials: run.desk.many_denials(now.tick),
            locked_out: person.and_then(|who| run.desk.locked_out(site, who, now.tick)),
            first_entered: run.desk.first_entered,
            desk_due: run.desk.due(),
            door_due: run.door.due(&site.door),
        }
    }

    /// When somebody should look next.
    pub fn due(&self, site: &Site, now: Now) -> Option<i64> {
        let run = &self.running;
        let again = run.again.iter().map(|(_, until)| *until).min();
        [
            run.papers.due(site.give_up, site.slow, now.tick),
            run.alarms.due(),
            run.desk.due(),
            run.door.due(&site.door),
            run.gone_at,
            again,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Until when the relay is released unless somebody renews that.
    pub fn lease(&self) -> Option<i64> {
        let run = &self.running;
        run.until.filter(|_| run.renewed.is_some())
    }

    /// Whether it has not been told to stop, and is not gone.
    pub fn is_running(&self) -> bool {
        !self.running.stopped
    }

    /// Somebody as the guard knows them.
    pub fn known(&self, who: usize) -> Option<&crate::happening::Person> {
        self.running.known.people.get(who)
    }

    fn learn(&mut self, site: &Site, news: Vec<News>, now: Now) {
        for one in news {
            self.learn_one(site, one, now);
        }
    }
}
