//! Whether the eyes of a face are open.
//!
//! Flows in: a frame and a face's landmarks. Flows out: one probability an image; a blink is
//! found from many of them by [`crate::presentation::blink`]. It must never be taken for an
//! answer about one image alone: sunglasses and hair look like closed eyes.

use opencv::core::Mat;
use opencv::imgproc;
use opencv::prelude::*;

use super::VisionError;
use super::geometry::Point;
use super::landmarks::Landmarks;
use super::liveness::share;
use super::network::Network;
use super::pack::{ModelPack, Role};

/// The side of the square that the network sees, in widths of the eye (models/manifest.toml).
const SIDE: f32 = 1.6;
/// closed and open (models/manifest.toml).
const CLASSES: usize = 2;
const OPEN: usize = 1;
/// Corners and lids of both eyes, in the iBUG 300-W order.
const EYES: [[usize; 6]; 2] = [[36, 37, 38, 39, 40, 41], [42, 43, 44, 45, 46, 47]];

/// The eye-state network.
#[derive(Debug)]
pub struct EyeNetwork {
    network: Network,
    grey: Mat,
}

impl EyeNetwork {
    /// Loads the pack's eye-state network.
    ///
    /// # Errors
    /// When the pack has none, or its file is missing, wrong or not understood.
    pub fn load(pack: &ModelPack) -> Result<Self, VisionError> {
        Ok(Self {
            network: Network::load(pack, Role::EyeState, &[])?,
            grey: Mat::default(),
        })
    }

    /// Probability, 0..1, that the eyes are open: the mean of both. `None` when an eye lies
    /// outside of the frame.
    ///
    /// # Errors
    /// When the engine fails or delivers something else than the manifest says.
    pub fn open(&mut self, frame: &Mat, landmarks: &Landmarks) -> Result<Option<f32>, VisionError> {
        let mut sum = 0.0;
        for eye in EYES {
            let points = eye.map(|index| landmarks.0[index]);
            let Some(crop) = square(&points, frame.cols(), frame.rows()) else {
                return Ok(None);
            };
            let colour = Mat::roi(frame, crop)?;
            imgproc::cvt_color_def(&colour, &mut self.grey, imgproc::COLOR_BGR2GRAY)?;
            let tensors = self.network.forward(&self.grey)?;
            let tensor = tensors.get(0)?;
            let logits = tensor.data_typed::<f32>()?;
            if logits.len() != CLASSES {
                return Err(VisionError::Shape {
                    network: "eye state",
                    expected: CLASSES,
                    found: logits.len(),
                });
            }
            sum += share(logits, OPEN);
        }
        Ok(Some(sum / EYES.len() as f32))
    }
}

/// The square around one eye, in whole pixels; `None` unless all of it is inside of the frame.
fn square(eye: &[Point; 6], width: i32, height: i32) -> Option<opencv::core::Rect> {
    // The lids' points: the corners would pull the centre towards the nose.
    let centre = Point::mean(&[eye[1], eye[2], eye[4], eye[5]]);
    let side = eye[0].distance(eye[3]) * SIDE;
    let (x, y) = (
        (centre.x - side * 0.5) as i32,
        (centre.y - side * 0.5) as i32,
    );
    let side = side as i32;
    let inside = x >= 0 && y >= 0 && side >= 1 && x + side <= width && y + side <= height;
    inside.then(|| opencv::core::Rect::new(x, y, side, side))
}
