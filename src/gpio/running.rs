//! Which pins the running service has, on a note for whoever must secure them after it.
//!
//! The configuration says what the next start will use; it may be changed or broken by the time
//! the process dies. So the service leaves a note in its runtime folder, in memory and not on
//! the disk, before it opens the relay; `doorward relay secure` goes by it.
//!
//! Flows in: the configuration. Flows out: a small JSON file, and secured pins.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::relay::{self, RelayError};
use crate::config::{
    ActiveLevel, Config, ConfigError, OutputPin, OutputsConfig, RelayConfig, RelayDriver,
};

/// The note's name.
const NOTE: &str = "relay.json";

/// Everything that could hold the door released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pins {
    /// The relay.
    pub relay: RelayConfig,
    /// The second relay, as an output of its own; absent when none is wired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<OutputsConfig>,
}

/// Why the note cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {message}", path = .path.display())]
pub struct NoteError {
    path: PathBuf,
    message: String,
}

/// The runtime folder that systemd made for this service; none outside systemd.
#[must_use]
pub fn runtime_folder() -> Option<PathBuf> {
    let folders = std::env::var_os("RUNTIME_DIRECTORY")?;
    // Several are separated by colons; ours is the first.
    std::env::split_paths(&folders)
        .next()
        .filter(|folder| !folder.as_os_str().is_empty())
}

impl Pins {
    /// As they are configured.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let second = config.outputs.as_ref();
        Self {
            relay: config.relay.clone(),
            second: second.and_then(OutputsConfig::second_relay_alone),
        }
    }

    /// As they are configured, whatever else is in the file; with what is wrong with `[outputs]`,
    /// which keeps nobody from securing the relay.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, or `[relay]` itself is wrong.
    pub fn configured(path: &Path) -> Result<(Self, Option<ConfigError>), ConfigError> {
        let relay = Config::load_relay(path)?;
        let (outputs, wrong) = match Config::load_outputs(path) {
            Ok(outputs) => (outputs, None),
            Err(error) => (None, Some(error)),
        };
        let second = outputs.as_ref();
        let second = second.and_then(OutputsConfig::second_relay_alone);
        Ok((Self { relay, second }, wrong))
    }

    /// One by one, the relay first.
    pub fn places(&self) -> impl Iterator<Item = Place<'_>> {
        let second = self.second.as_ref();
        let second = second.and_then(|config| Some(Place::Second(config, config.second_relay?)));
        std::iter::once(Place::Relay(&self.relay)).chain(second)
    }

    /// Leaves the note, whole or not at all.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn leave_in(&self, folder: &Path) -> Result<(), NoteError> {
        let path = folder.join(NOTE);
        let write = || -> std::io::Result<()> {
            let mut note = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer(&mut note, &self.with_absolute_paths()?)?;
            note.flush()?;
            note.persist(&path)?;
            Ok(())
        };
        write().map_err(|error| NoteError {
            path: path.clone(),
            message: error.to_string(),
        })
    }

    /// The note that was left; none when there is none.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    pub fn left_in(folder: &Path) -> Result<Option<Self>, NoteError> {
        let path = folder.join(NOTE);
        let unreadable = |message: String| NoteError {
            path: path.clone(),
            message,
        };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error.to_string())),
        };
        let pins = serde_json::from_str(&text);
        pins.map(Some)
            .map_err(|error| unreadable(error.to_string()))
    }

    /// Whoever reads the note may be in another folder.
    fn with_absolute_paths(&self) -> std::io::Result<Self> {
        let mut pins = self.clone();
        let second = pins.second.as_mut();
        let files = [
            pins.relay.transitions.as_mut(),
            second.and_then(|second| second.transitions.as_mut()),
        ];
        for file in files.into_iter().flatten() {
            *file = std::path::absolute(&*file)?;
        }
        Ok(pins)
    }
}

/// One of them, by its wiring.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// The relay.
    Relay(&'a RelayConfig),
    /// The second relay; the configuration names no other output.
    Second(&'a OutputsConfig, OutputPin),
}

impl Place<'_> {
    /// Its section or key in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Place::Relay(_) => "relay",
            Place::Second(..) => "outputs.second_relay",
        }
    }

    /// Which driver moves it.
    #[must_use]
    pub fn driver(self) -> RelayDriver {
        match self {
            Place::Relay(config) => config.driver,
            Place::Second(config, _) => config.driver,
        }
    }

    /// BCM number.
    #[must_use]
    pub fn pin(self) -> u32 {
        match self {
            Place::Relay(config) => config.pin,
            Place::Second(_, wiring) => wiring.pin,
        }
    }

    /// Level at which it is released.
    #[must_use]
    pub fn active(self) -> ActiveLevel {
        match self {
            Place::Relay(config) => config.active,
            Place::Second(_, wiring) => wiring.active,
        }
    }

    /// Whether both are the same pin of the same device.
    #[must_use]
    pub fn is_the_pin_of(self, other: Place<'_>) -> bool {
        self.device() == other.device() && self.pin() == other.pin()
    }

    fn device(self) -> (RelayDriver, Option<PathBuf>) {
        let (driver, chip, transitions) = match self {
            Place::Relay(config) => (config.driver, &config.chip, &config.transitions),
            Place::Second(config, _) => (config.driver, &config.chip, &config.transitions),
        };
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let file = match driver {
            RelayDriver::Gpiochip => Some(chip.clone()),
            RelayDriver::Rppal => None,
            RelayDriver::Simulated => transitions.as_ref().map(absolute),
        };
        (driver, file)
    }

    /// Sets its safe level: opening a driver does that first of all.
    ///
    /// # Errors
    /// When the device is missing, in use or may not be used.
    pub fn secure(self) -> Result<(), RelayError> {
        match self {
            Place::Relay(config) => relay::open(config).map(drop),
            Place::Second(config, _) => relay::open_second(config).map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pins() -> Pins {
        Pins {
            relay: RelayConfig {
                driver: RelayDriver::Simulated,
                pin: 23,
                active: ActiveLevel::Low,
                transitions: Some("/tmp/relay.jsonl".into()),
                ..RelayConfig::default()
            },
            second: Some(OutputsConfig {
                second_relay: Some(OutputPin {
                    pin: 24,
                    active: ActiveLevel::High,
                }),
                ..OutputsConfig::default()
            }),
        }
    }

    #[test]
    fn the_note_is_read_back_as_it_was_left_and_replaced_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Pins::left_in(folder.path()).unwrap(), None);
        let mut pins = pins();
        pins.leave_in(folder.path()).unwrap();
        assert_eq!(Pins::left_in(folder.path()).unwrap(), Some(pins.clone()));
        pins.second = None;
        pins.leave_in(folder.path()).unwrap();
        assert_eq!(Pins::left_in(folder.path()).unwrap(), Some(pins));
        let files = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, 1, "nothing but the note is left");
    }

    #[test]
    fn paths_on_the_note_hold_in_every_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut pins = pins();
        pins.relay.transitions = Some("relay.jsonl".into());
        pins.leave_in(folder.path()).unwrap();
        let left = Pins::left_in(folder.path()).unwrap().unwrap();
        assert!(left.relay.transitions.unwrap().is_absolute());
    }

    #[test]
    fn pins_are_told_apart_by_device_and_number_only() {
        let noted = pins();
        let [relay, second] = noted.places().collect::<Vec<_>>()[..] else {
            panic!("two relays");
        };
        assert!(!relay.is_the_pin_of(second));
        let mut other = pins();
        other.relay.active = ActiveLevel::High;
        other.relay.release_ms += 1;
        assert!(other.places().next().unwrap().is_the_pin_of(relay));
        other.relay.pin += 1;
        assert!(!other.places().next().unwrap().is_the_pin_of(relay));
        other.relay.pin -= 1;
        other.relay.driver = RelayDriver::Rppal;
        assert!(!other.places().next().unwrap().is_the_pin_of(relay));
    }

    #[test]
    fn a_note_that_makes_no_sense_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(NOTE), "{\"relay\": {\"pin\": ").unwrap();
        let error = Pins::left_in(folder.path()).unwrap_err().to_string();
        assert!(error.contains("relay.json: EOF"), "{error}");
        let nowhere = folder.path().join("gone");
        assert!(pins().leave_in(&nowhere).is_err());
    }
}
