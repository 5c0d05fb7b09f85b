//! What a door and its broker's other clients can rely on: topics, messages, their schemas.
//!
//! [`channels()`] is the one table of topics; `doorward topics`, the broker's access rules
//! ([`acl`]) and docs/asyncapi.yaml ([`asyncapi`]) all come from it. Schemas come from the
//! types that are published. Pure: nothing here does I/O. Flows in: configuration. Flows out:
//! tables and documents.
//!
//! Something new on the wire is entered in two places: its topic in `channels.rs`, its type in
//! `messages.rs`. The tests then ask for the rest.

pub mod acl;
mod channels;
mod document;
mod examples;
mod messages;
mod schemas;

pub use channels::{Carries, Channel, Direction, channels};
pub use document::{asyncapi, yaml};
pub use examples::examples;
