//! `doorward people`: who is known.

mod exchange;
mod explain;
mod pin;
mod set;

use doorward::access::rules::Subject;
use doorward::clock::{Timestamp, rfc3339_millis};
use doorward::config::Config;
use doorward::enroll::separation::{Held, Limits, Separation};
use doorward::event::{PersonRef, PersonStatus};
use doorward::gallery::Gallery;
use doorward::store::{Person, Site, Store};
use doorward::vision::Embedding;
use doorward::vision::pack::ModelPack;

use super::{Context, Outcome, open_pack, print_line, reenroll};

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
    /// Show one person, and how well they are told apart from everybody else.
    ///
    /// Compares their templates with each other and with everybody else's: the verdict is
    /// "well separated", "weak" with what to do, or "too close" to somebody who may be the same
    /// person enrolled twice. Similarities are cosines, -1 to 1; [recognition] threshold says
    /// from which on the door takes a face for a person's.
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
    Set(Box<set::Args>),
    Explain(explain::Args),
    Reenroll(reenroll::Args),
    Export(exchange::Export),
    Import(exchange::Import),
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
        let now = Timestamp::now();
        match self.verb {
            Verb::List => {
                // Without its manifest nobody can say whose templates count; the list is still right.
                let pack = open_pack(&config).ok();
                let model_id = pack.as_ref().map(|pack| pack.embedding().model_id.as_str());
                let people = store.people()?;
                if context.json {
                    context.print_json(&people)?;
                } else {
                    print_list(&people, model_id)?;
                }
                if let Some(model_id) = model_id {
                    reenroll::warn_left_out(&store, model_id)?;
                }
            }
            Verb::Show { name } => {
                let person = store.person(&name)?;
                let subject = store.subject(person.id)?;
                let (model_id, separation) = match open_pack(&config) {
                    Ok(pack) => {
                        let separation = separation(&config, &pack, &store, &person)?;
                        (Some(pack.embedding().model_id.clone()), Some(separation))
                    }
                    Err(error) => {
                        eprintln!("not compared with others: {error}");
                        (None, None)
                    }
                };
                if context.json {
                    let mut report = serde_json::to_value(&person)?;
                    report["separation"] = serde_json::to_value(&separation)?;
                    if let Some(subject) = &subject {
                        add_rules(&mut report, subject);
                    }
                    context.print_json(&report)?;
                } else {
                    print_person(&person, model_id.as_deref(), separation.as_ref())?;
                    if let Some(subject) = &subject {
                        print_rules(subject)?;
                    }
                }
            }
            Verb::Rename { name, new_name } => {
                let before = store.person(&name)?.name;
                let person = store.rename(now, &name, &new_name)?;
                if let Some(site) = site(&config)? {
                    site.rename(&before, &person.name)?;
                }
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
                if let Some(site) = site(&config)? {
                    site.forget(&person.name)?;
                }
                report(context, "removed", &person)?;
            }
            Verb::Set(args) => return args.run(context, &config, &mut store),
            Verb::Export(args) => return args.run(context, &store),
            Verb::Import(args) => return args.run(context, &mut store),
            Verb::Reenroll(args) => return args.run(context),
            Verb::Explain(args) => return args.run(context, &config, &store),
        }
        Ok(Outcome::Done)
    }
}

/// What the doors of the site share, where they do.
fn site(config: &Config) -> anyhow::Result<Option<Site>> {
    let file = config.access.site_file.as_ref();
    Ok(file
        .map(|file| Site::open(file, &config.door.name))
        .transpose()?)
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

/// How well somebody is told apart, by the door's own rules and with the templates of one pack.
fn separation(
    config: &Config,
    pack: &ModelPack,
    store: &Store,
    person: &Person,
) -> anyhow::Result<Separation> {
    let model = pack.embedding();
    let people = store.gallery(&model.model_id, model.dimensions)?;
    let (own, others): (Vec<_>, Vec<_>) = people
        .into_iter()
        .partition(|row| row.person.id == person.id);
    let embeddings = own.into_iter().flat_map(|row| row.embeddings);
    let qualities = store.qualities(person.id, &model.model_id)?;
    let held: Vec<Held> = embeddings
        .zip(qualities)
        .filter_map(|(embedding, quality)| {
            let embedding = Embedding::normalised(embedding)?;
            Some(Held { embedding, quality })
        })
        .collect();
    let others = Gallery::new(others, model.dimensions);
    let limits = Limits {
        threshold: config
            .recognition
            .thresholds(others.len() + 1, pack.calibration())
            .claim,
        margin: config.recognition.margin,
    };
    Ok(Separation::assess(&held, &others, &limits))
}

fn print_person(
    person: &Person,
    model_id: Option<&str>,
    separation: Option<&Separation>,
) -> anyhow::Result<()> {
    print_line(&format!("name       {}", person.name))?;
    print_line(&format!("id         {}", person.id))?;
    print_line(&format!("status     {}", person.status.as_str()))?;
    print_line(&format!("templates  {}", templates(person, model_id)))?;
    print_line(&format!("photos     {}", person.photos))?;
    if let Some(separation) = separation {
        print_separation(separation)?;
    }
    print_line(&format!("enrolled   {}", rfc3339_millis(person.created_at)))?;
    print_line(&format!("changed    {}", rfc3339_millis(person.updated_at)))
}

/// What governs when they may enter; of a PIN only that there is one.
fn add_rules(report: &mut serde_json::Value, subject: &Subject) {
    let pin = subject.pin.as_ref();
    report["groups"] = serde_json::json!(subject.groups);
    report["valid_from"] = serde_json::json!(subject.valid_from);
    report["valid_until"] = serde_json::json!(subject.valid_until);
    report["extended"] = serde_json::json!(subject.extended);
    report["pin"] = serde_json::json!(pin.is_some());
    report["duress_pin"] = serde_json::json!(pin.is_some_and(|pin| pin.duress.is_some()));
    report["presence"] = serde_json::json!(subject.presence);
}

fn print_rules(subject: &Subject) -> anyhow::Result<()> {
    let groups = if subject.groups.is_empty() {
        "none, so they may enter nowhere".to_owned()
    } else {
        subject.groups.join(", ")
    };
    print_line(&format!("groups     {groups}"))?;
    if let Some(from) = subject.valid_from {
        print_line(&format!("from       {from}"))?;
    }
    if let Some(until) = subject.valid_until {
        print_line(&format!("until      {until}"))?;
    }
    if subject.extended {
        print_line("extended   the door stays open for longer")?;
    }
    match &subject.pin {
        Some(pin) if pin.duress.is_some() => print_line("PIN        set, and a duress PIN")?,
        Some(_) => print_line("PIN        set")?,
        None => {}
    }
    if let Some(presence) = &subject.presence {
        let at = rfc3339_millis(presence.at);
        print_line(&format!("last in    {} at {at}", presence.door))?;
    }
    Ok(())
}

fn print_separation(separation: &Separation) -> anyhow::Result<()> {
    let number = |value: Option<f32>| value.map_or("-".to_owned(), |v| format!("{v:.2}"));
    let templates = &separation.templates;
    if !templates.is_empty() {
        let qualities: Vec<String> = templates.iter().map(|t| number(Some(t.quality))).collect();
        print_line(&format!("quality    {}", qualities.join(" ")))?;
        print_line(&format!(
            "own        min {}, median {} (similarity between their templates)",
            number(separation.own_min),
            number(separation.own_median)
        ))?;
        let nearest = separation.nearest.as_ref().map_or_else(
            || "nobody else is enrolled".to_owned(),
            |other| format!("{} ({:.2})", other.person.name, other.similarity),
        );
        print_line(&format!("nearest    {nearest}"))?;
        print_line(&format!("margin     {}", number(separation.margin)))?;
    }
    print_line(&format!("verdict    {}", separation.in_words()))
}

fn report(context: &Context, done: &str, person: &PersonRef) -> anyhow::Result<()> {
    if context.json {
        context.print_json(&serde_json::json!({"done": done, "person": person}))
    } else {
        print_line(&format!("{done}: {}", person.name))
    }
}
