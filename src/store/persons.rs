//! Who is known: persons and their templates. Every change is an event in the same transaction.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::events::append;
use super::{Store, StoreError};
use crate::clock::{Timestamp, rfc3339_millis};
use crate::event::{Event, PersonId, PersonRef};

/// Longest name, in characters.
const NAME_LIMIT: usize = 100;

/// Whether somebody may enter at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonStatus {
    /// May enter.
    Active,
    /// Known, but denied.
    Suspended,
}

impl PersonStatus {
    /// The word in the database and in output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PersonStatus::Active => "active",
            PersonStatus::Suspended => "suspended",
        }
    }
}

/// Somebody enrolled.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Person {
    /// Stable id.
    pub id: PersonId,
    /// Unique name, compared without regard to case.
    pub name: String,
    /// Whether they may enter.
    pub status: PersonStatus,
    /// How many templates they have, over all models.
    pub templates: u32,
    /// When they were first enrolled.
    pub created_at: Timestamp,
    /// When anything about them last changed.
    pub updated_at: Timestamp,
}

impl Person {
    /// As events name them.
    #[must_use]
    pub fn reference(&self) -> PersonRef {
        PersonRef {
            id: self.id,
            name: self.name.clone(),
        }
    }
}

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

/// A person with the templates of one model: a row of the gallery.
#[derive(Debug, Clone)]
pub struct GalleryPerson {
    /// Who.
    pub person: PersonRef,
    /// Whether they may enter.
    pub status: PersonStatus,
    /// L2-normalised embeddings.
    pub embeddings: Vec<Vec<f32>>,
}

impl Store {
    /// Everybody, by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn people(&self) -> Result<Vec<Person>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached(&format!("{PERSON} ORDER BY name"))?;
        let mut rows = statement.query([])?;
        let mut people = Vec::new();
        while let Some(row) = rows.next()? {
            people.push(read(row)?);
        }
        Ok(people)
    }

    /// Somebody by name (without regard to case) or id.
    ///
    /// # Errors
    /// [`StoreError::NoSuchPerson`], with the nearest name.
    pub fn person(&self, name_or_id: &str) -> Result<Person, StoreError> {
        find(&self.conn, name_or_id)?.ok_or_else(|| self.no_such(name_or_id))
    }

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
        let name = valid_name(name)?;
        let wire = self.wire.clone();
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
            None => {
                let id = PersonId::generate();
                tx.execute(
                    "INSERT INTO persons (id, name, created_at, updated_at) VALUES (?, ?, ?, ?)",
                    params![id.to_string(), name, time, time],
                )?;
                PersonRef {
                    id,
                    name: name.to_owned(),
                }
            }
        };
        for template in templates {
            if let Some(owner) = image_owner(&tx, &template.model_id, &template.image_sha256)? {
                return Err(StoreError::SameImage { owner });
            }
            tx.prepare_cached(
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
        }
        let added = count(templates.len());
        let event = Event::Enrolled {
            person: person.clone(),
            templates: added,
        };
        append(&tx, wire.as_ref(), now, event)?;
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

    /// Gives somebody another name.
    ///
    /// # Errors
    /// When there is no such person, or the name is taken or cannot be used.
    pub fn rename(
        &mut self,
        now: Timestamp,
        name_or_id: &str,
        new_name: &str,
    ) -> Result<PersonRef, StoreError> {
        let new_name = valid_name(new_name)?.to_owned();
        self.change(now, name_or_id, |conn, person| {
            if find_by_name(conn, &new_name)?.is_some_and(|other| other.id != person.id) {
                return Err(StoreError::NameTaken(new_name.clone()));
            }
            conn.execute(
                "UPDATE persons SET name = ?, updated_at = ? WHERE id = ?",
                params![new_name, rfc3339_millis(now), person.id.to_string()],
            )?;
            Ok(Some(Event::Renamed {
                person: PersonRef {
                    id: person.id,
                    name: new_name.clone(),
                },
                previous: person.name.clone(),
            }))
        })?;
        Ok(self.person(&new_name)?.reference())
    }

    /// Suspends or resumes somebody; records nothing when nothing changes.
    ///
    /// # Errors
    /// When there is no such person.
    pub fn set_status(
        &mut self,
        now: Timestamp,
        name_or_id: &str,
        status: PersonStatus,
    ) -> Result<PersonRef, StoreError> {
        self.change(now, name_or_id, |conn, person| {
            if person.status == status {
                return Ok(None);
            }
            conn.execute(
                "UPDATE persons SET status = ?, updated_at = ? WHERE id = ?",
                params![status.as_str(), rfc3339_millis(now), person.id.to_string()],
            )?;
            let person = person.reference();
            Ok(Some(match status {
                PersonStatus::Suspended => Event::Suspended { person },
                PersonStatus::Active => Event::Resumed { person },
            }))
        })
    }

    /// Erases somebody and all their templates; the record of past events stays.
    ///
    /// # Errors
    /// When there is no such person.
    pub fn remove(&mut self, now: Timestamp, name_or_id: &str) -> Result<PersonRef, StoreError> {
        self.change(now, name_or_id, |conn, person| {
            conn.execute("DELETE FROM persons WHERE id = ?", [person.id.to_string()])?;
            Ok(Some(Event::Removed {
                person: person.reference(),
                templates: person.templates,
            }))
        })
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
        let mut statement = self.conn.prepare_cached(
            "SELECT p.id, p.name, p.status, t.embedding FROM templates t JOIN persons p ON p.id = t.person_id
             WHERE t.model_id = ? ORDER BY p.id, t.id",
        )?;
        let mut rows = statement.query([model_id])?;
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

    /// One change to one person with its event, in one transaction.
    fn change(
        &mut self,
        now: Timestamp,
        name_or_id: &str,
        apply: impl Fn(&Connection, &Person) -> Result<Option<Event>, StoreError>,
    ) -> Result<PersonRef, StoreError> {
        let missing = self.no_such(name_or_id);
        let wire = self.wire.clone();
        let tx = self.write()?;
        let person = find(&tx, name_or_id)?.ok_or(missing)?;
        if let Some(event) = apply(&tx, &person)? {
            append(&tx, wire.as_ref(), now, event)?;
        }
        tx.commit()?;
        Ok(person.reference())
    }

    fn no_such(&self, name: &str) -> StoreError {
        let nearest = self
            .people()
            .unwrap_or_default()
            .into_iter()
            .map(|person| {
                (
                    strsim::jaro_winkler(&person.name.to_lowercase(), &name.to_lowercase()),
                    person.name,
                )
            })
            .filter(|(likeness, _)| *likeness > 0.8)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, name)| name);
        StoreError::NoSuchPerson {
            name: name.to_owned(),
            nearest,
        }
    }
}

const PERSON: &str = "SELECT id, name, status, created_at, updated_at, \
     (SELECT count(*) FROM templates t WHERE t.person_id = persons.id) FROM persons";

fn find(conn: &Connection, name_or_id: &str) -> Result<Option<Person>, StoreError> {
    if name_or_id.parse::<PersonId>().is_ok() {
        return query_one(conn, "id", name_or_id);
    }
    find_by_name(conn, name_or_id)
}

fn find_by_name(conn: &Connection, name: &str) -> Result<Option<Person>, StoreError> {
    query_one(conn, "name", name.trim())
}

fn query_one(conn: &Connection, column: &str, value: &str) -> Result<Option<Person>, StoreError> {
    conn.prepare_cached(&format!("{PERSON} WHERE {column} = ?"))?
        .query_row([value], |row| Ok(read(row)))
        .optional()?
        .transpose()
}

fn read(row: &Row<'_>) -> Result<Person, StoreError> {
    Ok(Person {
        id: parse(row, 0)?,
        name: row.get(1)?,
        status: status(row, 2)?,
        created_at: parse(row, 3)?,
        updated_at: parse(row, 4)?,
        templates: row.get(5)?,
    })
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    row: &Row<'_>,
    column: usize,
) -> Result<T, StoreError> {
    let text: String = row.get(column)?;
    text.parse()
        .map_err(|error| StoreError::Content(format!("{text:?}: {error}")))
}

fn status(row: &Row<'_>, column: usize) -> Result<PersonStatus, StoreError> {
    match row.get_ref(column)?.as_str().unwrap_or_default() {
        "active" => Ok(PersonStatus::Active),
        "suspended" => Ok(PersonStatus::Suspended),
        other => Err(StoreError::Content(format!("status {other:?}"))),
    }
}

fn image_owner(
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

fn valid_name(name: &str) -> Result<&str, StoreError> {
    let trimmed = name.trim();
    let length = trimmed.chars().count();
    // An id in place of a name would make `people show` ambiguous.
    let is_id = trimmed.parse::<PersonId>().is_ok();
    if length == 0 || length > NAME_LIMIT || is_id || trimmed.chars().any(char::is_control) {
        return Err(StoreError::BadName(name.to_owned()));
    }
    Ok(trimmed)
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
