//! Whether a message that is sent again may say so (DUP).
//!
//! The standard wants it said; some versions of EMQX acknowledge and drop a message that says so
//! when its first copy never arrived ([`super::super::version`]). Not saying it was never seen to lose
//! anything. So with `resend_dup = "auto"` it is said only to a broker that has told a version which
//! does not drop, and never by what is merely likely: a broker that tells nothing, one that was
//! restarted, one that may have told an older version than it is now.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::config::ResendDup;

/// Nodes that are remembered; a cluster has a few.
const NODES: usize = 64;

/// What the broker has told, remembered with its session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::mqtt) struct Repetitions {
    /// Some node has told a version that keeps to the standard.
    #[serde(default)]
    honoured: bool,
    /// Nodes whose last version drops repetitions they have not seen. One is enough.
    #[serde(default)]
    dropping: BTreeSet<String>,
}

impl Repetitions {
    /// Whether what is sent again may say so.
    pub(super) fn may_say_so(&self, setting: ResendDup) -> bool {
        match setting {
            ResendDup::Always => true,
            ResendDup::Never => false,
            ResendDup::Auto => self.honoured && self.dropping.is_empty(),
        }
    }

    /// A node has told its version. One that was kept from earlier (not `live`) may be that of before
    /// an upgrade: it can only take the permission away.
    pub(super) fn told(&mut self, node: &str, drops: bool, live: bool) {
        if drops {
            if self.dropping.len() < NODES {
                self.dropping.insert(node.to_owned());
            }
        } else if live {
            self.dropping.remove(node);
            self.honoured = true;
        }
    }

    /// Whether a version that drops is known.
    pub(in crate::mqtt) fn are_dropped(&self) -> bool {
        !self.dropping.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(told: &[(&str, bool, bool)]) -> bool {
        let mut repetitions = Repetitions::default();
        for (node, drops, live) in told {
            repetitions.told(node, *drops, *live);
        }
        assert!(repetitions.may_say_so(ResendDup::Always));
        assert!(!repetitions.may_say_so(ResendDup::Never));
        repetitions.may_say_so(ResendDup::Auto)
    }

    #[test]
    fn it_is_said_only_where_a_version_was_told_that_does_not_drop() {
        assert!(!auto(&[]), "nothing was told");
        assert!(auto(&[("a", false, true)]));
        assert!(!auto(&[("a", true, true)]));
        // One node of a cluster is enough, in any order, and until it tells another version itself.
        assert!(!auto(&[("a", false, true), ("b", true, true)]));
        assert!(!auto(&[("b", true, true), ("a", false, true)]));
        assert!(auto(&[("b", true, true), ("b", false, true)]));
    }

    #[test]
    fn what_was_kept_from_before_only_takes_away() {
        assert!(!auto(&[("a", false, false)]));
        assert!(!auto(&[("a", false, true), ("a", true, false)]));
        assert!(!auto(&[("a", true, true), ("a", false, false)]));
    }

    #[test]
    fn nodes_without_end_are_not_remembered() {
        let mut repetitions = Repetitions::default();
        for node in 0..1_000 {
            repetitions.told(&node.to_string(), true, true);
        }
        assert_eq!(repetitions.dropping.len(), NODES);
        assert!(repetitions.are_dropped());
    }
}
