//! Measures the embedding chain on labelled faces: false matches, false non-matches, rank-1.
//!
//! Reads `DIR/enrolled/NAME/*` (several pictures a person) and, if there, `DIR/strangers/*`
//! (one picture a person). Every pair of pictures is compared; then each person is enrolled
//! from their first three pictures and everybody else's are searched for. Of several faces in
//! a picture the one nearest its centre counts, as is usual for LFW. Writes nothing.
//!
//! ```text
//! cargo run --release --example check_embedding -- DIR
//! ```

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Parser;
use doorward::enroll::images_in;
use doorward::event::{PersonId, PersonRef};
use doorward::gallery::Gallery;
use doorward::store::{GalleryPerson, PersonStatus};
use doorward::vision::pack::{DEFAULT_PACK, ModelPack};
use doorward::vision::{Detection, Embedding, Vision, still};
use indicatif::ProgressIterator as _;

/// Pictures from which a person is enrolled.
const ENROLLED: usize = 3;

/// Measure the embedding chain on labelled faces.
#[derive(Debug, Parser)]
struct Args {
    /// Folder with enrolled/NAME/ and strangers/.
    folder: PathBuf,
    /// Folder of the model pack's manifest.
    #[arg(long, default_value = "models")]
    models: PathBuf,
    /// Which pack of that folder.
    #[arg(long, default_value = DEFAULT_PACK)]
    pack: String,
    /// Cosine similarity from which two pictures are of one person.
    #[arg(long, default_value_t = 0.486)]
    threshold: f32,
}

/// One person's pictures as embeddings.
struct Labelled {
    embeddings: Vec<Embedding>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut vision = Vision::load(&ModelPack::open_named(&args.models, &args.pack)?, 2)?;
    let mut folders: Vec<PathBuf> = std::fs::read_dir(args.folder.join("enrolled"))
        .with_context(|| format!("{}: needs a folder enrolled/", args.folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    folders.sort();

    let mut unseen = 0;
    let mut people = Vec::new();
    for folder in folders.iter().progress() {
        people.push(embed_all(&mut vision, &images_in(folder)?, &mut unseen)?);
    }
    let strangers = images_in(&args.folder.join("strangers")).unwrap_or_default();
    let mut others = Vec::new();
    for path in strangers.iter().progress() {
        others.push(embed_all(
            &mut vision,
            std::slice::from_ref(path),
            &mut unseen,
        )?);
    }
    ensure!(people.len() > 1, "at least two people are needed");
    println!(
        "{} people with {} pictures, {} strangers, {unseen} pictures without a face",
        people.len(),
        people
            .iter()
            .map(|person| person.embeddings.len())
            .sum::<usize>(),
        others.len(),
    );
    verification(&people, &others, args.threshold);
    identification(&people, &others, args.threshold);
    Ok(())
}

fn embed_all(
    vision: &mut Vision,
    paths: &[PathBuf],
    unseen: &mut usize,
) -> anyhow::Result<Labelled> {
    let mut embeddings = Vec::new();
    for path in paths {
        match embed(vision, path)? {
            Some(embedding) => embeddings.push(embedding),
            None => *unseen += 1,
        }
    }
    Ok(Labelled { embeddings })
}

fn embed(vision: &mut Vision, path: &Path) -> anyhow::Result<Option<Embedding>> {
    use opencv::prelude::MatTraitConst as _;
    let (image, faces) = vision.detect_in_still(still::read(path)?.image)?;
    let (x, y) = (image.cols() as f32 / 2.0, image.rows() as f32 / 2.0);
    let from_centre = |face: &Detection| {
        let rect = face.rect;
        ((rect.x0 + rect.x1) / 2.0 - x).hypot((rect.y0 + rect.y1) / 2.0 - y)
    };
    let central = faces
        .into_iter()
        .min_by(|a, b| from_centre(a).total_cmp(&from_centre(b)));
    let Some(detection) = central else {
        return Ok(None);
    };
    let Some(face) = vision.examine(&image, detection)? else {
        return Ok(None);
    };
    Ok(Some(vision.embed(&face)?.embedding))
}

/// Every picture against every other one.
fn verification(people: &[Labelled], others: &[Labelled], threshold: f32) {
    let all: Vec<(usize, &Embedding)> = people
        .iter()
        .chain(others)
        .enumerate()
        .flat_map(|(who, person)| person.embeddings.iter().map(move |e| (who, e)))
        .collect();
    let (mut genuine, mut missed, mut impostor, mut matched) = (0u64, 0u64, 0u64, 0u64);
    for (index, (who, embedding)) in all.iter().enumerate() {
        for (other_who, other) in &all[index + 1..] {
            let similar = embedding.similarity(other) >= threshold;
            if who == other_who {
                genuine += 1;
                missed += u64::from(!similar);
            } else {
                impostor += 1;
                matched += u64::from(similar);
            }
        }
    }
    println!(
        "verification at {threshold}: FNMR {:.2} % ({missed} of {genuine} genuine pairs), FMR {:.2e} ({matched} of {impostor} impostor pairs)",
        percent(missed, genuine),
        matched as f64 / impostor as f64,
    );
}

/// Everybody enrolled from their first pictures; the rest, and the strangers, are searched for.
fn identification(people: &[Labelled], others: &[Labelled], threshold: f32) {
    let enrolled: Vec<GalleryPerson> = people
        .iter()
        .enumerate()
        .map(|(index, person)| GalleryPerson {
            person: PersonRef {
                id: PersonId::generate(),
                name: index.to_string(),
            },
            status: PersonStatus::Active,
            embeddings: person
                .embeddings
                .iter()
                .take(ENROLLED)
                .map(|embedding| embedding.as_slice().to_vec())
                .collect(),
        })
        .filter(|person| !person.embeddings.is_empty())
        .collect();
    let dimensions = enrolled[0].embeddings[0].len();
    let gallery = Gallery::new(enrolled, dimensions);
    let (mut probes, mut first, mut found) = (0, 0, 0);
    for (index, person) in people.iter().enumerate() {
        for probe in person.embeddings.iter().skip(ENROLLED) {
            probes += 1;
            let Some(best) = gallery.search(probe) else {
                continue;
            };
            let right = gallery
                .member(best.member)
                .is_some_and(|member| member.person.name == index.to_string());
            first += u64::from(right);
            found += u64::from(right && best.similarity >= threshold);
        }
    }
    let strangers: Vec<&Embedding> = others.iter().flat_map(|o| &o.embeddings).collect();
    let taken = strangers
        .iter()
        .filter(|stranger| {
            gallery
                .search(stranger)
                .is_some_and(|best| best.similarity >= threshold)
        })
        .count();
    println!(
        "identification, {ENROLLED} pictures enrolled: rank-1 {:.2} % ({first} of {probes}), FNIR {:.2} %, FPIR {:.2} % ({taken} of {} strangers)",
        percent(first, probes),
        100.0 - percent(found, probes),
        percent(taken as u64, strangers.len() as u64),
        strangers.len(),
    );
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}
