//! A door whose disk stands still, and what is needed to measure that it works all the same.
//!
//! `disk` is an ext4 file system of its own that can be frozen; [`Stall`] is the time in which
//! nothing can be written; [`Bench`] is a door on such a disk with a button, a contact and relays
//! that are watched from outside; [`Manager`] plays systemd; [`Report`] is what was measured,
//! beside what it must be.
//!
//! While a disk is frozen, whoever writes to it sleeps until it is thawed and cannot even be
//! killed. So nothing of the test may lie there but the database and the site file, and no test
//! may open either of them before the stall is over.

mod bench;
mod disk;
mod manager;
mod report;
mod stall;
mod trace;

pub use bench::Bench;
pub use manager::Manager;
pub use report::{Report, within};
pub use stall::{Kind, Stall};

use std::time::Duration;

/// How long the disk stands still; `DOORWARD_STALL_SECONDS` says otherwise.
pub fn stall_time() -> Duration {
    let text = std::env::var("DOORWARD_STALL_SECONDS").ok();
    let seconds = text.and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(6))
}
