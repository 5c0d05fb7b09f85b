//! The report for people: one HTML page that needs nothing but itself.
//!
//! Flows in: an evaluation. Flows out: a page with its charts inside, without scripts and
//! without any address, written whole or not at all. Names and paths are escaped by the template
//! engine. The page names people and files: it is personal data.

mod chart;
mod folder;
mod liveness;
mod page;
mod pairs;

use std::io::Write as _;
use std::path::{Path, PathBuf};

pub use folder::folder_page;
pub use liveness::liveness_page;
pub use pairs::pairs_page;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A chart could not be drawn.
    #[error("a chart cannot be drawn: {0}")]
    Chart(String),
    /// Something is there already.
    #[error("{path} exists already; choose another name, or replace it with --force", path = .0.display())]
    Exists(PathBuf),
    /// It cannot be written.
    #[error("{path}: the report cannot be written: {source}", path = path.display())]
    Unwritable {
        /// Where.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
}

/// Refuses a place where a report could not be written, before the work is done.
///
/// # Errors
/// When something is there and `force` is not set, or its folder is missing.
pub fn check_place(path: &Path, force: bool) -> Result<(), ReportError> {
    if path.exists() && !force {
        return Err(ReportError::Exists(path.to_owned()));
    }
    let folder = folder_of(path);
    std::fs::metadata(folder)
        .map(drop)
        .map_err(|source| ReportError::Unwritable {
            path: path.to_owned(),
            source,
        })
}

/// Writes `text` to `path`: whole or not at all, and over something else only with `force`.
///
/// # Errors
/// When it cannot be written, or something is there.
pub fn write(path: &Path, text: &str, force: bool) -> Result<(), ReportError> {
    let unwritable = |source| ReportError::Unwritable {
        path: path.to_owned(),
        source,
    };
    let mut file = tempfile::NamedTempFile::new_in(folder_of(path)).map_err(unwritable)?;
    file.write_all(text.as_bytes()).map_err(unwritable)?;
    file.as_file().sync_all().map_err(unwritable)?;
    let written = if force {
        file.persist(path)
    } else {
        file.persist_noclobber(path)
    };
    match written {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(ReportError::Exists(path.to_owned()))
        }
        Err(error) => Err(unwritable(error.error)),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
