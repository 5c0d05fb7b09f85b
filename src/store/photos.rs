//! Kept photos: the enrolled files themselves, only of those who were enrolled that way.
//!
//! They are written in the transaction of their templates and erased with their person. They
//! are personal data: never logged, never published, read only to make templates again.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Store, StoreError};
use crate::event::{PersonId, PersonRef};

/// Most that is kept of one person, in bytes: three to five photos of a phone. They are written
/// in one transaction, and whoever wants to write meanwhile must wait: at the 10 MB/s of a slow SD
/// card this stays below the two seconds that the running service does wait.
pub const PHOTO_LIMIT: u64 = 16 * 1024 * 1024;

impl Store {
    /// SHA-256 (lower-case hex) of every kept photo of a person, in the order they were enrolled.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn photos(&self, person: PersonId) -> Result<Vec<String>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT image_sha256 FROM photos WHERE person_id = ? ORDER BY id")?;
        let rows = statement.query_map([person.to_string()], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A kept photo as it was enrolled; `None` when it is not there any more.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn photo(
        &self,
        person: PersonId,
        image_sha256: &str,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT image FROM photos WHERE person_id = ? AND image_sha256 = ?")?;
        let found = statement.query_row([&person.to_string(), image_sha256], |row| row.get(0));
        Ok(found.optional()?)
    }
}

/// Keeps one photo, which may be there already.
pub(super) fn keep(
    conn: &Connection,
    person: &PersonRef,
    image_sha256: &str,
    image: &[u8],
    time: &str,
) -> Result<(), StoreError> {
    let id = person.id.to_string();
    let kept: i64 = conn.query_row(
        "SELECT coalesce(sum(length(image)), 0) FROM photos WHERE person_id = ? AND image_sha256 <> ?",
        [&id, image_sha256],
        |row| row.get(0),
    )?;
    let [kept, more] = [u64::try_from(kept).ok(), u64::try_from(image.len()).ok()];
    let bytes = kept.zip(more).map_or(u64::MAX, |(kept, more)| kept + more);
    if bytes > PHOTO_LIMIT {
        return Err(StoreError::PhotosTooLarge {
            name: person.name.clone(),
            bytes,
        });
    }
    conn.prepare_cached(
        "INSERT INTO photos (person_id, image_sha256, image, created_at) VALUES (?, ?, ?, ?)
         ON CONFLICT (person_id, image_sha256) DO NOTHING",
    )?
    .execute(params![id, image_sha256, image, time])?;
    Ok(())
}
