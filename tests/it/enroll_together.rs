//! Images of one person judged together, and how well people are told apart afterwards.

use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::imageops;
use serde_json::Value;

use crate::support::door::{Door, stderr};
use crate::support::faces::{Cell, ENROLLMENT, STRANGERS, Sheet};

/// Two of the sheet's people who look alike: similarity 0.78.
const LOOK_ALIKES: [Cell; 2] = [Cell::at(5, 7), Cell::at(3, 2)];

/// Enrolls and gives the exit code, the JSON report and what was said.
fn enroll(door: &Door, name: &str, more: &[&str]) -> (Option<i32>, Value, String) {
    let output = door.run(&[&["enroll", name, "--json"], more].concat());
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), report, stderr(&output))
}

/// A folder of the door with one face.
fn folder(door: &Door, name: &str, cells: &[Cell]) -> PathBuf {
    let folder = door.path(name);
    std::fs::create_dir_all(&folder).unwrap();
    Sheet::open().unwrap().save(cells, &folder).unwrap();
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_wrong_person_in_a_folder_is_pointed_out() {
    let door = Door::new("");
    let photos = folder(&door, "ada", &ENROLLMENT);
    // First in the folder: the first image is nobody special.
    let stranger = photos.join("a-stranger.png");
    let face = Sheet::open().unwrap().face(STRANGERS[0]).unwrap();
    face.save(&stranger).unwrap();

    let (code, report, said) = enroll(&door, "Ada", &["--folder", text(&photos)]);
    assert_eq!(code, Some(4), "{said}");
    assert_eq!(report["enrolled"]["added"], 4);
    let refused = report["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0]["reason"], "other_face");
    assert_eq!(refused[0]["file"], text(&stranger));
    assert!(
        said.contains(
            "a-stranger.png: shows another face than the other 4 pictures of \"Ada\" (mean"
        ),
        "{said}"
    );

    // Somebody who is known has templates that say the same.
    let image = ["--image", text(&stranger)];
    let (code, report, _) = enroll(&door, "ada", &image);
    assert_eq!(code, Some(1));
    assert_eq!(report["refused"][0]["reason"], "other_face");
    let (code, report, said) = enroll(&door, "Ada", &[&image[..], &["--force"]].concat());
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(report["enrolled"]["total"], 5);
    let shown = &door.json(&["people", "show", "Ada"])[0]["separation"];
    assert_eq!(shown["verdict"], "weak");
    assert_eq!(shown["weaknesses"][0], "unlike_the_rest");
}

#[test]
fn of_two_images_that_disagree_neither_is_called_wrong() {
    let door = Door::new("");
    let photos = folder(&door, "ada", &[ENROLLMENT[0], STRANGERS[0]]);
    let arguments = ["--folder", text(&photos)];
    let (code, report, said) = enroll(&door, "Ada", &arguments);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(report["enrolled"], Value::Null);
    for (refused, other) in report["refused"]
        .as_array()
        .unwrap()
        .iter()
        .zip(["face-2-03.png (similarity", "face-0-00.png (similarity"])
    {
        assert_eq!(refused["reason"], "undecided");
        assert!(refused["message"].as_str().unwrap().contains(other));
    }
    assert!(said.contains("cannot be told"), "{said}");
    assert_eq!(door.kinds(), [""; 0]);

    // A third one decides.
    folder(&door, "ada", &[ENROLLMENT[1]]);
    let (code, report, said) = enroll(&door, "Ada", &arguments);
    assert_eq!(code, Some(4), "{said}");
    assert_eq!(report["enrolled"]["added"], 2);
    assert!(text(Path::new(report["refused"][0]["file"].as_str().unwrap())).contains("face-2-03"));
}

#[test]
fn a_copy_of_a_photo_adds_nothing_and_the_better_one_stays() {
    let door = Door::new("");
    let photos = folder(&door, "ada", &ENROLLMENT[..2]);
    let face = Sheet::open().unwrap().face(ENROLLMENT[0]).unwrap();
    let recompressed = |name: &str, quality: u8, face: &image::RgbImage| {
        let path = photos.join(name);
        let file = std::fs::File::create(&path).unwrap();
        let mut encoder = JpegEncoder::new_with_quality(file, quality);
        encoder.encode_image(face).unwrap();
        path
    };
    recompressed("a-copy.jpg", 60, &face);
    recompressed("mirrored.jpg", 90, &imageops::flip_horizontal(&face));
    let (code, report, said) = enroll(&door, "Ada", &["--folder", text(&photos)]);
    assert_eq!(code, Some(0), "what adds nothing is nothing wrong: {said}");
    assert_eq!(report["enrolled"]["added"], 2);
    let duplicates = report["duplicates"].as_array().unwrap();
    assert_eq!(duplicates.len(), 2, "{said}");
    // Which of the three looks sharpest is for the quality to say; all name the one that stays.
    assert_eq!(duplicates[0]["of"], duplicates[1]["of"]);
    assert!(duplicates.iter().all(|d| d["file"] != d["of"]));
    assert!(said.contains("adds nothing to "), "{said}");

    // What is stored counts too.
    let copy = recompressed("again.jpg", 80, &face);
    let (code, report, said) = enroll(&door, "Ada", &["--image", text(&copy)]);
    assert_eq!(code, Some(1));
    assert_eq!(report["duplicates"][0]["of"], Value::Null);
    assert!(said.contains("a template that is stored already"), "{said}");
    assert_eq!(door.kinds(), ["admin.enrolled"]);
}

#[test]
fn people_who_look_alike_are_named_to_each_other() {
    let door = Door::new("");
    let [bob, eve] = LOOK_ALIKES;
    let bob = folder(&door, "bob", &[bob]);
    let eve = folder(&door, "eve", &[eve]);
    let ada = folder(&door, "ada", &ENROLLMENT);
    assert_eq!(enroll(&door, "Bob", &["--folder", text(&bob)]).0, Some(0));
    let (code, report, said) = enroll(&door, "Eve", &["--folder", text(&eve)]);
    assert_eq!(code, Some(1));
    assert_eq!(report["refused"][0]["reason"], "other_person");
    assert!(said.contains("already belongs to \"Bob\""), "{said}");
    let force = ["--folder", text(&eve), "--force"];
    assert_eq!(enroll(&door, "Eve", &force).0, Some(0));
    assert_eq!(enroll(&door, "Ada", &["--folder", text(&ada)]).0, Some(0));

    let shown = &door.json(&["people", "show", "Eve"])[0]["separation"];
    assert_eq!(shown["verdict"], "too_close");
    assert_eq!(shown["nearest"]["person"]["name"], "Bob");
    assert!(shown["nearest"]["similarity"].as_f64().unwrap() > 0.7);
    assert_eq!(shown["own_min"], Value::Null, "one template has no pair");
    let output = door.run(&["people", "show", "eve"]);
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(words.contains("verdict    too close to \"Bob\""), "{words}");
    assert!(words.contains("nearest    Bob (0.7"), "{words}");

    let shown = &door.json(&["people", "show", "Ada"])[0]["separation"];
    assert_eq!(shown["verdict"], "well_separated");
    assert_eq!(shown["templates"].as_array().unwrap().len(), 4);
    assert!(shown["own_min"].as_f64().unwrap() <= shown["own_median"].as_f64().unwrap());
    assert!(shown["margin"].as_f64().unwrap() > 0.3);
}
