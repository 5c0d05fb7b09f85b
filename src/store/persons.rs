//! Who is known. Every change is an event in the same transaction.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row};

use super::events::append;
use super::{PersonChange, Store, StoreError};
use crate::clock::Timestamp;
use crate::event::{Event, PersonId, PersonRef, PersonStatus};

/// Longest name, in characters.
const NAME_LIMIT: usize = 100;

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
    /// The same for each model id; only those of the model in use count at the door.
    pub models: BTreeMap<String, u32>,
    /// How many enrolled pictures are kept.
    pub photos: u32,
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
        let change = PersonChange {
            name: Some(new_name.to_owned()),
            ..PersonChange::default()
        };
        Ok(self.set_person(now, name_or_id, &change)?.person)
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
        let change = PersonChange {
            status: Some(status),
            ..PersonChange::default()
        };
        Ok(self.set_person(now, name_or_id, &change)?.person)
    }

    /// Erases somebody, all their templates and kept photos; the record of past events stays.
    ///
    /// # Errors
    /// When there is no such person.
    pub fn remove(&mut self, now: Timestamp, name_or_id: &str) -> Result<PersonRef, StoreError> {
        let removed = self.change(now, name_or_id, |conn, person| {
            conn.execute("DELETE FROM persons WHERE id = ?", [person.id.to_string()])?;
            Ok(Some(Event::Removed {
                person: person.reference(),
                templates: person.templates,
            }))
        })?;
        self.empty_log();
        Ok(removed)
    }

    /// One change to one person with its event, in one transaction.
    fn change(
        &mut self,
        now: Timestamp,
        name_or_id: &str,
        apply: impl Fn(&Connection, &Person) -> Result<Option<Event>, StoreError>,
    ) -> Result<PersonRef, StoreError> {
        let missing = self.no_such(name_or_id);
        let stamp = self.stamp.clone();
        let tx = self.write()?;
        let person = find(&tx, name_or_id)?.ok_or(missing)?;
        if let Some(event) = apply(&tx, &person)? {
            append(&tx, &stamp, now, event)?;
        }
        tx.commit()?;
        Ok(person.reference())
    }

    pub(super) fn no_such(&self, name: &str) -> StoreError {
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
            .filter(|(likeness, _)| *likeness > 0.7)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, name)| name);
        StoreError::NoSuchPerson {
            name: name.to_owned(),
            nearest,
        }
    }
}

const PERSON: &str = "SELECT id, name, status, created_at, updated_at, \
     (SELECT count(*) FROM templates t WHERE t.person_id = persons.id), \
     (SELECT json_group_object(model_id, n) FROM (SELECT model_id, count(*) AS n \
      FROM templates t WHERE t.person_id = persons.id GROUP BY model_id)), \
     (SELECT count(*) FROM photos f WHERE f.person_id = persons.id) FROM persons";

pub(super) fn find(conn: &Connection, name_or_id: &str) -> Result<Option<Person>, StoreError> {
    if let Ok(id) = name_or_id.parse() {
        return find_by_id(conn, id);
    }
    find_by_name(conn, name_or_id)
}

pub(super) fn find_by_id(conn: &Connection, id: PersonId) -> Result<Option<Person>, StoreError> {
    query_one(conn, "id", &id.to_string())
}

pub(super) fn find_by_name(conn: &Connection, name: &str) -> Result<Option<Person>, StoreError> {
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
        models: serde_json::from_str(row.get_ref(6)?.as_str().unwrap_or_default())?,
        photos: row.get(7)?,
    })
}

pub(super) fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    row: &Row<'_>,
    column: usize,
) -> Result<T, StoreError> {
    let text: String = row.get(column)?;
    text.parse()
        .map_err(|error| StoreError::Content(format!("{text:?}: {error}")))
}

pub(super) fn status(row: &Row<'_>, column: usize) -> Result<PersonStatus, StoreError> {
    let word = row.get_ref(column)?.as_str().unwrap_or_default();
    word.parse()
        .map_err(|_| StoreError::Content(format!("status {word:?}")))
}

pub(super) fn valid_name(name: &str) -> Result<&str, StoreError> {
    let trimmed = name.trim();
    let length = trimmed.chars().count();
    // An id in place of a name would make `people show` ambiguous.
    let is_id = trimmed.parse::<PersonId>().is_ok();
    if length == 0 || length > NAME_LIMIT || is_id || trimmed.chars().any(char::is_control) {
        return Err(StoreError::BadName(name.to_owned()));
    }
    Ok(trimmed)
}
