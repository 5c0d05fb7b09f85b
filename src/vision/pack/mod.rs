//! The model pack: which network files belong together, and the proof that they are the ones.
//!
//! A file is read once, hashed, and loaded from those very bytes: what was checked is what
//! runs. A wrong hash is refused with the file's name and both hashes.

mod calibration;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

pub use calibration::Calibration;

/// What a network is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Finds faces in a frame.
    Detector,
    /// Finds 68 points in a face.
    Landmarks,
    /// Turns an aligned face into an embedding.
    Embedder,
    /// Tells a live face from a picture of one.
    Liveness,
    /// Tells an open eye from a closed one.
    EyeState,
    /// Estimates yaw, pitch and roll.
    HeadPose,
}

/// Channel order that a network was trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Red first.
    Rgb,
    /// Blue first, as OpenCV keeps images.
    Bgr,
    /// One channel, BT.601 luma.
    Grey,
}

/// One file of the pack, as the manifest describes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// What it is for.
    pub role: Role,
    /// File name inside the pack's directory.
    pub name: String,
    /// Lower-case hex.
    pub sha256: String,
    /// Input shape: batch, channels, height, width.
    pub input: [i32; 4],
    /// Channel order.
    pub channels: Channels,
    /// Subtracted from each channel, 0..255.
    pub mean: Vec<f64>,
    /// Multiplied after the subtraction, per channel.
    pub scale: Vec<f64>,
    /// What comes out, in words.
    pub output: String,
}

/// Head of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackInfo {
    /// Name and version of the pack.
    pub id: String,
    /// For people.
    pub title: String,
    /// Folder of the files, beside the manifest.
    pub directory: String,
    /// SPDX expression.
    pub license: String,
    /// Registry package it comes from.
    pub source: String,
    /// Integrity of that package.
    pub integrity: String,
}

/// What the embedder delivers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingInfo {
    /// Stored with every template; templates of different ids never mix.
    pub model_id: String,
    /// Numbers in an embedding.
    pub dimensions: usize,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    pack: PackInfo,
    embedding: EmbeddingInfo,
    calibration: Calibration,
    file: Vec<ModelFile>,
}

/// Why a pack was refused.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file of the pack cannot be read.
    #[error(
        "cannot read {path}: {source}; fetch the models with scripts/setup, or point [models] directory to where they are",
        path = path.display()
    )]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The manifest is not what this version expects.
    #[error("{path}: {message}", path = path.display())]
    Manifest {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The file is not the one that was measured.
    #[error(
        "{path} is not the expected file: SHA-256 is {found}, the manifest says {expected}; delete it and fetch the models again with scripts/setup",
        path = path.display()
    )]
    WrongHash {
        /// Which file.
        path: PathBuf,
        /// Of the file.
        found: String,
        /// Of the manifest.
        expected: String,
    },
    /// The pack has no file for a role.
    #[error("{path}: the pack has no file with role {role:?}", path = path.display())]
    NoRole {
        /// The manifest.
        path: PathBuf,
        /// Which role.
        role: Role,
    },
}

/// A manifest and where its files are.
#[derive(Debug, Clone)]
pub struct ModelPack {
    manifest: Manifest,
    path: PathBuf,
    folder: PathBuf,
}

impl ModelPack {
    /// Reads `manifest.toml` in `directory`; the files are read and checked one by one later.
    ///
    /// # Errors
    /// When the manifest is missing or not understood.
    pub fn open(directory: &Path) -> Result<Self, PackError> {
        let path = directory.join("manifest.toml");
        let text = std::fs::read_to_string(&path).map_err(|source| PackError::Unreadable {
            path: path.clone(),
            source,
        })?;
        let manifest: Manifest = toml::from_str(&text).map_err(|error| PackError::Manifest {
            path: path.clone(),
            message: error.to_string(),
        })?;
        let folder = directory.join(&manifest.pack.directory);
        Ok(Self {
            manifest,
            path,
            folder,
        })
    }

    /// Head of the manifest.
    #[must_use]
    pub fn info(&self) -> &PackInfo {
        &self.manifest.pack
    }

    /// What the embedder delivers.
    #[must_use]
    pub fn embedding(&self) -> &EmbeddingInfo {
        &self.manifest.embedding
    }

    /// What the embedder's similarities mean.
    #[must_use]
    pub fn calibration(&self) -> &Calibration {
        &self.manifest.calibration
    }

    /// All files, in the manifest's order.
    #[must_use]
    pub fn files(&self) -> &[ModelFile] {
        &self.manifest.file
    }

    /// The file with a role.
    ///
    /// # Errors
    /// When the pack has none.
    pub fn file(&self, role: Role) -> Result<&ModelFile, PackError> {
        let found = self.manifest.file.iter().find(|file| file.role == role);
        found.ok_or_else(|| PackError::NoRole {
            path: self.path.clone(),
            role,
        })
    }

    /// Where a file of the pack is.
    #[must_use]
    pub fn path_of(&self, file: &ModelFile) -> PathBuf {
        self.folder.join(&file.name)
    }

    /// Reads a file and checks its hash.
    ///
    /// # Errors
    /// When it cannot be read or is not the expected one.
    pub fn read(&self, file: &ModelFile) -> Result<Vec<u8>, PackError> {
        let path = self.path_of(file);
        let bytes = std::fs::read(&path).map_err(|source| PackError::Unreadable {
            path: path.clone(),
            source,
        })?;
        let found = sha256_hex(&bytes);
        if found != file.sha256 {
            return Err(PackError::WrongHash {
                path,
                found,
                expected: file.sha256.clone(),
            });
        }
        Ok(bytes)
    }
}

/// SHA-256 in lower-case hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
