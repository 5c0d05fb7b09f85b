//! What an empty scene costs: the camera delivers, and nobody is there.

use std::time::{Duration, Instant};

use opencv::core::{CV_8UC3, Mat, Scalar};
use opencv::prelude::*;

use super::chain::Chain;
use super::{BenchError, stages};
use crate::clock::Tick;
use crate::process;

/// Frame rate of the empty scene, in frames per second.
pub const FPS: u32 = 15;
/// Pictures of noise before they repeat. No camera's picture is ever twice the same.
const NOISES: usize = 8;

/// Share of one core that looking at an empty scene takes for `seconds`, 0..1 (more with several
/// threads). Decoding is not part of it: each camera's is another.
///
/// # Errors
/// When the chain fails.
pub fn measure(
    chain: &mut Chain,
    seconds: u32,
    mut progress: impl FnMut(),
) -> Result<f64, BenchError> {
    let scene = stages::synthetic_frame()?;
    let mut pictures = Vec::new();
    for _ in 0..NOISES {
        let mut noise = Mat::new_rows_cols_with_default(
            scene.rows(),
            scene.cols(),
            CV_8UC3,
            Scalar::default(),
        )?;
        opencv::core::randu(&mut noise, &Scalar::all(0.0), &Scalar::all(5.0))?;
        let mut picture = Mat::default();
        opencv::core::add_def(&scene, &noise, &mut picture)?;
        pictures.push(picture);
    }
    let pace = Duration::from_secs(1) / FPS;
    let (start, cpu) = (Instant::now(), process::cpu_time());
    for (number, picture) in (0..seconds * FPS).zip(pictures.iter().cycle()) {
        let due = pace * number;
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        chain.look(picture, Tick(due))?;
        progress();
    }
    let used = process::cpu_time().saturating_sub(cpu);
    Ok(used.as_secs_f64() / start.elapsed().as_secs_f64())
}
