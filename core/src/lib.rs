//! What a door knows and decides, without I/O: no file, no socket, no clock, no randomness, no network.
//!
//! Time, pictures' measures, rules and people come in as values; what is to be done goes out as
//! values. So all of it can be tested by simulated years. Cameras, OpenCV, SQLite, MQTT and pins are
//! the crate `doorward`'s, which builds on this one. Which module knows which is in
//! `docs/architecture.md`, and a test holds the sources against it.
//!
//! | module | what is in it |
//! |---|---|
//! | [`clock`] | wall clock and monotonic ticks, behind a trait |
//! | [`keys`] | Ed25519 keys as text, and what they sign |
//! | [`event`] | facts and their words; how they look on the wire; the hash chain |
//! | [`command`] | may this command be carried out? |
//! | [`conditions`] | alarms that begin, last and end without flapping |
//! | [`door`] | the door's state machine |
//! | [`guard`] | all of it together: what is decided at one door |
//! | [`indication`] | what people at the door are shown |
//! | [`vision`] | what is known of a face in one image |
//! | [`recognition`] | from a security level to a threshold |
//! | [`gallery`] | everybody's templates, searched 1:N |
//! | [`presentation`] | tracks faces and fuses observations into a claim |
//! | [`access`] | may this claim enter? |

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod access;
pub mod clock;
pub mod command;
pub mod conditions;
pub mod door;
pub mod event;
pub mod gallery;
pub mod guard;
pub mod indication;
pub mod keys;
pub mod presentation;
pub mod recognition;
pub mod vision;
