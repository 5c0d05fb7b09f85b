//! What is written on one paper, and what follows from it.

use doorward_core::event::{Alarm, CommandVerb, Mode, ReleaseCause};

use crate::happening::{Said, Wish};

/// What follows from a paper.
#[derive(Debug, Clone)]
pub(super) enum Then {
    LetIn(Guest),
    Unlock(Order),
    Hold,
    CarryOut(Order),
}

/// Somebody who is to be let in.
#[derive(Debug, Clone)]
pub(super) struct Guest {
    pub who: usize,
    pub rule: String,
    pub pin: bool,
    pub first: bool,
    pub longer: bool,
    pub accompanied: bool,
    pub story: Story,
}

/// A command that was accepted.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub id: String,
    pub by: String,
    /// Which operator's, unless it came in plain words.
    pub from: Option<usize>,
    /// When it was accepted, by the wall.
    pub at: i64,
    pub wish: Wish,
    /// For a mode: what it is by the wall.
    pub mode: Option<(Mode, Option<i64>)>,
    pub spent: Option<Spent>,
    pub story: Story,
}

/// What is on the disk of something, and what is on its way there.
#[derive(Debug, Clone, Default)]
pub(super) struct Story {
    pub written: Vec<Said>,
    pub asked: Vec<Said>,
}

/// A command that counts once.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spent {
    pub from: usize,
    pub id: u64,
    /// When it is over, by the wall.
    pub over: i64,
    pub counts: bool,
    /// When it was spent, by the wall.
    pub at: i64,
}

impl Order {
    pub fn verb(&self) -> CommandVerb {
        match self.wish {
            Wish::Unlock => CommandVerb::Unlock,
            Wish::Lock => CommandVerb::Lock,
            Wish::Mode(_) => CommandVerb::Mode,
            Wish::Acknowledge(_) => CommandVerb::Acknowledge,
            Wish::Locate => CommandVerb::Locate,
        }
    }

    pub fn executed(&self) -> Said {
        Said::Executed {
            id: self.id.clone(),
            verb: self.verb(),
        }
    }
}

impl Then {
    pub fn story(&mut self) -> Option<&mut Story> {
        match self {
            Then::LetIn(guest) => Some(&mut guest.story),
            Then::Unlock(order) | Then::CarryOut(order) => Some(&mut order.story),
            Then::Hold => None,
        }
    }

    /// What was asked for is on the disk.
    pub fn noted(&mut self) {
        if let Some(story) = self.story() {
            let asked = std::mem::take(&mut story.asked);
            story.written.extend(asked);
        }
    }

    /// It is not; what of it was written before.
    pub fn dropped(&mut self) -> Vec<Said> {
        self.story().map_or_else(Vec::new, |story| {
            story.asked.clear();
            story.written.clone()
        })
    }

    pub fn releases(&self) -> bool {
        !matches!(self, Then::CarryOut(_))
    }
}

/// What the other doors are told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Note {
    /// Unless one of them is engaged itself.
    Engage,
    Engaged,
    Free,
}

/// What a paper changes beside the record.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Mode(Option<(Mode, Option<i64>)>),
    Noted(Alarm),
    Passed(usize),
}

#[derive(Debug, Clone)]
pub(super) struct Paper {
    pub number: u64,
    pub by: Option<String>,
    /// When it was written out, by both clocks, and whether the wall was trusted.
    pub at: i64,
    pub trusted: bool,
    pub since: i64,
    pub says: Vec<Said>,
    pub then: Option<Then>,
    pub needed: bool,
    /// It was given up while it was away.
    pub dead: bool,
    pub base: Option<i64>,
    pub note: Option<Note>,
    pub change: Option<Change>,
    pub spent: Option<Spent>,
}

/// The release, if any, that does not take place although this is written.
pub(super) fn withdrawn(written: &[Said]) -> Option<Said> {
    let mut found = None;
    for said in written {
        match said {
            Said::Released { cause, who, .. } => found = Some((*cause, *who)),
            Said::Granted { who, .. } => {
                found.get_or_insert((ReleaseCause::Grant, Some(*who)));
            }
            Said::Executed {
                verb: CommandVerb::Unlock,
                ..
            } => {
                found.get_or_insert((ReleaseCause::Operator, None));
            }
            _ => {}
        }
    }
    found.map(|(cause, who)| Said::Withdrawn { cause, who })
}
