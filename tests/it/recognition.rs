//! Who is claimed in a clip, through the real networks and the one pipeline.

use std::path::Path;
use std::time::Duration;

use doorward::camera::{self, Read};
use doorward::clock::Tick;
use doorward::config::{CameraConfig, LivenessConfig, LivenessMode, RecognitionConfig, SourceKind};
use doorward::gallery::Gallery;
use doorward::pipeline::Pipeline;
use doorward::presentation::{Claim, Identity, Report};
use doorward::vision::Vision;
use doorward::vision::pack::ModelPack;
use opencv::core::Mat;
use opencv::prelude::*;

use crate::support::clip::{self, FPS, Scene};
use crate::support::faces::{Cell, ENROLLMENT, PERSON, STRANGERS, Sheet};

fn vision() -> Vision {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    Vision::load(&ModelPack::open(&models).unwrap(), 1).unwrap()
}

/// The frames of somebody's visit.
fn visit(sheet: &Sheet, cell: Cell) -> Vec<Mat> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.avi");
    clip::write(&path, &[Scene::visitor(&sheet.face(cell).unwrap(), 5.0)]).unwrap();
    let config = CameraConfig {
        source: SourceKind::File,
        path: Some(path),
        ..CameraConfig::default()
    };
    let mut source = camera::open(&config).unwrap();
    let (mut frames, mut frame) = (Vec::new(), Mat::default());
    while source.read(&mut frame).unwrap() == Read::Frame {
        frames.push(frame.try_clone().unwrap());
    }
    frames
}

/// Every claim about these frames, of identity alone.
fn claims<'a>(gallery: &Gallery, frames: impl Iterator<Item = &'a Mat>) -> Vec<Claim> {
    let liveness = LivenessConfig {
        mode: LivenessMode::Off,
        ..LivenessConfig::default()
    };
    let mut pipeline = Pipeline::new(vision(), &RecognitionConfig::default(), &liveness).unwrap();
    pipeline.gallery_changed(gallery);
    let mut claims = Vec::new();
    for (number, frame) in frames.enumerate() {
        let now = Tick(Duration::from_secs_f64(number as f64 / FPS));
        for report in pipeline.look(frame, gallery, now).unwrap().reports {
            match report {
                Report::Claim(claim) => claims.push(claim),
                Report::Challenge { .. } => panic!("nobody is asked to blink here"),
            }
        }
    }
    claims
}

/// Both visitors stand at the same place at the same time, so where the frames of one are
/// replaced by the other's, the track goes on.
#[test]
fn another_face_in_the_same_track_is_another_presentation() {
    let sheet = Sheet::open().unwrap();
    let gallery = sheet
        .gallery(&mut vision(), &[("Sam Sample", &ENROLLMENT)])
        .unwrap();
    let (person, stranger) = (visit(&sheet, PERSON[0]), visit(&sheet, STRANGERS[0]));
    // Two and a half seconds: half of the visit, in front of the camera.
    let half = person.len() / 2;

    let steps_in = claims(&gallery, person[..half].iter().chain(&stranger[half..]));
    let [first, second] = steps_in[..] else {
        panic!("{steps_in:?}")
    };
    assert!(matches!(first.identity, Identity::Member { .. }));
    assert!(matches!(second.identity, Identity::Unknown { .. }));
    assert_eq!(first.track, second.track);

    let steps_in = claims(&gallery, stranger[..half].iter().chain(&person[half..]));
    let [first, second] = steps_in[..] else {
        panic!("{steps_in:?}")
    };
    assert!(matches!(first.identity, Identity::Unknown { .. }));
    assert!(matches!(second.identity, Identity::Member { .. }));
    assert_eq!(first.track, second.track);
    // Not on a single frame of the stranger's.
    let swapped = Tick(Duration::from_secs_f64((half - 1) as f64 / FPS));
    assert!(second.began > swapped, "{second:?}");
}

#[test]
fn two_people_with_the_same_face_are_ambiguous() {
    let sheet = Sheet::open().unwrap();
    let twins: &[(&str, &[Cell])] = &[("Sam Sample", &ENROLLMENT), ("Sim Sample", &ENROLLMENT)];
    let gallery = sheet.gallery(&mut vision(), twins).unwrap();
    let claims = claims(&gallery, visit(&sheet, PERSON[0]).iter());
    let [claim] = claims[..] else {
        panic!("{claims:?}")
    };
    assert!(matches!(claim.identity, Identity::Ambiguous { .. }));
}
