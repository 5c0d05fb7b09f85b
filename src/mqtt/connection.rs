//! One connection, from CONNECT to its end.
//!
//! A client is built from the outbox, used until the first error, and dropped: nothing of it
//! survives into the next connection. Two futures run side by side on the pump's thread and
//! neither is ever cancelled while the connection lives, since a cancelled write could leave a
//! packet unsent that is recorded as sent: the client's event loop, and the feeder.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tracing::{debug, info, warn};

use super::dialect::{Client, Poller, Seen, Start, v4, v5};
use super::failure::{Circumstances, LinkError};
use super::feeder::Feeder;
use super::inquiry::{Inquiry, Step};
use super::ledger::{End as Fate, Limits, Outcome};
use super::pump::{Incoming, Stop};
use super::report::Reporter;
use super::session::Shared;
use super::settings::{PumpConfig, Subscription};
use super::takeover::Takeovers;
use super::version;
use crate::clock::Tick;
use crate::config::Protocol;
use crate::event::wire::{Availability, Qos};

/// How long the goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);
/// How long further answers are waited for after one that makes no sense: they show whether the broker
/// answers all of them so.
const SETTLE: Duration = Duration::from_millis(200);

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
    /// Other clients with our client id.
    pub takeovers: Takeovers,
}

/// How a connection ended.
pub(super) struct End {
    pub ended: Ended,
    /// What is known about it beside its error.
    pub circumstances: Circumstances,
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
                    circumstances: Circumstances::new(self.config.protocol),
                };
            }
        };
        let start = match (resumable, self.config.protocol, self.cleared) {
            (true, ..) => Start::Resume,
            (false, Protocol::V311, false) => Start::Clear,
            (false, ..) => Start::Fresh,
        };
        let one_by_one = self.one_by_one;
        let (config, session) = (&self.config, &self.session);
        let mut end = match self.config.protocol {
            Protocol::V5 => {
                let (client, poller) = v5::open(config, session, start, one_by_one);
                self.serve(client, poller, start).await
            }
            Protocol::V311 => {
                let (client, poller) = v4::open(config, session, start, one_by_one);
                self.serve(client, poller, start).await
            }
        };
        if let Ended::Failed(error) = &end.ended {
            if end.circumstances.lived.is_some() {
                let unheard = self.session.lock().unheard();
                end.circumstances.unread = unheard && !one_by_one;
                self.one_by_one = unheard;
            }
            self.learn(error, &end.circumstances);
        }
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
            refused: Cell::new(false),
            subscribing: RefCell::default(),
            inquiry: RefCell::default(),
            takeovers: RefCell::new(&mut self.takeovers),
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
            ended = feeder.run() => ended,
            ended = feeder.run_down(&mut self.stopping) => ended,
            () = self.config.watched.renewed() => Ended::Rebuild,
        };
        let circumstances = live.circumstances();
        let polite = !matches!(ended, Ended::Failed(_)) && live.accepted.get();
        if polite && !matches!(*self.stopping.borrow(), Stop::Now) {
            live.goodbye(&client, &mut poller).await;
        }
        End {
            ended,
            circumstances,
        }
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
    /// The broker has refused a message.
    refused: Cell<bool>,
    /// What was subscribed to, a packet each, without an answer.
    subscribing: RefCell<VecDeque<Vec<Subscription>>>,
    inquiry: RefCell<Inquiry>,
    takeovers: RefCell<&'a mut Takeovers>,
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
            let mistaken = self.session.lock().mistaken();
            if let Some(pkid) = mistaken {
                let more = async {
                    while let Ok(seen) = poller.poll().await {
                        self.take(seen);
                    }
                };
                let _ = tokio::time::timeout(SETTLE, more).await;
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
        let now = self.session.now();
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
        let shortcoming = ledger.lowered().then(|| shortcoming(self.config.protocol));
        drop(ledger);
        let granted = limits.session_expiry_s;
        if let Some(granted) = granted.filter(|granted| *granted < self.config.session_expiry_s) {
            warn!(
                target: "doorward::mqtt",
                granted_s = granted,
                asked_s = self.config.session_expiry_s,
                "the broker keeps our session for a shorter time than mqtt.session_expiry_s: after a longer absence messages that were under way may arrive twice, and commands sent meanwhile are lost"
            );
        }
        let kept = match self.config.protocol {
            Protocol::V5 => Some(granted.unwrap_or(self.config.session_expiry_s)),
            Protocol::V311 => None,
        };
        self.connected.replace(Some(now.tick));
        self.reporter.borrow_mut().connected(
            &self.config.endpoint.to_string(),
            session_present,
            shortcoming,
            kept,
        );
        self.progress.notify_one();
        Ok(true)
    }

    /// Asks for our topics, also in a session that had them: the configuration may have changed.
    fn subscribe<C: Client>(&self, client: &C) {
        let topics = self.config.subscriptions.clone();
        if topics.is_empty() {
            return;
        }
        if client.subscribe(&topics).is_err() {
            let names: Vec<_> = topics.iter().map(|wanted| wanted.topic.as_str()).collect();
            let topics = names.join(", ");
            self.reporter
                .borrow_mut()
                .unsubscribed(&topics, "not valid in MQTT");
            return;
        }
        self.subscribing.borrow_mut().push_back(topics);
    }

    /// Twice a second, while the connection lives: the question for the broker's version, and whether
    /// there has been no other client for long enough.
    pub(super) fn look_about<C: Client>(&self, client: &C) {
        let Some(since) = *self.connected.borrow() else {
            return;
        };
        let now = self.session.now().tick;
        if self.takeovers.borrow_mut().is_over(now) {
            self.reporter.borrow_mut().undisturbed();
        }
        let (wanted, idle) = {
            let ledger = self.session.lock();
            (ledger.wants_version(), ledger.outstanding() == 0)
        };
        let idle = idle && self.subscribing.borrow().is_empty();
        match self.inquiry.borrow_mut().step(wanted, idle, since, now) {
            Some(Step::Ask) => {
                let question = vec![Subscription {
                    topic: version::TOPIC.to_owned(),
                    qos: Qos::AtMostOnce,
                }];
                if client.subscribe(&question).is_ok() {
                    self.subscribing.borrow_mut().push_back(question);
                }
            }
            Some(Step::TakeBack) => {
                let _ = client.unsubscribe(version::TOPIC);
            }
            None => {}
        }
    }

    /// What is known about the end of this connection, when it ends now.
    fn circumstances(&self) -> Circumstances {
        let now = self.session.now().tick;
        Circumstances {
            lived: self.connected.borrow().map(|since| now.since(since)),
            version_asked: self.inquiry.borrow().is_open(),
            refused: self.refused.get(),
            unanswered: self.session.lock().unanswered_topics(),
            ..Circumstances::new(self.config.protocol)
        }
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
        let wanted = self.subscribing.borrow_mut().pop_front();
        for (wanted, refused) in wanted.unwrap_or_default().iter().zip(answers) {
            if wanted.topic == version::TOPIC {
                self.inquiry.borrow_mut().answered();
            }
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
        } else if let Some(node) = version::node_of(&message.topic) {
            self.inquiry.borrow_mut().heard();
            // With MQTT 5 what was kept from before is not asked for, and the flag is the sender's.
            let live = self.config.protocol == Protocol::V5 || !message.retain;
            self.version_told(node, &message.payload, live);
        } else {
            debug!(target: "doorward::mqtt", topic = message.topic, "not asked for (any more)");
        }
    }

    fn version_told(&self, node: &str, version: &[u8], live: bool) {
        let Some(drops) = version::drops_repetitions(version) else {
            return;
        };
        match self.session.lock().told(node, drops, live) {
            Ok(true) => info!(
                target: "doorward::mqtt",
                version = %String::from_utf8_lossy(version),
                "this broker drops a message that says it is a repetition when it has not seen the first copy; repetitions do not say so"
            ),
            Ok(false) => {}
            // Told again within a minute.
            Err(error) => {
                debug!(target: "doorward::mqtt", "the broker's version is not recorded yet: {error}")
            }
        }
    }

    pub(super) fn report(&self, outcome: Outcome) {
        if !matches!(outcome.end, Fate::Delivered) {
            self.refused.set(true);
        }
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

/// What a broker that does no QoS 2 means, and the way out.
fn shortcoming(protocol: Protocol) -> String {
    let way_out = match protocol {
        Protocol::V311 => {
            "if the broker speaks MQTT 5, set mqtt.protocol = \"5\", with which it says what it can do; or lower [mqtt.qos]"
        }
        Protocol::V5 => "use a broker that does, or lower [mqtt.qos]",
    };
    format!(
        "the broker was seen not to do QoS 2, so messages of QoS 2 go at QoS 1 and may arrive twice, where consumers compare the id; {way_out}. It is tried again once a day"
    )
}
