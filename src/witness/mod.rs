//! The witness: what the doors of a broker said happened, kept by somebody else.
//!
//! Whoever is root on a door can rewrite its record, hashes, checkpoints and all. They cannot rewrite
//! what others heard before. A witness subscribes to events and checkpoints of every door, keeps the
//! number and the hash of each in a small file of its own, and checks them as they come: every event
//! must follow from the one before it, no number may be used twice, no checkpoint may contradict what
//! was heard. What does not fit is a [`Finding`], told at once and kept. Later a record is compared with
//! the file, event by event (`doorward events verify --witness FILE`).
//!
//! Flows in: messages. Flows out: findings, and what was heard. It publishes nothing, and believes the
//! broker's access rules as to who may speak for a door.

mod finding;
mod heard;
pub mod listen;
mod notes;

pub use finding::{Finding, FindingKind};
pub use heard::Unheard;
pub use notes::{DoorNotes, NotesError, Taken, WitnessNotes};
