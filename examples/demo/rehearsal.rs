//! Checks, without a door and without a broker, that the clips show what the demo says they
//! show: every stranger is claimed once as unknown, the person once as themselves.

use std::path::Path;
use std::time::Duration;

use anyhow::{bail, ensure};
use doorward::camera::{self, Read};
use doorward::clock::Tick;
use doorward::config::{CameraConfig, LivenessConfig, RecognitionConfig, SourceKind};
use doorward::gallery::Gallery;
use doorward::pipeline::Pipeline;
use doorward::presentation::{Identity, Report};
use doorward::vision::Vision;
use doorward::vision::pack::ModelPack;
use opencv::core::Mat;

use crate::clip::{self, FPS, Scene};
use crate::faces::{Cell, ENROLLMENT, PERSON, STRANGERS, Sheet};

/// What the door would claim when it saw every `step`th frame, and how many frames there were.
fn claims(
    path: &Path,
    pack: &ModelPack,
    gallery: &Gallery,
    step: usize,
) -> anyhow::Result<(Vec<Identity>, usize)> {
    let vision = Vision::load(pack, 1)?;
    let (recognition, liveness) = (RecognitionConfig::default(), LivenessConfig::default());
    let mut pipeline = Pipeline::new(vision, &recognition, &liveness)?;
    pipeline.gallery_changed(gallery);
    let mut source = camera::open(&CameraConfig {
        source: SourceKind::File,
        path: Some(path.to_owned()),
        ..CameraConfig::default()
    })?;
    let (mut claims, mut frames, mut image) = (Vec::new(), 0, Mat::default());
    while source.read(&mut image)? == Read::Frame {
        frames += 1;
        if frames % step != 0 {
            continue;
        }
        let now = Tick(Duration::from_secs_f64(frames as f64 / FPS));
        for report in pipeline.look(&image, gallery, now)?.reports {
            match report {
                Report::Claim(claim) => claims.push(claim.identity),
                Report::Challenge { .. } => bail!("nobody is asked to blink in passive mode"),
            }
        }
    }
    Ok((claims, frames))
}

#[test]
fn every_visitor_makes_exactly_one_claim() -> anyhow::Result<()> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let pack = ModelPack::open(&models)?;
    let mut vision = Vision::load(&pack, 1)?;
    let sheet = Sheet::open()?;
    let gallery = sheet.gallery(&mut vision, &[("Sam Sample", &ENROLLMENT)])?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("clip.avi");
    for cell in STRANGERS.into_iter().chain(PERSON) {
        let scenes = [
            Scene::empty(0.4),
            Scene::visitor(&sheet.face(cell)?, 5.0),
            Scene::empty(1.0),
        ];
        let written = clip::write(&path, &scenes)?;
        // As few frames as a slow machine manages; for the two whom the demo shows also every one.
        let shown = cell == STRANGERS[0] || cell == PERSON[0];
        for step in if shown { vec![1, 4] } else { vec![4] } {
            let (claims, frames) = claims(&path, &pack, &gallery, step)?;
            ensure!(
                frames == written,
                "{written} frames written, {frames} decoded"
            );
            let as_expected = match claims[..] {
                [Identity::Member { .. }] => cell.is_the_person(),
                [Identity::Unknown { .. }] => !cell.is_the_person(),
                _ => false,
            };
            ensure!(as_expected, "{cell:?} at step {step}: {claims:?}");
        }
    }
    Ok(())
}

#[test]
fn the_places_on_the_sheet_are_told_apart() {
    assert!(
        ENROLLMENT
            .into_iter()
            .chain(PERSON)
            .all(Cell::is_the_person)
    );
    assert!(!STRANGERS.into_iter().any(Cell::is_the_person));
}
