//! Vision's thread: looks at the newest frame and tells the keeper what is in it.
//!
//! It never touches the relay or the record. It also notices within a second that the CLI
//! changed the gallery; what is wrong with the camera's picture it tells as alarms.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use opencv::core::Mat;

use super::ServiceError;
use super::keeper::Message;
use super::watchdog::Signs;
use crate::camera::health::News;
use crate::camera::{FrameSlot, SceneWatch};
use crate::clock::{Clock, Tick};
use crate::conditions::Source;
use crate::gallery::{Gallery, Member};
use crate::pipeline::Pipeline;
use crate::presentation::Report;
use crate::store::{Store, StoreError};
use crate::vision::VisionError;

/// How often the gallery's revision is compared: a change by the CLI counts within a second.
const REFRESH: Duration = Duration::from_millis(250);

/// What the thread works with.
pub(super) struct Watcher {
    pub(super) pipeline: Pipeline,
    pub(super) store: Store,
    pub(super) slot: Arc<FrameSlot>,
    pub(super) clock: Arc<dyn Clock>,
    /// Whether frames without motion are skipped.
    pub(super) motion_gate: bool,
    pub(super) keeper: Sender<Message>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) signs: Signs,
}

impl Watcher {
    /// Runs until stopped.
    pub(super) fn run(mut self) -> Result<(), ServiceError> {
        let mut gallery = Gallery::default();
        let mut revision = None;
        let mut checked: Option<Tick> = None;
        let mut frame = Mat::default();
        let mut last = 0;
        let mut scene = SceneWatch::new(self.motion_gate, self.clock.tick());
        while !self.stop.load(Ordering::Relaxed) {
            let now = self.clock.tick();
            if checked.is_none_or(|at| now.since(at) >= REFRESH) {
                checked = Some(now);
                self.signs.vision_reads.mark(now);
                let changed = self.refresh(&mut revision, &mut gallery)?;
                self.signs.vision_reads.rest();
                let read = self.clock.tick();
                if read.since(now) >= REFRESH {
                    // A disk that was slow is no fault of vision's.
                    self.signs.vision.mark(read);
                }
                if changed {
                    self.pipeline.gallery_changed(&gallery);
                }
            }
            let Some(taken) = self.slot.take_newer(last, &mut frame, REFRESH) else {
                let cause = self.slot.complaint();
                let now = self.clock.tick();
                self.tell_alarms(scene.silence(cause.as_deref(), now));
                if scene.is_silent(now) {
                    self.signs.vision.mark(now);
                }
                continue;
            };
            last = taken.number;
            let seen = scene
                .frame(&frame, taken.captured)
                .map_err(VisionError::from)?;
            self.tell_alarms(seen.news);
            if !seen.wanted {
                self.signs.vision.mark(self.clock.tick());
                continue;
            }
            let look = self.pipeline.look(&frame, &gallery, taken.captured)?;
            if self.pipeline.sees_a_face() {
                scene.face_in_view(taken.captured);
            }
            for track in look.gone {
                tracing::info!(track = track.0, "face gone");
            }
            for track in look.appeared {
                tracing::info!(track = track.0, "face seen");
            }
            for report in look.reports {
                self.tell(message(report, |member| gallery.member(member).cloned()));
            }
            self.signs.vision.mark(self.clock.tick());
        }
        Ok(())
    }

    /// Brings the gallery up to date; false when it was. A store that cannot be read for a moment
    /// leaves the old one in force: its people were right a moment ago.
    fn refresh(
        &self,
        revision: &mut Option<i64>,
        gallery: &mut Gallery,
    ) -> Result<bool, ServiceError> {
        // Also the quickest to notice that the file is gone: the keeper may write nothing for hours.
        self.store.ensure_in_place()?;
        let current = match self.store.gallery_revision() {
            Ok(current) => current,
            Err(StoreError::Busy(_)) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let vision = self.pipeline.vision();
        let (model, dimensions) = (vision.model_id(), vision.dimensions());
        match *revision {
            Some(known) if known == current => return Ok(false),
            // Only who changed is read again: frames do not wait for everybody else.
            Some(known) => {
                for change in self.store.gallery_changes(known, model, dimensions)? {
                    gallery.apply(change);
                }
            }
            None => *gallery = Gallery::new(self.store.gallery(model, dimensions)?, dimensions),
        }
        tracing::info!(
            people = gallery.len(),
            templates = gallery.templates(),
            "gallery loaded"
        );
        *revision = Some(current);
        Ok(true)
    }

    fn tell_alarms(&self, news: Vec<News>) {
        for News { alarm, detail } in news {
            self.tell(Message::Alarm {
                alarm,
                source: Source::Camera,
                detail,
            });
        }
    }

    /// The keeper only goes away when the service ends, and then nothing is left to be told.
    fn tell(&self, message: Message) {
        let _ = self.keeper.send(message);
    }
}

/// A report for the keeper, with the member as the gallery knows them now.
fn message(report: Report, member: impl Fn(usize) -> Option<Member>) -> Message {
    match report {
        Report::Claim(claim) => Message::Claim {
            claim,
            member: claim.identity.member().and_then(member),
        },
        Report::Challenge { member: index, .. } => Message::Challenge {
            member: member(index),
        },
    }
}
