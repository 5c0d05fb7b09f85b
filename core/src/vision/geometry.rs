//! Points, boxes, overlap and non-maximum suppression: plain geometry in pixels.

/// A point in pixels; integers are pixel centres.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct Point {
    /// Rightwards.
    pub x: f32,
    /// Downwards.
    pub y: f32,
}

impl Point {
    /// Euclidean distance.
    #[must_use]
    pub fn distance(self, other: Point) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }

    /// The point half way.
    #[must_use]
    pub fn mean(points: &[Point]) -> Point {
        let n = points.len().max(1) as f32;
        Point {
            x: points.iter().map(|p| p.x).sum::<f32>() / n,
            y: points.iter().map(|p| p.y).sum::<f32>() / n,
        }
    }
}

/// A box by its corners, in pixels; `x1`, `y1` are exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct Rect {
    /// Left.
    pub x0: f32,
    /// Top.
    pub y0: f32,
    /// Right.
    pub x1: f32,
    /// Bottom.
    pub y1: f32,
}

impl Rect {
    /// Width; zero for an inverted box.
    #[must_use]
    pub fn width(&self) -> f32 {
        (self.x1 - self.x0).max(0.0)
    }

    /// Height; zero for an inverted box.
    #[must_use]
    pub fn height(&self) -> f32 {
        (self.y1 - self.y0).max(0.0)
    }

    /// The middle.
    #[must_use]
    pub fn centre(&self) -> Point {
        Point {
            x: (self.x0 + self.x1) * 0.5,
            y: (self.y0 + self.y1) * 0.5,
        }
    }

    /// Area; zero for an inverted box.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// Intersection over union, 0..1.
    #[must_use]
    pub fn iou(&self, other: &Rect) -> f32 {
        let both = Rect {
            x0: self.x0.max(other.x0),
            y0: self.y0.max(other.y0),
            x1: self.x1.min(other.x1),
            y1: self.y1.min(other.y1),
        }
        .area();
        let union = self.area() + other.area() - both;
        if union > 0.0 { both / union } else { 0.0 }
    }
}

/// Greedy non-maximum suppression: the best first, dropping what overlaps a kept one by more
/// than `threshold`. Equal scores keep their order. Returns indices, best first.
#[must_use]
pub fn non_maximum_suppression(boxes: &[(Rect, f32)], threshold: f32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..boxes.len()).collect();
    order.sort_by(|&a, &b| boxes[b].1.total_cmp(&boxes[a].1));
    let mut kept: Vec<usize> = Vec::new();
    for candidate in order {
        let overlaps = |&k: &usize| boxes[k].0.iou(&boxes[candidate].0) > threshold;
        if !kept.iter().any(overlaps) {
            kept.push(candidate);
        }
    }
    kept
}
