//! Finds faces in a frame: Ultra-Light RFB-320, threshold, non-maximum suppression.

use opencv::core::Mat;
use opencv::prelude::*;

use super::VisionError;
use super::geometry::{Rect, non_maximum_suppression};
use super::network::Network;
use super::pack::{ModelPack, Role};

/// Below this score nothing is a face (the model card's own choice).
pub const SCORE_THRESHOLD: f32 = 0.7;
/// Boxes that overlap more are the same face (models/README.md).
pub const IOU_THRESHOLD: f32 = 0.4;

/// A face found in a frame.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Detection {
    /// Where, in pixels of the frame; may reach beyond its edge.
    pub rect: Rect,
    /// How sure the detector is, 0..1.
    pub score: f32,
}

/// The detector.
#[derive(Debug)]
pub struct Detector {
    network: Network,
}

impl Detector {
    /// Loads the pack's detector.
    ///
    /// # Errors
    /// When its file is missing, wrong or not understood.
    pub fn load(pack: &ModelPack) -> Result<Self, VisionError> {
        let network = Network::load(pack, Role::Detector, &["scores", "boxes"])?;
        Ok(Self { network })
    }

    /// All faces of a BGR frame, best first.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn detect(&mut self, frame: &Mat) -> Result<Vec<Detection>, VisionError> {
        let candidates = self.candidates(frame)?;
        Ok(non_maximum_suppression(&candidates, IOU_THRESHOLD)
            .into_iter()
            .map(|index| Detection {
                rect: candidates[index].0,
                score: candidates[index].1,
            })
            .collect())
    }

    /// Everything above the score threshold, before suppression, in the network's order.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn candidates(&mut self, frame: &Mat) -> Result<Vec<(Rect, f32)>, VisionError> {
        let tensors = self.network.forward(frame)?;
        let (scores, boxes) = (tensors.get(0)?, tensors.get(1)?);
        let (scores, _) = scores.data_typed::<f32>()?.as_chunks::<2>();
        let (boxes, _) = boxes.data_typed::<f32>()?.as_chunks::<4>();
        let (width, height) = (frame.cols() as f32, frame.rows() as f32);
        let above = scores
            .iter()
            .zip(boxes)
            .filter(|(s, _)| s[1] > SCORE_THRESHOLD);
        Ok(above
            .map(|(score, corners)| {
                let rect = Rect {
                    x0: corners[0] * width,
                    y0: corners[1] * height,
                    x1: corners[2] * width,
                    y1: corners[3] * height,
                };
                (rect, score[1])
            })
            .collect())
    }
}
