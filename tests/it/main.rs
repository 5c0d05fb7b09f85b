//! Integration tests: real models, real SQLite files, a real broker over TLS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod admin;
mod audit;
mod bench;
mod bench_outbox;
mod camera;
mod certs;
mod cli;
mod commands;
mod contract;
mod contract_frozen;
mod crash;
mod delivery;
mod deploy;
mod deploy_files;
mod durability;
mod emulated;
mod end_to_end;
mod enroll;
mod enroll_camera;
mod enroll_together;
mod evaluate;
mod faults;
mod fuzz;
mod gallery;
mod gpio;
mod guarding;
mod hangs;
mod liveness;
mod outage;
mod outbox;
mod packs;
mod photos;
mod recognition;
mod reenroll;
mod refusals;
mod secure;
mod service;
mod signals;
mod store;
mod support;
mod tls;
mod trouble;
mod vision;
mod year;
