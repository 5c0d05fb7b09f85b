//! The keeper carries out commands and answers them.
//!
//! Decides nothing about who may: [`crate::command`] does. A command is spent on the disk before it is
//! carried out; for an unlock in the very transaction that the relay waits for. What is refused is
//! spent too, where it could be in time later. Locking alone does not wait for the disk. Commands obey
//! lockdown and the interlock, and never keep anybody in: the exit button asks no operator.
//!
//! What a flood may cost is bounded at each step: messages that wait ([`super::super::mailbox`]),
//! signatures that are verified, refusals that are recorded and answered.
//!
//! Here is what comes in; `execution` carries out, `answers` refuses, answers and remembers.

mod answers;
mod execution;

use std::collections::VecDeque;
use std::time::Duration;

use uuid::Uuid;

use execution::Order;

use super::Keeper;
use crate::clock::{Tick, Timestamp};
use crate::command::gate::{self, Accepted, Ledger, Refusal, Spent};
use crate::command::limits::{Bucket, Throttle};
use crate::command::plain::{self, Arrival, Plain};
use crate::command::{Command, Operator};
use crate::config::Config;
use crate::event::CommandRefusal;
use crate::event::wire::{Publication, Wire};
use crate::mqtt::Incoming;
use crate::store::{Store, StoreError};

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
}
