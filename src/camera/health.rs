//! Whether the camera's picture can be trusted: from measures and time to alarms.
//!
//! Pure. Each [`Condition`] gathers time while it is seen and loses it while it is not; it
//! begins when it has gathered enough and ends when nothing is left, so that it cannot flap.
//! What cannot be told just now (whether a black picture has moved) keeps its time. Two
//! conditions of different alarms may stand side by side; of one alarm, one is told at a time.
//!
//! Flows in: [`Measures`] of each frame, and silence. Flows out: [`News`] for the record.
//! It must never hold back a face: it decides about alarms only.

use std::time::Duration;

use super::background::Likeness;
use super::thumbnail::Thumbnail;
use crate::clock::Tick;
use crate::event::Alarm;

/// A camera silent for so long is an alarm.
pub const SILENCE: Duration = Duration::from_secs(8);
/// How long any condition must be gone before it ends.
const CLEAR: Duration = Duration::from_secs(3);
/// Longest time between frames that counts: one frame after a gap says little about the gap.
const STEP: Duration = Duration::from_secs(1);
/// A frame in which at most this share of samples differs shows nothing new. Sensor noise
/// changes far more, also after compression (`docs/camera.md` has the measurement).
const IDENTICAL: f32 = 0.005;
/// Streams repeat frames of a still scene until their next key frame; that is not frozen yet.
const KEY_FRAME: Duration = Duration::from_millis(2_500);
/// Brightest level and largest spread of a picture without any light or noise. 16 is video
/// black; some cameras send it as it is.
const BLACK: (u8, f32) = (24, 1.0);
/// Below this brightest level (of 99 % of the samples) it is too dark: of darkened faces of LFW
/// one in 15 was still found. It is light again at the second, where nearly half are.
const DARK: (u8, u8) = (32, 40);
/// A sample at this level or above is clipped.
const CLIPPED: u8 = 250;
/// Share of clipped samples from which a picture is overexposed, and down to which it stays
/// so. The most that 1029 LFW photos have is 0.41.
const OVEREXPOSED: (f32, f32) = (0.8, 0.7);

/// What can be wrong with the picture; of one alarm, the first one is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// No frames.
    Silent,
    /// Neither light nor noise.
    Black,
    /// The same frame again and again.
    Frozen,
    /// Too little light to find a face.
    Dark,
    /// Dazzled.
    Overexposed,
    /// The usual scene is hidden and nothing else is to be seen.
    Covered,
    /// Another scene than usual.
    Moved,
}

use Condition::{Black, Covered, Dark, Frozen, Moved, Overexposed, Silent};

impl Condition {
    /// All of them, in the order in which they are told.
    pub const ALL: [Condition; 7] = [Silent, Black, Frozen, Dark, Overexposed, Covered, Moved];

    /// The alarm it is a case of. Darkness and a black picture count as a fault, not as
    /// tampering: every night would be an attack otherwise.
    #[must_use]
    pub fn alarm(self) -> Alarm {
        match self {
            Silent | Black | Frozen | Dark => Alarm::CameraFault,
            Overexposed | Covered | Moved => Alarm::Tamper,
        }
    }

    /// How long it must be seen before it begins. With what it takes to be seen, all but
    /// `Dark` are told within 10 s; darkness is no emergency, and a shadow is no darkness.
    fn patience(self) -> Duration {
        Duration::from_millis(match self {
            Silent => 0,
            Black | Overexposed => 5_000,
            // After KEY_FRAME.
            Frozen => 3_500,
            Dark => 30_000,
            // Somebody close to the lens hides the scene for some seconds.
            Covered | Moved => 7_000,
        })
    }

    /// What it is and what to do, for an operator.
    #[must_use]
    pub fn detail(self) -> &'static str {
        match self {
            Silent => {
                "silent: the camera delivers no frames; check its cable, its power and the log"
            }
            Black => {
                "black: the picture has neither light nor noise; check for a cap or tape on the lens, then the camera itself"
            }
            Frozen => {
                "frozen: the camera repeats the same picture; switch it off and on, then check its cable"
            }
            Dark => {
                "dark: too little light to recognise anybody; switch on a lamp, or check what covers the lens"
            }
            Overexposed => {
                "overexposed: the picture is white; check for a lamp or the sun shining into the lens"
            }
            Covered => {
                "covered: the usual scene is hidden; check for a hand, tape or dirt on the lens, and its focus"
            }
            Moved => {
                "moved: the camera shows another scene than usual; check where it points and what stands before it"
            }
        }
    }
}

/// What is known about one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measures {
    /// Share of samples that differ from the frame before, 0 to 1.
    pub changed: f32,
    /// Standard deviation of the samples, in grey levels.
    pub spread: f32,
    /// Level that 99 % of the samples do not exceed.
    pub brightest: u8,
    /// Share of samples that are clipped, 0 to 1.
    pub clipped: f32,
    /// No structure at all, not even that of an empty wall.
    pub plain: bool,
    /// How like the usual scene it is; `None` when that is not known yet.
    pub likeness: Option<Likeness>,
    /// A face was found a moment ago: the lens is free and looks at something real.
    pub face: bool,
}

impl Measures {
    /// Of a frame whose scene is not compared yet.
    #[must_use]
    pub fn of(thumbnail: &Thumbnail) -> Self {
        Self {
            changed: thumbnail.changed(),
            spread: thumbnail.spread(),
            brightest: thumbnail.level_of(0.99),
            clipped: thumbnail.share_from(CLIPPED),
            plain: false,
            likeness: None,
            face: false,
        }
    }

    /// Whether the frame shows nothing that the one before did not: no new observation.
    #[must_use]
    pub fn is_repeated(&self) -> bool {
        self.changed <= IDENTICAL
    }

    /// Whether there is neither light nor noise.
    #[must_use]
    pub fn is_black(&self) -> bool {
        self.brightest <= BLACK.0 && self.spread < BLACK.1
    }

    /// Whether the scene can be compared: there is enough light, and not too much.
    #[must_use]
    pub fn shows_scene(&self) -> bool {
        self.brightest >= DARK.0 && self.clipped < OVEREXPOSED.1
    }
}

/// An alarm began (with what to tell an operator) or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Which.
    pub alarm: Alarm,
    /// Condition, cause and way out; `None` when it ended.
    pub detail: Option<String>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    /// Time gathered, at most the condition's patience.
    gathered: Duration,
    begun: bool,
    /// Whether the newest frame, or the lack of one, showed it.
    seen: bool,
}

/// State of all conditions.
#[derive(Debug)]
pub struct Health {
    standing: [Standing; Condition::ALL.len()],
    /// What was told: at most one condition of each alarm.
    told: [Option<Condition>; 2],
    /// When the last frame came, and the last one that was not a repetition.
    heard: Tick,
    renewed: Tick,
}

impl Health {
    /// Everything in order; silence counts from now.
    #[must_use]
    pub fn new(now: Tick) -> Self {
        Self {
            standing: [Standing::default(); Condition::ALL.len()],
            told: [None; 2],
            heard: now,
            renewed: now,
        }
    }

    /// When the last frame came; at first, when watching began.
    #[must_use]
    pub fn heard(&self) -> Tick {
        self.heard
    }

    /// A frame came.
    pub fn frame(&mut self, measures: &Measures, now: Tick) -> Vec<News> {
        // After a silence, nothing is known about the time in between.
        let passed = if self.standing[Silent as usize].seen {
            Duration::ZERO
        } else {
            now.since(self.heard).min(STEP)
        };
        self.heard = now;
        if !measures.is_repeated() {
            self.renewed = now;
        }
        for condition in Condition::ALL {
            let Some(seen) = self.sees(condition, measures, now) else {
                continue;
            };
            let standing = &mut self.standing[condition as usize];
            let patience = condition.patience();
            standing.seen = seen;
            if seen {
                standing.gathered = (standing.gathered + passed).min(patience);
                standing.begun |= standing.gathered == patience;
            } else {
                // Whatever took long to gather is gone as soon as everything else.
                let lost = passed.mul_f64(patience.max(CLEAR).div_duration_f64(CLEAR));
                standing.gathered = standing.gathered.saturating_sub(lost);
                standing.begun &= !standing.gathered.is_zero();
            }
        }
        self.news(None)
    }

    /// No frame came; `cause` is what the camera's thread last complained of.
    pub fn silence(&mut self, cause: Option<&str>, now: Tick) -> Vec<News> {
        if now.since(self.heard) < SILENCE {
            return Vec::new();
        }
        self.standing[Silent as usize] = Standing {
            gathered: CLEAR,
            begun: true,
            seen: true,
        };
        self.news(cause)
    }

    /// Whether this frame shows the condition; `None` when it cannot tell.
    fn sees(&self, condition: Condition, measures: &Measures, now: Tick) -> Option<bool> {
        let begun = self.standing[condition as usize].begun;
        let dark = measures.brightest < if begun { DARK.1 } else { DARK.0 };
        match condition {
            Silent => Some(false),
            Black => Some(measures.is_black()),
            Dark => Some(dark),
            Overexposed => {
                let (from, to) = OVEREXPOSED;
                Some(measures.clipped >= if begun { to } else { from })
            }
            // Where nothing but black or white is left, noise is clipped too.
            Frozen if !measures.shows_scene() => None,
            Frozen => Some(now.since(self.renewed) >= KEY_FRAME),
            Covered | Moved if !measures.shows_scene() => None,
            Covered if measures.face => Some(false),
            Moved if measures.face => None,
            Covered if measures.plain => Some(true),
            Covered => Some(measures.likeness?.is_hidden()),
            Moved if measures.plain => Some(false),
            Moved => Some(measures.likeness?.is_elsewhere()),
        }
    }

    /// What changed in what is to be told. What is told stays so for as long as it stands, also
    /// when a condition before it begins: a new cause of an old alarm is no news.
    fn news(&mut self, cause: Option<&str>) -> Vec<News> {
        let mut news = Vec::new();
        for (alarm, told) in [Alarm::CameraFault, Alarm::Tamper]
            .into_iter()
            .zip(&mut self.told)
        {
            let stands = |condition: &Condition| self.standing[*condition as usize].begun;
            if told.as_ref().is_some_and(stands) {
                continue;
            }
            // One that is on its way out is not told any more.
            let seen = |condition: &Condition| self.standing[*condition as usize].seen;
            let next = Condition::ALL
                .into_iter()
                .find(|c| c.alarm() == alarm && stands(c) && seen(c));
            if told.is_some() {
                news.push(News {
                    alarm,
                    detail: None,
                });
            }
            if let Some(condition) = next {
                let detail = match cause {
                    Some(cause) if condition == Silent => {
                        format!("{}; {cause}", condition.detail())
                    }
                    _ => condition.detail().to_owned(),
                };
                news.push(News {
                    alarm,
                    detail: Some(detail),
                });
            }
            *told = next;
        }
        news
    }
}

#[cfg(test)]
mod tests;
