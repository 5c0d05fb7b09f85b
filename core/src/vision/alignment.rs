//! Brings a face into the pose that the embedder was trained on.
//!
//! The least-squares similarity (rotation, uniform scale, shift; never a reflection) of five
//! points onto fixed places in 112×112. In two dimensions Umeyama's solution (IEEE PAMI 13(4),
//! 1991) has a closed form: with centred points, a = Σ s·t / Σ|s|² and b = Σ s×t / Σ|s|².

use super::geometry::Point;

/// Side of the aligned face, in pixels.
pub const SIDE: i32 = 112;

/// Where eyes, nose and mouth corners go (ArcFace's template; models/manifest.toml).
pub const TEMPLATE: [Point; 5] = [
    Point {
        x: 38.2946,
        y: 51.6963,
    },
    Point {
        x: 73.5318,
        y: 51.5014,
    },
    Point {
        x: 56.0252,
        y: 71.7366,
    },
    Point {
        x: 41.5493,
        y: 92.3655,
    },
    Point {
        x: 70.7299,
        y: 92.2041,
    },
];

/// A similarity of the plane: `x' = a·x − b·y + tx`, `y' = b·x + a·y + ty`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    /// Scale times cosine.
    pub a: f64,
    /// Scale times sine.
    pub b: f64,
    /// Shift rightwards, in pixels.
    pub tx: f64,
    /// Shift downwards, in pixels.
    pub ty: f64,
}

impl Similarity {
    /// The similarity that brings `source` closest to `target`; `None` when the source points coincide.
    #[must_use]
    pub fn fit(source: &[Point; 5], target: &[Point; 5]) -> Option<Self> {
        let centre = |points: &[Point; 5]| {
            let sum = points.iter().fold((0.0, 0.0), |(x, y), p| {
                (x + f64::from(p.x), y + f64::from(p.y))
            });
            (sum.0 / 5.0, sum.1 / 5.0)
        };
        let ((sx, sy), (tx, ty)) = (centre(source), centre(target));
        let (mut dot, mut cross, mut norm) = (0.0, 0.0, 0.0);
        for (s, t) in source.iter().zip(target) {
            let (ux, uy) = (f64::from(s.x) - sx, f64::from(s.y) - sy);
            let (vx, vy) = (f64::from(t.x) - tx, f64::from(t.y) - ty);
            dot += ux * vx + uy * vy;
            cross += ux * vy - uy * vx;
            norm += ux * ux + uy * uy;
        }
        // Landmarks a fraction of a pixel apart are no face.
        if norm < 1e-6 {
            return None;
        }
        let (a, b) = (dot / norm, cross / norm);
        Some(Self {
            a,
            b,
            tx: tx - (a * sx - b * sy),
            ty: ty - (b * sx + a * sy),
        })
    }
}
