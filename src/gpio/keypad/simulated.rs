//! A keypad that is a file or a named pipe: one PIN a line; the end of the line is Enter.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use super::{Key, Keypad};
use crate::gpio::GpioError;

/// How often the file is looked at.
const POLL: Duration = Duration::from_millis(10);

/// Reads a byte at a time: a PIN is short, and nothing of it stays in a buffer.
#[derive(Debug)]
pub(super) struct SimulatedKeypad {
    path: PathBuf,
    file: Option<File>,
    /// It was not there when it was looked for first, so all that is in it is new.
    came_later: bool,
}

impl SimulatedKeypad {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            came_later: false,
        }
    }

    fn file(&mut self) -> std::io::Result<&mut File> {
        match &mut self.file {
            Some(file) => Ok(file),
            empty => {
                // Without O_NONBLOCK opening a named pipe waits for a writer.
                let nonblocking =
                    i32::try_from(OFlags::NONBLOCK.bits()).map_err(std::io::Error::other)?;
                let opened = File::options()
                    .read(true)
                    .custom_flags(nonblocking)
                    .open(&self.path);
                self.came_later |= opened.is_err();
                let mut file = opened?;
                // What was typed before the start is not typed again.
                if !self.came_later && file.metadata()?.is_file() {
                    file.seek(SeekFrom::End(0))?;
                }
                Ok(empty.insert(file))
            }
        }
    }

    fn byte(&mut self) -> std::io::Result<Option<u8>> {
        let mut byte = [0];
        match self.file()?.read(&mut byte) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(byte[0])),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Keypad for SimulatedKeypad {
    fn next(&mut self, timeout: Duration) -> Result<Option<Key>, GpioError> {
        let start = Instant::now();
        loop {
            match self.byte() {
                Ok(Some(byte)) => {
                    if let Some(key) = key(byte) {
                        return Ok(Some(key));
                    }
                }
                Ok(None) => {
                    let left = timeout.saturating_sub(start.elapsed());
                    if left.is_zero() {
                        return Ok(None);
                    }
                    std::thread::sleep(left.min(POLL));
                }
                Err(error) => {
                    self.file = None;
                    return Err(GpioError::Keypad {
                        device: self.path.clone(),
                        message: format!("{error}; check [keypad] device"),
                    });
                }
            }
        }
    }
}

/// The key that a character stands for.
pub(super) fn key(byte: u8) -> Option<Key> {
    match byte {
        b'0'..=b'9' => Some(Key::Digit(byte - b'0')),
        b'\n' | b'#' => Some(Key::Enter),
        b'*' => Some(Key::Clear),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn keys(keypad: &mut SimulatedKeypad) -> Vec<Key> {
        std::iter::from_fn(|| keypad.next(Duration::ZERO).unwrap()).collect()
    }

    #[test]
    fn old_lines_are_not_typed_again_and_new_ones_are_typed_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keypad");
        std::fs::write(&path, "9999\n").unwrap();
        let mut keypad = SimulatedKeypad::new(path.clone());
        assert_eq!(keys(&mut keypad), []);
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"12\r\n").unwrap();
        let typed = [Key::Digit(1), Key::Digit(2), Key::Enter];
        assert_eq!(keys(&mut keypad), typed);
        assert_eq!(keys(&mut keypad), []);
    }

    #[test]
    fn a_file_that_comes_later_is_typed_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keypad");
        let mut keypad = SimulatedKeypad::new(path.clone());
        let error = keypad.next(Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("check [keypad] device"));
        std::fs::write(&path, "1\n").unwrap();
        assert_eq!(keys(&mut keypad), [Key::Digit(1), Key::Enter]);
    }

    #[test]
    fn a_named_pipe_without_a_writer_blocks_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keypad");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        let mut keypad = SimulatedKeypad::new(path.clone());
        assert_eq!(keypad.next(Duration::ZERO).unwrap(), None);
        std::fs::write(&path, "5\n").unwrap();
        assert_eq!(keys(&mut keypad), [Key::Digit(5), Key::Enter]);
    }
}
