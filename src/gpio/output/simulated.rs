//! Outputs without pins: every change is a line of a file, if one is configured.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use serde_json::json;

use super::{Driver, Wired};
use crate::clock::rfc3339_millis;
use crate::config::OutputsConfig;
use crate::gpio::GpioError;

/// Says what pins would do.
#[derive(Debug)]
pub(super) struct SimulatedOutputs {
    file: Option<(PathBuf, File)>,
}

impl SimulatedOutputs {
    /// Opens the file of changes.
    pub(super) fn open(config: &OutputsConfig) -> Result<Self, GpioError> {
        let file = match config.transitions.clone() {
            None => None,
            Some(path) => {
                let file = OpenOptions::new().create(true).append(true).open(&path);
                match file {
                    Ok(file) => Some((path, file)),
                    Err(source) => return Err(GpioError::Transitions { path, source }),
                }
            }
        };
        let outputs: Vec<_> = config.wired().map(|(key, _)| key).collect();
        tracing::warn!(?outputs, "simulated: no pin is moved");
        Ok(Self { file })
    }
}

impl Driver for SimulatedOutputs {
    fn write(&mut self, wired: &Wired, on: bool) -> Result<(), GpioError> {
        // A blinking light would fill the log.
        tracing::debug!(output = wired.output.as_str(), on, "simulated output");
        let Some((path, file)) = &mut self.file else {
            return Ok(());
        };
        let time = rfc3339_millis(jiff::Timestamp::now());
        let line = json!({"time": time, "output": wired.output, "on": on});
        // In one piece: the second relay writes to the same file from another thread.
        file.write_all(format!("{line}\n").as_bytes())
            .map_err(|source| GpioError::Transitions {
                path: path.clone(),
                source,
            })
    }
}
