//! Measures the enrollment plan on labelled faces: the wrong person in a folder, and copies.
//!
//! Reads `DIR/enrolled/NAME/*` (several pictures a person) and `DIR/strangers/*` (one picture a
//! person). Folders are planned as they are; then a stranger is put among some pictures of each
//! person; then copies are made of every picture. The face nearest the centre of a picture
//! counts, as is usual for LFW; quality is not demanded, so that only the plan is measured.
//! The same pictures always give the same numbers. Writes nothing.
//!
//! ```text
//! cargo run --release --example check_enrollment -- DIR
//! ```

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Parser;
use doorward::enroll::plan::{AGREEMENT, DUPLICATE, Fate, Rules, plan};
use doorward::enroll::{Candidate, Picture, images_in};
use doorward::gallery::Gallery;
use doorward::vision::pack::ModelPack;
use doorward::vision::{Vision, still};
use image::codecs::jpeg::JpegEncoder;
use image::{RgbImage, imageops};
use indicatif::ProgressIterator as _;

/// Pictures of the person beside which a stranger is put.
const COMPANY: [usize; 3] = [2, 3, 5];
/// Strangers that are put beside each choice of pictures.
const ROUNDS: usize = 20;

/// Measure the enrollment plan on labelled faces.
#[derive(Debug, Parser)]
struct Args {
    /// Folder with enrolled/NAME/ and strangers/.
    folder: PathBuf,
    /// Folder of the model pack's manifest.
    #[arg(long, default_value = "models")]
    models: PathBuf,
    /// The door's threshold.
    #[arg(long, default_value_t = 0.486)]
    threshold: f32,
    /// Mean similarities from which pictures are taken to be of one person; each is measured.
    #[arg(long, num_args = 1.., default_values_t = [AGREEMENT])]
    agreement: Vec<f32>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut vision = Vision::load(&ModelPack::open(&args.models)?, 2)?;
    let mut folders: Vec<PathBuf> = std::fs::read_dir(args.folder.join("enrolled"))
        .with_context(|| format!("{}: needs a folder enrolled/", args.folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    folders.sort();
    let mut people = Vec::new();
    for folder in folders.iter().progress() {
        people.push(candidates(&mut vision, &images_in(folder)?)?);
    }
    let strangers = images_in(&args.folder.join("strangers"))?;
    let strangers = candidates(&mut vision, &strangers)?;
    ensure!(!strangers.is_empty(), "strangers are needed");

    let nobody = Gallery::new(Vec::new(), vision.dimensions());
    for agreement in args.agreement {
        let rules = Rules {
            agreement,
            ..Rules::new(args.threshold)
        };
        let planned = |candidates: &[Candidate]| plan(candidates, &[], &nobody, &rules);
        println!("agreement {agreement}:");
        whole_folders(&people, planned);
        for company in COMPANY {
            wrong_person(&people, &strangers, company, planned);
        }
    }
    copies(&mut vision, &people)
}

/// Every folder as it is: nothing in it should be called wrong.
fn whole_folders(people: &[Vec<Candidate>], planned: impl Fn(&[Candidate]) -> Vec<Fate>) {
    let (mut pictures, mut outliers, mut undecided, mut duplicates) = (0, 0, 0, 0);
    for fate in people.iter().flat_map(|person| planned(person)) {
        pictures += 1;
        match fate {
            Fate::Outlier { .. } => outliers += 1,
            Fate::Undecided { .. } => undecided += 1,
            Fate::Duplicate { .. } => duplicates += 1,
            Fate::Accepted | Fate::OtherPerson { .. } => {}
        }
    }
    println!(
        "  {} folders, {pictures} pictures: {outliers} called another face, {undecided} undecided, {duplicates} adding nothing",
        people.len()
    );
}

/// A stranger among `company` pictures of each person.
fn wrong_person(
    people: &[Vec<Candidate>],
    strangers: &[Candidate],
    company: usize,
    planned: impl Fn(&[Candidate]) -> Vec<Fate>,
) {
    let (mut tries, mut caught, mut undecided, mut unnoticed) = (0, 0, 0, 0);
    for (index, person) in people
        .iter()
        .enumerate()
        .filter(|(_, p)| p.len() >= company)
    {
        for round in 0..ROUNDS {
            let first = round % (person.len() - company + 1);
            let mut folder = person[first..first + company].to_vec();
            // 61 is prime to the usual number of strangers: everybody has a turn.
            folder.push(strangers[(index * ROUNDS + round) * 61 % strangers.len()].clone());
            tries += 1;
            match planned(&folder).pop() {
                Some(Fate::Outlier { .. }) => caught += 1,
                Some(Fate::Undecided { .. }) => undecided += 1,
                _ => unnoticed += 1,
            }
        }
    }
    println!(
        "  a stranger among {company} pictures, {tries} times: {caught} pointed out, {undecided} undecided, {unnoticed} unnoticed"
    );
}

/// How many copies of each kind are recognised as adding nothing.
fn copies(vision: &mut Vision, people: &[Vec<Candidate>]) -> anyhow::Result<()> {
    type Copy = fn(&RgbImage) -> anyhow::Result<RgbImage>;
    let kinds: [(&str, Copy); 5] = [
        ("JPEG quality 60", |picture| recompressed(picture, 60)),
        ("JPEG quality 30", |picture| recompressed(picture, 30)),
        ("half as large", |picture| {
            let (width, height) = (picture.width() / 2, picture.height() / 2);
            let filter = imageops::FilterType::Triangle;
            Ok(imageops::resize(picture, width, height, filter))
        }),
        ("cropped by a tenth", |picture| {
            let (width, height) = picture.dimensions();
            let (left, top) = (width / 10, height / 10);
            Ok(imageops::crop_imm(picture, left, top, width * 4 / 5, height * 4 / 5).to_image())
        }),
        ("mirrored", |picture| Ok(imageops::flip_horizontal(picture))),
    ];
    let originals: Vec<&Candidate> = people.iter().flatten().collect();
    ensure!(!originals.is_empty(), "pictures are needed");
    for (name, copy) in kinds {
        let mut found = 0;
        for original in originals.iter().progress() {
            let Picture::File(path) = &original.picture else {
                continue;
            };
            let picture = copy(&still::decode(&std::fs::read(path)?)?)?;
            let copied = candidate(vision, still::to_bgr(&picture)?, path)?;
            let similarity = copied.map(|c| c.embedding.similarity(&original.embedding));
            found += usize::from(similarity.is_some_and(|s| s >= DUPLICATE));
        }
        println!("{name}: {found} of {} add nothing", originals.len());
    }
    Ok(())
}

fn recompressed(picture: &RgbImage, quality: u8) -> anyhow::Result<RgbImage> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(picture)?;
    Ok(still::decode(&bytes)?)
}

fn candidates(vision: &mut Vision, paths: &[PathBuf]) -> anyhow::Result<Vec<Candidate>> {
    let mut found = Vec::new();
    for path in paths {
        found.extend(candidate(vision, still::read(path)?.image, path)?);
    }
    Ok(found)
}

fn candidate(
    vision: &mut Vision,
    image: opencv::core::Mat,
    path: &Path,
) -> anyhow::Result<Option<Candidate>> {
    use opencv::prelude::MatTraitConst as _;
    let (image, faces) = vision.detect_in_still(image)?;
    let (x, y) = (image.cols() as f32 / 2.0, image.rows() as f32 / 2.0);
    let central = faces.into_iter().min_by(|a, b| {
        let from_centre = |rect: doorward::vision::geometry::Rect| {
            ((rect.x0 + rect.x1) / 2.0 - x).hypot((rect.y0 + rect.y1) / 2.0 - y)
        };
        from_centre(a.rect).total_cmp(&from_centre(b.rect))
    });
    let Some(detection) = central else {
        return Ok(None);
    };
    let Some(face) = vision.examine(&image, detection)? else {
        return Ok(None);
    };
    let observation = vision.embed(&face)?;
    Ok(Some(Candidate {
        picture: Picture::File(path.to_owned()),
        image: Vec::new(),
        image_sha256: String::new(),
        quality: observation.quality.score(),
        embedding: observation.embedding,
    }))
}
