//! `doorward people export` and `import`: who may enter, as a file; no templates, no PINs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use doorward::clock::Timestamp;
use doorward::event::{PersonId, PersonStatus};
use doorward::store::{Apply, PersonChange, PersonEntry, Store, StoreError};
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::super::exchange::{Format, FormatArgs, from_json, from_toml, line_of, read};
use super::super::rules::print_fields;
use super::super::{Context, Outcome, print_line};
use super::set::{beginning, end};

/// Columns of the table, in their order.
const COLUMNS: [&str; 7] = [
    "id",
    "name",
    "status",
    "groups",
    "valid_from",
    "valid_until",
    "extended",
];

/// Print who may enter: id, name, status, groups, validity; no templates and no PINs.
///
/// A table (CSV) unless --toml or --json says otherwise. In the table groups are separated by
/// ";". What is printed can be imported again.
#[derive(Debug, clap::Args)]
pub(super) struct Export {
    #[command(flatten)]
    format: FormatArgs,
}

/// Change many people as a file says, all or nobody; each change is an event.
///
/// People are matched by id, else by name; with an id, another name is a new name. What the file
/// does not have (a column, a key) stays as it is; "none" or an empty cell takes a date or all
/// groups away. A date means until its end.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward people export > people.csv
  doorward people import people.csv --dry-run
  doorward people import people.csv --create")]
pub(super) struct Import {
    /// The file: CSV, JSON or TOML by its name.
    file: PathBuf,
    #[command(flatten)]
    format: FormatArgs,
    /// Add people who are not known yet, without templates.
    #[arg(long)]
    create: bool,
    /// Show the difference and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// One person in a file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<PersonId>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<PersonStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<BTreeSet<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extended: Option<bool>,
}

/// The whole file, in TOML.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct People {
    #[serde(default)]
    people: Vec<Spanned<Row>>,
}

impl Row {
    fn entry(self) -> anyhow::Result<PersonEntry> {
        let bound = |text: Option<String>, parse: fn(&str) -> Result<super::set::Bound, String>| {
            text.map(|text| {
                parse(&text)
                    .map(|bound| bound.0)
                    .map_err(|error| anyhow!(error))
            })
            .transpose()
        };
        Ok(PersonEntry {
            id: self.id,
            name: self.name,
            change: PersonChange {
                status: self.status,
                groups: self.groups,
                valid_from: bound(self.valid_from, beginning).context("valid_from")?,
                valid_until: bound(self.valid_until, end).context("valid_until")?,
                extended: self.extended,
                ..PersonChange::default()
            },
        })
    }
}

impl Export {
    pub(super) fn run(self, context: &Context, store: &Store) -> anyhow::Result<Outcome> {
        let mut rows = Vec::new();
        for person in store.people()? {
            let Some(subject) = store.subject(person.id)? else {
                continue;
            };
            let time = |time: Option<jiff::civil::DateTime>| {
                Some(time.map_or("none".to_owned(), |time| time.to_string()))
            };
            rows.push(Row {
                id: Some(person.id),
                name: person.name,
                status: Some(subject.status),
                groups: Some(subject.groups.into_iter().collect()),
                valid_from: time(subject.valid_from),
                valid_until: time(subject.valid_until),
                extended: Some(subject.extended),
            });
        }
        match self.format.named(context.json)?.unwrap_or(Format::Csv) {
            Format::Json => context.print_json(&rows)?,
            Format::Toml => {
                let all = toml::to_string(&serde_json::json!({"people": rows}))?;
                print_line(all.trim_end())?;
            }
            Format::Csv => print_line(table(&rows)?.trim_end())?,
        }
        Ok(Outcome::Done)
    }
}

fn table(rows: &[Row]) -> anyhow::Result<String> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(COLUMNS)?;
    for row in rows {
        let groups: Vec<&str> = row.groups.iter().flatten().map(String::as_str).collect();
        table.write_record([
            row.id.map(|id| id.to_string()).unwrap_or_default().as_str(),
            row.name.as_str(),
            row.status.map_or("", PersonStatus::as_str),
            groups.join(";").as_str(),
            row.valid_from.as_deref().unwrap_or_default(),
            row.valid_until.as_deref().unwrap_or_default(),
            if row.extended == Some(true) {
                "on"
            } else {
                "off"
            },
        ])?;
    }
    Ok(String::from_utf8(table.into_inner()?)?)
}

impl Import {
    pub(super) fn run(self, context: &Context, store: &mut Store) -> anyhow::Result<Outcome> {
        let file = &self.file;
        let text = read(file)?;
        // Where each stands: the line, or the entry where the format does not tell.
        let rows: Vec<(String, Row)> = match self.format.of(file, context.json)? {
            Format::Csv => from_table(&text, file)?,
            Format::Json => from_json::<Vec<Row>>(&text, file)?
                .into_iter()
                .enumerate()
                .map(|(index, row)| (format!("{}: entry {}", file.display(), index + 1), row))
                .collect(),
            Format::Toml => from_toml::<People>(&text, file)?
                .people
                .into_iter()
                .map(|row| {
                    let line = line_of(&text, row.span().start);
                    (format!("{}:{line}", file.display()), row.into_inner())
                })
                .collect(),
        };
        let mut places = Vec::new();
        let mut entries = Vec::new();
        for (place, row) in rows {
            entries.push(row.entry().with_context(|| place.clone())?);
            places.push(place);
        }
        let apply = if self.dry_run {
            Apply::DryRun
        } else {
            Apply::Yes
        };
        let imported = store.import_people(Timestamp::now(), &entries, self.create, apply);
        let mut differences = imported.map_err(|error| match error {
            StoreError::Entry { index, source } => {
                let place = places.get(index).cloned().unwrap_or_default();
                anyhow!(source).context(format!("{place}: nothing was changed"))
            }
            other => other.into(),
        })?;
        differences.retain(|difference| difference.created || !difference.fields.is_empty());
        if context.json {
            context.print_json(&differences)?;
            return Ok(Outcome::Done);
        }
        if differences.is_empty() {
            print_line("nothing to change")?;
        }
        for difference in differences {
            let verb = if difference.created {
                "added"
            } else {
                "changed"
            };
            print_line(&format!("{verb} {}", difference.person.name))?;
            print_fields(&difference.fields)?;
        }
        if self.dry_run {
            print_line("dry run: nothing was changed")?;
        }
        Ok(Outcome::Done)
    }
}

fn from_table(text: &str, file: &Path) -> anyhow::Result<Vec<(String, Row)>> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let header = reader
        .headers()
        .with_context(|| format!("{}:1", file.display()))?
        .clone();
    if let Some(unknown) = header.iter().find(|column| !COLUMNS.contains(column)) {
        bail!(
            "{}:1: unknown column {unknown:?}; allowed: {}",
            file.display(),
            COLUMNS.join(", ")
        );
    }
    if !header.iter().any(|column| column == "name") {
        bail!("{}:1: the column \"name\" is missing", file.display());
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| {
            let line = error.position().map_or(1, csv::Position::line);
            anyhow!("{}:{line}: {error}", file.display())
        })?;
        let line = record.position().map_or(1, csv::Position::line);
        let place = format!("{}:{line}", file.display());
        let cell = |name: &'static str| {
            let column = header.iter().position(|column| column == name)?;
            record.get(column)
        };
        let row = cells(cell).with_context(|| place.clone())?;
        rows.push((place, row));
    }
    Ok(rows)
}

/// One row of the table; no cell where there is no column.
fn cells<'a>(cell: impl Fn(&'static str) -> Option<&'a str>) -> anyhow::Result<Row> {
    let filled = |name: &'static str| cell(name).filter(|text| !text.is_empty());
    let bound = |name: &'static str| match cell(name) {
        Some("") => Some("none".to_owned()),
        other => other.map(str::to_owned),
    };
    let id = filled("id").map(str::parse).transpose();
    Ok(Row {
        id: id.map_err(|error| anyhow!("id: {error}; leave it empty to go by the name"))?,
        name: cell("name").unwrap_or_default().to_owned(),
        status: match filled("status") {
            None => None,
            Some(word) => match word.parse() {
                Ok(status) => Some(status),
                Err(_) => {
                    let all = PersonStatus::ALL.map(PersonStatus::as_str).join(", ");
                    bail!("status {word:?}; allowed: {all}");
                }
            },
        },
        groups: cell("groups").map(|groups| {
            let groups = groups.split(';').map(str::trim);
            groups
                .filter(|group| !group.is_empty() && *group != "none")
                .map(str::to_owned)
                .collect()
        }),
        valid_from: bound("valid_from"),
        valid_until: bound("valid_until"),
        extended: match filled("extended") {
            None => None,
            Some("on" | "true") => Some(true),
            Some("off" | "false") => Some(false),
            Some(other) => bail!("extended {other:?}; allowed: on, off"),
        },
    })
}
