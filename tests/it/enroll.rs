//! `doorward enroll`, `people` and `identify`: the real binary on real faces, and every refusal.

use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::{ImageEncoder as _, Rgb, RgbImage, imageops};

use crate::support::door::{Door, stderr};
use crate::support::faces::{Cell, ENROLLMENT, STRANGERS, Sheet};

/// A face on a canvas where the detector finds it well.
fn portrait(face: &RgbImage) -> RgbImage {
    place(&[(face, 107, 66)])
}

fn place(faces: &[(&RgbImage, i64, i64)]) -> RgbImage {
    let mut canvas = RgbImage::from_pixel(320, 240, Rgb([127; 3]));
    for (face, x, y) in faces {
        imageops::replace(&mut canvas, *face, *x, *y);
    }
    canvas
}

fn save(door: &Door, name: &str, picture: &RgbImage) -> PathBuf {
    let path = door.path(name);
    picture.save(&path).unwrap();
    path
}

/// Tries to enroll one file and gives the JSON line about its refusal.
#[track_caller]
fn refusal(door: &Door, name: &str, path: &Path, more: &[&str]) -> serde_json::Value {
    let arguments = ["enroll", name, "--json", "--image", path.to_str().unwrap()];
    let output = door.run(&[&arguments, more].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let stderr = stderr(&output);
    assert!(stderr.contains("nobody was enrolled"), "{stderr}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let refused = report["refused"][0].clone();
    let message = refused["message"].as_str().unwrap();
    assert!(
        message.contains(path.file_name().unwrap().to_str().unwrap()),
        "{message}"
    );
    assert!(stderr.contains(message), "{stderr}");
    refused
}

#[test]
fn every_refusal_names_the_file_and_the_reason() {
    let door = Door::new("");
    let sheet = Sheet::open().unwrap();
    let face = sheet.face(ENROLLMENT[0]).unwrap();
    let other = sheet.face(STRANGERS[0]).unwrap();
    let refused = |name: &str, picture: &RgbImage| {
        refusal(&door, "Ada", &save(&door, name, picture), &[])["reason"].clone()
    };

    assert_eq!(refused("blank.png", &place(&[])), "no_face");
    let pair = place(&[(&face, 20, 66), (&other, 190, 66)]);
    assert_eq!(refused("pair.png", &pair), "several_faces");
    let small = imageops::resize(&face, 56, 56, imageops::FilterType::Triangle);
    assert_eq!(
        refused("small.png", &place(&[(&small, 130, 90)])),
        "too_small"
    );
    let blurred = imageops::blur(&portrait(&face), 4.0);
    assert_eq!(refused("blurred.png", &blurred), "too_blurred");

    let text = door.path("text.jpg");
    std::fs::write(&text, "not an image").unwrap();
    assert_eq!(refusal(&door, "Ada", &text, &[])["reason"], "not_an_image");
    let empty = door.path("empty.jpg");
    std::fs::write(&empty, "").unwrap();
    assert_eq!(refusal(&door, "Ada", &empty, &[])["reason"], "not_an_image");

    for name in ["whole.jpg", "whole.png", "whole.webp"] {
        let bytes = std::fs::read(save(&door, name, &portrait(&face))).unwrap();
        for part in [bytes.len() / 10, bytes.len() / 2, bytes.len() - 40] {
            let cut = door.path(&format!("cut-{part}-{name}"));
            std::fs::write(&cut, &bytes[..part]).unwrap();
            assert_eq!(
                refusal(&door, "Ada", &cut, &[])["reason"],
                "damaged",
                "{cut:?}"
            );
        }
    }

    let long = RgbImage::new(12_001, 2);
    assert_eq!(refused("long.png", &long), "over_size_limit");
    let heavy = door.path("heavy.jpg");
    std::fs::File::create(&heavy)
        .unwrap()
        .set_len(40 << 20)
        .unwrap();
    assert_eq!(
        refusal(&door, "Ada", &heavy, &[])["reason"],
        "over_size_limit"
    );
    let missing = door.path("missing.jpg");
    assert_eq!(refusal(&door, "Ada", &missing, &[])["reason"], "unreadable");

    assert_eq!(door.kinds(), [""; 0], "nothing refused may leave a trace");
}

#[test]
fn the_same_image_and_somebody_elses_face_are_refused() {
    let door = Door::new("");
    let sheet = Sheet::open().unwrap();
    let first = save(
        &door,
        "first.png",
        &portrait(&sheet.face(ENROLLMENT[0]).unwrap()),
    );
    let second = save(
        &door,
        "second.png",
        &portrait(&sheet.face(ENROLLMENT[1]).unwrap()),
    );
    let copy = door.path("copy.png");
    std::fs::copy(&first, &copy).unwrap();

    let images = [&first, &copy].map(|path| path.to_str().unwrap());
    let output = door.run(&[&["enroll", "Ada", "--json", "--image"], &images[..]].concat());
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["enrolled"]["added"], 1);
    assert_eq!(report["refused"][0]["reason"], "same_image");

    assert_eq!(refusal(&door, "Ada", &copy, &[])["reason"], "same_image");
    let other = refusal(&door, "Bob", &second, &[]);
    assert_eq!(other["reason"], "other_person");
    assert!(other["message"].as_str().unwrap().contains("\"Ada\""));
    let forced = door.json(&[
        "enroll",
        "Bob",
        "--force",
        "--image",
        second.to_str().unwrap(),
    ]);
    assert_eq!(forced[0]["enrolled"]["created"], true);
    // Now two people look alike: neither is let in by a face that is both.
    let third = save(
        &door,
        "third.png",
        &portrait(&sheet.face(ENROLLMENT[2]).unwrap()),
    );
    let found = door.json(&["identify", third.to_str().unwrap()]);
    assert_ne!(found[0]["faces"][0]["verdict"], "unknown");
    assert_eq!(door.kinds(), ["admin.enrolled"; 2]);
}

#[test]
fn the_largest_face_is_taken_when_asked_for() {
    let door = Door::new("");
    let sheet = Sheet::open().unwrap();
    let near = sheet.face(ENROLLMENT[0]).unwrap();
    let far = sheet.face(STRANGERS[0]).unwrap();
    let far = imageops::resize(&far, 70, 70, imageops::FilterType::Triangle);
    let both = save(
        &door,
        "both.png",
        &place(&[(&far, 20, 66), (&near, 170, 66)]),
    );
    door.json(&[
        "enroll",
        "Ada",
        "--largest",
        "--image",
        both.to_str().unwrap(),
    ]);
    let near = save(&door, "near.png", &portrait(&near));
    let found = door.json(&["identify", near.to_str().unwrap()]);
    assert_eq!(found[0]["faces"][0]["person"]["name"], "Ada");
}

#[test]
fn exif_orientation_is_honoured() {
    let door = Door::new("");
    let sheet = Sheet::open().unwrap();
    let upright = portrait(&sheet.face(ENROLLMENT[0]).unwrap());
    // Stored turned to the left, with the tag that says "turn right to view" (6).
    let stored = imageops::rotate270(&upright);
    let tag = [
        b"II*\0\x08\0\0\0".as_slice(),
        b"\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0",
        b"\0\0\0\0",
    ]
    .concat();
    let path = door.path("turned.jpg");
    let mut encoder = JpegEncoder::new_with_quality(std::fs::File::create(&path).unwrap(), 95);
    encoder.set_exif_metadata(tag).unwrap();
    encoder.encode_image(&stored).unwrap();
    let decoded = doorward::vision::still::decode(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(decoded.dimensions(), upright.dimensions());
    door.json(&["enroll", "Ada", "--image", path.to_str().unwrap()]);
}

#[test]
fn a_folder_is_enrolled_and_strangers_stay_strangers() {
    let door = Door::new("");
    let sheet = Sheet::open().unwrap();
    let folder = door.path("sam");
    std::fs::create_dir(&folder).unwrap();
    sheet.save(&ENROLLMENT, &folder).unwrap();
    std::fs::write(folder.join("notes.txt"), "not an image, and not looked at").unwrap();
    let report = door.json(&["enroll", "Sam", "--folder", folder.to_str().unwrap()]);
    assert_eq!(report[0]["enrolled"]["total"], 4);

    // Every other face of the sheet, as it is cut out. (1,3) may be him or not.
    let others = door.path("others");
    std::fs::create_dir(&others).unwrap();
    let cells: Vec<Cell> = (0..6)
        .flat_map(|row| (0..18).map(move |col| Cell::at(row, col)))
        .filter(|cell| !ENROLLMENT.contains(cell) && *cell != Cell::at(1, 3))
        .collect();
    let paths = sheet.save(&cells, &others).unwrap();
    let mut arguments = vec!["identify"];
    arguments.extend(paths.iter().map(|path| path.to_str().unwrap()));
    let (mut right, mut missed) = (0, 0);
    for (cell, answer) in cells.iter().zip(door.json(&arguments)) {
        let known = answer["faces"]
            .as_array()
            .unwrap()
            .iter()
            .any(|f| f["verdict"] == "known");
        match (cell.is_the_person(), known) {
            (true, true) => right += 1,
            (true, false) => missed += 1,
            (false, known) => assert!(!known, "{cell:?} is a stranger: {answer}"),
        }
    }
    // Sunglasses and blur may cost two of the eighteen.
    assert!(right >= 16 && missed <= 2, "{right} right, {missed} missed");
}

#[test]
fn people_are_listed_renamed_suspended_and_removed() {
    let door = Door::new("");
    door.enroll_sample_person();
    door.json(&["people", "rename", "sam sample", "Sam Sommer"]);
    door.json(&["people", "suspend", "Sam Sommer"]);
    let list = door.json(&["people", "list"]);
    assert_eq!(list[0][0]["name"], "Sam Sommer");
    assert_eq!(list[0][0]["status"], "suspended");
    door.json(&["people", "resume", "Sam Sommer"]);
    let id = door.json(&["people", "show", "Sam Sommer"])[0]["id"].clone();
    door.json(&["people", "remove", "Sam Sommer"]);
    let output = door.run(&["people", "show", "Sam Sommer"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("nobody is enrolled as \"Sam Sommer\""));
    let about = door.json(&["events", "list", "--person", id.as_str().unwrap()]);
    assert_eq!(about.len(), 5);
    assert_eq!(
        door.json(&["events", "list", "--kind", "admin.removed"])
            .len(),
        1
    );
}
