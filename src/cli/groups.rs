//! `doorward groups`: who may pass which doors, when and how.

use clap::ValueEnum;
use doorward::access::rules::Rules;
use doorward::clock::Timestamp;
use doorward::store::{Apply, group_in_words};

use super::rules::{list, no_such, report};
use super::{Context, Outcome, print_line};

const EXAMPLES: &str = "\
Examples:
  doorward groups set staff --door front --schedule office
  doorward groups set keyholders --always --first-person on
  doorward groups set vault --door vault --always --two-person on --pin on
  doorward people set \"Ada Lovelace\" --group staff";

/// List and administer groups: who may pass which doors, when and how.
///
/// Somebody may enter when one of their groups lets them. Whoever is enrolled joins the group
/// \"everyone\", which lets its members through every door at any time: change or remove it when
/// that is too much. A running service applies a change within a second; every change is an event.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List all groups.
    List,
    /// Show one group and its members.
    Show {
        /// Its name.
        name: String,
    },
    /// Add a group, or change one: what is not said stays as it is.
    #[command(after_help = EXAMPLES)]
    Set(Box<Set>),
    /// Remove a group; its members are no longer in it.
    Remove {
        /// Its name.
        name: String,
    },
}

/// A switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Switch {
    On,
    Off,
}

impl From<Switch> for bool {
    fn from(switch: Switch) -> bool {
        switch == Switch::On
    }
}

#[derive(Debug, clap::Args)]
struct Set {
    /// Its name: letters, digits, "-", "_", "." and spaces.
    name: String,
    /// Only this door ([door] name); may be repeated.
    #[arg(long = "door", value_name = "DOOR", conflicts_with = "every_door")]
    doors: Vec<String>,
    /// Every door.
    #[arg(long)]
    every_door: bool,
    /// Only in the hours of this schedule.
    #[arg(long, value_name = "NAME", conflicts_with = "always")]
    schedule: Option<String>,
    /// At any time.
    #[arg(long)]
    always: bool,
    /// Whether members pass in lockdown.
    #[arg(long, value_name = "ON|OFF")]
    override_lockdown: Option<Switch>,
    /// Whether a member's entry counts as the first person's.
    #[arg(long, value_name = "ON|OFF")]
    first_person: Option<Switch>,
    /// Whether members may enter only after a first person.
    #[arg(long, value_name = "ON|OFF")]
    wait_for_first: Option<Switch>,
    /// Whether members enter only two at a time.
    #[arg(long, value_name = "ON|OFF")]
    two_person: Option<Switch>,
    /// Whether members must also type their PIN.
    #[arg(long, value_name = "ON|OFF")]
    pin: Option<Switch>,
}

impl Set {
    fn apply(self, rules: &mut Rules) {
        let group = rules.groups.entry(self.name).or_default();
        if !self.doors.is_empty() || self.every_door {
            group.doors = self.doors;
        }
        if self.schedule.is_some() || self.always {
            group.schedule = self.schedule;
        }
        for (switch, value) in [
            (self.override_lockdown, &mut group.overrides_lockdown),
            (self.first_person, &mut group.first_person),
            (self.wait_for_first, &mut group.waits_for_first),
            (self.two_person, &mut group.two_person),
            (self.pin, &mut group.pin),
        ] {
            *value = switch.map_or(*value, bool::from);
        }
    }
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        let mut store = context.store(&config)?;
        let now = Timestamp::now();
        match self.verb {
            Verb::List => {
                let none =
                    "there are no groups, so nobody may enter; see doorward groups set --help";
                list(context, &store.rules()?.groups, group_in_words, none)?;
            }
            Verb::Show { name } => {
                let groups = store.rules()?.groups;
                let group = groups.get(&name).ok_or_else(|| no_such("group", &name))?;
                let mut members = Vec::new();
                for person in store.people()? {
                    let subject = store.subject(person.id)?;
                    if subject.is_some_and(|subject| subject.groups.contains(&name)) {
                        members.push(person.reference());
                    }
                }
                if context.json {
                    let report =
                        serde_json::json!({"name": name, "group": group, "members": members});
                    context.print_json(&report)?;
                } else {
                    print_line(&format!("{name}: {}", group_in_words(group)))?;
                    let names: Vec<&str> = members.iter().map(|p| p.name.as_str()).collect();
                    print_line(&format!("{} members: {}", names.len(), names.join(", ")))?;
                }
            }
            Verb::Set(set) => {
                let differences = store.edit_rules(now, Apply::Yes, |rules| {
                    set.apply(rules);
                    Ok(())
                })?;
                report(context, &differences)?;
            }
            Verb::Remove { name } => {
                store.remove_group(now, &name)?;
                super::rules::removed(context, "group", &name)?;
            }
        }
        Ok(Outcome::Done)
    }
}
