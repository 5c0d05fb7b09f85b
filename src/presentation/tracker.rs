//! Follows faces from frame to frame by overlap, so that evidence is gathered about one face.
//!
//! Greedy association by intersection over union (as in SORT, Bewley et al. 2016, without the
//! motion model: at 5 frames a second and more a face at a door overlaps itself). Pure.

use std::time::Duration;

use crate::clock::Tick;
use crate::vision::geometry::Rect;

/// Least overlap to be the same face (SORT's own value).
const MIN_IOU: f32 = 0.3;
/// A face not seen for so long is gone; one that comes back is a new presentation. Long enough
/// for a blink of the detector at 3 frames a second, too short to step aside for somebody else.
const FORGET_AFTER: Duration = Duration::from_millis(700);

/// Identifies a track for as long as the service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u64);

#[derive(Debug)]
struct Track {
    id: TrackId,
    rect: Rect,
    seen: Tick,
}

/// The faces in view.
#[derive(Debug, Default)]
pub struct Tracker {
    tracks: Vec<Track>,
    next: u64,
}

impl Tracker {
    /// Assigns each box of a frame to a track. Returns the ids in the order of `boxes`, and
    /// the tracks that ended.
    pub fn update(&mut self, boxes: &[Rect], now: Tick) -> (Vec<TrackId>, Vec<TrackId>) {
        let gone = |track: &Track| now.since(track.seen) > FORGET_AFTER;
        let ended = self
            .tracks
            .iter()
            .filter(|t| gone(t))
            .map(|t| t.id)
            .collect();
        self.tracks.retain(|track| !gone(track));

        let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
        for (t, track) in self.tracks.iter().enumerate() {
            for (b, rect) in boxes.iter().enumerate() {
                let overlap = track.rect.iou(rect);
                if overlap >= MIN_IOU {
                    pairs.push((overlap, t, b));
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
                self.tracks[t].rect = boxes[b];
                self.tracks[t].seen = now;
            }
        }
        let ids = ids.into_iter().zip(boxes).map(|(id, rect)| {
            id.unwrap_or_else(|| {
                let id = TrackId(self.next);
                self.next += 1;
                self.tracks.push(Track {
                    id,
                    rect: *rect,
                    seen: now,
                });
                id
            })
        });
        (ids.collect(), ended)
    }
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
