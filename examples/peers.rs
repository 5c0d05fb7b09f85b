//! Our side of `scripts/bench-peers`: the clip that both sides see, and our loop over it.
//!
//! ```text
//! peers compose FOLDER          writes clip.avi and enroll/*.png
//! peers frames FOLDER THREADS   prints what every frame cost, as JSON
//! peers door FOLDER THREADS     the same for the door's own loop
//! ```
//! `frames` compares every face of every frame, as the other side's loop does, if it is good
//! enough to be compared at all. `door` is what the service does with frames: tracks, liveness,
//! claims, and only now and then another look at a face that was claimed.
#![allow(dead_code, reason = "shared with the tests, which use all of it")]

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail};
use doorward::bench::clip::Clip;
use doorward::camera::SceneWatch;
use doorward::clock::Tick;
use doorward::config::{LivenessConfig, RecognitionConfig};
use doorward::event::{PersonId, PersonRef, PersonStatus};
use doorward::gallery::{Gallery, GalleryPerson, Verdict};
use doorward::pipeline::Pipeline;
use doorward::presentation::{Claim, Identity, Report};
use doorward::process::{Memory, cpu_time};
use doorward::vision::pack::ModelPack;
use doorward::vision::{Vision, still};
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
        ["frames", folder, threads] => measure(Path::new(folder), threads.parse()?, every_frame),
        ["door", folder, threads] => measure(Path::new(folder), threads.parse()?, door),
        _ => bail!("usage: peers compose FOLDER | peers frames|door FOLDER THREADS"),
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

/// What a loop saw.
#[derive(Default, serde::Serialize)]
struct Seen {
    frames: u32,
    with_face: u32,
    /// Frames that name somebody, or visits that do.
    recognised: u32,
}

type Loop = fn(Vision, &Gallery, &mut Clip) -> anyhow::Result<Seen>;

fn measure(folder: &Path, threads: u32, work: Loop) -> anyhow::Result<()> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut vision = Vision::load(&ModelPack::open(&models)?, threads)?;
    let gallery = enroll(&mut vision, &folder.join("enroll"))?;
    let mut clip = Clip::open(&folder.join("clip.avi"), false)?;
    let (start, cpu) = (Instant::now(), cpu_time());
    let seen = work(vision, &gallery, &mut clip)?;
    let mut result = serde_json::to_value(seen)?;
    result["seconds"] = start.elapsed().as_secs_f64().into();
    result["cpu_seconds"] = cpu_time().saturating_sub(cpu).as_secs_f64().into();
    result["peak_bytes"] = Memory::now().context("/proc gives no figures")?.peak.into();
    println!("{result}");
    Ok(())
}

fn every_frame(mut vision: Vision, gallery: &Gallery, clip: &mut Clip) -> anyhow::Result<Seen> {
    let rules = RecognitionConfig::default();
    let limits = rules.quality_limits();
    let threshold = rules.thresholds(gallery.len(), vision.calibration()).claim;
    let mut seen = Seen::default();
    while let Some((frame, _)) = clip.read()? {
        let mut named = false;
        let faces = vision.detect(frame)?;
        for detection in &faces {
            let face = vision.examine(frame, *detection)?;
            if let Some(face) = face.filter(|face| face.quality.check(&limits).is_ok()) {
                let found = gallery.search(&vision.embed(&face)?.embedding);
                let verdict = found.map(|found| found.verdict(threshold, rules.margin));
                named |= verdict == Some(Verdict::Named);
            }
        }
        seen.frames += 1;
        seen.with_face += u32::from(!faces.is_empty());
        seen.recognised += u32::from(named);
    }
    Ok(seen)
}

fn door(vision: Vision, gallery: &Gallery, clip: &mut Clip) -> anyhow::Result<Seen> {
    let (recognition, liveness) = (RecognitionConfig::default(), LivenessConfig::default());
    let mut pipeline = Pipeline::new(vision, &recognition, &liveness)?;
    pipeline.gallery_changed(gallery);
    let mut scene = SceneWatch::new(true, Tick::default());
    let mut seen = Seen::default();
    while let Some((frame, at)) = clip.read()? {
        seen.frames += 1;
        if !scene.frame(frame, at)?.wanted {
            continue;
        }
        let look = pipeline.look(frame, gallery, at)?;
        if pipeline.sees_a_face() {
            scene.face_in_view(at);
            seen.with_face += 1;
        }
        for report in look.reports {
            if let Report::Claim(Claim {
                identity: Identity::Member { .. },
                ..
            }) = report
            {
                seen.recognised += 1;
            }
        }
    }
    Ok(seen)
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
            id: PersonId(uuid::Uuid::now_v7()),
            name: "Sam Sample".into(),
        },
        status: PersonStatus::Active,
        embeddings,
    };
    Ok(Gallery::new(vec![person], vision.dimensions()))
}
