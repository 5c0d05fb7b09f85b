//! A small grey copy of each frame: computed once, read by [`super::health`]'s measures and by
//! the motion gate.
//!
//! Two sizes. *Samples* are single pixels, so that a sensor's noise is kept: it tells a living
//! picture from a frozen one. *Cells* are sums of four samples, so that noise is lower: they
//! tell what is in the picture. Only the samples' pixels are read, one in sixteen of a 640x480
//! frame. Flows in: a frame, 8-bit BGR. Flows out: samples, cells, and a few numbers.
//! It must never keep enough to show a face: nothing here is stored or sent.

use opencv::core::{Mat, Vec3b};
use opencv::prelude::*;

/// Samples across and down, whatever the size of the frame.
pub const SAMPLES: (usize, usize) = (160, 120);
/// Cells across and down.
pub const CELLS: (usize, usize) = (SAMPLES.0 / 2, SAMPLES.1 / 2);
/// One grey level of a sample, in units of a cell.
pub const LEVEL: u16 = 4;

/// The small copy of the newest frame, and how it differs from the one before. Buffers are reused.
#[derive(Debug)]
pub struct Thumbnail {
    samples: Vec<u8>,
    previous: Vec<u8>,
    cells: Vec<u16>,
    histogram: [u32; 256],
    changed: f32,
    empty: bool,
}

impl Default for Thumbnail {
    fn default() -> Self {
        Self {
            samples: vec![0; SAMPLES.0 * SAMPLES.1],
            previous: vec![0; SAMPLES.0 * SAMPLES.1],
            cells: vec![0; CELLS.0 * CELLS.1],
            histogram: [0; 256],
            changed: 1.0,
            empty: true,
        }
    }
}

impl Thumbnail {
    /// Takes the next frame, 8-bit BGR.
    ///
    /// # Errors
    /// When the frame is empty or of another type.
    pub fn take(&mut self, frame: &Mat) -> Result<(), opencv::Error> {
        std::mem::swap(&mut self.samples, &mut self.previous);
        let height = usize::try_from(frame.rows()).unwrap_or_default();
        for (y, line) in self.samples.chunks_exact_mut(SAMPLES.0).enumerate() {
            let row = (2 * y + 1) * height / (2 * SAMPLES.1);
            let pixels = frame.at_row::<Vec3b>(i32::try_from(row).unwrap_or(i32::MAX))?;
            for (x, sample) in line.iter_mut().enumerate() {
                *sample = luma(pixels[(2 * x + 1) * pixels.len() / (2 * SAMPLES.0)]);
            }
        }
        self.measure();
        Ok(())
    }

    fn measure(&mut self) {
        self.histogram = [0; 256];
        let mut changed = 0_u32;
        for (now, before) in self.samples.iter().zip(&self.previous) {
            self.histogram[usize::from(*now)] += 1;
            changed += u32::from(now != before);
        }
        let pairs = self.samples.chunks_exact(2 * SAMPLES.0);
        for (line, two) in self.cells.chunks_exact_mut(CELLS.0).zip(pairs) {
            let (upper, lower) = two.split_at(SAMPLES.0);
            let squares = upper.chunks_exact(2).zip(lower.chunks_exact(2));
            for (cell, (a, b)) in line.iter_mut().zip(squares) {
                *cell = [a[0], a[1], b[0], b[1]].into_iter().map(u16::from).sum();
            }
        }
        self.changed = if std::mem::take(&mut self.empty) {
            1.0
        } else {
            share(changed)
        };
    }

    /// Sums of four samples, line by line, 0 to 1020.
    #[must_use]
    pub fn cells(&self) -> &[u16] {
        &self.cells
    }

    /// Share of samples that differ at all from the frame before, 0 to 1; 1 for the first frame.
    #[must_use]
    pub fn changed(&self) -> f32 {
        self.changed
    }

    /// Share of samples at `level` or brighter, 0 to 1.
    #[must_use]
    pub fn share_from(&self, level: u8) -> f32 {
        share(self.histogram[usize::from(level)..].iter().sum())
    }

    /// The level that `part` (0 to 1) of the samples do not exceed.
    #[must_use]
    pub fn level_of(&self, part: f32) -> u8 {
        let wanted = part * (SAMPLES.0 * SAMPLES.1) as f32;
        let mut counted = 0;
        let below = self.histogram.iter().take_while(|count| {
            counted += **count;
            (counted as f32) < wanted
        });
        u8::try_from(below.count()).unwrap_or(u8::MAX)
    }

    /// Standard deviation of the samples, in grey levels.
    #[must_use]
    pub fn spread(&self) -> f32 {
        let (mut sum, mut squares) = (0_u64, 0_u64);
        for (level, count) in (0_u64..).zip(&self.histogram) {
            sum += level * u64::from(*count);
            squares += level * level * u64::from(*count);
        }
        // Exact in f64: both sums stay below 2^31.
        let n = (SAMPLES.0 * SAMPLES.1) as f64;
        let mean = sum as f64 / n;
        (squares as f64 / n - mean * mean).max(0.0).sqrt() as f32
    }
}

fn share(samples: u32) -> f32 {
    samples as f32 / (SAMPLES.0 * SAMPLES.1) as f32
}

/// ITU-R BT.601 weights in 256ths, as OpenCV's own conversion to grey.
fn luma(bgr: Vec3b) -> u8 {
    let [b, g, r] = bgr.0.map(u32::from);
    ((29 * b + 150 * g + 77 * r) >> 8) as u8
}

#[cfg(test)]
mod tests {
    use opencv::core::{CV_8UC1, CV_8UC3, Scalar};

    use super::*;

    fn grey(width: i32, height: i32, level: f64) -> Mat {
        let shade = Scalar::all(level);
        Mat::new_rows_cols_with_default(height, width, CV_8UC3, shade).unwrap()
    }

    #[test]
    fn a_frame_of_any_size_is_measured_and_compared_with_the_one_before() {
        let mut thumbnail = Thumbnail::default();
        for (width, height) in [(640, 480), (1920, 1080), (90, 70)] {
            thumbnail.take(&grey(width, height, 40.0)).unwrap();
            assert!(thumbnail.cells().iter().all(|&cell| cell == 40 * LEVEL));
            assert_eq!(thumbnail.spread(), 0.0);
            assert_eq!(
                (thumbnail.share_from(40), thumbnail.share_from(41)),
                (1.0, 0.0)
            );
        }
        assert_eq!(thumbnail.changed(), 0.0);
        thumbnail.take(&grey(640, 480, 41.0)).unwrap();
        assert_eq!(thumbnail.changed(), 1.0);
    }

    #[test]
    fn the_first_frame_is_new_even_when_it_is_black() {
        let mut thumbnail = Thumbnail::default();
        thumbnail.take(&grey(640, 480, 0.0)).unwrap();
        assert_eq!(thumbnail.changed(), 1.0);
        thumbnail.take(&grey(640, 480, 0.0)).unwrap();
        assert_eq!(thumbnail.changed(), 0.0);
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let mut thumbnail = Thumbnail::default();
        assert!(thumbnail.take(&Mat::default()).is_err());
        let one_channel =
            Mat::new_rows_cols_with_default(480, 640, CV_8UC1, Scalar::all(9.0)).unwrap();
        assert!(thumbnail.take(&one_channel).is_err());
    }
}
