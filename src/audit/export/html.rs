//! A page that needs nothing but itself. `maud` escapes every name.

use std::io::Write;

use maud::{DOCTYPE, html};

use super::{ExportError, Heading};
use crate::clock::rfc3339_millis;
use crate::store::{EventFilter, Store};

const STYLE: &str = "body{font:15px system-ui,sans-serif;margin:2em;color:#222}\
table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:.3em .7em;\
border-bottom:1px solid #ddd}th{position:sticky;top:0;background:#fff}\
code{font-size:12px;word-break:break-all}.ok{color:#176b2c}.wrong{color:#a40000}";

pub(super) fn write(
    store: &Store,
    filter: &EventFilter,
    heading: &Heading<'_>,
    mut out: impl Write,
) -> Result<u64, ExportError> {
    let report = heading.report;
    let title = format!("Events of {}", heading.door);
    let head = html! {
        (DOCTYPE)
        meta charset="utf-8";
        meta name="viewport" content="width=device-width,initial-scale=1";
        title { (title) }
        style { (STYLE) }
        h1 { (title) }
        p { "Exported " (rfc3339_millis(heading.time)) ". All times are UTC." }
        @if report.is_whole() {
            p.ok {
                "Verified: all " (report.events) " events of the record follow from each other, up to number "
                (report.head.seq) " with the hash " code { (report.head.hash) } "."
            }
        } @else {
            p.wrong { "The record is not what was recorded:" }
            ul.wrong { @for finding in &report.findings { li { (finding.to_string()) } } }
            @if report.more > 0 { p.wrong { "and " (report.more) " more" } }
        }
    };
    out.write_all(head.into_string().as_bytes())?;
    // Rows are written one by one, so the table is opened and closed around them.
    let columns = html! {
        thead { tr { @for name in ["No.", "Time", "What", "Who", "By", "Details", "Hash"] { th { (name) } } } }
    };
    write!(out, "<table>{}<tbody>", columns.into_string())?;
    let mut count = 0;
    store.each_event(filter, |recorded, data| {
        let row = html! {
            tr {
                td { (recorded.seq) }
                td {
                    time { (rfc3339_millis(recorded.time)) }
                    @if !recorded.clock_synced { " (clock not synchronised)" }
                }
                td { (recorded.event.kind()) }
                td { @if let Some(person) = recorded.event.person() { (person.name) } }
                td { @if let Some(by) = &recorded.by { (by) } }
                td { code { (data) } }
                td { code { (recorded.hash) } }
            }
        };
        writeln!(out, "{}", row.into_string())?;
        count += 1;
        Ok::<_, ExportError>(())
    })?;
    writeln!(out, "</tbody></table>")?;
    out.flush()?;
    Ok(count)
}
