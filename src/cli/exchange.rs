//! Files that administration exchanges: which format, and where in the file something is wrong.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde::de::DeserializeOwned;

/// A format of exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    Json,
    Toml,
}

/// Which format, when the name of a file does not say.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub(super) struct FormatArgs {
    /// A table with a header.
    #[arg(long)]
    csv: bool,
    /// TOML.
    #[arg(long)]
    toml: bool,
}

impl FormatArgs {
    /// The format that a flag names; `json` is the global one.
    pub(super) fn named(&self, json: bool) -> anyhow::Result<Option<Format>> {
        Ok(match (self.csv, self.toml, json) {
            (false, false, false) => None,
            (true, false, false) => Some(Format::Csv),
            (false, true, false) => Some(Format::Toml),
            (false, false, true) => Some(Format::Json),
            _ => bail!("give one format only"),
        })
    }

    /// The same, or what the file's name says. `--json` also asks for a JSON report, so the name
    /// goes before it.
    pub(super) fn of(&self, file: &Path, json: bool) -> anyhow::Result<Format> {
        if let Some(format) = self.named(false)? {
            return Ok(format);
        }
        let extension = file.extension().and_then(|extension| extension.to_str());
        match extension {
            Some("csv") => Ok(Format::Csv),
            Some("json") => Ok(Format::Json),
            Some("toml") => Ok(Format::Toml),
            _ if json => Ok(Format::Json),
            _ => bail!(
                "{}: its name says no format; end it with .csv, .json or .toml, or add --csv, --json or --toml",
                file.display()
            ),
        }
    }
}

pub(super) fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Reads TOML; an error names the line.
pub(super) fn from_toml<T: DeserializeOwned>(text: &str, file: &Path) -> anyhow::Result<T> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        anyhow::anyhow!("{}:{line}: {}", file.display(), error.message())
    })
}

/// Reads JSON; an error names the line.
pub(super) fn from_json<T: DeserializeOwned>(text: &str, file: &Path) -> anyhow::Result<T> {
    serde_json::from_str(text)
        .map_err(|error| anyhow::anyhow!("{}:{}: {error}", file.display(), error.line()))
}

/// The line of an offset, from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.get(..offset)
        .map_or(1, |before| before.matches('\n').count() + 1)
}
