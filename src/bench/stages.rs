//! The cost of one observation, stage by stage, beside the bare passes of its networks.

use std::time::{Duration, Instant};

use opencv::core::{CV_8UC3, Mat, Scalar};
use opencv::prelude::*;

use super::spread::Spread;
use crate::vision::geometry::Rect;
use crate::vision::pack::{ModelPack, Role};
use crate::vision::{BareNetwork, Detection, Vision, VisionError};

/// The networks that an observation runs, in its order.
pub const NETWORKS: [Role; 3] = [Role::Detector, Role::Landmarks, Role::Embedder];

/// Rounds before anything counts: caches, clock frequency, OpenCV's first allocations.
const WARM_UP: usize = 5;

/// What one observation costs.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Stages {
    /// Finding faces in a frame.
    pub detect: Spread,
    /// Landmarks, alignment and quality of one face.
    pub examine: Spread,
    /// The embedding of an aligned face.
    pub embed: Spread,
    /// All of it.
    pub observation: Spread,
    /// The bare passes of the same networks on ready input.
    pub forward: Spread,
    /// Bare passes one by one, in the order of [`NETWORKS`].
    pub networks: [Spread; NETWORKS.len()],
    /// Median over the rounds of observation ÷ bare passes of that round.
    pub ratio: f64,
    /// Frames with one face that a second has time for.
    pub frames_per_second: f64,
}

/// A frame without a face, 640×480: grey with a soft gradient. What a stage costs hardly depends
/// on what it sees.
///
/// # Errors
/// When OpenCV cannot allocate it.
pub fn synthetic_frame() -> Result<Mat, VisionError> {
    let mut small = Mat::new_rows_cols_with_default(2, 2, CV_8UC3, Scalar::all(160.0))?;
    small.row_mut(1)?.set_to_def(&Scalar::all(90.0))?;
    let size = opencv::core::Size::new(640, 480);
    let mut frame = Mat::default();
    opencv::imgproc::resize(
        &small,
        &mut frame,
        size,
        0.0,
        0.0,
        opencv::imgproc::INTER_LINEAR,
    )?;
    Ok(frame)
}

/// Measures `rounds` observations of the best face of `frame`, each followed by the bare passes.
/// In a frame without a face, a box in its middle is examined as if there were one.
///
/// # Errors
/// When the engine fails.
pub fn measure(
    vision: &mut Vision,
    pack: &ModelPack,
    frame: &Mat,
    rounds: usize,
    mut progress: impl FnMut(),
) -> Result<Stages, VisionError> {
    let mut bare = Vec::new();
    for role in NETWORKS {
        bare.push(BareNetwork::load(pack, role)?);
    }
    let mut times = Times::default();
    for round in 0..WARM_UP + rounds {
        let start = Instant::now();
        let found = vision.detect(frame)?.first().copied();
        let detected = Instant::now();
        let detection = found.unwrap_or_else(|| middle(frame));
        let face = vision.examine(frame, detection)?;
        let examined = Instant::now();
        if let Some(face) = &face {
            std::hint::black_box(vision.embed(face)?);
        }
        let embedded = Instant::now();
        let mut passes = [Duration::ZERO; NETWORKS.len()];
        for (network, pass) in bare.iter_mut().zip(&mut passes) {
            let start = Instant::now();
            network.forward()?;
            *pass = start.elapsed();
        }
        if round >= WARM_UP {
            times.detect.push(detected - start);
            times.examine.push(examined - detected);
            times.embed.push(embedded - examined);
            times.observation.push(embedded - start);
            times.passes.push(passes);
        }
        progress();
    }
    Ok(times.sum_up())
}

/// A box in the middle of a frame, where a face could be.
#[must_use]
pub fn middle(frame: &Mat) -> Detection {
    let (width, height) = (frame.cols() as f32, frame.rows() as f32);
    Detection {
        rect: Rect {
            x0: width * 0.35,
            y0: height * 0.25,
            x1: width * 0.65,
            y1: height * 0.75,
        },
        score: 1.0,
    }
}

#[derive(Default)]
struct Times {
    detect: Vec<Duration>,
    examine: Vec<Duration>,
    embed: Vec<Duration>,
    observation: Vec<Duration>,
    passes: Vec<[Duration; NETWORKS.len()]>,
}

impl Times {
    fn sum_up(self) -> Stages {
        let forward: Vec<Duration> = self.passes.iter().map(|p| p.iter().sum()).collect();
        let pairs = self.observation.iter().zip(&forward);
        let mut ratios: Vec<f64> = pairs
            .map(|(ours, bare)| ours.as_secs_f64() / bare.as_secs_f64())
            .collect();
        ratios.sort_by(f64::total_cmp);
        let observation = Spread::of(self.observation);
        Stages {
            detect: Spread::of(self.detect),
            examine: Spread::of(self.examine),
            embed: Spread::of(self.embed),
            forward: Spread::of(forward),
            networks: std::array::from_fn(|n| Spread::of(self.passes.iter().map(|p| p[n]))),
            ratio: ratios.get(ratios.len() / 2).copied().unwrap_or_default(),
            frames_per_second: 1e3 / observation.p50_ms,
            observation,
        }
    }
}
