//! The naive model: decides by brute force, from plain lists of what has happened. It follows the
//! documentation of `doorward_core::guard`, `access` and `door`; nothing of them but their plain values is
//! used.
//!
//! | file | what is in it |
//! |---|---|
//! | `desk`, `keypad`, `rules`, `calendar`, `memory` | who may enter |
//! | `door` | what is released, the leaf, the button, the mode |
//! | `facts` | what was read, and how old it is |
//! | `paper`, `papers`, `disk` | what waits for the record, and what is on it |
//! | `visitors`, `passage` | from an answer to the relay |
//! | `relay` | the latch, and leases |
//! | `orders` | operators are answered |
//! | `alarms`, `clock`, `time` | what stands, how far the clock is believed, and what time brings about |
//! | `running`, `shown` | what a process knows, and what is seen of it |

mod alarms;
pub mod calendar;
mod clock;
mod desk;
mod disk;
mod door;
mod facts;
mod keypad;
mod memory;
mod orders;
mod paper;
mod papers;
mod passage;
mod relay;
mod rules;
mod running;
mod shown;
mod time;
mod visitors;

use doorward_core::conditions::Source;
use doorward_core::event::wire::Lock;
use doorward_core::event::{Alarm, Contact, DenyReason, SecureCause};
use doorward_core::guard::Latched;

use super::happening::{Disk, Happening, Letter, Now, Outcome, Said, Seen, Site};
use super::real::person_id;
use alarms::Alarms;
use calendar::Calendar;
use clock::ClockLook;
use disk::OnDisk;
use door::Knock;
use memory::Noted;
use orders::Orders;
use paper::Paper;
use papers::{Fate, News};
use running::Running;

/// A rule that cannot be told, because what decides lies beyond the calendar.
pub const ANY_RULE: &str = "?";

fn ms(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

/// Somebody, as they hold an alarm.
fn of(who: usize) -> Source {
    Source::Person(person_id(who))
}

/// What the guard is told in one call.
enum Call {
    Nothing,
    Claim(usize),
    FaceDenied(Option<usize>, DenyReason),
    /// Digits, and when the first of them was pressed.
    Typed(&'static str, i64),
    Compared(Outcome),
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

pub struct Naive {
    pub calendar: Calendar,
    disk: OnDisk,
    disk_does: Disk,
    running: Running,
    /// Until when the latch keeps the relay released.
    relay: Option<i64>,
    moves: Vec<(i64, bool)>,
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
        match *happening {
            Happening::Claim(who) => self.tell(site, Call::Claim(who), now),
            Happening::FaceDenied(who, reason) => {
                self.tell(site, Call::FaceDenied(who, reason), now);
            }
            Happening::Typed(digits, takes) => {
                self.tell(site, Call::Typed(digits, now.tick - takes), now);
            }
            Happening::Compared(outcome) => self.tell(site, Call::Compared(outcome), now),
            Happening::Contact(reading) => self.tell(site, Call::Contact(reading), now),
            Happening::Rex(pressed) => self.tell(site, Call::Rex(pressed), now),
            Happening::Plain(word) => self.tell(site, Call::Plain(word), now),
            Happening::Command(letter) => self.tell(site, Call::Command(letter), now),
            Happening::RelayFailed | Happening::RelayStuck(true) => {
                let lock = match happening {
                    Happening::RelayFailed => Lock::Released,
                    _ => Lock::Secured,
                };
                let message = "no".to_owned();
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
                ..
            } => self.start(site, contact, rex, landed, now),
            _ => self.tell(site, Call::Nothing, now),
        }
        self.seen(site, person, now)
    }

    /// What others do to the store, the disk and the wires; and whom the input is about.
    fn others_do(&mut self, site: &Site, happening: &Happening, now: Now) -> Option<usize> {
        match *happening {
            Happening::Changed(who, what) => {
                self.disk.revision += 1;
                self.disk.happened(now.wall, now.trusted);
                if what.starts_with("PIN") {
                    self.disk.remember(now.wall, Noted::NewPin(who));
                }
                return Some(who);
            }
            Happening::Role(_) => {
                self.disk.revision += 1;
                self.disk.happened(now.wall, now.trusted);
            }
            Happening::Order(order) => {
                self.disk.happened(now.wall, now.trusted);
                self.disk.set_order(order);
            }
            Happening::Noted(alarm) => self.disk.note(alarm, now.wall, now.trusted),
            Happening::Interlock(engaged) => self.disk.other_engaged = engaged,
            Happening::Left(who) => {
                self.disk.left(site, who);
                return Some(who);
            }
            Happening::Disk(disk) => self.disk_does = disk,
            Happening::Started { restored: true, .. } => {
                self.disk.restored(now.wall, now.trusted);
            }
            Happening::Claim(who) => return Some(who),
            Happening::Compared(outcome) => return outcome.own.map(|(who, _)| who),
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
        self.running.newest = self.disk.newest;
        self.running.clock = ClockLook::after(&self.disk, now);
        self.running.desk.remember(site, &self.disk, now);
        for who in self.running.desk.capped(site, now.tick) {
            self.running.alarms.known(Alarm::WrongPins, of(who));
        }
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
        self.look_at_clock(now);
        self.take_over(site, now);
        if now.trusted && self.running.doubted.is_some() && !self.running.stopped {
            self.govern(site, self.running.doubted, now);
        }
        match call {
            Call::Nothing => {}
            Call::Back(away, fates, failed) => self.back(site, away, &fates, failed, now),
            Call::Latch(latched) => self.latched(site, latched, now),
            _ if self.running.stopped => {}
            Call::Claim(who) => self.claim(site, who, now),
            Call::FaceDenied(who, reason) => self.face_denied(site, who, reason, now),
            Call::Typed(digits, began) => self.typed(site, digits, began, now),
            Call::Compared(outcome) => self.compared(site, outcome, now),
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

    fn raise(&mut self, alarm: Alarm, source: Source, until: Option<i64>, now: Now) {
        if self.running.alarms.raise(alarm, source, until) {
            self.say(vec![Said::Raised(alarm, None)], None, now);
        }
    }

    /// The same of somebody, until then unless it is raised again.
    fn raise_of(&mut self, alarm: Alarm, who: usize, until: Option<i64>, now: Now) {
        if self.running.alarms.raise(alarm, of(who), until) {
            self.say(vec![Said::Raised(alarm, Some(who))], None, now);
        }
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

    fn learn(&mut self, site: &Site, news: Vec<News>, now: Now) {
        for one in news {
            self.learn_one(site, one, now);
        }
    }
}
