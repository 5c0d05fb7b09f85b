//! The motion gate: spares vision the frames in which nothing can have happened.
//!
//! Compares cells with those that vision saw last, so that slow movement adds up until it is
//! noticed. Opens at once on motion and when it is told of a face, stays open some seconds
//! after, and opens once a second anyway. Pure. It must never keep a face from being seen for
//! longer than [`GLANCE`], and it decides nothing else. Flows in: a thumbnail and the time.
//! Flows out: whether vision should look.

use std::time::Duration;

use super::thumbnail::{CELLS, LEVEL, Thumbnail};
use crate::clock::Tick;

/// A closed gate opens for one frame this often: the longest that a face without any motion
/// could wait.
pub const GLANCE: Duration = Duration::from_secs(1);
/// How long it stays open after motion or a face: longer than anybody stands quite still.
pub const LINGER: Duration = Duration::from_secs(3);
/// Smallest change of a cell that may be motion, in grey levels: above flicker of lamps.
const MIN_STEP: u16 = 6;
/// ... and in standard deviations of the noise between the two frames. Of Gaussian noise one
/// cell in 500 million goes so far.
const NOISE_STEP: u32 = 6;
/// Cells that must have changed. The smallest face that is compared (20 pixels between the
/// eyes, about 50 wide) covers about 36 cells of a 640x480 frame.
const MIN_CELLS: usize = 8;
/// Differences of two cells run from -1020 to 1020.
const SPAN: usize = 2 * 255 * LEVEL as usize + 1;

/// Whether vision should look at a frame.
#[derive(Debug)]
pub struct MotionGate {
    /// Cells of the frame that vision saw last.
    seen: Vec<u16>,
    /// How often each difference occurs in this frame; kept for its buffer.
    differences: Vec<u32>,
    open_until: Tick,
    glanced: Option<Tick>,
}

impl Default for MotionGate {
    fn default() -> Self {
        Self {
            seen: vec![0; CELLS.0 * CELLS.1],
            differences: vec![0; SPAN],
            open_until: Tick::default(),
            glanced: None,
        }
    }
}

impl MotionGate {
    /// Whether vision should look at this frame.
    pub fn open(&mut self, thumbnail: &Thumbnail, now: Tick) -> bool {
        let Some(glanced) = self.glanced else {
            self.look(thumbnail, now);
            return true;
        };
        if self.changed_cells(thumbnail.cells()) >= MIN_CELLS {
            self.hold(now);
        }
        let open = now < self.open_until || now.since(glanced) >= GLANCE;
        if open {
            self.look(thumbnail, now);
        }
        open
    }

    /// Keeps the gate open: somebody is there.
    pub fn hold(&mut self, now: Tick) {
        self.open_until = now + LINGER;
    }

    /// Whether nothing has moved and nobody was there for [`LINGER`].
    #[must_use]
    pub fn calm(&self, now: Tick) -> bool {
        now >= self.open_until
    }

    fn look(&mut self, thumbnail: &Thumbnail, now: Tick) {
        self.seen.copy_from_slice(thumbnail.cells());
        self.glanced = Some(now);
    }

    /// How many cells differ by more than noise, and more than the picture as a whole does: an
    /// exposure that adjusts itself, or a lamp, moves all cells alike.
    fn changed_cells(&mut self, cells: &[u16]) -> usize {
        self.differences.fill(0);
        for (now, seen) in cells.iter().zip(&self.seen) {
            self.differences[difference(*now, *seen)] += 1;
        }
        let half = cells.len().div_ceil(2);
        let middle = rank(self.differences.iter().copied(), half);
        // Median of the distance from the median: what moves is too little to shift it. Each
        // distance occurs on both sides; the histogram is walked outwards.
        let at = |index: Option<usize>| {
            index
                .and_then(|index| self.differences.get(index))
                .copied()
                .unwrap_or(0)
        };
        let outwards = (0..SPAN).map(|away| match away {
            0 => at(Some(middle)),
            _ => at(middle.checked_sub(away)) + at(middle.checked_add(away)),
        });
        // 1.4826: from median absolute deviation to standard deviation, for Gaussian noise.
        let noise = 1.4826 * rank(outwards, half) as f32;
        let step = (NOISE_STEP as f32 * noise).max(f32::from(MIN_STEP * LEVEL));
        let far = |index: usize| index.abs_diff(middle) as f32 > step;
        let counts = self.differences.iter().enumerate();
        let changed: u32 = counts
            .filter(|(index, _)| far(*index))
            .map(|(_, n)| n)
            .sum();
        changed as usize
    }
}

/// Place of a difference in the histogram.
fn difference(now: u16, seen: u16) -> usize {
    usize::from(now) + SPAN / 2 - usize::from(seen)
}

/// The first place at which `wanted` values have been counted.
fn rank(counts: impl Iterator<Item = u32>, wanted: usize) -> usize {
    let mut counted = 0;
    counts
        .take_while(|count| {
            counted += *count as usize;
            counted < wanted
        })
        .count()
}
