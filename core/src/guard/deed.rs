//! What the guard is told, and what it wants done.
//!
//! Plain values. Deeds are carried out in the order given: the relay is secured before that is
//! recorded, and released by a grant only after the record has it.

use uuid::Uuid;

use super::entry::{Batch, Done};
use crate::access::keypad::{Compared, Comparison};
use crate::access::pin::{Digits, Typed};
use crate::clock::Tick;
use crate::command::Incoming;
use crate::conditions::Source;
use crate::event::wire::Lock;
use crate::event::{Alarm, Class, Contact};
use crate::gallery::Member;
use crate::indication::Indication;
use crate::presentation::Claim;

/// What the guard is told.
#[derive(Debug)]
pub enum Input {
    /// Time passed, or the facts are newer.
    Tick,
    /// A presentation came to a claim.
    Claim {
        /// What vision claims.
        claim: Claim,
        /// Whom it names, if anybody.
        member: Option<Member>,
    },
    /// Somebody who looks like this member was asked to blink.
    Challenge {
        /// Who; nobody when they were erased meanwhile.
        member: Option<Member>,
    },
    /// Somebody typed a PIN.
    Pin(Typed),
    /// Digits were compared with the PINs that they may be.
    Verified(Compared),
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
    /// The broker hears the door, or does not.
    Online(bool),
    /// A message came from the broker.
    Command {
        /// What.
        incoming: Incoming,
        /// When.
        received: Tick,
        /// How many before it were dropped, because too many waited.
        lost: u64,
    },
    /// The broker refused a message for good.
    Undelivered(Undelivered),
    /// What became of a batch.
    Recorded(Done),
    /// What the latch did.
    Latch(Latched),
    /// A picture was asked for: why there will be none, if so.
    Pictured(Option<String>),
    /// The service ends.
    Stop,
}

/// A message that the broker refused, or that can never be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// The event it carried.
    pub event: Option<Uuid>,
    /// The kind of that event.
    pub kind: Option<String>,
    /// Its class, as the outbox has it.
    pub class: String,
    /// Where to.
    pub topic: String,
    /// Why.
    pub reason: String,
}

/// What the latch says about the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Latched {
    /// The pin moved.
    Moved(Lock),
    /// The driver does not do what it is told.
    Failed {
        /// What it was told.
        lock: Lock,
        /// The driver's word.
        message: String,
    },
}

/// What the guard wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// Release the relay until then, or let the release that there is end then.
    Release {
        /// When it ends by itself.
        until: Tick,
    },
    /// Secure the relay now.
    Secure,
    /// Write this, and say what became of it.
    Commit(Batch),
    /// Read the store at once: something there has changed.
    Read,
    /// Compare digits with the PINs that they may be: it takes too long for the guard.
    Verify {
        /// What was typed.
        digits: Digits,
        /// With what.
        comparison: Comparison,
    },
    /// Show something at the door.
    Show(Indication),
    /// A decision was made: a picture goes with it, where the owner wants that.
    Picture,
    /// An operator wants the newest picture: say whether there will be one.
    PictureNow,
    /// Read certificates and the configuration's files again.
    Reload,
}

/// Names of classes and kinds of what carries no news of its own.
pub(super) fn is_news(undelivered: &Undelivered) -> bool {
    let numbers = [Class::Telemetry.as_str(), Class::Snapshot.as_str()];
    let report = |kind: &String| kind.starts_with("delivery.");
    !numbers.contains(&undelivered.class.as_str()) && !undelivered.kind.as_ref().is_some_and(report)
}
