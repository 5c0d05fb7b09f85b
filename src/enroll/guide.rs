//! Which pose is asked for next, which frames are good for it, and which shot is the best.
//!
//! Pure: flows in one look at each frame with its time, flows out what to tell the person.
//! It holds shots of one person only, and never two that are alike.

use std::time::Duration;

use super::plan::Rules;
use super::pose::{Fit, Pose};
use crate::clock::Tick;
use crate::vision::pose::HeadPose;
use crate::vision::{Embedding, QualityFailure, QualityProblem};

/// Good frames seen of a pose before it is done. Of several the sharpest is kept: the first one
/// is often still moving.
pub const FRAMES_A_POSE: u32 = 3;

/// A good frame of a face; `P` is the picture itself.
#[derive(Debug, Clone)]
pub struct Shot<P> {
    /// Where the head is turned.
    pub head: HeadPose,
    /// What it looks like.
    pub embedding: Embedding,
    /// Its quality's score, 0..1.
    pub quality: f32,
    /// The frame.
    pub picture: P,
}

/// What to tell the person about the newest frame.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Advice {
    /// Nobody is seen.
    #[error("no face is seen: come in front of the camera")]
    NoFace,
    /// Nobody is seen because nothing is.
    #[error("the picture is too dark: switch on a light")]
    TooDark,
    /// More than one.
    #[error("{0} faces are seen: only one person, please")]
    SeveralFaces(usize),
    /// Too far away.
    #[error("come closer: {0}")]
    ComeCloser(QualityFailure),
    /// Not sharp.
    #[error("hold still: {0}")]
    HoldStill(QualityFailure),
    /// Anything else that quality objects to.
    #[error("{0}")]
    Poor(QualityFailure),
    /// Not yet the pose that is asked for.
    #[error("a little further")]
    Further,
    /// Beyond it.
    #[error("a little less")]
    Less,
    /// Turned aside when that is not asked for.
    #[error("face the camera")]
    FaceCamera,
    /// Adds nothing to the shot of another pose.
    #[error("the same as the shot {of:?} (similarity {similarity:.2}): turn a little more", of = of.as_str())]
    SameAsBefore {
        /// Which pose.
        of: Pose,
        /// How like, -1..1.
        similarity: f32,
    },
    /// Somebody else stepped in.
    #[error("another face than in the first shot (similarity {0:.2})")]
    AnotherFace(f32),
    /// A good frame; more of the same.
    #[error("good, hold it")]
    HoldIt,
    /// The pose is done.
    #[error("taken: {}", .0.as_str())]
    Taken(Pose),
}

impl Advice {
    /// A machine-readable word; the same for advice that differs in numbers only.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Advice::NoFace => "no_face",
            Advice::TooDark => "too_dark",
            Advice::SeveralFaces(_) => "several_faces",
            Advice::ComeCloser(_) => "too_small",
            Advice::HoldStill(_) => "too_blurred",
            Advice::Poor(_) => "low_quality",
            Advice::Further => "further",
            Advice::Less => "less",
            Advice::FaceCamera => "face_camera",
            Advice::SameAsBefore { .. } => "same_as_before",
            Advice::AnotherFace(_) => "another_face",
            Advice::HoldIt => "hold_it",
            Advice::Taken(_) => "taken",
        }
    }
}

impl From<QualityFailure> for Advice {
    fn from(failure: QualityFailure) -> Self {
        match failure.problem {
            QualityProblem::TooSmall => Advice::ComeCloser(failure),
            QualityProblem::TooBlurred => Advice::HoldStill(failure),
            _ => Advice::Poor(failure),
        }
    }
}

/// One pose and its best shot so far.
#[derive(Debug)]
struct Station<P> {
    pose: Pose,
    frames: u32,
    best: Option<Shot<P>>,
}

impl<P> Station<P> {
    fn done(&self) -> bool {
        self.frames >= FRAMES_A_POSE
    }
}

/// Leads one person through the poses.
#[derive(Debug)]
pub struct Guide<P> {
    stations: Vec<Station<P>>,
    rules: Rules,
    until: Tick,
}

impl<P> Guide<P> {
    /// Asks for the first `shots` poses of [`Pose::ALL`] (at least the straight one), from `now`
    /// for at most `timeout`.
    #[must_use]
    pub fn new(shots: usize, rules: Rules, now: Tick, timeout: Duration) -> Self {
        let station = |pose| Station {
            pose,
            frames: 0,
            best: None,
        };
        let stations = Pose::ALL.into_iter().take(shots.max(1)).map(station);
        Self {
            stations: stations.collect(),
            rules,
            until: now + timeout,
        }
    }

    /// The pose that is asked for; `None` when all are done.
    #[must_use]
    pub fn wanted(&self) -> Option<Pose> {
        let open = self.stations.iter().find(|station| !station.done());
        open.map(|station| station.pose)
    }

    /// Poses done, and poses in all.
    #[must_use]
    pub fn progress(&self) -> (usize, usize) {
        let done = self.stations.iter().filter(|station| station.done());
        (done.count(), self.stations.len())
    }

    /// Whether the time is over.
    #[must_use]
    pub fn timed_out(&self, now: Tick) -> bool {
        now >= self.until
    }

    /// The pose that a head shows and that is still missing. Any missing pose will do once the
    /// straight one is there: it need not be the one that is asked for. This comes before the
    /// face is embedded, which is the costly step.
    ///
    /// # Errors
    /// What to do to reach the pose that is asked for.
    pub fn admit(&self, head: HeadPose) -> Result<Pose, Advice> {
        let straight = self.straight().map(|shot| shot.head);
        let mut open = self.stations.iter().filter(|station| !station.done());
        let Some(wanted) = open.next().map(|station| station.pose) else {
            return Err(Advice::Less);
        };
        let fits = |pose: Pose| pose.fit(head, straight) == Fit::Fits;
        let other = |station: &&Station<P>| wanted != Pose::Straight && fits(station.pose);
        match wanted.fit(head, straight) {
            Fit::Fits => Ok(wanted),
            fit => match (open.find(other), fit) {
                (Some(station), _) => Ok(station.pose),
                (None, Fit::Less) => Err(Advice::Less),
                (None, Fit::Askew) => Err(Advice::FaceCamera),
                (None, Fit::Fits | Fit::Further) => Err(Advice::Further),
            },
        }
    }

    /// Takes a shot of a pose that was admitted, if it is of the same person and adds
    /// something; of several of one pose the best stays.
    pub fn take(&mut self, pose: Pose, shot: Shot<P>) -> Advice {
        if let Some(first) = self.straight() {
            let similarity = first.embedding.similarity(&shot.embedding);
            if similarity < self.rules.agreement {
                return Advice::AnotherFace(similarity);
            }
        }
        let others = self.stations.iter().filter(|station| station.pose != pose);
        let twin = others
            .filter_map(|station| {
                let similarity = station.best.as_ref()?.embedding.similarity(&shot.embedding);
                (similarity >= self.rules.duplicate).then_some((station.pose, similarity))
            })
            .max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((of, similarity)) = twin {
            return Advice::SameAsBefore { of, similarity };
        }
        let Some(station) = self.stations.iter_mut().find(|s| s.pose == pose) else {
            return Advice::Less;
        };
        station.frames += 1;
        if station
            .best
            .as_ref()
            .is_none_or(|best| shot.quality > best.quality)
        {
            station.best = Some(shot);
        }
        if station.done() {
            Advice::Taken(pose)
        } else {
            Advice::HoldIt
        }
    }

    /// The best shot of every pose of which there is one, and the poses of which there is none.
    #[must_use]
    pub fn finish(self) -> (Vec<(Pose, Shot<P>)>, Vec<Pose>) {
        let (mut shots, mut missed) = (Vec::new(), Vec::new());
        for station in self.stations {
            match station.best {
                Some(best) => shots.push((station.pose, best)),
                None => missed.push(station.pose),
            }
        }
        (shots, missed)
    }

    fn straight(&self) -> Option<&Shot<P>> {
        let straight = self.stations.iter().find(|s| s.pose == Pose::Straight);
        straight.and_then(|station| station.best.as_ref())
    }
}

#[cfg(test)]
mod tests;
