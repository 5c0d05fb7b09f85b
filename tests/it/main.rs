//! Integration tests: real models, real SQLite files, a real broker over TLS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bench;
mod cli;
mod delivery;
mod end_to_end;
mod enroll;
mod faults;
mod gallery;
mod refusals;
mod service;
mod store;
mod support;
mod trouble;
mod vision;
