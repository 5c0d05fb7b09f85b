//! `doorward people`: who is known.

use doorward::clock::{Timestamp, rfc3339_millis};
use doorward::event::PersonRef;
use doorward::store::{Person, PersonStatus};
use doorward::vision::pack::ModelPack;

use super::{Context, Outcome, print_line, reenroll};

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
    Reenroll(reenroll::Args),
    /// Erase somebody, their templates and kept photos; past events stay.
    Remove {
        /// Name or id.
        name: String,
    },
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        let mut store = context.store(&config)?;
        // Without its manifest nobody can say whose templates count; the list is still right.
        let pack = ModelPack::open_named(&config.models.directory, &config.models.pack).ok();
        let model_id = pack.map(|pack| pack.embedding().model_id.clone());
        let now = Timestamp::now();
        match self.verb {
            Verb::List => {
                let people = store.people()?;
                if context.json {
                    context.print_json(&people)?;
                } else {
                    print_list(&people, model_id.as_deref())?;
                }
                if let Some(model_id) = &model_id {
                    reenroll::warn_left_out(&store, model_id)?;
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
                    let templates = templates(&person, model_id.as_deref());
                    print_line(&format!("templates  {templates}"))?;
                    print_line(&format!("photos     {}", person.photos))?;
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
            Verb::Reenroll(args) => return args.run(context),
        }
        Ok(Outcome::Done)
    }
}

fn print_list(people: &[Person], model_id: Option<&str>) -> anyhow::Result<()> {
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
            templates(person, model_id),
            person.id
        ))?;
    }
    Ok(())
}

/// How many templates somebody has, and how many of them count with the configured pack.
fn templates(person: &Person, model_id: Option<&str>) -> String {
    match model_id.map(|id| person.models.get(id).copied().unwrap_or_default()) {
        Some(usable) if usable < person.templates => format!("{usable} of {}", person.templates),
        _ => person.templates.to_string(),
    }
}

fn report(context: &Context, done: &str, person: &PersonRef) -> anyhow::Result<()> {
    if context.json {
        context.print_json(&serde_json::json!({"done": done, "person": person}))
    } else {
        print_line(&format!("{done}: {}", person.name))
    }
}
