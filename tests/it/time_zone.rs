//! The site's time zone: unknown ones are errors, and the newer of two databases counts.

use std::process::Output;

use crate::support::door::{Door, doorward, stderr};

fn run(door: &Door, tz: Option<&str>, zoneinfo: Option<&str>, verb: &[&str]) -> Output {
    let mut command = doorward();
    command.arg("--config").arg(door.config()).args(verb);
    for (name, value) in [("TZ", tz), ("TZDIR", zoneinfo)] {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.output().unwrap()
}

#[test]
fn a_zone_that_nobody_knows_is_an_error_at_the_start_and_in_the_check() {
    let door = Door::new("");
    let checked = run(&door, Some("America/Atlantis"), None, &["config", "check"]);
    assert_eq!(checked.status.code(), Some(3));
    let started = run(&door, Some("America/Atlantis"), None, &["run"]);
    assert_eq!(started.status.code(), Some(1));
    for told in [stderr(&checked), stderr(&started)] {
        assert!(
            told.contains("\"America/Atlantis\" (the environment variable TZ)"),
            "{told}"
        );
        assert!(told.contains("package tzdata-legacy"), "{told}");
    }
    // The relay is made safe all the same.
    door.moved(&["secured"]);
    let named = Door::new("[access]\ntime_zone = \"America/Atlantis\"\n");
    let refused = run(&named, None, None, &["people", "list"]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(
        stderr(&refused).contains("tzdata-legacy"),
        "{}",
        stderr(&refused)
    );
}

#[test]
fn the_check_says_which_database_counts_and_the_newer_one_does() {
    let door = Door::new("[access]\ntime_zone = \"America/Vancouver\"\n");
    let said = |zoneinfo: Option<&str>| {
        let output = run(&door, None, zoneinfo, &["config", "check"]);
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let empty = said(Some("/nowhere"));
    assert!(
        empty.contains("time zone America/Vancouver, by the zone database"),
        "{empty}"
    );
    assert!(empty.contains("of the program"), "{empty}");
    // A database of the system that is older or newer than any program.
    let folder = tempfile::tempdir().unwrap();
    let america = folder.path().join("America");
    std::fs::create_dir(&america).unwrap();
    std::fs::copy(
        "/usr/share/zoneinfo/America/Lima",
        america.join("Vancouver"),
    )
    .unwrap();
    let path = folder.path().to_str().unwrap();
    for (version, counts) in [("1999a", "of the program"), ("2999a", "database 2999a in")] {
        let text = format!("# version {version}\n");
        std::fs::write(folder.path().join("tzdata.zi"), text).unwrap();
        let said = said(Some(path));
        assert!(said.contains(counts) && said.contains(version), "{said}");
    }
}

/// Since 1 November 2026 Vancouver stays on summer time: the program knows, an older system does not.
#[test]
fn an_older_system_does_not_move_somebodys_hours() {
    let door =
        Door::new("[access]\ntime_zone = \"America/Vancouver\"\nwithout_clock = \"believe\"\n");
    door.enroll_sample_person();
    for verb in [
        &[
            "schedules",
            "set",
            "mornings",
            "--hours",
            "mon-sun 08:00-09:00",
        ][..],
        &["groups", "set", "everyone", "--schedule", "mornings"],
    ] {
        let output = door.run(verb);
        assert!(output.status.success(), "{verb:?} {}", stderr(&output));
    }
    let explained = run(
        &door,
        None,
        None,
        &[
            "people",
            "explain",
            "Sam Sample",
            "--at",
            "2026-12-01T15:30:00Z",
        ],
    );
    let said = String::from_utf8_lossy(&explained.stdout).into_owned();
    assert!(said.contains("granted"), "{said}{}", stderr(&explained));
}
