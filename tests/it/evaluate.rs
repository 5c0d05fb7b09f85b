//! `doorward evaluate`: the real binary on the sample faces, its JSON, its report, its refusals.

use std::path::{Path, PathBuf};

use image::{RgbImage, imageops};
use serde_json::Value;

use crate::support::clip::{self, Scene};
use crate::support::door::{Door, stderr};
use crate::support::faces::{Cell, STRANGERS, Sheet};

/// A name that would break a page that does not escape it.
const NAME: &str = "Bob <script>&";

/// Two people and four strangers: the sample person, and somebody of whom there is only one
/// picture, in several lights and mirrored.
fn labelled(door: &Door) -> PathBuf {
    let sheet = Sheet::open().unwrap();
    let root = door.path("faces");
    let make = |name: &str| {
        let folder = root.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    };
    let sam: Vec<Cell> = (0..6).map(|col| Cell::at(0, col)).collect();
    sheet.save(&sam, &make("Sam")).unwrap();
    let bob = sheet.face(STRANGERS[0]).unwrap();
    let folder = make(NAME);
    let variants: [RgbImage; 5] = [
        bob.clone(),
        imageops::brighten(&bob, 25),
        imageops::brighten(&bob, -25),
        imageops::flip_horizontal(&bob),
        imageops::contrast(&bob, 15.0),
    ];
    for (number, picture) in variants.iter().enumerate() {
        picture.save(folder.join(format!("{number}.png"))).unwrap();
    }
    let strangers = make("strangers");
    sheet.save(&STRANGERS[1..], &strangers).unwrap();
    RgbImage::new(120, 120)
        .save(strangers.join("nobody.png"))
        .unwrap();
    std::fs::write(strangers.join("broken.jpg"), "no picture").unwrap();
    root
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[track_caller]
fn has_keys(value: &Value, keys: &[&str]) {
    for key in keys {
        assert!(!value[key].is_null(), "no {key} in {value}");
    }
}

/// One page, whole, with charts, that asks nobody for anything.
#[track_caller]
fn stands_alone(path: &Path) -> String {
    let page = std::fs::read_to_string(path).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"));
    assert!(page.contains("<svg") && page.contains("color-scheme:light dark"));
    for foreign in ["http", "src=", "href=", "url(", "@import", "<script"] {
        assert!(!page.contains(foreign), "{foreign} in the page");
    }
    page
}

#[test]
fn a_folder_is_evaluated_and_reported() {
    let door = Door::new("");
    let root = labelled(&door);
    let page = door.path("report.html");
    let arguments = [
        "evaluate",
        "folder",
        text(&root),
        "--enroll",
        "3,4",
        "--report",
        text(&page),
    ];
    let report = &door.json(&arguments)[0];
    has_keys(
        report,
        &[
            "folder",
            "layout",
            "model_id",
            "face_choice",
            "security",
            "threshold",
            "margin",
            "failures",
            "several_faces",
            "verification",
            "weak_spots",
            "suspicions",
            "lookalikes",
        ],
    );
    assert_eq!(report["layout"], "person_folders");
    assert_eq!(
        (&report["people"], &report["pictures"]),
        (&2.into(), &11.into())
    );
    assert_eq!(report["stranger_pictures"], 5);
    let reasons: Vec<&str> = report["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| failure["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons, ["unusable", "no_face"]);

    let verification = &report["verification"];
    // Six pictures of Sam, five of Bob, three strangers: all pairs.
    assert_eq!(verification["genuine_pairs"], 15 + 10);
    assert_eq!(verification["impostor_pairs"], 14 * 13 / 2 - 25);
    assert_eq!(verification["at"][0]["name"], "standard");
    has_keys(
        &verification["at"][0]["fmr"],
        &["count", "trials", "rate", "low", "high"],
    );

    let runs = report["identification"].as_array().unwrap();
    assert_eq!(
        (&runs[0]["enroll"], &runs[1]["enroll"]),
        (&3.into(), &4.into())
    );
    let run = &runs[0];
    assert_eq!(
        (&run["enrolled"], &run["single"]["rank_1"]["trials"]),
        (&2.into(), &5.into())
    );
    assert_eq!(run["single"]["rank_1"]["rate"], 1.0);
    assert_eq!(run["single"]["fnir"]["count"], 0);
    assert_eq!(run["single"]["fpir"]["count"], 0);
    assert_eq!(run["single"]["non_mated"], "strangers");
    assert_eq!(run["probe_failures"].as_array().unwrap().len(), 2);
    // Three probes of Sam fused into one, two of Bob.
    assert_eq!(run["fused"]["rank_1"]["trials"], 2);
    has_keys(
        &run["single"],
        &[
            "recommended",
            "curve",
            "misses",
            "false_accepts",
            "fnir_with_failures",
        ],
    );

    let html = stands_alone(&page);
    assert!(html.contains("Bob &lt;script&gt;&amp;"));
    let again = door.run(&arguments);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("--force"), "{}", stderr(&again));
    assert!(door.kinds().is_empty(), "an evaluation leaves no trace");
}

#[test]
fn without_strangers_everybodys_own_person_is_left_out() {
    let door = Door::new("");
    let root = labelled(&door);
    std::fs::remove_dir_all(root.join("strangers")).unwrap();
    let report = &door.json(&[
        "evaluate",
        "folder",
        text(&root),
        "--fuse",
        "1",
        "--threshold",
        "0.1",
    ])[0];
    let run = &report["identification"][0];
    assert_eq!(run["single"]["non_mated"], "left_out");
    assert_eq!(run["single"]["fpir"]["trials"], 5);
    assert!(run["fused"].is_null());
    assert_eq!(report["security"], "custom");

    let output = door.run(&["evaluate", "folder", text(&root.join("Sam"))]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("one folder a person"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn pairs_are_drawn_and_evaluated() {
    let door = Door::new("");
    let root = labelled(&door);
    std::fs::remove_dir_all(root.join("strangers")).unwrap();
    let list = door.path("pairs.txt");
    let make = |out: &Path| {
        let numbers = ["--folds", "1", "--pairs-per-fold", "8", "--seed", "5"];
        let paths = [
            "evaluate",
            "make-pairs",
            "--root",
            text(&root),
            "--out",
            text(out),
        ];
        door.json(&[&paths[..], &numbers].concat())
    };
    assert_eq!(make(&list)[0]["pairs"], 16);
    let again = door.path("again.txt");
    make(&again);
    let drawn = std::fs::read_to_string(&list).unwrap();
    assert_eq!(drawn, std::fs::read_to_string(&again).unwrap());

    let page = door.path("pairs.html");
    let paths = [
        "evaluate",
        "pairs",
        "--pairs",
        text(&list),
        "--root",
        text(&root),
    ];
    let report = &door.json(&[&paths[..], &["--report", text(&page)]].concat())[0];
    has_keys(
        report,
        &[
            "accuracy",
            "equal_error",
            "area_under_curve",
            "tar_at_far_0_001",
            "in_force",
            "curve",
        ],
    );
    assert_eq!(
        (&report["matched"], &report["mismatched"]),
        (&8.into(), &8.into())
    );
    assert_eq!(report["failed_pairs"], 0);
    assert_eq!(report["accuracy"]["mean"], 1.0);
    assert_eq!(report["accuracy"]["optimistic"], true);
    stands_alone(&page);

    std::fs::write(&list, drawn.replacen("Sam\t", "Sam ", 1)).unwrap();
    let output = door.run(&paths);
    assert_eq!(output.status.code(), Some(1));
    let error = stderr(&output);
    assert!(
        error.contains("pairs.txt: line ") && error.contains("expected"),
        "{error}"
    );
    std::fs::write(&list, "1\nSam\t1\t99\nSam\t1\tNobody\t1\n").unwrap();
    let error = stderr(&door.run(&paths));
    assert!(error.contains("line 2: Sam has no picture 99"), "{error}");
}

#[test]
fn liveness_is_evaluated_by_species() {
    let door = Door::new("");
    let sheet = Sheet::open().unwrap();
    let live = door.path("live");
    std::fs::create_dir(&live).unwrap();
    sheet
        .save(&[Cell::at(0, 0), Cell::at(0, 1)], &live)
        .unwrap();
    let clip = door.path("attacks/phone");
    std::fs::create_dir_all(&clip).unwrap();
    let scenes = [
        Scene::empty(0.1),
        Scene::visitor(&sheet.face(STRANGERS[1]).unwrap(), 0.6),
    ];
    let frames = clip::write(&clip.join("clip.avi"), &scenes).unwrap();
    let blank = door.path("attacks/blank");
    std::fs::create_dir_all(blank.join("frames")).unwrap();
    for name in ["1.png", "2.png", "3.png"] {
        let path = blank.join("frames").join(name);
        RgbImage::new(160, 120).save(path).unwrap();
    }
    let page = door.path("liveness.html");
    let attack = |name: &str, folder: &Path| format!("{name}={}", folder.display());
    let (phone, nothing) = (attack("phone", &clip), attack("<none>", &blank));
    let report = &door.json(&[
        "evaluate",
        "liveness",
        "--bona-fide",
        text(&live),
        "--attack",
        &phone,
        "--attack",
        &nothing,
        "--report",
        text(&page),
    ])[0];
    has_keys(
        report,
        &[
            "pack",
            "still_frames",
            "bona_fide",
            "attacks",
            "worst_species",
        ],
    );
    assert_eq!(report["bona_fide"]["bpcer"]["trials"], 2);
    assert_eq!(report["bona_fide"]["presentations"][0]["frames"], 30);
    let attacks = report["attacks"].as_array().unwrap();
    assert_eq!(attacks[0]["name"], "phone");
    assert_eq!(attacks[0]["presentations"][0]["frames"], frames);
    // Nothing but background has no face, so it gets no response.
    assert_eq!(attacks[1]["apnrr"]["count"], 1);
    assert_eq!(attacks[1]["apcer"]["count"], 0);
    let html = stands_alone(&page);
    assert!(html.contains("&lt;none&gt;"));

    let empty = door.path("empty");
    std::fs::create_dir(&empty).unwrap();
    let wrong = attack("print", &empty);
    let output = door.run(&[
        "evaluate",
        "liveness",
        "--bona-fide",
        text(&live),
        "--attack",
        &wrong,
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("no presentations"),
        "{}",
        stderr(&output)
    );
}
