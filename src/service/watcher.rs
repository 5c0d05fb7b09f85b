//! Vision's thread: looks at the newest frame and tells the keeper what is in it.
//!
//! It never touches the relay or the record. It also notices within a second that the CLI
//! changed the gallery, and that the camera fell silent.

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
use crate::gallery::{Gallery, Member};
use crate::pipeline::Pipeline;
use crate::presentation::Report;
use crate::store::{Store, StoreError};

/// How often the gallery's revision is compared: a change by the CLI counts within a second.
const REFRESH: Duration = Duration::from_millis(250);
/// A camera silent for so long is an alarm.
const SILENCE: Duration = Duration::from_secs(8);

/// What the thread works with.
pub(super) struct Watcher {
    pub(super) pipeline: Pipeline,
    pub(super) store: Store,
    pub(super) slot: Arc<FrameSlot>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keeper: Sender<Message>,
    pub(super) stop: Arc<AtomicBool>,
}

impl Watcher {
    /// Runs until stopped.
    pub(super) fn run(mut self) -> Result<(), ServiceError> {
        let mut gallery = Gallery::default();
        let mut revision = None;
        let mut checked: Option<Tick> = None;
        let mut frame = Mat::default();
        let mut last = 0;
        let mut heard = self.clock.tick();
        let mut silent = false;
        while !self.stop.load(Ordering::Relaxed) {
            let now = self.clock.tick();
            if checked.is_none_or(|at| now.since(at) >= REFRESH) {
                checked = Some(now);
                if let Some(changed) = self.refresh(&mut revision)? {
                    gallery = changed;
                    self.pipeline.gallery_changed(&gallery);
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
            let look = self.pipeline.look(&frame, &gallery, taken.captured)?;
            for track in look.gone {
                tracing::info!(track = track.0, "face gone");
            }
            for track in look.appeared {
                tracing::info!(track = track.0, "face seen");
            }
            for report in look.reports {
                self.tell(message(report, |member| gallery.member(member).cloned()));
            }
        }
        Ok(())
    }

    /// The gallery, if it changed since `revision`. A store that cannot be read for a moment
    /// leaves the old one in force: its people were right a moment ago.
    fn refresh(&self, revision: &mut Option<i64>) -> Result<Option<Gallery>, ServiceError> {
        let current = match self.store.gallery_revision() {
            Ok(current) => current,
            Err(StoreError::Busy(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if *revision == Some(current) {
            return Ok(None);
        }
        let vision = self.pipeline.vision();
        let dimensions = vision.dimensions();
        let people = self.store.gallery(vision.model_id(), dimensions)?;
        let gallery = Gallery::new(people, dimensions);
        tracing::info!(
            people = gallery.len(),
            templates = gallery.templates(),
            "gallery loaded"
        );
        *revision = Some(current);
        Ok(Some(gallery))
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
