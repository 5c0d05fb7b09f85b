//! The service's work on one frame, on one thread: from pixels to a recorded decision.
//!
//! The same parts in the same order as the service's threads, without waiting for frames, a broker
//! or a real relay. Time comes in with each frame. Flows in: frames. Flows out: [`Made`] decisions,
//! after their commit.

use std::path::Path;

use opencv::core::Mat;

use super::BenchError;
use crate::access::rules::{Group, Rules, Subject};
use crate::access::{Answer, Desk, Evidence, Policy, face};
use crate::camera::SceneWatch;
use crate::clock::{Moment, Tick, Timestamp};
use crate::config::{Config, RelayConfig, RelayDriver};
use crate::door::{Door, Effect, Input, Settings, step};
use crate::event::Event;
use crate::event::wire::Lock;
use crate::gallery::{Gallery, Member};
use crate::gpio::relay::{self, Relay};
use crate::pipeline::Pipeline;
use crate::presentation::{Claim, Identity, Report};
use crate::store::{EVERYONE, Store};
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
    policy: Policy,
    desk: Desk,
    store: Store,
    relay: Box<dyn Relay>,
    settings: Settings,
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
        let group = (EVERYONE.to_owned(), Group::default());
        let rules = Rules {
            groups: [group].into(),
            ..Rules::default()
        };
        let mut pipeline = Pipeline::new(vision, &config.recognition, &config.liveness)?;
        pipeline.gallery_changed(&gallery);
        Ok(Self {
            scene: SceneWatch::new(config.camera.motion_gate, Tick::default()),
            pipeline,
            gallery,
            policy: config.policy(rules)?,
            desk: Desk::new(),
            store: Store::open(&folder.join("bench.db"), config.wire())?,
            relay: relay::open(&simulated)?,
            settings: config.door_settings(),
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
        let (
            Some(member),
            Identity::Member {
                similarity,
                liveness,
                ..
            },
        ) = (member, claim.identity)
        else {
            let person = member.map(|member| member.person.clone());
            let reason = face::reason(&claim.identity);
            let denied = face::denied(claim, person, reason, now);
            self.store
                .record(Timestamp::now(), Event::AccessDenied(denied))?;
            return Ok(false);
        };
        let person = member.person.clone();
        let subject = everyone(member);
        let evidence = Evidence {
            similarity,
            liveness,
            observations: claim.observations,
            began: claim.began,
        };
        let moment = Moment {
            wall: Timestamp::now(),
            tick: now,
            clock_trusted: true,
        };
        let mode = self.door.mode();
        let answers = self
            .desk
            .claim(&self.policy, &subject, evidence, mode, &moment);
        let mut granted = false;
        for answer in answers {
            granted |= matches!(answer, Answer::Granted { .. });
            self.store.record(moment.wall, answer.event())?;
        }
        if granted {
            let extended = false;
            self.input(Input::Granted { person, extended }, now)?;
        }
        Ok(granted)
    }

    fn input(&mut self, input: Input, now: Tick) -> Result<(), BenchError> {
        let door = std::mem::take(&mut self.door);
        let (door, effects) = step(&self.settings, door, input, now);
        self.door = door;
        for effect in effects {
            self.carry_out(effect)?;
        }
        Ok(())
    }

    /// A failed commit or relay ends the measurement, so the door need not hear of it.
    fn carry_out(&mut self, effect: Effect) -> Result<(), BenchError> {
        match effect {
            Effect::Release { event } => {
                self.store.record(Timestamp::now(), event)?;
                self.relay.set(Lock::Released)?;
            }
            Effect::Secure { event } => {
                self.relay.set(Lock::Secured)?;
                self.store.record(Timestamp::now(), event)?;
            }
            Effect::Record(event) => {
                self.store.record(Timestamp::now(), event)?;
            }
            // Nothing but frames and time comes in here, so none of these comes out.
            Effect::Ask { .. }
            | Effect::Raise { .. }
            | Effect::Clear { .. }
            | Effect::PreAlarm(_)
            | Effect::Refused(_) => {}
        }
        Ok(())
    }
}

/// A member who may pass at any time.
fn everyone(member: &Member) -> Subject {
    Subject {
        person: member.person.clone(),
        status: member.status,
        groups: vec![EVERYONE.to_owned()],
        valid_from: None,
        valid_until: None,
        extended: false,
        pin: None,
        presence: None,
    }
}
