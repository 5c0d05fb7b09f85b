//! Whether a run showed what it had to show.
//!
//! Pure. Flows in: the record as the database has it, what the broker acknowledged, what the
//! watcher got, what the relay did. Flows out: the table, and every condition that failed, by
//! name. It never takes the door's word for what the watcher must have got.

use std::collections::{BTreeMap, BTreeSet};

use doorward::event::wire::Lock;
use doorward::event::{DenyReason, Event, Recorded};
use uuid::Uuid;

use crate::stage::SAM;

/// What is known at the end.
#[derive(Debug)]
pub struct Facts<'a> {
    /// All events of the database.
    pub record: &'a [Recorded],
    /// Events that the broker acknowledged.
    pub delivered: &'a BTreeSet<Uuid>,
    /// How often the watcher got each event.
    pub received: &'a BTreeMap<Uuid, u32>,
    /// Whether nobody but this door publishes on the broker.
    pub own_broker: bool,
    /// What the relay was set to.
    pub transitions: &'a [Lock],
    /// What the watcher heard about the service.
    pub availability: &'a [String],
    /// What the broker kept about it for latecomers.
    pub kept: Option<&'a str>,
}

impl Facts<'_> {
    fn times(&self, recorded: &Recorded) -> u32 {
        self.received.get(&recorded.id).copied().unwrap_or_default()
    }

    fn count(&self, wanted: impl Fn(&Recorded) -> bool) -> usize {
        self.record
            .iter()
            .filter(|recorded| wanted(recorded))
            .count()
    }

    /// The figures of the run.
    pub fn table(&self) -> String {
        let published = self.count(|recorded| self.delivered.contains(&recorded.id));
        let rows = [
            ("events recorded", self.record.len()),
            ("published (acknowledged by the broker)", published),
            ("received exactly once", self.count(|r| self.times(r) == 1)),
            ("missing", self.count(|r| self.times(r) == 0)),
            ("duplicated", self.count(|r| self.times(r) > 1)),
        ];
        rows.map(|(name, number)| format!("  {name:<40} {number:>4}"))
            .join("\n")
    }

    /// What happened, in words.
    pub fn sentence(&self) -> String {
        let denied = self.count(|r| matches!(r.event, Event::AccessDenied(_)));
        let granted = self.count(|r| matches!(r.event, Event::AccessGranted(_)));
        let released = self
            .transitions
            .iter()
            .filter(|lock| **lock == Lock::Released)
            .count();
        let lock = match self.transitions.last() {
            Some(Lock::Secured) => "is secured now",
            Some(Lock::Released) => "IS STILL RELEASED",
            None => "was never set",
        };
        let once = self.count(|r| self.times(r) == 1);
        let all = self.record.len();
        let share = if once == all {
            "all".to_owned()
        } else {
            format!("only {once} of")
        };
        if (denied, granted, released) == (1, 1, 1) {
            return format!(
                "The stranger was denied, Sam Sample was let in, the relay was released once and {lock}, and the independent watcher got {share} {all} events exactly once."
            );
        }
        format!(
            "Denied: {denied}. Let in: {granted}. Relay released: {}; it {lock}. The watcher got {share} {all} events exactly once.",
            times(released),
        )
    }

    /// The conditions of `--once` that do not hold; none when all is well.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        let mut demand = |holds: bool, failure: String| {
            if !holds {
                failures.push(failure);
            }
        };
        let denied: Vec<&str> = self.record.iter().filter_map(denied).collect();
        demand(
            denied == [DenyReason::Unknown.as_str()],
            format!("exactly one access.denied (unknown) was expected, found {denied:?}"),
        );
        let granted: Vec<&str> = self.record.iter().filter_map(granted).collect();
        demand(
            granted == [SAM],
            format!("exactly one access.granted for {SAM} was expected, found {granted:?}"),
        );
        demand(
            self.transitions == [Lock::Secured, Lock::Released, Lock::Secured],
            format!(
                "the relay was to go secured, released, secured; it went {:?}",
                self.transitions
            ),
        );
        let numbers = (1..).zip(self.record.iter().map(|recorded| recorded.seq));
        for (_, seq) in numbers.filter(|(expected, seq)| expected != seq).take(1) {
            demand(false, format!("the record has a gap before event {seq}"));
        }
        for recorded in self.record {
            let (seq, kind) = (recorded.seq, recorded.event.kind());
            let count = self.times(recorded);
            demand(
                count == 1,
                format!(
                    "the watcher got event {seq} ({kind}) {} instead of once",
                    times(count as usize)
                ),
            );
            demand(
                self.delivered.contains(&recorded.id),
                format!("the door did not log that event {seq} ({kind}) was delivered"),
            );
        }
        let known: BTreeSet<Uuid> = self.record.iter().map(|recorded| recorded.id).collect();
        let foreign = self
            .received
            .keys()
            .filter(|id| !known.contains(*id))
            .count();
        demand(
            foreign == 0 || !self.own_broker,
            format!("the watcher got {foreign} events that are not in the record"),
        );
        demand(
            self.availability == ["online", "stopped"],
            format!(
                "availability was to go online, stopped; it went {:?}",
                self.availability
            ),
        );
        demand(
            self.kept == Some("stopped"),
            format!(
                "the broker was to keep availability \"stopped\"; it has {:?}",
                self.kept
            ),
        );
        failures
    }
}

fn denied(recorded: &Recorded) -> Option<&str> {
    match &recorded.event {
        Event::AccessDenied(denied) => Some(denied.reason.as_str()),
        _ => None,
    }
}

fn granted(recorded: &Recorded) -> Option<&str> {
    match &recorded.event {
        Event::AccessGranted(granted) => Some(&granted.person.name),
        _ => None,
    }
}

fn times(count: usize) -> String {
    match count {
        0 => "never".into(),
        1 => "once".into(),
        2 => "twice".into(),
        more => format!("{more} times"),
    }
}

#[cfg(test)]
mod tests {
    use doorward::event::chain::ChainHash;
    use doorward::event::{
        Denied, Granted, Method, PersonId, PersonRef, ReleaseCause, SecureCause,
    };

    use super::*;

    const ALL_WELL: [Lock; 3] = [Lock::Secured, Lock::Released, Lock::Secured];

    fn record() -> Vec<Recorded> {
        let person = PersonRef {
            id: PersonId(uuid::Uuid::now_v7()),
            name: SAM.into(),
        };
        let denied = Denied {
            rule: None,
            needed: None,
            reason: DenyReason::Unknown,
            person: None,
            similarity: Some(0.1),
            problem: None,
            liveness: None,
            observations: 20,
            method: Method::Face,
            latency_ms: 1_500,
        };
        let granted = Granted {
            rule: "everyone".into(),
            person: person.clone(),
            similarity: 0.8,
            liveness: None,
            observations: 3,
            method: Method::Face,
            latency_ms: 150,
        };
        let events = [
            Event::Enrolled {
                person: person.clone(),
                templates: 4,
            },
            Event::AccessDenied(denied),
            Event::AccessGranted(granted),
            Event::DoorReleased {
                cause: ReleaseCause::Grant,
                release_ms: Some(2_000),
                person: Some(person),
            },
            Event::DoorSecured {
                cause: SecureCause::ReleaseTimeOver,
            },
        ];
        let recorded = |(seq, event)| Recorded {
            seq,
            id: Uuid::now_v7(),
            time: jiff::Timestamp::now(),
            clock_synced: true,
            by: None,
            event,
            hash: ChainHash::default(),
        };
        (1..).zip(events).map(recorded).collect()
    }

    /// The failures after `change` has spoiled a run in which all was well.
    fn failures_after(
        change: impl FnOnce(&mut Vec<Recorded>, &mut BTreeMap<Uuid, u32>),
    ) -> Vec<String> {
        let mut record = record();
        let delivered: BTreeSet<Uuid> = record.iter().map(|r| r.id).collect();
        let mut received: BTreeMap<Uuid, u32> = record.iter().map(|r| (r.id, 1)).collect();
        change(&mut record, &mut received);
        Facts {
            record: &record,
            delivered: &delivered,
            received: &received,
            own_broker: true,
            transitions: &ALL_WELL,
            availability: &["online".into(), "stopped".into()],
            kept: Some("stopped"),
        }
        .failures()
    }

    #[test]
    fn a_good_run_has_no_failures_and_every_spoiled_one_names_its_own() {
        assert!(failures_after(|_, _| {}).is_empty());
        let spoiled = [
            failures_after(|record, received| {
                received.remove(&record[3].id);
            }),
            failures_after(|record, received| {
                received.insert(record[2].id, 2);
            }),
            failures_after(|record, received| {
                let denied = record.remove(1);
                received.remove(&denied.id);
                for (seq, recorded) in (1..).zip(record) {
                    recorded.seq = seq;
                }
            }),
            failures_after(|record, _| {
                record[4].seq = 7;
            }),
            failures_after(|_, received| {
                received.insert(Uuid::now_v7(), 1);
            }),
        ];
        let named = [
            "the watcher got event 4 (door.released) never instead of once",
            "the watcher got event 3 (access.granted) twice instead of once",
            "exactly one access.denied (unknown) was expected, found []",
            "the record has a gap before event 7",
            "the watcher got 1 events that are not in the record",
        ];
        for (failures, name) in spoiled.iter().zip(named) {
            assert_eq!(failures, &[name]);
        }
    }

    #[test]
    fn a_silent_run_fails_in_everything() {
        let facts = Facts {
            record: &[],
            delivered: &BTreeSet::new(),
            received: &BTreeMap::new(),
            own_broker: true,
            transitions: &[Lock::Secured],
            availability: &[],
            kept: None,
        };
        assert_eq!(facts.failures().len(), 5);
    }
}
