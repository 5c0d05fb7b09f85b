//! How live a face looks to the network that was trained on faces, prints and screens.
//!
//! Flows in: a frame and a face's box. Flows out: one probability. It judges one image; what
//! several images together mean is decided in [`crate::presentation::liveness`]. It must never
//! decide about a door: one image of a live face is misjudged too often.

use opencv::core::Mat;
use opencv::prelude::*;

use super::VisionError;
use super::geometry::Rect;
use super::network::Network;
use super::pack::{ModelPack, Role};

/// The network sees the box and its surroundings: so many times the box (models/manifest.toml).
const SURROUNDINGS: f32 = 2.7;
/// live, and two kinds of attack (models/manifest.toml).
const CLASSES: usize = 3;
const LIVE: usize = 0;

/// The liveness network.
#[derive(Debug)]
pub struct LivenessNetwork {
    network: Network,
}

impl LivenessNetwork {
    /// Loads the pack's liveness network.
    ///
    /// # Errors
    /// When the pack has none, or its file is missing, wrong or not understood.
    pub fn load(pack: &ModelPack) -> Result<Self, VisionError> {
        Ok(Self {
            network: Network::load(pack, Role::Liveness, &[])?,
        })
    }

    /// Probability, 0..1, that the face in `rect` is live. A box without anything to be seen is
    /// not live.
    ///
    /// # Errors
    /// When the engine fails or delivers something else than the manifest says.
    pub fn judge(&mut self, frame: &Mat, rect: &Rect) -> Result<f32, VisionError> {
        let Some(crop) = surroundings(rect, frame.cols(), frame.rows()) else {
            return Ok(0.0);
        };
        let tensors = self.network.forward(&Mat::roi(frame, crop)?)?;
        let tensor = tensors.get(0)?;
        let logits = tensor.data_typed::<f32>()?;
        if logits.len() != CLASSES {
            return Err(VisionError::Shape {
                network: "liveness",
                expected: CLASSES,
                found: logits.len(),
            });
        }
        Ok(share(logits, LIVE))
    }
}

/// The box scaled about its centre, shifted to stay inside of the frame; where the frame is too
/// small for that, scaled less. As the network's makers cut their pictures.
fn surroundings(rect: &Rect, width: i32, height: i32) -> Option<opencv::core::Rect> {
    let (frame_width, frame_height) = (width as f32, height as f32);
    let (box_width, box_height) = (rect.width(), rect.height());
    let inside = rect.x0 < frame_width && rect.y0 < frame_height && rect.x1 > 0.0 && rect.y1 > 0.0;
    if !inside || box_width < 1.0 || box_height < 1.0 {
        return None;
    }
    let scale = SURROUNDINGS
        .min(frame_width / box_width)
        .min(frame_height / box_height);
    let place = |from: f32, to: f32, limit: f32| {
        let side = (to - from) * scale;
        let start = ((from + to - side) * 0.5).clamp(0.0, (limit - side).max(0.0));
        (start as i32, side as i32)
    };
    let (x, crop_width) = place(rect.x0, rect.x1, frame_width);
    let (y, crop_height) = place(rect.y0, rect.y1, frame_height);
    Some(opencv::core::Rect::new(x, y, crop_width, crop_height))
}

/// One class's share of a softmax.
pub(super) fn share(logits: &[f32], class: usize) -> f32 {
    let Some(own) = logits.get(class) else {
        return 0.0;
    };
    1.0 / logits.iter().map(|logit| (logit - own).exp()).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crop_is_centred_on_the_face_and_stays_inside_of_the_frame() {
        let rect = |x0, y0, x1, y1| Rect { x0, y0, x1, y1 };
        let crop = |r: &Rect| surroundings(r, 640, 480).map(|c| (c.x, c.y, c.width, c.height));
        let middle = crop(&rect(270.0, 190.0, 370.0, 290.0));
        assert_eq!(middle, Some((185, 105, 270, 270)));
        let corner = crop(&rect(-20.0, -10.0, 80.0, 90.0));
        assert_eq!(corner, Some((0, 0, 270, 270)));
        let far_corner = crop(&rect(560.0, 400.0, 660.0, 500.0));
        assert_eq!(far_corner, Some((370, 210, 270, 270)));
        // Too large to be scaled in full: as far as the frame goes.
        let close = crop(&rect(200.0, 100.0, 440.0, 400.0));
        assert_eq!(close, Some((128, 0, 384, 480)));
        assert_eq!(crop(&rect(700.0, 0.0, 800.0, 100.0)), None);
        assert_eq!(crop(&rect(10.0, 10.0, 10.0, 60.0)), None);
    }

    #[test]
    fn the_softmax_is_a_share_and_survives_large_logits() {
        assert!((share(&[1.0, 1.0, 1.0], 0) - 1.0 / 3.0).abs() < 1e-6);
        assert!((share(&[200.0, 0.0], 0) - 1.0).abs() < 1e-6);
        assert_eq!(share(&[-200.0, 0.0], 0), 0.0);
        assert_eq!(share(&[], 0), 0.0);
    }
}
