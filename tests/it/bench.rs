//! `doorward bench`: measures something, says it in stable words, and leaves nothing behind.

use crate::support::clip::{self, Scene};
use crate::support::door::{Door, stderr};
use crate::support::faces::{PERSON, Sheet};

fn files(door: &Door) -> Vec<String> {
    let entries = std::fs::read_dir(door.path("")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn with_a_visitor(door: &Door) -> String {
    let face = Sheet::open().unwrap().face(PERSON[0]).unwrap();
    let path = door.path("clip.avi");
    clip::write(&path, &[Scene::visitor(&face, 3.0), Scene::empty(0.2)]).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn stages_and_start_are_measured_without_any_face() {
    let door = Door::new("");
    let report = &door.json(&["bench", "--only", "stages,start", "--iterations", "2"])[0];
    let stages = &report["stages"];
    for stage in [
        "detect",
        "examine",
        "liveness",
        "embed",
        "observation",
        "forward",
    ] {
        assert_eq!(stages[stage]["count"], 2, "{stage}");
        assert!(stages[stage]["p50_ms"].as_f64().unwrap() > 0.0, "{stage}");
    }
    assert!(stages["ratio"].as_f64().unwrap() > 0.0);
    assert!(report["start"]["ready"]["p99_ms"].as_f64().unwrap() > 0.0);
    assert!(report["start"]["memory"]["resident"].as_u64().unwrap() > 10_000_000);
    assert!(report["search"].is_null() && report["decision"].is_null());
}

#[test]
fn a_clip_shows_how_long_people_wait_and_the_record_stays_untouched() {
    let door = Door::new("");
    let clip = with_a_visitor(&door);
    let decision = ["bench", "--only", "decision", "--clip", &clip];
    let output = door.run(&decision);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("nobody is enrolled"),
        "{}",
        stderr(&output)
    );

    door.enroll_sample_person();
    let (before, events) = (files(&door), door.kinds());
    // After another part, which has a time of its own.
    let parts = ["bench", "--only", "idle,decision", "--clip", &clip];
    let played = &door.json(&parts)[0]["decision"];
    let count = |key: &str| played[key].as_u64().unwrap();
    // In real time: on a machine that is too busy, frames are skipped and the visitor is missed.
    // That visitors are granted, the soak shows, which goes by the clip's own time.
    assert_eq!(count("frames") + count("skipped"), 48, "{played}");
    let waited = played["grant"]["p50_ms"].as_f64().unwrap();
    assert_eq!(waited > 0.0, count("granted") > 0, "{played}");
    assert_eq!(door.kinds(), events);
    assert_eq!(files(&door), before);
}

#[test]
fn a_soak_reports_line_by_line_and_ends_with_a_verdict() {
    let door = Door::new("");
    door.enroll_sample_person();
    let clip = with_a_visitor(&door);
    // Too short for the verdict to mean anything: either is possible.
    let output = door.run(&["bench", "--soak", "0.05", "--clip", &clip, "--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (verdict, reports) = lines.split_last().unwrap();
    assert!(reports.len() >= 5, "{text}");
    assert!(reports.iter().all(|r| r["frames"].as_u64().unwrap() > 0));
    assert!(
        reports.iter().any(|r| r["granted"].as_u64().unwrap() > 0),
        "{text}"
    );
    let flat = verdict["verdict"]["flat"].as_bool().unwrap();
    assert_eq!(output.status.code(), Some(if flat { 0 } else { 1 }));
}
