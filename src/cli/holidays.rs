//! `doorward holidays`: days on which schedules differ.

use doorward::access::rules::Holiday;
use doorward::clock::Timestamp;
use doorward::store::holiday_in_words;
use jiff::civil::Date;

use super::rules::{list, removed, report};
use super::{Context, Outcome};

const EXAMPLES: &str = "\
Examples:
  doorward holidays set \"New Year\" --from 2027-01-01 --yearly
  doorward holidays set \"Summer break\" --from 2026-08-03 --to 2026-08-14";

/// List and administer holidays: days on which only the \"holiday\" hours of schedules count.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List all holidays.
    List,
    /// Add a holiday, or give one other days.
    #[command(after_help = EXAMPLES)]
    Set {
        /// Its name: letters, digits, "-", "_", "." and spaces.
        name: String,
        /// First day, such as 2026-12-25.
        #[arg(long, value_name = "DATE")]
        from: Date,
        /// Last day, included; the first one when left out.
        #[arg(long, value_name = "DATE")]
        to: Option<Date>,
        /// Every year anew.
        #[arg(long)]
        yearly: bool,
    },
    /// Remove a holiday.
    Remove {
        /// Its name.
        name: String,
    },
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        let mut store = context.store(&config)?;
        let now = Timestamp::now();
        match self.verb {
            Verb::List => {
                let none = "there are no holidays; see doorward holidays set --help";
                list(context, &store.rules()?.holidays, holiday_in_words, none)?;
            }
            Verb::Set {
                name,
                from,
                to,
                yearly,
            } => {
                let holiday = Holiday {
                    first: from,
                    last: to.unwrap_or(from),
                    yearly,
                };
                report(context, &store.put_holiday(now, &name, holiday)?)?;
            }
            Verb::Remove { name } => {
                store.remove_holiday(now, &name)?;
                removed(context, "holiday", &name)?;
            }
        }
        Ok(Outcome::Done)
    }
}
