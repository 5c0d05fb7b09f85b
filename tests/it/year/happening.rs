//! What can happen in the year, and what is seen of it: the words that the world, the code under
//! test and the naive model share. No behaviour.

use std::collections::BTreeMap;

use doorward::access::rules::{Rules, Subject};
use doorward::config::AccessConfig;
use doorward::door::{Refusal, Settings};
use doorward::event::{
    Alarm, Challenge, Contact, DenyReason, Mode, ModeSource, ReleaseCause, SecureCause,
};
use jiff::tz::TimeZone;

/// Access events that are kept and given back after a power cut.
pub const HISTORY: usize = 400;
/// The door's name.
pub const DOOR: &str = "front";

/// A time: milliseconds since the epoch by the wall, and since the start of the process.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    pub wall: i64,
    pub tick: i64,
    pub trusted: bool,
}

/// Somebody, with the digits that the hashes are of.
#[derive(Debug, Clone)]
pub struct Person {
    pub subject: Subject,
    pub pin: Option<&'static str>,
    pub duress: Option<&'static str>,
    pub enrolled: bool,
}

/// The rules and the people, as administration has made them by now.
#[derive(Debug, Clone)]
pub struct Site {
    pub zone: TimeZone,
    pub rules: Rules,
    pub people: Vec<Person>,
    pub access: AccessConfig,
    pub door: Settings,
}

/// One input.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    Claim(usize),
    Typed(&'static str),
    /// The face alone decided.
    FaceDenied(Option<usize>, DenyReason),
    Contact(Contact),
    Rex(bool),
    Unlock,
    Lock,
    Operator(Option<(Mode, Option<i64>)>),
    Interlock(bool),
    RelayFailed,
    /// Whether events can be committed.
    Disk(bool),
    Stop,
    /// The service starts with nothing but what is on the disk and on the wires.
    Started {
        operator: Option<(Mode, Option<i64>)>,
        contact: Option<Contact>,
        rex: bool,
        blocked: bool,
    },
    ClockError(i64),
    Trusted(bool),
    /// Administration changed somebody.
    Changed(usize, &'static str),
    /// They left by another door.
    Left(usize),
    Tick,
}

impl Happening {
    pub fn kind(&self) -> &'static str {
        match self {
            Happening::Claim(_) => "claim",
            Happening::Typed(_) => "typed",
            Happening::FaceDenied(..) => "face denied",
            Happening::Contact(_) => "contact",
            Happening::Rex(_) => "exit button",
            Happening::Unlock => "unlock",
            Happening::Lock => "lock",
            Happening::Operator(_) => "operator's mode",
            Happening::Interlock(_) => "interlock",
            Happening::RelayFailed => "relay failed",
            Happening::Disk(_) => "disk",
            Happening::Stop => "stop",
            Happening::Started { .. } => "started",
            Happening::ClockError(_) => "clock stepped",
            Happening::Trusted(_) => "clock trust",
            Happening::Changed(..) => "person changed",
            Happening::Left(_) => "left elsewhere",
            Happening::Tick => "tick",
        }
    }
}

/// What somebody was answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Granted {
        who: usize,
        rule: String,
        pin: bool,
        duress: bool,
        first: bool,
    },
    Denied {
        who: usize,
        reason: DenyReason,
        rule: String,
        pin: bool,
        duress: bool,
    },
    Asked {
        who: usize,
        challenge: Challenge,
        ms: i64,
        duress: bool,
    },
}

/// What was to be done about the door, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    Released {
        cause: ReleaseCause,
        ms: Option<i64>,
        who: Option<usize>,
        must_record: bool,
    },
    Secured(SecureCause),
    Opened,
    Closed(Option<i64>),
    Rex,
    Mode(Mode, ModeSource, Option<i64>),
    Raised(Alarm),
    Cleared(Alarm),
    PreAlarm(bool),
    Refused(Refusal),
}

/// Everything that is compared after an input.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub outcomes: Vec<Outcome>,
    pub deeds: Vec<Deed>,
    pub released: bool,
    pub mode: Mode,
    pub source: ModeSource,
    pub contact: Option<Contact>,
    pub engaged: bool,
    pub unlock_hours: bool,
    pub repeated_denials: bool,
    /// Milliseconds that the person of the input is still locked out.
    pub locked_out: Option<i64>,
    pub desk_due: Option<i64>,
    pub door_due: Option<i64>,
}

/// How often what was seen.
pub type Counts = BTreeMap<String, u64>;
