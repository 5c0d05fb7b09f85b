//! The rest of the command line: configuration, models, relay, exit codes.

use std::path::Path;

use crate::support::door::{Door, doorward, stderr};

#[test]
fn a_wrong_configuration_is_refused_with_its_line_and_its_own_exit_code() {
    let door = Door::new("[door]\nnmae = \"x\"\n");
    let output = door.run(&["config", "check"]);
    assert_eq!(output.status.code(), Some(3));
    let error = stderr(&output);
    assert!(
        error.contains("doorward.toml:13: unknown key `door.nmae`; did you mean `door.name`?"),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1, "{error}");
    // Every verb that needs it says the same.
    assert_eq!(door.run(&["people", "list"]).status.code(), Some(3));
}

#[test]
fn a_missing_configuration_says_how_to_write_one() {
    let output = doorward()
        .args(["--config", "no-such.toml", "people", "list"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("doorward config default > no-such.toml"));
}

#[test]
fn the_default_configuration_is_accepted_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doorward.toml");
    let printed = doorward().args(["config", "default"]).output().unwrap();
    std::fs::write(&path, printed.stdout).unwrap();
    let config = ["--config", path.to_str().unwrap(), "config"];
    for (verb, expected) in [
        ("check", "ok (door home/front, no broker)"),
        ("show", "security = \"standard\""),
    ] {
        let output = doorward().args(config).arg(verb).output().unwrap();
        assert!(
            String::from_utf8_lossy(&output.stdout).contains(expected),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn models_are_verified_and_a_wrong_file_is_named_with_both_hashes() {
    let door = Door::new("");
    let report = door.json(&["models", "verify"]);
    assert_eq!(report[0]["files"].as_array().unwrap().len(), 6);

    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let copy = door.path("models");
    std::fs::create_dir_all(copy.join("faceplugin")).unwrap();
    std::fs::copy(models.join("manifest.toml"), copy.join("manifest.toml")).unwrap();
    for entry in std::fs::read_dir(models.join("faceplugin")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(
            entry.path(),
            copy.join("faceplugin").join(entry.file_name()),
        )
        .unwrap();
    }
    let detector = copy.join("faceplugin/fr_detect.onnx");
    let mut bytes = std::fs::read(&detector).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&detector, bytes).unwrap();
    let text = std::fs::read_to_string(door.config()).unwrap();
    let text = text.replace(&format!("{models:?}"), "\"models\"");
    std::fs::write(door.config(), text).unwrap();
    for verb in [["models", "verify"].as_slice(), &["run"]] {
        let output = door.run(verb);
        assert_eq!(output.status.code(), Some(1));
        let error = stderr(&output);
        assert!(
            error.contains("fr_detect.onnx is not the expected file: SHA-256 is "),
            "{error}"
        );
        assert!(error.contains("6c0256ccd3164f844736a401faf936ec2930764a87ae39442180887d0c5c8854"));
    }
    std::fs::remove_file(&detector).unwrap();
    let error = stderr(&door.run(&["run"]));
    assert!(error.contains("scripts/setup"), "{error}");
}

#[test]
fn the_relay_is_secured_even_with_a_broken_configuration_elsewhere() {
    let door = Door::new("[mqtt]\nnonsense = 1\n");
    assert_eq!(door.run(&["config", "check"]).status.code(), Some(3));
    let output = door.run(&["relay", "secure"]);
    assert!(output.status.success(), "{}", stderr(&output));
    door.moved(&["secured"]);
}

#[test]
fn help_teaches_and_completions_are_printed() {
    let help = doorward().args(["enroll", "--help"]).output().unwrap();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(help.contains("Three to five sharp images"), "{help}");
    let script = doorward().args(["completions", "bash"]).output().unwrap();
    assert!(script.status.success() && script.stdout.len() > 1_000);
    assert_eq!(
        doorward().arg("enrol").output().unwrap().status.code(),
        Some(2)
    );
    let kind = doorward()
        .args(["events", "list", "--kind", "accces"])
        .output()
        .unwrap();
    assert!(stderr(&kind).contains("no such kind; allowed: access, door, admin, alarm"));
}

#[test]
fn root_is_kept_out_of_the_services_folder() {
    use std::os::unix::fs::chown;
    let door = Door::new("");
    let folder = door.path("");
    if !rustix::process::geteuid().is_root() {
        // Only root can be in this trap, and only root can set it.
        return;
    }
    chown(&folder, Some(12_345), None).unwrap();
    let output = door.run(&["people", "list"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("belongs to user 12345"),
        "{}",
        stderr(&output)
    );
    assert!(!door.path("door.db").exists());
}

#[test]
fn a_relay_that_is_not_there_is_named_with_device_and_pin() {
    let door = Door::new("");
    let simulated = std::fs::read_to_string(door.config()).unwrap();
    for (driver, expected) in [
        (
            "\"gpiochip\"\nchip = \"/dev/gpiochip99\"",
            "relay on /dev/gpiochip99 pin 17: ",
        ),
        ("\"rppal\"", "relay on rppal pin 17: "),
    ] {
        let text = simulated.replace("\"simulated\"", driver);
        std::fs::write(door.config(), text).unwrap();
        for verb in [["relay", "secure"].as_slice(), &["run"]] {
            let output = door.run(verb);
            assert_eq!(output.status.code(), Some(1));
            assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        }
    }
}
