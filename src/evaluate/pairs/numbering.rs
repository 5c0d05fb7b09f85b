//! Which picture of a person a number means.
//!
//! LFW calls them `NAME/NAME_0001.jpg`. Where every picture of a folder ends so, that number
//! counts; otherwise pictures are numbered from 1 in the order of their names, so that one's own
//! pictures need not be renamed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::enroll::images_in;
use crate::evaluate::files::FolderError;

/// The pictures in a person's `folder` by number.
///
/// # Errors
/// When the folder cannot be read.
pub fn numbered(folder: &Path, name: &str) -> Result<BTreeMap<u32, PathBuf>, FolderError> {
    let pictures = images_in(folder).map_err(|source| FolderError::Unreadable {
        path: folder.to_owned(),
        source,
    })?;
    let by_name: Option<BTreeMap<u32, PathBuf>> = pictures
        .iter()
        .map(|path| Some((number_of(path, name)?, path.clone())))
        .collect();
    Ok(match by_name {
        // Two pictures with one number (.jpg and .png) would hide each other.
        Some(numbers) if numbers.len() == pictures.len() => numbers,
        _ => (1..).zip(pictures).collect(),
    })
}

/// 12 of `NAME_0012.jpg`.
fn number_of(path: &Path, name: &str) -> Option<u32> {
    let digits = path
        .file_stem()?
        .to_str()?
        .strip_prefix(name)?
        .strip_prefix('_')?;
    if digits.len() < 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(files: &[&str]) -> Vec<(u32, String)> {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        let file_name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        numbered(folder.path(), "Ada_B")
            .unwrap()
            .into_iter()
            .map(|(number, path)| (number, file_name(path)))
            .collect()
    }

    #[test]
    fn the_name_gives_the_number_or_else_the_order() {
        assert_eq!(
            numbers(&["Ada_B_0003.jpg", "Ada_B_0001.png"]),
            [(1, "Ada_B_0001.png".into()), (3, "Ada_B_0003.jpg".into())]
        );
        assert_eq!(
            numbers(&["Ada_B_0003.jpg", "x.jpg"]),
            [(1, "Ada_B_0003.jpg".into()), (2, "x.jpg".into())]
        );
        assert_eq!(numbers(&["Ada_B_0003.jpg", "Ada_B_0003.png"]).len(), 2);
    }
}
