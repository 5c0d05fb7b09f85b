//! What the rules need to know of one person, and how administration changes it.
//!
//! A change and its events are one transaction. A PIN comes in here as a hash, and goes into no
//! event and no description.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::DateTime;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::events::append;
use super::persons::{Person, find, find_by_id, find_by_name, parse, status, valid_name};
use super::rules::{Apply, FieldChange, RuleError, field_changes};
use super::{Stamp, Store, StoreError, templates};
use crate::access::rules::{PinHashes, Presence, Subject};
use crate::clock::{Timestamp, rfc3339_millis};
use crate::event::{Event, PersonId, PersonRef, PersonStatus};

/// An Argon2id hash in PHC form, which no log may show.
#[derive(Clone, PartialEq, Eq)]
pub struct PinHash(pub String);

impl std::fmt::Debug for PinHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PinHash(..)")
    }
}

/// What to change of a person; what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonChange {
    /// Another name.
    pub name: Option<String>,
    /// Whether they may enter at all.
    pub status: Option<PersonStatus>,
    /// Exactly these groups.
    pub groups: Option<BTreeSet<String>>,
    /// These groups too.
    pub add_groups: BTreeSet<String>,
    /// Not these groups.
    pub remove_groups: BTreeSet<String>,
    /// From when on they may enter, in civil time of the site, or without a beginning.
    pub valid_from: Option<Option<DateTime>>,
    /// Until when (excluded), or without an end.
    pub valid_until: Option<Option<DateTime>>,
    /// Whether they need the door open for longer.
    pub extended: Option<bool>,
    /// Another PIN, or none (then no duress PIN either).
    pub pin: Option<Option<PinHash>>,
    /// Another duress PIN, or none.
    pub duress: Option<Option<PinHash>>,
    /// Forget where they were last let in.
    pub forget_presence: bool,
}

/// One person of an import, matched by id, else by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonEntry {
    /// Stable id; with one, a name that differs is a new name.
    pub id: Option<PersonId>,
    /// Name.
    pub name: String,
    /// What else to change.
    pub change: PersonChange,
}

/// What became of one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PersonDifference {
    /// Who, by the name as it is now.
    pub person: PersonRef,
    /// Whether they are new.
    pub created: bool,
    /// In which fields they differ; empty when nothing changed.
    pub fields: Vec<FieldChange>,
}

/// In whose transaction a change is made.
struct Change<'a> {
    conn: &'a Connection,
    stamp: &'a Stamp,
    now: Timestamp,
}

impl Store {
    /// Somebody as the rules need to know them; nothing when they are not, or no longer, known.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn subject(&self, person: PersonId) -> Result<Option<Subject>, StoreError> {
        read(&self.conn, person)
    }

    /// Changes what governs when somebody may enter; nothing is recorded when nothing changes.
    ///
    /// # Errors
    /// When there is no such person or group, what is to be changed makes no sense, or nothing
    /// can be written; then nothing changed.
    pub fn set_person(
        &mut self,
        now: Timestamp,
        name_or_id: &str,
        change: &PersonChange,
    ) -> Result<PersonDifference, StoreError> {
        let missing = self.no_such(name_or_id);
        let stamp = self.stamp.clone();
        let tx = self.write()?;
        let person = find(&tx, name_or_id)?.ok_or(missing)?;
        let scope = Change {
            conn: &tx,
            stamp: &stamp,
            now,
        };
        let difference = scope.apply(&person, change)?;
        tx.commit()?;
        Ok(difference)
    }

    /// Changes many people in one transaction: all of them, or nobody. With `create`, people who
    /// are not known yet are added, without templates.
    ///
    /// # Errors
    /// [`StoreError::Entry`] for the first one that cannot be taken; then nothing changed.
    pub fn import_people(
        &mut self,
        now: Timestamp,
        entries: &[PersonEntry],
        create: bool,
        apply: Apply,
    ) -> Result<Vec<PersonDifference>, StoreError> {
        let stamp = self.stamp.clone();
        let tx = self.write()?;
        let scope = Change {
            conn: &tx,
            stamp: &stamp,
            now,
        };
        let mut seen = BTreeMap::new();
        let mut differences = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let taken = scope.import(entry, create).and_then(|difference| {
                match seen.insert(difference.person.id, index) {
                    Some(before) => Err(StoreError::BadChange {
                        name: entry.name.clone(),
                        problem: format!("entry {} is about the same person", before + 1),
                    }),
                    None => Ok(difference),
                }
            });
            differences.push(taken.map_err(|source| StoreError::Entry {
                index,
                source: Box::new(source),
            })?);
        }
        // What was tried is what would be done; without the commit it was not.
        if apply == Apply::Yes {
            tx.commit()?;
        }
        Ok(differences)
    }
}

impl Change<'_> {
    fn import(&self, entry: &PersonEntry, create: bool) -> Result<PersonDifference, StoreError> {
        let existing = match entry.id {
            Some(id) => find_by_id(self.conn, id)?,
            None => find_by_name(self.conn, &entry.name)?,
        };
        let (person, created) = match existing {
            Some(person) => (person, false),
            None if create && entry.id.is_none() => {
                let name = valid_name(&entry.name)?;
                let person = templates::create(self.conn, name, &rfc3339_millis(self.now))?;
                let event = Event::Enrolled {
                    person: person.clone(),
                    templates: 0,
                };
                append(self.conn, self.stamp, self.now, event)?;
                let person = find_by_id(self.conn, person.id)?
                    .ok_or_else(|| StoreError::Content("a person just added".into()))?;
                (person, true)
            }
            None => {
                let problem = match entry.id {
                    Some(id) => format!("nobody has the id {id}; leave it out to go by the name"),
                    None => {
                        "nobody is enrolled by that name; --create adds people without templates"
                            .to_owned()
                    }
                };
                return Err(StoreError::BadChange {
                    name: entry.name.clone(),
                    problem,
                });
            }
        };
        let mut change = entry.change.clone();
        change.name = (entry.name.trim() != person.name).then(|| entry.name.clone());
        Ok(PersonDifference {
            created,
            ..self.apply(&person, &change)?
        })
    }

    /// Changes one person, with the events that say so.
    fn apply(
        &self,
        person: &Person,
        change: &PersonChange,
    ) -> Result<PersonDifference, StoreError> {
        let before = read(self.conn, person.id)?
            .ok_or_else(|| StoreError::Content(format!("{} is gone", person.name)))?;
        self.check_groups(change)?;
        let after = changed(&before, change)?;
        let mut fields = field_changes(&words(&before), &words(&after));
        // A hash tells nothing; that it is another one does.
        if before.pin != after.pin {
            fields.extend(pin_changes(before.pin.as_ref(), after.pin.as_ref()));
        }
        let (conn, id) = (self.conn, person.id.to_string());
        let time = rfc3339_millis(self.now);
        if after.person.name != before.person.name {
            let taken = find_by_name(conn, &after.person.name)?;
            if taken.is_some_and(|other| other.id != person.id) {
                return Err(StoreError::NameTaken(after.person.name));
            }
            conn.execute(
                "UPDATE persons SET name = ? WHERE id = ?",
                params![after.person.name, id],
            )?;
            self.record(Event::Renamed {
                person: after.person.clone(),
                previous: before.person.name.clone(),
            })?;
        }
        if after.status != before.status {
            conn.execute(
                "UPDATE persons SET status = ? WHERE id = ?",
                params![after.status.as_str(), id],
            )?;
            let person = after.person.clone();
            self.record(match after.status {
                PersonStatus::Suspended => Event::Suspended { person },
                PersonStatus::Active => Event::Resumed { person },
            })?;
        }
        if after.groups != before.groups {
            self.write_groups(&id, &after.groups)?;
        }
        if before.presence.is_some() && after.presence.is_none() {
            conn.execute("DELETE FROM presence WHERE person_id = ?", [&id])?;
        }
        // The name and the state have events of their own.
        let changes: Vec<String> = fields
            .iter()
            .filter(|change| change.field != "name" && change.field != "status")
            .map(|change| {
                let after = change.after.as_deref().unwrap_or("none");
                format!("{}: {after}", change.field)
            })
            .collect();
        if !fields.is_empty() {
            let pin = after.pin.as_ref();
            conn.execute(
                "UPDATE persons SET valid_from = ?, valid_until = ?, extended = ?, pin_hash = ?,
                 duress_hash = ?, updated_at = ? WHERE id = ?",
                params![
                    after.valid_from.map(|time| time.to_string()),
                    after.valid_until.map(|time| time.to_string()),
                    after.extended,
                    pin.map(|pin| &pin.pin),
                    pin.and_then(|pin| pin.duress.as_ref()),
                    time,
                    id
                ],
            )?;
        }
        if !changes.is_empty() {
            self.record(Event::PersonChanged {
                person: after.person.clone(),
                changes,
            })?;
        }
        Ok(PersonDifference {
            person: after.person,
            created: false,
            fields,
        })
    }

    fn write_groups(&self, id: &str, groups: &[String]) -> Result<(), StoreError> {
        self.conn
            .execute("DELETE FROM person_groups WHERE person_id = ?", [id])?;
        for group in groups {
            self.conn.execute(
                "INSERT INTO person_groups (person_id, group_name) VALUES (?, ?)",
                [id, group],
            )?;
        }
        Ok(())
    }

    /// Every group that is named must exist, also one to be left: it is misspelt otherwise.
    fn check_groups(&self, change: &PersonChange) -> Result<(), StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT name FROM groups")?;
        let known: Vec<String> = statement
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let named = change.groups.iter().flatten();
        let mut named = named.chain(&change.add_groups).chain(&change.remove_groups);
        match named.find(|group| !known.contains(group)) {
            Some(group) => Err(RuleError::no_such("group", group, &known).into()),
            None => Ok(()),
        }
    }

    fn record(&self, event: Event) -> Result<(), StoreError> {
        append(self.conn, self.stamp, self.now, event).map(drop)
    }
}

/// Puts somebody into groups inside a transaction that is already open: into these only, when
/// they are new.
pub(super) fn join(
    conn: &Connection,
    stamp: &Stamp,
    now: Timestamp,
    person: PersonId,
    groups: &BTreeSet<String>,
    is_new: bool,
) -> Result<(), StoreError> {
    let mut change = PersonChange::default();
    if is_new {
        change.groups = Some(groups.clone());
    } else {
        change.add_groups = groups.clone();
    }
    let person = find_by_id(conn, person)?
        .ok_or_else(|| StoreError::Content(format!("person {person} is gone")))?;
    let scope = Change { conn, stamp, now };
    scope.apply(&person, &change).map(drop)
}

/// The person as they will be.
fn changed(before: &Subject, change: &PersonChange) -> Result<Subject, StoreError> {
    let mut after = before.clone();
    let refuse = |problem: &str| StoreError::BadChange {
        name: before.person.name.clone(),
        problem: problem.to_owned(),
    };
    if let Some(name) = &change.name {
        valid_name(name)?.clone_into(&mut after.person.name);
    }
    after.status = change.status.unwrap_or(before.status);
    let mut groups = match &change.groups {
        Some(groups) => groups.clone(),
        None => before.groups.iter().cloned().collect(),
    };
    groups.extend(change.add_groups.iter().cloned());
    groups.retain(|group| !change.remove_groups.contains(group));
    after.groups = groups.into_iter().collect();
    after.valid_from = change.valid_from.unwrap_or(before.valid_from);
    after.valid_until = change.valid_until.unwrap_or(before.valid_until);
    if let (Some(from), Some(until)) = (after.valid_from, after.valid_until)
        && from >= until
    {
        return Err(refuse(&format!(
            "valid from {from} until {until} is never; give an end that is later"
        )));
    }
    after.extended = change.extended.unwrap_or(before.extended);
    let held = before.pin.clone();
    let duress = match &change.duress {
        Some(duress) => duress.as_ref().map(|hash| hash.0.clone()),
        None => held.as_ref().and_then(|pin| pin.duress.clone()),
    };
    let pin = match &change.pin {
        Some(pin) => pin.as_ref().map(|hash| hash.0.clone()),
        None => held.map(|pin| pin.pin),
    };
    if pin.is_none() && matches!(change.duress, Some(Some(_))) {
        return Err(refuse(
            "a duress PIN is only for somebody who has a PIN; set that too",
        ));
    }
    after.pin = pin.map(|pin| PinHashes { pin, duress });
    if change.forget_presence {
        after.presence = None;
    }
    Ok(after)
}

/// A person field by field, in words; PINs are left out.
fn words(subject: &Subject) -> BTreeMap<String, String> {
    let time = |time: Option<DateTime>| time.map_or("none".to_owned(), |time| time.to_string());
    let groups = if subject.groups.is_empty() {
        "none".to_owned()
    } else {
        subject.groups.join(", ")
    };
    let presence = match &subject.presence {
        Some(presence) => format!("{} at {}", presence.door, rfc3339_millis(presence.at)),
        None => "none".to_owned(),
    };
    [
        ("name", subject.person.name.clone()),
        ("status", subject.status.as_str().to_owned()),
        ("groups", groups),
        ("valid from", time(subject.valid_from)),
        ("valid until", time(subject.valid_until)),
        (
            "extended",
            if subject.extended { "on" } else { "off" }.to_owned(),
        ),
        ("presence", presence),
    ]
    .map(|(field, value)| (field.to_owned(), value))
    .into()
}

fn pin_changes(before: Option<&PinHashes>, after: Option<&PinHashes>) -> Vec<FieldChange> {
    let duress = |pin: Option<&PinHashes>| pin.and_then(|pin| pin.duress.clone());
    let hashes = [
        (
            "PIN",
            before.map(|p| p.pin.clone()),
            after.map(|p| p.pin.clone()),
        ),
        ("duress PIN", duress(before), duress(after)),
    ];
    let differing = hashes.into_iter().filter(|(_, old, new)| old != new);
    differing
        .map(|(field, old, new)| FieldChange {
            field: field.to_owned(),
            before: Some(if old.is_some() { "set" } else { "none" }.to_owned()),
            after: Some(
                match (old, new) {
                    (_, None) => "none",
                    (None, _) => "set",
                    _ => "changed",
                }
                .to_owned(),
            ),
        })
        .collect()
}

/// Somebody passed this door, inside a transaction that is already open.
pub(super) fn passed(
    conn: &Connection,
    person: PersonId,
    area: Option<&str>,
    door: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO presence (person_id, area, door, at)
         SELECT id, ?, ?, ? FROM persons WHERE id = ?",
    )?
    .execute(params![area, door, rfc3339_millis(at), person.to_string()])?;
    Ok(())
}

/// Everybody.
pub(super) fn all(conn: &Connection) -> Result<BTreeMap<PersonId, Subject>, StoreError> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut members = conn.prepare_cached(
        "SELECT person_id, group_name FROM person_groups ORDER BY person_id, group_name",
    )?;
    let mut rows = members.query([])?;
    while let Some(row) = rows.next()? {
        groups.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    let mut statement = conn.prepare_cached(
        "SELECT name, status, valid_from, valid_until, extended, pin_hash, duress_hash,
                door, area, at, persons.id
         FROM persons LEFT JOIN presence ON presence.person_id = persons.id",
    )?;
    let mut rows = statement.query([])?;
    let mut people = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let id: PersonId = parse(row, 10)?;
        let groups = groups.remove(&id.to_string()).unwrap_or_default();
        people.insert(id, from_row(row, id, groups)?);
    }
    Ok(people)
}

fn read(conn: &Connection, person: PersonId) -> Result<Option<Subject>, StoreError> {
    let id = person.to_string();
    let mut statement = conn.prepare_cached(
        "SELECT name, status, valid_from, valid_until, extended, pin_hash, duress_hash,
                door, area, at
         FROM persons LEFT JOIN presence ON presence.person_id = persons.id WHERE persons.id = ?",
    )?;
    let mut groups = conn.prepare_cached(
        "SELECT group_name FROM person_groups WHERE person_id = ? ORDER BY group_name",
    )?;
    let groups = groups
        .query_map([&id], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let subject = statement
        .query_row([&id], |row| Ok(from_row(row, person, groups)))
        .optional()?;
    subject.transpose()
}

fn from_row(
    row: &rusqlite::Row<'_>,
    id: PersonId,
    groups: Vec<String>,
) -> Result<Subject, StoreError> {
    let time = |column| -> Result<Option<DateTime>, StoreError> {
        let text: Option<String> = row.get(column)?;
        text.map(|_| parse(row, column)).transpose()
    };
    let (pin, duress): (Option<String>, Option<String>) = (row.get(5)?, row.get(6)?);
    let door: Option<String> = row.get(7)?;
    let presence = match door {
        Some(door) => Some(Presence {
            area: row.get(8)?,
            door,
            at: parse(row, 9)?,
        }),
        None => None,
    };
    Ok(Subject {
        person: PersonRef {
            id,
            name: row.get(0)?,
        },
        status: status(row, 1)?,
        groups,
        valid_from: time(2)?,
        valid_until: time(3)?,
        extended: row.get(4)?,
        pin: pin.map(|pin| PinHashes { pin, duress }),
        presence,
    })
}
