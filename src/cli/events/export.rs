//! `doorward events export`: the record for others.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::bail;
use doorward::audit::export::{Format, Heading, write, write_file};
use doorward::clock::Timestamp;
use doorward::store::{Expected, Report};

use super::Filter;
use crate::cli::{Context, Outcome, progress};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    filter: Filter,
    /// As a table for spreadsheets.
    #[arg(long, conflicts_with = "html")]
    csv: bool,
    /// As a page to read, with the result of the verification.
    #[arg(long)]
    html: bool,
    /// Into this file, which is replaced when everything is written; to standard output without it.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let format = match (self.csv, self.html, context.json) {
            (true, false, false) => Format::Csv,
            (false, true, false) => Format::Html,
            (false, false, true) => Format::Json,
            _ => bail!("say how: one of --csv, --json and --html"),
        };
        let config = context.config()?;
        let store = context.store(&config)?;
        let filter = self.filter.resolve(&store)?;
        let report = if format == Format::Html {
            let bar = progress(usize::try_from(store.head()?.seq)?, "events verified")?;
            let report = store.verify_with(None, Expected::default(), |_| bar.inc(1))?;
            bar.finish_and_clear();
            report
        } else {
            Report::default()
        };
        let heading = Heading {
            door: &config.source(),
            time: Timestamp::now(),
            report: &report,
        };
        match &self.output {
            Some(path) => {
                let count = write_file(&store, &filter, format, &heading, path)?;
                writeln!(
                    std::io::stderr(),
                    "{count} events written to {}",
                    path.display()
                )?;
            }
            None => {
                let out = std::io::BufWriter::new(std::io::stdout().lock());
                write(&store, &filter, format, &heading, out)?;
            }
        }
        Ok(Outcome::Done)
    }
}
