//! `[clock]`: when the wall clock is to be trusted.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[clock]`: when the wall clock is to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClockConfig {
    /// File that exists once the clock has been synchronised since the machine started.
    pub synchronised_file: PathBuf,
    /// Trust the clock in any case (a machine with a battery-backed clock).
    pub always_trusted: bool,
}

impl Default for ClockConfig {
    fn default() -> Self {
        Self {
            synchronised_file: "/run/systemd/timesync/synchronized".into(),
            always_trusted: false,
        }
    }
}
