//! Answers commands, and remembers what is spent while the disk cannot be written.
//!
//! What is refused is spent where it could be in time later; it is recorded and answered only now and
//! then, so that a flood fills neither the disk nor the broker.

use super::super::Keeper;
use super::{ANSWERS, Commands};
use crate::clock::Moment;
use crate::command::gate::{Refusal, Spent};
use crate::command::result::{self, CommandResult};
use crate::event::Event;
use crate::mqtt::Incoming;
use crate::store::Along;

impl Keeper {
    /// Spends, records and answers what is not carried out; the last two only now and then.
    pub(super) fn refuse(&mut self, refusal: Refusal, now: &Moment, incoming: &Incoming) {
        let Some(commands) = &mut self.commands else {
            return;
        };
        let told = commands.throttle.tell(refusal.reason, now.tick);
        if told.is_some() {
            tracing::warn!(
                reason = refusal.reason.as_str(),
                operator = refusal.operator,
                genuine = refusal.genuine,
                unrecorded = told,
                "command refused: {}",
                refusal.detail
            );
        }
        let event = told.map(|unrecorded| Event::CommandRefused {
            reason: refusal.reason,
            detail: refusal.detail.clone(),
            id: refusal.id.clone().filter(|_| refusal.genuine),
            operator: refusal.operator.clone(),
            verb: refusal.verb,
            unrecorded: Some(unrecorded).filter(|count| *count > 0),
        });
        let author = refusal.operator.as_ref().filter(|_| refusal.genuine);
        let along = Along {
            spent: refusal.spent.as_deref().cloned(),
            event: event.clone(),
            author: author.map(|operator| format!("operator:{operator}")),
        };
        if along.spent.is_some() || along.event.is_some() {
            let written = self
                .journal
                .perform(now.tick, |store| store.record_along(now.wall, &along));
            if written.is_err() {
                self.remember(along.spent);
                if let Some(event) = event {
                    self.keep(event);
                }
            }
        }
        if refusal.genuine || told.is_some() {
            let Some(Commands { wire, .. }) = &self.commands else {
                return;
            };
            let result = CommandResult::refused(wire, &refusal, now.wall);
            self.answer_with(&result, refusal.genuine, now, incoming);
        }
    }

    /// Keeps in mind what is spent while that cannot be written.
    pub(super) fn remember(&mut self, spent: Option<Spent>) {
        if let (Some(commands), Some(spent)) = (&mut self.commands, spent) {
            commands.unwritten.push(spent);
        }
    }

    pub(super) fn answer_with(
        &mut self,
        result: &CommandResult,
        genuine: bool,
        now: &Moment,
        incoming: &Incoming,
    ) {
        let Some(commands) = &mut self.commands else {
            return;
        };
        let wire = &commands.wire;
        let topic = result::topic(wire, genuine, incoming.response_topic.as_deref());
        let correlation = incoming.correlation.as_deref();
        match result.publication(wire, topic, correlation, now.wall) {
            Ok(answer) => {
                commands.answers.push_back(answer);
                if commands.answers.len() > ANSWERS {
                    commands.answers.pop_front();
                }
            }
            Err(error) => tracing::error!(%error, "the answer to a command cannot be written"),
        }
    }

    /// Writes what waits, unless older events wait too.
    pub(in crate::service::keeper) fn settle(&mut self) {
        let Some(commands) = &mut self.commands else {
            return;
        };
        if commands.answers.is_empty() && commands.unwritten.is_empty() || self.journal.is_behind()
        {
            return;
        }
        let (wall, tick) = (self.clock.now(), self.clock.tick());
        while let Some(spent) = commands.unwritten.pop() {
            let along = Along {
                spent: Some(spent.clone()),
                ..Along::default()
            };
            let written = self
                .journal
                .perform(tick, |store| store.record_along(wall, &along));
            if written.is_err() {
                commands.unwritten.push(spent);
                return;
            }
        }
        while let Some(answer) = commands.answers.pop_front() {
            if answer.expires_at.is_some_and(|at| at <= wall) {
                continue;
            }
            let written = self.journal.perform(tick, |store| store.publish(&answer));
            if written.is_err() {
                commands.answers.push_front(answer);
                return;
            }
        }
    }
}
