//! What integration tests need around them: faces, clips, a door, a broker, certificates, a proxy.
//!
//! Everything dies with its value: processes are killed through their `Child`, files live in
//! temporary folders, ports are free ones.
#![allow(dead_code, reason = "each test takes what it needs")]

pub mod attack;
pub mod broker;
pub mod clip;
pub mod contract;
pub mod door;
pub mod emulated;
pub mod faces;
pub mod manager;
pub mod pki;
pub mod proxy;
pub mod scenery;
pub mod script;
pub mod sender;
pub mod shipped;
pub mod site;
pub mod small_disk;
pub mod subscriber;
pub mod websocket;

use std::net::TcpListener;
use std::time::{Duration, Instant};

/// A port nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Waits until `done`, or fails with `what` after `limit`.
#[track_caller]
pub fn wait_for(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !done() {
        assert!(Instant::now() < end, "waited {limit:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
