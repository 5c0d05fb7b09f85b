//! What a manifest says about its pack: types only, exactly as the TOML has them.

use serde::Deserialize;

use super::Calibration;

/// What a network is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Finds faces in a frame.
    Detector,
    /// Finds 68 points in a face.
    Landmarks,
    /// Turns an aligned face into an embedding.
    Embedder,
    /// Tells a live face from a picture of one.
    Liveness,
    /// Tells an open eye from a closed one.
    EyeState,
    /// Estimates yaw, pitch and roll.
    HeadPose,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Role::Detector => "detector",
            Role::Landmarks => "landmark",
            Role::Embedder => "embedder",
            Role::Liveness => "liveness",
            Role::EyeState => "eye state",
            Role::HeadPose => "head pose",
        })
    }
}

/// How the output of a detector is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decoder {
    /// Ultra-Light RFB: `scores` and decoded `boxes`.
    #[default]
    Rfb,
    /// YuNet 2023mar: raw cells of three sizes, with five points a face.
    Yunet,
}

impl Decoder {
    /// Whether eyes, nose and mouth corners come with the box.
    #[must_use]
    pub fn finds_points(self) -> bool {
        self == Decoder::Yunet
    }
}

/// Channel order that a network was trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Red first.
    Rgb,
    /// Blue first, as OpenCV keeps images.
    Bgr,
    /// One channel, BT.601 luma.
    Grey,
}

/// One file of the pack, as the manifest describes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// What it is for.
    pub role: Role,
    /// How its output is read; only for a detector.
    #[serde(default)]
    pub decoder: Decoder,
    /// File name inside the pack's directory.
    pub name: String,
    /// Lower-case hex.
    pub sha256: String,
    /// Input shape: batch, channels, height, width.
    pub input: [i32; 4],
    /// Channel order.
    pub channels: Channels,
    /// Subtracted from each channel, 0..255.
    pub mean: Vec<f64>,
    /// Multiplied after the subtraction, per channel.
    pub scale: Vec<f64>,
    /// What comes out, in words.
    pub output: String,
}

/// Head of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackInfo {
    /// Name and version of the pack.
    pub id: String,
    /// For people.
    pub title: String,
    /// Folder of the files, beside the manifest.
    pub directory: String,
    /// SPDX expression.
    pub license: String,
    /// Registry package or project it comes from.
    pub source: String,
    /// Integrity of that package; absent when no registry has the files.
    pub integrity: Option<String>,
}

/// What the embedder delivers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingInfo {
    /// Stored with every template; templates of different ids never mix.
    pub model_id: String,
    /// Numbers in an embedding.
    pub dimensions: usize,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) pack: PackInfo,
    pub(super) embedding: EmbeddingInfo,
    pub(super) calibration: Calibration,
    pub(super) file: Vec<ModelFile>,
}
