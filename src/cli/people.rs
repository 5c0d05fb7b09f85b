//! `doorward people`: who is known.

use doorward::clock::{Timestamp, rfc3339_millis};
use doorward::event::PersonRef;
use doorward::store::{Person, PersonStatus};

use super::{Context, Outcome, print_line};

/// List and administer the people who are known.
///
/// NAME is a name (case does not matter) or an id. A running service applies every change
/// within a second; every change is an event.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List everybody.
    List,
    /// Show one person.
    Show {
        /// Name or id.
        name: String,
    },
    /// Give somebody another name.
    Rename {
        /// Name or id.
        name: String,
        /// The new name.
        new_name: String,
    },
    /// Deny somebody until resumed; their templates stay.
    Suspend {
        /// Name or id.
        name: String,
    },
    /// Let somebody in again.
    Resume {
        /// Name or id.
        name: String,
    },
    /// Erase somebody and all their templates; past events stay.
    Remove {
        /// Name or id.
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
                let people = store.people()?;
                if context.json {
                    context.print_json(&people)?;
                } else {
                    print_list(&people)?;
                }
            }
            Verb::Show { name } => {
                let person = store.person(&name)?;
                if context.json {
                    context.print_json(&person)?;
                } else {
                    print_line(&format!("name       {}", person.name))?;
                    print_line(&format!("id         {}", person.id))?;
                    print_line(&format!("status     {}", person.status.as_str()))?;
                    print_line(&format!("templates  {}", person.templates))?;
                    print_line(&format!("enrolled   {}", rfc3339_millis(person.created_at)))?;
                    print_line(&format!("changed    {}", rfc3339_millis(person.updated_at)))?;
                }
            }
            Verb::Rename { name, new_name } => {
                let person = store.rename(now, &name, &new_name)?;
                report(context, "renamed", &person)?;
            }
            Verb::Suspend { name } => {
                let person = store.set_status(now, &name, PersonStatus::Suspended)?;
                report(context, "suspended", &person)?;
            }
            Verb::Resume { name } => {
                let person = store.set_status(now, &name, PersonStatus::Active)?;
                report(context, "resumed", &person)?;
            }
            Verb::Remove { name } => {
                let person = store.remove(now, &name)?;
                report(context, "removed", &person)?;
            }
        }
        Ok(Outcome::Done)
    }
}

fn print_list(people: &[Person]) -> anyhow::Result<()> {
    if people.is_empty() {
        return print_line("nobody is enrolled; see doorward enroll --help");
    }
    let width = people
        .iter()
        .map(|p| p.name.chars().count())
        .max()
        .unwrap_or(4)
        .max(4);
    print_line(&format!(
        "{:<width$}  {:<9}  {:>9}  ID",
        "NAME", "STATUS", "TEMPLATES"
    ))?;
    for person in people {
        print_line(&format!(
            "{:<width$}  {:<9}  {:>9}  {}",
            person.name,
            person.status.as_str(),
            person.templates,
            person.id
        ))?;
    }
    Ok(())
}

fn report(context: &Context, done: &str, person: &PersonRef) -> anyhow::Result<()> {
    if context.json {
        context.print_json(&serde_json::json!({"done": done, "person": person}))
    } else {
        print_line(&format!("{done}: {}", person.name))
    }
}
