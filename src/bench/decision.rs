//! How long people wait: from the first frame in which a face is near enough to the relay command.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opencv::core::Mat;

use super::BenchError;
use super::chain::Chain;
use super::clip::FOLDER_FPS;
use super::spread::Spread;
use crate::camera::{self, CameraEvent, FrameSlot};
use crate::clock::{Clock, SystemClock};
use crate::config::{CameraConfig, SourceKind};
use crate::process;

/// How long the last frame is waited for before the clip counts as over.
const PATIENCE: Duration = Duration::from_millis(250);

/// What a clip played at its own speed showed.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Decisions {
    /// Frames examined.
    pub frames: u64,
    /// Frames that a newer one replaced before they were examined.
    pub skipped: u64,
    /// Grants.
    pub granted: usize,
    /// Denials.
    pub denied: usize,
    /// From the first near enough face to the relay command of a grant, recorded and committed.
    pub grant: Spread,
    /// Of that, from the capture of the frame that decided: what is not waiting for frames.
    pub beyond_frames: Spread,
    /// Share of one core that all of it took, decoding included.
    pub cpu_share: f64,
}

/// Plays a clip at its own speed through the newest-frame slot, as the service does.
///
/// # Errors
/// When nobody is enrolled, the clip cannot be played or the chain fails.
pub fn play(
    chain: &mut Chain,
    path: &Path,
    mut progress: impl FnMut(),
) -> Result<Decisions, BenchError> {
    if chain.gallery().is_empty() {
        return Err(BenchError::NobodyEnrolled);
    }
    let config = CameraConfig {
        source: if path.is_dir() {
            SourceKind::Folder
        } else {
            SourceKind::File
        },
        path: Some(path.to_owned()),
        fps: FOLDER_FPS,
        ..CameraConfig::default()
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let slot = Arc::new(FrameSlot::default());
    let stop = Arc::new(AtomicBool::new(false));
    let over = Arc::new(AtomicBool::new(false));
    let started = (clock.tick(), process::cpu_time());
    let camera = {
        let (slot, clock) = (Arc::clone(&slot), Arc::clone(&clock));
        let (stop, over) = (Arc::clone(&stop), Arc::clone(&over));
        std::thread::spawn(move || {
            let mut failure = None;
            camera::capture(&config, &slot, &clock, &stop, |event| {
                if let CameraEvent::Gone(error) = event {
                    failure = Some(error);
                }
            });
            over.store(true, Ordering::Relaxed);
            failure
        })
    };
    let mut frame = Mat::default();
    let (mut last, mut frames, mut denied) = (0, 0, 0);
    let mut grants = Vec::new();
    let outcome = loop {
        let Some(taken) = slot.take_newer(last, &mut frame, PATIENCE) else {
            if over.load(Ordering::Relaxed) {
                break Ok(());
            }
            continue;
        };
        last = taken.number;
        frames += 1;
        match chain.look(&frame, taken.captured) {
            Ok(made) => {
                let now = clock.tick();
                let (granted, others): (Vec<_>, Vec<_>) = made.into_iter().partition(|m| m.granted);
                denied += others.len();
                grants.extend(
                    granted
                        .into_iter()
                        .map(|made| (now.since(made.began), now.since(made.captured))),
                );
            }
            Err(error) => break Err(error),
        }
        progress();
    };
    stop.store(true, Ordering::Relaxed);
    let camera = camera.join().ok().flatten();
    outcome?;
    if let Some(error) = camera {
        return Err(error.into());
    }
    let wall = clock.tick().since(started.0);
    let cpu = process::cpu_time().saturating_sub(started.1);
    Ok(Decisions {
        frames,
        skipped: last - frames,
        granted: grants.len(),
        denied,
        beyond_frames: Spread::of(grants.iter().map(|(_, beyond)| *beyond)),
        grant: Spread::of(grants.into_iter().map(|(took, _)| took)),
        cpu_share: cpu.as_secs_f64() / wall.as_secs_f64(),
    })
}
