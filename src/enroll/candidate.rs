//! A face that could become a template, and the picture it was found in.

use std::path::PathBuf;

use super::pose::Pose;
use crate::store::NewTemplate;
use crate::vision::Embedding;

/// Where a candidate came from, so that messages can name the picture.
#[derive(Debug, Clone)]
pub enum Picture {
    /// A file of the user.
    File(PathBuf),
    /// A frame of the camera.
    Shot(Pose),
}

impl std::fmt::Display for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Picture::File(path) => write!(f, "{}", path.display()),
            Picture::Shot(pose) => write!(f, "shot {:?}", pose.as_str()),
        }
    }
}

/// A face that passed every check of its own, before it is judged beside the others.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Where it was found.
    pub picture: Picture,
    /// The file; a frame of the camera as a PNG file.
    pub image: Vec<u8>,
    /// SHA-256 of that; lower-case hex.
    pub image_sha256: String,
    /// What it looks like.
    pub embedding: Embedding,
    /// Its quality's score, 0..1.
    pub quality: f32,
}

impl Candidate {
    /// As the store takes it, with the picture itself if that is to be kept.
    #[must_use]
    pub fn template(&self, model_id: &str, keep_photo: bool) -> NewTemplate {
        NewTemplate {
            model_id: model_id.to_owned(),
            embedding: self.embedding.as_slice().to_vec(),
            quality: self.quality,
            image_sha256: self.image_sha256.clone(),
            photo: keep_photo.then(|| self.image.clone()),
        }
    }
}
