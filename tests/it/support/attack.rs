//! Composes clips of attacks: a picture of a face, printed or on a phone, held before the camera.
//!
//! Flows in: a picture of a face. Flows out: the same kind of clip as [`super::clip`] makes, in
//! which the medium moves as a hand moves it and the wall behind it stays. The same attack
//! always gives the same frames. No real paper or screen was filmed: this shows that the
//! product sees borders that move with a face, not how many real attacks it sees.

use std::f64::consts::TAU;
use std::path::Path;

use image::{Rgb, RgbImage};

use super::clip::{self, FPS, HEIGHT, NOISES, WIDTH};

/// What shows the face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// Paper with a white margin.
    Print,
    /// A phone held upright, with a dark bezel.
    Phone,
}

/// How large the medium is held, relative to its picture.
const SCALE: f64 = 1.7;
/// How far a hand moves, in pixels; how much it turns, in radians; how much nearer it gets.
const SHIFT: f64 = 26.0;
const TURN: f64 = 0.05;
const NEARER: f64 = 0.03;
/// The white margin of a print and the bezel of a phone, in pixels of the picture.
const MARGIN: u32 = 10;
const BEZEL: u32 = 7;
/// Height of a phone's screen relative to its width, as of phones sold since 2018.
const TALL: f64 = 2.0;

/// Writes the attack, and returns the number of frames.
pub fn write(path: &Path, face: &RgbImage, medium: Medium, seconds: f64) -> anyhow::Result<usize> {
    clip::record(path, frames(face, medium, seconds))
}

/// The frames of the attack: BGR, row by row.
pub fn frames(face: &RgbImage, medium: Medium, seconds: f64) -> impl Iterator<Item = Vec<u8>> {
    let shown = medium.showing(face);
    let walls: Vec<Vec<u8>> = (0..NOISES).map(clip::background).collect();
    (0..(seconds * FPS).round() as usize).map(move |number| {
        let mut bgr = walls[number % NOISES].clone();
        hold(&mut bgr, &shown, number as f64 / FPS);
        bgr
    })
}

impl Medium {
    /// The medium as one looks at it.
    fn showing(self, face: &RgbImage) -> RgbImage {
        let (width, height) = face.dimensions();
        let (frame_colour, ground, border, tall) = match self {
            Medium::Print => (Rgb([246; 3]), Rgb([246; 3]), MARGIN, height),
            Medium::Phone => {
                let tall = (f64::from(width) * TALL) as u32;
                (Rgb([24, 24, 27]), Rgb([0; 3]), BEZEL, tall)
            }
        };
        let mut whole = RgbImage::from_pixel(width + 2 * border, tall + 2 * border, frame_colour);
        let screen = RgbImage::from_pixel(width, tall, ground);
        image::imageops::replace(&mut whole, &screen, border.into(), border.into());
        let mut picture = face.clone();
        for pixel in picture.pixels_mut() {
            pixel.0 = match self {
                // Ink is never quite black, and paper is not as bright as the sun.
                Medium::Print => pixel.0.map(|level| 22 + (f64::from(level) * 0.83) as u8),
                // A screen glows, a little blue.
                Medium::Phone => {
                    let glow = |level: u8, gain: f64| {
                        ((f64::from(level) / 255.0).powf(0.85) * 255.0 * gain).min(255.0) as u8
                    };
                    let [red, green, blue] = pixel.0;
                    [glow(red, 1.0), glow(green, 1.02), glow(blue, 1.08)]
                }
            };
        }
        let above = border + (tall - height) / 2;
        image::imageops::replace(&mut whole, &picture, border.into(), above.into());
        whole
    }
}

/// Paints the medium where the hand holds it after so many seconds.
fn hold(bgr: &mut [u8], shown: &RgbImage, seconds: f64) {
    let swing = |hertz: f64, phase: f64| (TAU * hertz * seconds + phase).sin();
    let centre_x = WIDTH as f64 * 0.5 + SHIFT * swing(0.5, 0.0);
    let centre_y = HEIGHT as f64 * 0.5 + SHIFT * 0.5 * swing(0.4, 1.0);
    let (sin, cos) = (0.03 + TURN * swing(0.3, 2.0)).sin_cos();
    let scale = SCALE * (1.0 + NEARER * swing(0.35, 0.5));
    let (width, height) = (f64::from(shown.width()), f64::from(shown.height()));
    // However it is turned, it reaches no further from its centre.
    let reach = width.hypot(height) * 0.5 * scale + 1.0;
    let inside = |centre: f64, limit: usize| {
        (centre - reach).max(0.0) as usize..((centre + reach).max(0.0) as usize).min(limit)
    };
    for y in inside(centre_y, HEIGHT) {
        for x in inside(centre_x, WIDTH) {
            let (dx, dy) = (x as f64 - centre_x, y as f64 - centre_y);
            let across = (dx * cos + dy * sin) / scale + width * 0.5;
            let down = (dy * cos - dx * sin) / scale + height * 0.5;
            // The rim is one pixel wide, as the lens draws it.
            let rim = across.min(width - across).min(down).min(height - down) * scale;
            let strength = (rim + 0.5).clamp(0.0, 1.0);
            if strength == 0.0 {
                continue;
            }
            let rgb = clip::sample(shown, across, down);
            let pixel = &mut bgr[(y * WIDTH + x) * 3..][..3];
            for (channel, value) in pixel.iter_mut().zip(rgb.into_iter().rev()) {
                let under = f64::from(*channel);
                *channel = (under + (value - under) * strength).round() as u8;
            }
        }
    }
}
