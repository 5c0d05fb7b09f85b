//! Which pictures belong to whom.
//!
//! Flows in: a folder. Flows out: people with their pictures, sorted by name, and strangers.
//! Nothing is decoded here.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::enroll::images_in;

/// The folder of people who are never enrolled.
const STRANGERS: &str = "strangers";
/// The folder of people's folders, where there is one.
const ENROLLED: &str = "enrolled";

/// How a folder of labelled faces is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// `NAME/*.jpg`, and `strangers/` beside the names if there is one.
    PersonFolders,
    /// `enrolled/NAME/*.jpg`, and `strangers/` beside `enrolled/` if there is one.
    EnrolledAndStrangers,
}

/// Pictures of one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Name of the folder, or of the picture for a stranger with only one.
    pub name: String,
    /// Sorted by name.
    pub pictures: Vec<PathBuf>,
}

/// A folder of labelled faces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// How it is laid out.
    pub layout: Layout,
    /// People to be enrolled, sorted by name.
    pub people: Vec<Person>,
    /// People who never are, sorted by name.
    pub strangers: Vec<Person>,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It, or one inside it, cannot be read.
    #[error("{path}: cannot be read: {source}", path = path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// There is nobody in it.
    #[error(
        "{path}: no folders with pictures of people; expected one folder a person, {path}/NAME/*.jpg, or {path}/enrolled/NAME/*.jpg, and {path}/strangers/ for people who are not enrolled",
        path = .0.display()
    )]
    Empty(PathBuf),
    /// There is nothing to be shown in it.
    #[error(
        "{path}: no presentations; expected loose images, video files, or folders of frames",
        path = .0.display()
    )]
    NoPresentations(PathBuf),
    /// One person cannot be taken for another.
    #[error("{path}: at least two people are needed, found only {name:?}", path = path.display())]
    OnePerson {
        /// The folder.
        path: PathBuf,
        /// Who.
        name: String,
    },
}

impl Labelled {
    /// Lists `folder`; both layouts are recognised.
    ///
    /// # Errors
    /// When it cannot be read, or has pictures of fewer than two people (strangers included).
    pub fn list(folder: &Path) -> Result<Self, FolderError> {
        let inner = folder.join(ENROLLED);
        let (layout, root) = if inner.is_dir() {
            (Layout::EnrolledAndStrangers, inner.as_path())
        } else {
            (Layout::PersonFolders, folder)
        };
        let people: Vec<Person> = person_folders(root)?
            .into_iter()
            .filter(|person| layout != Layout::PersonFolders || person.name != STRANGERS)
            .collect();
        let apart = folder.join(STRANGERS);
        let strangers = if apart.is_dir() {
            strangers_in(&apart)?
        } else {
            Vec::new()
        };
        match (&people[..], &strangers[..]) {
            ([], _) => Err(FolderError::Empty(folder.to_owned())),
            ([only], []) => Err(FolderError::OnePerson {
                path: folder.to_owned(),
                name: only.name.clone(),
            }),
            _ => Ok(Self {
                layout,
                people,
                strangers,
            }),
        }
    }
}

/// Folders with at least one picture in them, sorted by name; hidden ones are passed over.
///
/// # Errors
/// When one cannot be read.
pub fn person_folders(root: &Path) -> Result<Vec<Person>, FolderError> {
    let unreadable = |source| FolderError::Unreadable {
        path: root.to_owned(),
        source,
    };
    let mut people = Vec::new();
    for entry in std::fs::read_dir(root).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = name_of(&path);
        if !path.is_dir() || name.starts_with('.') {
            continue;
        }
        let pictures = pictures_in(&path)?;
        if !pictures.is_empty() {
            people.push(Person { name, pictures });
        }
    }
    people.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(people)
}

/// Loose pictures are one stranger each; a folder is one stranger with several.
fn strangers_in(folder: &Path) -> Result<Vec<Person>, FolderError> {
    let mut strangers = person_folders(folder)?;
    let loose = pictures_in(folder)?.into_iter().map(|path| Person {
        name: name_of(&path),
        pictures: vec![path],
    });
    strangers.extend(loose);
    strangers.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(strangers)
}

fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>, FolderError> {
    images_in(folder).map_err(|source| FolderError::Unreadable {
        path: folder.to_owned(),
        source,
    })
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(root: &Path, files: &[&str]) {
        for file in files {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
    }

    fn names(people: &[Person]) -> Vec<(&str, usize)> {
        people
            .iter()
            .map(|p| (p.name.as_str(), p.pictures.len()))
            .collect()
    }

    #[test]
    fn both_layouts_are_recognised() {
        let folder = tempfile::tempdir().unwrap();
        touch(
            folder.path(),
            &[
                "bob/1.jpg",
                "ada/2.png",
                "ada/1.jpg",
                "empty/notes.txt",
                ".git/1.jpg",
            ],
        );
        let found = Labelled::list(folder.path()).unwrap();
        assert_eq!(found.layout, Layout::PersonFolders);
        assert_eq!(names(&found.people), [("ada", 2), ("bob", 1)]);
        assert!(found.strangers.is_empty());

        touch(
            folder.path(),
            &["strangers/x.jpg", "strangers/y/1.jpg", "strangers/y/2.jpg"],
        );
        let found = Labelled::list(folder.path()).unwrap();
        assert_eq!(names(&found.people), [("ada", 2), ("bob", 1)]);
        assert_eq!(names(&found.strangers), [("x.jpg", 1), ("y", 2)]);

        touch(folder.path(), &["enrolled/cid/1.jpg"]);
        let found = Labelled::list(folder.path()).unwrap();
        assert_eq!(found.layout, Layout::EnrolledAndStrangers);
        assert_eq!(names(&found.people), [("cid", 1)]);
        assert_eq!(found.strangers.len(), 2);
    }

    #[test]
    fn a_folder_without_people_says_what_was_expected() {
        let folder = tempfile::tempdir().unwrap();
        let error = Labelled::list(folder.path()).unwrap_err().to_string();
        assert!(error.contains("/NAME/*.jpg"), "{error}");
        touch(folder.path(), &["ada/1.jpg"]);
        let error = Labelled::list(folder.path()).unwrap_err().to_string();
        assert!(error.contains("found only \"ada\""), "{error}");
        let error = Labelled::list(&folder.path().join("none")).unwrap_err();
        assert!(matches!(error, FolderError::Unreadable { .. }), "{error}");
    }
}
