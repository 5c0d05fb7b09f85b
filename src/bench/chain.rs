//! The service's work on one frame, on one thread: from pixels to a recorded decision.
//!
//! The same parts in the same order as the service's threads, without waiting for frames, a broker
//! or a real relay. Time comes in with each frame. Flows in: frames. Flows out: [`Made`] decisions,
//! after their commit.

use std::path::Path;
use std::time::Duration;

use opencv::core::Mat;

use super::BenchError;
use crate::access::{Decision, decide};
use crate::clock::{Tick, Timestamp};
use crate::config::{Config, RelayConfig, RelayDriver};
use crate::door::relay::{self, Relay};
use crate::door::{Door, Effect, Input, step};
use crate::event::{Denied, DenyReason, Event, Granted, Method};
use crate::gallery::Gallery;
use crate::presentation::{Claim, Evidence, Identity, Presentations, Tracker};
use crate::service::{rules, watcher::MAX_FACES};
use crate::store::Store;
use crate::vision::geometry::Rect;
use crate::vision::{Detection, QualityLimits, Vision};

/// A decision that was made and recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Time of the first frame in which the face was near enough to be compared.
    pub began: Tick,
    /// Whether the relay was released.
    pub granted: bool,
}

/// Everything between a frame and the relay.
pub struct Chain {
    vision: Vision,
    gallery: Gallery,
    tracker: Tracker,
    presentations: Presentations,
    limits: QualityLimits,
    store: Store,
    relay: Box<dyn Relay>,
    release: Duration,
    door: Door,
}

impl Chain {
    /// The configured rules, with these people, a fresh store in `folder` and a simulated relay.
    ///
    /// # Errors
    /// When the store cannot be made.
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
        Ok(Self {
            vision,
            gallery,
            tracker: Tracker::default(),
            presentations: Presentations::new(rules(config)),
            limits: QualityLimits {
                min_eye_distance_px: config.recognition.min_eye_distance_px,
                min_sharpness: config.recognition.min_sharpness,
            },
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
        let mut faces = self.vision.detect(frame)?;
        faces.sort_by(|a, b| b.rect.area().total_cmp(&a.rect.area()));
        faces.truncate(MAX_FACES);
        let boxes: Vec<Rect> = faces.iter().map(|face| face.rect).collect();
        let (tracks, ended) = self.tracker.update(&boxes, now);
        ended.into_iter().for_each(|t| self.presentations.end(t));
        let mut made = Vec::new();
        for (detection, track) in faces.into_iter().zip(tracks) {
            if !self.presentations.wants(track, now) {
                continue;
            }
            let evidence = self.evidence(frame, detection)?;
            let claim = evidence.and_then(|e| self.presentations.observe(track, e, now));
            if let Some(claim) = claim {
                made.push(Made {
                    began: claim.began,
                    granted: self.decide(&claim, now)?,
                });
            }
        }
        Ok(made)
    }

    fn evidence(
        &mut self,
        frame: &Mat,
        detection: Detection,
    ) -> Result<Option<Evidence>, BenchError> {
        let Some(face) = self.vision.examine(frame, detection)? else {
            return Ok(None);
        };
        Ok(Some(match face.quality.check(&self.limits) {
            Err(failure) => Evidence::Poor(failure),
            Ok(()) => {
                let embedding = self.vision.embed(&face)?.embedding;
                Evidence::Compared(self.gallery.search(&embedding))
            }
        }))
    }

    /// Decides, records, and only then moves the relay; true for a grant.
    fn decide(&mut self, claim: &Claim, now: Tick) -> Result<bool, BenchError> {
        let (member, similarity) = match claim.identity {
            Identity::Member { member, similarity } => {
                (self.gallery.member(member), Some(similarity))
            }
            Identity::Ambiguous { similarity } => (None, Some(similarity)),
            Identity::Unknown { similarity } => (None, similarity),
            Identity::TooPoor => (None, None),
        };
        let decision = decide(&claim.identity, member.map(|member| member.status));
        let person = member.map(|member| member.person.clone());
        let latency_ms = u64::try_from(now.since(claim.began).as_millis()).unwrap_or(u64::MAX);
        let (observations, method) = (claim.observations, Method::Face);
        let event = match (decision, person) {
            (Decision::Grant, Some(person)) => Event::AccessGranted(Granted {
                person,
                similarity: similarity.unwrap_or_default(),
                observations,
                method,
                latency_ms,
            }),
            (decision, person) => Event::AccessDenied(Denied {
                reason: match decision {
                    Decision::Deny(reason) => reason,
                    Decision::Grant => DenyReason::Unknown,
                },
                person,
                similarity,
                observations,
                method,
                latency_ms,
            }),
        };
        let granted = matches!(event, Event::AccessGranted(_));
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
                release_ms: u64::try_from(release.as_millis()).unwrap_or(u64::MAX),
                person: None,
            },
            Some(Effect::Secure { cause }) => Event::DoorSecured { cause },
        };
        self.relay.set(door.lock())?;
        self.store.record(Timestamp::now(), event)?;
        Ok(())
    }
}
