//! Every reason for which a picture is not enrolled, in words that name the picture.

use crate::store::StoreError;
use crate::vision::{QualityFailure, VisionError, still};

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
    /// It shows another face than the person's other pictures.
    #[error(
        "{file}: shows another face than the other {group} pictures of {name:?} (mean similarity {similarity:.2}); leave it out, or enroll it anyway with --force"
    )]
    Outlier {
        /// Which file.
        file: String,
        /// Who is being enrolled.
        name: String,
        /// Mean similarity to the other pictures.
        similarity: f32,
        /// How many those are, templates included.
        group: usize,
    },
    /// Several people, and nothing says which of them is meant.
    #[error(
        "{file}: shows another face than {against} (similarity {similarity:.2}), and which of these {images} pictures show {name:?} cannot be told: leave out the wrong ones, add more of the right person, or enroll all with --force"
    )]
    Undecided {
        /// Which file.
        file: String,
        /// Who is being enrolled.
        name: String,
        /// The file that is least like this one.
        against: String,
        /// How like.
        similarity: f32,
        /// How many pictures disagree.
        images: usize,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refusal {
    /// The file or shot that was refused; nothing when the whole cannot go on.
    #[must_use]
    pub fn file(&self) -> Option<String> {
        match self {
            Refusal::NoFace(file)
            | Refusal::SeveralFaces { file, .. }
            | Refusal::Quality { file, .. }
            | Refusal::SameImage { file, .. }
            | Refusal::OtherPerson { file, .. }
            | Refusal::Outlier { file, .. }
            | Refusal::Undecided { file, .. } => Some(file.clone()),
            Refusal::Vision(VisionError::Still { path, .. }) => Some(path.display().to_string()),
            Refusal::Vision(_) | Refusal::Store(_) => None,
        }
    }

    /// A machine-readable word for the reason.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::NoFace(_) => "no_face",
            Refusal::SeveralFaces { .. } => "several_faces",
            Refusal::Quality { failure, .. } => failure.problem.as_str(),
            Refusal::Vision(VisionError::Still { error, .. }) => match error {
                still::StillError::Unreadable(_) => "unreadable",
                still::StillError::NoFile => "no_file",
                still::StillError::TooManyBytes
                | still::StillError::TooManyPixels { .. }
                | still::StillError::TooMuchMemory { .. } => "over_size_limit",
                still::StillError::NotAnImage => "not_an_image",
                still::StillError::Damaged(_) => "damaged",
            },
            Refusal::Vision(_) => "engine",
            Refusal::SameImage { .. } => "same_image",
            Refusal::OtherPerson { .. } => "other_person",
            Refusal::Outlier { .. } => "other_face",
            Refusal::Undecided { .. } => "undecided",
            Refusal::Store(_) => "storage",
        }
    }
}
