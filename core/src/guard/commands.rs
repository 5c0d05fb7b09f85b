//! Operators are answered: what comes in is judged, carried out on the record, and answered.
//!
//! Decides nothing about who may: [`crate::command`] does. A command is spent in the very transaction
//! that it is carried out by; what is refused is spent too, where it could be in time later. Locking
//! alone does not wait for the disk. Commands obey lockdown and the interlock, and never keep anybody
//! in: the exit button asks no operator. What a flood may cost is bounded at each step.

use std::time::Duration;

use super::passage::Then;
use super::spent::{Remembered, SpentCommands};
use super::{Author, Change, Deed, Facts, Guard, Rejection};
use crate::clock::{Moment, Tick, Timestamp};
use crate::command::gate::{self, Accepted, Refusal, Spent};
use crate::command::limits::{Bucket, Budgets, Throttle};
use crate::command::plain::{self, Arrival, Plain};
use crate::command::result::{self, CommandResult};
use crate::command::{Command, Incoming};
use crate::door::Input;
use crate::event::wire::{Lock, Wire};
use crate::event::{Alarm, CommandRefusal, Event, Mode};

/// Why operators open nothing after the database was replaced.
const RESTORED: &str = "the database was replaced by a backup or an empty one, so that nobody knows who may still send commands: operators open nothing until somebody has looked on the door's device and said so there: doorward alarms ack restored";

/// What the configuration says about commands.
#[derive(Debug, Clone)]
pub struct CommandSettings {
    /// Topics and QoS.
    pub wire: Wire,
    /// Whether signed commands are taken at all.
    pub accept: bool,
    /// What the gate demands.
    pub gate: gate::Settings,
    /// The one client that may send plain payloads.
    pub plain_client: Option<String>,
}

/// What the guard remembers of commands.
#[derive(Debug)]
pub(super) struct Commands {
    settings: CommandSettings,
    budgets: Budgets,
    plain_rate: Bucket,
    throttle: Throttle,
    spent: SpentCommands,
    /// Since when the broker is connected.
    connected: Option<Tick>,
    /// Numbers plain payloads, which have no id of their own.
    plain: u64,
    /// The order that waits to hear whether there will be a picture.
    picture: Option<Ordered>,
}

/// A command under way.
#[derive(Debug, Clone)]
pub(super) struct Ordered {
    pub(super) id: String,
    pub(super) operator: String,
    pub(super) command: Command,
    /// The author of what it leads to.
    pub(super) author: Author,
    pub(super) spent: Option<Spent>,
    /// When it began to be carried out.
    pub(super) at: Timestamp,
    /// Where its answer goes.
    pub(super) incoming: Incoming,
    /// What is on the record of it.
    pub(super) recorded: Vec<Event>,
    /// What the record is being asked to take of it.
    pub(super) asked: Vec<Event>,
}

impl Ordered {
    pub(super) fn event(&self, now: Timestamp) -> Event {
        Event::CommandExecuted {
            id: self.id.clone(),
            operator: self.operator.clone(),
            verb: self.command.verb(),
            detail: self.command.detail(now),
        }
    }
}

impl Commands {
    pub(super) fn new(settings: CommandSettings, spent: Vec<(Spent, Option<Timestamp>)>) -> Self {
        let per_minute = settings.gate.per_minute;
        Self {
            settings,
            budgets: Budgets::default(),
            plain_rate: Bucket::new(per_minute, Duration::from_secs(60) / per_minute.max(1)),
            throttle: Throttle::default(),
            spent: SpentCommands::new(spent, per_minute),
            connected: None,
            plain: 0,
            picture: None,
        }
    }
}

impl Guard {
    pub(super) fn connected(&mut self, online: bool, now: Tick) {
        if let Some(commands) = &mut self.commands {
            commands.connected = online.then_some(now);
        }
    }

    /// A message came in; `lost` others before it did not fit into the mailbox.
    pub(super) fn command(
        &mut self,
        incoming: &Incoming,
        received: Tick,
        lost: u64,
        facts: &Facts,
        now: &Moment,
    ) {
        let Some(commands) = &mut self.commands else {
            return;
        };
        if lost > 0 {
            commands.throttle.untold(CommandRefusal::RateLimited, lost);
        }
        let wire = &commands.settings.wire;
        let plain = commands.settings.plain_client.clone();
        let plain = plain.filter(|client| incoming.topic == wire.plain_topic(client));
        if commands.settings.accept && incoming.topic == wire.command_topic() {
            self.signed(incoming, facts, now);
        } else if let Some(client) = plain {
            self.plain(incoming, received, &client, facts, now);
        } else {
            tracing::debug!(topic = incoming.topic, "nothing listens to this topic");
        }
    }

    fn signed(&mut self, incoming: &Incoming, facts: &Facts, now: &Moment) {
        let known = facts.is_fresh(now.tick);
        let (wall, at) = (&self.wall, self.wall.latest(now));
        let Some(commands) = &mut self.commands else {
            return;
        };
        commands.spent.tidy(wall);
        let mut ledger = Remembered {
            facts,
            known,
            spent: &commands.spent,
            budgets: &mut commands.budgets,
            wall,
            at,
            now: now.tick,
        };
        let (payload, settings) = (&incoming.payload, &commands.settings.gate);
        let judged = gate::judge(payload, incoming.retain, &mut ledger, now, settings);
        match judged {
            Ok(accepted) => {
                let Accepted {
                    operator,
                    id,
                    mut command,
                    spent,
                } = accepted;
                command.date(now.wall);
                let spent = commands.spent.spend(spent, at);
                let ordered = Ordered {
                    author: Author::Operator(operator.clone()),
                    id,
                    operator,
                    command,
                    spent,
                    at: now.wall,
                    incoming: incoming.clone(),
                    recorded: Vec::new(),
                    asked: Vec::new(),
                };
                self.execute(ordered, facts, now);
            }
            Err(mut refusal) => {
                let spent = refusal.spent.take();
                let spent = spent.and_then(|spent| commands.spent.spend(*spent, at));
                refusal.spent = spent.map(Box::new);
                let author = match &refusal.operator {
                    Some(operator) if refusal.genuine => Author::Operator(operator.clone()),
                    _ => Author::Door,
                };
                self.refuse(&refusal, author, now, incoming);
            }
        }
    }

    fn plain(
        &mut self,
        incoming: &Incoming,
        received: Tick,
        client: &str,
        facts: &Facts,
        now: &Moment,
    ) {
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
        let judged = plain::judge(&arrival, now.tick).and_then(|wanted| {
            if commands.plain_rate.take(now.tick) {
                return Ok(wanted);
            }
            let most = commands.settings.gate.per_minute;
            let detail = format!("at most {most} plain commands in a minute");
            Err((CommandRefusal::RateLimited, detail))
        });
        match judged {
            Ok(wanted) => {
                commands.plain += 1;
                let millis = now.wall.as_millisecond();
                let ordered = Ordered {
                    // The message has none; the record needs one.
                    id: format!("plain-{millis}-{}", commands.plain),
                    author: Author::Plain(client.to_owned()),
                    operator,
                    command: match wanted {
                        Plain::Lock => Command::Lock {},
                        Plain::Passage => Command::Unlock {},
                    },
                    spent: None,
                    at: now.wall,
                    incoming: incoming.clone(),
                    recorded: Vec::new(),
                    asked: Vec::new(),
                };
                self.execute(ordered, facts, now);
            }
            Err((reason, detail)) => {
                let refusal = Refusal {
                    operator: Some(operator),
                    ..Refusal::unread(reason, detail)
                };
                self.refuse(&refusal, Author::Door, now, incoming);
            }
        }
    }

    /// Whether whoever sent it still may, by these facts.
    pub(super) fn may_still(&self, ordered: &Ordered, facts: &Facts) -> bool {
        match &ordered.author {
            Author::Operator(name) => facts
                .operators
                .get(name)
                .is_some_and(|operator| operator.role.allows(ordered.command.verb())),
            Author::Plain(_) | Author::Door => true,
        }
    }

    /// Begins to carry out what was accepted.
    pub(super) fn execute(&mut self, ordered: Ordered, facts: &Facts, now: &Moment) {
        if ordered.command.opens() && self.conditions.stands(Alarm::Restored) {
            let (reason, spent) = (CommandRefusal::DoorRefused, ordered.spent.clone());
            return self.refuse_order(&ordered, reason, RESTORED, spent, now);
        }
        let change = match &ordered.command {
            Command::Unlock {} => return self.ask_unlock(ordered, facts, now),
            Command::Lock {} => return self.lock(ordered, now),
            Command::Locate { .. } if !self.settings.panel => {
                let detail = "this installation has no lights";
                let spent = ordered.spent.clone();
                let reason = CommandRefusal::NotAvailable;
                return self.refuse_order(&ordered, reason, detail, spent, now);
            }
            Command::Mode { .. } => Some(Change::Mode(ordered.command.mode_order(now.wall))),
            Command::Acknowledge { alarm, note } => Some(Change::Acknowledge {
                alarm: *alarm,
                note: note.clone(),
            }),
            Command::Snapshot {} | Command::Locate { .. } | Command::Reload {} => None,
        };
        let event = ordered.event(now.wall);
        let mut entry = self.entry(ordered.author.clone(), vec![event], now);
        entry.spent = ordered.spent.clone();
        entry.change = change;
        entry.base = Some(facts.revision);
        let then = Then::CarryOut(Box::new(ordered));
        if let Err(then) = self.record.ask(entry, then, now.tick) {
            self.given_up(then, None, now);
        }
    }

    /// It is on the record: does what follows from it at once.
    pub(super) fn carry_out(&mut self, ordered: Ordered, changed: bool, now: &Moment) {
        let mut remark = None;
        match &ordered.command {
            Command::Mode { .. } => {
                self.facts_after = Some(now.tick);
                self.deeds.push(Deed::Read);
                self.govern(ordered.command.mode_order(now.wall), now);
            }
            Command::Acknowledge { alarm, .. } => {
                self.facts_after = Some(now.tick);
                self.deeds.push(Deed::Read);
                self.acknowledged(*alarm, ordered.at, now);
                remark = (!changed).then(|| format!("{} was acknowledged already", alarm.as_str()));
            }
            Command::Locate { .. } => {
                let lasts = Duration::from_secs(ordered.command.blink_s().into());
                self.locating = Some(now.tick + lasts);
            }
            Command::Reload {} => {
                self.deeds.push(Deed::Read);
                self.deeds.push(Deed::Reload);
            }
            Command::Snapshot {} => {
                self.deeds.push(Deed::PictureNow);
                if let Some(commands) = &mut self.commands {
                    commands.picture = Some(ordered);
                }
                return;
            }
            // Their ways to the record are their own.
            Command::Unlock {} | Command::Lock {} => {}
        }
        self.executed(&ordered, remark, now);
    }

    /// Whether there will be a picture.
    pub(super) fn pictured(&mut self, trouble: Option<String>, now: &Moment) {
        let Some(ordered) = self.commands.as_mut().and_then(|c| c.picture.take()) else {
            return;
        };
        match trouble {
            None => self.executed(&ordered, None, now),
            Some(trouble) => {
                let reason = CommandRefusal::NotAvailable;
                self.refuse_order(&ordered, reason, &trouble, None, now);
            }
        }
    }

    /// A disk must not keep a door open: secured first, recorded after.
    fn lock(&mut self, ordered: Ordered, now: &Moment) {
        // What time has brought about meanwhile is nobody's doing.
        self.step(Input::Tick, now);
        if self.door.mode() == Mode::Unlocked {
            let detail = "the mode holds the door released: choose another mode";
            let spent = ordered.spent.clone();
            return self.refuse_order(&ordered, CommandRefusal::DoorRefused, detail, spent, now);
        }
        let author = ordered.author.clone();
        let _ = self.step_recorded(Input::Lock, author.clone(), &[], now);
        let mut entry = self.entry(author, vec![ordered.event(now.wall)], now);
        entry.spent = ordered.spent.clone();
        self.record.keep(entry, None, now.tick);
        let pressed = self.door.lock() == Lock::Released;
        let remark = pressed.then(|| "as soon as the exit button is let go".to_owned());
        self.executed(&ordered, remark, now);
    }

    /// The record does not take it: nothing of it happened.
    pub(super) fn not_written(&mut self, ordered: Ordered, why: Option<Rejection>, now: &Moment) {
        let spent = ordered.spent.clone();
        let (reason, detail) = match why {
            Some(Rejection::Arguments(detail)) => (CommandRefusal::BadArguments, detail),
            Some(Rejection::Interlock) => (
                CommandRefusal::DoorRefused,
                super::passage::refused_in_words(crate::door::Refusal::Interlock).to_owned(),
            ),
            Some(Rejection::Contradiction(detail)) => (CommandRefusal::StorageFailure, detail),
            Some(Rejection::Stale) | None => (
                CommandRefusal::StorageFailure,
                "it cannot be put on the record in time".to_owned(),
            ),
        };
        self.refuse_order(&ordered, reason, &detail, spent, now);
    }

    /// It was carried out.
    pub(super) fn executed(&mut self, ordered: &Ordered, remark: Option<String>, now: &Moment) {
        let verb = ordered.command.verb();
        let detail = remark.or_else(|| ordered.command.detail(now.wall));
        tracing::info!(
            verb = verb.as_str(),
            operator = ordered.operator,
            id = ordered.id,
            detail,
            "command carried out"
        );
        if let Some(Commands { settings, .. }) = &self.commands {
            let (id, operator) = (&ordered.id, &ordered.operator);
            let result =
                CommandResult::executed(&settings.wire, id, operator, verb, detail, now.wall);
            self.answer_with(&result, now, &ordered.incoming);
        }
    }

    /// An accepted command is not carried out; `spent` when that is not on the record yet.
    pub(super) fn refuse_order(
        &mut self,
        ordered: &Ordered,
        reason: CommandRefusal,
        detail: &str,
        spent: Option<Spent>,
        now: &Moment,
    ) {
        let refusal = Refusal {
            reason,
            detail: detail.to_owned(),
            id: Some(ordered.id.clone()),
            operator: Some(ordered.operator.clone()),
            verb: Some(ordered.command.verb()),
            genuine: true,
            spent: spent.map(Box::new),
        };
        self.refuse(&refusal, ordered.author.clone(), now, &ordered.incoming);
    }

    /// Spends, records and answers what is not carried out; the last two only now and then.
    fn refuse(&mut self, refusal: &Refusal, author: Author, now: &Moment, incoming: &Incoming) {
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
        if refusal.spent.is_some() || event.is_some() {
            let mut entry = self.entry(author, event.into_iter().collect(), now);
            entry.spent = refusal.spent.as_deref().cloned();
            self.record.keep(entry, None, now.tick);
        }
        let Some(commands) = &mut self.commands else {
            return;
        };
        let mut answered = || match &refusal.operator {
            Some(operator) if refusal.genuine => commands.budgets.may_answer(operator, now.tick),
            _ => false,
        };
        if told.is_some() || answered() {
            let settings = &commands.settings;
            let result = CommandResult::refused(&settings.wire, refusal, now.wall);
            self.answer_with(&result, now, incoming);
        }
    }

    fn answer_with(&mut self, result: &CommandResult, now: &Moment, incoming: &Incoming) {
        let Some(Commands { settings, .. }) = &self.commands else {
            return;
        };
        let topic = result::topic(&settings.wire);
        let correlation = incoming.correlation.as_deref();
        match result.publication(&settings.wire, topic, correlation, now.wall) {
            Ok(answer) => self.record.answer(answer),
            Err(error) => tracing::error!(%error, "the answer to a command cannot be written"),
        }
    }
}
