//! From pixels to observations: detect ▸ suppress ▸ landmarks ▸ align ▸ quality ▸ embed.
//!
//! Everything here is about one image at a time; nothing decides. Flows in: BGR frames (from
//! [`crate::camera`]) or stills (from users, through [`still`]). Flows out: [`Observation`]s.
//! Pictures and embeddings are never logged.

pub mod alignment;
pub mod detector;
pub mod embedder;
pub mod eyes;
pub mod landmarks;
pub mod liveness;
pub mod medium;
mod meter;
mod network;
pub mod pack;
pub mod still;
pub mod yunet;

use std::path::PathBuf;

use opencv::core::Mat;
use opencv::prelude::*;

pub use doorward_core::event::QualityProblem;
pub use doorward_core::vision::{
    Embedding, LivenessCues, Quality, QualityFailure, QualityLimits, geometry, pose, quality,
};

pub use detector::Detection;
pub use network::BareNetwork;

use alignment::Similarity;
use detector::Detector;
use embedder::Embedder;
use eyes::EyeNetwork;
use geometry::Point;
use landmarks::{Landmarker, Landmarks};
use liveness::LivenessNetwork;
use medium::EdgeFinder;
use meter::Meter;
use pack::{ModelPack, PackError, Role};
use pose::HeadPose;

use crate::recognition::{Calibration, Uncalibrated};

/// Most pixels of a still that gets a border: a portrait of 2 megapixels.
const FRAMED_PIXELS: f64 = 2e6;

/// What can go wrong with vision.
#[derive(Debug, thiserror::Error)]
pub enum VisionError {
    /// The models are not what they should be.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// A network cannot be loaded.
    #[error("{name}: OpenCV cannot load this network: {source}")]
    Network {
        /// File name.
        name: String,
        /// OpenCV's word.
        source: opencv::Error,
    },
    /// A network delivers something else than the manifest says.
    #[error("the {network} network delivers {found} numbers instead of {expected}")]
    Shape {
        /// Which network.
        network: &'static str,
        /// By the manifest.
        expected: usize,
        /// In fact.
        found: usize,
    },
    /// A still was refused.
    #[error("{path} {error}", path = path.display())]
    Still {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: still::StillError,
    },
    /// A frame is not what cameras deliver.
    #[error("the frame cannot be written as a picture")]
    Picture,
    /// The pack's similarities cannot be held against the configured security level.
    #[error(transparent)]
    Uncalibrated(#[from] Uncalibrated),
    /// OpenCV failed.
    #[error("OpenCV: {0}")]
    OpenCv(#[from] opencv::Error),
}

/// A face before it is compared: found, measured, aligned.
#[derive(Debug, Clone)]
pub struct Face {
    /// Where.
    pub detection: Detection,
    /// Right eye (left in the image), left eye, tip of the nose, mouth corners, in pixels of
    /// the frame.
    pub points: [Point; 5],
    /// All 68 points; only from a pack with a landmark network.
    pub landmarks: Option<Landmarks>,
    /// How good it is.
    pub quality: Quality,
    /// 112×112 BGR, owned by this face.
    aligned: Mat,
}

/// One face of one frame, ready to be compared.
#[derive(Debug, Clone)]
pub struct Observation {
    /// Where.
    pub detection: Detection,
    /// How good it is.
    pub quality: Quality,
    /// What it looks like.
    pub embedding: Embedding,
}

/// The loaded chain.
#[derive(Debug)]
pub struct Vision {
    detector: Detector,
    /// None when the detector finds the five points itself.
    landmarker: Option<Landmarker>,
    embedder: Embedder,
    meter: Meter,
    model_id: String,
    dimensions: usize,
    /// For networks that are loaded when they are first asked for.
    pack: ModelPack,
    liveness: Option<LivenessNetwork>,
    eyes: Option<EyeNetwork>,
    edge_finder: EdgeFinder,
}

impl Vision {
    /// Loads and checks the networks; `threads` is how many cores one of them may use.
    ///
    /// # Errors
    /// When a model is missing, wrong or not understood.
    pub fn load(pack: &ModelPack, threads: u32) -> Result<Self, VisionError> {
        opencv::core::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX))?;
        let finds_points = pack.file(Role::Detector)?.decoder.finds_points();
        let landmarker = if finds_points && !pack.has(Role::Landmarks) {
            None
        } else {
            Some(Landmarker::load(pack)?)
        };
        Ok(Self {
            detector: Detector::load(pack)?,
            landmarker,
            embedder: Embedder::load(pack)?,
            meter: Meter::default(),
            model_id: pack.embedding().model_id.clone(),
            dimensions: pack.embedding().dimensions,
            pack: pack.clone(),
            liveness: None,
            eyes: None,
            edge_finder: EdgeFinder::default(),
        })
    }

    /// Loads the liveness and eye-state networks now, so that a pack without them is found out
    /// at the start, and the first visitor does not wait for them.
    ///
    /// # Errors
    /// When one is not in the pack, missing, wrong or not understood.
    pub fn load_liveness(&mut self) -> Result<(), VisionError> {
        if self.liveness.is_none() {
            self.liveness = Some(LivenessNetwork::load(&self.pack)?);
        }
        if self.eyes.is_none() {
            self.eyes = Some(EyeNetwork::load(&self.pack)?);
        }
        Ok(())
    }

    /// Which embedder this is; stored with every template.
    #[must_use]
    pub fn model_id(&self) -> &str {
        &self.model_id
    }

    /// What similarities of its embeddings mean.
    #[must_use]
    pub fn calibration(&self) -> &Calibration {
        self.pack.calibration()
    }

    /// Numbers in an embedding.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// All faces of a frame, best first.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn detect(&mut self, frame: &Mat) -> Result<Vec<Detection>, VisionError> {
        self.detector.detect(frame)
    }

    /// All faces of a still, best first, and the image in which they were found.
    ///
    /// A portrait that fills its picture is larger than any face the detector was trained on;
    /// when nothing is found it is made smaller, if it has more than 2 megapixels, and gets a grey
    /// border that makes it a third of the whole.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn detect_in_still(&mut self, image: Mat) -> Result<(Mat, Vec<Detection>), VisionError> {
        let found = self.detect(&image)?;
        if !found.is_empty() {
            return Ok((image, found));
        }
        // With its border it is nine times as large; a face that fills it needs no more.
        let image = still::at_most(image, FRAMED_PIXELS)?;
        let (x, y) = (image.cols(), image.rows());
        let grey = opencv::core::Scalar::all(127.0);
        let mut framed = Mat::default();
        let constant = opencv::core::BORDER_CONSTANT;
        opencv::core::copy_make_border(&image, &mut framed, y, y, x, x, constant, grey)?;
        let found = self.detect(&framed)?;
        Ok((framed, found))
    }

    /// Measures and aligns one face; `None` when there is no face to be measured after all.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn examine(
        &mut self,
        frame: &Mat,
        detection: Detection,
    ) -> Result<Option<Face>, VisionError> {
        let landmarks = match &mut self.landmarker {
            Some(landmarker) => landmarker.find(frame, &detection.rect)?,
            None => None,
        };
        let five = landmarks.as_ref().map(Landmarks::five);
        let Some(points) = five.or(detection.points) else {
            return Ok(None);
        };
        let Some(similarity) = Similarity::fit(&points, &alignment::TEMPLATE) else {
            return Ok(None);
        };
        let mut aligned = Mat::default();
        alignment::align(frame, &similarity, &mut aligned)?;
        let readings = self.meter.read(&aligned)?;
        let (width, height) = (frame.cols(), frame.rows());
        let outline = landmarks.as_ref().map_or(&points[..], |all| &all.0);
        let quality = Quality {
            detector_score: detection.score,
            eye_distance_px: points[0].distance(points[1]),
            sharpness: readings.sharpness,
            brightness: readings.brightness,
            contrast: readings.contrast,
            overexposed: readings.overexposed,
            pose: HeadPose::of(&points),
            edge_gap: quality::edge_gap(&detection.rect, outline, width, height),
        };
        Ok(Some(Face {
            detection,
            points,
            landmarks,
            quality,
            aligned,
        }))
    }

    /// Embeds an examined face: the costly step, for faces that passed their quality limits.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn embed(&mut self, face: &Face) -> Result<Observation, VisionError> {
        Ok(Observation {
            detection: face.detection,
            quality: face.quality,
            embedding: self.embedder.embed(&face.aligned)?,
        })
    }

    /// Liveness cues of one examined face. `frame` is the frame it was found in. Loads the
    /// network when it is first asked for.
    ///
    /// # Errors
    /// When the pack has no liveness network, or the engine fails.
    pub fn liveness(&mut self, frame: &Mat, face: &Face) -> Result<LivenessCues, VisionError> {
        let network = match &mut self.liveness {
            Some(network) => network,
            empty => empty.insert(LivenessNetwork::load(&self.pack)?),
        };
        let outline = face
            .landmarks
            .as_ref()
            .map_or(&face.points[..], |all| &all.0);
        let rect = &face.detection.rect;
        Ok(LivenessCues {
            network: network.judge(frame, rect)?,
            centre: Point::mean(outline),
            size: rect.area().sqrt(),
            edges: self.edge_finder.find(frame, rect)?,
        })
    }

    /// Probability, 0..1, that the eyes are open (mean of both); `None` when an eye lies outside
    /// of the frame. Loads the network when it is first asked for.
    ///
    /// # Errors
    /// When the pack has no eye-state network, or the engine fails.
    pub fn eyes_open(&mut self, frame: &Mat, face: &Face) -> Result<Option<f32>, VisionError> {
        let network = match &mut self.eyes {
            Some(network) => network,
            empty => empty.insert(EyeNetwork::load(&self.pack)?),
        };
        match &face.landmarks {
            Some(landmarks) => network.open(frame, landmarks),
            None => Ok(None),
        }
    }
}
