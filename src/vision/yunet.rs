//! Reads the raw output of YuNet 2023mar: boxes, scores and five points a face.
//!
//! The network looks at its input in cells of 8, 16 and 32 pixels. For each cell it says how
//! sure it is, where a box lies relative to the cell, and where eyes, nose and mouth corners
//! are. OpenCV 4.6's own FaceDetectorYN does not know these outputs, so they are read here.
//! Flows in: twelve tensors as slices. Flows out: [`Detection`]s in pixels of the network's
//! input, before suppression. Pure: no engine, no image.

use super::VisionError;
use super::detector::Detection;
use super::geometry::{Point, Rect};

/// Sizes of the cells, in pixels of the input.
pub const STRIDES: [usize; 3] = [8, 16, 32];
/// Below this score nothing is a face (the OpenCV Zoo's own demonstration).
pub const SCORE_THRESHOLD: f32 = 0.9;
/// Boxes that overlap more are the same face (the OpenCV Zoo's own demonstration).
pub const IOU_THRESHOLD: f32 = 0.3;
/// Width and height of the input are multiples of this: the largest cell must fit.
pub const MULTIPLE: i32 = 32;

/// The network's outputs: first by what they say, then by stride, as [`Level`] takes them.
pub(super) const OUTPUTS: [&str; 12] = [
    "cls_8", "cls_16", "cls_32", "obj_8", "obj_16", "obj_32", "bbox_8", "bbox_16", "bbox_32",
    "kps_8", "kps_16", "kps_32",
];

/// What the network says about all cells of one size, row by row.
#[derive(Debug, Clone, Copy)]
pub struct Level<'a> {
    stride: usize,
    columns: usize,
    classes: &'a [f32],
    objects: &'a [f32],
    boxes: &'a [[f32; 4]],
    points: &'a [[f32; 10]],
}

impl<'a> Level<'a> {
    /// The four tensors of a stride (`cls`, `obj`, `bbox`, `kps`) for an input of `width` ×
    /// `height` pixels.
    ///
    /// # Errors
    /// [`VisionError::Shape`] when a tensor has another number of cells.
    pub fn new(
        stride: usize,
        (width, height): (usize, usize),
        [classes, objects, boxes, points]: [&'a [f32]; 4],
    ) -> Result<Self, VisionError> {
        let columns = width / stride;
        let cells = columns * (height / stride);
        for (tensor, numbers) in [(classes, 1), (objects, 1), (boxes, 4), (points, 10)] {
            if tensor.len() != cells * numbers {
                return Err(VisionError::Shape {
                    network: "detector",
                    expected: cells * numbers,
                    found: tensor.len(),
                });
            }
        }
        Ok(Self {
            stride,
            columns,
            classes,
            objects,
            boxes: boxes.as_chunks().0,
            points: points.as_chunks().0,
        })
    }

    fn faces(self) -> impl Iterator<Item = Detection> {
        let scores = self.classes.iter().zip(self.objects);
        let places = self.boxes.iter().zip(self.points);
        scores.zip(places).enumerate().filter_map(
            move |(index, ((class, object), (place, points)))| {
                // A score that is not a number is below every threshold.
                let score = (class.clamp(0.0, 1.0) * object.clamp(0.0, 1.0)).sqrt();
                (score >= SCORE_THRESHOLD)
                    .then(|| self.face(index, score, place, points))
                    .flatten()
            },
        )
    }

    /// The face of one cell; `None` when its box is no box.
    fn face(
        self,
        index: usize,
        score: f32,
        [dx, dy, log_width, log_height]: &[f32; 4],
        points: &[f32; 10],
    ) -> Option<Detection> {
        let stride = self.stride as f32;
        let (column, row) = (index % self.columns, index / self.columns);
        let place = |x: f32, y: f32| Point {
            x: (column as f32 + x) * stride,
            y: (row as f32 + y) * stride,
        };
        let centre = place(*dx, *dy);
        let (width, height) = (log_width.exp() * stride, log_height.exp() * stride);
        let rect = Rect {
            x0: centre.x - width / 2.0,
            y0: centre.y - height / 2.0,
            x1: centre.x + width / 2.0,
            y1: centre.y + height / 2.0,
        };
        let (pairs, _) = points.as_chunks::<2>();
        let mut five = [Point::default(); 5];
        for (point, [x, y]) in five.iter_mut().zip(pairs) {
            *point = place(*x, *y);
        }
        let numbers = [rect.x0, rect.y0, rect.x1, rect.y1];
        let mut numbers = numbers
            .into_iter()
            .chain(five.iter().flat_map(|p| [p.x, p.y]));
        let sound = numbers.all(f32::is_finite) && rect.area() > 0.0;
        sound.then_some(Detection {
            rect,
            score,
            points: Some(five),
        })
    }
}

/// Every cell that is sure enough of a face, by stride and then row by row.
#[must_use]
pub fn decode(levels: &[Level<'_>]) -> Vec<Detection> {
    levels.iter().flat_map(|level| level.faces()).collect()
}

/// How a frame is brought into the network: shrunk to `width` × `height`, then padded on the
/// right and below to `padded_width` × `padded_height`. All in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// Of the shrunk frame.
    pub width: i32,
    /// Of the shrunk frame.
    pub height: i32,
    /// With the padding.
    pub padded_width: i32,
    /// With the padding.
    pub padded_height: i32,
}

impl Fit {
    /// The largest size of a frame inside `limit_width` × `limit_height`, which must be
    /// multiples of [`MULTIPLE`]. A small frame is not enlarged.
    #[must_use]
    pub fn new((width, height): (i32, i32), (limit_width, limit_height): (i32, i32)) -> Self {
        let share = |limit: i32, side: i32| f64::from(limit) / f64::from(side.max(1));
        let scale = share(limit_width, width)
            .min(share(limit_height, height))
            .min(1.0);
        let shrink = |side: i32, limit: i32| {
            ((f64::from(side) * scale).round() as i32).clamp(1, limit.max(1))
        };
        let pad = |side: i32| (side - 1) / MULTIPLE * MULTIPLE + MULTIPLE;
        let (width, height) = (shrink(width, limit_width), shrink(height, limit_height));
        Self {
            width,
            height,
            padded_width: pad(width),
            padded_height: pad(height),
        }
    }

    /// A detection in the shrunk frame as it lies in the whole one of `width` × `height` pixels.
    #[must_use]
    pub fn undo(&self, found: &Detection, (width, height): (i32, i32)) -> Detection {
        let x = width as f32 / self.width as f32;
        let y = height as f32 / self.height as f32;
        let rect = Rect {
            x0: found.rect.x0 * x,
            y0: found.rect.y0 * y,
            x1: found.rect.x1 * x,
            y1: found.rect.y1 * y,
        };
        // Points count from pixel centres, and those move by half a pixel when sizes change.
        let points = found.points.map(|five| {
            five.map(|point| Point {
                x: (point.x + 0.5) * x - 0.5,
                y: (point.y + 0.5) * y - 0.5,
            })
        });
        Detection {
            rect,
            score: found.score,
            points,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Tensors of one 32-pixel level for an input of 64 × 32 pixels: two cells.
    fn one_level(classes: [f32; 2], objects: [f32; 2], place: [f32; 4]) -> Vec<Detection> {
        let boxes: Vec<f32> = [place, place].concat();
        let points = [0.25f32; 20];
        let tensors = [&classes[..], &objects, &boxes, &points];
        decode(&[Level::new(32, (64, 32), tensors).unwrap()])
    }

    #[test]
    fn a_cell_says_where_its_face_is() {
        let found = one_level([0.1, 1.5], [1.0, 0.9], [0.5, 0.5, 0.0, 2f32.ln()]);
        let [face] = found[..] else {
            panic!("{found:?}")
        };
        let near = |a: f32, b: f32| (a - b).abs() < 1e-4;
        // The centre of the second cell, one cell wide and two high.
        assert!(
            near(face.rect.x0, 32.0) && near(face.rect.x1, 64.0),
            "{face:?}"
        );
        assert!(
            near(face.rect.y0, -16.0) && near(face.rect.y1, 48.0),
            "{face:?}"
        );
        // Confidences above one count as one.
        assert!(near(face.score, 0.9f32.sqrt()), "{face:?}");
        assert_eq!(face.points.unwrap()[4], Point { x: 40.0, y: 8.0 });
    }

    #[test]
    fn what_is_no_number_is_no_face() {
        assert_eq!(one_level([f32::NAN; 2], [1.0; 2], [0.0; 4]), []);
        assert_eq!(one_level([1.0; 2], [1.0; 2], [f32::NAN; 4]), []);
        assert_eq!(one_level([1.0; 2], [1.0; 2], [0.0, 0.0, 999.0, 0.0]), []);
        assert_eq!(one_level([1.0; 2], [1.0; 2], [0.0, 0.0, -999.0, 0.0]), []);
    }

    #[test]
    fn tensors_of_another_input_are_refused() {
        let numbers = [0.0f32; 20];
        let error = Level::new(32, (64, 32), [&numbers[..2], &numbers[..3], &[], &[]]);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("3 numbers instead of 2"), "{error}");
    }

    proptest! {
        /// Whatever the network says, what comes out can be drawn, and counts as it was said.
        #[test]
        fn faces_are_sound(
            cells in prop::collection::vec(
                (any::<f32>(), 0.0f32..1.5, prop::array::uniform4(-9.0f32..9.0)), 4..=4),
            points in prop::collection::vec(-9.0f32..9.0, 40..=40),
        ) {
            let classes: Vec<f32> = cells.iter().map(|cell| cell.0).collect();
            let objects: Vec<f32> = cells.iter().map(|cell| cell.1).collect();
            let boxes: Vec<f32> = cells.iter().flat_map(|cell| cell.2).collect();
            let level = Level::new(8, (16, 16), [&classes, &objects, &boxes, &points]).unwrap();
            let found = decode(&[level]);
            let sure = cells.iter().filter(|(class, object, _)| {
                (class.min(1.0) * object.min(1.0)).max(0.0).sqrt() >= SCORE_THRESHOLD
            });
            prop_assert_eq!(found.len(), sure.count());
            for face in found {
                prop_assert!((SCORE_THRESHOLD..=1.0).contains(&face.score));
                prop_assert!(face.rect.area() > 0.0 && face.rect.area().is_finite());
            }
        }

        /// Moving every answer by one cell moves every face by one stride.
        #[test]
        fn faces_move_with_their_cell(place in prop::array::uniform4(-2.0f32..2.0)) {
            let found = one_level([1.0; 2], [1.0; 2], place);
            let [a, b] = found[..] else { panic!("{found:?}") };
            prop_assert!((b.rect.x0 - a.rect.x0 - 32.0).abs() < 1e-2);
            prop_assert!((b.rect.y1 - a.rect.y1).abs() < 1e-2);
            let (a, b) = (a.points.unwrap(), b.points.unwrap());
            prop_assert!((b[2].x - a[2].x - 32.0).abs() < 1e-2);
        }

        /// A frame of any size fits, keeps its shape, and finds its way back.
        #[test]
        fn frames_fit_and_come_back(width in 1i32..5000, height in 1i32..5000) {
            let fit = Fit::new((width, height), (320, 256));
            prop_assert!(fit.width <= width && fit.height <= height);
            prop_assert!(fit.padded_width <= 320 && fit.padded_height <= 256);
            prop_assert_eq!((fit.padded_width % MULTIPLE, fit.padded_height % MULTIPLE), (0, 0));
            prop_assert!(fit.padded_width - fit.width < MULTIPLE);
            let whole = Detection {
                rect: Rect { x0: 0.0, y0: 0.0, x1: fit.width as f32, y1: fit.height as f32 },
                score: 1.0,
                points: Some([Point { x: -0.5, y: fit.height as f32 - 0.5 }; 5]),
            };
            let back = fit.undo(&whole, (width, height));
            prop_assert!((back.rect.x1 - width as f32).abs() < 0.01);
            prop_assert!((back.rect.y1 - height as f32).abs() < 0.01);
            let corner = back.points.unwrap()[0];
            prop_assert!((corner.x + 0.5).abs() < 0.01);
            prop_assert!((corner.y + 0.5 - height as f32).abs() < 0.01);
        }
    }
}
