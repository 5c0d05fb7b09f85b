//! Presentation attack detection through the real networks, and eye states.
//!
//! The attacks are composed (see [`crate::support::attack`]); docs/liveness.md has the rates.

use std::path::Path;
use std::time::Duration;

use doorward::clock::Tick;
use doorward::presentation::{Liveness, LivenessEvidence, SpoofCue};
use doorward::vision::pack::{ModelPack, PackError};
use doorward::vision::{Vision, VisionError, still};
use image::RgbImage;
use opencv::core::{Mat, Vec3b};

use crate::support::attack::{self, Medium};
use crate::support::clip::{self, FPS, HEIGHT, Scene, WIDTH};
use crate::support::door::Door;
use crate::support::faces::{Cell, PERSON, Sheet};

/// Every second frame is looked at, as a slow machine does.
const EVERY: usize = 2;

fn vision() -> Vision {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    Vision::load(&ModelPack::open(&models).unwrap(), 2).unwrap()
}

/// The verdict after each observation.
fn verdicts(vision: &mut Vision, frames: impl Iterator<Item = Vec<u8>>) -> Vec<Liveness> {
    let mut evidence = LivenessEvidence::default();
    let mut verdicts = Vec::new();
    for (number, bgr) in frames.enumerate().step_by(EVERY) {
        let frame =
            Mat::new_rows_cols_with_bytes::<Vec3b>(HEIGHT as i32, WIDTH as i32, &bgr).unwrap();
        let frame = opencv::prelude::MatTraitConst::try_clone(&frame).unwrap();
        let Some(detection) = vision.detect(&frame).unwrap().first().copied() else {
            continue;
        };
        let Some(face) = vision.examine(&frame, detection).unwrap() else {
            continue;
        };
        let cues = vision.liveness(&frame, &face).unwrap();
        evidence.add(cues, Tick(Duration::from_secs_f64(number as f64 / FPS)));
        verdicts.push(evidence.verdict());
    }
    assert!(verdicts.len() > 10, "{} observations", verdicts.len());
    verdicts
}

#[test]
fn a_print_and_a_phone_moved_by_hand_are_never_live_and_end_as_spoofs() {
    let sheet = Sheet::open().unwrap();
    let mut vision = vision();
    for medium in [Medium::Print, Medium::Phone] {
        let face = sheet.face(PERSON[0]).unwrap();
        let verdicts = verdicts(&mut vision, attack::frames(&face, medium, 2.0));
        let called_live = |verdict: &Liveness| matches!(verdict, Liveness::Live { .. });
        assert!(
            !verdicts.iter().any(called_live),
            "{medium:?}: {verdicts:?}"
        );
        let last = verdicts[verdicts.len() - 1];
        let by_border = matches!(
            last,
            Liveness::Spoof {
                cue: SpoofCue::Border,
                ..
            }
        );
        assert!(by_border, "{medium:?}: {verdicts:?}");
    }
}

#[test]
fn the_same_person_before_a_wall_is_live_and_never_a_spoof() {
    let sheet = Sheet::open().unwrap();
    let mut vision = vision();
    let visit = [Scene::visitor(&sheet.face(PERSON[0]).unwrap(), 2.4)];
    let verdicts = verdicts(&mut vision, clip::frames(&visit));
    let spoof = |verdict: &Liveness| matches!(verdict, Liveness::Spoof { .. });
    assert!(!verdicts.iter().any(spoof), "{verdicts:?}");
    let last = verdicts[verdicts.len() - 1];
    assert!(matches!(last, Liveness::Live { .. }), "{verdicts:?}");
}

/// A door whose camera shows these frames, with the sample person enrolled.
fn door(frames: impl Iterator<Item = Vec<u8>>, more: &str) -> Door {
    let door = Door::new(&format!(
        "[camera]\nsource = \"file\"\npath = \"clip.avi\"\n{more}"
    ));
    clip::record(&door.path("clip.avi"), frames).unwrap();
    door.enroll_sample_person();
    door
}

#[test]
fn photos_held_up_are_denied_with_an_alarm_and_the_person_is_let_in() {
    let face = Sheet::open().unwrap().face(PERSON[0]).unwrap();
    let pause = || clip::frames(&[Scene::empty(1.2)]).collect::<Vec<_>>();
    let frames = attack::frames(&face, Medium::Print, 2.5)
        .chain(pause())
        .chain(attack::frames(&face, Medium::Phone, 2.5))
        .chain(pause())
        .chain(clip::frames(&[Scene::visitor(&face, 4.0)]))
        .chain(pause())
        .collect::<Vec<_>>();
    let door = door(frames.into_iter(), "");
    let mut service = door.start();
    assert!(service.wait().success(), "{}", service.log());
    let access = door.json(&["events", "list", "--kind", "access"]);
    let said: Vec<_> = access
        .iter()
        .map(|event| event["data"]["reason"].as_str().unwrap_or("granted"))
        .collect();
    assert_eq!(
        said,
        ["spoof_suspected", "spoof_suspected", "granted"],
        "{}",
        service.log()
    );
    // Both photos are one attack.
    let alarms = door.json(&["events", "list", "--kind", "alarm"]);
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert_eq!(alarms[0]["data"]["alarm"], "spoof_suspected");
    door.moved(&["secured", "released", "secured"]);
}

#[test]
fn who_does_not_blink_when_asked_is_denied() {
    // Clearly open eyes: those of others flicker in the network's sight while they walk up.
    let face = Sheet::open().unwrap().face(Cell::at(0, 0)).unwrap();
    let frames = clip::frames(&[Scene::visitor(&face, 6.0)]).collect::<Vec<_>>();
    let door = door(
        frames.into_iter(),
        "[liveness]\nmode = \"challenge\"\nchallenge_timeout_ms = 1000\n",
    );
    let mut service = door.start();
    assert!(service.wait().success(), "{}", service.log());
    let access = door.json(&["events", "list", "--kind", "access"]);
    let kinds: Vec<_> = access.iter().map(|event| event["kind"].as_str()).collect();
    let expected = [Some("access.challenged"), Some("access.denied")];
    assert_eq!(kinds, expected, "{}", service.log());
    assert_eq!(access[0]["data"]["challenge"], "blink");
    assert_eq!(access[1]["data"]["reason"], "liveness_unproven");
    door.moved(&["secured"]);
}

#[test]
fn open_eyes_and_closed_eyes_are_told_apart() {
    let sheet = Sheet::open().unwrap();
    let mut vision = vision();
    let mut open = |cell| {
        let mut canvas = RgbImage::from_pixel(320, 240, [127; 3].into());
        image::imageops::replace(&mut canvas, &sheet.face(cell).unwrap(), 107, 66);
        let frame = still::to_bgr(&canvas).unwrap();
        let detection = vision.detect(&frame).unwrap()[0];
        let face = vision.examine(&frame, detection).unwrap().unwrap();
        vision.eyes_open(&frame, &face).unwrap().unwrap()
    };
    // Two who look at the camera, and two who look down with their lids closed.
    for cell in [Cell::at(0, 0), Cell::at(0, 1)] {
        assert!(open(cell) > 0.9, "{cell:?}: {}", open(cell));
    }
    for cell in [Cell::at(3, 0), Cell::at(3, 11)] {
        assert!(open(cell) < 0.1, "{cell:?}: {}", open(cell));
    }
}

#[test]
fn a_pack_without_the_networks_is_an_error_only_when_they_are_asked_for() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let text = std::fs::read_to_string(models.join("manifest.toml")).unwrap();
    let mut manifest: toml::Table = text.parse().unwrap();
    manifest["pack"]["directory"] = models.join("faceplugin").to_str().unwrap().into();
    let files = manifest["file"].as_array_mut().unwrap();
    files.retain(|file| !matches!(file["role"].as_str(), Some("liveness" | "eye_state")));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("manifest.toml"), manifest.to_string()).unwrap();

    let mut vision = Vision::load(&ModelPack::open(folder.path()).unwrap(), 2).unwrap();
    let error = vision.load_liveness().unwrap_err();
    assert!(
        matches!(error, VisionError::Pack(PackError::NoRole { .. })),
        "{error}"
    );
}
