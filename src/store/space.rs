//! Room on the disk that holds the record, and when to say that it is running out.
//!
//! [`SpaceWatch`] only compares numbers; it never looks at a disk by itself.

use std::path::Path;

/// Bytes that this user may still write where `path` is (a file or a folder that exists).
///
/// # Errors
/// When the file system cannot be asked.
pub fn free_space(path: &Path) -> std::io::Result<u64> {
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// What changed about the room on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpaceNews {
    /// It fell below the limit.
    Low,
    /// There is enough again.
    Enough,
}

/// Tells once when the disk gets full, and once when there is room again: half as much more
/// than the limit, so that a disk at the limit does not raise and clear by turns.
#[derive(Debug, Clone, Copy, Default)]
pub struct SpaceWatch {
    low: bool,
}

impl SpaceWatch {
    /// Takes note of the `free` space; says whether that is news.
    pub fn news(&mut self, free: u64, min: u64) -> Option<SpaceNews> {
        if !self.low && free < min {
            self.low = true;
            return Some(SpaceNews::Low);
        }
        if self.low && free >= min.saturating_add(min / 2) {
            self.low = false;
            return Some(SpaceNews::Enough);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_and_taken_back_with_half_as_much_more() {
        let mut watch = SpaceWatch::default();
        let said: Vec<_> = [100, 99, 98, 100, 149, 150, 149, 100, 99]
            .map(|free| watch.news(free, 100))
            .into_iter()
            .enumerate()
            .filter_map(|(at, news)| news.map(|news| (at, news)))
            .collect();
        let expected = [
            (1, SpaceNews::Low),
            (5, SpaceNews::Enough),
            (8, SpaceNews::Low),
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_limit_of_any_size_is_no_overflow() {
        let mut watch = SpaceWatch::default();
        assert_eq!(watch.news(0, u64::MAX), Some(SpaceNews::Low));
        assert_eq!(watch.news(u64::MAX, u64::MAX), Some(SpaceNews::Enough));
    }

    #[test]
    fn the_disk_that_holds_a_folder_has_some_room() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_space(folder.path()).unwrap() > 0);
        assert!(free_space(&folder.path().join("none")).is_err());
    }
}
