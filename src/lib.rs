//! `doorward`: a door that opens for the right face and tells the truth about it.
//!
//! Data flows one way: [`camera`] ▸ [`vision`] ▸ [`presentation`] (with [`gallery`]) ▸
//! [`guard`] (with [`access`] and [`door`]) ▸ [`store`] ▸ relay and [`mqtt`]. [`service`] wires it up.
//!
//! What is decided without I/O is the crate [`doorward_core`]'s; its modules have their places here too.
//!
//! | folder | what is in it | may it do I/O? |
//! |---|---|---|
//! | [`access`], [`command`], [`conditions`], [`door`], [`event`], [`gallery`], [`guard`], [`indication`], [`presentation`], [`recognition`] | [`doorward_core`] | no |
//! | [`beat`] | signs of life that threads leave for the watchdog | no |
//! | [`clock`] | the same, and the system's clocks | only the clock |
//! | [`keys`] | the same, and new keys and their files | key files only |
//! | [`config`] | `doorward.toml`, strict and documented | reads files |
//! | [`camera`] | sources of frames, the newest-frame slot; is the picture to be trusted? | yes |
//! | [`vision`] | detect, landmarks, align, quality, embed; model pack; stills | models, stills |
//! | [`pipeline`] | vision and presentation in one piece: frames in, claims out | no |
//! | [`gpio`] | pins: relay, contact, exit button, lights, keypad; one file a driver | yes |
//! | [`contract`] | topics, messages and their schemas, as one document; access rules for brokers | no |
//! | [`store`] | SQLite: people, templates, events, outbox | yes |
//! | [`audit`] | the key of the record's checkpoints, exports | yes |
//! | [`certs`] | what certificates say, when they expire; a private CA and what it signs | yes |
//! | [`enroll`] | from pictures of somebody to templates, with every refusal; how well people are told apart | reads images, camera |
//! | [`reenroll`] | from kept photos to templates of another model | reads the store |
//! | [`evaluate`] | error rates on labelled faces, and reports of them | reads images |
//! | [`mqtt`] | durable delivery to the broker | yes |
//! | [`process`] | what this process has used: CPU time, memory | reads `/proc` |
//! | [`witness`] | what the doors of a broker said, kept and checked by somebody else | yes |
//! | [`bench`](mod@bench) | what all of this costs on this machine | yes |
//! | [`service`] | threads, start, watch, stop | yes |

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub use doorward_core::{
    access, command, conditions, door, event, gallery, guard, indication, presentation, recognition,
};

pub mod audit;
pub mod beat;
pub mod bench;
pub mod camera;
pub mod certs;
pub mod clock;
pub mod config;
pub mod contract;
pub mod enroll;
pub mod evaluate;
pub mod gpio;
pub mod keys;
pub mod mqtt;
pub mod pipeline;
pub mod process;
pub mod reenroll;
pub mod service;
pub mod store;
pub mod vision;
pub mod witness;
