//! What guards the record beyond the database: the key that signs checkpoints, and exports.
//!
//! The chain itself is [`crate::event::chain`], checkpoints are [`crate::event::checkpoint`]; the
//! rows are [`crate::store`]'s. Flows in: files, events. Flows out: files.

pub mod export;
mod key;

pub use key::{KeyError, open_signer};
