//! `doorward enroll --camera`: poses taken from clips and folders that are played as a camera.

use std::path::Path;

use doorward::enroll::pose::{Fit, Pose};
use doorward::store::InstanceLock;
use doorward::vision::pack::ModelPack;
use doorward::vision::pose::HeadPose;
use doorward::vision::{Vision, still};
use image::{Rgb, RgbImage, imageops};
use rustix::process::Signal;
use serde_json::Value;

use crate::support::clip::{self, Scene};
use crate::support::door::{Door, doorward, stderr};
use crate::support::faces::{Cell, PERSON, STRANGERS, Sheet};

/// The sample person as he looks straight ahead, slightly to his left and slightly to his right.
const POSES: [Cell; 3] = [Cell::at(0, 10), Cell::at(0, 2), Cell::at(0, 6)];

/// The same person with his chin lowered.
const DOWN: Cell = Cell::at(0, 17);

/// A door whose camera plays a folder, again and again or once.
fn played(pictures: &[RgbImage], repeat: bool) -> Door {
    let door = Door::new(&format!(
        "[camera]\nsource = \"folder\"\npath = \"camera\"\nfps = 10\nrepeat = {repeat}\n"
    ));
    std::fs::create_dir(door.path("camera")).unwrap();
    for (index, picture) in pictures.iter().enumerate() {
        let path = door.path(&format!("camera/{index}.png"));
        picture.save(path).unwrap();
    }
    door
}

fn face(cell: Cell) -> RgbImage {
    Sheet::open().unwrap().face(cell).unwrap()
}

/// Faces in one frame.
fn frame(faces: &[(&RgbImage, i64)]) -> RgbImage {
    let mut frame = RgbImage::from_pixel(320, 240, Rgb([127; 3]));
    for (face, x) in faces {
        imageops::replace(&mut frame, *face, *x, 66);
    }
    frame
}

fn portrait(face: &RgbImage) -> RgbImage {
    frame(&[(face, 107)])
}

/// Enrolls Ada by camera; exit code, JSON report, and what was said.
fn enroll(door: &Door, more: &[&str]) -> (Option<i32>, Value, String) {
    let output = door.run(&[&["enroll", "Ada", "--camera", "--json"], more].concat());
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), report, stderr(&output))
}

#[test]
fn the_pose_of_real_faces_is_estimated_with_the_persons_own_sides() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut vision = Vision::load(&ModelPack::open(&models).unwrap(), 1).unwrap();
    let mut pose = |face: &RgbImage| {
        let image = still::to_bgr(&portrait(face)).unwrap();
        let detection = vision.detect(&image).unwrap()[0];
        let face = vision.examine(&image, detection).unwrap().unwrap();
        face.quality.pose
    };
    let [straight, left, right] = POSES.map(face);
    let ahead = pose(&straight);
    let fitting = |head: HeadPose| {
        let fits = |pose: &Pose| pose.fit(head, Some(ahead)) == Fit::Fits;
        Pose::ALL.into_iter().find(fits)
    };
    assert_eq!(fitting(ahead), Some(Pose::Straight));
    assert_eq!(fitting(pose(&left)), Some(Pose::Left));
    assert_eq!(fitting(pose(&right)), Some(Pose::Right));
    assert_eq!(
        fitting(pose(&imageops::flip_horizontal(&left))),
        Some(Pose::Right)
    );
    assert_eq!(fitting(pose(&face(DOWN))), Some(Pose::Down));
}

#[test]
fn a_person_before_the_camera_is_led_through_the_poses_and_known_afterwards() {
    let door = Door::new(
        "[camera]\nsource = \"file\"\npath = \"poses.avi\"\nrepeat = true\n[recognition]\nenroll_min_sharpness = 25\n",
    );
    let scenes = POSES.map(|cell| Scene::visitor(&face(cell), 1.6));
    clip::write(&door.path("poses.avi"), &scenes).unwrap();

    let (code, report, said) = enroll(&door, &["--shots", "3", "--timeout", "300"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(report["ending"], "complete");
    assert_eq!(report["enrolled"]["added"], 3);
    let poses: Vec<&str> = report["shots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|shot| shot["pose"].as_str().unwrap())
        .collect();
    assert_eq!(poses, ["straight", "left", "right"]);
    for word in [
        "pictures are looked at and not kept",
        "look straight into the camera",
        "taken: straight",
        "turn your head slightly to your left",
        "taken: left",
        "taken: right",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert_eq!(door.kinds(), ["admin.enrolled"]);
    let shown = &door.json(&["people", "show", "Ada"])[0]["separation"];
    assert_eq!(shown["verdict"], "well_separated", "{shown}");

    let other = door.path("other.png");
    portrait(&face(PERSON[2])).save(&other).unwrap();
    let found = door.json(&["identify", other.to_str().unwrap()]);
    assert_eq!(found[0]["faces"][0]["person"]["name"], "Ada");
}

#[test]
fn what_there_is_at_the_end_is_taken_and_what_is_missing_is_said() {
    let straight = portrait(&face(POSES[0]));
    // Slightly different each time, as from a camera.
    let pictures: Vec<RgbImage> = (0..20).map(|n| imageops::brighten(&straight, n)).collect();
    let door = played(&pictures, false);
    let (code, report, said) = enroll(&door, &["--shots", "2"]);
    assert_eq!(code, Some(4), "{said}");
    assert_eq!(report["enrolled"]["added"], 1);
    assert_eq!(report["missed"], serde_json::json!(["left"]));
    assert_eq!(report["ending"], "source_ended");
    assert!(said.contains("not taken: left"), "{said}");
}

#[test]
fn a_frame_that_is_not_taken_says_why() {
    let person = face(POSES[0]);
    let other = face(STRANGERS[0]);
    let small = imageops::resize(&person, 56, 56, imageops::FilterType::Triangle);
    let cases = [
        (RgbImage::new(320, 240), "the picture is too dark"),
        (frame(&[]), "no face is seen"),
        (frame(&[(&person, 20), (&other, 190)]), "2 faces are seen"),
        (frame(&[(&small, 130)]), "come closer"),
        (imageops::blur(&portrait(&person), 4.0), "hold still"),
        (portrait(&face(POSES[1])), "face the camera"),
    ];
    for (picture, expected) in cases {
        let door = played(&[picture], false);
        let (code, report, said) = enroll(&door, &[]);
        assert_eq!(code, Some(1), "{said}");
        assert_eq!(report["enrolled"], Value::Null);
        assert_eq!(report["missed"].as_array().unwrap().len(), 5);
        assert!(said.contains(&format!("; at last: {expected}")), "{said}");
        assert!(said.contains("the camera's file or folder has ended"));
        assert_eq!(door.kinds(), [""; 0]);
    }
}

#[test]
fn whoever_interrupts_leaves_no_trace() {
    let door = played(&[portrait(&face(POSES[0]))], true);
    let mut command = doorward();
    command.arg("--config").arg(door.config());
    command.args(["enroll", "Ada", "--camera"]);
    let mut enrollment = door.start_with(command);
    enrollment.wait_for("taken: straight");
    enrollment.signal(Signal::INT);
    let status = enrollment.wait();
    assert!(!status.success());
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(2)
    );
    assert_eq!(door.json(&["people", "list"])[0], serde_json::json!([]));
    assert_eq!(door.kinds(), [""; 0]);
}

#[test]
fn a_camera_that_cannot_be_used_is_named_with_the_way_out() {
    let door = Door::new("[camera]\ndevice = \"/dev/no-such-camera\"\n");
    let (code, _, said) = enroll(&door, &[]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("camera /dev/no-such-camera: cannot be opened"),
        "{said}"
    );

    let running = InstanceLock::acquire(&door.path("door.db")).unwrap();
    let (code, _, said) = enroll(&door, &[]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("in use by the running doorward service"),
        "{said}"
    );
    assert!(said.contains("systemctl stop doorward"), "{said}");
    drop(running);

    let images = Path::new("photos").to_str().unwrap();
    for wrong in [
        ["--camera", "--folder", images],
        ["--shots", "3", "--largest"],
        ["--camera", "--shots", "6"],
        ["--camera", "--timeout", "1"],
    ] {
        let output = door.run(&[&["enroll", "Ada"], &wrong[..]].concat());
        assert_eq!(
            output.status.code(),
            Some(2),
            "{wrong:?}: {}",
            stderr(&output)
        );
    }
}
