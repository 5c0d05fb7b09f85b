//! An input without a pin: the first character of a file is the level.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{InputLine, is_active};
use crate::config::{ActiveLevel, InputWiring};
use crate::gpio::GpioError;

/// A file that plays a pin.
#[derive(Debug)]
pub(super) struct SimulatedInput {
    path: PathBuf,
    active: ActiveLevel,
    what: String,
}

impl SimulatedInput {
    /// The file is looked at when it is read, not now: like a wire, it may come later.
    pub(super) fn open(wiring: &InputWiring, what: &str) -> Result<Self, GpioError> {
        let Some(path) = wiring.file.clone() else {
            return Err(GpioError::Line {
                what: what.to_owned(),
                device: "simulated".into(),
                pin: wiring.pin,
                message: format!("no file is named; set [{what}] file"),
            });
        };
        tracing::warn!(input = what, path = %path.display(), "this input is simulated by a file");
        Ok(Self {
            path,
            active: wiring.active,
            what: what.to_owned(),
        })
    }
}

impl InputLine for SimulatedInput {
    fn read(&mut self) -> Result<bool, GpioError> {
        let fault = |message: String| GpioError::LevelFile {
            what: self.what.clone(),
            path: self.path.clone(),
            message,
        };
        match first_byte(&self.path).map_err(|error| fault(error.to_string()))? {
            Some(b'0') => Ok(is_active(self.active, false)),
            Some(b'1') => Ok(is_active(self.active, true)),
            Some(_) => Err(fault("neither 0 nor 1".into())),
            None => Err(fault("empty".into())),
        }
    }
}

fn first_byte(path: &Path) -> std::io::Result<Option<u8>> {
    let mut byte = [0];
    let count = File::open(path)?.read(&mut byte)?;
    Ok((count == 1).then_some(byte[0]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ContactConfig;

    #[test]
    fn a_level_is_read_and_anything_else_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contact.level");
        let wiring = InputWiring {
            active: ActiveLevel::Low,
            file: Some(path.clone()),
            ..ContactConfig::default().wiring()
        };
        let mut input = SimulatedInput::open(&wiring, "contact").unwrap();
        for (content, expected) in [
            (None, Err("No such file")),
            (Some(""), Err("empty")),
            (Some("on"), Err("neither 0 nor 1")),
            (Some("1\n"), Ok(false)),
            (Some("0"), Ok(true)),
        ] {
            if let Some(content) = content {
                std::fs::write(&path, content).unwrap();
            }
            match (input.read(), expected) {
                (Ok(active), expected) => assert_eq!(Ok(active), expected),
                (Err(error), Err(cause)) => {
                    let message = error.to_string();
                    assert!(message.contains(cause), "{message}");
                    assert!(message.contains("contact.level"), "{message}");
                }
                (Err(error), Ok(_)) => panic!("{error}"),
            }
        }
    }
}
