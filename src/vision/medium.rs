//! Straight edges beside a face: the border of a print or a screen that someone holds up.
//!
//! Flows in: a frame and a face's box. Flows out: where in the frame the nearest long straight
//! edge lies on each of the four sides. It must never conclude anything: a door frame has such
//! edges too. What tells them apart is whether they move with the face, and that takes several
//! frames (see [`crate::presentation::liveness`]). Costs a fifth of a
//! millisecond, because it works on 128×128 grey levels.

use opencv::core::{BORDER_REPLICATE, Mat, Size};
use opencv::imgproc;
use opencv::prelude::*;

use super::VisionError;
use super::geometry::Rect;

pub use doorward_core::vision::Edges;

/// Side of the patch, in its own pixels.
const SIDE: usize = 128;
const HALF: usize = SIDE / 2;
/// The patch shows so many sizes of the face: two in each direction from its centre. The edges
/// of a print or a phone that shows a face lie 0.6 to 1.6 sizes from it.
const SIZES: usize = 4;
/// One size of the face, in pixels of the patch.
const UNIT: usize = SIDE / SIZES;
/// Nearer than half a size it is the face itself.
const NEAREST: usize = UNIT / 2;
/// An edge is followed so far to either side of the face's centre, in pixels of the patch: 1.4
/// sizes in all. The outline of a head, of hair or of shoulders is not straight for so long.
const REACH: usize = UNIT * 7 / 10;
/// Least gradient, in grey levels a pixel, of a point on an edge: well above a camera's grain after
/// smoothing (a sensor's σ of 4 levels leaves about 1).
const LEAST_GRADIENT: i32 = 10;
/// Slopes that are tried: up to 0.3 (17 degrees) in steps of 0.05.
const STEEPEST: i32 = 6;
const STEP: f32 = 0.05;
/// Share of an edge's length that must be seen. Measured on composed clips (docs/liveness.md):
/// of the third-best side of prints and tablets 95 % reach it, of faces before a plain wall none.
const LEAST_COVERAGE: f32 = 0.9;

/// Finds edges; keeps its buffers between faces.
#[derive(Debug, Default)]
pub struct EdgeFinder {
    grey: Mat,
    scaled: Mat,
    patch: Mat,
    smooth: Mat,
}

impl EdgeFinder {
    /// The edges beside the face in `rect`; none when the box lies outside of the frame.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn find(&mut self, frame: &Mat, rect: &Rect) -> Result<Edges, VisionError> {
        let Some(window) = Window::around(rect, frame.cols(), frame.rows()) else {
            return Ok(Edges::default());
        };
        let colour = Mat::roi(frame, window.seen)?;
        imgproc::cvt_color_def(&colour, &mut self.grey, imgproc::COLOR_BGR2GRAY)?;
        let shrinks = window.scaled.width < window.seen.width;
        let sampling = if shrinks {
            imgproc::INTER_AREA
        } else {
            imgproc::INTER_LINEAR
        };
        imgproc::resize(
            &self.grey,
            &mut self.scaled,
            window.scaled,
            0.0,
            0.0,
            sampling,
        )?;
        // Beyond the frame nothing is seen: repeated pixels make no edge.
        opencv::core::copy_make_border(
            &self.scaled,
            &mut self.patch,
            window.above,
            SIDE as i32 - window.scaled.height - window.above,
            window.before,
            SIDE as i32 - window.scaled.width - window.before,
            BORDER_REPLICATE,
            opencv::core::Scalar::default(),
        )?;
        imgproc::gaussian_blur_def(&self.patch, &mut self.smooth, Size::new(3, 3), 0.8)?;
        let levels = self.smooth.data_bytes()?;
        let upright = Gradients::of(levels, |x, y| y * SIDE + x);
        let lying = Gradients::of(levels, |x, y| x * SIDE + y);
        let (left, right) = upright.nearest();
        let (top, bottom) = lying.nearest();
        Ok(Edges {
            left: left.map(|x| window.frame_x(x)),
            right: right.map(|x| window.frame_x(x)),
            top: top.map(|y| window.frame_y(y)),
            bottom: bottom.map(|y| window.frame_y(y)),
        })
    }
}

/// Which part of the frame the patch shows.
struct Window {
    /// In pixels of the frame.
    seen: opencv::core::Rect,
    /// The same, in pixels of the patch.
    scaled: Size,
    /// Left of it and above it the patch reaches beyond the frame, in pixels of the patch.
    before: i32,
    above: i32,
}

impl Window {
    fn around(rect: &Rect, width: i32, height: i32) -> Option<Self> {
        let size = rect.area().sqrt();
        if !(1.0..1e5).contains(&size) {
            return None;
        }
        let scale = UNIT as f32 / size;
        let reach = size * SIZES as f32 * 0.5;
        let along = |from: f32, to: f32, limit: i32| {
            let centre = (from + to) * 0.5;
            let start = ((centre - reach).round() as i32).clamp(0, limit);
            let end = ((centre + reach).round() as i32).clamp(0, limit);
            let before = ((start as f32 - (centre - reach)) * scale).round() as i32;
            let before = before.clamp(0, SIDE as i32 - 1);
            let scaled = ((end - start) as f32 * scale).round() as i32;
            let scaled = scaled.clamp(1, SIDE as i32 - before);
            (end > start).then_some((start, end - start, before, scaled))
        };
        let (x, seen_width, before, scaled_width) = along(rect.x0, rect.x1, width)?;
        let (y, seen_height, above, scaled_height) = along(rect.y0, rect.y1, height)?;
        Some(Self {
            seen: opencv::core::Rect::new(x, y, seen_width, seen_height),
            scaled: Size::new(scaled_width, scaled_height),
            before,
            above,
        })
    }

    fn frame_x(&self, x: f32) -> f32 {
        let scale = self.seen.width as f32 / self.scaled.width as f32;
        self.seen.x as f32 + (x + 0.5 - self.before as f32) * scale
    }

    fn frame_y(&self, y: f32) -> f32 {
        let scale = self.seen.height as f32 / self.scaled.height as f32;
        self.seen.y as f32 + (y + 0.5 - self.above as f32) * scale
    }
}

/// Where the patch gets lighter, and where darker, from left to right (or downwards, when the
/// pixels were read transposed): each with a pixel's tolerance to both sides.
struct Gradients {
    lighter: Vec<[u8; SIDE]>,
    darker: Vec<[u8; SIDE]>,
}

impl Gradients {
    /// `at` says where the pixel of a column and a row is among the levels.
    fn of(levels: &[u8], at: impl Fn(usize, usize) -> usize) -> Self {
        let level = |x: usize, y: usize| levels.get(at(x, y)).map_or(0, |&level| i32::from(level));
        let rows = HALF - REACH..=HALF + REACH;
        let mut lighter = vec![[0; SIDE]; rows.clone().count()];
        let mut darker = lighter.clone();
        for (row, y) in rows.enumerate() {
            // Sobel's operator, which weighs four pixels on each side.
            let across = |x: usize| {
                level(x + 1, y - 1) + 2 * level(x + 1, y) + level(x + 1, y + 1)
                    - level(x - 1, y - 1)
                    - 2 * level(x - 1, y)
                    - level(x - 1, y + 1)
            };
            let along = |x: usize| {
                level(x - 1, y + 1) + 2 * level(x, y + 1) + level(x + 1, y + 1)
                    - level(x - 1, y - 1)
                    - 2 * level(x, y - 1)
                    - level(x + 1, y - 1)
            };
            let (mut previous, mut steepness) = (0i32, across(1));
            for x in 1..SIDE - 2 {
                let next = across(x + 1);
                // The ridge only: a soft or strong edge is no wider than a sharp, weak one.
                let ridge = steepness.abs() >= previous.abs() && steepness.abs() > next.abs();
                // Steeper across than along, by a fifth: the edge runs about the right way.
                let upright = 5 * steepness.abs() > 6 * along(x).abs();
                if ridge && upright && steepness.abs() > 4 * LEAST_GRADIENT {
                    let half = if steepness > 0 {
                        &mut lighter
                    } else {
                        &mut darker
                    };
                    half[row][x - 1..=x + 1].fill(1);
                }
                (previous, steepness) = (steepness, next);
            }
        }
        Self { lighter, darker }
    }

    /// The nearest edge before and after the centre, in pixels of the patch.
    fn nearest(&self) -> (Option<f32>, Option<f32>) {
        let mut best = [0u8; SIDE];
        for half in [&self.lighter, &self.darker] {
            for slope in -STEEPEST..=STEEPEST {
                for (best, covered) in best.iter_mut().zip(covered(half, slope)) {
                    *best = covered.max(*best);
                }
            }
        }
        let least = (LEAST_COVERAGE * self.lighter.len() as f32).ceil() as u8;
        // The patch's own rim has no gradient.
        let before = (2..HALF - NEAREST).rev().find(|&x| best[x] >= least);
        let after = (HALF + NEAREST..SIDE - 2).find(|&x| best[x] >= least);
        let refined = |found: usize| {
            // An edge is seen in a few columns: the middle of the best ones.
            let around = found.saturating_sub(2)..(found + 3).min(SIDE);
            let most = around.clone().map(|x| best[x]).max().unwrap_or(0);
            let (sum, count) = around
                .filter(|&x| best[x] == most)
                .fold((0, 0), |(sum, count), x| (sum + x, count + 1));
            sum as f32 / count.max(1) as f32
        };
        (before.map(refined), after.map(refined))
    }
}

/// How many rows support an edge of this slope, for each column in which it can cross the
/// middle row.
fn covered(rows: &[[u8; SIDE]], slope: i32) -> [u8; SIDE] {
    let mut sums = [0u8; SIDE];
    for (row, points) in rows.iter().enumerate() {
        let shift = (slope as f32 * STEP * (row as f32 - REACH as f32)).round() as i32;
        let by = shift.unsigned_abs() as usize;
        let (sums, points) = if shift >= 0 {
            (&mut sums[..SIDE - by], &points[by..])
        } else {
            (&mut sums[by..], &points[..SIDE - by])
        };
        for (sum, point) in sums.iter_mut().zip(points) {
            *sum += point;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use opencv::core::{Point, Scalar};

    use super::*;

    const FACE: Rect = Rect {
        x0: 270.0,
        y0: 190.0,
        x1: 370.0,
        y1: 290.0,
    };

    fn wall() -> Mat {
        Mat::new_rows_cols_with_default(480, 640, opencv::core::CV_8UC3, Scalar::all(150.0))
            .unwrap()
    }

    fn card(frame: &mut Mat, corners: [(i32, i32); 4]) {
        let corners: opencv::core::Vector<Point> =
            corners.iter().map(|&(x, y)| Point::new(x, y)).collect();
        imgproc::fill_convex_poly_def(frame, &corners, Scalar::all(240.0)).unwrap();
    }

    #[track_caller]
    fn near(found: Option<f32>, expected: f32) {
        let found = found.unwrap();
        // Two pixels of the patch.
        assert!((found - expected).abs() <= 6.3, "{found}, not {expected}");
    }

    #[test]
    fn a_card_around_the_face_is_found_on_all_sides() {
        let mut frame = wall();
        card(&mut frame, [(220, 130), (420, 130), (420, 350), (220, 350)]);
        let found = EdgeFinder::default().find(&frame, &FACE).unwrap();
        near(found.left, 220.0);
        near(found.right, 420.0);
        near(found.top, 130.0);
        near(found.bottom, 350.0);
    }

    #[test]
    fn a_tilted_card_is_found_where_it_crosses_the_faces_centre() {
        let mut frame = wall();
        card(&mut frame, [(245, 132), (442, 158), (415, 372), (212, 345)]);
        let found = EdgeFinder::default().find(&frame, &FACE).unwrap();
        near(found.left, 228.0);
        near(found.right, 431.0);
    }

    #[test]
    fn a_round_head_has_no_straight_edge() {
        let mut frame = wall();
        let centre = Point::new(320, 240);
        let axes = Size::new(70, 95);
        imgproc::ellipse(
            &mut frame,
            centre,
            axes,
            0.0,
            0.0,
            360.0,
            Scalar::all(60.0),
            -1,
            imgproc::LINE_8,
            0,
        )
        .unwrap();
        let found = EdgeFinder::default().find(&frame, &FACE).unwrap();
        assert_eq!(found, Edges::default());
    }

    #[test]
    fn a_face_at_the_rim_of_the_frame_or_outside_is_no_error() {
        let mut finder = EdgeFinder::default();
        let rect = |x0, y0, x1, y1| Rect { x0, y0, x1, y1 };
        for outside in [
            rect(-30.0, -40.0, 60.0, 70.0),
            rect(600.0, 400.0, 680.0, 500.0),
            rect(-500.0, 0.0, -100.0, 400.0),
            rect(10.0, 10.0, 10.0, 10.0),
            rect(-3000.0, -3000.0, 3000.0, 3000.0),
        ] {
            assert_eq!(finder.find(&wall(), &outside).unwrap(), Edges::default());
        }
    }
}
