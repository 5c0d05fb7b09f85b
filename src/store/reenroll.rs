//! Templates of another model: who has none, and how they come by them.
//!
//! Templates of different models never mix. When the model pack changes, whoever has only
//! templates of the old one is a stranger to the door until new ones are made.

use std::fmt;

use rusqlite::params;

use super::events::append;
use super::persons::{find_by_id, parse};
use super::templates::{image_owner, insert};
use super::{NewTemplate, Store, StoreError};
use crate::clock::{Timestamp, rfc3339_millis};
use crate::event::{Event, PersonId, PersonRef};

/// Names in a message; the rest is a number.
const NAMED: usize = 10;

/// People without a template of the model in use, by name: the door does not know them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut(pub Vec<PersonRef>);

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().take(NAMED).map(|p| p.name.as_str()).collect();
        write!(
            f,
            "no template of the model in use, so the door does not know: {}",
            names.join(", ")
        )?;
        if let more @ 1.. = self.0.len().saturating_sub(NAMED) {
            write!(f, " and {more} more")?;
        }
        f.write_str(
            "; make templates from kept photos with `doorward people reenroll --all`, or enroll them again",
        )
    }
}

/// What a re-enrollment did to one person.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Reenrollment {
    /// Who.
    pub person: PersonRef,
    /// Templates added now.
    pub added: u32,
    /// Templates of other models removed now.
    pub pruned: u32,
    /// Templates of the model in use that they have now.
    pub usable: u32,
}

impl Store {
    /// Everybody who has no template of `model_id`; `None` when there is nobody like that.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn left_out(&self, model_id: &str) -> Result<Option<LeftOut>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT id, name FROM persons p WHERE NOT EXISTS
             (SELECT 1 FROM templates t WHERE t.person_id = p.id AND t.model_id = ?) ORDER BY name",
        )?;
        let mut rows = statement.query([model_id])?;
        let mut people = Vec::new();
        while let Some(row) = rows.next()? {
            people.push(PersonRef {
                id: parse(row, 0)?,
                name: row.get(1)?,
            });
        }
        Ok((!people.is_empty()).then_some(LeftOut(people)))
    }

    /// Adds templates of `model_id` to somebody who is enrolled already; one transaction with its
    /// event. Images that have a template of this model are passed over. With `prune`,
    /// templates of other models go, but only when there is one of this model to take over.
    ///
    /// # Errors
    /// When the person is gone meanwhile, or nothing can be written; then nothing changed.
    pub fn reenroll(
        &mut self,
        now: Timestamp,
        person: PersonId,
        model_id: &str,
        templates: &[NewTemplate],
        prune: bool,
    ) -> Result<Reenrollment, StoreError> {
        let stamp = self.stamp.clone();
        let tx = self.write()?;
        let time = rfc3339_millis(now);
        let id = person.to_string();
        // Never by name: somebody who was erased a moment ago must not come back.
        let person = find_by_id(&tx, person)?
            .ok_or_else(|| StoreError::NoSuchPerson {
                name: id.clone(),
                nearest: None,
            })?
            .reference();
        let mut added = 0;
        for template in templates.iter().filter(|t| t.model_id == model_id) {
            if image_owner(&tx, model_id, &template.image_sha256)?.is_none() {
                insert(&tx, &person, template, &time)?;
                added += 1;
            }
        }
        let usable: u32 = tx.query_row(
            "SELECT count(*) FROM templates WHERE person_id = ? AND model_id = ?",
            [&id, model_id],
            |row| row.get(0),
        )?;
        let pruned = if prune && usable > 0 {
            tx.execute(
                "DELETE FROM templates WHERE person_id = ? AND model_id <> ?",
                [&id, model_id],
            )?
        } else {
            0
        };
        if added > 0 || pruned > 0 {
            tx.execute(
                "UPDATE persons SET updated_at = ? WHERE id = ?",
                params![time, id],
            )?;
            let event = Event::Enrolled {
                person: person.clone(),
                templates: added,
            };
            append(&tx, &stamp, now, event)?;
        }
        tx.commit()?;
        if pruned > 0 {
            self.empty_log();
        }
        Ok(Reenrollment {
            person,
            added,
            pruned: u32::try_from(pruned).unwrap_or(u32::MAX),
            usable,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_of_people_is_cut() {
        let person = |n: usize| PersonRef {
            id: PersonId(uuid::Uuid::now_v7()),
            name: format!("P{n}"),
        };
        let text = LeftOut((0..12).map(person).collect()).to_string();
        assert!(
            text.contains("P0, P1,") && text.contains("P9 and 2 more; make"),
            "{text}"
        );
        let text = LeftOut((0..10).map(person).collect()).to_string();
        assert!(text.contains("P9; make"), "{text}");
    }
}
