//! A relay without a pin: prints every transition, and records it if a file is configured.

use std::fs::{File, OpenOptions};
use std::io::Write as _;

use serde_json::json;

use super::{Relay, RelayError, is_high};
use crate::clock::rfc3339_millis;
use crate::config::RelayConfig;
use crate::event::wire::Lock;

/// Says what a pin would do.
#[derive(Debug)]
pub(super) struct SimulatedRelay {
    config: RelayConfig,
    file: Option<File>,
    lock: Option<Lock>,
}

impl SimulatedRelay {
    /// Starts secured, like every driver.
    pub(super) fn open(config: &RelayConfig) -> Result<Self, RelayError> {
        let open = |path| OpenOptions::new().create(true).append(true).open(path);
        let file = match &config.transitions {
            Some(path) => Some(open(path).map_err(|source| RelayError::Transitions {
                path: path.clone(),
                source,
            })?),
            None => None,
        };
        tracing::warn!("the relay is simulated: no pin is moved, no door opens");
        let mut relay = Self {
            config: config.clone(),
            file,
            lock: None,
        };
        relay.set(Lock::Secured)?;
        Ok(relay)
    }
}

impl Relay for SimulatedRelay {
    fn set(&mut self, lock: Lock) -> Result<(), RelayError> {
        if self.lock == Some(lock) {
            return Ok(());
        }
        let level = if is_high(self.config.active, lock) {
            "high"
        } else {
            "low"
        };
        if let (Some(file), Some(path)) = (&mut self.file, &self.config.transitions) {
            let time = rfc3339_millis(jiff::Timestamp::now());
            let line = json!({"time": time, "lock": lock, "level": level, "pin": self.config.pin});
            // In one piece: a kill must not leave half a line.
            file.write_all(format!("{line}\n").as_bytes())
                .map_err(|source| RelayError::Transitions {
                    path: path.clone(),
                    source,
                })?;
        }
        // After the file, which stands for the pin.
        tracing::info!(lock = ?lock, level, pin = self.config.pin, "simulated relay");
        self.lock = Some(lock);
        Ok(())
    }
}

impl Drop for SimulatedRelay {
    fn drop(&mut self) {
        if let Err(error) = self.set(Lock::Secured) {
            tracing::error!(%error, "simulated relay");
        }
    }
}
