//! Which files make a presentation.
//!
//! Flows in: a folder. Flows out: its presentations, sorted by name. Nothing is decoded here.

use std::path::{Path, PathBuf};

use crate::enroll::images_in;
use crate::evaluate::files::FolderError;

/// What the door is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presentation {
    /// One image, held still.
    Still(PathBuf),
    /// A folder of frames, in the order of their names.
    Frames {
        /// The folder.
        folder: PathBuf,
        /// Its images.
        files: Vec<PathBuf>,
    },
    /// A video file.
    Video(PathBuf),
}

impl Presentation {
    /// Where it comes from.
    #[must_use]
    pub fn source(&self) -> &Path {
        match self {
            Presentation::Still(path) | Presentation::Video(path) => path,
            Presentation::Frames { folder, .. } => folder,
        }
    }
}

/// Loose images, video files, and folders of frames (or of more videos) in `folder`.
///
/// # Errors
/// When a folder cannot be read, or there is nothing in it.
pub fn list(folder: &Path) -> Result<Vec<Presentation>, FolderError> {
    let unreadable = |path: &Path, source| FolderError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut found: Vec<Presentation> = images_in(folder)
        .map_err(|source| unreadable(folder, source))?
        .into_iter()
        .map(Presentation::Still)
        .collect();
    let entries = |folder: &Path| -> Result<Vec<PathBuf>, FolderError> {
        std::fs::read_dir(folder)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
            .map_err(|source| unreadable(folder, source))
    };
    for path in entries(folder)? {
        if path.is_dir() {
            let files = images_in(&path).map_err(|source| unreadable(&path, source))?;
            found.extend(videos(entries(&path)?));
            if !files.is_empty() {
                found.push(Presentation::Frames {
                    folder: path,
                    files,
                });
            }
        } else {
            found.extend(videos(vec![path]));
        }
    }
    found.sort_by(|a, b| a.source().cmp(b.source()));
    if found.is_empty() {
        return Err(FolderError::NoPresentations(folder.to_owned()));
    }
    Ok(found)
}

fn videos(paths: Vec<PathBuf>) -> impl Iterator<Item = Presentation> {
    const EXTENSIONS: [&str; 6] = ["avi", "mp4", "mov", "mkv", "webm", "m4v"];
    let is_video = |path: &PathBuf| {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        path.is_file()
            && EXTENSIONS
                .iter()
                .any(|known| known.eq_ignore_ascii_case(extension))
    };
    paths.into_iter().filter(is_video).map(Presentation::Video)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stills_frames_and_videos_are_told_apart() {
        let root = tempfile::tempdir().unwrap();
        let touch = |name: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        assert!(matches!(
            list(root.path()),
            Err(FolderError::NoPresentations(_))
        ));
        for name in [
            "b.jpg",
            "a/1.png",
            "a/2.png",
            "c.AVI",
            "d/x.mp4",
            "e/notes.txt",
        ] {
            touch(name);
        }
        let kinds: Vec<String> = list(root.path())
            .unwrap()
            .iter()
            .map(|found| {
                let name = found.source().strip_prefix(root.path()).unwrap().display();
                match found {
                    Presentation::Still(_) => format!("still {name}"),
                    Presentation::Frames { files, .. } => format!("{} frames {name}", files.len()),
                    Presentation::Video(_) => format!("video {name}"),
                }
            })
            .collect();
        assert_eq!(
            kinds,
            ["2 frames a", "still b.jpg", "video c.AVI", "video d/x.mp4"]
        );
    }
}
