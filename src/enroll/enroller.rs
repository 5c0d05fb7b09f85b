//! Gathers the pictures of one person and has them judged together.

use std::path::Path;

use opencv::core::Mat;

use super::candidate::{Candidate, Picture};
use super::plan::{Fate, Rules, Twin, plan};
use super::refusal::Refusal;
use crate::gallery::Gallery;
use crate::store::{NewTemplate, Store, StoreError};
use crate::vision::{Embedding, Observation, QualityLimits, Vision, still};

/// What is demanded of an image.
#[derive(Debug, Clone)]
pub struct Demands {
    /// The least quality.
    pub limits: QualityLimits,
    /// How all images are judged together.
    pub rules: Rules,
    /// With several faces, take the largest instead of refusing.
    pub largest: bool,
    /// Keep the picture itself with its template.
    pub keep_photos: bool,
}

/// A picture that was skipped because it adds nothing.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Duplicate {
    /// Which file or shot.
    pub file: String,
    /// The file or shot that it repeats and that is at least as good; absent when it repeats a
    /// template that is stored already.
    pub of: Option<String>,
    /// How like they are, -1..1.
    pub similarity: f32,
}

impl std::fmt::Display for Duplicate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of = self
            .of
            .as_deref()
            .unwrap_or("a template that is stored already");
        let Self {
            file, similarity, ..
        } = self;
        write!(
            f,
            "{file}: adds nothing to {of} (similarity {similarity:.2})"
        )
    }
}

/// What became of all pictures.
#[derive(Debug, Default)]
pub struct Judgement {
    /// Which embedder looked at them.
    pub model_id: String,
    /// Whether the pictures are kept with their templates.
    pub keep_photos: bool,
    /// These become templates.
    pub accepted: Vec<Candidate>,
    /// These add nothing.
    pub duplicates: Vec<Duplicate>,
    /// These may not be enrolled.
    pub refused: Vec<Refusal>,
}

impl Judgement {
    /// What is accepted, as the store takes it.
    #[must_use]
    pub fn templates(&self) -> Vec<NewTemplate> {
        let accepted = self.accepted.iter();
        accepted
            .map(|c| c.template(&self.model_id, self.keep_photos))
            .collect()
    }
}

/// Collects the pictures of one person.
#[derive(Debug)]
pub struct Enroller<'a> {
    store: &'a Store,
    model_id: String,
    name: String,
    own: Vec<Embedding>,
    others: Gallery,
    demands: Demands,
    candidates: Vec<Candidate>,
}

impl<'a> Enroller<'a> {
    /// For `name`, against everybody who is enrolled now with the model of `vision`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn new(
        vision: &Vision,
        store: &'a Store,
        name: &str,
        demands: Demands,
    ) -> Result<Self, StoreError> {
        let people = store.gallery(vision.model_id(), vision.dimensions())?;
        let name = name.trim();
        let (own, others): (Vec<_>, Vec<_>) = people
            .into_iter()
            .partition(|row| row.person.name.eq_ignore_ascii_case(name));
        let own = own.into_iter().flat_map(|row| row.embeddings);
        Ok(Self {
            store,
            model_id: vision.model_id().to_owned(),
            name: name.to_owned(),
            own: own.filter_map(Embedding::normalised).collect(),
            others: Gallery::new(others, vision.dimensions()),
            demands,
            candidates: Vec::new(),
        })
    }

    /// Examines one file; one that passes becomes a candidate.
    ///
    /// # Errors
    /// Why the file was refused; earlier ones stay candidates.
    pub fn add(&mut self, vision: &mut Vision, path: &Path) -> Result<(), Refusal> {
        let still = still::read(path)?;
        let picture = Picture::File(path.to_owned());
        self.refuse_same_image(&picture, &still.sha256)?;
        let Demands {
            limits, largest, ..
        } = &self.demands;
        let observation = observe(vision, limits, *largest, still.image, picture.to_string())?;
        self.candidates.push(Candidate {
            picture,
            image: still.bytes,
            image_sha256: still.sha256,
            quality: observation.quality.score(),
            embedding: observation.embedding,
        });
        Ok(())
    }

    /// Adds a shot of the camera, which was examined when it was taken.
    ///
    /// # Errors
    /// When this very frame is enrolled already, as happens when a clip is played twice.
    pub fn add_shot(&mut self, shot: Candidate) -> Result<(), Refusal> {
        self.refuse_same_image(&shot.picture, &shot.image_sha256)?;
        self.candidates.push(shot);
        Ok(())
    }

    /// Judges everything that was added, together.
    #[must_use]
    pub fn judge(self) -> Judgement {
        let fates = plan(
            &self.candidates,
            &self.own,
            &self.others,
            &self.demands.rules,
        );
        let names: Vec<String> = self
            .candidates
            .iter()
            .map(|c| c.picture.to_string())
            .collect();
        let mut judgement = Judgement {
            model_id: self.model_id,
            keep_photos: self.demands.keep_photos,
            ..Judgement::default()
        };
        for (index, (candidate, fate)) in self.candidates.into_iter().zip(fates).enumerate() {
            let file = names[index].clone();
            let name = self.name.clone();
            match fate {
                Fate::Accepted => judgement.accepted.push(candidate),
                Fate::Duplicate { of, similarity } => judgement.duplicates.push(Duplicate {
                    file,
                    of: match of {
                        Twin::Candidate(other) => Some(names[other].clone()),
                        Twin::Template => None,
                    },
                    similarity,
                }),
                Fate::OtherPerson { owner, similarity } => {
                    judgement.refused.push(Refusal::OtherPerson {
                        file,
                        owner,
                        similarity,
                    });
                }
                Fate::Outlier { similarity, group } => judgement.refused.push(Refusal::Outlier {
                    file,
                    name,
                    similarity,
                    group,
                }),
                Fate::Undecided {
                    against,
                    similarity,
                    images,
                } => judgement.refused.push(Refusal::Undecided {
                    file,
                    name,
                    against: names[against].clone(),
                    similarity,
                    images,
                }),
            }
        }
        judgement
    }

    /// Pixel for pixel the same picture counts once, whatever it shows.
    fn refuse_same_image(&self, picture: &Picture, sha256: &str) -> Result<(), Refusal> {
        let known = self.candidates.iter().any(|c| c.image_sha256 == sha256);
        let owner = if known {
            Some(self.name.clone())
        } else {
            self.store.image_owner(&self.model_id, sha256)?
        };
        let file = picture.to_string();
        owner.map_or(Ok(()), |owner| Err(Refusal::SameImage { file, owner }))
    }
}

/// The one face of a picture that is good enough, or with `largest` the largest of several.
///
/// # Errors
/// Why it is refused; the refusal names `file`.
pub(crate) fn observe(
    vision: &mut Vision,
    limits: &QualityLimits,
    largest: bool,
    image: Mat,
    file: String,
) -> Result<Observation, Refusal> {
    let (image, mut faces) = vision.detect_in_still(image)?;
    faces.sort_by(|a, b| b.rect.area().total_cmp(&a.rect.area()));
    let detection = match faces[..] {
        [] => return Err(Refusal::NoFace(file)),
        [_, _, ..] if !largest => {
            let faces = faces.len();
            return Err(Refusal::SeveralFaces { file, faces });
        }
        [detection, ..] => detection,
    };
    let Some(face) = vision.examine(&image, detection)? else {
        return Err(Refusal::NoFace(file));
    };
    face.quality
        .check(limits)
        .map_err(|failure| Refusal::Quality { file, failure })?;
    Ok(vision.embed(&face)?)
}
