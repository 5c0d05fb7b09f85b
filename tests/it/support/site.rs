//! One site with the shipped Mosquitto set-up: its CA, its doors, and everybody else who is named
//! in the shipped access rules.

use super::pki::{Identity, Pki};
use super::sender::SOON;
use super::shipped::{Reason, Shipped};
use super::subscriber::{Login, Subscriber};
use super::wait_for;

/// The password user of the shipped access rules.
pub const DASHBOARD: (&str, &str) = ("dashboard", "a long password");

/// Topics below a door's base that the door writes.
pub const WRITTEN: [&str; 10] = [
    "availability",
    "state",
    "event/access",
    "event/door",
    "event/admin",
    "alarm",
    "telemetry",
    "snapshot",
    "checkpoint",
    "command/result",
];

/// Topics below a door's base that others write and the door reads.
pub const COMMANDS: [&str; 2] = ["command", "command/plain/homeassistant"];

/// One site: its CA, its broker, and everybody who has a certificate.
pub struct Site {
    pub pki: Pki,
    pub broker: Shipped,
    pub door: Identity,
    pub other_door: Identity,
    pub operator: Identity,
    pub homeassistant: Identity,
    _folder: tempfile::TempDir,
}

impl Site {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::new(folder.path(), "ca");
        Self {
            broker: Shipped::with_free_ids(&pki, &[DASHBOARD]),
            door: pki.client("home/front"),
            other_door: pki.client("home/back"),
            operator: pki.client("operator"),
            homeassistant: pki.client("homeassistant"),
            pki,
            _folder: folder,
        }
    }

    /// What the broker says when `who` publishes there.
    #[track_caller]
    pub fn publish(&self, who: &Identity, topic: &str) -> Reason {
        self.broker.publish(&self.pki, who, topic, "x")
    }

    /// Subscribes to everything; what arrives is what `who` may read.
    pub fn reader(&self, name: &str, who: &Identity) -> Subscriber {
        let login = Login {
            certificate: Some(who),
            at_most_once: true,
            client_id: Some(name),
            ..Login::default()
        };
        Subscriber::start(self.broker.tls_port, Some(&self.pki), "doorward/#", &login)
    }

    /// One message on every topic of both doors, each from whoever may write there.
    pub fn speak(&self) {
        for (name, door) in [("front", &self.door), ("back", &self.other_door)] {
            for leaf in WRITTEN {
                let reason = self.publish(door, &format!("doorward/home/{name}/{leaf}"));
                assert!(reason.is_taken(), "{name} {leaf} {reason:?}");
            }
            let base = format!("doorward/home/{name}");
            assert!(
                self.publish(&self.operator, &format!("{base}/command"))
                    .is_taken()
            );
            let plain = format!("{base}/command/plain/homeassistant");
            assert!(self.publish(&self.homeassistant, &plain).is_taken());
        }
    }
}

/// Topics of one door that end so.
pub fn of(door: &str, leaves: &[&str]) -> Vec<String> {
    leaves
        .iter()
        .map(|leaf| format!("doorward/home/{door}/{leaf}"))
        .collect()
}

/// Topics of both doors that end so.
pub fn of_both(leaves: &[&str]) -> Vec<String> {
    let mut topics = of("front", leaves);
    topics.extend(of("back", leaves));
    topics
}

/// What a consumer got, once `last` has arrived, sorted.
pub fn topics_until(reader: &Subscriber, last: &str) -> Vec<String> {
    wait_for("the last message", SOON, || {
        reader
            .messages()
            .iter()
            .any(|message| message.topic == last)
    });
    let mut topics: Vec<String> = reader.messages().into_iter().map(|m| m.topic).collect();
    topics.sort();
    topics
}

pub fn sorted(mut topics: Vec<String>) -> Vec<String> {
    topics.sort();
    topics
}
