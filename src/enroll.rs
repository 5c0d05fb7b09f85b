//! From an image file to a template, with every reason to refuse it.
//!
//! Flows in: untrusted image files. Flows out: [`NewTemplate`]s and [`Refusal`]s; nothing is
//! stored here (see [`Store::enroll`]).

use std::path::{Path, PathBuf};

use crate::gallery::Gallery;
use crate::store::{NewTemplate, Store, StoreError};
use crate::vision::{Observation, QualityFailure, QualityLimits, Vision, VisionError, still};

/// What is demanded of an image.
#[derive(Debug, Clone)]
pub struct Demands {
    /// The least quality.
    pub limits: QualityLimits,
    /// Cosine similarity from which a face is somebody's.
    pub threshold: f32,
    /// With several faces, take the largest instead of refusing.
    pub largest: bool,
    /// Take a face even though it is like somebody else's.
    pub force: bool,
    /// Keep the picture with its template.
    pub keep_photos: bool,
}

/// Why an image was not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No face.
    #[error("{0}: no face found")]
    NoFace(String),
    /// Several faces.
    #[error("{file}: {faces} faces found; crop the picture, or take the largest with --largest")]
    SeveralFaces {
        /// Which file.
        file: String,
        /// How many.
        faces: usize,
    },
    /// The face is not good enough.
    #[error("{file}: {failure}")]
    Quality {
        /// Which file.
        file: String,
        /// What fails.
        failure: QualityFailure,
    },
    /// It cannot be decoded, or the engine failed.
    #[error(transparent)]
    Vision(#[from] VisionError),
    /// It was enrolled before, or is there twice.
    #[error("{file}: the same image is already enrolled for {owner:?}")]
    SameImage {
        /// Which file.
        file: String,
        /// For whom.
        owner: String,
    },
    /// The face is somebody else's.
    #[error(
        "{file}: this face already belongs to {owner:?} (similarity {similarity:.2}); enroll it anyway with --force"
    )]
    OtherPerson {
        /// Which file.
        file: String,
        /// Whose.
        owner: String,
        /// How like.
        similarity: f32,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refusal {
    /// A machine-readable word for the reason.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::NoFace(_) => "no_face",
            Refusal::SeveralFaces { .. } => "several_faces",
            Refusal::Quality { failure, .. } => failure.problem.as_str(),
            Refusal::Vision(VisionError::Still { error, .. }) => match error {
                still::StillError::Unreadable(_) => "unreadable",
                still::StillError::TooManyBytes { .. }
                | still::StillError::TooManyPixels { .. } => "over_size_limit",
                still::StillError::NotAnImage => "not_an_image",
                still::StillError::Damaged(_) => "damaged",
            },
            Refusal::Vision(_) => "engine",
            Refusal::SameImage { .. } => "same_image",
            Refusal::OtherPerson { .. } => "other_person",
            Refusal::Store(_) => "storage",
        }
    }
}

/// Collects the templates of one person.
#[derive(Debug)]
pub struct Enroller<'a> {
    vision: &'a mut Vision,
    store: &'a Store,
    gallery: Gallery,
    name: String,
    demands: Demands,
    accepted: Vec<NewTemplate>,
}

impl<'a> Enroller<'a> {
    /// For `name`, against everybody who is enrolled now.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn new(
        vision: &'a mut Vision,
        store: &'a Store,
        name: &str,
        demands: Demands,
    ) -> Result<Self, StoreError> {
        let people = store.gallery(vision.model_id(), vision.dimensions())?;
        let gallery = Gallery::new(people, vision.dimensions());
        Ok(Self {
            vision,
            store,
            gallery,
            name: name.trim().to_owned(),
            demands,
            accepted: Vec::new(),
        })
    }

    /// Examines one file; an accepted one becomes a template.
    ///
    /// # Errors
    /// Why the file was refused; earlier ones stay accepted.
    pub fn add(&mut self, path: &Path) -> Result<(), Refusal> {
        let file = path.display().to_string();
        let picture = still::read(path)?;
        let model_id = self.vision.model_id().to_owned();
        if self
            .accepted
            .iter()
            .any(|t| t.image_sha256 == picture.sha256)
        {
            let owner = self.name.clone();
            return Err(Refusal::SameImage { file, owner });
        }
        if let Some(owner) = self.store.image_owner(&model_id, &picture.sha256)? {
            return Err(Refusal::SameImage { file, owner });
        }
        let observation = self.observe(picture.image, file.clone())?;
        if !self.demands.force
            && let Some(found) = self.gallery.search(&observation.embedding)
            && found.similarity >= self.demands.threshold
            && let Some(member) = self.gallery.member(found.member)
            && !member.person.name.eq_ignore_ascii_case(&self.name)
        {
            return Err(Refusal::OtherPerson {
                file,
                owner: member.person.name.clone(),
                similarity: found.similarity,
            });
        }
        self.accepted.push(NewTemplate {
            model_id,
            embedding: observation.embedding.as_slice().to_vec(),
            quality: observation.quality.score(),
            image_sha256: picture.sha256,
            photo: self.demands.keep_photos.then_some(picture.bytes),
        });
        Ok(())
    }

    /// The templates of all accepted files.
    #[must_use]
    pub fn finish(self) -> Vec<NewTemplate> {
        self.accepted
    }

    fn observe(&mut self, image: opencv::core::Mat, file: String) -> Result<Observation, Refusal> {
        let (image, mut faces) = self.vision.detect_in_still(image)?;
        faces.sort_by(|a, b| b.rect.area().total_cmp(&a.rect.area()));
        let detection = match faces[..] {
            [] => return Err(Refusal::NoFace(file)),
            [_, _, ..] if !self.demands.largest => {
                let faces = faces.len();
                return Err(Refusal::SeveralFaces { file, faces });
            }
            [largest, ..] => largest,
        };
        let Some(face) = self.vision.examine(&image, detection)? else {
            return Err(Refusal::NoFace(file));
        };
        face.quality
            .check(&self.demands.limits)
            .map_err(|failure| Refusal::Quality { file, failure })?;
        Ok(self.vision.embed(&face)?)
    }
}

/// Image files of a folder, sorted by name; not recursive.
///
/// # Errors
/// When the folder cannot be read.
pub fn images_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        if EXTENSIONS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension))
            && path.is_file()
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
