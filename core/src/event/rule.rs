//! The rule that decided about somebody.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The rule that decided. Written as words: `group staff`, `schedule office-hours`, `lockout`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Rule {
    /// A group of this name.
    Group(String),
    /// A schedule of this name.
    Schedule(String),
    /// A holiday of this name.
    Holiday(String),
    /// That some group must cover the door.
    Groups,
    /// Dates from and until which somebody may enter.
    Validity,
    /// That they are suspended.
    Suspended,
    /// Too many denials.
    Lockout,
    /// The mode of the door.
    Lockdown,
    /// That they are inside already.
    AntiPassback,
    /// One that this version does not know, as a record from elsewhere has it.
    Other(String),
}

/// What comes before a name, and the rule of that name.
type Named = (&'static str, fn(String) -> Rule);

impl Rule {
    const NAMED: [Named; 3] = [
        ("group ", Rule::Group),
        ("schedule ", Rule::Schedule),
        ("holiday ", Rule::Holiday),
    ];
    const PLAIN: [(&'static str, Rule); 6] = [
        ("groups", Rule::Groups),
        ("validity", Rule::Validity),
        ("suspended", Rule::Suspended),
        ("lockout", Rule::Lockout),
        ("mode lockdown", Rule::Lockdown),
        ("anti-passback", Rule::AntiPassback),
    ];
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Group(name) => write!(f, "group {name}"),
            Rule::Schedule(name) => write!(f, "schedule {name}"),
            Rule::Holiday(name) => write!(f, "holiday {name}"),
            Rule::Other(words) => f.write_str(words),
            plain => {
                let mut all = Rule::PLAIN.iter();
                let word = all
                    .find(|(_, rule)| rule == plain)
                    .map_or("", |(word, _)| word);
                f.write_str(word)
            }
        }
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> String {
        rule.to_string()
    }
}

impl From<String> for Rule {
    fn from(words: String) -> Rule {
        for (before, named) in Rule::NAMED {
            if let Some(name) = words.strip_prefix(before) {
                return named(name.to_owned());
            }
        }
        let plain = Rule::PLAIN.into_iter().find(|(word, _)| *word == words);
        plain.map_or(Rule::Other(words), |(_, rule)| rule)
    }
}

impl From<&str> for Rule {
    fn from(words: &str) -> Rule {
        words.to_owned().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_read_back_as_it_is_written() {
        let named = ["staff", "mode lockdown", ""].map(str::to_owned);
        let named = named.into_iter().flat_map(|name| {
            let of = Rule::NAMED.map(|(_, rule)| rule(name.clone()));
            of.into_iter().chain([Rule::Other(format!("x {name}"))])
        });
        for rule in named.chain(Rule::PLAIN.map(|(_, rule)| rule)) {
            assert!(!rule.to_string().is_empty(), "{rule:?}");
            assert_eq!(Rule::from(rule.to_string()), rule);
        }
    }
}
