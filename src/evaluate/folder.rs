//! The whole evaluation of a folder of labelled faces.
//!
//! Flows in: the folder's files. Flows out: a [`FolderReport`], whose JSON form is documented in
//! `docs/evaluation.md`. Reading is the slow part and is separate, so that its progress can be
//! shown.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::comparison::{Item, Likeness, Suspicion, Verification, WeakSpot, compare};
use super::files::{Labelled, Layout, Person};
use super::identification::{Identification, Rules, Subject, Unusable, identify};
use super::scores::Scores;
use super::subject::{FaceChoice, Reader};
use crate::recognition::{Security, Thresholds};
use crate::vision::VisionError;

/// What is to be evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Which face of a picture is meant.
    pub choice: FaceChoice,
    /// How many pictures of each person are enrolled; one run each.
    pub enroll: Vec<usize>,
    /// How many pictures make a fused probe; below 2 none are fused.
    pub fuse: usize,
    /// The door's rules.
    pub rules: Rules,
}

/// Everybody's pictures after reading.
#[derive(Debug, Clone)]
pub struct Faces {
    /// People to be enrolled.
    pub people: Vec<Subject>,
    /// People who never are.
    pub strangers: Vec<Subject>,
}

/// A picture with several faces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Crowd {
    /// The file.
    pub file: PathBuf,
    /// How many faces.
    pub faces: usize,
}

/// Two pictures of different people that are very alike.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lookalike {
    /// Whose the first picture is.
    pub person: String,
    /// The pictures.
    #[serde(flatten)]
    pub likeness: Likeness,
}

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FolderReport {
    /// Which folder.
    pub folder: PathBuf,
    /// How it is laid out.
    pub layout: Layout,
    /// Which embedder.
    pub model_id: String,
    /// Which face of a picture was taken.
    pub face_choice: FaceChoice,
    /// People with a folder.
    pub people: usize,
    /// Their pictures.
    pub pictures: usize,
    /// Strangers.
    pub strangers: usize,
    /// Their pictures.
    pub stranger_pictures: usize,
    /// How strict the door is.
    pub security: Security,
    /// Similarity in force for one comparison; a large gallery raises it.
    pub threshold: f32,
    /// Margin in force.
    pub margin: f32,
    /// Pictures without a face, or that are no pictures (failures to acquire).
    pub failures: Vec<Unusable>,
    /// Pictures with several faces, of which one was taken.
    pub several_faces: Vec<Crowd>,
    /// Every picture against every other one, whatever its quality.
    pub verification: Verification,
    /// Enrolled people and strangers searched for.
    pub identification: Vec<Identification>,
    /// People, the weakest first.
    pub weak_spots: Vec<WeakSpot>,
    /// Pictures whose label is doubted.
    pub suspicions: Vec<Suspicion>,
    /// The most similar pictures of different people.
    pub lookalikes: Vec<Lookalike>,
    /// All similarities, for the report's histogram; not part of the JSON.
    #[serde(skip)]
    pub scores: Scores,
}

impl Faces {
    /// Reads every picture of `listed`; `progress` is told after each.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn read(
        reader: &mut Reader<'_>,
        listed: &Labelled,
        mut progress: impl FnMut(),
    ) -> Result<Self, VisionError> {
        let mut all = |people: &[Person]| -> Result<Vec<Subject>, VisionError> {
            let mut subjects = Vec::with_capacity(people.len());
            for person in people {
                let mut pictures = Vec::with_capacity(person.pictures.len());
                for path in &person.pictures {
                    pictures.push(reader.read(path)?);
                    progress();
                }
                subjects.push(Subject {
                    name: person.name.clone(),
                    pictures,
                });
            }
            Ok(subjects)
        };
        Ok(Self {
            people: all(&listed.people)?,
            strangers: all(&listed.strangers)?,
        })
    }

    /// Everybody, strangers last.
    fn everybody(&self) -> impl Iterator<Item = &Subject> {
        self.people.iter().chain(&self.strangers)
    }
}

impl FolderReport {
    /// Evaluates pictures that were read.
    #[must_use]
    pub fn new(
        folder: &Path,
        layout: Layout,
        model_id: &str,
        faces: &Faces,
        settings: &Settings,
    ) -> Self {
        let names: Vec<&str> = faces.everybody().map(|who| who.name.as_str()).collect();
        let (mut items, mut failures, mut several_faces) = (Vec::new(), Vec::new(), Vec::new());
        for (person, who) in faces.everybody().enumerate() {
            for picture in &who.pictures {
                if picture.faces > 1 {
                    several_faces.push(Crowd {
                        file: picture.path.clone(),
                        faces: picture.faces,
                    });
                }
                match &picture.sample {
                    Ok(sample) => items.push(Item {
                        person,
                        path: &picture.path,
                        embedding: &sample.embedding,
                    }),
                    Err(failure) => failures.push(Unusable {
                        file: picture.path.clone(),
                        reason: failure.code(),
                        message: failure.to_string(),
                    }),
                }
            }
        }
        let compared = compare(&items, &names);
        let rules = &settings.rules;
        let count = |people: &[Subject]| people.iter().map(|who| who.pictures.len()).sum();
        let run = |&enroll: &usize| {
            identify(
                &faces.people,
                &faces.strangers,
                enroll,
                settings.fuse,
                rules,
            )
        };
        Self {
            folder: folder.to_owned(),
            layout,
            model_id: model_id.to_owned(),
            face_choice: settings.choice,
            people: faces.people.len(),
            pictures: count(&faces.people),
            strangers: faces.strangers.len(),
            stranger_pictures: count(&faces.strangers),
            security: rules.security,
            threshold: rules.threshold(1),
            margin: rules.margin,
            failures,
            several_faces,
            verification: compared.verification(&named_thresholds(rules, &compared.scores)),
            identification: settings.enroll.iter().map(run).collect(),
            weak_spots: compared.weak_spots,
            suspicions: compared.suspicions,
            lookalikes: compared
                .lookalikes
                .into_iter()
                .map(|(person, likeness)| Lookalike { person, likeness })
                .collect(),
            scores: compared.scores,
        }
    }
}

/// The levels of security, the threshold of one's own, and what would give round rates here.
fn named_thresholds(rules: &Rules, scores: &Scores) -> Vec<(String, f32)> {
    let level = |name: &str, security| {
        let thresholds = Thresholds::of(security, rules.custom, 1, &rules.calibration);
        (name.to_owned(), thresholds.claim)
    };
    let mut named = vec![
        level("standard", Security::Standard),
        level("high", Security::High),
    ];
    if rules.security == Security::Custom {
        named.push(level("custom", Security::Custom));
    }
    for (name, rate) in [
        ("fmr_1e-3_here", 1e-3),
        ("fmr_1e-4_here", 1e-4),
        ("fmr_1e-5_here", 1e-5),
    ] {
        // With fewer pairs than that, a rate so low cannot be seen.
        if scores.impostor().len() as f64 * rate >= 1.0 {
            named.extend(scores.threshold_for(rate).map(|t| (name.to_owned(), t)));
        }
    }
    named
}
