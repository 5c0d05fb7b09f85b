//! What the end of a connection says about the broker, and what follows for the session.

use std::time::Duration;

use tracing::{debug, info, warn};

use super::connection::Link;
use super::dial::dial;
use super::failure::{Circumstances, LinkError, is_refusal};
use crate::config::Protocol;

/// How long a broker that has closed a connection is given to show that it is still there.
const KNOCK: Duration = Duration::from_secs(1);

impl Link {
    /// Takes note of an end. Never changes what is on record about messages.
    pub(super) fn learn(&mut self, error: &LinkError, circumstances: &Circumstances) {
        let now = self.session.now().tick;
        if circumstances.refused || error.is_connection_refused() {
            self.takeovers.explained();
        }
        let mut ledger = self.session.lock();
        if circumstances.lived.is_some() && error.is_the_broker_s_doing() {
            ledger.round_ended(now);
        }
        if circumstances.version_asked {
            info!(target: "doorward::mqtt", "the connection ended on the question for the broker's version; it is not asked again");
            if let Err(error) = ledger.stop_asking() {
                debug!(target: "doorward::mqtt", "that is not recorded yet: {error}");
            }
        }
    }

    /// Whether another client has taken our place, by the broker's word or by what is likely. Then
    /// nothing of the session is to be believed.
    pub(super) async fn taken_over(
        &mut self,
        error: &LinkError,
        circumstances: &Circumstances,
    ) -> bool {
        let told = error.is_takeover();
        let closed = !told && self.is_wordless(error, circumstances) && self.is_there().await;
        let now = self.session.now().tick;
        let (client, broker) = (&self.config.client_id, &self.config.endpoint);
        let could_tell = circumstances.protocol == Protocol::V5;
        let detail = if told {
            self.takeovers.told(now);
            format!(
                "another client connected to the broker {broker} with this door's client id ({client}) and took its place; what was under way is sent again, marked as possibly double. Bind client ids to user names at the broker (docs/brokers.md), and give every door its own mqtt.client_id"
            )
        } else if closed && self.takeovers.closed(now, could_tell) {
            format!(
                "the broker {broker} has closed a healthy connection without a word: another client may be using this door's client id ({client}), or the broker hangs up over something that it does not allow; what was under way is sent again, marked as possibly double where MQTT has a place for that. Bind client ids to user names at the broker, and look into its log"
            )
        } else {
            return false;
        };
        self.reporter.taken_over(detail);
        true
    }

    /// Whether the broker itself has closed a connection that it had accepted, and nothing but another
    /// client explains it. Without TLS anybody on the way could have.
    fn is_wordless(&self, error: &LinkError, circumstances: &Circumstances) -> bool {
        let explained =
            circumstances.refused || circumstances.unread || circumstances.version_asked;
        let healthy = circumstances.lived.is_some() && self.config.endpoint.tls.is_some();
        error.is_closed() && healthy && !explained
    }

    /// Whether the broker still listens, at once: one that has given our place to another does, one that
    /// is being stopped has stopped listening before it let anybody go.
    async fn is_there(&mut self) -> bool {
        let endpoint = &self.config.endpoint;
        let knocked = tokio::time::timeout(KNOCK, dial(endpoint.host.clone(), endpoint.port)).await;
        let gone = matches!(knocked, Ok(Err(error)) if is_refusal(&error));
        if gone {
            self.takeovers.explained();
        }
        !gone
    }

    /// Gives up the session with a broker that cannot do QoS 2, or that never finishes what it began.
    pub(super) fn lower_what_is_too_much(&mut self) {
        let now = self.session.now();
        let long = self.config.retry.longest;
        let given_up = self
            .session
            .lock()
            .give_up_on_qos_2((now.tick, now.wall), long);
        match given_up {
            Ok(Some(what)) => warn!(
                target: "doorward::mqtt",
                "the broker {} is not waited for any longer: {what}. What was under way is sent again and may arrive twice",
                self.config.endpoint
            ),
            Ok(None) => {}
            Err(error) => {
                warn!(target: "doorward::mqtt", "the session cannot be given up yet: {error}");
            }
        }
    }
}
