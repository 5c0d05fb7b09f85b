//! What the guard is told of the store: rules, people, operators, orders, the other doors.
//!
//! Read by whoever may wait for a disk, several times a second, and handed in as a value. The guard
//! knows how old it is: what was read too long ago is no reason to let somebody in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::entry::ModeOrder;
use crate::access::rules::{Presence, Rules, Subject};
use crate::clock::{Tick, Timestamp};
use crate::command::Operator;
use crate::event::{Alarm, PersonId};

/// How old facts may be that let somebody in: a dozen of the reader's rounds.
pub const FRESH: Duration = Duration::from_secs(3);

/// What stands in the store.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// When reading it began; nothing was read before the first time.
    pub read_at: Option<Tick>,
    /// Counts every change of rules, people, operators, orders and acknowledgements.
    pub revision: i64,
    /// Groups, schedules and holidays.
    pub rules: Arc<Rules>,
    /// Everybody who is enrolled.
    pub people: Arc<BTreeMap<PersonId, Subject>>,
    /// Where people are by the site's file, by their names in lower case; nothing without one.
    pub presences: Option<Arc<BTreeMap<String, Presence>>>,
    /// Everybody who may send commands, by name.
    pub operators: Arc<BTreeMap<String, Operator>>,
    /// The mode that an operator ordered, also when its end has passed.
    pub order: Option<ModeOrder>,
    /// When somebody took note of each alarm, as it stands now.
    pub acknowledged: Arc<BTreeMap<Alarm, Timestamp>>,
    /// Whether another door of the interlock is engaged.
    pub interlocked: bool,
}

impl Facts {
    /// Whether they are new enough to let somebody in.
    #[must_use]
    pub fn is_fresh(&self, now: Tick) -> bool {
        self.read_at.is_some_and(|at| now.since(at) <= FRESH)
    }

    /// What the rules need to know of somebody; nothing when they are not enrolled.
    #[must_use]
    pub fn subject(&self, person: PersonId) -> Option<Subject> {
        let mut subject = self.people.get(&person)?.clone();
        if let Some(presences) = &self.presences {
            let name = subject.person.name.to_ascii_lowercase();
            subject.presence = presences.get(&name).cloned();
        }
        Some(subject)
    }
}
