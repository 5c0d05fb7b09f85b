//! Commands from afar: who may ask the door for what, and which answer they get.
//!
//! Having access to the broker is not enough: a command is signed by an operator's key, names its
//! door, lives for a minute at most and counts once. Pure: time comes in as a value, the record
//! through the [`gate::Ledger`] trait. Nothing here carries anything out.
//!
//! ```text
//! bytes ─▶ token ─▶ gate (operator, signature, door, time, replay, role, rate, arguments) ─▶ Accepted
//!            plain ─▶ LOCK, UNLOCK, OPEN of one named client       └──▶ Refusal ─▶ result
//! ```

mod arguments;
pub mod gate;
pub mod limits;
mod operator;
pub mod plain;
pub mod result;
pub mod token;

pub use arguments::{Command, ModeWord};
pub use operator::{Operator, is_name};

/// A message from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Where it was published.
    pub topic: String,
    /// The bytes; anything at all.
    pub payload: Vec<u8>,
    /// Whether the broker had kept it, or was asked to keep it.
    pub retain: bool,
    /// MQTT 5: where an answer is wanted.
    pub response_topic: Option<String>,
    /// MQTT 5: what the answer must carry.
    pub correlation: Option<Vec<u8>>,
}
