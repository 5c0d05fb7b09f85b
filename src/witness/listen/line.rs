//! One connection to the broker, in the words of one protocol.

mod v4;
mod v5;

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc::{Receiver, Sender};

use crate::config::Protocol;
use crate::mqtt::{Endpoint, PumpConfig};

/// Largest message: events are far smaller.
const MAX_PACKET: u32 = 1024 * 1024;
/// How long the goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// What a line has to tell.
pub(super) enum Told {
    /// The broker accepted us, and perhaps kept our session.
    Connected {
        /// It did.
        session_present: bool,
    },
    /// It answered the subscription; the first filter that it refused, by its place.
    Subscribed(Option<usize>),
    /// A message came.
    Message(Message),
    /// It is over.
    Lost(String),
}

/// A message that is to be acknowledged.
pub(super) enum Message {
    V5(rumqttc::Publish),
    V4(rumqttc_v4::Publish),
}

impl Message {
    pub(super) fn topic(&self) -> String {
        let bytes: &[u8] = match self {
            Message::V5(publish) => &publish.topic,
            Message::V4(publish) => publish.topic.as_ref(),
        };
        String::from_utf8_lossy(bytes).into_owned()
    }

    pub(super) fn payload(&self) -> &[u8] {
        match self {
            Message::V5(publish) => &publish.payload,
            Message::V4(publish) => &publish.payload,
        }
    }
}

/// The side that sends.
pub(super) enum Line {
    V5(rumqttc::AsyncClient),
    V4(rumqttc_v4::AsyncClient),
}

/// Connects; what comes is told until it is over.
pub(super) fn open(
    settings: &PumpConfig,
    client_id: &str,
    expiry_s: u32,
) -> (Line, Receiver<Told>) {
    let (sender, told) = super::room();
    let line = match settings.protocol {
        Protocol::V5 => Line::V5(v5::open(settings, client_id, expiry_s, sender)),
        Protocol::V311 => Line::V4(v4::open(settings, client_id, sender)),
    };
    (line, told)
}

impl Line {
    pub(super) fn subscribe(&self, filters: &[String]) {
        match self {
            Line::V5(client) => v5::subscribe(client, filters),
            Line::V4(client) => v4::subscribe(client, filters),
        }
    }

    pub(super) fn acknowledge(&self, message: &Message) {
        // A full queue or a dead client: then the broker sends it again.
        match (self, message) {
            (Line::V5(client), Message::V5(publish)) => drop(client.try_ack(publish)),
            (Line::V4(client), Message::V4(publish)) => drop(client.try_ack(publish)),
            _ => {}
        }
    }

    /// Says goodbye; the broker keeps the session.
    pub(super) async fn leave(self) {
        let said = async {
            match &self {
                Line::V5(client) => drop(client.disconnect().await),
                Line::V4(client) => drop(client.disconnect().await),
            }
            // The client's task writes it.
            tokio::time::sleep(GOODBYE / 2).await;
        };
        let _ = tokio::time::timeout(GOODBYE, said).await;
    }
}

/// Connects to the first address of the broker that answers; an IPv6 address is not glued to its port.
async fn dial(endpoint: Endpoint) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// An error with everything that it was caused by.
fn in_words(endpoint: &Endpoint, error: &dyn std::error::Error) -> String {
    let mut text = format!("{endpoint}: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// Hands it on; false when nobody listens any more.
async fn tell(sender: &Sender<Told>, told: Told) -> bool {
    sender.send(told).await.is_ok()
}
