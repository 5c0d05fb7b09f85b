//! Operators: who may send commands, and what each role allows.

use crate::event::{CommandVerb, Role};
use crate::keys::PublicKey;

/// Somebody who may send commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Their name: `iss` of their commands.
    pub name: String,
    /// What they may ask for.
    pub role: Role,
    /// What their commands are verified with.
    pub key: PublicKey,
}

/// What [`is_name`] takes, as a pattern.
pub(super) const NAME: &str = "^[A-Za-z0-9_.@-]{1,64}$";

/// Whether this can be an operator's name: it becomes part of topics, and of what the record says of
/// its authors.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    (1..=64).contains(&name.len()) && name.chars().all(fits)
}

impl Role {
    /// The least role that allows a verb.
    #[must_use]
    pub fn needed_for(verb: CommandVerb) -> Role {
        match verb {
            CommandVerb::Snapshot | CommandVerb::Locate => Role::View,
            CommandVerb::Unlock | CommandVerb::Lock | CommandVerb::Acknowledge => Role::Operate,
            CommandVerb::Mode | CommandVerb::Reload => Role::Admin,
        }
    }

    /// Whether it allows a verb.
    #[must_use]
    pub fn allows(self, verb: CommandVerb) -> bool {
        self >= Role::needed_for(verb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_allows_what_the_table_says_and_what_those_before_it_do() {
        use CommandVerb::*;
        let of = |role: Role| -> Vec<_> {
            let all = CommandVerb::ALL.into_iter();
            all.filter(|verb| role.allows(*verb)).collect()
        };
        assert_eq!(of(Role::View), [Snapshot, Locate]);
        let operate = [Unlock, Lock, Acknowledge, Snapshot, Locate];
        assert_eq!(of(Role::Operate), operate);
        assert_eq!(of(Role::Admin), CommandVerb::ALL);
    }

    #[test]
    fn a_name_fits_into_a_topic_and_into_a_log_line() {
        assert!(is_name("ada@example.org") && is_name("A-b_c.9"));
        for bad in ["", "a/b", "a+", "#", "plain:ha", "a b", "é", "a\n"] {
            assert!(!is_name(bad), "{bad:?}");
        }
        assert!(is_name(&"a".repeat(64)) && !is_name(&"a".repeat(65)));
    }
}
