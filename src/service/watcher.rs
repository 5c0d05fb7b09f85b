//! Vision's thread: takes the newest frame, follows faces, gathers evidence, makes claims.
//!
//! It never touches the relay or the record; it tells the keeper. It also notices within a
//! second that the CLI changed the gallery, and that the camera fell silent.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use opencv::core::Mat;

use super::ServiceError;
use super::keeper::Message;
use crate::camera::FrameSlot;
use crate::clock::{Clock, Tick};
use crate::event::Alarm;
use crate::gallery::Gallery;
use crate::presentation::{Evidence, Identity, Presentations, Rules, TrackId, Tracker};
use crate::store::{Store, StoreError};
use crate::vision::geometry::Rect;
use crate::vision::{Detection, QualityLimits, Vision, VisionError};

/// How often the gallery's revision is compared: a change by the CLI counts within a second.
const REFRESH: Duration = Duration::from_millis(250);
/// A camera silent for so long is an alarm.
const SILENCE: Duration = Duration::from_secs(8);
/// Faces examined in one frame, the largest first: more people than fit before a door.
pub(crate) const MAX_FACES: usize = 3;

/// What the thread works with.
pub(super) struct Watcher {
    pub(super) vision: Vision,
    pub(super) store: Store,
    pub(super) slot: Arc<FrameSlot>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rules: Rules,
    pub(super) limits: QualityLimits,
    pub(super) keeper: Sender<Message>,
    pub(super) stop: Arc<AtomicBool>,
}

impl Watcher {
    /// Runs until stopped.
    pub(super) fn run(mut self) -> Result<(), ServiceError> {
        let mut gallery = Gallery::default();
        let mut revision = None;
        let mut checked: Option<Tick> = None;
        let mut tracker = Tracker::default();
        let mut presentations = Presentations::new(self.rules.clone());
        let mut in_view = BTreeSet::new();
        let mut frame = Mat::default();
        let mut last = 0;
        let mut heard = self.clock.tick();
        let mut silent = false;
        while !self.stop.load(Ordering::Relaxed) {
            let now = self.clock.tick();
            if checked.is_none_or(|at| now.since(at) >= REFRESH) {
                checked = Some(now);
                if self.refresh(&mut revision, &mut gallery)? {
                    presentations.gallery_changed();
                }
            }
            let Some(taken) = self.slot.take_newer(last, &mut frame, REFRESH) else {
                if !silent && self.clock.tick().since(heard) >= SILENCE {
                    silent = true;
                    let detail = format!("no frame for {} s", SILENCE.as_secs());
                    self.tell_alarm(Some(detail));
                }
                continue;
            };
            last = taken.number;
            heard = self.clock.tick();
            if std::mem::take(&mut silent) {
                self.tell_alarm(None);
            }
            let faces = self.largest_faces(&frame)?;
            let boxes: Vec<Rect> = faces.iter().map(|face| face.rect).collect();
            let (tracks, ended) = tracker.update(&boxes, taken.captured);
            for track in ended {
                presentations.end(track);
                if in_view.remove(&track) {
                    tracing::info!(track = track.0, "face gone");
                }
            }
            for (detection, track) in faces.into_iter().zip(tracks) {
                if in_view.insert(track) {
                    tracing::info!(track = track.0, "face seen");
                }
                if presentations.wants(track, taken.captured) {
                    let evidence = self.evidence(&frame, detection, track, &gallery)?;
                    let claim =
                        evidence.and_then(|e| presentations.observe(track, e, taken.captured));
                    if let Some(claim) = claim {
                        let member = match claim.identity {
                            Identity::Member { member, .. } => gallery.member(member).cloned(),
                            _ => None,
                        };
                        self.tell(Message::Claim { claim, member });
                    }
                }
            }
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
        let current = match self.store.gallery_revision() {
            Ok(current) => current,
            Err(StoreError::Busy(_)) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let (model, dimensions) = (self.vision.model_id(), self.vision.dimensions());
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

    fn largest_faces(&mut self, frame: &Mat) -> Result<Vec<Detection>, VisionError> {
        let mut faces = self.vision.detect(frame)?;
        faces.sort_by(|a, b| b.rect.area().total_cmp(&a.rect.area()));
        faces.truncate(MAX_FACES);
        Ok(faces)
    }

    /// What this frame says about one face; nothing when there is no face after all.
    fn evidence(
        &mut self,
        frame: &Mat,
        detection: Detection,
        track: TrackId,
        gallery: &Gallery,
    ) -> Result<Option<Evidence>, VisionError> {
        let Some(face) = self.vision.examine(frame, detection)? else {
            return Ok(None);
        };
        let evidence = match face.quality.check(&self.limits) {
            Err(failure) => Evidence::Poor(failure),
            Ok(()) => Evidence::Compared(gallery.search(&self.vision.embed(&face)?.embedding)),
        };
        tracing::trace!(track = track.0, ?evidence, quality = ?face.quality, "observation");
        Ok(Some(evidence))
    }

    fn tell_alarm(&self, detail: Option<String>) {
        let alarm = Alarm::CameraFault;
        self.tell(Message::Alarm { alarm, detail });
    }

    /// The keeper only goes away when the service ends, and then nothing is left to be told.
    fn tell(&self, message: Message) {
        let _ = self.keeper.send(message);
    }
}
