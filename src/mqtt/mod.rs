//! Delivery of what happened to the broker: MQTT 5 or 3.1.1 over TLS, exactly once at QoS 2.
//!
//! The network is somebody else's; the door does not wait for it. Events are committed by
//! [`crate::store`] and sent from there by a thread of its own, the [`pump`]. Nothing in here
//! can delay a decision, and nothing is lost when the device dies between any two steps: the
//! only truth is the outbox, and every connection starts by reading it.
//!
//! ```text
//! Store::record ─▶ outbox ─▶ feeder ─▶ client ─▶ broker
//!                    ▲  ▲                 │ asks before it sends
//!                    │  └──── ledger ◀────┤
//!                    └─────── ledger ◀────┤ acknowledgements
//! PumpEvent::Received ◀── reporter ◀──────┘ messages for us
//! ```
//!
//! Rule of the house: **reconnect = restart**. After any error the client is dropped and a new
//! one is built from SQLite, so that the path taken after a power cut is the path taken every
//! day (`docs/decisions/0001-rumqttc-fork-and-durable-session.md`, `docs/delivery.md`).

mod backoff;
mod connection;
mod credentials;
mod dial;
mod dialect;
mod failure;
mod fate;
mod feeder;
mod inquiry;
mod ledger;
mod lessons;
mod lives;
mod message;
mod network;
pub mod password;
pub mod pump;
mod report;
pub mod request;
mod session;
mod settings;
mod takeover;
pub mod tls;
mod version;

pub use credentials::Credentials;
pub use failure::Failure;
pub use message::MAYBE_DUP;
pub use pump::{Incoming, PumpEvent, PumpHandle, spawn};
pub use settings::{Endpoint, MqttError, PumpConfig, Retry, Subscription};
