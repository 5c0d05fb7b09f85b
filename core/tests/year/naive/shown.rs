//! What the naive model lets others see: the other doors, the summary, the comparison.

use super::paper::Note;
use super::{Naive, Running};
use crate::happening::{Now, Person, Seen, Site};

impl Naive {
    pub(super) fn tell_others(&mut self, site: &Site, now: Now) {
        let run = &self.running;
        let engaged = run.door.engaged();
        if !site.shared
            || run.engaged_told == Some(engaged)
            || run.papers.release_asked()
            || run.papers.behind()
        {
            return;
        }
        self.running.engaged_told = Some(engaged);
        let mut paper = self.paper(Vec::new(), None, now);
        paper.note = Some(if engaged { Note::Engaged } else { Note::Free });
        self.running.papers.keep(paper);
    }

    pub(super) fn send(&mut self, now: Now) {
        let Running {
            papers,
            door,
            alarms,
            told,
            ..
        } = &mut self.running;
        papers.send(now.tick, now.wall, |released| {
            let standing = alarms.standing().collect();
            let summary = (door.released || released, door.contact, door.mode, standing);
            if told.as_ref() == Some(&summary) {
                return None;
            }
            *told = Some(summary.clone());
            Some(summary)
        });
    }

    pub(super) fn seen(&mut self, site: &Site, person: Option<usize>, now: Now) -> Seen {
        let run = &self.running;
        Seen {
            lines: std::mem::take(&mut self.disk.lines),
            answers: std::mem::take(&mut self.disk.answers),
            summary: self.disk.summary.clone(),
            order: self.disk.order,
            spent: self.disk.spent.len(),
            settled: run.papers.settled(),
            inside: person.map(|who| self.disk.inside[who]),
            engaged_told: self.disk.engaged,
            moves: std::mem::take(&mut self.moves),
            until: self.relay,
            compare: run.compare.clone(),
            awaited: run.desk.keypad.owner(now.tick),
            read: run.read,
            mode: run.door.mode,
            source: run.door.source,
            contact: run.door.contact,
            engaged: run.door.engaged(),
            alarms: run.alarms.standing().collect(),
            repeated_denials: run.desk.many_denials(now.tick),
            locked_out: person.and_then(|who| run.desk.locked_out(site, who, now.tick)),
            capped: run.desk.capped(site, now.tick).into_iter().collect(),
            first_entered: run.desk.first_entered,
            desk_due: run.desk.due(),
            door_due: run.door.due(&site.door),
        }
    }

    /// When somebody should look next.
    pub fn due(&self, site: &Site, now: Now) -> Option<i64> {
        let run = &self.running;
        let again = run.again.iter().map(|(_, until)| *until).min();
        [
            run.papers.due(site.give_up, site.slow, now.tick),
            run.alarms.due(),
            run.desk.due(),
            run.door.due(&site.door),
            run.gone_at,
            again,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Until when the relay is released unless somebody renews that.
    pub fn lease(&self) -> Option<i64> {
        let run = &self.running;
        run.until.filter(|_| run.renewed.is_some())
    }

    /// Whether it has not been told to stop, and is not gone.
    pub fn is_running(&self) -> bool {
        !self.running.stopped
    }

    /// Whether an order of the last run waits for the time to be known.
    pub fn doubts(&self) -> bool {
        self.running.doubted.is_some()
    }

    /// Somebody as the guard knows them.
    pub fn known(&self, who: usize) -> Option<&Person> {
        self.running.known.people.get(who)
    }
}
