//! Cuts an aligned face out of a frame; where it goes is [`doorward_core::vision::alignment`]'s.

use opencv::core::{Mat, Matx23d, Scalar, Size};
use opencv::imgproc;

pub use doorward_core::vision::alignment::*;

use super::VisionError;

/// A similarity as OpenCV takes it: 2×3, source to target.
#[must_use]
pub fn matrix(similarity: &Similarity) -> Matx23d {
    let Similarity { a, b, tx, ty } = *similarity;
    Matx23d::from_array([a, -b, tx, b, a, ty])
}

/// Writes the face seen through `similarity` into `aligned`, 112×112 BGR, black outside the frame.
///
/// # Errors
/// When the engine fails.
pub fn align(frame: &Mat, similarity: &Similarity, aligned: &mut Mat) -> Result<(), VisionError> {
    imgproc::warp_affine(
        frame,
        aligned,
        &matrix(similarity),
        Size::new(SIDE, SIDE),
        imgproc::INTER_LINEAR,
        opencv::core::BORDER_CONSTANT,
        Scalar::default(),
    )?;
    Ok(())
}
