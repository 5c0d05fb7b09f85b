//! The operating system's clocks; times, and the trait behind which clocks are, are
//! [`doorward_core::clock`]'s.

use std::path::PathBuf;
use std::time::Instant;

pub use doorward_core::clock::*;

use crate::config::ClockConfig;

/// The operating system's clocks.
#[derive(Debug, Clone)]
pub struct SystemClock {
    origin: Instant,
    /// File that exists once the clock was synchronised; none when it is trusted anyway.
    synchronised: Option<PathBuf>,
}

impl SystemClock {
    /// A clock whose ticks count from now, trusted as it is.
    #[must_use]
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
            synchronised: None,
        }
    }

    /// A clock that is trusted as `[clock]` says.
    #[must_use]
    pub fn from_config(config: &ClockConfig) -> Self {
        Self {
            synchronised: (!config.always_trusted).then(|| config.synchronised_file.clone()),
            ..Self::new()
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
    fn tick(&self) -> Tick {
        Tick(self.origin.elapsed())
    }
    fn trusted(&self) -> bool {
        // The file is asked for each time: synchronisation may come at any moment.
        self.synchronised.as_ref().is_none_or(|file| file.exists())
    }
}
