//! What guards the record beyond the database: the key that signs checkpoints, seals of backups, and
//! exports.
//!
//! The chain itself is [`crate::event::chain`], checkpoints are [`crate::event::checkpoint`]; the
//! rows are [`crate::store`]'s. Flows in: files, events. Flows out: files.

pub mod backup;
pub mod export;
mod key;
pub mod seal;

pub use key::{KeyError, known_key, open_signer, signer_of};
