//! Alarms as standing conditions: they begin, they last, they end, and they do not flap.
//!
//! Pure. Several sources can hold one alarm (a full disk and a failing write are both `storage`);
//! it is raised when the first one begins and cleared when the last one has been over for a while.
//! What is about somebody is raised for each person by itself, and cleared when it is over for all of
//! them. Duress is raised anew for each entry: each is a call for help of its own.
//! Never decides what is an alarm: the camera, the door and the store do. Flows in: beginnings,
//! ends and time. Flows out: [`Event`]s to be recorded.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Tick;
use crate::event::{Alarm, Event, PersonId, PersonRef};

/// How long a condition must be over before it is cleared: one that returns within this time never
/// ended. Short enough for somebody who watches the door being closed, longer than a loose wire's
/// pauses.
pub const HOLD: Duration = Duration::from_secs(5);

/// How long alarms of the last run wait to be confirmed after a start; every source of one looks
/// at its condition several times within it.
pub const SETTLE: Duration = Duration::from_secs(30);

/// Who says that a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The picture of the camera.
    Camera,
    /// Somebody at the door, whoever it is.
    Visitor,
    /// This person, for alarms about somebody.
    Person(PersonId),
    /// The door's own inputs and relay.
    Door,
    /// A wire to the door that cannot be read.
    Input,
    /// The record that does not reach the disk.
    Journal,
    /// A disk that takes too long.
    Disk,
    /// The relay's driver.
    Latch,
    /// Free space, backups and the state of the database file.
    Caretaker,
    /// The file that keeps what was taken away.
    Revocations,
    /// The wall clock.
    Clock,
    /// What waits for the broker.
    Outbox,
    /// The certificates and the other files that `[mqtt]` names.
    Certificates,
    /// The connection to the broker.
    Broker,
    /// The last run of the service.
    LastRun,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Standing {
    /// Each source that holds it, and when that is over by itself.
    sources: BTreeMap<Source, Option<Tick>>,
    /// Set while no source holds it: when it is cleared.
    clear_at: Option<Tick>,
}

/// Everything that is wrong now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions(BTreeMap<Alarm, Standing>);

impl Conditions {
    /// Takes over what the last run left raised; what nobody confirms is cleared after [`SETTLE`].
    pub fn restore(&mut self, alarms: impl IntoIterator<Item = Alarm>, now: Tick) {
        for alarm in alarms {
            let standing = self.0.entry(alarm).or_default();
            // However often the service starts.
            let over = (!alarm.stands_until_noted()).then(|| now + SETTLE);
            standing.sources.insert(Source::LastRun, over);
        }
    }

    /// A source confirms what the last run left raised, which is no news; nothing when it did not.
    pub fn confirm(&mut self, alarm: Alarm, source: Source) {
        if let Some(standing) = self.0.get_mut(&alarm) {
            standing.sources.insert(source, None);
            standing.sources.remove(&Source::LastRun);
        }
    }

    /// A condition holds from now on; the event when that is news.
    #[must_use]
    pub fn raise(&mut self, alarm: Alarm, source: Source, detail: String) -> Option<Event> {
        self.raise_naming(alarm, source, None, detail)
    }

    /// The same, and the event names whom it has to do with: it is still one condition for everybody.
    #[must_use]
    pub fn raise_naming(
        &mut self,
        alarm: Alarm,
        source: Source,
        person: Option<PersonRef>,
        detail: String,
    ) -> Option<Event> {
        let news = !self.stands(alarm);
        self.hold(alarm, source, None);
        news.then(|| Event::alarm_raised(alarm, detail, person))
    }

    /// The same where it is news although the alarm may stand: it is something else than what somebody
    /// took note of.
    #[must_use]
    pub fn raise_anew(&mut self, alarm: Alarm, source: Source, detail: String) -> Event {
        self.hold(alarm, source, None);
        Event::alarm_raised(alarm, detail, None)
    }

    /// A condition about somebody holds from now on or until `over`, if it is not raised again: nobody
    /// says when an attack ends. The event when that is news of this person.
    #[must_use]
    pub fn raise_for(
        &mut self,
        alarm: Alarm,
        person: &PersonRef,
        over: Option<Tick>,
        detail: String,
    ) -> Option<Event> {
        let source = Source::Person(person.id);
        let news = alarm == Alarm::Duress || !self.holds(alarm, source);
        self.hold(alarm, source, over);
        news.then(|| Event::alarm_raised(alarm, detail, Some(person.clone())))
    }

    fn hold(&mut self, alarm: Alarm, source: Source, over: Option<Tick>) {
        let standing = self.0.entry(alarm).or_default();
        standing.clear_at = None;
        standing.sources.insert(source, over);
        standing.sources.remove(&Source::LastRun);
    }

    /// A source no longer holds it; whether that clears the alarm shows in [`tick`](Self::tick).
    pub fn clear(&mut self, alarm: Alarm, source: Source, now: Tick) {
        if let Some(standing) = self.0.get_mut(&alarm)
            && standing.sources.remove(&source).is_some()
            && standing.sources.is_empty()
        {
            standing.clear_at = Some(now + HOLD);
        }
    }

    /// Somebody took note: what only stands to be noticed is over, but for what these sources hold
    /// since; the event once nothing of it stands.
    #[must_use]
    pub fn acknowledged(&mut self, alarm: Alarm, since: &[Source]) -> Option<Event> {
        if !alarm.stands_until_noted() {
            return None;
        }
        let sources = &mut self.0.get_mut(&alarm)?.sources;
        sources.retain(|source, _| since.contains(source));
        let over = sources.is_empty();
        over.then(|| self.end(alarm))
    }

    /// What time has ended.
    #[must_use]
    pub fn tick(&mut self, now: Tick) -> Vec<Event> {
        for standing in self.0.values_mut() {
            let before = standing.sources.len();
            standing
                .sources
                .retain(|_, over| over.is_none_or(|over| now < over));
            // What is over by itself has waited already.
            if before > 0 && standing.sources.is_empty() {
                standing.clear_at = Some(now);
            }
        }
        let ended: Vec<Alarm> = self
            .0
            .iter()
            .filter(|(_, standing)| standing.clear_at.is_some_and(|at| now >= at))
            .map(|(alarm, _)| *alarm)
            .collect();
        ended.into_iter().map(|alarm| self.end(alarm)).collect()
    }

    /// Clears at once whatever no source holds any more, for the end of a run.
    #[must_use]
    pub fn finish(&mut self) -> Vec<Event> {
        let over: Vec<Alarm> = self
            .0
            .iter()
            .filter(|(_, standing)| standing.clear_at.is_some())
            .map(|(alarm, _)| *alarm)
            .collect();
        over.into_iter().map(|alarm| self.end(alarm)).collect()
    }

    fn end(&mut self, alarm: Alarm) -> Event {
        self.0.remove(&alarm);
        Event::AlarmCleared { alarm }
    }

    /// When [`tick`](Self::tick) is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        let standing = self.0.values();
        standing
            .flat_map(|s| s.sources.values().copied().chain([s.clear_at]))
            .flatten()
            .min()
    }

    /// The alarms that stand, sorted.
    pub fn active(&self) -> impl Iterator<Item = Alarm> {
        self.0.keys().copied()
    }

    /// Who holds an alarm about somebody.
    pub fn persons(&self, alarm: Alarm) -> impl Iterator<Item = PersonId> {
        let standing = self.0.get(&alarm);
        let sources = standing
            .into_iter()
            .flat_map(|standing| standing.sources.keys());
        sources.filter_map(|source| match source {
            Source::Person(person) => Some(*person),
            _ => None,
        })
    }

    /// Whether an alarm stands.
    #[must_use]
    pub fn stands(&self, alarm: Alarm) -> bool {
        self.0.contains_key(&alarm)
    }

    /// Whether this source holds that alarm.
    #[must_use]
    pub fn holds(&self, alarm: Alarm, source: Source) -> bool {
        self.0
            .get(&alarm)
            .is_some_and(|standing| standing.sources.contains_key(&source))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Tick {
        Tick(Duration::from_secs(seconds))
    }

    fn raise(conditions: &mut Conditions, source: Source) -> bool {
        conditions
            .raise(Alarm::Storage, source, "x".into())
            .is_some()
    }

    #[test]
    fn what_returns_within_the_hold_never_ended() {
        let mut conditions = Conditions::default();
        assert!(raise(&mut conditions, Source::Journal));
        for second in 1..60 {
            conditions.clear(Alarm::Storage, Source::Journal, at(second));
            assert!(conditions.tick(at(second)).is_empty());
            assert!(!raise(&mut conditions, Source::Journal));
        }
        conditions.clear(Alarm::Storage, Source::Journal, at(60));
        assert_eq!(conditions.deadline(), Some(at(65)));
        assert!(conditions.tick(at(64)).is_empty());
        let alarm = Alarm::Storage;
        assert_eq!(conditions.tick(at(65)), [Event::AlarmCleared { alarm }]);
        assert_eq!(conditions.deadline(), None);
    }

    #[test]
    fn an_alarm_lasts_as_long_as_any_source_holds_it() {
        let mut conditions = Conditions::default();
        assert!(raise(&mut conditions, Source::Journal));
        assert!(!raise(&mut conditions, Source::Caretaker));
        conditions.clear(Alarm::Storage, Source::Journal, at(1));
        assert!(conditions.tick(at(100)).is_empty());
        conditions.clear(Alarm::Storage, Source::Caretaker, at(100));
        assert_eq!(conditions.tick(at(105)).len(), 1);
    }

    #[test]
    fn what_the_last_run_left_is_confirmed_or_cleared() {
        let mut conditions = Conditions::default();
        conditions.restore([Alarm::Storage, Alarm::Tamper, Alarm::Duress], at(0));
        assert!(!raise(&mut conditions, Source::Journal), "it is no news");
        let ended = conditions.tick(at(30));
        let alarm = Alarm::Tamper;
        assert_eq!(ended, [Event::AlarmCleared { alarm }]);
        let left: Vec<_> = conditions.active().collect();
        assert_eq!(left, [Alarm::Storage, Alarm::Duress]);
        let alarm = Alarm::Duress;
        let ended = conditions.acknowledged(alarm, &[]);
        assert_eq!(ended, Some(Event::AlarmCleared { alarm }));
        assert_eq!(conditions.acknowledged(alarm, &[]), None);
    }

    #[test]
    fn what_is_about_somebody_is_raised_for_each_and_cleared_for_all() {
        let [ada, bob] = [1, 2].map(|n| crate::access::fixtures::subject(n, &[]).person);
        let mut conditions = Conditions::default();
        let mut raise = |alarm, person: &PersonRef, over| {
            let event = conditions.raise_for(alarm, person, over, "x".into())?;
            event.person().map(|person| person.id)
        };
        let spoof = Alarm::SpoofSuspected;
        assert_eq!(raise(spoof, &ada, Some(at(60))), Some(ada.id));
        assert_eq!(raise(spoof, &ada, Some(at(70))), None, "it stands");
        assert_eq!(raise(spoof, &bob, Some(at(90))), Some(bob.id));
        for _ in 0..3 {
            assert_eq!(raise(Alarm::Duress, &ada, None), Some(ada.id), "each time");
        }
        assert_eq!(raise(Alarm::Duress, &bob, None), Some(bob.id));
        assert!(conditions.tick(at(80)).is_empty(), "one picture stands");
        let alarm = spoof;
        assert_eq!(conditions.tick(at(90)), [Event::AlarmCleared { alarm }]);
        let alarm = Alarm::Duress;
        let since = [Source::Person(bob.id)];
        assert_eq!(conditions.acknowledged(alarm, &since), None);
        assert!(conditions.holds(alarm, since[0]));
        let ended = conditions.acknowledged(alarm, &[]);
        assert_eq!(ended, Some(Event::AlarmCleared { alarm }));
    }

    proptest! {
        #[test]
        fn raised_and_cleared_take_turns_however_sources_behave(
            steps in prop::collection::vec((0u8..4, 0usize..3, 0u64..20), 1..200),
        ) {
            let sources = [Source::Camera, Source::Journal, Source::Caretaker];
            let mut conditions = Conditions::default();
            let (mut now, mut standing) = (0, false);
            for (what, source, pause) in steps {
                now += pause;
                let source = sources[source];
                let events = match what {
                    0 | 1 => conditions.raise(Alarm::Storage, source, "x".into()).into_iter().collect(),
                    2 => { conditions.clear(Alarm::Storage, source, at(now)); Vec::new() }
                    _ => conditions.tick(at(now)),
                };
                for event in events {
                    let raised = matches!(event, Event::AlarmRaised { .. });
                    prop_assert_ne!(raised, standing);
                    standing = raised;
                }
                prop_assert_eq!(conditions.active().count() == 1, standing);
                if what == 3 {
                    prop_assert!(conditions.deadline().is_none_or(|due| due > at(now)));
                }
            }
        }
    }
}
