//! Measures presentation attack detection on clips that lie in folders as single frames.
//!
//! Reads `DIR/SPECIES/CLIP/*`: the frames of one presentation in the order of their names. A
//! species whose name begins with `live` is bona fide, every other one an attack. Each clip is
//! played through the networks until there is a verdict, as the service does. Counts, per
//! species, what came out, as ISO/IEC 30107-3 does: an attack that is called live is an APCER
//! error, a live face that is not called live is a BPCER error. Writes nothing.
//!
//! ```text
//! cargo run --release --example check_liveness -- DIR
//! ```

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use doorward::clock::Tick;
use doorward::enroll::images_in;
use doorward::presentation::{Liveness, LivenessEvidence, SpoofCue, TrackId, Tracker};
use doorward::vision::pack::ModelPack;
use doorward::vision::{Detection, LivenessCues, Vision, still};
use indicatif::ProgressIterator as _;
use opencv::core::Mat;

/// Measure presentation attack detection on clips.
#[derive(Debug, Parser)]
struct Args {
    /// Folder with SPECIES/CLIP/ inside.
    folder: PathBuf,
    /// Folder of the model pack's manifest.
    #[arg(long, default_value = "models")]
    models: PathBuf,
    /// Milliseconds from one frame to the next.
    #[arg(long, default_value_t = 120)]
    step_ms: u64,
}

/// What came out for the clips of one species.
#[derive(Debug, Default)]
struct Tally {
    live: u32,
    border: u32,
    network: u32,
    undecided: u32,
    faceless: u32,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut vision = Vision::load(&ModelPack::open(&args.models)?, 2)?;
    vision.load_liveness()?;
    println!("species           clips   live  border  network  undecided  no face  error rate");
    let (mut spent, mut judged) = (Duration::ZERO, 0);
    for species in folders_in(&args.folder)? {
        let mut tally = Tally::default();
        for clip in folders_in(&species)?.iter().progress() {
            let mut evidence = LivenessEvidence::default();
            let mut verdict = Liveness::Undecided;
            let mut tracker = Tracker::default();
            let mut followed: Option<TrackId> = None;
            for (number, path) in images_in(clip)?.iter().enumerate() {
                let now = Tick(Duration::from_millis(args.step_ms * number as u64));
                let frame = still::read(path)?.image;
                let mut faces = vision.detect(&frame)?;
                faces.sort_by(|a, b| b.rect.area().total_cmp(&a.rect.area()));
                let boxes: Vec<_> = faces.iter().map(|face| face.rect).collect();
                let (tracks, _) = tracker.update(&boxes, now);
                // The largest face of the first frame that has one.
                followed = followed.or(tracks.first().copied());
                let own = tracks.iter().position(|track| Some(*track) == followed);
                let Some(detection) = own.map(|index| faces[index]) else {
                    continue;
                };
                let begun = Instant::now();
                if let Some(cues) = cues(&mut vision, &frame, detection)? {
                    evidence.add(cues, now);
                    verdict = evidence.verdict();
                }
                spent += begun.elapsed();
                judged += 1;
                if verdict != Liveness::Undecided {
                    break;
                }
            }
            match (verdict, followed) {
                (Liveness::Live { .. }, _) => tally.live += 1,
                (Liveness::Spoof { cue, .. }, _) => match cue {
                    SpoofCue::Border => tally.border += 1,
                    SpoofCue::Network => tally.network += 1,
                },
                (Liveness::Undecided, Some(_)) => tally.undecided += 1,
                (Liveness::Undecided, None) => tally.faceless += 1,
            }
        }
        tally.print(&species);
    }
    ensure!(judged > 0, "{}: no clip with a face", args.folder.display());
    println!(
        "landmarks and liveness: {:.1} ms a face",
        spent.as_secs_f64() * 1e3 / f64::from(judged)
    );
    Ok(())
}

/// Everything the liveness rules need to know about one face of one frame.
fn cues(
    vision: &mut Vision,
    frame: &Mat,
    detection: Detection,
) -> anyhow::Result<Option<LivenessCues>> {
    let face = vision.examine(frame, detection)?;
    Ok(match face {
        Some(face) => Some(vision.liveness(frame, &face)?),
        None => None,
    })
}

impl Tally {
    fn print(&self, species: &Path) {
        let name = species.file_name().unwrap_or_default().to_string_lossy();
        let presented = self.live + self.border + self.network + self.undecided;
        let wrong = if name.starts_with("live") {
            presented - self.live
        } else {
            self.live
        };
        println!(
            "{name:<16}{presented:>7}{:>7}{:>8}{:>9}{:>11}{:>9}{:>9.1} %",
            self.live,
            self.border,
            self.network,
            self.undecided,
            self.faceless,
            100.0 * f64::from(wrong) / f64::from(presented.max(1)),
        );
    }
}

fn folders_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("{}: cannot be listed", folder.display()))?;
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}
