//! From what was recorded to what it takes away.

use rusqlite::Connection;

use super::line::{Allowed, Line, Order, Person};
use crate::event::Event;
use crate::store::events::{COLUMNS, read, to_i64};
use crate::store::persons::parse;
use crate::store::{StoreError, operators};

/// What the events after this number take away or give back, in their order.
pub(super) fn since(conn: &Connection, seq: u64) -> Result<Vec<Line>, StoreError> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM events WHERE seq > ? AND substr(kind, 1, 6) = 'admin.' ORDER BY seq"
    ))?;
    let mut rows = statement.query([to_i64(seq)])?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        let recorded = read(row)?;
        lines.extend(line(conn, recorded.seq, &recorded.event)?);
    }
    Ok(lines)
}

fn line(conn: &Connection, seq: u64, event: &Event) -> Result<Option<Line>, StoreError> {
    let person = |is| {
        let id = event.person()?.id;
        Some(Line::Person { seq, id, is })
    };
    Ok(match event {
        Event::Suspended { .. } => person(Person::Suspended),
        Event::Resumed { .. } => person(Person::Resumed),
        Event::PersonChanged { .. } => person(Person::Changed),
        Event::Removed { .. } => person(Person::Removed),
        Event::OperatorRemoved { operator } => Some(Line::Operator {
            seq,
            name: operator.clone(),
            allowed: None,
        }),
        // As they are now, which is what the last event about them says.
        Event::OperatorAdded { operator, .. } => Some(Line::Operator {
            seq,
            name: operator.clone(),
            allowed: operators::find(conn, operator)?.as_ref().map(Allowed::of),
        }),
        Event::ModeSet { .. } => Some(Line::Mode {
            seq,
            orders: orders(conn)?,
        }),
        Event::RuleChanged { .. } => Some(Line::Rules { seq }),
        _ => None,
    })
}

/// Every order that stands, of whichever door.
pub(super) fn orders(conn: &Connection) -> Result<Vec<Order>, StoreError> {
    let mut statement =
        conn.prepare_cached("SELECT door, mode, until FROM orders ORDER BY door")?;
    let mut rows = statement.query([])?;
    let mut orders = Vec::new();
    while let Some(row) = rows.next()? {
        let until: Option<String> = row.get(2)?;
        orders.push(Order {
            door: row.get(0)?,
            mode: parse(row, 1)?,
            until: until.map(|_| parse(row, 2)).transpose()?,
        });
    }
    Ok(orders)
}
