//! CSV, with every column that the hash covers.

use std::borrow::Cow;
use std::io::Write;

use super::ExportError;
use crate::clock::rfc3339_millis;
use crate::store::{EventFilter, Store};

const COLUMNS: [&str; 9] = [
    "seq",
    "id",
    "time",
    "kind",
    "person",
    "by",
    "clock_synced",
    "data",
    "hash",
];

pub(super) fn write(
    store: &Store,
    filter: &EventFilter,
    out: impl Write,
) -> Result<u64, ExportError> {
    let mut table = csv::Writer::from_writer(out);
    table.write_record(COLUMNS)?;
    let mut count = 0;
    store.each_event(filter, |recorded, data| {
        let seq = recorded.seq.to_string();
        let id = recorded.id.to_string();
        let time = rfc3339_millis(recorded.time);
        let hash = recorded.hash.to_string();
        let person = recorded.event.person().map_or("", |person| &person.name);
        let by = recorded.by.as_deref().unwrap_or_default();
        let clock_synced = if recorded.clock_synced {
            "true"
        } else {
            "false"
        };
        let kind = recorded.event.kind();
        let cells = [
            &seq,
            &id,
            &time,
            kind,
            person,
            by,
            clock_synced,
            data,
            &hash,
        ];
        table.write_record(cells.map(|cell| harmless(cell).into_owned()))?;
        count += 1;
        Ok::<_, ExportError>(())
    })?;
    table.flush()?;
    Ok(count)
}

impl From<csv::Error> for ExportError {
    fn from(error: csv::Error) -> Self {
        ExportError::Write(error.into())
    }
}

/// A name must not become a formula in whoever's spreadsheet this is opened.
fn harmless(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn what_a_spreadsheet_would_compute_is_quoted() {
        for formula in ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "＝1"] {
            assert_eq!(harmless(formula), format!("'{formula}"));
        }
        for text in ["", "Ada", "a=1", "{\"x\":1}"] {
            assert_eq!(harmless(text), text);
        }
    }
}
