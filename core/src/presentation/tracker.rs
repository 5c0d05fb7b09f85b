//! Follows faces from frame to frame.
//!
//! Pure, and by place alone: who it is, is not asked here. As in SORT (Bewley et al., ICIP 2016)
//! a track is predicted by its own velocity and matched by overlap; what overlaps with nothing is
//! then matched by distance, because a face that walks up fast, or a slow model, leaves no
//! overlap between two frames. A plain running velocity instead of SORT's Kalman filter, and the
//! best pair first instead of the Hungarian method: before a door stand a few faces, not a crowd.

use std::time::Duration;

use crate::clock::Tick;
use crate::vision::geometry::{Point, Rect};

/// Least overlap (intersection over union) of prediction and box.
const MIN_IOU: f32 = 0.3;
/// Farthest step between two frames, in widths of the face: somebody who runs past at 3 m/s
/// before a camera at 10 frames a second moves by about two.
const MAX_STEP: f32 = 1.5;
/// Between two frames a face grows or shrinks at most by this factor.
const MAX_GROWTH: f32 = 1.6;
/// How much of a new velocity is believed: half, because boxes jitter.
const BELIEF: f32 = 0.5;
/// A face out of sight for longer is a new track.
const PATIENCE: Duration = Duration::from_millis(700);

/// Identifies a track for as long as the service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u64);

#[derive(Debug)]
struct Track {
    id: TrackId,
    rect: Rect,
    /// Of the centre, in pixels a second.
    velocity: Point,
    seen: Tick,
}

impl Track {
    fn predicted(&self, now: Tick) -> Rect {
        let seconds = now.since(self.seen).as_secs_f32();
        let (dx, dy) = (self.velocity.x * seconds, self.velocity.y * seconds);
        Rect {
            x0: self.rect.x0 + dx,
            y0: self.rect.y0 + dy,
            x1: self.rect.x1 + dx,
            y1: self.rect.y1 + dy,
        }
    }

    fn moved_to(&mut self, rect: Rect, now: Tick) {
        let seconds = now.since(self.seen).as_secs_f32();
        if seconds > 0.0 {
            let (here, there) = (self.rect.centre(), rect.centre());
            let towards =
                |old: f32, from: f32, to: f32| old + BELIEF * ((to - from) / seconds - old);
            self.velocity = Point {
                x: towards(self.velocity.x, here.x, there.x),
                y: towards(self.velocity.y, here.y, there.y),
            };
        }
        self.rect = rect;
        self.seen = now;
    }
}

/// All tracks under way.
#[derive(Debug, Default)]
pub struct Tracker {
    tracks: Vec<Track>,
    next: u64,
}

impl Tracker {
    /// Matches the boxes of a frame to tracks. Returns one track per box, in their order, and the
    /// tracks that ended.
    pub fn update(&mut self, boxes: &[Rect], now: Tick) -> (Vec<TrackId>, Vec<TrackId>) {
        let mut ended = Vec::new();
        self.tracks.retain(|track| {
            let lives = now.since(track.seen) <= PATIENCE;
            if !lives {
                ended.push(track.id);
            }
            lives
        });
        // Any overlap is better than any distance.
        let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
        for (t, track) in self.tracks.iter().enumerate() {
            let predicted = track.predicted(now);
            for (b, rect) in boxes.iter().enumerate() {
                let overlap = predicted.iou(rect);
                if overlap >= MIN_IOU {
                    pairs.push((1.0 + overlap, t, b));
                } else if let Some(nearness) = nearness(&track.rect, rect) {
                    pairs.push((nearness, t, b));
                }
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut ids: Vec<Option<TrackId>> = vec![None; boxes.len()];
        let mut taken = vec![false; self.tracks.len()];
        for (_, t, b) in pairs {
            if !taken[t] && ids[b].is_none() {
                taken[t] = true;
                ids[b] = Some(self.tracks[t].id);
                self.tracks[t].moved_to(boxes[b], now);
            }
        }
        let ids = ids.into_iter().zip(boxes).map(|(id, rect)| {
            id.unwrap_or_else(|| {
                let id = TrackId(self.next);
                self.next += 1;
                self.tracks.push(Track {
                    id,
                    rect: *rect,
                    velocity: Point::default(),
                    seen: now,
                });
                id
            })
        });
        (ids.collect(), ended)
    }
}

/// How near a box is to where a face was last, 0..1; `None` when it cannot be the same face.
fn nearness(last: &Rect, rect: &Rect) -> Option<f32> {
    let growth = rect.width() / last.width();
    let step = last.centre().distance(rect.centre()) / last.width().max(rect.width());
    let fits = (1.0 / MAX_GROWTH..=MAX_GROWTH).contains(&growth) && step <= MAX_STEP;
    fits.then(|| 1.0 - step / MAX_STEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f32) -> Rect {
        Rect {
            x0: x,
            y0: 0.0,
            x1: x + 100.0,
            y1: 100.0,
        }
    }

    fn ms(n: u64) -> Tick {
        Tick(Duration::from_millis(n))
    }

    #[test]
    fn a_moving_face_keeps_its_track_and_a_second_one_gets_its_own() {
        let mut tracker = Tracker::default();
        let (first, _) = tracker.update(&[at(0.0)], ms(0));
        let (second, _) = tracker.update(&[at(500.0), at(30.0)], ms(66));
        assert_eq!(second[1], first[0]);
        assert_ne!(second[0], first[0]);
    }

    #[test]
    fn a_fast_face_keeps_its_track() {
        let mut tracker = Tracker::default();
        let ids: Vec<_> = (0..6)
            .map(|n| tracker.update(&[at(90.0 * n as f32)], ms(n * 100)).0[0])
            .collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }

    #[test]
    fn two_faces_that_pass_each_other_keep_their_tracks() {
        let mut tracker = Tracker::default();
        let mut ids = Vec::new();
        for n in 0..9 {
            let (right, left) = (at(60.0 * n as f32), at(480.0 - 60.0 * n as f32));
            // Half a face apart in height, as people are.
            let left = Rect {
                y0: left.y0 + 50.0,
                y1: left.y1 + 50.0,
                ..left
            };
            ids.push(tracker.update(&[right, left], ms(n * 66)).0);
        }
        assert!(ids.iter().all(|pair| *pair == ids[0]), "{ids:?}");
    }

    #[test]
    fn a_face_elsewhere_or_of_another_size_is_another_one() {
        let mut tracker = Tracker::default();
        let (first, _) = tracker.update(&[at(0.0)], ms(0));
        let (far, _) = tracker.update(&[at(300.0)], ms(66));
        let small = Rect {
            x0: 10.0,
            y0: 10.0,
            x1: 50.0,
            y1: 50.0,
        };
        let (other, _) = tracker.update(&[small], ms(132));
        assert!(far[0] != first[0] && other[0] != first[0]);
    }

    #[test]
    fn a_face_that_was_away_is_a_new_presentation() {
        let mut tracker = Tracker::default();
        let (first, _) = tracker.update(&[at(0.0)], ms(0));
        let (kept, ended) = tracker.update(&[at(0.0)], ms(600));
        assert_eq!((kept, ended), (first.clone(), vec![]));
        let (later, ended) = tracker.update(&[at(0.0)], ms(1_400));
        assert_eq!(ended, first);
        assert_ne!(later, first);
    }
}
