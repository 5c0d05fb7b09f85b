//! What is known of a face in one image, as values: places, measures, limits, embedding.
//!
//! The pixels, and the networks that look at them, are outside. Nothing here decides.

pub mod alignment;
pub mod embedding;
pub mod geometry;
pub mod pose;
pub mod quality;

pub use embedding::Embedding;
pub use pose::HeadPose;
pub use quality::{Quality, QualityFailure, QualityLimits};

use geometry::Point;

/// The nearest straight edge on each side of a face, in pixels of the frame: where it crosses
/// the horizontal (left, right) or vertical (top, bottom) line through the face's centre.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct Edges {
    /// Rightwards.
    pub left: Option<f32>,
    /// Rightwards.
    pub right: Option<f32>,
    /// Downwards.
    pub top: Option<f32>,
    /// Downwards.
    pub bottom: Option<f32>,
}

/// What one image says about whether a face is live; one image decides nothing (see
/// [`crate::presentation::liveness`]).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct LivenessCues {
    /// The network's probability, 0..1, that the face is live.
    pub network: f32,
    /// Mean of the face's landmarks, in pixels of the frame: steadier than its box.
    pub centre: Point,
    /// Side of the square as large as the face's box, in pixels.
    pub size: f32,
    /// Straight edges beside the face.
    pub edges: Edges,
}
