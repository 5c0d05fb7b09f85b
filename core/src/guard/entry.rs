//! A transaction as a value: who did what, on which rules it stands, and what became of it.
//!
//! The guard makes an [`Entry`], whoever owns the disk commits it whole or not at all and says so in
//! an [`Outcome`]. Nobody guesses afterwards whose doing something was, or what belongs together.
//! Flows out: [`Batch`]es. Flows in: [`Done`].

use std::time::Duration;

use crate::clock::Timestamp;
use crate::command::gate::Spent;
use crate::event::wire::{DoorSummary, Publication};
use crate::event::{Alarm, Event, Mode, PersonRef};

/// A mode, and when it ends by itself, if it does.
pub type ModeOrder = (Mode, Option<Timestamp>);

/// Names an entry for as long as the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EntryId(pub u64);

/// Whose doing an entry is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Author {
    /// The door's own.
    #[default]
    Door,
    /// Of an operator, by a signed command.
    Operator(String),
    /// Of the one client that may send plain payloads.
    Plain(String),
}

impl Author {
    /// As the record has it; nothing for the door itself.
    #[must_use]
    pub fn by(&self) -> Option<String> {
        match self {
            Author::Door => None,
            Author::Operator(name) => Some(format!("operator:{name}")),
            Author::Plain(client) => Some(format!("plain:{client}")),
        }
    }
}

/// Something that happened, as it is to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// When it happened.
    pub at: Timestamp,
    /// Whether the clock was trusted then.
    pub clock_synced: bool,
    /// What.
    pub event: Event,
}

/// What an entry changes in the store beside the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The operator's order for this door.
    Mode(Option<ModeOrder>),
    /// Somebody took note of an alarm.
    Acknowledge {
        /// Of which.
        alarm: Alarm,
        /// What they said about it.
        note: Option<String>,
    },
    /// Somebody is in the area behind this door now.
    Passed {
        /// Who.
        person: PersonRef,
        /// The area, where doors lead into areas.
        area: Option<String>,
    },
}

/// What the other doors of the site are told together with an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SiteNote {
    /// This door is about to be released: not if one of these is engaged.
    Engage {
        /// The doors of the interlock.
        unless: Vec<String>,
    },
    /// This door is released or open, whatever the others are.
    EngageAnyway,
    /// This door is secured and shut.
    Free,
}

/// One transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its name.
    pub id: EntryId,
    /// Whose doing it is.
    pub author: Author,
    /// When it was made.
    pub at: Timestamp,
    /// The command that is spent by it.
    pub spent: Option<Spent>,
    /// What it changes beside the record.
    pub change: Option<Change>,
    /// What it records, in order.
    pub facts: Vec<Fact>,
    /// The revision of the rules that it stands on: with any other it is rejected as
    /// [`Rejection::Stale`].
    pub base: Option<i64>,
    /// What the site is told before it is committed.
    pub site: Option<SiteNote>,
}

impl Entry {
    /// An entry without contents; the record gives it its name.
    #[must_use]
    pub fn new(author: Author, at: Timestamp) -> Self {
        Self {
            id: EntryId::default(),
            author,
            at,
            spent: None,
            change: None,
            facts: Vec::new(),
            base: None,
            site: None,
        }
    }
}

/// Entries that are written together, in order, in one transaction; each of them may be rejected by
/// itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// What is to be committed.
    pub entries: Vec<Entry>,
    /// Messages that carry no event.
    pub answers: Vec<Publication>,
    /// The retained summary of the door as it is once this is committed.
    pub state: Option<DoorSummary>,
}

/// Why an entry is not in the record although the disk can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// The rules have changed since it was made.
    Stale,
    /// Another door of the interlock is engaged, or cannot be asked.
    Interlock,
    /// The store does not take such a change.
    Arguments(String),
    /// It contradicts what is there.
    Contradiction(String),
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is on the disk.
    Committed {
        /// Whether its change changed anything.
        changed: bool,
    },
    /// It is not, and never will be as it is.
    Rejected(Rejection),
    /// It is not: the disk cannot be written now.
    Failed,
}

/// The answer to a [`Batch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// What became of each entry, in their order.
    pub outcomes: Vec<(EntryId, Outcome)>,
    /// Why nothing could be written, where that is so; in words for the log.
    pub failure: Option<String>,
    /// Whether the site's file could be written, where it was to be.
    pub site_told: bool,
    /// How long it took.
    pub took: Duration,
}
