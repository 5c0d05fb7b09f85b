//! `doorward`: a door that opens for the right face and tells the truth about it.
//!
//! Data flows one way: [`camera`] ▸ [`vision`] ▸ [`presentation`] (with [`gallery`]) ▸
//! [`access`] ▸ [`door`] ▸ [`store`] ▸ relay and [`mqtt`]. [`service`] wires it up.
//!
//! | folder | what is in it | may it do I/O? |
//! |---|---|---|
//! | [`clock`] | wall clock and monotonic time, behind a trait | only the clock |
//! | [`conditions`] | alarms that begin, last and end without flapping | no |
//! | [`config`] | `doorward.toml`, strict and documented | reads files |
//! | [`camera`] | sources of frames, the newest-frame slot; is the picture to be trusted? | yes |
//! | [`vision`] | detect, landmarks, align, quality, embed; model pack; stills | models, stills |
//! | [`gallery`] | everybody's templates, searched 1:N | no |
//! | [`presentation`] | tracks faces and fuses observations into a claim | no |
//! | [`recognition`] | from a security level to a threshold | no |
//! | [`pipeline`] | vision and presentation in one piece: frames in, claims out | no |
//! | [`access`] | may this claim enter? | no |
//! | [`door`] | the door's state machine | no |
//! | [`gpio`] | pins: relay, contact, exit button, lights, keypad; one file a driver | yes |
//! | [`event`] | facts, and how they look on the wire | no |
//! | [`contract`] | topics, messages and their schemas, as one document; access rules for brokers | no |
//! | [`keys`] | Ed25519 keys as text and in files, and what they sign | key files only |
//! | [`command`] | may this command be carried out? | no |
//! | [`store`] | SQLite: people, templates, events, outbox | yes |
//! | [`audit`] | the key of the record's checkpoints, exports | yes |
//! | [`certs`] | what certificates say, when they expire; a private CA and what it signs | yes |
//! | [`enroll`] | from pictures of somebody to templates, with every refusal; how well people are told apart | reads images, camera |
//! | [`reenroll`] | from kept photos to templates of another model | reads the store |
//! | [`evaluate`] | error rates on labelled faces, and reports of them | reads images |
//! | [`mqtt`] | durable delivery to the broker | yes |
//! | [`witness`] | what the doors of a broker said, kept and checked by somebody else | yes |
//! | [`bench`](mod@bench) | what all of this costs on this machine | yes |
//! | [`service`] | threads, start, watch, stop | yes |

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod access;
pub mod audit;
pub mod bench;
pub mod camera;
pub mod certs;
pub mod clock;
pub mod command;
pub mod conditions;
pub mod config;
pub mod contract;
pub mod door;
pub mod enroll;
pub mod evaluate;
pub mod event;
pub mod gallery;
pub mod gpio;
pub mod keys;
pub mod mqtt;
pub mod pipeline;
pub mod presentation;
pub mod recognition;
pub mod reenroll;
pub mod service;
pub mod store;
pub mod vision;
pub mod witness;
