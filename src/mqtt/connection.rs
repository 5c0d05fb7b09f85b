//! One connection, from CONNECT to its end.
//!
//! A client is built from the outbox, used until the first error, and dropped: nothing of it
//! survives into the next connection. Two futures run side by side on the pump's thread and
//! neither is ever cancelled while the connection lives, since a cancelled write could leave a
//! packet unsent that is recorded as sent: the client's event loop, and the feeder.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rumqttc::{
    AsyncClient, ConnAck, Event, EventLoop, LastWill, MqttOptions, Outgoing, Packet,
    TlsConfiguration, Transport,
};
use tokio::sync::{Notify, watch};
use tracing::{debug, info, warn};

use super::failure::LinkError;
use super::feeder::Feeder;
use super::ledger::{Limits, Outcome};
use super::message;
use super::pump::Stop;
use super::report::Reporter;
use super::session::Shared;
use super::settings::PumpConfig;
use crate::event::wire::{Availability, Qos};

/// Packet ids in use, at most. Fixed, because the client refuses to resume a session that was
/// made under another number; `mqtt.inflight` (never more than this) is kept by the feeder.
const PACKET_IDS: u16 = 50;
/// Room in the client's queue: never fuller than the packet ids allow.
const CLIENT_QUEUE: usize = PACKET_IDS as usize * 2;
/// How long the broker may take from the TCP connection to CONNACK.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// Everything that outlives one connection.
pub(super) struct Link {
    pub config: PumpConfig,
    pub session: Shared,
    pub reporter: Reporter,
    pub wake: Arc<Notify>,
    pub stopping: watch::Receiver<Stop>,
}

/// How a connection ended.
pub(super) struct End {
    pub ended: Ended,
    /// Since when the broker had accepted it, if it did.
    pub connected: Option<Instant>,
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
        let resumable = match self.session.lock().begin(&self.config.client_id) {
            Ok(resumable) => resumable,
            Err(error) => {
                return End {
                    ended: Ended::Failed(error.into()),
                    connected: None,
                };
            }
        };
        let (client, mut eventloop) = AsyncClient::builder(self.options(resumable))
            .capacity(CLIENT_QUEUE)
            .build();

        let live = Live {
            config: &self.config,
            session: &self.session,
            reporter: RefCell::new(&mut self.reporter),
            progress: Notify::new(),
            connected: RefCell::new(None),
        };
        let feeder = Feeder {
            live: &live,
            client: &client,
            wake: &self.wake,
        };
        let ended = tokio::select! {
            ended = live.drive(&mut eventloop) => ended,
            error = feeder.run() => Ended::Failed(error),
            ended = feeder.run_down(&mut self.stopping) => ended,
            () = self.config.watched.renewed() => Ended::Rebuild,
        };
        let connected = *live.connected.borrow();
        let polite = !matches!(ended, Ended::Failed(_)) && connected.is_some();
        if polite && !matches!(*self.stopping.borrow(), Stop::Now) {
            live.goodbye(&client, &mut eventloop).await;
        }
        End { ended, connected }
    }

    fn options(&self, resumable: bool) -> MqttOptions {
        let config = &self.config;
        let endpoint = &config.endpoint;
        let mut options = MqttOptions::new(
            config.client_id.clone(),
            (endpoint.host.clone(), endpoint.port),
        );
        if let Some(tls) = &endpoint.tls {
            let tls = TlsConfiguration::Rustls(Arc::clone(&tls.config));
            options.set_transport(Transport::tls_with_config(tls));
        }
        let (host, port) = (endpoint.host.clone(), endpoint.port);
        options.set_socket_connector(move |_, _| super::dial::dial(host.clone(), port));
        match &config.credentials {
            Some((username, Some(password))) => {
                options.set_credentials(username.clone(), password.clone());
            }
            Some((username, None)) => {
                options.set_username(username.clone());
            }
            None => {}
        }
        let will = config.wire.availability(Availability::Offline);
        options
            .set_last_will(LastWill::new(
                will.topic,
                will.payload,
                message::qos(will.qos),
                will.retain,
                None,
            ))
            .set_clean_start(!resumable)
            .set_session_expiry_interval(Some(config.session_expiry_s))
            .set_max_packet_size(Some(config.max_packet_bytes))
            .set_outgoing_inflight_upper_limit(PACKET_IDS)
            .set_max_request_batch(PACKET_IDS.into())
            .set_connect_timeout(CONNECT_TIMEOUT)
            .set_session_store_arc(Arc::new(self.session.clone()));
        let keep_alive = u16::try_from(config.keep_alive.as_secs()).unwrap_or(u16::MAX);
        options.set_keep_alive(keep_alive);
        options
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
    pub connected: RefCell<Option<Instant>>,
}

impl Live<'_> {
    /// Runs the client. Every answer is taken in before the client may act on the next
    /// request, so that a packet id is never given out again while the ledger still has it.
    async fn drive(&self, eventloop: &mut EventLoop) -> Ended {
        loop {
            let event = match eventloop.poll().await {
                Ok(event) => event,
                Err(error) => return Ended::Failed(error.into()),
            };
            if let Event::Incoming(Packet::ConnAck(connack)) = &event {
                // The first connection was a clean one, to have a session at all; from here on
                // it is kept like any other.
                eventloop.options.set_clean_start(false);
                match self.accepted(connack) {
                    Ok(true) => {}
                    Ok(false) => return Ended::Rebuild,
                    Err(error) => return Ended::Failed(error),
                }
            }
            self.take(event);
            if self.session.lock().needs_rebuild() {
                debug!(target: "doorward::mqtt", "the broker holds messages that await their release; connecting again to release them");
                return Ended::Rebuild;
            }
        }
    }

    /// The broker accepted the connection. False when the stored session cannot be resumed
    /// within what it allows now.
    fn accepted(&self, connack: &ConnAck) -> Result<bool, LinkError> {
        let limits = self.limits(connack);
        let mut ledger = self.session.lock();
        if !ledger.admit(limits) {
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
        self.connected.replace(Some(Instant::now()));
        self.reporter
            .borrow_mut()
            .connected(&self.config.endpoint.to_string(), connack.session_present);
        self.progress.notify_one();
        Ok(true)
    }

    fn limits(&self, connack: &ConnAck) -> Limits {
        let properties = connack.properties.as_ref();
        let highest_pkid = properties
            .and_then(|properties| properties.receive_max)
            .map_or(PACKET_IDS, |max| max.min(PACKET_IDS));
        let packet_bytes = properties
            .and_then(|properties| properties.max_packet_size)
            .map_or(self.config.max_packet_bytes, |max| {
                max.min(self.config.max_packet_bytes)
            });
        Limits {
            window: usize::from(self.config.inflight.min(highest_pkid)),
            highest_pkid,
            packet_bytes: usize::try_from(packet_bytes).unwrap_or(usize::MAX),
            qos: match properties.and_then(|properties| properties.max_qos) {
                Some(0) => Qos::AtMostOnce,
                Some(1) => Qos::AtLeastOnce,
                _ => Qos::ExactlyOnce,
            },
            retain: properties.and_then(|properties| properties.retain_available) != Some(0),
        }
    }

    /// Takes in what the client saw.
    fn take(&self, event: Event) {
        let outcome = {
            let mut ledger = self.session.lock();
            match event {
                Event::Incoming(Packet::PubAck(ack)) => ledger.acknowledged(ack.pkid, ack.reason),
                Event::Incoming(Packet::PubRec(ack)) => {
                    let outcome = ledger.received(ack.pkid, ack.reason);
                    self.progress.notify_one();
                    outcome
                }
                Event::Incoming(Packet::PubComp(ack)) => ledger.completed(ack.pkid),
                Event::Outgoing(Outgoing::Publish(0)) => ledger.sent_at_most_once(),
                _ => None,
            }
        };
        if let Some(outcome) = outcome {
            self.report(outcome);
            self.progress.notify_one();
        }
    }

    pub(super) fn report(&self, outcome: Outcome) {
        self.reporter.borrow_mut().ended(outcome);
    }

    /// DISCONNECT, so that the broker does not publish the will. Answers that still come in
    /// are taken.
    async fn goodbye(&self, client: &AsyncClient, eventloop: &mut EventLoop) {
        if client.try_disconnect_now().is_err() {
            return;
        }
        let farewell = async {
            while let Ok(event) = eventloop.poll().await {
                self.take(event);
            }
        };
        if tokio::time::timeout(GOODBYE, farewell).await.is_ok() {
            info!(target: "doorward::mqtt", "disconnected");
        }
    }
}
