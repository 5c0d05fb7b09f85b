//! What is wanted: a verb with its arguments, as they stand in a command.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::{Timestamp, rfc3339_millis};
use crate::event::{Alarm, CommandVerb, Mode};

/// Longest note, in characters.
const NOTE: usize = 200;
/// Longest time that a mode may be chosen for, in seconds: a year.
const LONGEST_MODE: u32 = 366 * 86_400;
/// Longest time to blink, in seconds, and the time where none is given.
const LONGEST_BLINK: u32 = 300;
const BLINK: u32 = 15;

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verb", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Release the door for one passage.
    Unlock {},
    /// End a momentary release.
    Lock {},
    /// Choose the mode, or leave it to the schedule.
    Mode {
        /// Which mode; `unlocked` needs an end.
        mode: ModeWord,
        /// When it ends by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// After how many seconds it ends by itself; not together with `until`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1, max = LONGEST_MODE))]
        for_s: Option<u32>,
    },
    /// Take note of an alarm.
    Acknowledge {
        /// Which alarm.
        alarm: Alarm,
        /// What there is to say about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(max = NOTE))]
        note: Option<String>,
    },
    /// Publish the newest picture.
    Snapshot {},
    /// Blink, so that somebody finds the device.
    Locate {
        /// For how many seconds; 15 when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1, max = LONGEST_BLINK))]
        seconds: Option<u32>,
    },
    /// Read rules and files again.
    Reload {},
}

/// A mode, or that the schedule governs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModeWord {
    /// Locked; released for those who are granted.
    Normal,
    /// Held released.
    Unlocked,
    /// Locked; nobody is granted but override groups.
    Lockdown,
    /// No order: the schedule governs.
    Schedule,
}

impl Command {
    /// Its verb.
    #[must_use]
    pub fn verb(&self) -> CommandVerb {
        match self {
            Command::Unlock {} => CommandVerb::Unlock,
            Command::Lock {} => CommandVerb::Lock,
            Command::Mode { .. } => CommandVerb::Mode,
            Command::Acknowledge { .. } => CommandVerb::Acknowledge,
            Command::Snapshot {} => CommandVerb::Snapshot,
            Command::Locate { .. } => CommandVerb::Locate,
            Command::Reload {} => CommandVerb::Reload,
        }
    }

    /// Whether the door may be released by it, at once or later, or a lockdown ended.
    #[must_use]
    pub fn opens(&self) -> bool {
        match self {
            Command::Unlock {} => true,
            Command::Mode { mode, .. } => *mode != ModeWord::Lockdown,
            Command::Lock {}
            | Command::Acknowledge { .. }
            | Command::Snapshot {}
            | Command::Locate { .. }
            | Command::Reload {} => false,
        }
    }

    /// Whether its arguments fit together at `now`.
    ///
    /// # Errors
    /// In words, when they do not.
    pub fn check(&self, now: Timestamp) -> Result<(), String> {
        match self {
            Command::Mode { mode, until, for_s } => {
                let ends = until.is_some() || for_s.is_some();
                if until.is_some() && for_s.is_some() {
                    return Err("give until or for_s, not both".into());
                }
                if *mode == ModeWord::Schedule && ends {
                    return Err("the schedule has no end: give neither until nor for_s".into());
                }
                if *mode == ModeWord::Unlocked && !ends {
                    return Err("an unlocked door needs an end: give until or for_s".into());
                }
                let longest = jiff::SignedDuration::from_secs(LONGEST_MODE.into());
                match self.mode_order(now) {
                    Some((_, Some(end))) if end <= now => Err("its end has passed already".into()),
                    Some((_, Some(end))) if end.duration_since(now) > longest => {
                        Err("it ends in more than a year".into())
                    }
                    _ => Ok(()),
                }
            }
            Command::Acknowledge {
                alarm: Alarm::Restored,
                ..
            } => Err("restored is taken note of on the door's own device, by whoever has looked there: doorward alarms ack restored".into()),
            Command::Acknowledge {
                note: Some(note), ..
            } if note.chars().count() > NOTE || note.chars().any(char::is_control) => Err(format!(
                "a note has at most {NOTE} characters and no control characters"
            )),
            Command::Locate { .. } if !(1..=LONGEST_BLINK).contains(&self.blink_s()) => {
                Err(format!("seconds must be 1 to {LONGEST_BLINK}"))
            }
            _ => Ok(()),
        }
    }

    /// For `mode`: which mode, and when it ends; nothing when the schedule is to govern.
    #[must_use]
    pub fn mode_order(&self, now: Timestamp) -> Option<(Mode, Option<Timestamp>)> {
        let Command::Mode { mode, until, for_s } = self else {
            return None;
        };
        let mode = match mode {
            ModeWord::Normal => Mode::Normal,
            ModeWord::Unlocked => Mode::Unlocked,
            ModeWord::Lockdown => Mode::Lockdown,
            ModeWord::Schedule => return None,
        };
        let lasting = for_s.map(|s| jiff::SignedDuration::from_secs(s.into()));
        let end = lasting.map(|lasting| now.checked_add(lasting).unwrap_or(Timestamp::MAX));
        Some((mode, until.or(end)))
    }

    /// From now on a mode ends at a time of its own, to the millisecond as the record has it,
    /// whenever it is carried out.
    pub fn date(&mut self, now: Timestamp) {
        let end = self.mode_order(now).and_then(|(_, end)| end);
        if let (Command::Mode { until, for_s, .. }, Some(end)) = (self, end) {
            *until = Timestamp::from_millisecond(end.as_millisecond()).ok();
            *for_s = None;
        }
    }

    /// For `locate`: how long to blink, in seconds.
    #[must_use]
    pub fn blink_s(&self) -> u32 {
        match self {
            Command::Locate { seconds } => seconds.unwrap_or(BLINK),
            _ => 0,
        }
    }

    /// The arguments in words, where there are any, for the record.
    #[must_use]
    pub fn detail(&self, now: Timestamp) -> Option<String> {
        match self {
            Command::Mode { .. } => Some(match self.mode_order(now) {
                None => "as the schedule says".into(),
                Some((mode, None)) => mode.as_str().into(),
                Some((mode, Some(end))) => {
                    format!("{} until {}", mode.as_str(), rfc3339_millis(end))
                }
            }),
            Command::Acknowledge { alarm, note: None } => Some(alarm.as_str().into()),
            Command::Acknowledge {
                alarm,
                note: Some(note),
            } => Some(format!("{}: {note}", alarm.as_str())),
            Command::Locate { .. } => Some(format!("for {} s", self.blink_s())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(json: &str) -> Result<Command, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn what_the_door_does_not_understand_is_refused() {
        for json in [
            r#"{"verb":"unlock","for_s":9}"#,
            r#"{"verb":"open"}"#,
            r#"{"verb":"mode"}"#,
            r#"{"verb":"mode","mode":"party"}"#,
            r#"{"verb":"locate","seconds":-1}"#,
            r#"{"verb":"locate","seconds":1,"seconds":2}"#,
            r#"{"verb":"acknowledge","alarm":"none"}"#,
            r#"{"mode":"normal"}"#,
        ] {
            assert!(parsed(json).is_err(), "{json}");
        }
        assert_eq!(parsed(r#"{"verb":"unlock"}"#), Ok(Command::Unlock {}));
    }

    #[test]
    fn every_verb_is_written_as_it_is_read() {
        let mode = |mode, until: Option<&str>, for_s| Command::Mode {
            mode,
            until: until.map(|at| at.parse().unwrap()),
            for_s,
        };
        let all = [
            Command::Unlock {},
            Command::Lock {},
            mode(ModeWord::Unlocked, Some("2026-01-01T01:00:00Z"), None),
            mode(ModeWord::Schedule, None, None),
            Command::Acknowledge {
                alarm: Alarm::HeldOpen,
                note: Some("seen".into()),
            },
            Command::Snapshot {},
            Command::Locate { seconds: Some(3) },
            Command::Reload {},
        ];
        for command in all {
            let json = serde_json::to_string(&command).unwrap();
            let verb = format!(r#""verb":"{}""#, command.verb().as_str());
            assert!(json.contains(&verb), "{json}");
            assert_eq!(parsed(&json).unwrap(), command);
            assert_eq!(command.check(now()), Ok(()));
        }
    }

    #[test]
    fn arguments_that_do_not_fit_together_are_named() {
        for (json, word) in [
            (r#"{"verb":"mode","mode":"unlocked"}"#, "needs an end"),
            (
                r#"{"verb":"mode","mode":"normal","for_s":1,"until":"2026-02-01T00:00:00Z"}"#,
                "not both",
            ),
            (
                r#"{"verb":"mode","mode":"schedule","for_s":1}"#,
                "has no end",
            ),
            (
                r#"{"verb":"mode","mode":"lockdown","until":"2025-01-01T00:00:00Z"}"#,
                "has passed",
            ),
            (
                r#"{"verb":"mode","mode":"unlocked","until":"2999-01-01T00:00:00Z"}"#,
                "more than a year",
            ),
            (r#"{"verb":"locate","seconds":0}"#, "1 to 300"),
            (
                r#"{"verb":"acknowledge","alarm":"tamper","note":"a\nb"}"#,
                "control",
            ),
            (
                r#"{"verb":"acknowledge","alarm":"restored"}"#,
                "doorward alarms ack restored",
            ),
        ] {
            let refused = parsed(json).unwrap().check(now()).unwrap_err();
            assert!(refused.contains(word), "{json}: {refused}");
        }
    }

    #[test]
    fn what_may_release_the_door_is_told_from_what_never_does() {
        let opens = |json: &str| parsed(json).unwrap().opens();
        for json in [
            r#"{"verb":"unlock"}"#,
            r#"{"verb":"mode","mode":"unlocked","for_s":60}"#,
            r#"{"verb":"mode","mode":"normal"}"#,
            r#"{"verb":"mode","mode":"schedule"}"#,
        ] {
            assert!(opens(json), "{json}");
        }
        for json in [
            r#"{"verb":"lock"}"#,
            r#"{"verb":"mode","mode":"lockdown"}"#,
            r#"{"verb":"acknowledge","alarm":"tamper"}"#,
            r#"{"verb":"snapshot"}"#,
            r#"{"verb":"locate"}"#,
            r#"{"verb":"reload"}"#,
        ] {
            assert!(!opens(json), "{json}");
        }
    }

    #[test]
    fn the_record_says_what_was_wanted() {
        let detail = |json: &str| parsed(json).unwrap().detail(now());
        let unlocked = detail(r#"{"verb":"mode","mode":"unlocked","for_s":3600}"#);
        assert_eq!(unlocked.unwrap(), "unlocked until 2026-01-01T01:00:00.000Z");
        let noted = detail(r#"{"verb":"acknowledge","alarm":"held_open","note":"post"}"#);
        assert_eq!(noted.unwrap(), "held_open: post");
        assert_eq!(detail(r#"{"verb":"locate"}"#).unwrap(), "for 15 s");
        assert_eq!(detail(r#"{"verb":"unlock"}"#), None);
    }
}
