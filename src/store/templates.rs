//! Templates: what a person is recognised by. Enrolling is one transaction with its event.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};

use super::events::append;
use super::persons::{find_by_name, parse, status, valid_name};
use super::{EVERYONE, Store, StoreError, photos, subjects};
use crate::clock::{Timestamp, rfc3339_millis};
use crate::event::{Event, PersonId, PersonRef};
use crate::gallery::{GalleryChange, GalleryPerson};

/// One embedding to be enrolled.
#[derive(Debug, Clone)]
pub struct NewTemplate {
    /// Which embedder made it.
    pub model_id: String,
    /// L2-normalised.
    pub embedding: Vec<f32>,
    /// 0..1.
    pub quality: f32,
    /// Lower-case hex of the enrolled file.
    pub image_sha256: String,
    /// The file itself, when it is to be kept.
    pub photo: Option<Vec<u8>>,
}

/// What an enrollment did.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Enrollment {
    /// Who.
    pub person: PersonRef,
    /// Whether they are new.
    pub created: bool,
    /// Templates added now.
    pub added: u32,
    /// Templates they have in all.
    pub total: u32,
}

impl Store {
    /// Adds templates to a person, who is created when new; one transaction with its event.
    ///
    /// # Errors
    /// When the name cannot be used, an image is already enrolled, or nothing can be written;
    /// then nothing changed.
    pub fn enroll(
        &mut self,
        now: Timestamp,
        name: &str,
        templates: &[NewTemplate],
    ) -> Result<Enrollment, StoreError> {
        self.enroll_into(now, name, templates, &BTreeSet::new())
    }

    /// The same, and puts the person into groups: somebody new into these instead of
    /// [`EVERYONE`], somebody known into these too.
    ///
    /// # Errors
    /// As [`Store::enroll`], and when there is no such group.
    pub fn enroll_into(
        &mut self,
        now: Timestamp,
        name: &str,
        templates: &[NewTemplate],
        groups: &BTreeSet<String>,
    ) -> Result<Enrollment, StoreError> {
        let name = valid_name(name)?;
        let stamp = self.stamp.clone();
        let tx = self.write()?;
        let time = rfc3339_millis(now);
        let existing = find_by_name(&tx, name)?;
        let created = existing.is_none();
        let person = match existing {
            Some(person) => {
                tx.execute(
                    "UPDATE persons SET updated_at = ? WHERE id = ?",
                    params![time, person.id.to_string()],
                )?;
                person.reference()
            }
            None => create(&tx, name, &time)?,
        };
        for template in templates {
            if let Some(owner) = image_owner(&tx, &template.model_id, &template.image_sha256)? {
                return Err(StoreError::SameImage { owner });
            }
            insert(&tx, &person, template, &time)?;
        }
        let added = count(templates.len());
        let event = Event::Enrolled {
            person: person.clone(),
            templates: added,
        };
        append(&tx, &stamp, now, event)?;
        if !groups.is_empty() {
            subjects::join(&tx, &stamp, now, person.id, groups, created)?;
        }
        let total = template_count(&tx, person.id)?;
        tx.commit()?;
        Ok(Enrollment {
            person,
            created,
            added,
            total,
        })
    }

    /// The name of whoever this image is enrolled for with this model.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn image_owner(
        &self,
        model_id: &str,
        image_sha256: &str,
    ) -> Result<Option<String>, StoreError> {
        image_owner(&self.conn, model_id, image_sha256)
    }

    /// The quality, 0..1, of each template that `model_id` made of somebody, in the order in
    /// which [`Store::gallery`] gives their embeddings.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn qualities(&self, person: PersonId, model_id: &str) -> Result<Vec<f32>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT quality FROM templates WHERE person_id = ? AND model_id = ? ORDER BY id",
        )?;
        let rows =
            statement.query_map([person.to_string(), model_id.to_owned()], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Every person with the embeddings that `model_id` made; people without any are left out.
    ///
    /// # Errors
    /// When the database cannot be read or holds an embedding of another length.
    pub fn gallery(
        &self,
        model_id: &str,
        dimensions: usize,
    ) -> Result<Vec<GalleryPerson>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached(&format!("{GALLERY} ORDER BY p.id, t.id"))?;
        read_gallery(statement.query([model_id])?, dimensions)
    }

    /// Everybody whose person or templates changed after `revision`, as they are now, in the order
    /// of their last changes.
    ///
    /// A caller that asks for the revision first, and for the changes since the one before it
    /// afterwards, misses nothing: what changes in between is read again the next time.
    ///
    /// # Errors
    /// When the database cannot be read or holds an embedding of another length.
    pub fn gallery_changes(
        &self,
        revision: i64,
        model_id: &str,
        dimensions: usize,
    ) -> Result<Vec<GalleryChange>, StoreError> {
        let mut changed = self.conn.prepare_cached(
            "SELECT person_id FROM gallery_changes WHERE revision > ? ORDER BY revision",
        )?;
        let mut person = self
            .conn
            .prepare_cached(&format!("{GALLERY} AND t.person_id = ? ORDER BY t.id"))?;
        let mut rows = changed.query([revision])?;
        let mut changes = Vec::new();
        while let Some(row) = rows.next()? {
            let id: PersonId = parse(row, 0)?;
            let found = person.query(params![model_id, id.to_string()])?;
            changes.push(GalleryChange {
                person: id,
                now: read_gallery(found, dimensions)?.pop(),
            });
        }
        Ok(changes)
    }
}

/// Templates of one model with their people.
const GALLERY: &str = "SELECT p.id, p.name, p.status, t.embedding \
     FROM templates t JOIN persons p ON p.id = t.person_id WHERE t.model_id = ?";

/// Gathers the rows of [`GALLERY`], which must come person by person.
fn read_gallery(
    mut rows: rusqlite::Rows<'_>,
    dimensions: usize,
) -> Result<Vec<GalleryPerson>, StoreError> {
    let mut people: Vec<GalleryPerson> = Vec::new();
    while let Some(row) = rows.next()? {
        let id: PersonId = parse(row, 0)?;
        let embedding = from_bytes(row.get_ref(3)?.as_blob().unwrap_or_default());
        if embedding.len() != dimensions {
            return Err(StoreError::Content(format!(
                "a template of {id} has {} numbers instead of {dimensions}",
                embedding.len()
            )));
        }
        match people.last_mut() {
            Some(last) if last.person.id == id => last.embeddings.push(embedding),
            _ => people.push(GalleryPerson {
                person: PersonRef {
                    id,
                    name: row.get(1)?,
                },
                status: status(row, 2)?,
                embeddings: vec![embedding],
            }),
        }
    }
    Ok(people)
}

/// A new person, without templates as yet; a member of [`EVERYONE`] while there is that group.
pub(super) fn create(conn: &Connection, name: &str, time: &str) -> Result<PersonRef, StoreError> {
    let person = PersonRef {
        id: PersonId(uuid::Uuid::now_v7()),
        name: name.to_owned(),
    };
    let id = person.id.to_string();
    conn.execute(
        "INSERT INTO persons (id, name, created_at, updated_at) VALUES (?, ?, ?, ?)",
        params![id, name, time, time],
    )?;
    conn.execute(
        "INSERT INTO person_groups (person_id, group_name) SELECT ?, name FROM groups WHERE name = ?",
        params![id, EVERYONE],
    )?;
    Ok(person)
}

/// Writes one template, and its photo when it is to be kept.
pub(super) fn insert(
    conn: &Connection,
    person: &PersonRef,
    template: &NewTemplate,
    time: &str,
) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT INTO templates (person_id, model_id, embedding, quality, image_sha256, created_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        person.id.to_string(),
        template.model_id,
        to_bytes(&template.embedding),
        f64::from(template.quality.clamp(0.0, 1.0)),
        template.image_sha256,
        time,
    ])?;
    match &template.photo {
        Some(image) => photos::keep(conn, person, &template.image_sha256, image, time),
        None => Ok(()),
    }
}

pub(super) fn image_owner(
    conn: &Connection,
    model_id: &str,
    image_sha256: &str,
) -> Result<Option<String>, StoreError> {
    Ok(conn
        .prepare_cached(
            "SELECT p.name FROM templates t JOIN persons p ON p.id = t.person_id
             WHERE t.model_id = ? AND t.image_sha256 = ?",
        )?
        .query_row([model_id, image_sha256], |row| row.get(0))
        .optional()?)
}

fn template_count(conn: &Connection, person: PersonId) -> Result<u32, StoreError> {
    Ok(conn.query_row(
        "SELECT count(*) FROM templates WHERE person_id = ?",
        [person.to_string()],
        |row| row.get(0),
    )?)
}

fn to_bytes(embedding: &[f32]) -> Vec<u8> {
    embedding.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    let (numbers, _) = bytes.as_chunks::<4>();
    numbers.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
