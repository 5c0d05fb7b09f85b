//! Composes video clips in which faces walk up to the door, stay, and leave.
//!
//! For tests and for the demo. Flows in: pictures of single faces. Flows out: a Motion-JPEG AVI
//! by OpenCV's own writer, so no codec needs to be installed. The same scenes always give the
//! same frames: the noise comes from a fixed seed.

use std::f64::consts::{PI, TAU};
use std::path::Path;

use anyhow::{Context as _, ensure};
use image::RgbImage;
use opencv::core::{Mat, Size, Vec3b};
use opencv::prelude::*;
use opencv::videoio::{CAP_OPENCV_MJPEG, VideoWriter};

/// Frame size, in pixels.
pub const WIDTH: usize = 640;
/// Frame size, in pixels.
pub const HEIGHT: usize = 480;
/// Frames per second.
pub const FPS: f64 = 15.0;

/// Share of its time that a visitor takes to walk up, and to leave.
const WALK: f64 = 0.25;
/// Size of the face relative to its picture: at the frame's edge, and in front of the camera.
const FAR: f64 = 0.7;
const NEAR: f64 = 2.0;
/// How far a standing person sways, in pixels.
const SWAY: f64 = 12.0;
/// From here to the rim of the ellipse the face fades into the background: a hard edge would be
/// something that no camera sees.
const FEATHER: f64 = 0.8;
/// How many frames of noise there are before they repeat. A camera's picture is never twice the
/// same, and one that is would be taken for frozen.
pub const NOISES: usize = 8;

/// Part of a clip.
#[derive(Debug, Clone)]
pub struct Scene {
    seconds: f64,
    face: Option<RgbImage>,
}

impl Scene {
    /// Nobody is there.
    pub fn empty(seconds: f64) -> Self {
        Self {
            seconds,
            face: None,
        }
    }

    /// Somebody comes in from the left, walks up to the camera, looks at it, and leaves to the
    /// right. In front of the camera for half of the time; five seconds are natural.
    pub fn visitor(face: &RgbImage, seconds: f64) -> Self {
        Self {
            seconds,
            face: Some(face.clone()),
        }
    }

    /// How many frames it lasts.
    pub fn frames(&self) -> usize {
        (self.seconds * FPS).round() as usize
    }
}

/// Writes the scenes one after the other, and returns the number of frames.
pub fn write(path: &Path, scenes: &[Scene]) -> anyhow::Result<usize> {
    record(path, frames(scenes))
}

/// The frames of the scenes, one after the other: BGR, row by row.
pub fn frames(scenes: &[Scene]) -> impl Iterator<Item = Vec<u8>> {
    let noises: Vec<Vec<u8>> = (0..NOISES).map(background).collect();
    let moments = scenes.iter().flat_map(|scene| {
        let frames = scene.frames();
        (0..frames).map(move |frame| (scene, frame as f64 / frames as f64))
    });
    moments.enumerate().map(move |(number, (scene, progress))| {
        let mut bgr = noises[number % NOISES].clone();
        if let Some(face) = &scene.face {
            paint(&mut bgr, face, Pose::at(progress, scene.seconds, face));
        }
        bgr
    })
}

/// Writes frames as they come, and returns how many there were.
pub fn record(path: &Path, frames: impl Iterator<Item = Vec<u8>>) -> anyhow::Result<usize> {
    let cannot = || format!("{}: OpenCV cannot write this clip", path.display());
    let mjpg = VideoWriter::fourcc('M', 'J', 'P', 'G')?;
    let size = Size::new(WIDTH as i32, HEIGHT as i32);
    let mut writer = VideoWriter::new_with_backend(path, CAP_OPENCV_MJPEG, mjpg, FPS, size, true)
        .with_context(cannot)?;
    ensure!(writer.is_opened().with_context(cannot)?, cannot());
    let mut written = 0;
    for bgr in frames {
        let image = Mat::new_rows_cols_with_bytes::<Vec3b>(HEIGHT as i32, WIDTH as i32, &bgr)?;
        writer.write(&image).with_context(cannot)?;
        written += 1;
    }
    writer.release().with_context(cannot)?;
    Ok(written)
}

/// Where a face is, and how large.
#[derive(Debug, Clone, Copy)]
struct Pose {
    /// Centre, in pixels of the frame.
    x: f64,
    y: f64,
    /// Relative to its picture.
    scale: f64,
}

impl Pose {
    /// `progress` runs from 0 to 1 over the visit.
    fn at(progress: f64, seconds: f64, face: &RgbImage) -> Self {
        let (width, middle) = (WIDTH as f64, HEIGHT as f64 * 0.5);
        // Just outside of the frame, however large the face is there.
        let outside = f64::from(face.width()) * FAR * 0.5;
        let near = |progress: f64| {
            let swing = (progress - WALK) * seconds * TAU / 3.0;
            Self {
                x: width * 0.5 + SWAY * swing.sin(),
                y: middle + SWAY * 0.3 * (swing * 2.0).sin(),
                scale: NEAR,
            }
        };
        let far = |x| Self {
            x,
            y: middle - 40.0,
            scale: FAR,
        };
        if progress < WALK {
            far(-outside).towards(near(WALK), progress / WALK)
        } else if progress < 1.0 - WALK {
            near(progress)
        } else {
            let leaving = (progress - (1.0 - WALK)) / WALK;
            near(1.0 - WALK).towards(far(width + outside), leaving)
        }
    }

    /// Part of the way from here to there; starts and ends slowly, as people do.
    fn towards(self, there: Self, part: f64) -> Self {
        let eased = (1.0 - (part * PI).cos()) * 0.5;
        let between = |a: f64, b: f64| a + (b - a) * eased;
        Self {
            x: between(self.x, there.x),
            y: between(self.y, there.y),
            scale: between(self.scale, there.scale),
        }
    }
}

/// Paints a face, bilinearly scaled and faded out towards an elliptical rim.
fn paint(bgr: &mut [u8], face: &RgbImage, pose: Pose) {
    let (width, height) = (f64::from(face.width()), f64::from(face.height()));
    let (half_x, half_y) = (width * pose.scale * 0.5, height * pose.scale * 0.5);
    let inside = |centre: f64, half: f64, limit: usize| {
        let from = (centre - half).max(0.0) as usize;
        let to = (centre + half).ceil().clamp(0.0, limit as f64) as usize;
        from..to
    };
    for y in inside(pose.y, half_y, HEIGHT) {
        for x in inside(pose.x, half_x, WIDTH) {
            let (dx, dy) = (x as f64 - pose.x, y as f64 - pose.y);
            let radius = (dx / half_x).hypot(dy / half_y);
            if radius >= 1.0 {
                continue;
            }
            let strength = ((1.0 - radius) / (1.0 - FEATHER)).min(1.0);
            let rgb = sample(
                face,
                dx / pose.scale + width * 0.5,
                dy / pose.scale + height * 0.5,
            );
            let pixel = &mut bgr[(y * WIDTH + x) * 3..][..3];
            for (channel, value) in pixel.iter_mut().zip(rgb.into_iter().rev()) {
                let under = f64::from(*channel);
                *channel = (under + (value - under) * strength).round() as u8;
            }
        }
    }
}

/// The colour at a point between pixels.
pub fn sample(face: &RgbImage, x: f64, y: f64) -> [f64; 3] {
    let (right, bottom) = (face.width() - 1, face.height() - 1);
    let (x, y) = (
        x.clamp(0.0, f64::from(right)),
        y.clamp(0.0, f64::from(bottom)),
    );
    let (left, top) = (x as u32, y as u32);
    let (over, down) = (x - f64::from(left), y - f64::from(top));
    let at = |column: u32, row: u32| face.get_pixel(column.min(right), row.min(bottom)).0;
    let corners = [
        (at(left, top), (1.0 - over) * (1.0 - down)),
        (at(left + 1, top), over * (1.0 - down)),
        (at(left, top + 1), (1.0 - over) * down),
        (at(left + 1, top + 1), over * down),
    ];
    let mut colour = [0.0; 3];
    for (pixel, weight) in corners {
        for (sum, value) in colour.iter_mut().zip(pixel) {
            *sum += f64::from(value) * weight;
        }
    }
    colour
}

/// A wall, lighter towards the top, with the grain of a sensor on it.
pub fn background(seed: usize) -> Vec<u8> {
    // Marsaglia's xorshift: good enough for grain, and the same everywhere.
    let mut state = 0x9e37_79b9_u32 ^ (seed as u32 + 1);
    let mut grain = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state % 7) as u8
    };
    let mut bgr = Vec::with_capacity(WIDTH * HEIGHT * 3);
    for y in 0..HEIGHT {
        let shade = 168 - (y * 40 / HEIGHT) as u8;
        for _ in 0..WIDTH {
            let grain = grain();
            bgr.extend([shade + grain - 6, shade + grain, shade + grain + 4]);
        }
    }
    bgr
}
