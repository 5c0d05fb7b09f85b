//! Turns an aligned face into an embedding: a direction in 512 dimensions.

use opencv::core::Mat;
use opencv::prelude::*;

pub use doorward_core::vision::embedding::*;

use super::VisionError;
use super::network::Network;
use super::pack::{ModelPack, Role};

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
