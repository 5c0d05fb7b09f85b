//! Vision's thread: looks at the newest frame and tells the guard what is in it.
//!
//! It never touches the relay, the record or the disk: what is new in the gallery comes from the
//! reader. What is wrong with the camera's picture it tells as alarms.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use opencv::core::Mat;

use super::ServiceError;
use super::guard::Message;
use super::reader::GalleryNews;
use super::watchdog::Signs;
use crate::camera::health::News;
use crate::camera::{FrameSlot, SceneWatch};
use crate::clock::Clock;
use crate::conditions::Source;
use crate::gallery::{Gallery, Member};
use crate::guard::Input;
use crate::pipeline::Pipeline;
use crate::presentation::Report;
use crate::vision::VisionError;

/// The longest wait for a frame before the gallery is looked at.
const REFRESH: Duration = Duration::from_millis(250);

/// What the thread works with.
pub(super) struct Watcher {
    pub(super) pipeline: Pipeline,
    /// What the reader finds new in the gallery.
    pub(super) gallery: Receiver<GalleryNews>,
    pub(super) slot: Arc<FrameSlot>,
    pub(super) clock: Arc<dyn Clock>,
    /// Whether frames without motion are skipped.
    pub(super) motion_gate: bool,
    pub(super) guard: Sender<Message>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) signs: Signs,
}

impl Watcher {
    /// Runs until stopped.
    pub(super) fn run(mut self) -> Result<(), ServiceError> {
        let mut gallery = Gallery::default();
        let mut frame = Mat::default();
        let mut last = 0;
        let mut scene = SceneWatch::new(self.motion_gate, self.clock.tick());
        while !self.stop.load(Ordering::Relaxed) {
            if self.refresh(&mut gallery) {
                self.pipeline.gallery_changed(&gallery);
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
                self.tell(input(report, |member| gallery.member(member).cloned()));
            }
            self.signs.vision.mark(self.clock.tick());
        }
        Ok(())
    }

    /// Takes over what the reader found; whether that was anything.
    fn refresh(&self, gallery: &mut Gallery) -> bool {
        let mut changed = false;
        for news in self.gallery.try_iter() {
            changed = true;
            match news {
                GalleryNews::Whole(people) => {
                    *gallery = Gallery::new(people, self.pipeline.vision().dimensions());
                }
                // Only who changed is taken in again: frames do not wait for everybody else.
                GalleryNews::Changes(changes) => {
                    for change in changes {
                        gallery.apply(change);
                    }
                }
            }
        }
        if changed {
            tracing::info!(
                people = gallery.len(),
                templates = gallery.templates(),
                "gallery loaded"
            );
        }
        changed
    }

    fn tell_alarms(&self, news: Vec<News>) {
        for News { alarm, detail } in news {
            self.tell(Input::Alarm {
                alarm,
                source: Source::Camera,
                detail,
            });
        }
    }

    /// The guard only goes away when the service ends, and then nothing is left to be told.
    fn tell(&self, input: Input) {
        let _ = self.guard.send(Message::Input(input));
    }
}

/// A report for the guard, with the member as the gallery knows them now.
fn input(report: Report, member: impl Fn(usize) -> Option<Member>) -> Input {
    match report {
        Report::Claim(claim) => Input::Claim {
            claim,
            member: claim.identity.member().and_then(member),
        },
        Report::Challenge { member: index, .. } => Input::Challenge {
            member: member(index),
        },
    }
}
