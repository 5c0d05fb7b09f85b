//! Wrong PINs since somebody's last right one, from the record: a start must not forget them.

use rusqlite::params;

use super::events::{COLUMNS, read};
use super::{Store, StoreError};
use crate::access::lockout;
use crate::event::{DenyReason, Event, Recorded};

/// So many of somebody's events are looked at, the newest first: half a year of a person who passes
/// ten times a day and types their PIN nowhere.
const EVENTS: u32 = 2_000;

impl Store {
    /// The newest wrong PINs, at most so many of each person, that no right PIN and no new one followed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn wrong_pins(&self, at_most: u32) -> Result<Vec<Recorded>, StoreError> {
        let mut persons = self
            .conn
            .prepare_cached("SELECT id FROM persons WHERE pin_hash IS NOT NULL")?;
        let persons: Vec<String> = persons
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM events WHERE person_id = ?
             AND kind IN ('access.granted', 'access.denied', 'admin.person_changed')
             ORDER BY seq DESC LIMIT ?"
        ))?;
        let mut wrong = Vec::new();
        for person in persons {
            let mut rows = statement.query(params![person, EVENTS])?;
            let mut found = 0;
            while found < at_most
                && let Some(row) = rows.next()?
            {
                let recorded = read(row)?;
                if lockout::ends(&recorded.event).is_some() {
                    break;
                }
                if let Event::AccessDenied(denied) = &recorded.event
                    && denied.reason == DenyReason::PinWrong
                {
                    found += 1;
                    wrong.push(recorded);
                }
            }
        }
        Ok(wrong)
    }
}
