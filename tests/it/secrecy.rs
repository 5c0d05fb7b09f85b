//! Names, templates and keys are for their owner alone: files, whatever the umask, and core dumps.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::door::{Door, PATIENCE, doorward, stderr};
use crate::support::wait_for;

fn mode_of(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn open_to_others(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

/// The binary, started by a shell that runs `first`.
fn after(first: &str, door: &Door) -> Command {
    let mut command = Command::new("bash");
    command
        .args(["-c", &format!("{first}; exec \"$0\" \"$@\"")])
        .arg(doorward().get_program())
        .arg("--config")
        .arg(door.config())
        .current_dir(door.path(""));
    command
}

#[test]
fn every_file_that_the_command_line_makes_is_for_its_owner_alone() {
    for umask in ["umask 000", "umask 027"] {
        let door = Door::new("[access]\nsite_file = \"site.db\"\n");
        let before: Vec<_> = std::fs::read_dir(door.path("")).unwrap().collect();
        assert_eq!(before.len(), 1, "the configuration");
        for verb in [
            &["people", "list"][..],
            &["relay", "secure"],
            &["groups", "set", "staff"],
            &["events", "checkpoint"],
            &["events", "export", "--csv", "--output", "events.csv"],
            &[
                "operators",
                "add",
                "ada",
                "--role",
                "view",
                "--generate",
                ".",
            ],
            &["db", "backup"],
            &["db", "backup"],
            &["db", "restore", "door.db.backup"],
        ] {
            let output = after(umask, &door).args(verb).output().unwrap();
            assert!(output.status.success(), "{verb:?}: {}", stderr(&output));
        }
        let mut seen = 0;
        for entry in std::fs::read_dir(door.path("")).unwrap() {
            let path = entry.unwrap().path();
            if path != door.config() {
                assert_eq!(mode_of(&path), 0o600, "{}", path.display());
                seen += 1;
            }
        }
        assert!(seen >= 8, "{seen} files only");
    }
}

#[test]
fn a_database_that_others_can_read_is_refused_by_every_verb_and_by_the_service() {
    let door = Door::new("[access]\nsite_file = \"site.db\"\n");
    assert!(door.run(&["people", "list"]).status.success());
    open_to_others(&door.path("door.db"));
    for verb in [
        &["people", "list"][..],
        &["events", "verify"],
        &["db", "info"],
        &["run"],
    ] {
        let output = door.run(verb);
        assert_eq!(output.status.code(), Some(1), "{verb:?}");
        let told = stderr(&output);
        assert!(
            told.contains("door.db can be used by others (mode 644)"),
            "{told}"
        );
    }
}

#[test]
fn a_site_file_that_others_can_read_is_refused() {
    let door = Door::new(
        "[camera]\nsource = \"folder\"\npath = \".\"\n[access]\nsite_file = \"site.db\"\n",
    );
    std::fs::write(door.path("site.db"), "").unwrap();
    open_to_others(&door.path("site.db"));
    let output = door.run(&["run"]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(
        told.contains("site.db can be used by others (mode 644)"),
        "{told}"
    );
}

#[test]
fn a_damaged_database_is_set_aside_for_its_owner_alone() {
    let door = Door::new("[camera]\nsource = \"folder\"\npath = \".\"\n");
    std::fs::write(door.path("door.db"), "this is no database ".repeat(500)).unwrap();
    open_to_others(&door.path("door.db"));
    let mut service = door.start();
    service.wait_for("was damaged");
    let aside = std::fs::read_dir(door.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_str().unwrap().contains("door.db.damaged-"));
    assert_eq!(mode_of(&aside.unwrap()), 0o600);
    assert_eq!(mode_of(&door.path("door.db")), 0o600);
}

#[test]
fn a_verb_that_reads_templates_leaves_no_core_dump() {
    let door = Door::new("");
    let mut child = after("ulimit -c unlimited", &door)
        .args(["events", "follow"])
        .spawn()
        .unwrap();
    let limits = format!("/proc/{}/limits", child.id());
    let limit = || {
        let text = std::fs::read_to_string(&limits).unwrap_or_default();
        let line = text
            .lines()
            .find(|line| line.starts_with("Max core file size"));
        line.unwrap_or_default()
            .split_whitespace()
            .skip(4)
            .take(2)
            .collect::<Vec<_>>()
            .join(" ")
    };
    wait_for("the database is there", PATIENCE, || {
        door.path("door.db-wal").exists()
    });
    let limit = limit();
    kill_process(Pid::from_child(&child), Signal::ABORT).unwrap();
    let ended = child.wait().unwrap();
    // One byte: zero would still start a program that collects core dumps.
    assert_eq!(limit, "1 1");
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(6), false));
}
