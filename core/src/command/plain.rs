//! Plain lock payloads, as Home Assistant sends them: for one named client only, off by default.
//!
//! Such a message has no author, no id and no time. What stands in for them: the broker's access rules
//! let that client alone publish on the topic, and the door takes only what comes while it is
//! connected. `LOCK` ends a release. `UNLOCK` and `OPEN` both mean **one passage**: a message that may
//! be repeated, late or lost must not leave a door open, and "unlocked until further notice" is a mode,
//! which is for admins and has an end.
//!
//! A message that the broker kept for an absent door would open it when somebody else stands there. So
//! the door subscribes at QoS 0, for which most brokers keep nothing, and, because EMQX keeps those
//! too by default, refuses whatever comes within [`QUIET`] of a new connection: what was kept is sent
//! then. A message is also refused when it waited inside the door. Pure.

use std::time::Duration;

use crate::clock::Tick;
use crate::event::{CommandRefusal, CommandVerb};

/// How long after a connection nothing is believed to be new.
pub const QUIET: Duration = Duration::from_secs(5);
/// How long a message may wait inside the door.
const WAIT: Duration = Duration::from_secs(2);

/// What may be asked for in plain words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// End a momentary release.
    Lock,
    /// Release the door for one passage.
    Passage,
}

impl Plain {
    /// Its verb, as the record has it.
    #[must_use]
    pub fn verb(self) -> CommandVerb {
        match self {
            Plain::Lock => CommandVerb::Lock,
            Plain::Passage => CommandVerb::Unlock,
        }
    }
}

/// A plain message and what is known of its coming.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The bytes.
    pub payload: &'a [u8],
    /// Whether the broker had kept it, or was asked to.
    pub retain: bool,
    /// When it came in.
    pub received: Tick,
    /// Since when the broker is connected.
    pub connected: Option<Tick>,
}

/// Decides about a plain message.
///
/// # Errors
/// Why it is not carried out.
pub fn judge(arrival: &Arrival<'_>, now: Tick) -> Result<Plain, (CommandRefusal, String)> {
    let refuse = |reason, detail: String| Err((reason, detail));
    if arrival.retain {
        let detail = "it was sent with retain: nothing that a broker repeats is carried out; switch retain off for the lock";
        return refuse(CommandRefusal::Retained, detail.into());
    }
    let wanted = match arrival.payload {
        b"LOCK" => Plain::Lock,
        b"UNLOCK" | b"OPEN" => Plain::Passage,
        _ => {
            let detail = "a plain payload is LOCK, UNLOCK or OPEN";
            return refuse(CommandRefusal::Malformed, detail.into());
        }
    };
    let quiet = |since: Tick| arrival.received.since(since) >= QUIET;
    if wanted == Plain::Passage && !arrival.connected.is_some_and(quiet) {
        let seconds = QUIET.as_secs();
        let detail = format!(
            "it came within {seconds} s of a new connection: the broker may have kept it while the door was away"
        );
        return refuse(CommandRefusal::Expired, detail);
    }
    if wanted == Plain::Passage && now.since(arrival.received) > WAIT {
        let detail = "the door was busy for too long when it came";
        return refuse(CommandRefusal::Expired, detail.into());
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Tick {
        Tick(Duration::from_millis(ms))
    }

    fn fresh(payload: &[u8]) -> Arrival<'_> {
        Arrival {
            payload,
            retain: false,
            received: at(60_000),
            connected: Some(at(0)),
        }
    }

    fn reason(arrival: &Arrival<'_>, now: u64) -> Option<CommandRefusal> {
        judge(arrival, at(now)).err().map(|(reason, _)| reason)
    }

    #[test]
    fn three_words_are_taken_and_two_of_them_mean_one_passage() {
        let judged = |payload: &[u8]| judge(&fresh(payload), at(60_000)).ok();
        assert_eq!(judged(b"LOCK"), Some(Plain::Lock));
        assert_eq!(judged(b"UNLOCK"), Some(Plain::Passage));
        assert_eq!(judged(b"OPEN"), Some(Plain::Passage));
        for other in ["", "lock", "UNLOCK ", "UNLOCK\n", "\"OPEN\"", "OPEN\0", "1"] {
            assert_eq!(judged(other.as_bytes()), None, "{other:?}");
        }
    }

    #[test]
    fn what_a_broker_repeats_is_refused() {
        for payload in [b"LOCK".as_slice(), b"UNLOCK", b"rubbish"] {
            let kept = Arrival {
                retain: true,
                ..fresh(payload)
            };
            assert_eq!(reason(&kept, 60_000), Some(CommandRefusal::Retained));
        }
    }

    #[test]
    fn nothing_opens_the_door_just_after_a_connection_or_late() {
        let expired = Some(CommandRefusal::Expired);
        let since = |ms| Arrival {
            connected: ms,
            ..fresh(b"OPEN")
        };
        assert_eq!(reason(&since(None), 60_000), expired);
        assert_eq!(reason(&since(Some(at(55_001))), 60_000), expired);
        assert_eq!(reason(&since(Some(at(55_000))), 60_000), None);
        assert_eq!(reason(&fresh(b"OPEN"), 62_000), None);
        assert_eq!(reason(&fresh(b"OPEN"), 62_001), expired);
        // Locking late harms nobody.
        assert_eq!(reason(&fresh(b"LOCK"), 90_000), None);
    }
}
