//! Our side of `scripts/bench-peers`: the clip that both sides see, and our loop over it.
//!
//! ```text
//! peers compose FOLDER          writes clip.avi and enroll/*.png
//! peers loop FOLDER THREADS     prints what every frame cost, as JSON
//! ```
//! The loop compares every face of every frame, as the other side's does, if it is good enough to
//! be compared at all: no tracking and no pause after a decision, which spare the service most of
//! this work.
#![allow(dead_code, reason = "shared with the tests, which use all of it")]

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail};
use doorward::bench::clip::Clip;
use doorward::bench::process::{Memory, cpu_time};
use doorward::config::RecognitionConfig;
use doorward::event::{PersonId, PersonRef};
use doorward::gallery::{Gallery, Verdict};
use doorward::store::{GalleryPerson, PersonStatus};
use doorward::vision::pack::ModelPack;
use doorward::vision::{QualityLimits, Vision, still};
use image::imageops::{FilterType, resize};

#[path = "../tests/it/support/clip.rs"]
mod clip;
#[path = "../tests/it/support/faces.rs"]
mod faces;

use clip::Scene;
use faces::{ENROLLMENT, PERSON, STRANGERS, Sheet};

/// The enrolled pictures are enlarged: the other side's detector needs faces of 80 pixels.
const ENLARGE: u32 = 3;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["compose", folder] => compose(Path::new(folder)),
        ["loop", folder, threads] => run(Path::new(folder), threads.parse()?),
        _ => bail!("usage: peers compose FOLDER | peers loop FOLDER THREADS"),
    }
}

/// The sample person comes twice, a stranger once, and the door is alone in between.
fn compose(folder: &Path) -> anyhow::Result<()> {
    let sheet = Sheet::open()?;
    let pictures = folder.join("enroll");
    std::fs::create_dir_all(&pictures)?;
    for path in sheet.save(&ENROLLMENT, &pictures)? {
        let picture = image::open(&path)?.to_rgb8();
        let (width, height) = (picture.width() * ENLARGE, picture.height() * ENLARGE);
        resize(&picture, width, height, FilterType::CatmullRom).save(&path)?;
    }
    let visitor = |cell| anyhow::Ok(Scene::visitor(&sheet.face(cell)?, 2.0));
    let scenes = [
        Scene::empty(0.4),
        visitor(PERSON[0])?,
        visitor(STRANGERS[0])?,
        visitor(PERSON[1])?,
        Scene::empty(0.4),
    ];
    let frames = clip::write(&folder.join("clip.avi"), &scenes)?;
    println!("{frames} frames");
    Ok(())
}

fn run(folder: &Path, threads: u32) -> anyhow::Result<()> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut vision = Vision::load(&ModelPack::open(&models)?, threads)?;
    let gallery = enroll(&mut vision, &folder.join("enroll"))?;
    let rules = RecognitionConfig::default();
    let limits = QualityLimits {
        min_eye_distance_px: rules.min_eye_distance_px,
        min_sharpness: rules.min_sharpness,
    };
    let mut clip = Clip::open(&folder.join("clip.avi"), false)?;
    let (mut frames, mut with_face, mut recognised) = (0, 0, 0);
    let (start, cpu) = (Instant::now(), cpu_time());
    while let Some((frame, _)) = clip.read()? {
        let mut named = false;
        let faces = vision.detect(frame)?;
        for detection in &faces {
            let face = vision.examine(frame, *detection)?;
            if let Some(face) = face.filter(|face| face.quality.check(&limits).is_ok()) {
                let found = gallery.search(&vision.embed(&face)?.embedding);
                let verdict = found.map(|found| found.verdict(rules.threshold, rules.margin));
                named |= verdict == Some(Verdict::Named);
            }
        }
        frames += 1;
        with_face += u32::from(!faces.is_empty());
        recognised += u32::from(named);
    }
    let result = serde_json::json!({
        "frames": frames, "with_face": with_face, "recognised": recognised,
        "seconds": start.elapsed().as_secs_f64(),
        "cpu_seconds": cpu_time().saturating_sub(cpu).as_secs_f64(),
        "peak_bytes": Memory::now().context("/proc gives no figures")?.peak,
    });
    println!("{result}");
    Ok(())
}

fn enroll(vision: &mut Vision, folder: &Path) -> anyhow::Result<Gallery> {
    let mut embeddings = Vec::new();
    for path in doorward::enroll::images_in(folder)? {
        let (image, found) = vision.detect_in_still(still::read(&path)?.image)?;
        let detection = *found.first().context("no face in an enrolled picture")?;
        let face = vision.examine(&image, detection)?.context("no face")?;
        embeddings.push(vision.embed(&face)?.embedding.as_slice().to_vec());
    }
    let person = GalleryPerson {
        person: PersonRef {
            id: PersonId::generate(),
            name: "Sam Sample".into(),
        },
        status: PersonStatus::Active,
        embeddings,
    };
    Ok(Gallery::new(vec![person], vision.dimensions()))
}
