//! `doorward rules`: all groups, schedules and holidays as one file, out and in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use doorward::access::rules::Rules;
use doorward::clock::Timestamp;
use doorward::event::{RuleChange, RuleKind};
use doorward::store::{Apply, FieldChange, RuleDifference};
use serde_json::json;

use super::exchange::{Format, FormatArgs, from_json, from_toml, read};
use super::{Context, Outcome, print_line};

/// Export and import all groups, schedules and holidays as one file.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward rules export > rules.toml
  doorward rules import rules.toml --dry-run
  doorward rules import rules.toml --prune")]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Print all rules as TOML, or as JSON with --json.
    Export {
        /// TOML, as without it.
        #[arg(long)]
        toml: bool,
    },
    /// Add and change rules as a file says, all or none; each change is an event.
    Import {
        /// The file, TOML or JSON by its name.
        file: PathBuf,
        #[command(flatten)]
        format: FormatArgs,
        /// Also remove the rules that the file does not have.
        #[arg(long)]
        prune: bool,
        /// Show the difference and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        let mut store = context.store(&config)?;
        match self.verb {
            Verb::Export { toml } => {
                anyhow::ensure!(!(toml && context.json), "give one format only");
                let rules = store.rules()?;
                if context.json {
                    context.print_json(&rules)?;
                } else {
                    print_line(toml::to_string(&rules)?.trim_end())?;
                }
            }
            Verb::Import {
                file,
                format,
                prune,
                dry_run,
            } => {
                let text = read(&file)?;
                let rules: Rules = match format.of(&file, context.json)? {
                    Format::Toml => from_toml(&text, &file)?,
                    Format::Json => from_json(&text, &file)?,
                    Format::Csv => anyhow::bail!("rules are no table; use TOML or JSON"),
                };
                let apply = if dry_run { Apply::DryRun } else { Apply::Yes };
                let differences = store
                    .edit_rules(Timestamp::now(), apply, |all| {
                        if prune {
                            *all = rules;
                        } else {
                            all.groups.extend(rules.groups);
                            all.schedules.extend(rules.schedules);
                            all.holidays.extend(rules.holidays);
                        }
                        Ok(())
                    })
                    .with_context(|| format!("{}: nothing was changed", file.display()))?;
                report(context, &differences)?;
                if dry_run && !context.json {
                    print_line("dry run: nothing was changed")?;
                }
            }
        }
        Ok(Outcome::Done)
    }
}

pub(super) fn no_such(kind: &str, name: &str) -> anyhow::Error {
    anyhow::anyhow!("there is no {kind} {name:?}; see doorward {kind}s list")
}

/// Lists all rules of a kind; `none` is said where there are none.
pub(super) fn list<T: serde::Serialize>(
    context: &Context,
    rules: &BTreeMap<String, T>,
    in_words: impl Fn(&T) -> String,
    none: &str,
) -> anyhow::Result<()> {
    if context.json {
        return context.print_json(rules);
    }
    if rules.is_empty() {
        return print_line(none);
    }
    for (name, rule) in rules {
        print_line(&format!("{name}: {}", in_words(rule)))?;
    }
    Ok(())
}

/// Says what differs, field by field.
pub(super) fn report(context: &Context, differences: &[RuleDifference]) -> anyhow::Result<()> {
    if context.json {
        return context.print_json(&differences);
    }
    if differences.is_empty() {
        return print_line("nothing to change");
    }
    for difference in differences {
        let kind = match difference.rule {
            RuleKind::Group => "group",
            RuleKind::Schedule => "schedule",
            RuleKind::Holiday => "holiday",
        };
        let change = match difference.change {
            RuleChange::Added => "added",
            RuleChange::Changed => "changed",
            RuleChange::Removed => "removed",
        };
        print_line(&format!("{change} {kind} {}", difference.name))?;
        print_fields(&difference.fields)?;
    }
    Ok(())
}

pub(super) fn print_fields(fields: &[FieldChange]) -> anyhow::Result<()> {
    for FieldChange {
        field,
        before,
        after,
    } in fields
    {
        let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        print_line(&format!("  {field}: {} -> {}", word(before), word(after)))?;
    }
    Ok(())
}

/// Says that a rule is gone.
pub(super) fn removed(context: &Context, kind: &str, name: &str) -> anyhow::Result<()> {
    if context.json {
        return context.print_json(&json!({"removed": name}));
    }
    print_line(&format!("removed {kind} {name}"))
}
