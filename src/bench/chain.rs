//! The service's work on one frame, on one thread: from pixels to a recorded decision.
//!
//! The same parts in the same order as the service's threads, without waiting for frames, a broker
//! or a real relay. Time comes in with each frame. Flows in: frames. Flows out: [`Made`] decisions,
//! after their commit.

use std::path::Path;
use std::time::Duration;

use opencv::core::Mat;

use super::BenchError;
use crate::access::{Outcome, decided};
use crate::camera::SceneWatch;
use crate::clock::{Tick, Timestamp};
use crate::config::{Config, RelayConfig, RelayDriver};
use crate::door::{Door, Effect, Input, step};
use crate::event::Event;
use crate::gallery::Gallery;
use crate::gpio::relay::{self, Relay};
use crate::pipeline::Pipeline;
use crate::presentation::{Claim, Report};
use crate::store::Store;
use crate::vision::{Vision, VisionError};

/// A decision that was made and recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Time of the first frame in which the face was near enough to be compared.
    pub began: Tick,
    /// Whether the relay was released.
    pub granted: bool,
    /// When the frame that brought it about was captured.
    pub captured: Tick,
}

/// Everything between a frame and the relay.
pub struct Chain {
    scene: SceneWatch,
    pipeline: Pipeline,
    gallery: Gallery,
    store: Store,
    relay: Box<dyn Relay>,
    release: Duration,
    door: Door,
}

impl Chain {
    /// The configured rules, with these people, a fresh store in `folder` and a simulated relay.
    ///
    /// # Errors
    /// When the store cannot be made, or the model pack cannot do what is configured.
    pub fn new(
        config: &Config,
        vision: Vision,
        gallery: Gallery,
        folder: &Path,
    ) -> Result<Self, BenchError> {
        let simulated = RelayConfig {
            driver: RelayDriver::Simulated,
            transitions: None,
            ..config.relay.clone()
        };
        let mut pipeline = Pipeline::new(vision, &config.recognition, &config.liveness)?;
        pipeline.gallery_changed(&gallery);
        Ok(Self {
            scene: SceneWatch::new(config.camera.motion_gate, Tick::default()),
            pipeline,
            gallery,
            store: Store::open(&folder.join("bench.db"), config.wire())?,
            relay: relay::open(&simulated)?,
            release: Duration::from_millis(config.relay.release_ms),
            door: Door::default(),
        })
    }

    /// Who is known.
    #[must_use]
    pub fn gallery(&self) -> &Gallery {
        &self.gallery
    }

    /// Everything that the service does with a frame that was captured at `now`.
    ///
    /// # Errors
    /// When the engine, the store or the simulated relay fails.
    pub fn look(&mut self, frame: &Mat, now: Tick) -> Result<Vec<Made>, BenchError> {
        self.input(Input::Tick, now)?;
        let seen = self.scene.frame(frame, now).map_err(VisionError::from)?;
        if !seen.wanted {
            return Ok(Vec::new());
        }
        let look = self.pipeline.look(frame, &self.gallery, now)?;
        if self.pipeline.sees_a_face() {
            self.scene.face_in_view(now);
        }
        let mut made = Vec::new();
        for report in look.reports {
            if let Report::Claim(claim) = report {
                made.push(Made {
                    began: claim.began,
                    granted: self.decide(&claim, now)?,
                    captured: now,
                });
            }
        }
        Ok(made)
    }

    /// Decides, records, and only then moves the relay; true for a grant.
    fn decide(&mut self, claim: &Claim, now: Tick) -> Result<bool, BenchError> {
        let member = claim.identity.member().and_then(|m| self.gallery.member(m));
        let (event, granted) = match decided(claim, member, now.since(claim.began)) {
            Outcome::Granted(granted) => (Event::AccessGranted(granted), true),
            Outcome::Denied(denied) => (Event::AccessDenied(denied), false),
        };
        self.store.record(Timestamp::now(), event)?;
        if granted {
            let release = self.release;
            self.input(Input::Granted { release }, now)?;
        }
        Ok(granted)
    }

    fn input(&mut self, input: Input, now: Tick) -> Result<(), BenchError> {
        let (door, effect) = step(self.door, input, now);
        self.door = door;
        let event = match effect {
            None => return Ok(()),
            Some(Effect::Release { cause, release }) => Event::DoorReleased {
                cause,
                release_ms: u64::try_from(release.as_millis()).ok(),
                person: None,
            },
            Some(Effect::Secure { cause }) => Event::DoorSecured { cause },
        };
        self.relay.set(door.lock())?;
        self.store.record(Timestamp::now(), event)?;
        Ok(())
    }
}
