//! One connection, from CONNECT to its end.
//!
//! A client is built from the outbox, used until the first error, and dropped: nothing of it
//! survives into the next connection. Two futures run side by side on the pump's thread and
//! neither is ever cancelled while the connection lives, since a cancelled write could leave a
//! packet unsent that is recorded as sent: the client's event loop, and the feeder.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tracing::{debug, info, warn};

use super::dialect::{Client, Poller, Seen, Start, v4, v5};
use super::failure::LinkError;
use super::feeder::Feeder;
use super::ledger::{Limits, Outcome};
use super::pump::{Incoming, Stop};
use super::report::Reporter;
use super::session::Shared;
use super::settings::{PumpConfig, Subscription};
use super::version;
use crate::clock::Tick;
use crate::config::Protocol;
use crate::event::wire::{Availability, Qos};

/// How long the goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// Everything that outlives one connection.
pub(super) struct Link {
    pub config: PumpConfig,
    pub session: Shared,
    pub reporter: Reporter,
    pub wake: Arc<Notify>,
    pub stopping: watch::Receiver<Stop>,
    /// MQTT 3.1.1: the broker has just ended a clean session of ours, so it has none.
    pub cleared: bool,
    /// The last connection ended before any message was answered. Some brokers refuse a message and
    /// hang up in one breath, and the client drops what it read together with the end: packets are
    /// read one by one until an answer gets through.
    pub one_by_one: bool,
}

/// How a connection ended.
pub(super) struct End {
    pub ended: Ended,
    /// Since when the broker had accepted it, if it did.
    pub connected: Option<Tick>,
}

pub(super) enum Ended {
    /// By an error.
    Failed(LinkError),
    /// On purpose, to be built again from the outbox.
    Rebuild,
    /// On purpose, for good.
    Stopped,
}

impl Link {
    /// Connects and serves until the end. Failures are for the caller to name and to report.
    pub(super) async fn run(&mut self) -> End {
        self.config.refresh();
        let now = self.session.now().tick;
        let resumable = match self.session.lock().begin(now) {
            Ok(resumable) => resumable,
            Err(error) => {
                return End {
                    ended: Ended::Failed(error.into()),
                    connected: None,
                };
            }
        };
        let start = match (resumable, self.config.protocol, self.cleared) {
            (true, ..) => Start::Resume,
            (false, Protocol::V311, false) => Start::Clear,
            (false, ..) => Start::Fresh,
        };
        let (config, session, one_by_one) = (&self.config, &self.session, self.one_by_one);
        let end = match self.config.protocol {
            Protocol::V5 => {
                let (client, poller) = v5::open(config, session, start, one_by_one);
                self.serve(client, poller, start).await
            }
            Protocol::V311 => {
                let (client, poller) = v4::open(config, session, start, one_by_one);
                self.serve(client, poller, start).await
            }
        };
        let failed = matches!(end.ended, Ended::Failed(_)) && end.connected.is_some();
        self.one_by_one = failed && self.session.lock().unheard();
        end
    }

    async fn serve<C: Client, P: Poller>(&mut self, client: C, mut poller: P, start: Start) -> End {
        let live = Live {
            config: &self.config,
            session: &self.session,
            reporter: RefCell::new(&mut self.reporter),
            progress: Notify::new(),
            connected: RefCell::new(None),
            accepted: Cell::new(false),
            start,
            cleared: RefCell::new(&mut self.cleared),
        };
        let feeder = Feeder {
            live: &live,
            client: &client,
            wake: &self.wake,
        };
        let ended = tokio::select! {
            ended = live.drive(&client, &mut poller) => ended,
            error = feeder.run() => Ended::Failed(error),
            ended = feeder.run_down(&mut self.stopping) => ended,
            () = self.config.watched.renewed() => Ended::Rebuild,
        };
        let connected = *live.connected.borrow();
        let polite = !matches!(ended, Ended::Failed(_)) && live.accepted.get();
        if polite && !matches!(*self.stopping.borrow(), Stop::Now) {
            live.goodbye(&client, &mut poller).await;
        }
        End { ended, connected }
    }
}

/// A connection while it lives.
pub(super) struct Live<'a> {
    pub config: &'a PumpConfig,
    pub session: &'a Shared,
    reporter: RefCell<&'a mut Reporter>,
    /// Something was answered: there may be room for more.
    pub progress: Notify,
    /// Since when the broker accepts us.
    pub connected: RefCell<Option<Tick>>,
    /// The broker has said yes, also if only to be left again.
    accepted: Cell<bool>,
    start: Start,
    cleared: RefCell<&'a mut bool>,
}

impl Live<'_> {
    /// Runs the client. Every answer is taken in before the client may act on the next
    /// request, so that a packet id is never given out again while the ledger still has it.
    async fn drive<C: Client, P: Poller>(&self, client: &C, poller: &mut P) -> Ended {
        loop {
            let seen = match poller.poll().await {
                Ok(seen) => seen,
                Err(trouble) => return Ended::Failed(trouble.into()),
            };
            if let Seen::Accepted {
                session_present,
                limits,
            } = seen
            {
                match self.accepted(session_present, limits) {
                    Ok(true) => self.subscribe(client),
                    Ok(false) => return Ended::Rebuild,
                    Err(error) => return Ended::Failed(error),
                }
            } else {
                self.take(seen);
            }
            if let Some(pkid) = self.session.lock().mistaken() {
                return Ended::Failed(LinkError::WrongAnswer(pkid));
            }
            if self.session.lock().needs_rebuild() {
                debug!(target: "doorward::mqtt", "the broker holds messages that await their release; connecting again to release them");
                return Ended::Rebuild;
            }
        }
    }

    /// The broker accepted the connection. False when it is only good for being built again:
    /// the stored session cannot be resumed within what the broker allows now, or the session was
    /// only just made or cleared away.
    fn accepted(&self, session_present: bool, limits: Limits) -> Result<bool, LinkError> {
        self.accepted.set(true);
        // The one after a clearing is not asked whether it was: a session that is there has been
        // made by that connection, and is empty.
        **self.cleared.borrow_mut() = self.start == Start::Clear;
        if self.start == Start::Clear {
            return Ok(false);
        }
        let now = self.session.now().tick;
        let mut ledger = self.session.lock();
        if self.start == Start::Fresh && self.config.protocol == Protocol::V5 {
            ledger.found_session()?;
            return Ok(false);
        }
        if !ledger.admit(limits, now) {
            warn!(
                target: "doorward::mqtt",
                "the broker now allows less than the messages under way need; they are sent anew and may arrive twice"
            );
            ledger.forget_session()?;
            return Ok(false);
        }
        if u8::from(limits.qos) < u8::from(Qos::ExactlyOnce) {
            warn!(
                target: "doorward::mqtt",
                "the broker supports no more than QoS {}; messages of a higher one are sent with that",
                u8::from(limits.qos)
            );
        }
        ledger.announce(&self.config.wire.availability(Availability::Online))?;
        drop(ledger);
        self.connected.replace(Some(now));
        self.reporter
            .borrow_mut()
            .connected(&self.config.endpoint.to_string(), session_present);
        self.progress.notify_one();
        Ok(true)
    }

    /// Asks for our topics, also in a session that had them: the configuration may have changed.
    fn subscribe<C: Client>(&self, client: &C) {
        let topics = self.topics();
        if !topics.is_empty() && client.subscribe(&topics).is_err() {
            let names: Vec<_> = topics.iter().map(|wanted| wanted.topic.as_str()).collect();
            let topics = names.join(", ");
            self.reporter
                .borrow_mut()
                .unsubscribed(&topics, "not valid in MQTT");
        }
    }

    fn topics(&self) -> Vec<Subscription> {
        let mut topics = self.config.subscriptions.clone();
        if self.session.lock().wants_version() {
            topics.push(Subscription {
                topic: version::TOPIC.to_owned(),
                qos: Qos::AtMostOnce,
            });
        }
        topics
    }

    /// Takes in what the client saw.
    fn take(&self, seen: Seen) {
        let now = self.session.now().tick;
        let outcome = match seen {
            Seen::Acknowledged { pkid, code } => self.session.lock().acknowledged(pkid, code, now),
            Seen::Received { pkid, code } => {
                self.progress.notify_one();
                self.session.lock().received(pkid, code, now)
            }
            Seen::Completed { pkid } => self.session.lock().completed(pkid, now),
            Seen::SentAtMostOnce => self.session.lock().sent_at_most_once(now),
            Seen::Subscribed(answers) => {
                self.subscribed(answers);
                None
            }
            Seen::Message(message) => {
                self.hand_out(message);
                None
            }
            Seen::Accepted { .. } | Seen::Other => None,
        };
        if let Some(outcome) = outcome {
            self.report(outcome);
            self.progress.notify_one();
        }
    }

    fn subscribed(&self, answers: Vec<Option<String>>) {
        for (wanted, refused) in self.topics().iter().zip(answers) {
            let topic = &wanted.topic;
            match refused {
                Some(reason) if topic == version::TOPIC => {
                    debug!(target: "doorward::mqtt", reason, "the broker does not tell its version");
                }
                Some(reason) => self.reporter.borrow_mut().unsubscribed(topic, &reason),
                None => {}
            }
        }
    }

    /// Only what is asked for now: the broker's session may have topics of an earlier
    /// configuration.
    fn hand_out(&self, message: Incoming) {
        let topic = &message.topic;
        let mut wanted = self.config.subscriptions.iter();
        if wanted.any(|wanted| wanted.topic == *topic) {
            self.reporter.borrow_mut().received(message);
        } else if version::is_told_on(&message.topic) {
            self.version_told(&message.payload);
        } else {
            debug!(target: "doorward::mqtt", topic = message.topic, "not asked for (any more)");
        }
    }

    fn version_told(&self, version: &[u8]) {
        let Some(drops) = version::drops_repetitions(version) else {
            return;
        };
        match self.session.lock().told(drops) {
            Ok(true) => info!(
                target: "doorward::mqtt",
                version = %String::from_utf8_lossy(version),
                "this broker drops a message that says it is a repetition when it has not seen the first copy; repetitions do not say so from now on"
            ),
            Ok(false) => {}
            // Told again within a minute.
            Err(error) => {
                debug!(target: "doorward::mqtt", "the broker's version is not recorded yet: {error}")
            }
        }
    }

    pub(super) fn report(&self, outcome: Outcome) {
        self.reporter.borrow_mut().ended(outcome);
    }

    /// DISCONNECT, so that the broker does not publish the will. Answers that still come in
    /// are taken.
    async fn goodbye<C: Client, P: Poller>(&self, client: &C, poller: &mut P) {
        if !client.disconnect() {
            return;
        }
        let farewell = async {
            while let Ok(seen) = poller.poll().await {
                self.take(seen);
            }
        };
        if tokio::time::timeout(GOODBYE, farewell).await.is_ok() {
            info!(target: "doorward::mqtt", "disconnected");
        }
    }
}
