//! Where a head is turned, estimated from five points, and the poses that a gallery should hold.
//!
//! Pure. The tip of the nose stands out from the plane of eyes and mouth, so it moves across
//! that plane when the head turns. Good for asking somebody to turn a little; no measurement.

use crate::vision::geometry::Point;

/// How far the tip of the nose stands out, in distances between the eyes: fitted on 1029 LFW
/// pictures against the pack's head-pose network (correlation 0.96; what is left differs by
/// 3.8° standard deviation).
const NOSE_DEPTH: f32 = 0.535;
/// Where between eyes (0) and mouth (1) the nose of an upright head is: median of those pictures.
const NOSE_HEIGHT: f32 = 0.54;
/// How far that place moves for the tangent of the pitch: fitted likewise (correlation 0.78;
/// 5.7° are left, for noses differ: compare a pitch with the same person's, not with a number).
const NOSE_RISE: f32 = 0.594;

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

/// Where a head is turned, as far as five points tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeadPose {
    /// Degrees, -90..90; positive: to the person's own left, which is rightwards in the image.
    pub yaw: f32,
    /// Degrees, -90..90; positive: upwards.
    pub pitch: f32,
}

impl HeadPose {
    /// Estimates it from right eye (left in the image), left eye, tip of the nose and mouth
    /// corners, in pixels; a head that is tilted to its shoulder counts like an upright one.
    /// `None` when eyes or mouth coincide.
    #[must_use]
    pub fn estimate(five: &[Point; 5]) -> Option<Self> {
        let [right_eye, left_eye, nose, ..] = *five;
        let eye_distance = right_eye.distance(left_eye);
        let eyes = Point::mean(&five[..2]);
        let mouth = Point::mean(&five[3..]);
        let across = Point {
            x: (left_eye.x - right_eye.x) / eye_distance,
            y: (left_eye.y - right_eye.y) / eye_distance,
        };
        let rightwards =
            |from: Point, to: Point| (to.x - from.x) * across.x + (to.y - from.y) * across.y;
        let downwards =
            |from: Point, to: Point| (to.y - from.y) * across.x - (to.x - from.x) * across.y;
        let height = downwards(eyes, mouth);
        // A fraction of a pixel is no face.
        if eye_distance < 0.5 || height < 0.5 {
            return None;
        }
        let shift = rightwards(Point::mean(&[eyes, mouth]), nose) / eye_distance;
        let place = downwards(eyes, nose) / height;
        Some(Self {
            yaw: (shift / NOSE_DEPTH).atan().to_degrees(),
            pitch: ((NOSE_HEIGHT - place) / NOSE_RISE).atan().to_degrees(),
        })
    }
}

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
    use proptest::prelude::*;

    use super::*;

    /// A head 100 pixels wide between the eyes and 110 high down to the mouth, turned in space
    /// and seen from far away.
    fn head(yaw: f32, pitch: f32, roll: f32) -> [Point; 5] {
        let height = 110.0;
        let nose = NOSE_HEIGHT * height;
        let points = [
            (-50.0, 0.0, 0.0),
            (50.0, 0.0, 0.0),
            (0.0, nose, 100.0 * NOSE_DEPTH),
            (-40.0, height, 0.0),
            (40.0, height, 0.0),
        ];
        let (sy, cy) = yaw.to_radians().sin_cos();
        let (sp, cp) = pitch.to_radians().sin_cos();
        let (sr, cr) = roll.to_radians().sin_cos();
        points.map(|(x, y, z)| {
            let (y, z) = (y * cp - z * sp, y * sp + z * cp);
            let x = x * cy + z * sy;
            Point {
                x: 300.0 + x * cr - y * sr,
                y: 200.0 + x * sr + y * cr,
            }
        })
    }

    #[test]
    fn signs_are_the_persons_own() {
        let seen = |yaw, pitch| HeadPose::estimate(&head(yaw, pitch, 0.0)).unwrap();
        assert!(seen(20.0, 0.0).yaw > 10.0);
        assert!(seen(-20.0, 0.0).yaw < -10.0);
        assert!(seen(0.0, 20.0).pitch > 10.0);
        assert!(seen(0.0, -20.0).pitch < -10.0);
        let straight = seen(0.0, 0.0);
        assert!(straight.yaw.abs() < 0.01 && straight.pitch.abs() < 0.01);
    }

    #[test]
    fn points_that_are_no_face_have_no_pose() {
        assert_eq!(HeadPose::estimate(&[Point::default(); 5]), None);
        let mut upside_down = head(0.0, 0.0, 0.0);
        upside_down.swap(0, 1);
        assert_eq!(HeadPose::estimate(&upside_down), None);
    }

    #[test]
    fn one_head_fits_one_pose() {
        let straight = HeadPose {
            yaw: 2.0,
            pitch: -9.0,
        };
        for (yaw, pitch, expected) in [
            (3.0, -8.0, Pose::Straight),
            (20.0, -9.0, Pose::Left),
            (-20.0, -9.0, Pose::Right),
            (5.0, 5.0, Pose::Up),
            (-5.0, -25.0, Pose::Down),
        ] {
            let head = HeadPose { yaw, pitch };
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
        };
        assert_eq!(Pose::Left.fit(profile, None), Fit::Less);
        assert_eq!(Pose::Right.fit(profile, None), Fit::Further);
    }

    proptest! {
        #[test]
        fn a_turned_head_is_estimated_however_it_is_tilted(
            yaw in -35.0f32..35.0, roll in -40.0f32..40.0,
        ) {
            let seen = HeadPose::estimate(&head(yaw, 0.0, roll)).unwrap();
            prop_assert!((seen.yaw - yaw).abs() < 1.0, "{seen:?}");
            prop_assert!(seen.pitch.abs() < 1.0, "{seen:?}");
        }
    }
}
