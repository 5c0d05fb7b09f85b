//! One request to a door and its answer: connect, subscribe, publish, wait, leave.
//!
//! For `doorward command`, which runs anywhere: no outbox, no session, nothing durable. It must know
//! where the answer comes in before the request leaves, so it waits for SUBACK. All answers of a door
//! come in on its one result topic; which is ours is told by its content.

mod v4;
mod v5;

use std::time::Duration;

use uuid::Uuid;

use super::dialect::Trouble;
use super::failure::{self, Circumstances, Failure, LinkError};
use super::password::Password;
use super::pump::Incoming;
use super::settings::{Endpoint, MqttError, Way};
use crate::config::{MqttConfig, Protocol};

/// Largest answer.
const MAX_PACKET: u32 = 64 * 1024;
/// How long the goodbye may take.
const GOODBYE: Duration = Duration::from_millis(300);

/// What is asked of which door.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where commands are taken.
    pub command_topic: String,
    /// The door's own result topic.
    pub result_topic: String,
    /// What the answer is recognised by.
    pub correlation: Vec<u8>,
    /// The bytes.
    pub payload: Vec<u8>,
    /// How long the broker may keep it, in seconds.
    pub expiry_s: u32,
    /// How long all of it may take.
    pub timeout: Duration,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Mqtt(#[from] MqttError),
    /// There was no connection, or it ended.
    #[error("{0}")]
    Connection(Failure),
    /// The broker forbids it.
    #[error("the broker does not allow this client to {what} {topic}; see its access rules")]
    NotAllowed {
        /// Subscribe to, or publish on.
        what: &'static str,
        /// Which topic.
        topic: String,
    },
    /// The broker could not be reached in time: nothing was sent.
    #[error("the broker {broker} was not reached within {seconds} s: the command was not sent")]
    NotSent {
        /// Which.
        broker: String,
        /// After so long.
        seconds: u64,
    },
    /// The door did not answer in time.
    #[error(
        "no answer from the door within {seconds} s: it may be away, or not listen to commands; the command may have been carried out all the same, see the door's events"
    )]
    NoAnswer {
        /// After so long.
        seconds: u64,
    },
}

/// Sends a request and waits for the message that `is_answer` recognises.
///
/// # Errors
/// Why there is none.
pub fn ask(
    mqtt: &MqttConfig,
    request: &Request,
    mut is_answer: impl FnMut(&Incoming) -> bool,
) -> Result<Incoming, RequestError> {
    let Way {
        endpoint,
        credentials,
        ..
    } = Way::to_broker(mqtt)?;
    let login = Login {
        // Its own name: with the door's the broker would throw the door out.
        client_id: format!("doorward-command-{}", Uuid::now_v7().simple()),
        credentials,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(MqttError::Thread)?;
    let mut sent = false;
    let exchange = async {
        // The clients start work when they are made.
        match mqtt.protocol {
            Protocol::V5 => {
                let line = v5::Line::open(&endpoint, &login);
                exchange(
                    line,
                    (&endpoint, Protocol::V5),
                    request,
                    &mut sent,
                    &mut is_answer,
                )
                .await
            }
            Protocol::V311 => {
                let line = v4::Line::open(&endpoint, &login);
                exchange(
                    line,
                    (&endpoint, Protocol::V311),
                    request,
                    &mut sent,
                    &mut is_answer,
                )
                .await
            }
        }
    };
    let answered =
        runtime.block_on(async { tokio::time::timeout(request.timeout, exchange).await });
    runtime.shutdown_timeout(GOODBYE);
    let seconds = request.timeout.as_secs();
    answered.unwrap_or_else(|_| {
        Err(if sent {
            RequestError::NoAnswer { seconds }
        } else {
            RequestError::NotSent {
                broker: endpoint.to_string(),
                seconds,
            }
        })
    })
}

/// Who we are to the broker.
struct Login {
    client_id: String,
    credentials: Option<(String, Option<Password>)>,
}

/// What a line has to tell.
enum Told {
    /// The broker accepted us.
    Connected,
    /// Whether it lets us subscribe to the result topic.
    Granted(bool),
    /// The request is on its way.
    Sent,
    /// The broker does not let us publish it.
    Forbidden,
    /// A message came.
    Message(Incoming),
    /// Anything else.
    Other,
}

/// One connection, in the words of one protocol.
trait Line {
    /// The next thing that happens.
    async fn poll(&mut self) -> Result<Told, Trouble>;
    /// Subscribes to the result topic. The client's queue has room for the few packets there are.
    fn subscribe(&self, request: &Request);
    /// Publishes the request.
    fn publish(&self, request: &Request);
    /// Says goodbye.
    fn leave(&self);
}

async fn exchange<L: Line>(
    mut line: L,
    (endpoint, protocol): (&Endpoint, Protocol),
    request: &Request,
    sent: &mut bool,
    is_answer: &mut impl FnMut(&Incoming) -> bool,
) -> Result<Incoming, RequestError> {
    let not_allowed = |what, topic: &String| RequestError::NotAllowed {
        what,
        topic: topic.clone(),
    };
    let mut circumstances = Circumstances::new(protocol);
    loop {
        let told = line.poll().await.map_err(|trouble| {
            let error = LinkError::Connection(trouble);
            RequestError::Connection(failure::classify(&error, endpoint, &circumstances))
        })?;
        match told {
            Told::Connected => {
                circumstances.lived = Some(Duration::ZERO);
                line.subscribe(request);
            }
            Told::Granted(false) => {
                return Err(not_allowed("subscribe to", &request.result_topic));
            }
            Told::Granted(true) => line.publish(request),
            Told::Sent => {
                *sent = true;
                circumstances.unanswered = vec![request.command_topic.clone()];
            }
            Told::Forbidden => return Err(not_allowed("publish on", &request.command_topic)),
            Told::Message(incoming) if is_answer(&incoming) => {
                line.leave();
                let farewell = async { while line.poll().await.is_ok() {} };
                let _ = tokio::time::timeout(GOODBYE, farewell).await;
                return Ok(incoming);
            }
            Told::Message(_) | Told::Other => {}
        }
    }
}
