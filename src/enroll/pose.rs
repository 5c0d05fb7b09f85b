//! The poses that a gallery should hold, and how a head fits them.
//!
//! Pure. Where a head is turned comes from [`crate::vision::pose`].

use crate::vision::pose::HeadPose;

/// From how much and up to how much a head is turned "slightly", in degrees of yaw: more than
/// twice the estimate's error, and far from a profile.
const SIDE: (f32, f32) = (10.0, 35.0);
/// The same in degrees of pitch, from the person's own straight look.
const NOD: (f32, f32) = (8.0, 30.0);
/// Up to which yaw a head looks straight ahead, in degrees.
const STRAIGHT_YAW: f32 = 9.0;
/// Up to which pitch it does: wide, since nothing is known yet about this person's nose.
const STRAIGHT_PITCH: f32 = 15.0;
/// Up to which yaw somebody who looks up or down still faces the camera, in degrees: where the
/// sideways poses begin, so that a head shows one pose only.
const NOD_YAW: f32 = SIDE.0;

/// A pose that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pose {
    /// Straight into the camera.
    Straight,
    /// Slightly to the person's own left.
    Left,
    /// Slightly to the person's own right.
    Right,
    /// Slightly upwards.
    Up,
    /// Slightly downwards.
    Down,
}

/// How a head fits a pose that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It does.
    Fits,
    /// Turn on.
    Further,
    /// Turn back a little.
    Less,
    /// Face the camera first.
    Askew,
}

impl Pose {
    /// All poses in the order in which they are asked for. The straight one comes first: the
    /// pitch of the others is judged by it.
    pub const ALL: [Pose; 5] = [
        Pose::Straight,
        Pose::Left,
        Pose::Right,
        Pose::Up,
        Pose::Down,
    ];

    /// The word in output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Pose::Straight => "straight",
            Pose::Left => "left",
            Pose::Right => "right",
            Pose::Up => "up",
            Pose::Down => "down",
        }
    }

    /// What to ask for.
    #[must_use]
    pub fn instruction(self) -> &'static str {
        match self {
            Pose::Straight => "look straight into the camera",
            Pose::Left => "turn your head slightly to your left",
            Pose::Right => "turn your head slightly to your right",
            Pose::Up => "raise your chin slightly",
            Pose::Down => "lower your chin slightly",
        }
    }

    /// Whether `head` is in this pose; `straight` is the same person's straight look, if there
    /// is one yet.
    #[must_use]
    pub fn fit(self, head: HeadPose, straight: Option<HeadPose>) -> Fit {
        let pitch = head.pitch - straight.map_or(0.0, |s| s.pitch);
        let within = |value: f32, (from, to): (f32, f32)| {
            if value < from {
                Fit::Further
            } else if value > to {
                Fit::Less
            } else {
                Fit::Fits
            }
        };
        let nod = |pitch: f32| match within(pitch, NOD) {
            _ if head.yaw.abs() >= NOD_YAW => Fit::Askew,
            fit => fit,
        };
        match self {
            Pose::Straight => {
                if head.yaw.abs() <= STRAIGHT_YAW && head.pitch.abs() <= STRAIGHT_PITCH {
                    Fit::Fits
                } else {
                    Fit::Askew
                }
            }
            Pose::Left => within(head.yaw, SIDE),
            Pose::Right => within(-head.yaw, SIDE),
            Pose::Up => nod(pitch),
            Pose::Down => nod(-pitch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_head_fits_one_pose() {
        let straight = HeadPose {
            yaw: 2.0,
            pitch: -9.0,
            roll: 0.0,
        };
        for (yaw, pitch, expected) in [
            (3.0, -8.0, Pose::Straight),
            (20.0, -9.0, Pose::Left),
            (-20.0, -9.0, Pose::Right),
            (5.0, 5.0, Pose::Up),
            (-5.0, -25.0, Pose::Down),
        ] {
            let head = HeadPose {
                yaw,
                pitch,
                roll: 0.0,
            };
            let fitting: Vec<Pose> = Pose::ALL
                .into_iter()
                .filter(|pose| pose.fit(head, Some(straight)) == Fit::Fits)
                .collect();
            assert!(fitting.contains(&expected), "{head:?}: {fitting:?}");
            // A slight nod may still count as straight: straight is asked for first and only then.
            assert!(
                fitting
                    .iter()
                    .all(|p| *p == expected || *p == Pose::Straight)
            );
        }
        let profile = HeadPose {
            yaw: 60.0,
            pitch: 0.0,
            roll: 0.0,
        };
        assert_eq!(Pose::Left.fit(profile, None), Fit::Less);
        assert_eq!(Pose::Right.fit(profile, None), Fit::Further);
    }
}
