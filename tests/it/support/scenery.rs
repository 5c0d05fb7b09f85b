//! What a door's camera looks at, as frames: a furnished scene, light on it, a sensor's noise.
//!
//! The same seeds always give the same frames.

use opencv::core::{self, CV_8UC3, CV_16SC3, Mat, Point, Rect, Scalar, Size, Vec3b};
use opencv::imgproc;
use opencv::prelude::*;

/// Frame size, in pixels: small, because many frames are made.
pub const SIZE: (i32, i32) = (320, 240);
/// How many frames a film has before it repeats.
const FRAMES: usize = 6;

/// A door frame, windows, furniture, a plant: rectangles and circles of many sizes and shades.
pub fn scene(seed: u64) -> Mat {
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut below = |limit: i32| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        i32::try_from(random >> 40).unwrap() % limit
    };
    let mut mat = plain(120.0);
    for n in 0..40 {
        let shade = Scalar::new(
            f64::from(20 + below(200)),
            f64::from(20 + below(200)),
            f64::from(20 + below(200)),
            0.0,
        );
        let (x, y, size) = (below(SIZE.0), below(SIZE.1), 10 + below(60));
        if n % 4 == 0 {
            let centre = Point::new(x, y);
            imgproc::circle(&mut mat, centre, size / 2, shade, -1, imgproc::LINE_8, 0).unwrap();
        } else {
            let rect = Rect::new(x - size / 2, y - size / 2, size, 10 + below(60));
            imgproc::rectangle(&mut mat, rect, shade, -1, imgproc::LINE_8, 0).unwrap();
        }
    }
    // No lens is as sharp as a drawing.
    blurred(&mat, 0.7)
}

/// One shade everywhere.
pub fn plain(shade: f64) -> Mat {
    Mat::new_rows_cols_with_default(SIZE.1, SIZE.0, CV_8UC3, Scalar::all(shade)).unwrap()
}

/// A hand close to the lens: skin, lighter on one side, without any detail.
pub fn hand() -> Mat {
    let mut mat = plain(0.0);
    for x in 0..SIZE.0 {
        let light = f64::from(60 + x / 8);
        let shade = Scalar::new(light * 0.5, light * 0.7, light * 1.4, 0.0);
        let line = Rect::new(x, 0, 1, SIZE.1);
        imgproc::rectangle(&mut mat, line, shade, -1, imgproc::LINE_8, 0).unwrap();
    }
    mat
}

/// The same out of focus.
pub fn blurred(mat: &Mat, sigma: f64) -> Mat {
    let mut out = Mat::default();
    let border = core::BORDER_REPLICATE;
    imgproc::gaussian_blur(mat, &mut out, Size::new(0, 0), sigma, sigma, border).unwrap();
    out
}

/// The same with something in front of a part of it.
pub fn behind(mat: &Mat, rect: Rect, shade: f64) -> Mat {
    let mut out = mat.clone();
    imgproc::rectangle(&mut out, rect, Scalar::all(shade), -1, imgproc::LINE_8, 0).unwrap();
    out
}

/// The same with less light on a part of it.
pub fn shaded(mat: &Mat, rect: Rect, gain: f64) -> Mat {
    let mut out = mat.clone();
    let dim = lit(mat, gain, 0.0);
    let mut part = Mat::roi_mut(&mut out, rect).unwrap();
    Mat::roi(&dim, rect).unwrap().copy_to(&mut part).unwrap();
    drop(part);
    out
}

/// How bright the scene is at a point: its green.
pub fn shade_at(mat: &Mat, x: i32, y: i32) -> f64 {
    f64::from(mat.at_2d::<Vec3b>(y, x).unwrap()[1])
}

/// The same seen by a camera that points elsewhere by so many pixels; the rim repeats.
pub fn shifted(mat: &Mat, x: i32, y: i32) -> Mat {
    let (mut wide, border) = (Mat::default(), core::BORDER_REFLECT);
    let (left, top) = (x.max(0), y.max(0));
    let (right, bottom) = ((-x).max(0), (-y).max(0));
    core::copy_make_border(
        mat,
        &mut wide,
        top,
        bottom,
        left,
        right,
        border,
        Scalar::default(),
    )
    .unwrap();
    let window = Rect::new(right, bottom, SIZE.0, SIZE.1);
    Mat::roi(&wide, window).unwrap().try_clone().unwrap()
}

/// The same with brightness `gain * x + offset`.
pub fn lit(mat: &Mat, gain: f64, offset: f64) -> Mat {
    let mut out = Mat::default();
    mat.convert_to(&mut out, CV_8UC3, gain, offset).unwrap();
    out
}

/// A sensor with so much noise (standard deviation, in grey levels).
pub struct Sensor(Vec<Mat>);

impl Sensor {
    pub fn new(noise: f64) -> Self {
        core::set_rng_seed(7).unwrap();
        let grain = |_| {
            let (rows, columns) = (SIZE.1, SIZE.0);
            let mut grain =
                Mat::new_rows_cols_with_default(rows, columns, CV_16SC3, Scalar::default())
                    .unwrap();
            core::randn(&mut grain, &Scalar::all(0.0), &Scalar::all(noise)).unwrap();
            grain
        };
        Self((0..FRAMES).map(grain).collect())
    }

    /// Frames of a still scene.
    pub fn film(&self, mat: &Mat) -> Vec<Mat> {
        let mut wide = Mat::default();
        mat.convert_to(&mut wide, CV_16SC3, 1.0, 0.0).unwrap();
        let frame = |grain: &Mat| {
            let (mut sum, mut out) = (Mat::default(), Mat::default());
            core::add(&wide, grain, &mut sum, &core::no_array(), -1).unwrap();
            sum.convert_to(&mut out, CV_8UC3, 1.0, 0.0).unwrap();
            out
        };
        self.0.iter().map(frame).collect()
    }
}
