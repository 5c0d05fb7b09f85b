//! Finds 68 points in a face, and the five that alignment needs.

use opencv::core::Mat;
use opencv::imgproc;
use opencv::prelude::*;

use super::VisionError;
use super::geometry::{Point, Rect};
use super::network::Network;
use super::pack::{ModelPack, Role};

/// Points in the iBUG 300-W order: jaw 0–16, brows 17–26, nose 27–35, eyes 36–47, mouth 48–67.
pub const COUNT: usize = 68;

/// The points of one face, in pixels of the frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Landmarks(pub [Point; COUNT]);

impl Landmarks {
    /// Right eye (left in the image), left eye, tip of the nose, mouth corners.
    #[must_use]
    pub fn five(&self) -> [Point; 5] {
        let p = &self.0;
        [
            Point::mean(&p[36..42]),
            Point::mean(&p[42..48]),
            p[30],
            p[48],
            p[54],
        ]
    }
}

/// The landmark network.
#[derive(Debug)]
pub struct Landmarker {
    network: Network,
    grey: Mat,
}

impl Landmarker {
    /// Loads the pack's landmark network.
    ///
    /// # Errors
    /// When its file is missing, wrong or not understood.
    pub fn load(pack: &ModelPack) -> Result<Self, VisionError> {
        Ok(Self {
            network: Network::load(pack, Role::Landmarks, &[])?,
            grey: Mat::default(),
        })
    }

    /// The points of the face in `rect`; `None` when the box lies outside the frame.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn find(&mut self, frame: &Mat, rect: &Rect) -> Result<Option<Landmarks>, VisionError> {
        let Some(crop) = whole_pixels(rect, frame.cols(), frame.rows()) else {
            return Ok(None);
        };
        // Only the face is converted, not the frame.
        let face = Mat::roi(frame, crop)?;
        imgproc::cvt_color_def(&face, &mut self.grey, imgproc::COLOR_BGR2GRAY)?;
        let tensors = self.network.forward(&self.grey)?;
        let tensor = tensors.get(0)?;
        let (pairs, _) = tensor.data_typed::<f32>()?.as_chunks::<2>();
        let mut points = [Point::default(); COUNT];
        if pairs.len() != COUNT {
            return Err(VisionError::Shape {
                network: "landmarks",
                expected: COUNT * 2,
                found: pairs.len() * 2,
            });
        }
        for (point, [x, y]) in points.iter_mut().zip(pairs) {
            *point = Point {
                x: crop.x as f32 + x * crop.width as f32,
                y: crop.y as f32 + y * crop.height as f32,
            };
        }
        Ok(Some(Landmarks(points)))
    }
}

/// The box grown to whole pixels and clipped to the frame.
fn whole_pixels(rect: &Rect, width: i32, height: i32) -> Option<opencv::core::Rect> {
    // Saturating casts: a wild box clips to the frame like any other.
    let x0 = (rect.x0.floor() as i32).clamp(0, width);
    let y0 = (rect.y0.floor() as i32).clamp(0, height);
    let x1 = (rect.x1.ceil() as i32).clamp(0, width);
    let y1 = (rect.y1.ceil() as i32).clamp(0, height);
    (x1 > x0 && y1 > y0).then(|| opencv::core::Rect::new(x0, y0, x1 - x0, y1 - y0))
}
