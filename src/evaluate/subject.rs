//! Which face of a picture is meant, and the picture as a sample to be compared.
//!
//! Flows in: picture files. Flows out: [`Sample`]s and named [`Failure`]s: a picture that cannot
//! be used is a result, not an end. Only a failing engine ends a run.

use std::path::{Path, PathBuf};

use opencv::prelude::MatTraitConst as _;
use serde::Serialize;

use crate::vision::{Detection, Embedding, Quality, Vision, VisionError, still};

/// Which of several faces is the picture's subject. Measured in `docs/evaluation.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaceChoice {
    /// The largest, as at the door, weighed by how near it is to the picture's middle:
    /// somebody who leans into the frame is larger at times, but not the subject.
    #[default]
    Prominent,
    /// The one nearest the picture's middle, whatever its size: the rule of LFW.
    Central,
    /// The largest, as `doorward enroll --largest` takes it.
    Largest,
}

impl FaceChoice {
    /// The subject in a picture of `width` × `height` pixels; nobody among no faces. Of equals
    /// the first, which is the one that the detector is surest of.
    #[must_use]
    pub fn subject(self, faces: &[Detection], width: f32, height: f32) -> Option<Detection> {
        // From the middle to a corner is 1.
        let off_centre = |face: &Detection| {
            let rect = face.rect;
            let (x, y) = ((rect.x0 + rect.x1) / width, (rect.y0 + rect.y1) / height);
            (x - 1.0).hypot(y - 1.0) / std::f32::consts::SQRT_2
        };
        let merit = |face: &Detection| match self {
            FaceChoice::Prominent => face.rect.area() * (1.0 - off_centre(face)).max(0.0),
            FaceChoice::Central => -off_centre(face),
            FaceChoice::Largest => face.rect.area(),
        };
        let better = |best: Detection, face: Detection| {
            if merit(&face) > merit(&best) {
                face
            } else {
                best
            }
        };
        faces.iter().copied().reduce(better)
    }
}

/// A face ready to be compared.
#[derive(Debug, Clone)]
pub struct Sample {
    /// What it looks like.
    pub embedding: Embedding,
    /// How good it is; nothing is refused here.
    pub quality: Quality,
}

/// Why a picture has no sample.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No face was found.
    #[error("no face found")]
    NoFace,
    /// It is no whole picture; the message names the reason.
    #[error("{0}")]
    Unusable(String),
}

impl Failure {
    /// A machine-readable word.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Failure::NoFace => "no_face",
            Failure::Unusable(_) => "unusable",
        }
    }
}

/// One picture of somebody.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The file.
    pub path: PathBuf,
    /// Faces that were found in it.
    pub faces: usize,
    /// The subject's face, or why there is none.
    pub sample: Result<Sample, Failure>,
}

/// Reads pictures through the door's own chain.
#[derive(Debug)]
pub struct Reader<'a> {
    vision: &'a mut Vision,
    choice: FaceChoice,
}

impl<'a> Reader<'a> {
    /// Takes the subject that `choice` says.
    #[must_use]
    pub fn new(vision: &'a mut Vision, choice: FaceChoice) -> Self {
        Self { vision, choice }
    }

    /// Reads one picture.
    ///
    /// # Errors
    /// When the engine fails; a picture that cannot be used is a [`Failure`] in the result.
    pub fn read(&mut self, path: &Path) -> Result<Picture, VisionError> {
        let mut picture = Picture {
            path: path.to_owned(),
            faces: 0,
            sample: Err(Failure::NoFace),
        };
        let image = match still::read(path) {
            Ok(still) => still.image,
            Err(VisionError::Still { error, .. }) => {
                picture.sample = Err(Failure::Unusable(error.to_string()));
                return Ok(picture);
            }
            Err(error) => return Err(error),
        };
        let (image, faces) = self.vision.detect_in_still(image)?;
        picture.faces = faces.len();
        let (width, height) = (image.cols() as f32, image.rows() as f32);
        if let Some(detection) = self.choice.subject(&faces, width, height)
            && let Some(face) = self.vision.examine(&image, detection)?
        {
            let observation = self.vision.embed(&face)?;
            picture.sample = Ok(Sample {
                embedding: observation.embedding,
                quality: observation.quality,
            });
        }
        Ok(picture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::geometry::Rect;

    fn face(x: f32, y: f32, side: f32) -> Detection {
        let rect = Rect {
            x0: x - side / 2.0,
            y0: y - side / 2.0,
            x1: x + side / 2.0,
            y1: y + side / 2.0,
        };
        Detection {
            rect,
            score: 0.9,
            points: None,
        }
    }

    #[test]
    fn each_rule_has_its_own_subject() {
        let small_in_the_middle = face(100.0, 100.0, 20.0);
        let medium = face(80.0, 110.0, 80.0);
        let large_at_the_edge = face(190.0, 190.0, 100.0);
        let faces = [large_at_the_edge, medium, small_in_the_middle];
        let subject = |choice: FaceChoice| choice.subject(&faces, 200.0, 200.0).unwrap();
        assert_eq!(subject(FaceChoice::Prominent), medium);
        assert_eq!(subject(FaceChoice::Central), small_in_the_middle);
        assert_eq!(subject(FaceChoice::Largest), large_at_the_edge);
        assert_eq!(FaceChoice::Prominent.subject(&[], 200.0, 200.0), None);
    }
}
