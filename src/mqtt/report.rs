//! What the pump says: events to the service, lines to the log.
//!
//! The same failure every few seconds is one piece of news: it is a warning once, then debug,
//! and the recovery says how often it happened. Payloads are never logged.

use std::collections::HashSet;
use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::failure::Failure;
use super::ledger::{End, Outcome};
use super::pump::{Incoming, PumpEvent};

/// Speaks for one pump.
pub(super) struct Reporter {
    on_event: Box<dyn FnMut(PumpEvent) + Send>,
    /// The failure that was last warned of, and how many attempts failed since the last connection.
    last: Option<Failure>,
    failures: u64,
    /// Refusals already reported as errors on this connection: topic and reason.
    refusals: HashSet<(String, String)>,
}

impl Reporter {
    pub(super) fn new(on_event: Box<dyn FnMut(PumpEvent) + Send>) -> Self {
        Self {
            on_event,
            last: None,
            failures: 0,
            refusals: HashSet::new(),
        }
    }

    pub(super) fn connected(
        &mut self,
        broker: &str,
        session_present: bool,
        shortcoming: Option<String>,
        session_expiry_s: Option<u32>,
    ) {
        let failures = std::mem::take(&mut self.failures);
        self.last = None;
        self.refusals.clear();
        if failures == 0 {
            info!(target: "doorward::mqtt", broker, session_present, "connected");
        } else {
            info!(target: "doorward::mqtt", broker, session_present, failures, "connected again");
        }
        if let Some(shortcoming) = &shortcoming {
            warn!(target: "doorward::mqtt", "{shortcoming}");
        }
        (self.on_event)(PumpEvent::Connected {
            session_present,
            shortcoming,
            session_expiry_s,
        });
    }

    pub(super) fn taken_over(&mut self, detail: String) {
        warn!(target: "doorward::mqtt", "{detail}");
        (self.on_event)(PumpEvent::TakenOver { detail });
    }

    pub(super) fn undisturbed(&mut self) {
        info!(target: "doorward::mqtt", "no other client has taken our place for an hour");
        (self.on_event)(PumpEvent::Undisturbed);
    }

    /// `detail` is the library's own words.
    pub(super) fn disconnected(&mut self, failure: Failure, detail: &str, wait: Duration) {
        self.failures += 1;
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        if self.last.as_ref() == Some(&failure) {
            debug!(target: "doorward::mqtt", failures = self.failures, wait_ms, detail, "still: {failure}");
        } else {
            warn!(target: "doorward::mqtt", wait_ms, "{failure}");
            debug!(target: "doorward::mqtt", detail, "the library's words");
            self.last = Some(failure.clone());
        }
        (self.on_event)(PumpEvent::Disconnected { error: failure });
    }

    /// A subscription the broker did not grant: what comes there is not heard.
    pub(super) fn unsubscribed(&mut self, topic: &str, reason: &str) {
        if self.refusals.insert((topic.to_owned(), reason.to_owned())) {
            error!(target: "doorward::mqtt", topic, reason, "the broker refuses the subscription, so nothing is heard on this topic; give this client the right to subscribe to it");
        }
    }

    pub(super) fn received(&mut self, message: Incoming) {
        debug!(target: "doorward::mqtt", topic = message.topic, bytes = message.payload.len(), retain = message.retain, "received");
        (self.on_event)(PumpEvent::Received(message));
    }

    pub(super) fn ended(&mut self, outcome: Outcome) {
        let Outcome {
            seq,
            event_id,
            topic,
            qos,
            pkid,
            end,
        } = outcome;
        let event = match end {
            End::Delivered => {
                let id = event_id.map(tracing::field::display);
                debug!(target: "doorward::mqtt", event_id = id, topic, qos = u8::from(qos), seq, pkid, "delivered");
                PumpEvent::Delivered {
                    seq,
                    event_id,
                    topic,
                    qos,
                }
            }
            End::Refused(reason) => {
                if self.refusals.insert((topic.clone(), reason.clone())) {
                    error!(target: "doorward::mqtt", seq, topic, reason, "a message was refused and is set aside");
                } else {
                    debug!(target: "doorward::mqtt", seq, topic, reason, "refused again");
                }
                PumpEvent::Rejected {
                    seq,
                    event_id,
                    topic,
                    reason,
                }
            }
            End::Postponed { reason, pause } => {
                let pause_s = pause.as_secs();
                if self.refusals.insert((topic.clone(), reason.clone())) {
                    warn!(target: "doorward::mqtt", seq, topic, reason, pause_s, "the broker does not take a message for now; nothing is sent for a while, then it is sent again");
                } else {
                    debug!(target: "doorward::mqtt", seq, topic, reason, pause_s, "still not taken");
                }
                return;
            }
        };
        (self.on_event)(event);
    }
}
