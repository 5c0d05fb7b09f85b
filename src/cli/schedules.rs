//! `doorward schedules`: hours of the week, and dates that differ.

use anyhow::{Context as _, bail, ensure};
use doorward::access::rules::{Day, Interval, Schedule};
use doorward::clock::Timestamp;
use doorward::store::{Apply, RuleError, schedule_in_words};
use jiff::civil::Date;

use super::rules::{list, no_such, removed, report};
use super::{Context, Outcome, print_line};

const EXAMPLES: &str = "\
Examples:
  doorward schedules set office --hours \"mon-fri 08:00-18:00\" --hours \"sat 09:00-12:00\"
  doorward schedules set nights --hours \"mon-sun 22:00-06:00\"
  doorward schedules set office --hours \"mon-fri 08:00-12:00\" --hours \"mon-fri 13:00-17:00\" --hours \"holiday 10:00-12:00\"
  doorward schedules except office 2026-12-24 --hours 08:00-12:00
  doorward schedules except office 2026-12-31 --closed";

/// List and administer schedules: hours of the week, and dates that differ.
///
/// Times are the site's ([access] time_zone). A day that is not named is closed; on a holiday
/// only the hours of \"holiday\" count; hours of a date go before both.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List all schedules.
    List,
    /// Show one schedule.
    Show {
        /// Its name.
        name: String,
    },
    /// Add a schedule, or give one other hours; its exceptions stay.
    #[command(after_help = EXAMPLES)]
    Set {
        /// Its name: letters, digits, "-", "_", "." and spaces.
        name: String,
        /// Days and hours, such as "mon-fri 08:00-18:00", "sat,sun 10:00-12:00", "holiday 10:00-12:00"; may be repeated.
        #[arg(long = "hours", value_name = "DAYS HOURS", required = true)]
        hours: Vec<String>,
    },
    /// Give a date hours of its own, or the usual ones again.
    #[command(group = clap::ArgGroup::new("what").required(true))]
    Except {
        /// Name of the schedule.
        name: String,
        /// The date, such as 2026-12-24.
        date: Date,
        /// Its hours, such as 08:00-12:00; may be repeated.
        #[arg(long = "hours", value_name = "HOURS", group = "what")]
        hours: Vec<Interval>,
        /// Closed all day.
        #[arg(long, group = "what")]
        closed: bool,
        /// As on any other such day.
        #[arg(long, group = "what")]
        usual: bool,
    },
    /// Remove a schedule that no group uses.
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
                let none = "there are no schedules; see doorward schedules set --help";
                list(context, &store.rules()?.schedules, schedule_in_words, none)?;
            }
            Verb::Show { name } => {
                let schedules = store.rules()?.schedules;
                let schedule = schedules
                    .get(&name)
                    .ok_or_else(|| no_such("schedule", &name))?;
                if context.json {
                    context.print_json(schedule)?;
                } else {
                    print_line(&format!("{name}: {}", schedule_in_words(schedule)))?;
                }
            }
            Verb::Set { name, hours } => {
                let mut week = Schedule::default().week;
                for text in &hours {
                    let (days, interval) = days_and_hours(text)?;
                    for day in days {
                        week.entry(day).or_default().push(interval);
                    }
                }
                let differences = store.edit_rules(now, Apply::Yes, |rules| {
                    rules.schedules.entry(name).or_default().week = week;
                    Ok(())
                })?;
                report(context, &differences)?;
            }
            Verb::Except {
                name,
                date,
                hours,
                usual,
                ..
            } => {
                let differences = store.edit_rules(now, Apply::Yes, |rules| {
                    let Some(schedule) = rules.schedules.get_mut(&name) else {
                        return Err(RuleError::NoSuchRule {
                            kind: "schedule",
                            name,
                            nearest: None,
                        });
                    };
                    if usual {
                        schedule.exceptions.remove(&date);
                    } else {
                        schedule.exceptions.insert(date, hours);
                    }
                    Ok(())
                })?;
                report(context, &differences)?;
            }
            Verb::Remove { name } => {
                ensure!(
                    config.access.unlock_schedule.as_ref() != Some(&name),
                    "schedule {name:?} holds this door unlocked ([access] unlock_schedule); change that first"
                );
                store.remove_schedule(now, &name)?;
                removed(context, "schedule", &name)?;
            }
        }
        Ok(Outcome::Done)
    }
}

const DAYS: [(&str, Day); 8] = [
    ("mon", Day::Mon),
    ("tue", Day::Tue),
    ("wed", Day::Wed),
    ("thu", Day::Thu),
    ("fri", Day::Fri),
    ("sat", Day::Sat),
    ("sun", Day::Sun),
    ("holiday", Day::Holiday),
];

/// `mon-fri 08:00-18:00`: the days, and their hours.
fn days_and_hours(text: &str) -> anyhow::Result<(Vec<Day>, Interval)> {
    let (days, hours) = text.trim().rsplit_once(' ').with_context(|| {
        format!("{text:?}: write days and hours, such as \"mon-fri 08:00-18:00\"")
    })?;
    let mut named = Vec::new();
    for part in days.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (position(first)?, position(last)?);
        // A holiday is no day of the week, so no range goes there.
        let is_range_with_holiday = first != last && (first == 7 || last == 7);
        if first > last || is_range_with_holiday {
            bail!("{part:?} is no range of days; the week goes from mon to sun");
        }
        named.extend(DAYS[first..=last].iter().map(|(_, day)| *day));
    }
    Ok((named, hours.parse()?))
}

fn position(word: &str) -> anyhow::Result<usize> {
    let word = word.trim().to_lowercase();
    let found = DAYS.iter().position(|(name, _)| *name == word);
    found.with_context(|| {
        format!("{word:?} is no day; there are mon, tue, wed, thu, fri, sat, sun, holiday")
    })
}
