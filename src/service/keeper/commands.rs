//! The keeper carries out commands and answers them.
//!
//! Decides nothing about who may: [`crate::command`] does. A command is spent on the disk before it is
//! carried out; for an unlock in the very transaction that the relay waits for. What is refused is
//! spent too, where it could be in time later. Locking alone does not wait for the disk. Commands obey
//! lockdown and the interlock, and never keep anybody in: the exit button asks no operator.
//!
//! What a flood may cost is bounded at each step: messages that wait ([`super::super::mailbox`]),
//! signatures that are verified, refusals that are recorded and answered.

use std::collections::VecDeque;
use std::time::Duration;

use uuid::Uuid;

use super::{Keeper, NotDone};
use crate::clock::{Moment, Tick, Timestamp};
use crate::command::gate::{self, Accepted, Ledger, Refusal, Spent};
use crate::command::limits::{Bucket, Throttle};
use crate::command::plain::{self, Arrival, Plain};
use crate::command::result::{self, CommandResult};
use crate::command::{Command, Operator};
use crate::config::Config;
use crate::door::{Input, Refusal as DoorRefusal};
use crate::event::wire::{Lock, Publication, Wire};
use crate::event::{CommandRefusal, Event, Mode};
use crate::mqtt::Incoming;
use crate::store::{Along, Store, StoreError};

/// Signatures that are verified at once, and how soon one more is.
const VERIFY_BURST: u32 = 20;
const VERIFY_EVERY: Duration = Duration::from_millis(100);
/// Answers that wait for a store that cannot be written; they are of use for a minute only.
const ANSWERS: usize = 32;

/// Has others do something for a command; never waits for it.
pub type Errand = Box<dyn Fn() + Send>;

/// What the keeper needs for commands.
pub(super) struct Commands {
    wire: Wire,
    accept: bool,
    settings: gate::Settings,
    plain_client: Option<String>,
    verify: Bucket,
    plain_rate: Bucket,
    throttle: Throttle,
    /// Since when the broker is connected.
    connected: Option<Tick>,
    /// Spent, but the store could not be written.
    unwritten: Vec<Spent>,
    answers: VecDeque<Publication>,
    reload: Option<Errand>,
}

impl Commands {
    /// None without a broker.
    pub(super) fn from_config(config: &Config) -> Option<Self> {
        let wire = config.wire()?;
        let commands = &config.commands;
        Some(Self {
            settings: gate::Settings {
                door: wire.source.clone(),
                max_age_s: commands.max_age_s,
                skew_s: commands.skew_s,
                per_minute: commands.per_minute,
            },
            wire,
            accept: commands.accept,
            plain_client: commands.plain_client.clone(),
            verify: Bucket::new(VERIFY_BURST, VERIFY_EVERY),
            plain_rate: Bucket::new(
                commands.per_minute,
                Duration::from_secs(60) / commands.per_minute.max(1),
            ),
            throttle: Throttle::default(),
            connected: None,
            unwritten: Vec::new(),
            answers: VecDeque::new(),
            reload: None,
        })
    }
}

/// What the gate asks, answered by the store and by what could not be written to it.
struct Facts<'a> {
    store: &'a Store,
    verify: &'a mut Bucket,
    unwritten: &'a [Spent],
    now: Tick,
}

impl Ledger for Facts<'_> {
    type Error = StoreError;
    fn operator(&mut self, name: &str) -> Result<Option<Operator>, StoreError> {
        self.store.operator(name)
    }
    fn may_verify(&mut self) -> bool {
        self.verify.take(self.now)
    }
    fn is_spent(&mut self, operator: &str, id: &str) -> Result<bool, StoreError> {
        let same = |spent: &Spent| spent.operator == operator && spent.id == id;
        Ok(self.unwritten.iter().any(same) || self.store.is_spent(operator, id)?)
    }
    fn newest(&mut self) -> Result<Option<Timestamp>, StoreError> {
        self.store.newest_command()
    }
    fn counted(&mut self, operator: &str, since: Timestamp) -> Result<u32, StoreError> {
        self.store.counted_commands(operator, since)
    }
}

/// A command under way: what it is called on the record.
struct Order {
    id: String,
    operator: String,
    command: Command,
    /// The author of what it leads to.
    author: String,
    spent: Option<Spent>,
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
    /// What `reload` does beside reading the rules again.
    pub fn on_reload(&mut self, errand: Errand) {
        if let Some(commands) = &mut self.commands {
            commands.reload = Some(errand);
        }
    }

    pub(super) fn connected(&mut self, online: bool) {
        let now = self.clock.tick();
        if let Some(commands) = &mut self.commands {
            commands.connected = online.then_some(now);
        }
    }

    /// A message came in; `lost` others before it did not fit into the mailbox.
    pub(super) fn command(&mut self, incoming: &Incoming, received: Tick, lost: u64) {
        let Some(commands) = &mut self.commands else {
            return;
        };
        if lost > 0 {
            commands.throttle.untold(CommandRefusal::RateLimited, lost);
        }
        let plain = commands
            .plain_client
            .clone()
            .filter(|client| incoming.topic == commands.wire.plain_topic(client));
        if commands.accept && incoming.topic == commands.wire.command_topic() {
            self.signed(incoming);
        } else if let Some(client) = plain {
            self.plain(incoming, received, &client);
        } else {
            tracing::debug!(topic = incoming.topic, "nothing listens to this topic");
        }
        self.settle();
    }

    fn signed(&mut self, incoming: &Incoming) {
        let moment = self.clock.moment();
        let Some(commands) = &mut self.commands else {
            return;
        };
        commands.unwritten.retain(|spent| spent.over > moment.wall);
        let mut facts = Facts {
            store: self.journal.store(),
            verify: &mut commands.verify,
            unwritten: &commands.unwritten,
            now: moment.tick,
        };
        let (payload, settings) = (&incoming.payload, &commands.settings);
        let judged = gate::judge(payload, incoming.retain, &mut facts, &moment, settings);
        match judged {
            Ok(accepted) => {
                let Accepted {
                    operator,
                    id,
                    command,
                    spent,
                } = accepted;
                let order = Order {
                    author: format!("operator:{operator}"),
                    id,
                    operator,
                    command,
                    spent: Some(spent),
                };
                self.carry_out(&order, &moment, incoming);
            }
            Err(refusal) => self.refuse(refusal, &moment, incoming),
        }
    }

    fn plain(&mut self, incoming: &Incoming, received: Tick, client: &str) {
        let moment = self.clock.moment();
        let Some(commands) = &mut self.commands else {
            return;
        };
        let arrival = Arrival {
            payload: &incoming.payload,
            retain: incoming.retain,
            received,
            connected: commands.connected,
        };
        let operator = format!("plain:{client}");
        let judged = plain::judge(&arrival, moment.tick).and_then(|wanted| {
            if commands.plain_rate.take(moment.tick) {
                return Ok(wanted);
            }
            let most = commands.settings.per_minute;
            let detail = format!("at most {most} plain commands in a minute");
            Err((CommandRefusal::RateLimited, detail))
        });
        match judged {
            Ok(wanted) => {
                let order = Order {
                    // The message has none; the record needs one.
                    id: Uuid::now_v7().to_string(),
                    author: operator.clone(),
                    operator,
                    command: match wanted {
                        Plain::Lock => Command::Lock {},
                        Plain::Passage => Command::Unlock {},
                    },
                    spent: None,
                };
                self.carry_out(&order, &moment, incoming);
            }
            Err((reason, detail)) => {
                let refusal = Refusal {
                    operator: Some(operator),
                    ..Refusal::unread(reason, detail)
                };
                self.refuse(refusal, &moment, incoming);
            }
        }
    }

    fn carry_out(&mut self, order: &Order, now: &Moment, incoming: &Incoming) {
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

    /// Spends, records and answers what is not carried out; the last two only now and then.
    fn refuse(&mut self, refusal: Refusal, now: &Moment, incoming: &Incoming) {
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
    fn remember(&mut self, spent: Option<Spent>) {
        if let (Some(commands), Some(spent)) = (&mut self.commands, spent) {
            commands.unwritten.push(spent);
        }
    }

    fn answer_with(
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
    pub(super) fn settle(&mut self) {
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
