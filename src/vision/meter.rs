//! What is measured of an aligned face; limits and weights are [`super::quality`]'s.

use opencv::core::{Mat, Scalar};
use opencv::imgproc;
use opencv::prelude::*;

use super::VisionError;

/// Levels from here on count as overexposed.
const BRIGHT: f64 = 250.0;

/// Measures of the aligned face; keeps its buffers between faces.
#[derive(Debug, Default)]
pub(super) struct Meter {
    grey: Mat,
    edges: Mat,
    bright: Mat,
}

/// What the meter reads off.
#[derive(Debug, Clone, Copy)]
pub(super) struct Readings {
    pub(super) sharpness: f32,
    pub(super) brightness: f32,
    pub(super) contrast: f32,
    pub(super) overexposed: f32,
}

impl Meter {
    /// Measures an aligned BGR face.
    pub(super) fn read(&mut self, aligned: &Mat) -> Result<Readings, VisionError> {
        imgproc::cvt_color_def(aligned, &mut self.grey, imgproc::COLOR_BGR2GRAY)?;
        imgproc::laplacian_def(&self.grey, &mut self.edges, opencv::core::CV_32F)?;
        let (_, edges) = mean_and_deviation(&self.edges)?;
        let (brightness, contrast) = mean_and_deviation(&self.grey)?;
        imgproc::threshold(
            &self.grey,
            &mut self.bright,
            BRIGHT,
            255.0,
            imgproc::THRESH_BINARY,
        )?;
        let white = opencv::core::count_non_zero(&self.bright)?;
        Ok(Readings {
            sharpness: (edges * edges) as f32,
            brightness: brightness as f32,
            contrast: contrast as f32,
            overexposed: white as f32 / self.grey.total().max(1) as f32,
        })
    }
}

fn mean_and_deviation(image: &Mat) -> Result<(f64, f64), VisionError> {
    let (mut mean, mut deviation) = (Scalar::default(), Scalar::default());
    opencv::core::mean_std_dev(image, &mut mean, &mut deviation, &opencv::core::no_array())?;
    Ok((mean[0], deviation[0]))
}
