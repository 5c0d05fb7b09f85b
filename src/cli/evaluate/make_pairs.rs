//! `doorward evaluate make-pairs`: a list of pairs from one's own pictures.

use std::path::PathBuf;

use doorward::evaluate::files::person_folders;
use doorward::evaluate::pairs::{Wanted, draw, numbered};
use doorward::evaluate::report;

use super::{Context, Outcome, print_line};

/// Draw a list of pairs for `evaluate pairs` from folders of pictures.
///
/// ROOT has one folder a person. The same pictures and the same seed give the same list on
/// every machine. No pair comes twice, and nobody is in two folds.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder of the people's folders.
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// Folds; each needs at least two people.
    #[arg(long, value_name = "N", default_value_t = 10)]
    folds: usize,
    /// Pairs of one person in a fold, and as many of two.
    #[arg(long, value_name = "N", default_value_t = 60)]
    pairs_per_fold: usize,
    /// Of the random generator.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// The list to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace what is there already.
    #[arg(long)]
    force: bool,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let mut people = Vec::new();
        for person in person_folders(&self.root)? {
            let numbers = numbered(&self.root.join(&person.name), &person.name)?;
            people.push((person.name, numbers.into_keys().collect()));
        }
        let wanted = Wanted {
            folds: self.folds,
            pairs: self.pairs_per_fold,
            seed: self.seed,
        };
        let list = draw(&people, wanted)?;
        report::write(&self.out, &list.to_text(), self.force)?;
        if context.json {
            context.print_json(&serde_json::json!({
                "out": self.out, "people": people.len(), "folds": list.folds, "pairs": list.pairs.len(),
            }))?;
        } else {
            print_line(&format!(
                "{}: {} pairs in {} folds from {} people",
                self.out.display(),
                list.pairs.len(),
                list.folds,
                people.len()
            ))?;
        }
        Ok(Outcome::Done)
    }
}
