//! A changed model pack: who is left out is named everywhere, and gets new templates from kept
//! photos.
//!
//! The other pack is the default one under another model id: the same networks, and templates
//! that must not mix.

use std::path::Path;

use doorward::clock::Timestamp;
use doorward::store::{NewTemplate, Store};

use crate::support::door::{Door, stderr};
use crate::support::faces::{PERSON, STRANGERS, Sheet};

const OLD: &str = "faceplugin-0.0.1/fr_feature";
const NEW: &str = "faceplugin-0.0.1/changed";

/// A door whose models' folder has the default pack and the same under another model id.
fn door() -> Door {
    let door = Door::new("[enroll]\nkeep_photos = true");
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let copy = door.path("models");
    std::fs::create_dir(&copy).unwrap();
    std::os::unix::fs::symlink(models.join("faceplugin"), copy.join("faceplugin")).unwrap();
    let text = std::fs::read_to_string(models.join("manifest.toml")).unwrap();
    std::fs::write(copy.join("manifest.toml"), &text).unwrap();
    std::fs::write(copy.join("next.toml"), text.replace(OLD, NEW)).unwrap();
    let config = std::fs::read_to_string(door.config()).unwrap();
    let config = config.replace(&format!("{models:?}"), "\"models\"");
    std::fs::write(door.config(), config).unwrap();
    door
}

/// Chooses the pack `next`, and adds to the configuration.
fn change_pack(door: &Door, more: &str) {
    let text = std::fs::read_to_string(door.config()).unwrap();
    let text = text.replace("[models]\n", "[models]\npack = \"next\"\n");
    std::fs::write(door.config(), text + more).unwrap();
}

/// One person with kept photos and one without.
fn enroll_two(door: &Door) {
    door.enroll_sample_person();
    let bo = [template(OLD, vec![1.0; 512])];
    door.store().enroll(now(), "Bo Other", &bo).unwrap();
}

fn now() -> Timestamp {
    "2026-03-04T05:06:07.890Z".parse().unwrap()
}

/// A template of no photo.
fn template(model_id: &str, embedding: Vec<f32>) -> NewTemplate {
    NewTemplate {
        model_id: model_id.into(),
        embedding,
        quality: 0.5,
        image_sha256: "1".into(),
        photo: None,
    }
}

fn models_of(store: &Store, name: &str) -> Vec<(String, u32)> {
    store.person(name).unwrap().models.into_iter().collect()
}

#[test]
fn kept_photos_make_templates_of_the_new_pack() {
    let door = door();
    enroll_two(&door);
    change_pack(&door, "");
    // Everybody is a stranger now, and that is said.
    let image = Sheet::open()
        .unwrap()
        .save(&PERSON[..1], &door.path(""))
        .unwrap();
    let warning = stderr(&door.run(&["people", "list"]));
    assert!(
        warning.contains("does not know: Bo Other, Sam Sample; make"),
        "{warning}"
    );
    let shown = door.run(&["people", "show", "Sam Sample"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("templates  0 of 4\nphotos     4\n"),
        "{shown}"
    );

    let output = door.run(&["people", "reenroll", "--all", "--prune"]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("Bo Other: no kept photos; enroll them again"),
        "{text}"
    );
    assert!(
        text.contains("Sam Sample: 4 templates made, 4 usable, 4 of other packs removed"),
        "{text}"
    );
    let store = door.store();
    assert_eq!(models_of(&store, "Sam Sample"), [(NEW.to_owned(), 4)]);
    // Who has nothing new keeps the old.
    assert_eq!(models_of(&store, "Bo Other"), [(OLD.to_owned(), 1)]);
    let known = door.run(&["identify", image[0].to_str().unwrap()]);
    let who = String::from_utf8_lossy(&known.stdout).into_owned();
    assert!(who.contains(": Sam Sample (similarity"), "{who}");
    assert!(stderr(&known).contains("does not know: Bo Other; make"));
    let events = door.json(&["events", "list", "--kind", "admin.enrolled"]);
    assert_eq!(events.len(), 3);

    // Again: nothing to do, nothing recorded.
    let again = door.json(&["people", "reenroll", "sam sample"]);
    assert_eq!(
        (&again[0]["added"], &again[0]["usable"]),
        (&0.into(), &4.into())
    );
    assert_eq!(
        door.json(&["events", "list", "--kind", "admin.enrolled"])
            .len(),
        3
    );
}

#[test]
fn a_photo_that_fails_is_named_and_the_others_count() {
    let door = door();
    door.enroll_sample_person();
    // One photo rots.
    let conn = rusqlite::Connection::open(door.path("door.db")).unwrap();
    conn.execute("UPDATE photos SET image = x'00' WHERE id = 1", [])
        .unwrap();
    change_pack(&door, "");
    let output = door.run(&["people", "reenroll", "Sam Sample", "--json"]);
    assert_eq!(output.status.code(), Some(4));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["photos"], 4);
    assert_eq!(report["usable"], 3);
    assert_eq!(report["refused"][0]["reason"], "damaged");
    let warning = stderr(&output);
    assert!(warning.contains("refused: Sam Sample: photo "), "{warning}");
    // Without --prune the old templates stay for the way back.
    let store = door.store();
    assert_eq!(
        models_of(&store, "Sam Sample"),
        [(NEW.to_owned(), 3), (OLD.to_owned(), 4)]
    );
}

#[test]
fn nobody_who_was_erased_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("door.db"), None).unwrap();
    let ada = [template(OLD, vec![1.0])];
    let person = store.enroll(now(), "Ada", &ada).unwrap().person;
    store.remove(now(), "Ada").unwrap();
    let new = template(NEW, vec![1.0]);
    let error = store
        .reenroll(now(), person.id, NEW, &[new], true)
        .unwrap_err();
    assert!(
        error.to_string().contains("nobody is enrolled as"),
        "{error}"
    );
    assert!(store.people().unwrap().is_empty());
}

#[test]
fn the_service_names_those_left_out_when_it_starts() {
    let door = door();
    door.enroll_sample_person();
    let folder = door.path("frames");
    std::fs::create_dir(&folder).unwrap();
    Sheet::open()
        .unwrap()
        .save(&STRANGERS[..1], &folder)
        .unwrap();
    let camera = "[camera]\nsource = \"folder\"\npath = \"frames\"\n";
    change_pack(&door, camera);
    let mut service = door.start();
    let line = service.wait_for("does not know");
    assert!(
        line.contains("\"level\":\"WARN\"") && line.contains("Sam Sample"),
        "{line}"
    );
    assert!(line.contains("people reenroll"), "{line}");
    service.wait();
}
