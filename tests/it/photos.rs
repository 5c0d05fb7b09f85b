//! Kept photos: in the transaction of their templates, never without being asked, gone with
//! their person; and a database from before there were any.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use doorward::clock::Timestamp;
use doorward::store::{NewTemplate, PHOTO_LIMIT, Store, StoreError};
use rusqlite::Connection;

use crate::support::door::{Door, stderr};
use crate::support::faces::{ENROLLMENT, Sheet};

fn now() -> Timestamp {
    "2026-03-04T05:06:07.890Z".parse().unwrap()
}

fn template(image: &str, photo: Option<Vec<u8>>) -> NewTemplate {
    NewTemplate {
        model_id: "m".into(),
        embedding: vec![0.6, 0.8],
        quality: 0.5,
        image_sha256: image.into(),
        photo,
    }
}

/// Whether any file of the database holds these bytes.
fn on_disk(folder: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

#[test]
fn a_photo_is_kept_with_its_template_and_erased_with_its_person() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("door.db"), None).unwrap();
    let secret = b"a picture of a face that must be gone".repeat(300);
    let templates = [template("1", Some(secret.clone())), template("2", None)];
    let person = store.enroll(now(), "Ada", &templates).unwrap().person;
    assert_eq!(store.photos(person.id).unwrap(), ["1"]);
    assert_eq!(store.photo(person.id, "1").unwrap(), Some(secret.clone()));
    assert_eq!(store.photo(person.id, "2").unwrap(), None);
    let ada = store.person("Ada").unwrap();
    assert_eq!((ada.templates, ada.photos, ada.models["m"]), (2, 1, 2));
    assert!(on_disk(folder.path(), &secret[..200]));

    // A refused enrollment leaves no photo behind either.
    let bob = [template("3", Some(vec![1])), template("1", None)];
    assert!(store.enroll(now(), "Bob", &bob).is_err());
    store.enroll(now(), "Bob", &[template("3", None)]).unwrap();
    assert_eq!(store.person("Bob").unwrap().photos, 0);

    store.remove(now(), "Ada").unwrap();
    assert_eq!(store.photo(person.id, "1").unwrap(), None);
    // Neither in the file's free pages nor in the write-ahead log.
    assert!(!on_disk(folder.path(), &secret[..200]));
}

#[test]
fn no_more_is_kept_of_one_person_than_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("door.db"), None).unwrap();
    store
        .enroll(now(), "Ada", &[template("1", Some(vec![7; 1000]))])
        .unwrap();
    let limit = usize::try_from(PHOTO_LIMIT).unwrap();
    let error = store
        .enroll(now(), "Ada", &[template("2", Some(vec![7; limit - 999]))])
        .unwrap_err();
    assert!(
        matches!(error, StoreError::PhotosTooLarge { .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("\"Ada\" come to 16777217 bytes"),
        "{error}"
    );
    let ada = store.person("Ada").unwrap();
    assert_eq!((ada.templates, ada.photos), (1, 1));
}

#[test]
fn a_database_of_the_first_version_gets_room_for_photos_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("door.db");
    let first = include_str!("../../migrations/V1__initial.sql");
    let first = refinery::Migration::unapplied("V1__initial", first).unwrap();
    let mut conn = Connection::open(&path).unwrap();
    refinery::Runner::new(&[first]).run(&mut conn).unwrap();
    conn.execute_batch(
        "INSERT INTO persons (id, name, created_at, updated_at) VALUES
            ('019a0000-0000-7000-8000-000000000001', 'Ada', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z');
         INSERT INTO templates (person_id, model_id, embedding, quality, image_sha256, created_at) VALUES
            ('019a0000-0000-7000-8000-000000000001', 'm', x'0000803f', 0.5, '1', '2026-01-01T00:00:00.000Z');",
    )
    .unwrap();
    drop(conn);
    let owner_alone = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&path, owner_alone).unwrap();
    let mut store = Store::open(&path, None).unwrap();
    let ada = store.person("Ada").unwrap();
    assert_eq!((ada.templates, ada.photos), (1, 0));
    store
        .enroll(now(), "Ada", &[template("2", Some(vec![1, 2, 3]))])
        .unwrap();
    assert_eq!(store.photos(ada.id).unwrap(), ["2"]);
}

#[test]
fn pictures_are_kept_only_when_asked_for() {
    let door = Door::new("");
    door.enroll_sample_person();
    assert_eq!(door.json(&["people", "show", "Sam Sample"])[0]["photos"], 0);
    door.json(&["people", "remove", "Sam Sample"]);

    let images = Sheet::open()
        .unwrap()
        .save(&ENROLLMENT, &door.path(""))
        .unwrap();
    let images: Vec<&str> = images.iter().map(|path| path.to_str().unwrap()).collect();
    let output = door.run(&[
        "enroll",
        "Sam Sample",
        "--keep-photos",
        "--image",
        images[0],
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    door.configure("[enroll]\nkeep_photos = true");
    door.json(&["enroll", "Sam Sample", "--image", images[1]]);
    let sam = door.store().person("Sam Sample").unwrap();
    let hashes = door.store().photos(sam.id).unwrap();
    assert_eq!((sam.photos, hashes.len()), (2, 2));
    let kept = door.store().photo(sam.id, &hashes[0]).unwrap().unwrap();
    assert_eq!(kept, std::fs::read(images[0]).unwrap());
}
