//! Turns an aligned face into an embedding: a direction in 512 dimensions.

use opencv::core::Mat;
use opencv::prelude::*;

use super::VisionError;
use super::network::Network;
use super::pack::{ModelPack, Role};

/// An L2-normalised embedding; two are compared by their dot product (cosine similarity).
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding(Vec<f32>);

impl Embedding {
    /// Normalises `values`; `None` when they have no direction (all zero, or not numbers).
    #[must_use]
    pub fn normalised(mut values: Vec<f32>) -> Option<Self> {
        let norm = values.iter().map(|x| x * x).sum::<f32>().sqrt();
        if !norm.is_finite() || norm <= f32::EPSILON {
            return None;
        }
        values.iter_mut().for_each(|x| *x /= norm);
        Some(Self(values))
    }

    /// The numbers.
    #[must_use]
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// Cosine similarity, -1..1.
    #[must_use]
    pub fn similarity(&self, other: &Embedding) -> f32 {
        dot(&self.0, &other.0)
    }
}

/// Dot product in eight lanes, so that the compiler can use the machine's vector unit.
#[must_use]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    let mut lanes = [0.0f32; 8];
    for (x, y) in a8.iter().zip(b8) {
        for lane in 0..8 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f32>() + rest
}

/// The embedding network.
#[derive(Debug)]
pub struct Embedder {
    network: Network,
    dimensions: usize,
}

impl Embedder {
    /// Loads the pack's embedder.
    ///
    /// # Errors
    /// When its file is missing, wrong or not understood.
    pub fn load(pack: &ModelPack) -> Result<Self, VisionError> {
        Ok(Self {
            network: Network::load(pack, Role::Embedder, &[])?,
            dimensions: pack.embedding().dimensions,
        })
    }

    /// The embedding of an aligned 112×112 BGR face.
    ///
    /// # Errors
    /// When the engine fails or delivers something else than the manifest says.
    pub fn embed(&mut self, aligned: &Mat) -> Result<Embedding, VisionError> {
        let tensors = self.network.forward(aligned)?;
        let tensor = tensors.get(0)?;
        let values = tensor.data_typed::<f32>()?;
        let shape = VisionError::Shape {
            network: "embedder",
            expected: self.dimensions,
            found: values.len(),
        };
        if values.len() != self.dimensions {
            return Err(shape);
        }
        Embedding::normalised(values.to_vec()).ok_or(shape)
    }
}
