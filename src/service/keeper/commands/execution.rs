//! Carries out what was accepted.
//!
//! The order is the promise: what a command leads to and that it is spent are one commit, before the
//! relay is released. Locking alone comes before its record. Never decides who may.

use std::time::Duration;

use super::super::{Keeper, NotDone};
use crate::clock::{Moment, Timestamp};
use crate::command::Command;
use crate::command::gate::{Refusal, Spent};
use crate::command::result::CommandResult;
use crate::door::{Input, Refusal as DoorRefusal};
use crate::event::wire::Lock;
use crate::event::{CommandRefusal, Event, Mode};
use crate::mqtt::Incoming;
use crate::store::{Along, StoreError};

use super::Commands;

/// A command under way: what it is called on the record.
pub(super) struct Order {
    pub id: String,
    pub operator: String,
    pub command: Command,
    /// The author of what it leads to.
    pub author: String,
    pub spent: Option<Spent>,
}

impl Order {
    fn event(&self, now: Timestamp) -> Event {
        Event::CommandExecuted {
            id: self.id.clone(),
            operator: self.operator.clone(),
            verb: self.command.verb(),
            detail: self.command.detail(now),
        }
    }

    /// What goes to the disk with it, its event apart.
    fn along(&self) -> Along {
        Along {
            spent: self.spent.clone(),
            event: None,
            author: Some(self.author.clone()),
        }
    }

    /// All of it.
    fn along_with_event(&self, now: Timestamp) -> Along {
        Along {
            event: Some(self.event(now)),
            ..self.along()
        }
    }

    /// It is not carried out; `spent` when that is not on the disk yet.
    fn refused(
        &self,
        reason: CommandRefusal,
        detail: impl Into<String>,
        spent: Option<Spent>,
    ) -> Refusal {
        Refusal {
            reason,
            detail: detail.into(),
            id: Some(self.id.clone()),
            operator: Some(self.operator.clone()),
            verb: Some(self.command.verb()),
            genuine: true,
            spent: spent.map(Box::new),
        }
    }
}

impl Keeper {
    pub(super) fn carry_out(&mut self, order: &Order, now: &Moment, incoming: &Incoming) {
        match self.execute(order, now) {
            Ok(remark) => {
                let verb = order.command.verb();
                let detail = remark.or_else(|| order.command.detail(now.wall));
                tracing::info!(
                    verb = verb.as_str(),
                    operator = order.operator,
                    id = order.id,
                    detail,
                    "command carried out"
                );
                if let Some(Commands { wire, .. }) = &self.commands {
                    let (id, operator) = (&order.id, &order.operator);
                    let result =
                        CommandResult::executed(wire, id, operator, verb, detail, now.wall);
                    self.answer_with(&result, true, now, incoming);
                }
            }
            Err(refusal) => self.refuse(refusal, now, incoming),
        }
    }

    fn execute(&mut self, order: &Order, now: &Moment) -> Result<Option<String>, Refusal> {
        match &order.command {
            Command::Unlock {} => self.unlock(order, now),
            Command::Lock {} => self.lock(order, now),
            Command::Mode { .. } => {
                let door = self.policy.door.clone();
                let mode = order.command.mode_order(now.wall);
                let along = order.along_with_event(now.wall);
                let set = self.journal.perform(now.tick, |store| {
                    store.set_mode_along(now.wall, &door, mode, &along)
                });
                set.map_err(|error| not_written(order, error))?;
                self.follow_rules(order)?;
                Ok(None)
            }
            Command::Acknowledge { alarm, note } => {
                let along = order.along_with_event(now.wall);
                let noted = self.journal.perform(now.tick, |store| {
                    store.acknowledge_along(now.wall, *alarm, note.clone(), &along)
                });
                let new = noted.map_err(|error| not_written(order, error))?;
                self.follow_rules(order)?;
                Ok((!new).then(|| format!("{} was acknowledged already", alarm.as_str())))
            }
            Command::Snapshot {} => {
                let Some(snapshots) = self.snapshots.take() else {
                    let detail = "this installation has no camera";
                    return Err(unavailable(order, detail, order.spent.clone()));
                };
                let asked = self.note(order, now).map(|()| snapshots.publish_newest());
                self.snapshots = Some(snapshots);
                asked?.map_err(|error| unavailable(order, error.to_string(), None))?;
                Ok(None)
            }
            Command::Locate { .. } => {
                if self.panel.is_none() {
                    let detail = "this installation has no lights";
                    return Err(unavailable(order, detail, order.spent.clone()));
                }
                self.note(order, now)?;
                let lasts = Duration::from_secs(order.command.blink_s().into());
                self.locating = Some(now.tick + lasts);
                Ok(None)
            }
            Command::Reload {} => {
                self.note(order, now)?;
                self.revision = None;
                self.follow_rules(order)?;
                if let Some(errand) = self.commands.as_ref().and_then(|c| c.reload.as_ref()) {
                    errand();
                }
                Ok(None)
            }
        }
    }

    /// The release and what it stands on are one commit, before the relay moves.
    fn unlock(&mut self, order: &Order, now: &Moment) -> Result<Option<String>, Refusal> {
        use CommandRefusal::{DoorRefused, StorageFailure};
        // What time has brought about meanwhile stands, whatever becomes of the command.
        self.input(Input::Tick);
        self.in_hand = Some(order.along());
        let done = self.drive(Input::Unlock, Some(order.event(now.wall)));
        let unspent = self.in_hand.take().and_then(|along| along.spent);
        let refused = |reason, detail: &str| Err(order.refused(reason, detail, unspent.clone()));
        match done {
            Ok(()) if self.door.lock() == Lock::Released => Ok(None),
            Ok(()) => refused(DoorRefused, "the relay does not do what it is told"),
            Err(NotDone::NotRecorded) => refused(StorageFailure, "it cannot be put on the record"),
            Err(NotDone::Refused(DoorRefusal::Lockdown)) => {
                refused(DoorRefused, "the door is in lockdown")
            }
            Err(NotDone::Refused(DoorRefusal::Interlock)) => refused(
                DoorRefused,
                "another door of the interlock is open or released",
            ),
        }
    }

    /// A disk must not keep a door open: secured first, recorded after.
    fn lock(&mut self, order: &Order, now: &Moment) -> Result<Option<String>, Refusal> {
        if self.door.mode() == Mode::Unlocked {
            return Err(order.refused(
                CommandRefusal::DoorRefused,
                "the mode holds the door released: choose another mode",
                order.spent.clone(),
            ));
        }
        self.in_hand = Some(order.along());
        self.input(Input::Lock);
        let event = order.event(now.wall);
        if !self.commit(vec![event.clone()]) {
            self.keep(event);
        }
        let unspent = self.in_hand.take().and_then(|along| along.spent);
        self.remember(unspent);
        let pressed = self.door.lock() == Lock::Released;
        Ok(pressed.then(|| "as soon as the exit button is let go".to_owned()))
    }

    /// Records a command that changes nothing in the store.
    fn note(&mut self, order: &Order, now: &Moment) -> Result<(), Refusal> {
        let along = order.along_with_event(now.wall);
        let noted = self
            .journal
            .perform(now.tick, |store| store.record_along(now.wall, &along));
        noted.map_err(|error| not_written(order, error))
    }

    /// Does at once what would be done within a quarter of a second.
    fn follow_rules(&mut self, order: &Order) -> Result<(), Refusal> {
        self.look().map_err(|error| {
            let detail = format!("the rules cannot be read: {error}");
            order.refused(CommandRefusal::StorageFailure, detail, None)
        })
    }
}

fn unavailable(order: &Order, detail: impl Into<String>, spent: Option<Spent>) -> Refusal {
    order.refused(CommandRefusal::NotAvailable, detail, spent)
}

/// What the store says against a command; nothing of it was written.
fn not_written(order: &Order, error: Option<StoreError>) -> Refusal {
    let reason = match &error {
        Some(
            StoreError::UnlockedWithoutEnd
            | StoreError::EndHasPassed(_)
            | StoreError::NeverRaised(_),
        ) => CommandRefusal::BadArguments,
        _ => CommandRefusal::StorageFailure,
    };
    let detail = error.map_or_else(
        || "older events wait for the disk".to_owned(),
        |error| error.to_string(),
    );
    order.refused(reason, detail, order.spent.clone())
}
