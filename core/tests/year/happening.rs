//! What can happen in the year, and what is seen of it: the words that the world, the code under
//! test and the naive model share. No behaviour.

use std::collections::{BTreeMap, BTreeSet};

use doorward_core::access::AccessConfig;
use doorward_core::access::pin::Pin;
use doorward_core::access::rules::{Rules, Subject};
use doorward_core::door::Settings;
use doorward_core::event::{
    Alarm, Challenge, CommandRefusal, CommandVerb, Contact, DenyReason, Mode, ModeSource,
    ReleaseCause, Role, SecureCause,
};
use doorward_core::guard::WithoutRecord;
use jiff::tz::TimeZone;

/// Access events that are kept and given back after a start.
pub const HISTORY: usize = 400;
/// The door's name, and that of the other door.
pub const DOOR: &str = "front";
pub const OTHER: &str = "back";
/// Operators, by their numbers; and the client that sends plain words.
pub const OPERATORS: [&str; 3] = ["ada", "otto", "vera"];
pub const CLIENT: &str = "home";
/// Commands of one operator that are carried out in a minute.
pub const PER_MINUTE: u32 = 6;

/// A time: milliseconds since the epoch by the wall, and since the start of the process.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    pub wall: i64,
    pub tick: i64,
    pub trusted: bool,
    /// Whether the store was read just before.
    pub read: bool,
}

/// Somebody, with the digits that the hashes are of.
#[derive(Debug, Clone)]
pub struct Person {
    pub subject: Subject,
    pub pin: Option<&'static str>,
    pub duress: Option<&'static str>,
    /// Counts the PINs that they were given.
    pub pins: u32,
    pub enrolled: bool,
}

/// The rules and the people, as administration has made them by now.
#[derive(Debug, Clone)]
pub struct Site {
    pub zone: TimeZone,
    pub rules: Rules,
    pub people: Vec<Person>,
    /// What each of [`OPERATORS`] may do.
    pub roles: [Option<Role>; OPERATORS.len()],
    pub access: AccessConfig,
    pub door: Settings,
    pub without_record: WithoutRecord,
    /// Whether the doors share a file, and whether at most one of them may be released.
    pub shared: bool,
    pub interlock: bool,
    /// Milliseconds that the record may take, and after which it is an alarm.
    pub give_up: i64,
    pub slow: i64,
}

/// How the disk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    Works,
    /// It says that it cannot.
    Fails,
    /// It says nothing.
    Hangs,
}

/// What an operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Unlock,
    Lock,
    /// A mode for so many seconds, or until further notice.
    Mode(Option<(Mode, Option<u32>)>),
    Acknowledge(Alarm),
    Locate,
}

/// A signed command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letter {
    /// Which operator it says it is from.
    pub from: usize,
    pub forged: bool,
    pub id: u64,
    /// When it was signed, in seconds.
    pub signed: i64,
    pub wish: Wish,
}

/// What typed digits were found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Which PIN of whoever typed them.
    pub own: Option<(usize, Pin)>,
    /// Who called for help by them.
    pub forced: Option<usize>,
}

/// What typed digits are compared with, and what comes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparing {
    pub owner: Option<usize>,
    /// Whose duress PIN they may be, in this order.
    pub others: Vec<usize>,
    pub outcome: Outcome,
}

/// One input.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    Claim(usize),
    /// Digits, and how many milliseconds before Enter the first of them was pressed.
    Typed(&'static str, i64),
    /// Digits that somebody typed have been compared.
    Compared(Outcome),
    /// The face alone decided.
    FaceDenied(Option<usize>, DenyReason),
    Contact(Contact),
    Rex(bool),
    /// A plain word.
    Plain(&'static str),
    Command(Letter),
    /// On the command line: a mode, and when it ends by the wall.
    Order(Option<(Mode, Option<i64>)>),
    /// On the command line: somebody took note of an alarm.
    Noted(Alarm),
    /// The other door became engaged, or free.
    Interlock(bool),
    /// The relay does not release.
    RelayFailed,
    /// The relay does not secure, or does again.
    RelayStuck(bool),
    Disk(Disk),
    /// The caretaker says that the disk is nearly full, or is not any more.
    NearlyFull(bool),
    Stop,
    /// The process is gone without a word.
    Killed,
    /// The service starts with nothing but what is on the disk and on the wires.
    Started {
        contact: Option<Contact>,
        rex: bool,
        /// Whether the disk took what was under way at the end.
        landed: bool,
        /// Whether the database was replaced before.
        restored: bool,
    },
    ClockError(i64),
    Trusted(bool),
    /// Administration changed somebody.
    Changed(usize, &'static str),
    Role(usize),
    /// They left by another door.
    Left(usize),
    Tick,
    /// A tick only so that a lease is renewed.
    Renewed,
}

impl Happening {
    pub fn kind(&self) -> &'static str {
        match self {
            Happening::Claim(_) => "claim",
            Happening::Typed(..) => "typed",
            Happening::Compared(_) => "digits compared",
            Happening::FaceDenied(..) => "face denied",
            Happening::Contact(_) => "contact",
            Happening::Rex(_) => "exit button",
            Happening::Plain(_) => "plain word",
            Happening::Command(_) => "signed command",
            Happening::Order(_) => "mode on the command line",
            Happening::Noted(_) => "alarm noted on the command line",
            Happening::Interlock(_) => "interlock",
            Happening::RelayFailed => "relay does not release",
            Happening::RelayStuck(_) => "relay does not secure",
            Happening::Disk(Disk::Works) => "disk works",
            Happening::Disk(Disk::Fails) => "disk fails",
            Happening::Disk(Disk::Hangs) => "disk hangs",
            Happening::NearlyFull(_) => "disk nearly full",
            Happening::Stop => "stop",
            Happening::Killed => "killed",
            Happening::Started { .. } => "started",
            Happening::ClockError(_) => "clock stepped",
            Happening::Trusted(_) => "clock trust",
            Happening::Changed(..) => "person changed",
            Happening::Role(_) => "operator changed",
            Happening::Left(_) => "left elsewhere",
            Happening::Tick => "tick",
            Happening::Renewed => "tick for a lease",
        }
    }
}

/// What the record says.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    Granted {
        who: usize,
        rule: String,
        pin: bool,
    },
    Denied {
        who: Option<usize>,
        reason: DenyReason,
        rule: Option<String>,
        pin: bool,
    },
    Asked {
        who: usize,
        challenge: Challenge,
        ms: i64,
    },
    Released {
        cause: ReleaseCause,
        ms: Option<i64>,
        who: Option<usize>,
    },
    Withdrawn {
        cause: ReleaseCause,
        who: Option<usize>,
    },
    Secured(SecureCause),
    Opened,
    Closed(Option<i64>),
    Rex,
    Mode(Mode, ModeSource, Option<i64>),
    Raised(Alarm, Option<usize>),
    Cleared(Alarm),
    Executed {
        id: String,
        verb: CommandVerb,
    },
    Refused {
        reason: CommandRefusal,
        id: Option<String>,
        verb: Option<CommandVerb>,
        unrecorded: Option<u64>,
    },
}

/// Somebody is in the area behind the door.
pub type Inside = Option<(i64, bool)>;

/// One line of the record: whose doing, when by the wall, what.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub by: Option<String>,
    pub at: i64,
    pub trusted: bool,
    pub said: Said,
}

/// The retained summary of the door: released, contact, mode, alarms.
pub type Summary = (bool, Option<Contact>, Mode, BTreeSet<Alarm>);

/// Everything that is compared after an input.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// What came onto the disk.
    pub lines: Vec<Line>,
    /// Commands that were answered, and whether they were carried out.
    pub answers: Vec<(Option<String>, bool)>,
    /// The summary on the disk.
    pub summary: Option<Summary>,
    /// The order on the disk.
    pub order: Option<(Mode, Option<i64>)>,
    /// Commands that are spent, on the disk.
    pub spent: usize,
    /// Whether something waits for the disk.
    pub settled: bool,
    /// Where the person of the input is, by the disk.
    pub inside: Option<Inside>,
    /// What the other doors were told.
    pub engaged_told: bool,
    /// How the relay moved: when, and to what.
    pub moves: Vec<(i64, bool)>,
    /// Until when it is released if nobody says anything else.
    pub until: Option<i64>,
    /// What typed digits are to be compared with, and what will come of it.
    pub compare: Option<Comparing>,
    /// Whose digits would be those that begin now.
    pub awaited: Option<usize>,
    /// Whether the store is to be read at once.
    pub read: bool,
    pub mode: Mode,
    pub source: ModeSource,
    pub contact: Option<Contact>,
    pub engaged: bool,
    pub alarms: BTreeSet<Alarm>,
    pub repeated_denials: bool,
    /// Milliseconds that the person of the input is still locked out.
    pub locked_out: Option<i64>,
    /// Who is locked out for too many wrong PINs since their last right one.
    pub capped: BTreeSet<usize>,
    pub first_entered: Option<i64>,
    pub desk_due: Option<i64>,
    pub door_due: Option<i64>,
}

/// How often what was seen.
pub type Counts = BTreeMap<String, u64>;
