//! How the emulated broker is, and what it does to a packet.

use std::collections::BTreeMap;
use std::time::Duration;

use doorward::config::Protocol;
use rumqttc::mqttbytes::v5::ConnectReturnCode;

use super::State;
use super::wire::{Allowance, Incoming, Message, Outgoing};

/// How the broker is. The default keeps the specification, delivers a message of QoS 2 when it is
/// released, and keeps every session.
pub struct Conduct {
    /// What it says to CONNECT instead of welcome.
    pub refuses: Option<ConnectReturnCode>,
    pub allowance: Allowance,
    /// What it claims about the session, whatever it has.
    pub claims_session: Option<bool>,
    /// Whether the session outlives the connection.
    pub keeps_session: bool,
    /// EMQX: a message of QoS 2 counts when it comes, not when it is released.
    pub delivers_at_once: bool,
    /// EMQX with MQTT 5: a message whose id awaits its release is answered 0x91.
    pub held_is_in_use: bool,
    /// EMQX from 6.2.0: a message of QoS 2 marked DUP whose id it does not know is acknowledged, and dropped.
    pub drops_unseen_dup: bool,
    /// How many messages may await their release; one more ends the connection with 0x93.
    pub most_awaiting: usize,
    /// EMQX: the version that its node tells, retained, each time that `minute` has passed; the one
    /// from before is kept until then.
    pub version: Option<String>,
    pub kept_version: Option<String>,
    pub minute: Duration,
    /// What follows from a question for `$SYS`.
    pub sys: Sys,
    /// RabbitMQ with MQTT 3.1.1: a message of QoS 2 is delivered and answered like one of QoS 1.
    pub knows_no_qos_2: bool,
    /// rumqttd: a release of something that does not await one ends the connection.
    pub hangs_up_on_unknown_release: bool,
    pub script: Box<dyn FnMut(&Seen<'_>) -> Act + Send>,
}

impl Default for Conduct {
    fn default() -> Self {
        Self {
            refuses: None,
            allowance: Allowance::default(),
            claims_session: None,
            keeps_session: true,
            delivers_at_once: false,
            held_is_in_use: false,
            drops_unseen_dup: false,
            most_awaiting: usize::MAX,
            version: None,
            kept_version: None,
            minute: Duration::from_secs(60),
            sys: Sys::Granted,
            knows_no_qos_2: false,
            hangs_up_on_unknown_release: false,
            script: Box::new(|_| Act::proper()),
        }
    }
}

impl Conduct {
    /// As EMQX was seen to be.
    pub fn emqx(&mut self) {
        self.delivers_at_once = true;
        self.held_is_in_use = true;
        self.most_awaiting = 100;
    }
}

/// What becomes of a subscription to `$SYS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sys {
    Granted,
    Denied,
    /// The connection ends over it.
    Fatal,
}

/// Where an EMQX node tells its version.
pub const VERSION_TOPIC: &str = "$SYS/brokers/emqx@127.0.0.1/version";

/// What a node tells; the flag is on what is kept as on what is told live.
pub(super) fn version_told(version: &str) -> Outgoing {
    Outgoing::Publish(Message {
        topic: VERSION_TOPIC.to_owned(),
        payload: version.as_bytes().to_vec(),
        retain: true,
        ..Message::default()
    })
}

/// A packet as the script sees it.
pub struct Seen<'a> {
    pub packet: &'a Incoming,
    /// Number of the connection, from 1.
    pub connection: usize,
    /// Whether the packet's id awaits its release.
    pub held: bool,
}

impl Seen<'_> {
    /// The message, if it is an event that is published.
    pub fn event(&self) -> Option<&Message> {
        match self.packet {
            Incoming::Publish(message) if message.topic.contains("/event/") => Some(message),
            _ => None,
        }
    }
}

/// What happens to one packet.
pub struct Act {
    /// Whether it has its effect.
    pub(super) take: bool,
    /// What is answered instead of what is proper.
    pub(super) answers: Option<Vec<Outgoing>>,
    /// Whether the connection ends then.
    pub(super) close: bool,
}

impl Act {
    /// As the conduct says.
    pub fn proper() -> Self {
        Self {
            take: true,
            answers: None,
            close: false,
        }
    }

    /// As if it had never come.
    pub fn ignore() -> Self {
        Self::answer(Vec::new())
    }

    /// This instead, and the packet has no effect.
    pub fn answer(answers: Vec<Outgoing>) -> Self {
        Self {
            take: false,
            answers: Some(answers),
            close: false,
        }
    }

    /// Refused with a reason code of MQTT 5; everything but a message gets its proper answer.
    pub fn refuse(packet: &Incoming, reason: u8) -> Self {
        match packet {
            Incoming::Publish(Message { pkid, qos: 1, .. }) => {
                Self::answer(vec![Outgoing::PubAck(*pkid, reason)])
            }
            Incoming::Publish(Message { pkid, qos: 2, .. }) => {
                Self::answer(vec![Outgoing::PubRec(*pkid, reason)])
            }
            _ => Self::proper(),
        }
    }

    /// The connection ends with this reason.
    pub fn disconnect(reason: u8) -> Self {
        Self::answer(vec![Outgoing::Disconnect(reason)]).and_close()
    }

    /// And nothing is answered.
    pub fn without_answer(self) -> Self {
        Self {
            answers: Some(Vec::new()),
            ..self
        }
    }

    /// And then the connection ends.
    pub fn and_close(self) -> Self {
        Self {
            close: true,
            ..self
        }
    }
}

/// Lets a packet have its effect; what is proper to answer, and whether the connection ends.
pub(super) fn take(state: &mut State, packet: &Incoming) -> (Vec<Outgoing>, bool) {
    match packet {
        Incoming::Connect { clean, .. } => connect(state, *clean),
        Incoming::Publish(message) => publish(state, message),
        Incoming::Release(pkid) => {
            let held = state.session.get_or_insert_default().remove(pkid);
            if held.is_none() && state.conduct.hangs_up_on_unknown_release {
                return (Vec::new(), true);
            }
            let reason = if held.is_some() { 0x00 } else { 0x92 };
            state.delivered.extend(held.flatten());
            (vec![Outgoing::PubComp(*pkid, reason)], false)
        }
        Incoming::Subscribe {
            pkid,
            filters,
            kept,
        } => {
            let sys = filters.iter().any(|filter| filter.starts_with("$SYS"));
            match state.conduct.sys {
                Sys::Denied if sys => {
                    return (vec![Outgoing::SubRefused(*pkid, filters.len())], false);
                }
                Sys::Fatal if sys => return (Vec::new(), true),
                _ => {}
            }
            state.subscriptions.extend(filters.iter().cloned());
            let mut answers = vec![Outgoing::SubAck(*pkid, filters.len())];
            if sys && *kept {
                let kept = state.conduct.kept_version.as_deref();
                answers.extend(kept.map(version_told));
            }
            (answers, false)
        }
        Incoming::Unsubscribe { pkid, filters } => {
            state.subscriptions.retain(|known| !filters.contains(known));
            (vec![Outgoing::UnsubAck(*pkid, filters.len())], false)
        }
        Incoming::Acknowledge => (Vec::new(), false),
        Incoming::Ping => (vec![Outgoing::PingResp], false),
        Incoming::Disconnect => (Vec::new(), true),
    }
}

fn connect(state: &mut State, clean: bool) -> (Vec<Outgoing>, bool) {
    let conduct = &state.conduct;
    if clean || state.passing || !conduct.keeps_session {
        state.session = None;
        state.subscriptions.clear();
    }
    // In 3.1.1 a clean session ends with its connection; in 5 it is an ordinary one made anew.
    state.passing = clean && state.protocol == Some(Protocol::V311);
    let session_present = conduct.claims_session.unwrap_or(state.session.is_some());
    let refused = conduct.refuses;
    let answer = Outgoing::ConnAck {
        session_present: session_present && refused.is_none(),
        refused,
        allowance: conduct.allowance.clone(),
    };
    if refused.is_none() {
        state.session.get_or_insert_default();
    }
    (vec![answer], refused.is_some())
}

fn publish(state: &mut State, message: &Message) -> (Vec<Outgoing>, bool) {
    let pkid = message.pkid;
    match message.qos {
        0 => {
            state.delivered.push(message.clone());
            (Vec::new(), false)
        }
        1 => {
            state.delivered.push(message.clone());
            (vec![Outgoing::PubAck(pkid, 0)], false)
        }
        _ if state.conduct.knows_no_qos_2 => {
            state.delivered.push(message.clone());
            (vec![Outgoing::PubAck(pkid, 0)], false)
        }
        _ => {
            let awaiting: &mut BTreeMap<_, _> = state.session.get_or_insert_default();
            if awaiting.contains_key(&pkid) {
                let in_use = if state.conduct.held_is_in_use {
                    0x91
                } else {
                    0
                };
                return (vec![Outgoing::PubRec(pkid, in_use)], false);
            }
            if awaiting.len() >= state.conduct.most_awaiting {
                return (vec![Outgoing::Disconnect(0x93)], true);
            }
            let dropped = message.dup && state.conduct.drops_unseen_dup;
            let counted = dropped || state.conduct.delivers_at_once;
            awaiting.insert(pkid, (!counted).then(|| message.clone()));
            state.most_awaiting = state.most_awaiting.max(awaiting.len());
            if counted && !dropped {
                state.delivered.push(message.clone());
            }
            (vec![Outgoing::PubRec(pkid, 0)], false)
        }
    }
}
