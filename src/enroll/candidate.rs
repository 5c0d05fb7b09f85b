//! A face that could become a template, and the picture it was found in.

use std::path::PathBuf;

use opencv::core::Mat;

use super::pose::Pose;
use crate::store::NewTemplate;
use crate::vision::Embedding;

/// Where a candidate came from. Nothing of it is stored; it is here so that messages can name
/// the picture, and so that whoever keeps pictures finds it.
#[derive(Debug, Clone)]
pub enum Picture {
    /// A file of the user.
    File(PathBuf),
    /// A frame of the camera: 8-bit BGR.
    Shot(Pose, Mat),
}

impl std::fmt::Display for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Picture::File(path) => write!(f, "{}", path.display()),
            Picture::Shot(pose, _) => write!(f, "shot {:?}", pose.as_str()),
        }
    }
}

/// A face that passed every check of its own, before it is judged beside the others.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Where it was found.
    pub picture: Picture,
    /// SHA-256 of the file, or of the frame's pixels; lower-case hex.
    pub image_sha256: String,
    /// What it looks like.
    pub embedding: Embedding,
    /// Its quality's score, 0..1.
    pub quality: f32,
}

impl Candidate {
    /// As the store takes it.
    #[must_use]
    pub fn template(&self, model_id: &str) -> NewTemplate {
        NewTemplate {
            model_id: model_id.to_owned(),
            embedding: self.embedding.as_slice().to_vec(),
            quality: self.quality,
            image_sha256: self.image_sha256.clone(),
        }
    }
}
