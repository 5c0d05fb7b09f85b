//! The store: migrations, atomicity, numbering, two processes, and what a sick disk does.

use std::os::unix::fs::PermissionsExt as _;

use doorward::clock::Timestamp;
use doorward::event::wire::{QosPolicy, Wire};
use doorward::event::{Denied, DenyReason, Event, Granted, Method, PersonStatus, SecureCause};
use doorward::store::{EventFilter, InstanceLock, NewTemplate, Store, StoreError};
use rusqlite::Connection;

fn now() -> Timestamp {
    "2026-03-04T05:06:07.890Z".parse().unwrap()
}

fn wire() -> Option<Wire> {
    Some(Wire {
        base_topic: "doorward/t/d".into(),
        source: "/doorward/t/d".into(),
        qos: QosPolicy::default(),
    })
}

fn secured() -> Event {
    Event::DoorSecured {
        cause: SecureCause::Stop,
    }
}

fn template(image: &str) -> NewTemplate {
    NewTemplate {
        model_id: "m".into(),
        embedding: vec![0.6, 0.8],
        quality: 0.5,
        image_sha256: image.into(),
        photo: None,
    }
}

#[test]
fn a_new_file_is_migrated_with_the_settings_that_make_commits_durable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("door.db");
    let mut store = Store::open(&path, None).unwrap();
    store.record(now(), secured()).unwrap();
    let conn = Connection::open(&path).unwrap();
    let mode: String = conn
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
    // Opening again neither migrates nor loses anything.
    drop(store);
    let store = Store::open(&path, None).unwrap();
    assert_eq!(store.events(&EventFilter::default()).unwrap().len(), 1);
}

#[test]
fn many_processes_may_open_a_fresh_database_at_once() {
    // flock is between open files, so threads race as processes do.
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("door.db");
        let open = || Store::open(&path, None).map(|_| ()).unwrap();
        std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(open))));
    }
}

#[test]
fn a_database_from_a_newer_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("door.db");
    drop(Store::open(&path, None).unwrap());
    let conn = Connection::open(&path).unwrap();
    conn.execute(
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES (99, 'x', 'x', '1')",
        [],
    )
    .unwrap();
    drop(conn);
    let error = Store::open(&path, None).unwrap_err();
    assert!(
        matches!(error, StoreError::Newer { found: 99, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("newer doorward (schema 99;"));
}

#[test]
fn what_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("door.db");
    std::fs::write(
        &path,
        "this is not a database at all, however long it may be",
    )
    .unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let error = Store::open(&path, None).unwrap_err().to_string();
    assert!(error.contains("not a database"), "{error}");
    let missing = folder.path().join("no/such/folder/door.db");
    let error = Store::open(&missing, None).unwrap_err().to_string();
    assert!(error.contains("check that the folder exists"), "{error}");
}

#[test]
fn an_event_and_its_outbox_row_are_written_together_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("door.db");
    let mut store = Store::open(&path, wire()).unwrap();
    store.record(now(), secured()).unwrap();
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch(
        "CREATE TRIGGER sabotage BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'no'); END;",
    )
    .unwrap();
    assert!(store.record(now(), secured()).is_err());
    let count = |table: &str| -> i64 {
        conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
            row.get(0)
        })
        .unwrap()
    };
    assert_eq!((count("events"), count("outbox")), (1, 1));
    // The number that the failed one would have had is not lost.
    conn.execute_batch("DROP TRIGGER sabotage").unwrap();
    assert_eq!(store.record(now(), secured()).unwrap().seq, 2);
}

#[test]
fn a_number_is_never_used_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("door.db");
    let mut store = Store::open(&path, None).unwrap();
    for expected in 1..=3 {
        assert_eq!(store.record(now(), secured()).unwrap().seq, expected);
    }
    Connection::open(&path)
        .unwrap()
        .execute("DELETE FROM events", [])
        .unwrap();
    assert_eq!(store.record(now(), secured()).unwrap().seq, 4);
}

#[test]
fn events_come_back_as_they_were_and_can_be_filtered() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("door.db"), None).unwrap();
    let person = store.enroll(now(), "Ada", &[template("1")]).unwrap().person;
    let denied = Event::AccessDenied(Denied {
        rule: None,
        needed: None,
        reason: DenyReason::Suspended,
        person: Some(person.clone()),
        similarity: Some(0.75),
        problem: None,
        liveness: None,
        observations: 3,
        method: Method::Face,
        latency_ms: 210,
    });
    let later: Timestamp = "2026-03-04T06:00:00Z".parse().unwrap();
    let recorded = store.record(later, denied).unwrap();
    store.record(later, secured()).unwrap();
    let find = |filter: EventFilter| store.events(&filter).unwrap();
    let kind = |kind: &str| EventFilter {
        kinds: vec![kind.into()],
        ..EventFilter::default()
    };
    assert_eq!(find(kind("access")), std::slice::from_ref(&recorded));
    assert_eq!(find(kind("access.denied")), std::slice::from_ref(&recorded));
    assert_eq!(find(kind("acc")), []);
    let about = EventFilter {
        person: Some(person.id),
        since: Some(later),
        ..EventFilter::default()
    };
    assert_eq!(find(about), [recorded]);
    let newest = EventFilter {
        limit: Some(1),
        ..EventFilter::default()
    };
    assert_eq!(find(newest)[0].seq, 3);
}

#[test]
fn a_grant_with_no_word_about_the_relay_after_it_may_have_left_it_released() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("door.db"), None).unwrap();
    assert!(!store.may_have_ended_released().unwrap());
    let granted = Event::AccessGranted(Granted {
        rule: "everyone".into(),
        person: store.enroll(now(), "Ada", &[template("1")]).unwrap().person,
        similarity: 0.75,
        liveness: None,
        observations: 3,
        method: Method::Face,
        latency_ms: 210,
    });
    store.record(now(), granted).unwrap();
    assert!(store.may_have_ended_released().unwrap());
    store.record(now(), secured()).unwrap();
    assert!(!store.may_have_ended_released().unwrap());
}

#[test]
fn people_are_administered_and_every_change_is_an_event() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("door.db"), None).unwrap();
    let revision = store.gallery_revision().unwrap();
    store
        .enroll(now(), " Ada ", &[template("1"), template("2")])
        .unwrap();
    assert_ne!(store.gallery_revision().unwrap(), revision);
    let again = store.enroll(now(), "ada", &[template("3")]).unwrap();
    assert_eq!((again.created, again.added, again.total), (false, 1, 3));
    assert!(matches!(
        store.enroll(now(), "Bob", &[template("1")]),
        Err(StoreError::SameImage { owner }) if owner == "Ada"
    ));
    assert!(
        store.person("Bob").is_err(),
        "a refused enrollment leaves nobody behind"
    );
    store.enroll(now(), "Bob", &[template("4")]).unwrap();
    assert!(matches!(
        store.rename(now(), "Bob", "ADA"),
        Err(StoreError::NameTaken(_))
    ));
    assert!(matches!(
        store.rename(now(), "Bob", "\u{7}"),
        Err(StoreError::BadName(_))
    ));
    let error = store.person("Bo").unwrap_err().to_string();
    assert!(error.contains("did you mean \"Bob\"?"), "{error}");
    store.rename(now(), "Bob", "Robert").unwrap();
    store
        .set_status(now(), "Robert", PersonStatus::Suspended)
        .unwrap();
    store
        .set_status(now(), "Robert", PersonStatus::Suspended)
        .unwrap();
    let gallery = store.gallery("m", 2).unwrap();
    assert_eq!(gallery.len(), 2);
    assert_eq!(gallery[1].status, PersonStatus::Suspended);
    assert!(store.gallery("other model", 2).unwrap().is_empty());
    store
        .set_status(now(), "Robert", PersonStatus::Active)
        .unwrap();
    store.remove(now(), "Robert").unwrap();
    assert_eq!(store.gallery("m", 2).unwrap().len(), 1);
    let events = store.events(&EventFilter::default()).unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.event.kind()).collect();
    assert_eq!(
        kinds,
        [
            "admin.enrolled",
            "admin.enrolled",
            "admin.enrolled",
            "admin.renamed",
            "admin.suspended",
            "admin.resumed",
            "admin.removed",
        ]
    );
}

#[test]
fn a_second_service_is_refused_and_a_dead_one_is_not_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("door.db");
    let first = InstanceLock::acquire(&path).unwrap();
    let error = InstanceLock::acquire(&path).unwrap_err();
    assert!(error.to_string().contains("already runs"), "{error}");
    drop(first);
    InstanceLock::acquire(&path).unwrap();
}
