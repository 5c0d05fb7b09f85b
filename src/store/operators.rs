//! Who may send commands: names, roles and public keys. Private keys never come here.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::events::append;
use super::persons::parse;
use super::{Store, StoreError};
use crate::clock::{Timestamp, rfc3339_millis};
use crate::command::{Operator, is_name};
use crate::event::Event;
use crate::keys::PublicKey;

impl Store {
    /// Lets somebody send commands from now on. With `replace` their key and role may be others than
    /// before.
    ///
    /// # Errors
    /// When the name cannot be used or is taken, or nothing can be written.
    pub fn add_operator(
        &mut self,
        now: Timestamp,
        operator: &Operator,
        replace: bool,
    ) -> Result<(), StoreError> {
        let Operator { name, role, key } = operator;
        if !is_name(name) {
            return Err(StoreError::BadOperatorName(name.clone()));
        }
        let stamp = self.stamp.clone();
        let tx = self.write()?;
        // Names that differ by case only would be taken for one another by whoever reads the record.
        let taken: Option<String> = tx
            .query_row(
                "SELECT name FROM operators WHERE lower(name) = lower(?)",
                [name],
                |row| row.get(0),
            )
            .optional()?;
        if let Some(taken) = taken
            && (!replace || taken != *name)
        {
            return Err(StoreError::OperatorExists(taken));
        }
        tx.execute(
            "INSERT INTO operators (name, role, public_key, added_at) VALUES (?, ?, ?, ?)
             ON CONFLICT (name) DO UPDATE SET role = excluded.role,
                 public_key = excluded.public_key, added_at = excluded.added_at",
            params![
                name,
                role.as_str(),
                key.as_bytes().as_slice(),
                rfc3339_millis(now)
            ],
        )?;
        let event = Event::OperatorAdded {
            operator: name.clone(),
            role: *role,
        };
        append(&tx, &stamp, now, event)?;
        tx.commit()?;
        Ok(())
    }

    /// Lets somebody send no more commands; false when nobody of that name could. What they sent before
    /// stays spent, should they come back with the same key.
    ///
    /// # Errors
    /// When nothing can be written.
    pub fn remove_operator(&mut self, now: Timestamp, name: &str) -> Result<bool, StoreError> {
        let stamp = self.stamp.clone();
        let tx = self.write()?;
        if tx.execute("DELETE FROM operators WHERE name = ?", [name])? == 0 {
            return Ok(false);
        }
        let operator = name.to_owned();
        append(&tx, &stamp, now, Event::OperatorRemoved { operator })?;
        tx.commit()?;
        Ok(true)
    }

    /// Everybody who may send commands, by name, each with the time when they were added.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn operators(&self) -> Result<Vec<(Operator, Timestamp)>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT name, role, public_key, added_at FROM operators ORDER BY name",
        )?;
        let mut rows = statement.query([])?;
        let mut operators = Vec::new();
        while let Some(row) = rows.next()? {
            operators.push((read(row)?, parse(row, 3)?));
        }
        Ok(operators)
    }
}

/// The operator of that name.
/// Everybody, by name.
pub(super) fn all(conn: &Connection) -> Result<BTreeMap<String, Operator>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT name, role, public_key FROM operators")?;
    let mut rows = statement.query([])?;
    let mut operators = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let operator = read(row)?;
        operators.insert(operator.name.clone(), operator);
    }
    Ok(operators)
}

pub(super) fn find(conn: &Connection, name: &str) -> Result<Option<Operator>, StoreError> {
    let mut statement =
        conn.prepare_cached("SELECT name, role, public_key FROM operators WHERE name = ?")?;
    let mut rows = statement.query([name])?;
    rows.next()?.map(read).transpose()
}

fn read(row: &Row<'_>) -> Result<Operator, StoreError> {
    Ok(Operator {
        name: row.get(0)?,
        role: parse(row, 1)?,
        key: PublicKey::from_bytes(row.get(2)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Role;
    use crate::store::EventFilter;

    fn operator(name: &str, role: Role, key: u8) -> Operator {
        Operator {
            name: name.into(),
            role,
            key: PublicKey::from_bytes([key; 32]),
        }
    }

    #[test]
    fn operators_come_change_and_go_on_the_record() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("x.db"), None).unwrap();
        store.set_author(Some("cli:root".into()));
        let now = Timestamp::UNIX_EPOCH;
        let ada = operator("ada", Role::View, 1);
        store.add_operator(now, &ada, false).unwrap();
        for (name, replace) in [("ada", false), ("Ada", true)] {
            let again = operator(name, Role::Admin, 2);
            let refused = store.add_operator(now, &again, replace).unwrap_err();
            assert!(
                matches!(refused, StoreError::OperatorExists(_)),
                "{refused}"
            );
        }
        let promoted = operator("ada", Role::Admin, 2);
        store.add_operator(now, &promoted, true).unwrap();
        assert_eq!(store.operators().unwrap(), [(promoted.clone(), now)]);
        assert_eq!(find(&store.conn, "ada").unwrap(), Some(promoted));
        assert!(store.remove_operator(now, "ada").unwrap());
        assert!(!store.remove_operator(now, "ada").unwrap());
        assert_eq!(find(&store.conn, "ada").unwrap(), None);
        let refused = store.add_operator(now, &operator("a/b", Role::View, 1), false);
        assert!(refused.is_err());
        let events = store.events(&EventFilter::default()).unwrap();
        let kinds: Vec<_> = events.iter().map(|event| event.event.kind()).collect();
        let [added, removed] = ["admin.operator_added", "admin.operator_removed"];
        assert_eq!(kinds, [added, added, removed]);
        let by = |event: &crate::event::Recorded| event.by.as_deref() == Some("cli:root");
        assert!(events.iter().all(by));
    }
}
