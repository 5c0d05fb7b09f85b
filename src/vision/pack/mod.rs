//! The model packs: which network files belong together, and the proof that they are the ones.
//!
//! A pack is a manifest in the models' folder: `manifest.toml` is the default one, any other
//! pack NAME is described by `NAME.toml`. A file is read once, hashed, and loaded from those
//! very bytes: what was checked is what runs. A wrong hash is refused with the file's name and
//! both hashes. Flows in: manifests and model files. Flows out: bytes that may be run, how to
//! feed them, and what their similarities mean.

mod error;
mod manifest;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use crate::recognition::Calibration;
pub use error::PackError;
pub use manifest::{Channels, Decoder, EmbeddingInfo, ModelFile, PackInfo, Role};

use manifest::Manifest;

/// The pack that `manifest.toml` describes.
pub const DEFAULT_PACK: &str = "faceplugin";
/// The manifest of the default pack.
const DEFAULT_MANIFEST: &str = "manifest.toml";

/// A manifest and where its files are.
#[derive(Debug, Clone)]
pub struct ModelPack {
    manifest: Manifest,
    name: String,
    path: PathBuf,
    folder: PathBuf,
}

impl ModelPack {
    /// The default pack of `directory`; the files are read and checked one by one later.
    ///
    /// # Errors
    /// When the manifest is missing or not understood.
    pub fn open(directory: &Path) -> Result<Self, PackError> {
        Self::open_named(directory, DEFAULT_PACK)
    }

    /// The pack that `[models] pack` names.
    ///
    /// # Errors
    /// When there is no such pack, or its manifest is not understood.
    pub fn open_named(directory: &Path, name: &str) -> Result<Self, PackError> {
        let path = directory.join(manifest_of(name));
        let text = std::fs::read_to_string(&path).map_err(|source| {
            let known = names(directory).unwrap_or_default();
            if source.kind() == std::io::ErrorKind::NotFound && !known.is_empty() {
                return PackError::NoSuchPack {
                    path: path.clone(),
                    name: name.to_owned(),
                    known,
                };
            }
            PackError::Unreadable {
                path: path.clone(),
                source,
                way_out: SETUP.to_owned(),
            }
        })?;
        let manifest: Manifest = toml::from_str(&text).map_err(|error| PackError::Manifest {
            path: path.clone(),
            message: error.to_string(),
        })?;
        let folder = directory.join(&manifest.pack.directory);
        Ok(Self {
            manifest,
            name: name.to_owned(),
            path,
            folder,
        })
    }

    /// Names of all packs that `directory` describes, the default one first.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn names(directory: &Path) -> Result<Vec<String>, PackError> {
        names(directory).map_err(|source| PackError::Unreadable {
            path: directory.to_owned(),
            source,
            way_out: SETUP.to_owned(),
        })
    }

    /// As `[models] pack` calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The manifest.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
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

    /// Whether the pack has a network for a role.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.manifest.file.iter().any(|file| file.role == role)
    }

    /// The file with a role.
    ///
    /// # Errors
    /// [`PackError::NoRole`] when the pack has none.
    pub fn file(&self, role: Role) -> Result<&ModelFile, PackError> {
        let found = self.manifest.file.iter().find(|file| file.role == role);
        found.ok_or_else(|| PackError::NoRole {
            path: self.path.clone(),
            pack: self.name.clone(),
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
            way_out: self.way_out(),
        })?;
        let found = sha256_hex(&bytes);
        if found != file.sha256 {
            return Err(PackError::WrongHash {
                path,
                found,
                expected: file.sha256.clone(),
                way_out: self.way_out(),
            });
        }
        Ok(bytes)
    }

    /// How the files of this pack are come by.
    fn way_out(&self) -> String {
        let PackInfo {
            source, integrity, ..
        } = self.info();
        if integrity.is_some() {
            return SETUP.to_owned();
        }
        format!(
            "no registry has this pack: put its files there by hand, from {source} (docs/model-packs.md), or choose another one with [models] pack"
        )
    }
}

/// The way out for what a registry has.
const SETUP: &str =
    "fetch the models with scripts/setup, or point [models] directory to where they are";

/// File name of a pack's manifest.
fn manifest_of(name: &str) -> String {
    if name == DEFAULT_PACK {
        DEFAULT_MANIFEST.to_owned()
    } else {
        format!("{name}.toml")
    }
}

/// Names of all packs that have a manifest in `directory`, the default one first.
fn names(directory: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let file = entry?.file_name();
        let Some(name) = file.to_str().and_then(|name| name.strip_suffix(".toml")) else {
            continue;
        };
        // What an editor leaves beside a manifest is none.
        if name.is_empty() || name.starts_with('.') {
            continue;
        }
        if file == DEFAULT_MANIFEST {
            names.push(DEFAULT_PACK.to_owned());
        } else if name != DEFAULT_PACK {
            names.push(name.to_owned());
        }
    }
    names.sort_by_key(|name| (name != DEFAULT_PACK, name.clone()));
    Ok(names)
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
