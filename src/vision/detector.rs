//! Finds faces in a frame: the pack's detector, threshold, non-maximum suppression.
//!
//! Two kinds of networks are understood, which a pack names as `decoder`. Both give boxes in
//! pixels of the frame; YuNet also gives the five points that alignment needs.

use opencv::core::{Mat, Scalar, Size, Vector};
use opencv::imgproc;
use opencv::prelude::*;

use super::VisionError;
use super::geometry::{Point, Rect, non_maximum_suppression};
use super::network::Network;
use super::pack::{Decoder, ModelPack, PackError, Role};
use super::yunet::{self, Fit, Level};

/// Below this score nothing is a face for Ultra-Light RFB (the model card's own choice).
pub const SCORE_THRESHOLD: f32 = 0.7;
/// Boxes of Ultra-Light RFB that overlap more are the same face (models/README.md).
pub const IOU_THRESHOLD: f32 = 0.4;

/// A face found in a frame.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Detection {
    /// Where, in pixels of the frame; may reach beyond its edge.
    pub rect: Rect,
    /// How sure the detector is, 0..1.
    pub score: f32,
    /// Right eye (left in the image), left eye, tip of the nose, mouth corners, in pixels of
    /// the frame; only from a detector that finds them itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<[Point; 5]>,
}

/// The detector.
#[derive(Debug)]
pub struct Detector {
    network: Network,
    decoder: Decoder,
    shrunk: Mat,
    padded: Mat,
}

impl Detector {
    /// Loads the pack's detector.
    ///
    /// # Errors
    /// When its file is missing, wrong or not understood.
    pub fn load(pack: &ModelPack) -> Result<Self, VisionError> {
        let decoder = pack.file(Role::Detector)?.decoder;
        let outputs = match decoder {
            Decoder::Rfb => &["scores", "boxes"][..],
            Decoder::Yunet => &yunet::OUTPUTS,
        };
        let network = Network::load(pack, Role::Detector, outputs)?;
        let Size { width, height } = network.size();
        if decoder == Decoder::Yunet
            && (width % yunet::MULTIPLE, height % yunet::MULTIPLE) != (0, 0)
        {
            return Err(VisionError::Pack(PackError::Manifest {
                path: pack.path().to_owned(),
                message: format!(
                    "`input` of a yunet detector must be multiples of {}, not {width}x{height}",
                    yunet::MULTIPLE
                ),
            }));
        }
        Ok(Self {
            network,
            decoder,
            shrunk: Mat::default(),
            padded: Mat::default(),
        })
    }

    /// All faces of a BGR frame, best first.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn detect(&mut self, frame: &Mat) -> Result<Vec<Detection>, VisionError> {
        let candidates = self.candidates(frame)?;
        let boxes: Vec<(Rect, f32)> = candidates.iter().map(|c| (c.rect, c.score)).collect();
        let threshold = match self.decoder {
            Decoder::Rfb => IOU_THRESHOLD,
            Decoder::Yunet => yunet::IOU_THRESHOLD,
        };
        Ok(non_maximum_suppression(&boxes, threshold)
            .into_iter()
            .map(|index| candidates[index])
            .collect())
    }

    /// Everything above the score threshold, before suppression, in the network's order.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn candidates(&mut self, frame: &Mat) -> Result<Vec<Detection>, VisionError> {
        match self.decoder {
            Decoder::Rfb => self.rfb(frame),
            Decoder::Yunet => self.yunet(frame),
        }
    }

    /// Ultra-Light RFB: the frame is stretched; boxes come out decoded, as shares of it.
    fn rfb(&mut self, frame: &Mat) -> Result<Vec<Detection>, VisionError> {
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
            .map(|(score, corners)| Detection {
                rect: Rect {
                    x0: corners[0] * width,
                    y0: corners[1] * height,
                    x1: corners[2] * width,
                    y1: corners[3] * height,
                },
                score: score[1],
                points: None,
            })
            .collect())
    }

    /// YuNet: the frame keeps its shape; the network takes any size, in whole cells.
    fn yunet(&mut self, frame: &Mat) -> Result<Vec<Detection>, VisionError> {
        let whole = (frame.cols(), frame.rows());
        let Size { width, height } = self.network.size();
        let fit = Fit::new(whole, (width, height));
        let size = Size::new(fit.width, fit.height);
        // Area sampling: a photo shrunk tenfold must not be made of every tenth pixel.
        imgproc::resize(frame, &mut self.shrunk, size, 0.0, 0.0, imgproc::INTER_AREA)?;
        opencv::core::copy_make_border(
            &self.shrunk,
            &mut self.padded,
            0,
            fit.padded_height - fit.height,
            0,
            fit.padded_width - fit.width,
            opencv::core::BORDER_CONSTANT,
            Scalar::default(),
        )?;
        let tensors = self.network.forward_whole(&self.padded)?;
        let found = decode(tensors, &fit)?;
        Ok(found.iter().map(|face| fit.undo(face, whole)).collect())
    }
}

/// The tensors in the order of [`yunet::OUTPUTS`], read.
fn decode(tensors: &Vector<Mat>, fit: &Fit) -> Result<Vec<Detection>, VisionError> {
    let tensors = tensors.to_vec();
    let numbers = tensors
        .iter()
        .map(|tensor| tensor.data_typed::<f32>())
        .collect::<Result<Vec<&[f32]>, opencv::Error>>()?;
    let [
        cls_8,
        cls_16,
        cls_32,
        obj_8,
        obj_16,
        obj_32,
        bbox_8,
        bbox_16,
        bbox_32,
        kps_8,
        kps_16,
        kps_32,
    ] = numbers[..]
    else {
        return Err(VisionError::Shape {
            network: "detector",
            expected: yunet::OUTPUTS.len(),
            found: numbers.len(),
        });
    };
    let side = |pixels: i32| usize::try_from(pixels).unwrap_or_default();
    let size = (side(fit.padded_width), side(fit.padded_height));
    let [fine, middle, coarse] = yunet::STRIDES;
    Ok(yunet::decode(&[
        Level::new(fine, size, [cls_8, obj_8, bbox_8, kps_8])?,
        Level::new(middle, size, [cls_16, obj_16, bbox_16, kps_16])?,
        Level::new(coarse, size, [cls_32, obj_32, bbox_32, kps_32])?,
    ]))
}
