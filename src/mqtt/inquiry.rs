//! The question for the broker's version, which nobody needs: it must cost nothing.
//!
//! It is asked when everything else is done, in a packet of its own, so that a broker that hangs up
//! over it shows what it hung up over; then it is never asked again. And it is taken back once every
//! node has had the time to tell (they do so once a minute): the broker keeps subscriptions with the
//! session, and would keep a message a minute for a door that is away.
//!
//! Pure: time goes in, what to do comes out.

use std::time::Duration;

use crate::clock::Tick;

/// A connection on which nothing has been under way for so long is quiet.
const QUIET: Duration = Duration::from_millis(500);
/// One that is never quiet is asked after so long all the same.
const BUSY: Duration = Duration::from_secs(30);
/// How long is listened: a minute, in which every node tells its version, and some.
const LISTEN: Duration = Duration::from_secs(75);

/// The question on one connection.
#[derive(Debug, Default)]
pub(super) struct Inquiry {
    state: State,
    /// Since when nothing is under way.
    quiet: Option<Tick>,
    /// A version came that nobody asked for on this connection: an earlier one was cut in between.
    stray: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Waiting,
    /// Subscribed at that time, without an answer yet.
    Asked(Tick),
    /// The broker has answered; asked at that time.
    Listening(Tick),
    Over,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Subscribe.
    Ask,
    /// Unsubscribe.
    TakeBack,
}

impl Inquiry {
    /// Looks at the connection, which has been there since `since`.
    pub(super) fn step(
        &mut self,
        wanted: bool,
        idle: bool,
        since: Tick,
        now: Tick,
    ) -> Option<Step> {
        self.quiet = idle.then(|| self.quiet.unwrap_or(now));
        let listened = |asked: Tick| now.since(asked) >= LISTEN;
        let step = match self.state {
            State::Waiting if wanted => {
                let quiet = self.quiet.is_some_and(|quiet| now.since(quiet) >= QUIET);
                if !quiet && now.since(since) < BUSY {
                    return None;
                }
                self.state = State::Asked(now);
                Step::Ask
            }
            State::Asked(asked) | State::Listening(asked) if !listened(asked) => return None,
            State::Asked(_) | State::Listening(_) => {
                self.state = State::Over;
                Step::TakeBack
            }
            State::Waiting | State::Over if self.stray => Step::TakeBack,
            State::Waiting | State::Over => return None,
        };
        self.stray = false;
        Some(step)
    }

    /// The broker has answered the question, in whatever way.
    pub(super) fn answered(&mut self) {
        if let State::Asked(asked) = self.state {
            self.state = State::Listening(asked);
        }
    }

    /// A version was told.
    pub(super) fn heard(&mut self) {
        self.stray |= matches!(self.state, State::Waiting | State::Over);
    }

    /// Whether the question is on its way: an end of the connection now is an answer to it.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Asked(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Tick {
        Tick(Duration::from_millis(ms))
    }

    #[test]
    fn it_is_asked_when_nothing_else_is_under_way_and_taken_back_after_a_minute() {
        let mut inquiry = Inquiry::default();
        let mut step = |idle, ms| {
            let step = inquiry.step(true, idle, at(0), at(ms));
            let open = inquiry.is_open();
            if ms == 3_000 {
                inquiry.answered();
            }
            (step, open)
        };
        assert_eq!(step(true, 0), (None, false));
        assert_eq!(step(false, 400), (None, false));
        assert_eq!(step(true, 1_000), (None, false));
        assert_eq!(step(true, 1_500), (Some(Step::Ask), true));
        assert_eq!(step(true, 3_000), (None, true));
        assert_eq!(step(false, 76_000), (None, false));
        assert_eq!(step(false, 76_500), (Some(Step::TakeBack), false));
        assert_eq!(step(true, 200_000), (None, false), "once a connection");
    }

    #[test]
    fn a_connection_that_is_never_quiet_is_asked_all_the_same() {
        let mut inquiry = Inquiry::default();
        assert_eq!(inquiry.step(true, false, at(0), at(29_999)), None);
        let asked = inquiry.step(true, false, at(0), at(30_000));
        assert_eq!(asked, Some(Step::Ask));
    }

    #[test]
    fn what_nobody_asked_for_is_taken_back_once() {
        let mut inquiry = Inquiry::default();
        assert_eq!(inquiry.step(false, true, at(0), at(5_000)), None);
        inquiry.heard();
        let back = Some(Step::TakeBack);
        assert_eq!(inquiry.step(false, true, at(0), at(5_500)), back);
        assert_eq!(inquiry.step(false, true, at(0), at(6_000)), None);
    }
}
