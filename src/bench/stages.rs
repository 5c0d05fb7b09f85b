//! The cost of one observation, stage by stage, beside the bare passes of its networks.

use std::hint::black_box;
use std::time::{Duration, Instant};

use opencv::core::{CV_8UC3, Mat, Scalar};
use opencv::prelude::*;

use super::spread::Spread;
use crate::process::cpu_time;
use crate::vision::geometry::Rect;
use crate::vision::pack::{ModelPack, Role};
use crate::vision::{BareNetwork, Detection, Vision, VisionError};

/// The networks that an observation runs, in its order. A pack may lack some.
const NETWORKS: [Role; 4] = [
    Role::Detector,
    Role::Landmarks,
    Role::Liveness,
    Role::Embedder,
];

/// Rounds before anything counts: caches, clock frequency, OpenCV's first allocations.
const WARM_UP: usize = 5;

/// What one observation costs.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Stages {
    /// Finding faces in a frame.
    pub detect: Spread,
    /// Landmarks, alignment and quality of one face.
    pub examine: Spread,
    /// Liveness cues of one face; nothing for a pack without that network.
    pub liveness: Option<Spread>,
    /// The embedding of an aligned face.
    pub embed: Spread,
    /// All of it.
    pub observation: Spread,
    /// The bare passes of the same networks on ready input.
    pub forward: Spread,
    /// Bare passes one by one.
    pub networks: Vec<NetworkCost>,
    /// Median over the rounds of observation ÷ bare passes of that round, in CPU time: other
    /// programs' load lengthens every wall time, and not always both alike.
    pub ratio: f64,
    /// Frames with one face that a second has time for.
    pub frames_per_second: f64,
}

/// What one bare pass of a network costs.
#[derive(Debug, Clone, serde::Serialize)]
pub struct NetworkCost {
    /// Which network.
    pub role: Role,
    /// Time of a pass.
    #[serde(flatten)]
    pub time: Spread,
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
    let roles: Vec<Role> = NETWORKS
        .into_iter()
        .filter(|role| pack.file(*role).is_ok())
        .collect();
    let judges_liveness = roles.contains(&Role::Liveness);
    let mut bare = Vec::new();
    for role in &roles {
        bare.push(BareNetwork::load(pack, *role)?);
    }
    let mut rows = Vec::new();
    for round in 0..WARM_UP + rounds {
        let cpu_start = cpu_time();
        let start = Instant::now();
        let found = vision.detect(frame)?.first().copied();
        let detected = Instant::now();
        let face = vision.examine(frame, found.unwrap_or_else(|| middle(frame)))?;
        let examined = Instant::now();
        if let Some(face) = face.as_ref().filter(|_| judges_liveness) {
            black_box(vision.liveness(frame, face)?);
        }
        let judged = Instant::now();
        if let Some(face) = &face {
            black_box(vision.embed(face)?);
        }
        let embedded = Instant::now();
        let cpu_embedded = cpu_time();
        let mut passes = Vec::new();
        for network in &mut bare {
            let start = Instant::now();
            network.forward()?;
            passes.push(start.elapsed());
        }
        let cpu_passed = cpu_time();
        if round >= WARM_UP {
            rows.push(Row {
                detect: detected - start,
                examine: examined - detected,
                liveness: judged - examined,
                embed: embedded - judged,
                observation: embedded - start,
                forward: passes.iter().sum(),
                passes,
                cpu: cpu_embedded - cpu_start,
                cpu_forward: cpu_passed - cpu_embedded,
            });
        }
        progress();
    }
    Ok(sum_up(&rows, &roles))
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
        points: None,
        score: 1.0,
    }
}

/// One round.
struct Row {
    detect: Duration,
    examine: Duration,
    liveness: Duration,
    embed: Duration,
    observation: Duration,
    forward: Duration,
    passes: Vec<Duration>,
    cpu: Duration,
    cpu_forward: Duration,
}

fn sum_up(rows: &[Row], roles: &[Role]) -> Stages {
    let column = |value: fn(&Row) -> Duration| Spread::of(rows.iter().map(value));
    let ratio = |row: &Row| row.cpu.as_secs_f64() / row.cpu_forward.as_secs_f64();
    let mut ratios: Vec<f64> = rows.iter().map(ratio).collect();
    ratios.sort_by(f64::total_cmp);
    let observation = column(|row| row.observation);
    let has_liveness = roles.contains(&Role::Liveness);
    let network = |(n, role): (usize, &Role)| NetworkCost {
        role: *role,
        time: Spread::of(rows.iter().filter_map(|row| row.passes.get(n).copied())),
    };
    Stages {
        detect: column(|row| row.detect),
        examine: column(|row| row.examine),
        liveness: has_liveness.then(|| column(|row| row.liveness)),
        embed: column(|row| row.embed),
        forward: column(|row| row.forward),
        networks: roles.iter().enumerate().map(network).collect(),
        ratio: ratios.get(ratios.len() / 2).copied().unwrap_or_default(),
        frames_per_second: 1e3 / observation.p50_ms,
        observation,
    }
}
