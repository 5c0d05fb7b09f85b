//! Evaluation by a list of pairs, in the format and by the protocol of LFW.
//!
//! Flows in: a pairs file and the folder that it speaks of. Flows out: a [`PairsReport`]. The
//! protocol is view 2 of Huang et al., "Labeled Faces in the Wild" (2007): for each fold the
//! threshold that is best on all others is applied, so no pair is judged by a threshold that it
//! helped to find.

mod draw;
mod folds;
mod list;
mod numbering;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use draw::{DrawError, Wanted, draw};
pub use folds::{Accuracy, Fold, Judged, accuracy};
pub use list::{List, ListError, Pair};
pub use numbering::numbered;

use super::comparison::CURVE;
use super::files::FolderError;
use super::identification::Unusable;
use super::rate::Rate;
use super::scores::{EqualError, Point, Scores};
use super::subject::{FaceChoice, Picture, Reader};
use crate::vision::VisionError;

/// The false accept rate at which true accepts are reported.
const FAR: f64 = 1e-3;

/// Why pairs cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum PairsError {
    /// A person's folder cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The list speaks of a picture that is not there.
    #[error(
        "line {line}: {name} has no picture {number} in {folder}; pictures are numbered as in NAME_0001.jpg or, where no name ends so, by their order",
        folder = folder.display()
    )]
    NoPicture {
        /// Line of the list.
        line: usize,
        /// Whose.
        name: String,
        /// Which.
        number: u32,
        /// Where it should be.
        folder: PathBuf,
    },
    /// The engine failed.
    #[error(transparent)]
    Vision(#[from] VisionError),
}

/// What the pairs gave.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairsReport {
    /// The list.
    pub pairs_file: PathBuf,
    /// Folder of the people's folders.
    pub root: PathBuf,
    /// Which embedder.
    pub model_id: String,
    /// Which face of a picture was taken.
    pub face_choice: FaceChoice,
    /// Pairs of one person.
    pub matched: usize,
    /// Pairs of different people.
    pub mismatched: usize,
    /// Different pictures.
    pub pictures: usize,
    /// Pairs with a picture without a face: their similarity counts as −1 and, whatever they
    /// show, they count as an error.
    pub failed_pairs: usize,
    /// Those pictures.
    pub failures: Vec<Unusable>,
    /// By the protocol.
    pub accuracy: Accuracy,
    /// Where both error rates are equal.
    pub equal_error: Option<EqualError>,
    /// Area under the ROC curve.
    pub area_under_curve: Option<f64>,
    /// Matched pairs accepted at the threshold that accepts at most one mismatched pair in 1000.
    pub tar_at_far_0_001: Option<Tar>,
    /// At the threshold in force.
    pub in_force: InForce,
    /// The DET curve.
    pub curve: Vec<Point>,
    /// All similarities, for the report's histogram; not part of the JSON.
    #[serde(skip)]
    pub scores: Scores,
}

/// True accepts at a false accept rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Tar {
    /// The threshold.
    pub threshold: f32,
    /// Matched pairs that are accepted.
    pub rate: Rate,
}

/// Error rates at the threshold in force.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct InForce {
    /// Similarity.
    pub threshold: f32,
    /// Mismatched pairs that are accepted.
    pub fmr: Rate,
    /// Matched pairs that are refused.
    pub fnmr: Rate,
}

/// Which pictures a list speaks of.
#[derive(Debug)]
pub struct Resolved {
    pairs: Vec<(Pair, [PathBuf; 2])>,
    folds: usize,
}

impl Resolved {
    /// Finds every picture of `list` under `root`, so that a wrong list is refused at once.
    ///
    /// # Errors
    /// With the line of the first picture that is not there.
    pub fn find(list: &List, root: &Path) -> Result<Self, PairsError> {
        let mut known: BTreeMap<String, BTreeMap<u32, PathBuf>> = BTreeMap::new();
        let mut pairs = Vec::with_capacity(list.pairs.len());
        for pair in &list.pairs {
            let mut find = |(name, number): &(String, u32)| {
                let folder = root.join(name);
                if !known.contains_key(name) {
                    known.insert(name.clone(), numbered(&folder, name)?);
                }
                let found = known.get(name).and_then(|pictures| pictures.get(number));
                found.cloned().ok_or_else(|| PairsError::NoPicture {
                    line: pair.line,
                    name: name.clone(),
                    number: *number,
                    folder,
                })
            };
            let paths = [find(&pair.first)?, find(&pair.second)?];
            pairs.push((pair.clone(), paths));
        }
        Ok(Self {
            pairs,
            folds: list.folds,
        })
    }

    /// Different pictures, sorted.
    #[must_use]
    pub fn pictures(&self) -> Vec<&Path> {
        let mut all: Vec<&Path> = self
            .pairs
            .iter()
            .flat_map(|(_, paths)| paths.iter().map(PathBuf::as_path))
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Reads all pictures and judges the pairs; `progress` is told after each picture.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn evaluate(
        &self,
        reader: &mut Reader<'_>,
        threshold: f32,
        about: About<'_>,
        mut progress: impl FnMut(),
    ) -> Result<PairsReport, PairsError> {
        let mut read: BTreeMap<&Path, Picture> = BTreeMap::new();
        for path in self.pictures() {
            read.insert(path, reader.read(path)?);
            progress();
        }
        let similarity = |paths: &[PathBuf; 2]| {
            let embedding = |path: &PathBuf| {
                let sample = read.get(path.as_path())?.sample.as_ref().ok()?;
                Some(&sample.embedding)
            };
            Some(embedding(&paths[0])?.similarity(embedding(&paths[1])?))
        };
        let judged: Vec<Judged> = self
            .pairs
            .iter()
            .map(|(pair, paths)| Judged {
                fold: pair.fold,
                matched: pair.matched(),
                similarity: similarity(paths),
            })
            .collect();
        let failures = read.values().filter_map(|picture| {
            let failure = picture.sample.as_ref().err()?;
            Some(Unusable {
                file: picture.path.clone(),
                reason: failure.code(),
                message: failure.to_string(),
            })
        });
        let of_kind = |matched: bool| -> Vec<f32> {
            let pairs = judged.iter().filter(|pair| pair.matched == matched);
            // A failed pair cannot be accepted.
            pairs.map(|pair| pair.similarity.unwrap_or(-1.0)).collect()
        };
        let scores = Scores::new(of_kind(true), of_kind(false));
        let tar = |threshold: f32| {
            let missed = scores.false_rejects(threshold);
            Tar {
                threshold,
                rate: Rate::of(
                    (missed.trials - missed.count) as usize,
                    missed.trials as usize,
                ),
            }
        };
        Ok(PairsReport {
            pairs_file: about.pairs_file.to_owned(),
            root: about.root.to_owned(),
            model_id: about.model_id.to_owned(),
            face_choice: about.face_choice,
            matched: scores.genuine().len(),
            mismatched: scores.impostor().len(),
            pictures: read.len(),
            failed_pairs: judged.iter().filter(|p| p.similarity.is_none()).count(),
            failures: failures.collect(),
            accuracy: accuracy(&judged, self.folds),
            equal_error: scores.equal_error(),
            area_under_curve: scores.area_under_curve(),
            tar_at_far_0_001: scores.threshold_for(FAR).map(tar),
            in_force: InForce {
                threshold,
                fmr: scores.false_accepts(threshold),
                fnmr: scores.false_rejects(threshold),
            },
            curve: scores.curve(CURVE),
            scores,
        })
    }
}

/// What the report says about its origin.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The list.
    pub pairs_file: &'a Path,
    /// Folder of the people's folders.
    pub root: &'a Path,
    /// Which embedder.
    pub model_id: &'a str,
    /// Which face of a picture is taken.
    pub face_choice: FaceChoice,
}
