//! Standing alarms, as the naive model keeps them.

use std::collections::BTreeMap;

use doorward_core::conditions::Source;
use doorward_core::event::Alarm;

/// How long an alarm stands after the last cause is gone, and how long one of the last run waits to
/// be confirmed.
const LINGERS: i64 = 5_000;
const LAST_RUN: i64 = 30_000;
/// What is over when somebody has taken note, and not before.
const WAIT: [Alarm; 2] = [Alarm::Duress, Alarm::Restored];

/// Who holds an alarm, each until when; and when it is over, where nobody does.
#[derive(Debug, Clone, Default)]
struct Held {
    by: Vec<(Source, Option<i64>)>,
    over: Option<i64>,
}

#[derive(Debug, Clone, Default)]
pub struct Alarms(BTreeMap<Alarm, Held>);

impl Alarms {
    pub fn of_the_last_run(alarms: impl Iterator<Item = Alarm>, tick: i64) -> Alarms {
        let held = alarms.map(|alarm| {
            let until = (!WAIT.contains(&alarm)).then_some(tick + LAST_RUN);
            let by = vec![(Source::LastRun, until)];
            (alarm, Held { by, over: None })
        });
        Alarms(held.collect())
    }

    pub fn standing(&self) -> impl Iterator<Item = Alarm> {
        self.0.keys().copied()
    }

    pub fn held(&self, alarm: Alarm, source: Source) -> bool {
        let held = self.0.get(&alarm);
        held.is_some_and(|held| held.by.iter().any(|(by, _)| *by == source))
    }

    /// True when it is news: of somebody, where it did not stand of them; every call for help is.
    pub fn raise(&mut self, alarm: Alarm, source: Source, until: Option<i64>) -> bool {
        let news = match source {
            Source::Person(_) => alarm == Alarm::Duress || !self.held(alarm, source),
            _ => !self.0.contains_key(&alarm),
        };
        let held = self.0.entry(alarm).or_default();
        held.over = None;
        held.by
            .retain(|(by, _)| *by != source && *by != Source::LastRun);
        held.by.push((source, until));
        news
    }

    pub fn clear(&mut self, alarm: Alarm, source: Source, tick: i64) {
        if self.held(alarm, source)
            && let Some(held) = self.0.get_mut(&alarm)
        {
            held.by.retain(|(by, _)| *by != source);
            if held.by.is_empty() {
                held.over = Some(tick + LINGERS);
            }
        }
    }

    /// It is no news that it holds for this reason after a start.
    pub fn known(&mut self, alarm: Alarm, source: Source) {
        if self.0.contains_key(&alarm) {
            self.raise(alarm, source, None);
        }
    }

    /// Somebody took note of what waits for that, but not of calls of some people, who called since. True
    /// when it was over by that.
    pub fn noted(&mut self, alarm: Alarm, since: &[Source]) -> bool {
        let Some(held) = self.0.get_mut(&alarm).filter(|_| WAIT.contains(&alarm)) else {
            return false;
        };
        held.by.retain(|(by, _)| since.contains(by));
        if !held.by.is_empty() {
            return false;
        }
        self.0.remove(&alarm);
        true
    }

    /// Those that are over by now.
    pub fn over(&mut self, tick: i64) -> Vec<Alarm> {
        for held in self.0.values_mut() {
            let many = held.by.len();
            held.by
                .retain(|(_, until)| until.is_none_or(|until| tick < until));
            if many > 0 && held.by.is_empty() {
                held.over = Some(tick);
            }
        }
        self.end(|over| over <= tick)
    }

    /// The service ends: whatever nobody holds is over.
    pub fn finish(&mut self) -> Vec<Alarm> {
        self.end(|_| true)
    }

    fn end(&mut self, ended: impl Fn(i64) -> bool) -> Vec<Alarm> {
        let over = |held: &Held| held.over.is_some_and(&ended);
        let all = self.0.iter().filter(|(_, held)| over(held));
        let all: Vec<Alarm> = all.map(|(alarm, _)| *alarm).collect();
        self.0.retain(|_, held| !over(held));
        all
    }

    pub fn due(&self) -> Option<i64> {
        let held = self.0.values();
        held.flat_map(|held| held.by.iter().map(|(_, until)| *until).chain([held.over]))
            .flatten()
            .min()
    }
}
