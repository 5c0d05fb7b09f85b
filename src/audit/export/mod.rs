//! The record for others: CSV for spreadsheets, JSON lines for programs, HTML for people.
//!
//! Written row by row, so that years fit; a file is whole or not there. Flows in: the store's
//! events. Flows out: text.

mod csv;
mod html;

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::clock::Timestamp;
use crate::event::Recorded;
use crate::store::{EventFilter, Report, Store, StoreError};

/// How an export looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One line an event, for spreadsheets.
    Csv,
    /// One JSON object a line.
    Json,
    /// A page with a table.
    Html,
}

/// What the head of an export says.
#[derive(Debug, Clone)]
pub struct Heading<'a> {
    /// The door's source.
    pub door: &'a str,
    /// When it was exported.
    pub time: Timestamp,
    /// Whether the record is what was recorded.
    pub report: &'a Report,
}

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store's word.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The text could not be written.
    #[error("cannot write the export: {0}")]
    Write(#[from] std::io::Error),
    /// The file could not be written.
    #[error("cannot write the export to {path}: {source}; the file is as it was", path = path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// An event could not be written as JSON.
    #[error("cannot write an event as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Writes the events that `filter` picks; returns how many.
///
/// # Errors
/// When the store cannot be read or `out` cannot be written.
pub fn write(
    store: &Store,
    filter: &EventFilter,
    format: Format,
    heading: &Heading<'_>,
    out: impl Write,
) -> Result<u64, ExportError> {
    match format {
        Format::Csv => csv::write(store, filter, out),
        Format::Json => json(store, filter, out),
        Format::Html => html::write(store, filter, heading, out),
    }
}

/// The same into a file, which is replaced when everything is written and not before.
///
/// # Errors
/// When the store cannot be read or the file cannot be written; then the file is as it was.
pub fn write_file(
    store: &Store,
    filter: &EventFilter,
    format: Format,
    heading: &Heading<'_>,
    path: &Path,
) -> Result<u64, ExportError> {
    let failed = |source| ExportError::File {
        path: path.to_owned(),
        source,
    };
    let mut file = tempfile::NamedTempFile::new_in(folder_of(path)).map_err(failed)?;
    let count = write(
        store,
        filter,
        format,
        heading,
        std::io::BufWriter::new(&mut file),
    )
    .map_err(|error| match error {
        ExportError::Write(source) => failed(source),
        other => other,
    })?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(count)
}

fn json(store: &Store, filter: &EventFilter, mut out: impl Write) -> Result<u64, ExportError> {
    let mut count = 0;
    store.each_event(filter, |recorded: Recorded, _| {
        serde_json::to_writer(&mut out, &recorded)?;
        writeln!(out)?;
        count += 1;
        Ok::<_, ExportError>(())
    })?;
    out.flush()?;
    Ok(count)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
