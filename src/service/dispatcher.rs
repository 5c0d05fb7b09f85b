//! The dispatcher's thread: looks after the outbox, and queues telemetry.
//!
//! Every second it takes away what the policy lets go, watches the level, and records what was
//! dropped. It never sends anything (the pump does), never touches the relay, and whatever fails
//! here is logged and tried again: it never ends the service. Flows in: time, the outbox. Flows
//! out: telemetry, `delivery.dropped` events, the outbox alarm.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::guard::Message;
use super::telemetry::Gauges;
use crate::clock::{Clock, Moment, Tick};
use crate::conditions::Source;
use crate::config::{Config, OutboxConfig};
use crate::event::wire::Wire;
use crate::event::{Alarm, Class, DropReason};
use crate::guard::Input;
use crate::store::outbox::{LevelNews, LevelWatch, Limits, Swept};
use crate::store::{Store, StoreError};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(1);
/// How often dropped messages of one class and reason are recorded.
const REPORT: Duration = Duration::from_secs(60);

/// What it works with.
pub(super) struct Dispatcher {
    store: Store,
    wire: Wire,
    config: OutboxConfig,
    limits: Limits,
    level: LevelWatch,
    /// When each class and reason was last recorded.
    reported: BTreeMap<(&'static str, DropReason), Tick>,
    gauges: Gauges,
    /// Time between two telemetry messages; none without.
    every: Option<Duration>,
    told: Option<Tick>,
    clock: Arc<dyn Clock>,
    guard: Sender<Message>,
    /// Tells the MQTT pump that there is something to send.
    committed: Box<dyn Fn() + Send>,
    /// Whether the last look failed.
    failing: bool,
}

impl Dispatcher {
    /// Nothing to do without a broker: nothing is queued for one then.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub(super) fn new(
        config: &Config,
        gauges: Gauges,
        clock: &Arc<dyn Clock>,
        guard: &Sender<Message>,
        committed: Box<dyn Fn() + Send>,
    ) -> Result<Option<Self>, StoreError> {
        let Some(wire) = config.wire() else {
            return Ok(None);
        };
        let every = config.telemetry.every_s;
        Ok(Some(Self {
            store: Store::open(&config.store.path, Some(wire.clone()))?,
            wire,
            limits: Limits::from_config(&config.outbox),
            config: config.outbox.clone(),
            level: LevelWatch::default(),
            reported: BTreeMap::new(),
            gauges,
            every: (every > 0).then(|| Duration::from_secs(u64::from(every))),
            told: None,
            clock: Arc::clone(clock),
            guard: guard.clone(),
            committed,
            failing: false,
        }))
    }

    /// Works until `ended` is closed.
    pub(super) fn run(mut self, ended: &Receiver<()>) {
        while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            let moment = self.clock.moment();
            match self.look(&moment) {
                Ok(()) => self.failing = false,
                // The guard finds out itself, and that is an alarm.
                Err(error) if self.failing => tracing::debug!(%error, "the outbox: still"),
                Err(error) => {
                    self.failing = true;
                    tracing::warn!(%error, "the outbox cannot be looked after; trying again");
                }
            }
        }
    }

    fn look(&mut self, now: &Moment) -> Result<(), StoreError> {
        self.store.ensure_in_place()?;
        self.store.set_clock_synced(now.clock_trusted);
        loop {
            let swept = self.store.sweep_outbox(now.wall, &self.limits)?;
            if swept == Swept::default() {
                break;
            }
            let Swept { expired, dropped } = swept;
            tracing::debug!(expired, dropped, "messages dropped");
        }
        self.watch_level()?;
        self.report(now)?;
        self.tell(now)
    }

    fn watch_level(&mut self) -> Result<(), StoreError> {
        let size = self.store.outbox_size()?;
        let per_mille = size.per_mille(&self.limits);
        let detail = match self.level.news(per_mille, self.config.warn_percent) {
            Some(LevelNews::High) => Some(size.describe(&self.config)),
            Some(LevelNews::Normal) => None,
            None => return Ok(()),
        };
        // The guard only goes away when the service ends, and then nothing is left to be told.
        let _ = self.guard.send(Message::Input(Input::Alarm {
            alarm: Alarm::Outbox,
            source: Source::Outbox,
            detail,
        }));
        Ok(())
    }

    /// Records what was dropped, at most once a minute for each class and reason.
    fn report(&mut self, now: &Moment) -> Result<(), StoreError> {
        for dropped in self.store.dropped()? {
            let (class, reason): (Class, _) = (dropped.class, dropped.reason);
            let last = self.reported.get(&(class.as_str(), reason));
            let due = last.is_none_or(|last| now.tick.since(*last) >= REPORT);
            if dropped.messages == dropped.reported || !due {
                continue;
            }
            if let Some(recorded) = self.store.report_dropped(now.wall, class, reason)? {
                tracing::warn!(event = ?recorded.event, "messages were dropped");
                self.reported.insert((class.as_str(), reason), now.tick);
                (self.committed)();
            }
        }
        Ok(())
    }

    /// Queues telemetry in place of an older one that still waits.
    fn tell(&mut self, now: &Moment) -> Result<(), StoreError> {
        let Some(every) = self.every else {
            return Ok(());
        };
        if self.told.is_some_and(|at| now.tick.since(at) < every) {
            return Ok(());
        }
        self.told = Some(now.tick);
        let telemetry = self.gauges.read(&self.store, now)?;
        let expires_at = now.wall + 2 * every;
        let publication = self.wire.telemetry(&telemetry, expires_at)?;
        self.store.publish_newest(&publication)?;
        (self.committed)();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
