//! Watches the scene for the vision thread: one call a frame says whether to look at it, and
//! which alarms began or ended.
//!
//! Puts [`Thumbnail`], [`Background`], [`Health`] and [`MotionGate`] together. A frame that
//! repeats the one before, or is black, is never looked at: it is no new observation, and a
//! frozen picture of a face must not open a door. Everything else is only a matter of the gate.

use std::time::Duration;

use opencv::core::Mat;

use super::background::Background;
use super::health::{Health, Measures, News, SILENCE};
use super::motion::MotionGate;
use super::thumbnail::Thumbnail;
use crate::clock::Tick;

/// A face counts as in view for so long after it was found.
const FACE: Duration = Duration::from_secs(1);
/// How long the first learning waits for nobody to move; some scenes are never calm.
const WAIT_FOR_CALM: Duration = Duration::from_secs(60);

/// What a frame is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Whether vision should look at it.
    pub wanted: bool,
    /// Alarms to tell, in order.
    pub news: Vec<News>,
}

/// Follows the scene from frame to frame.
#[derive(Debug)]
pub struct SceneWatch {
    thumbnail: Thumbnail,
    background: Background,
    health: Health,
    gate: MotionGate,
    gated: bool,
    started: Tick,
    face: Option<Tick>,
}

impl SceneWatch {
    /// Starts watching; `gated` is `[camera] motion_gate`.
    #[must_use]
    pub fn new(gated: bool, now: Tick) -> Self {
        Self {
            thumbnail: Thumbnail::default(),
            background: Background::default(),
            health: Health::new(now),
            gate: MotionGate::default(),
            gated,
            started: now,
            face: None,
        }
    }

    /// Takes the next frame, 8-bit BGR, with the time of its capture.
    ///
    /// # Errors
    /// When the frame is empty or of another type.
    pub fn frame(&mut self, frame: &Mat, captured: Tick) -> Result<Look, opencv::Error> {
        self.thumbnail.take(frame)?;
        let mut measures = Measures::of(&self.thumbnail);
        let visible = !measures.is_repeated() && !measures.is_black();
        let open = visible && (self.gate.open(&self.thumbnail, captured) || !self.gated);
        measures.face = self.face.is_some_and(|at| captured.since(at) < FACE);
        if measures.shows_scene() {
            let calm = self.background.is_settled()
                || self.gate.calm(captured)
                || captured.since(self.started) >= WAIT_FOR_CALM;
            let passed = captured.since(self.health.heard()).min(FACE);
            let cells = self.thumbnail.cells();
            measures.likeness = self
                .background
                .observe(cells, passed, calm && !measures.face);
            measures.plain = self.background.is_plain();
        }
        Ok(Look {
            wanted: open,
            news: self.health.frame(&measures, captured),
        })
    }

    /// Says that vision found a face in the frame of this time: the gate stays open.
    pub fn face_in_view(&mut self, captured: Tick) {
        self.face = Some(captured);
        self.gate.hold(captured);
    }

    /// Whether no frame has come for so long that it is an alarm.
    #[must_use]
    pub fn is_silent(&self, now: Tick) -> bool {
        now.since(self.health.heard()) >= SILENCE
    }

    /// Says that no frame came; `cause` is what the camera's thread last complained of.
    pub fn silence(&mut self, cause: Option<&str>, now: Tick) -> Vec<News> {
        self.health.silence(cause, now)
    }
}
