//! The keeper follows administration: rules, the operator's mode, acknowledgements, and where
//! people are.
//!
//! All of it stands in the store, written by the CLI in another process. One number says that
//! something changed. Never writes a rule.

use super::Keeper;
use crate::access::rules::Subject;
use crate::clock::Moment;
use crate::conditions::Source;
use crate::door::{Choice, GRACE, Input};
use crate::event::{Alarm, Contact, Event, PersonId};
use crate::store::StoreError;

impl Keeper {
    /// Applies what administration changed, and what the unlock schedule says now.
    pub(super) fn look(&mut self) -> Result<(), StoreError> {
        let moment = self.clock.moment();
        let revision = self.journal.store().rules_revision()?;
        if self.revision != Some(revision) {
            self.policy.rules = self.journal.store().rules()?;
            let store = self.journal.store();
            let order = store.mode_order(&self.policy.door, moment.wall)?;
            let conditions = store.conditions()?;
            if self.revision.is_some() {
                tracing::info!("the rules were changed");
            }
            self.revision = Some(revision);
            self.input(Input::Operator(order.map(|(mode, until)| Choice {
                mode,
                lasts: until.map(|until| {
                    let left = until.duration_since(moment.wall);
                    left.try_into().unwrap_or_default()
                }),
                until,
            })));
            for condition in conditions {
                if condition.acknowledged_at.is_some() {
                    let ended = self.conditions.acknowledged(condition.alarm);
                    if let Some(event) = ended {
                        self.record(event);
                    }
                }
            }
        }
        if let Some(site) = &self.site
            && !self.interlock.is_empty()
        {
            let blocked = site.others_engaged(&self.interlock)?;
            self.input(Input::Interlock { blocked });
        }
        let unlocked = self.desk.unlocked(&self.policy, &moment);
        self.input(Input::Schedule { unlocked });
        Ok(())
    }

    /// Raises or clears the alarm about many denials.
    pub(super) fn desk_alarm(&mut self, now: &Moment) {
        let alarm = Alarm::RepeatedDenied;
        if self.desk.repeated_denials(now) {
            let detail = "many denials in a short time".to_owned();
            self.raise(alarm, Source::Visitor, detail);
        } else {
            self.conditions.clear(alarm, Source::Visitor, now.tick);
        }
    }

    /// Somebody was let in. Where a contact says that the door is shut, they have entered once it
    /// is open.
    pub(super) fn entered(&mut self, subject: Subject) {
        if self.door.contact() == Some(Contact::Closed) {
            self.entering
                .retain(|other| other.person.id != subject.person.id);
            self.entering.push(subject);
            self.gone_at = None;
        } else {
            self.passed(&subject);
        }
    }

    pub(super) fn passed_by(&mut self, fact: &Event) {
        match fact {
            Event::DoorOpened => {
                for subject in std::mem::take(&mut self.entering) {
                    self.passed(&subject);
                }
            }
            // They may just be opening it.
            Event::DoorSecured { .. } => self.gone_at = Some(self.clock.tick() + GRACE),
            _ => {}
        }
    }

    fn passed(&mut self, subject: &Subject) {
        let area = self.policy.settings.area.clone();
        let (area, now) = (area.as_deref(), self.clock.now());
        let written = match &self.site {
            Some(site) => site.passed(&subject.person.name, area, now),
            None => {
                let door = self.policy.door.clone();
                let store = self.journal.store();
                store.passed(subject.person.id, area, &door, now)
            }
        };
        if let Err(error) = written {
            tracing::error!(%error, "where somebody is cannot be written down");
        }
    }

    /// What the rules need to know of somebody, as it stands now.
    pub(super) fn subject(&mut self, person: PersonId) -> Result<Option<Subject>, StoreError> {
        let mut subject = self.journal.store().subject(person)?;
        if let (Some(site), Some(subject)) = (&self.site, &mut subject) {
            subject.presence = site.presence(&subject.person.name)?;
        }
        Ok(subject)
    }

    /// Tells the other doors that this one is about to be released; false when one of them must
    /// be shut first. Nobody is kept in: an exit button asks no other door.
    pub(super) fn engage(&mut self, ask: bool) -> bool {
        let now = self.clock.now();
        let Some(site) = &mut self.site else {
            return true;
        };
        let engaged = if ask {
            site.engage(&self.interlock, now)
        } else {
            site.engage_anyway(now).map(|()| true)
        };
        match engaged {
            Ok(engaged) => {
                self.engaged |= engaged;
                engaged
            }
            Err(error) => {
                tracing::error!(%error, "the other doors cannot be asked; the door stays secured");
                !ask || self.interlock.is_empty()
            }
        }
    }

    /// Tells the other doors when this one is secured and shut again, or stands open.
    pub(super) fn free_when_shut(&mut self) {
        let engaged = self.door.is_engaged();
        let (Some(site), true) = (&self.site, engaged != self.engaged) else {
            return;
        };
        let told = if engaged {
            site.engage_anyway(self.clock.now())
        } else {
            site.disengage()
        };
        match told {
            Ok(()) => self.engaged = engaged,
            Err(error) => tracing::error!(%error, "the other doors cannot be told"),
        }
    }
}
