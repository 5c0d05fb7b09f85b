//! The file: lines with a checksum each, added at its end and synced at once.
//!
//! A line is a checksum (the first 16 hex digits of its SHA-256), a space, and JSON. The last line may
//! be torn by a power cut and is passed over; the next one begins on a line of its own. Written anew it
//! is made whole beside the old one and takes its place in one step.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::Line;
use crate::store::backup::beside;
use crate::store::health::FileIdentity;
use crate::store::private::REVOCATIONS;
use crate::store::{BUSY_TIMEOUT, StoreError, folder_of};

/// Digits of a checksum.
const CHECKSUM: usize = 16;
/// How soon a file that another process writes is tried again.
const RETRY: Duration = Duration::from_millis(10);

/// What was read of the file.
#[derive(Debug, Default)]
pub(in crate::store) struct Contents {
    pub(in crate::store) lines: Vec<Line>,
    /// Lines that are damaged, or that a newer version wrote; a torn last one is none.
    pub(in crate::store) unreadable: usize,
}

/// Where the file is.
#[derive(Debug, Clone)]
pub(in crate::store) struct Log {
    path: PathBuf,
}

impl Log {
    /// The one of a database.
    pub(in crate::store) fn of(database: &Path) -> Self {
        Self {
            path: crate::store::private::with_suffix(database, REVOCATIONS),
        }
    }

    pub(in crate::store) fn path(&self) -> &Path {
        &self.path
    }

    pub(in crate::store) fn failed(&self, source: io::Error) -> StoreError {
        StoreError::Revocations {
            path: self.path.clone(),
            source,
        }
    }

    /// Adds lines; on the disk when it returns.
    pub(in crate::store) fn append(&self, lines: &[Line]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut text = text_of(lines)?;
        let mut file = self.open()?;
        if file.seek(SeekFrom::End(0))? == 0 {
            // Its name is to last too.
            File::open(folder_of(&self.path))?.sync_all()?;
        } else {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                text.insert(0, '\n');
            }
        }
        file.write_all(text.as_bytes())?;
        file.sync_data()
    }

    /// What is in it; nothing when there is none.
    pub(in crate::store) fn read(&self) -> io::Result<Contents> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contents::default()),
            Err(error) => return Err(error),
        };
        let mut contents = Contents::default();
        let mut rest = bytes.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            match line_of(&rest[..end]) {
                Some(line) => contents.lines.push(line),
                None => contents.unreadable += 1,
            }
            rest = &rest[end + 1..];
        }
        // Whole, but for the end of its line; or torn.
        contents.lines.extend(line_of(rest));
        Ok(contents)
    }

    /// Puts these lines in the place of all there are.
    pub(in crate::store) fn rewrite(&self, lines: &[Line]) -> io::Result<()> {
        let _held = self.open()?;
        let target = beside(&self.path, "partial");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&target)?;
        file.write_all(text_of(lines)?.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&target, &self.path)?;
        File::open(folder_of(&self.path))?.sync_all()
    }

    /// The file that is at the path, held against every other process until it is closed.
    fn open(&self) -> io::Result<File> {
        let until = Instant::now() + BUSY_TIMEOUT;
        loop {
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .read(true)
                .mode(0o600)
                .open(&self.path)?;
            match file.try_lock() {
                // Whoever held it may have put another one in its place meanwhile.
                Ok(())
                    if FileIdentity::of(&self.path)? == FileIdentity::from(&file.metadata()?) =>
                {
                    return Ok(file);
                }
                Ok(()) | Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                    return Err(io::Error::other("another process holds it"));
                }
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => std::thread::sleep(RETRY),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }
}

fn text_of(lines: &[Line]) -> io::Result<String> {
    let mut text = String::new();
    for line in lines {
        let json = serde_json::to_string(line)?;
        text.push_str(&checksum(json.as_bytes()));
        text.push(' ');
        text.push_str(&json);
        text.push('\n');
    }
    Ok(text)
}

fn line_of(bytes: &[u8]) -> Option<Line> {
    let (sum, json) = bytes.split_at_checked(CHECKSUM)?;
    let json = json.strip_prefix(b" ")?;
    if sum != checksum(json).as_bytes() {
        return None;
    }
    serde_json::from_slice(json).ok()
}

fn checksum(json: &[u8]) -> String {
    let mut sum = hex::encode(Sha256::digest(json));
    sum.truncate(CHECKSUM);
    sum
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn log() -> (tempfile::TempDir, Log) {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::of(&folder.path().join("door.db"));
        (folder, log)
    }

    fn rules(seq: u64) -> Line {
        Line::Rules { seq }
    }

    #[test]
    fn lines_are_read_as_they_were_written_and_are_for_their_owner_alone() {
        let (_folder, log) = log();
        assert!(log.read().unwrap().lines.is_empty());
        log.append(&[rules(1), rules(2)]).unwrap();
        log.append(&[rules(3)]).unwrap();
        assert_eq!(log.read().unwrap().lines, [rules(1), rules(2), rules(3)]);
        log.rewrite(&[rules(4)]).unwrap();
        log.append(&[rules(5)]).unwrap();
        assert_eq!(log.read().unwrap().lines, [rules(4), rules(5)]);
        let mode = std::fs::metadata(log.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }

    #[test]
    fn wherever_the_last_line_is_torn_what_comes_after_it_is_read() {
        let (_folder, log) = log();
        log.append(&[rules(1)]).unwrap();
        let whole = std::fs::metadata(log.path()).unwrap().len();
        log.append(&[rules(2)]).unwrap();
        let bytes = std::fs::read(log.path()).unwrap();
        for length in usize::try_from(whole).unwrap()..bytes.len() {
            std::fs::write(log.path(), &bytes[..length]).unwrap();
            let torn = log.read().unwrap();
            assert_eq!((torn.lines[0].clone(), torn.unreadable), (rules(1), 0));
            log.append(&[rules(3)]).unwrap();
            let lines = log.read().unwrap().lines;
            assert_eq!(
                (lines[0].clone(), lines.last()),
                (rules(1), Some(&rules(3)))
            );
        }
    }

    #[test]
    fn a_damaged_line_is_counted_and_costs_no_other() {
        let (_folder, log) = log();
        log.append(&[rules(1), rules(2), rules(3)]).unwrap();
        let mut bytes = std::fs::read(log.path()).unwrap();
        let place = bytes.len() / 2;
        bytes[place] ^= 1;
        std::fs::write(log.path(), bytes).unwrap();
        let read = log.read().unwrap();
        assert_eq!((read.lines, read.unreadable), (vec![rules(1), rules(3)], 1));
    }

    #[test]
    fn whoever_waits_for_the_file_writes_into_the_one_that_took_its_place() {
        let (_folder, log) = log();
        log.append(&[rules(1)]).unwrap();
        let held = log.open().unwrap();
        let waiting = log.clone();
        let waits = std::thread::spawn(move || waiting.append(&[rules(3)]));
        std::thread::sleep(Duration::from_millis(50));
        let other = beside(log.path(), "other");
        std::fs::write(&other, text_of(&[rules(2)]).unwrap()).unwrap();
        std::fs::rename(other, log.path()).unwrap();
        drop(held);
        waits.join().unwrap().unwrap();
        assert_eq!(log.read().unwrap().lines, [rules(2), rules(3)]);
    }
}
