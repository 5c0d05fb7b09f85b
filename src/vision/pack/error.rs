//! What can be wrong with a model pack, in words an installer can act on.

use std::path::PathBuf;

use super::Role;

/// Why a pack was refused. Every message names the file and the way out.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// No manifest describes the pack that the configuration names.
    #[error(
        "{path}: there is no model pack {name:?}; set [models] pack to one of: {known}",
        path = path.display(), known = known.join(", ")
    )]
    NoSuchPack {
        /// Where its manifest would be.
        path: PathBuf,
        /// As configured.
        name: String,
        /// The packs that there are.
        known: Vec<String>,
    },
    /// A file of the pack cannot be read.
    #[error("cannot read {path}: {source}; {way_out}", path = path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
        /// Where such files come from.
        way_out: String,
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
        "{path} is not the expected file: SHA-256 is {found}, the manifest says {expected}; delete it; {way_out}",
        path = path.display()
    )]
    WrongHash {
        /// Which file.
        path: PathBuf,
        /// Of the file.
        found: String,
        /// Of the manifest.
        expected: String,
        /// Where the right one comes from.
        way_out: String,
    },
    /// The pack has no file for a role.
    #[error(
        "the model pack {pack:?} has no {role} network ({path}); choose a pack that has one with [models] pack, or switch off what needs it",
        path = path.display()
    )]
    NoRole {
        /// The manifest.
        path: PathBuf,
        /// As configured.
        pack: String,
        /// Which role.
        role: Role,
    },
}
