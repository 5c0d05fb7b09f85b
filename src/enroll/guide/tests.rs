//! The guide, frame by frame.

use super::*;

const TIMEOUT: Duration = Duration::from_secs(60);

fn guide(shots: usize) -> Guide<u32> {
    Guide::new(shots, Rules::new(0.486), Tick::default(), TIMEOUT)
}

/// A frame of a head turned to the side; its face turns a little with it.
fn shot(yaw: f32, quality: f32, picture: u32) -> Shot<u32> {
    let (y, x) = (yaw * 1.5).to_radians().sin_cos();
    Shot {
        head: HeadPose {
            yaw,
            pitch: -5.0,
            roll: 0.0,
        },
        embedding: Embedding::normalised(vec![x, y]).unwrap(),
        quality,
        picture,
    }
}

fn show(guide: &mut Guide<u32>, shot: Shot<u32>) -> Result<Advice, Advice> {
    let pose = guide.admit(shot.head)?;
    Ok(guide.take(pose, shot))
}

#[test]
fn every_pose_is_asked_for_and_its_best_shot_is_kept() {
    let mut guide = guide(3);
    assert_eq!(guide.wanted(), Some(Pose::Straight));
    assert_eq!(
        show(&mut guide, shot(20.0, 0.9, 0)),
        Err(Advice::FaceCamera)
    );
    assert_eq!(show(&mut guide, shot(0.0, 0.3, 1)), Ok(Advice::HoldIt));
    assert_eq!(show(&mut guide, shot(1.0, 0.7, 2)), Ok(Advice::HoldIt));
    assert_eq!(
        show(&mut guide, shot(2.0, 0.5, 3)),
        Ok(Advice::Taken(Pose::Straight))
    );
    assert_eq!(guide.wanted(), Some(Pose::Left));
    assert_eq!(show(&mut guide, shot(4.0, 0.5, 4)), Err(Advice::Further));
    assert_eq!(show(&mut guide, shot(50.0, 0.5, 5)), Err(Advice::Less));
    // Not what was asked for, but missing too.
    for picture in 6..9 {
        show(&mut guide, shot(-20.0, 0.4, picture)).unwrap();
    }
    assert_eq!(guide.progress(), (2, 3));
    assert_eq!(guide.wanted(), Some(Pose::Left));
    for picture in 9..12 {
        show(&mut guide, shot(20.0, 0.4, picture)).unwrap();
    }
    assert_eq!(guide.wanted(), None);
    let (shots, missed) = guide.finish();
    let kept: Vec<(Pose, u32)> = shots
        .iter()
        .map(|(pose, shot)| (*pose, shot.picture))
        .collect();
    assert_eq!(
        kept,
        [(Pose::Straight, 2), (Pose::Left, 9), (Pose::Right, 6)]
    );
    assert!(missed.is_empty());
}

#[test]
fn another_face_and_the_same_face_again_are_not_taken() {
    let mut guide = guide(2);
    show(&mut guide, shot(0.0, 0.5, 1)).unwrap();
    let mut stranger = shot(0.0, 0.9, 2);
    stranger.embedding = Embedding::normalised(vec![0.0, 1.0]).unwrap();
    assert_eq!(show(&mut guide, stranger), Ok(Advice::AnotherFace(0.0)));
    for picture in 3..5 {
        show(&mut guide, shot(0.0, 0.5, picture)).unwrap();
    }
    let mut copy = shot(20.0, 0.9, 6);
    copy.embedding = shot(0.0, 0.9, 6).embedding;
    let of = Pose::Straight;
    assert_eq!(
        show(&mut guide, copy),
        Ok(Advice::SameAsBefore {
            of,
            similarity: 1.0
        })
    );
    let (shots, missed) = guide.finish();
    assert_eq!(shots.len(), 1);
    assert_eq!(missed, [Pose::Left]);
}

#[test]
fn pitch_is_judged_by_the_persons_own_straight_look() {
    let mut guide = guide(5);
    let nod = |pitch: f32, turn: f32| {
        let mut shot = shot(0.0, 0.5, 0);
        shot.head.pitch = pitch;
        let (y, x) = turn.to_radians().sin_cos();
        shot.embedding = Embedding::normalised(vec![x, y]).unwrap();
        shot
    };
    for _ in 0..FRAMES_A_POSE {
        show(&mut guide, nod(-10.0, 0.0)).unwrap();
    }
    // Five degrees are up for somebody whose straight look seems to be ten degrees down.
    for _ in 0..FRAMES_A_POSE {
        show(&mut guide, nod(5.0, 30.0)).unwrap();
    }
    assert_eq!(guide.progress(), (2, 5));
    assert_eq!(show(&mut guide, nod(-12.0, 60.0)), Err(Advice::Further));
    let (shots, _) = guide.finish();
    assert_eq!(shots[1].0, Pose::Up);
}

#[test]
fn time_runs_out_with_what_there_is() {
    let mut guide = guide(5);
    show(&mut guide, shot(0.0, 0.5, 1)).unwrap();
    let almost = TIMEOUT - Duration::from_millis(1);
    assert!(!guide.timed_out(Tick(almost)));
    assert!(guide.timed_out(Tick(TIMEOUT)));
    let (shots, missed) = guide.finish();
    assert_eq!((shots.len(), missed.len()), (1, 4));
    // Somebody who asks for nothing gets at least the straight shot.
    assert_eq!(self::guide(0).progress(), (0, 1));
}
