//! The gate that every signed command goes through, in one fixed order.
//!
//! | step | refused as |
//! |---|---|
//! | the broker kept it, or was asked to | `retained` |
//! | too large, or not what a command looks like | `malformed` |
//! | nobody of that name is an operator | `unknown_operator` |
//! | too many signatures in that name to verify just now | `rate_limited` |
//! | not signed with that operator's key | `bad_signature` |
//! | for another door | `wrong_door` |
//! | valid for longer than allowed | `lives_too_long` |
//! | nobody can tell the time here | `clock_untrusted` |
//! | signed more than a day from now | `malformed` |
//! | signed later than now | `from_future` |
//! | its time is over | `expired` |
//! | signed before the database was replaced, or the clock set right | `expired` |
//! | carried out or refused before | `replayed` |
//! | more of this operator is remembered than can be | `rate_limited` |
//! | not within the operator's role | `insufficient_role` |
//! | too many in a minute | `rate_limited` |
//! | arguments that do not fit | `bad_arguments` |
//!
//! Cheap checks come before the signature, and nothing that only an operator may know is answered
//! before it. What could still be carried out later is *spent* by any answer, a refusal too: a command
//! that an operator saw refused must not open the door half a minute later, when somebody who recorded
//! it sends it again. *Now* is the newest time that is known, not the clock's: one that steps back makes
//! nothing valid again. Pure: facts come in through [`Ledger`].

use super::Command;
use super::operator::Operator;
use super::token::Sealed;
use crate::clock::{Moment, Timestamp};
use crate::event::{CommandRefusal, CommandVerb, Role};

/// The clock may be set back by so much without every command being refused for it; what is forgotten
/// of spent commands has been over for longer.
pub const SETBACK_S: i64 = 60;

/// How far ahead a command may be signed and be taken for one by a clock that is wrong, which is
/// remembered until its time is over: a time zone is off by 14 hours at most. Whatever is further ahead is
/// not remembered.
pub const ABSURD_S: i64 = 86_400;

/// What a door demands of commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The door's source: `aud` of its commands.
    pub door: String,
    /// How long a command may be valid, in seconds.
    pub max_age_s: u32,
    /// How far clocks may differ, in seconds.
    pub skew_s: u32,
    /// How many commands of one operator are carried out in a minute.
    pub per_minute: u32,
}

/// What the gate has to know; asked only as far as it gets.
pub trait Ledger {
    /// Why something cannot be known.
    type Error: std::fmt::Display;

    /// The operator of that name.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn operator(&mut self, name: &str) -> Result<Option<Operator>, Self::Error>;

    /// Whether there is room for one more signature in this operator's name to be verified.
    fn may_verify(&mut self, operator: &str) -> bool;

    /// What is wrong with the clock just now, in words.
    fn complaint(&mut self) -> Option<String>;

    /// The newest time that is known: of anything on the record, or seen since.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn newest(&mut self) -> Result<Option<Timestamp>, Self::Error>;

    /// Commands that were signed until then are refused.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn not_before(&mut self) -> Result<Option<Timestamp>, Self::Error>;

    /// Whether this command is spent.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn is_spent(&mut self, command: &Spent) -> Result<bool, Self::Error>;

    /// Whether one more command of this operator can be remembered.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn has_room(&mut self, operator: &str) -> Result<bool, Self::Error>;

    /// How many of an operator's commands were counted since then.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn counted(&mut self, operator: &str, since: Timestamp) -> Result<u32, Self::Error>;
}

/// A genuine command that was looked at: it never counts again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// Whose.
    pub operator: String,
    /// Its id.
    pub id: String,
    /// From when on it would be refused as expired.
    pub over: Timestamp,
    /// Whether it counts towards the operator's rate.
    pub counts: bool,
}

/// A command that may be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Whose it is.
    pub operator: String,
    /// Its id.
    pub id: String,
    /// What is wanted.
    pub command: Command,
    /// What must be on the record before it is carried out.
    pub spent: Spent,
}

/// A command that is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: CommandRefusal,
    /// The same in words.
    pub detail: String,
    /// Its id, as it claims.
    pub id: Option<String>,
    /// Who it claims to be from.
    pub operator: Option<String>,
    /// What it claims to want.
    pub verb: Option<CommandVerb>,
    /// Whether that was signed by who it claims to be from.
    pub genuine: bool,
    /// What must be on the record, where it could have been carried out later.
    pub spent: Option<Box<Spent>>,
}

impl Refusal {
    /// A refusal of something of which nothing is known.
    #[must_use]
    pub fn unread(reason: CommandRefusal, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
            id: None,
            operator: None,
            verb: None,
            genuine: false,
            spent: None,
        }
    }

    /// What the sender is told. Whoever cannot sign must not learn who is an operator here: an unknown
    /// name and a wrong signature are one answer. (The record tells them apart.)
    #[must_use]
    pub fn told(&self) -> (CommandRefusal, &str) {
        match self.reason {
            CommandRefusal::UnknownOperator | CommandRefusal::BadSignature => (
                CommandRefusal::BadSignature,
                "no operator of this door has signed it",
            ),
            reason => (reason, &self.detail),
        }
    }
}

/// Decides about a message on the command topic.
///
/// # Errors
/// Why it is not carried out.
pub fn judge<L: Ledger>(
    payload: &[u8],
    retain: bool,
    ledger: &mut L,
    now: &Moment,
    settings: &Settings,
) -> Result<Accepted, Refusal> {
    use CommandRefusal as Why;
    if retain {
        return Err(Refusal::unread(
            Why::Retained,
            "it was sent with retain: nothing that a broker repeats is carried out; remove it from the broker",
        ));
    }
    let sealed =
        Sealed::parse(payload).map_err(|detail| Refusal::unread(Why::Malformed, detail))?;
    let claimed = |reason, detail: String| Refusal {
        reason,
        detail,
        id: Some(sealed.id().to_owned()),
        operator: Some(sealed.issuer().to_owned()),
        verb: Some(sealed.verb()),
        genuine: false,
        spent: None,
    };
    let unreadable = |error: L::Error| {
        claimed(
            Why::StorageFailure,
            format!("the record cannot be read: {error}"),
        )
    };
    let Some(operator) = ledger.operator(sealed.issuer()).map_err(unreadable)? else {
        return Err(claimed(
            Why::UnknownOperator,
            "nobody of that name may command this door".into(),
        ));
    };
    if !ledger.may_verify(&operator.name) {
        return Err(claimed(
            Why::RateLimited,
            "too many commands come in in this operator's name; it was not looked at".into(),
        ));
    }
    let Some(claims) = sealed.open(&operator.key) else {
        return Err(claimed(
            Why::BadSignature,
            "it was not signed with this operator's key".into(),
        ));
    };

    // From here on everything that it says is the operator's word.
    let refused = |reason, detail: String, spent: Option<Spent>| Refusal {
        genuine: true,
        spent: spent.map(Box::new),
        ..claimed(reason, detail)
    };
    if claims.aud != settings.door {
        let detail = format!(
            "it is for {:?}, this is {:?}",
            clip(&claims.aud),
            settings.door
        );
        return Err(refused(Why::WrongDoor, detail, None));
    }
    let most = i64::from(settings.max_age_s);
    let lives = claims.exp.checked_sub(claims.iat);
    let Some(lives) = lives.filter(|lives| *lives > 0) else {
        let detail = "its time is over before it begins".into();
        return Err(refused(Why::Malformed, detail, None));
    };
    if lives > most {
        let detail = format!("it is valid for {lives} s, at most {most} are allowed");
        return Err(refused(Why::LivesTooLong, detail, None));
    }
    let skew = i64::from(settings.skew_s);
    let over = claims.exp.checked_add(skew).map(Timestamp::from_second);
    let Some(Ok(over)) = over else {
        let detail = "its time is beyond the calendar".into();
        return Err(refused(Why::Malformed, detail, None));
    };
    let spent = |counts| Spent {
        operator: operator.name.clone(),
        id: claims.jti.clone(),
        over,
        counts,
    };
    // Whatever is refused for the time may be in time later, by a clock that was set meanwhile.
    let not_now = |reason, detail: String| refused(reason, detail, Some(spent(false)));
    let unreadable = |error: L::Error| {
        let detail = format!("the record cannot be read: {error}");
        not_now(Why::StorageFailure, detail)
    };
    if !now.clock_trusted {
        let detail = "this door's clock is not synchronised: nobody can tell whether the command is still valid";
        return Err(not_now(Why::ClockUntrusted, detail.into()));
    }
    if let Some(complaint) = ledger.complaint() {
        let detail = format!("this door's clock is not to be trusted just now: {complaint}");
        return Err(not_now(Why::ClockUntrusted, detail));
    }
    let newest = ledger.newest().map_err(unreadable)?;
    let at = newest.map_or(now.wall, |newest| newest.max(now.wall));
    if now.wall.as_second() < at.as_second() - SETBACK_S {
        let detail = "this door's clock was set back behind what is on its record: nobody can tell what is still valid";
        return Err(not_now(Why::ClockUntrusted, detail.into()));
    }
    let ahead = claims.iat.saturating_sub(at.as_second());
    if ahead > ABSURD_S {
        let detail = format!("it was signed {ahead} s from now: no clock is that wrong");
        return Err(refused(Why::Malformed, detail, None));
    }
    if ahead > skew {
        let detail = format!(
            "it was signed {ahead} s from now; at most {skew} s are allowed: compare the clocks"
        );
        return Err(not_now(Why::FromFuture, detail));
    }
    if at >= over {
        if now.wall < over {
            let detail =
                "this door's clock is behind its record, by which the command's time is over";
            return Err(not_now(Why::ClockUntrusted, detail.into()));
        }
        let ago = at.as_second().saturating_sub(claims.exp);
        let detail = format!("its time was over {ago} s ago");
        let for_good = ago > skew + SETBACK_S;
        return Err(refused(
            Why::Expired,
            detail,
            (!for_good).then(|| spent(false)),
        ));
    }
    let not_before = ledger.not_before().map_err(unreadable)?;
    // By a clock that was ahead then, and is right now, it says nothing.
    let not_before = not_before.filter(|not_before| *not_before <= at);
    if not_before.is_some_and(|not_before| claims.iat <= not_before.as_second()) {
        let detail = "it was signed before this door's database was replaced or its clock set right; sign it again";
        return Err(refused(Why::Expired, detail.into(), None));
    }
    let is_spent = ledger.is_spent(&spent(true));
    if is_spent.map_err(unreadable)? {
        let detail = "a command with this id was answered before".into();
        return Err(refused(Why::Replayed, detail, None));
    }
    if !ledger.has_room(&operator.name).map_err(unreadable)? {
        let detail = "so many commands of this operator came that no more can be remembered; wait a few minutes";
        return Err(not_now(Why::RateLimited, detail.into()));
    }
    let verb = claims.cmd.verb;
    if !operator.role.allows(verb) {
        let detail = format!(
            "{} needs the role {}, {} has {}",
            verb.as_str(),
            Role::needed_for(verb).as_str(),
            operator.name,
            operator.role.as_str()
        );
        return Err(refused(Why::InsufficientRole, detail, Some(spent(true))));
    }
    let minute_ago = at
        .checked_sub(jiff::SignedDuration::from_secs(60))
        .unwrap_or(Timestamp::MIN);
    let counted = ledger.counted(&operator.name, minute_ago);
    if counted.map_err(unreadable)? >= settings.per_minute {
        let most = settings.per_minute;
        let detail = format!("at most {most} commands of one operator in a minute");
        return Err(not_now(Why::RateLimited, detail));
    }
    let command = sealed
        .command()
        .and_then(|command| command.check(now.wall).map(|()| command))
        .map_err(|detail| refused(Why::BadArguments, detail, Some(spent(true))))?;
    Ok(Accepted {
        operator: operator.name.clone(),
        id: claims.jti.clone(),
        command,
        spent: spent(true),
    })
}

/// At most so much of what somebody else wrote goes into an answer.
fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests;
