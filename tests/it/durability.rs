//! The database file: damaged, deleted, restored, backed up. With the real service where it
//! matters what the door does meanwhile.

use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use doorward::clock::Timestamp;
use doorward::event::wire::{QosPolicy, Wire};
use doorward::event::{Event, RestoredFrom, SecureCause};
use doorward::store::backup::previous;
use doorward::store::health::{self, Depth};
use doorward::store::recover::{self, open_or_recover};
use doorward::store::{EVERYONE, EventFilter, Store, StoreError};
use rusqlite::Connection;
use rustix::process::Signal;

use crate::support::clip::{self, Scene};
use crate::support::door::{Door, doorward, stderr};
use crate::support::faces::{PERSON, Sheet};
use crate::support::small_disk::on_read_only_disk;

const PAGE: u64 = 4096;

fn now() -> Timestamp {
    "2026-03-04T05:06:07.890Z".parse().unwrap()
}

fn secured() -> Event {
    Event::DoorSecured {
        cause: SecureCause::Stop,
    }
}

fn wire() -> Option<Wire> {
    Some(Wire {
        base_topic: "doorward/t/d".into(),
        source: "/doorward/t/d".into(),
        qos: QosPolicy::default(),
    })
}

/// A database in a folder of its own, with where its backup goes.
struct File {
    _folder: tempfile::TempDir,
    path: PathBuf,
    backup: PathBuf,
}

impl File {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            path: folder.path().join("door.db"),
            backup: folder.path().join("door.db.backup"),
            _folder: folder,
        }
    }

    /// A database with so many events.
    fn with_events(count: usize) -> Self {
        let file = Self::new();
        record(&mut file.open(), count);
        file
    }

    fn open(&self) -> Store {
        Store::open(&self.path, wire()).unwrap()
    }

    fn back_up(&self) {
        self.open().backup_to(&self.backup, go_on).unwrap();
    }

    fn start(&self) -> Result<(Store, Option<recover::Recovery>), StoreError> {
        open_or_recover(&self.path, wire(), &self.backup, &|_| Ok(()), now())
    }

    /// Names of the files in the folder, but for the ones SQLite uses while it is open.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.path.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm"))
            .collect();
        names.sort();
        names
    }
}

fn go_on<T>(_: T) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn record(store: &mut Store, count: usize) {
    for _ in 0..count {
        store.record(now(), secured()).unwrap();
    }
}

fn seqs(store: &Store) -> Vec<u64> {
    let events = store.events(&EventFilter::default()).unwrap();
    events.iter().map(|event| event.seq).collect()
}

/// Overwrites the page that the table or index begins with.
fn damage(path: &Path, table: &str) {
    use std::os::unix::fs::FileExt as _;
    let conn = Connection::open(path).unwrap();
    conn.pragma_update(None, "wal_checkpoint", "TRUNCATE")
        .unwrap();
    let page: i64 = conn
        .query_row(
            "SELECT rootpage FROM sqlite_master WHERE name = ?",
            [table],
            |row| row.get(0),
        )
        .unwrap();
    drop(conn);
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let at = (u64::try_from(page).unwrap() - 1) * PAGE;
    file.write_all_at(&[0xA5; PAGE as usize], at).unwrap();
}

/// The files that were set aside at the start.
fn set_aside(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains(".db.damaged-"))
        .filter(|path| {
            !path.to_string_lossy().ends_with("-wal") && !path.to_string_lossy().ends_with("-shm")
        })
        .collect();
    found.sort();
    found
}

/// A door that sees nobody for as long as a test takes.
fn quiet_door() -> Door {
    door_with(&[Scene::empty(2.0)])
}

fn door_with(scenes: &[Scene]) -> Door {
    let door = Door::new("[camera]\nsource = \"file\"\npath = \"clip.avi\"\nrepeat = true\n");
    clip::write(&door.path("clip.avi"), scenes).unwrap();
    door
}

#[test]
fn a_backup_taken_while_others_write_is_of_one_instant() {
    let file = File::with_events(1);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = file.open();
            // Bounded, so that a failure below ends the test and is told.
            let end = Instant::now() + Duration::from_secs(30);
            while !done.load(Ordering::Relaxed) && Instant::now() < end {
                record(&mut writer, 1);
            }
        });
        for _ in 0..10 {
            file.back_up();
            assert!(health::check(&file.backup, Depth::Full).unwrap().is_empty());
            let copy = Connection::open(&file.backup).unwrap();
            let (count, last, queued): (i64, i64, i64) = copy
                .query_row(
                    "SELECT count(*), max(seq), (SELECT count(*) FROM outbox) FROM events",
                    [],
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
                )
                .unwrap();
            assert_eq!((count, queued), (last, last));
        }
        done.store(true, Ordering::Relaxed);
    });
    let mode = std::fs::metadata(&file.backup)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "it holds what the database holds");
    assert_eq!(
        file.names(),
        ["door.db", "door.db.backup", "door.db.backup.1"]
    );
}

#[test]
fn a_backup_that_is_broken_off_or_fails_leaves_the_one_before() {
    let file = File::with_events(1);
    file.back_up();
    let before = std::fs::read(&file.backup).unwrap();
    record(&mut file.open(), 1);
    let error = file
        .open()
        .backup_to(&file.backup, |_| ControlFlow::Break(()))
        .unwrap_err();
    assert!(matches!(error, StoreError::BackupStopped), "{error}");
    assert_eq!(std::fs::read(&file.backup).unwrap(), before);
    assert_eq!(file.names(), ["door.db", "door.db.backup"]);

    // What a kill leaves behind is no hindrance.
    std::fs::write(file.path.with_extension("db.backup.partial"), "half").unwrap();
    file.back_up();
    assert_eq!(std::fs::read(previous(&file.backup)).unwrap(), before);
    let newest = std::fs::read(&file.backup).unwrap();

    // A damaged database makes no backup.
    let store = file.open();
    damage(&file.path, "events_by_time");
    let error = store.backup_to(&file.backup, go_on).unwrap_err();
    assert!(matches!(error, StoreError::Unsound { .. }), "{error}");
    assert_eq!(std::fs::read(&file.backup).unwrap(), newest);
    assert_eq!(std::fs::read(previous(&file.backup)).unwrap(), before);
}

/// A door with one person, and the backup of another door, with somebody else, planted as its own.
fn with_planted_backup(name: &str) -> Door {
    let door = Door::new("[camera]\nsource = \"folder\"\npath = \".\"\n");
    assert!(door.run(&["groups", "set", "genuine"]).status.success());
    assert!(door.run(&["db", "backup"]).status.success());
    let other = Door::new("");
    assert!(other.run(&["groups", "set", "planted"]).status.success());
    assert!(other.run(&["db", "backup"]).status.success());
    for suffix in ["", ".seal"] {
        let planted = other.path(&format!("door.db.backup{suffix}"));
        std::fs::copy(planted, door.path(&format!("{name}{suffix}"))).unwrap();
    }
    door
}

#[test]
fn a_backup_that_this_door_did_not_make_is_not_restored_by_itself() {
    let door = with_planted_backup("door.db.backup");
    damage(&door.path("door.db"), "events");
    let mut service = door.start();
    let told = service.wait_for("was damaged");
    assert!(told.contains("it is not sealed by this door"), "{told}");
    assert!(told.contains("there was no sound backup"), "{told}");
    service.wait_for("\"ready\"");
    let groups = door.store().rules().unwrap().groups;
    assert_eq!(groups.into_keys().collect::<Vec<_>>(), [EVERYONE]);
}

#[test]
fn the_genuine_backup_before_a_planted_one_is_restored() {
    let door = with_planted_backup("elsewhere");
    assert!(door.run(&["groups", "set", "newer"]).status.success());
    assert!(door.run(&["db", "backup"]).status.success());
    for suffix in ["", ".seal"] {
        let planted = door.path(&format!("elsewhere{suffix}"));
        std::fs::copy(planted, door.path(&format!("door.db.backup{suffix}"))).unwrap();
    }
    damage(&door.path("door.db"), "events");
    let mut service = door.start();
    let told = service.wait_for("was damaged");
    assert!(told.contains("door.db.backup.1 was restored"), "{told}");
    service.wait_for("\"ready\"");
    let groups = door.store().rules().unwrap().groups;
    assert_eq!(
        groups.into_keys().collect::<Vec<_>>(),
        [EVERYONE, "genuine"]
    );
}

#[test]
fn by_hand_a_foreign_backup_is_restored_only_by_a_word_of_its_own() {
    let door = with_planted_backup("foreign");
    let foreign = door.path("foreign");
    let foreign = foreign.to_str().unwrap();
    let refused = door.run(&["db", "restore", foreign]);
    assert_eq!(refused.status.code(), Some(1));
    let told = stderr(&refused);
    assert!(
        told.contains("not sealed by this door; nothing was changed"),
        "{told}"
    );
    assert!(door.store().rules().unwrap().groups.contains_key("genuine"));
    assert!(
        door.run(&["db", "restore", foreign, "--unsealed"])
            .status
            .success()
    );
    assert!(door.store().rules().unwrap().groups.contains_key("planted"));
    // A byte more or less is another file.
    let own = door.path("door.db.backup");
    let mut bytes = std::fs::read(&own).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&own, bytes).unwrap();
    let refused = door.run(&["db", "restore", own.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
}

#[test]
fn a_database_is_no_target_for_its_own_backup() {
    let file = File::with_events(1);
    let error = file.open().backup_to(&file.path, go_on).unwrap_err();
    assert!(error.to_string().contains("the database itself"), "{error}");
    assert_eq!(seqs(&file.open()), [1]);
}

#[test]
fn nothing_is_written_into_a_file_that_is_gone_or_another_one() {
    let file = File::with_events(1);
    let mut store = file.open();
    let moved = file.path.with_extension("moved");
    std::fs::rename(&file.path, &moved).unwrap();
    for replaced in [false, true] {
        if replaced {
            std::fs::copy(&moved, &file.path).unwrap();
        }
        let error = store.record(now(), secured()).unwrap_err();
        assert!(matches!(error, StoreError::Vanished { .. }), "{error}");
        assert!(error.needs_restart());
        assert!(store.ensure_in_place().is_err());
    }
    std::fs::rename(&moved, &file.path).unwrap();
    store.record(now(), secured()).unwrap();
    assert_eq!(seqs(&store), [1, 2]);
}

#[test]
fn a_sound_database_and_a_first_start_are_opened_as_they_are() {
    let file = File::new();
    assert_eq!(file.start().unwrap().1, None);
    record(&mut file.open(), 2);
    file.back_up();
    let (store, recovery) = file.start().unwrap();
    assert_eq!((seqs(&store), recovery), (vec![1, 2], None));
}

#[test]
fn a_damaged_database_is_set_aside_and_its_numbers_are_not_used_again() {
    let file = File::with_events(2);
    file.back_up();
    record(&mut file.open(), 3);
    damage(&file.path, "events");
    let damaged = std::fs::read(&file.path).unwrap();
    let (mut store, recovery) = file.start().unwrap();
    let recovery = recovery.unwrap();
    assert_eq!(recovery.source, RestoredFrom::Backup);
    assert_eq!(recovery.last_known_seq, 2);
    let aside = recovery.set_aside.unwrap();
    assert!(aside.ends_with("door.db.damaged-20260304T050607Z"));
    assert_eq!(std::fs::read(aside).unwrap(), damaged);
    assert!(recovery.trouble.contains("was damaged"));
    // Five were published; two are known; the fifth and a thousand more are left out.
    assert_eq!(seqs(&store), [1, 2, 1006, 1007, 1008]);
    record(&mut store, 1);
    let events = store.events(&EventFilter::default()).unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.event.kind()).collect();
    assert_eq!(
        kinds[2..],
        [
            "record.restored",
            "alarm.raised",
            "alarm.raised",
            "door.secured"
        ]
    );
    assert_eq!(events[5].seq, 1009);
    assert_eq!(file.start().unwrap().1, None, "once");
}

#[test]
fn what_a_restored_outbox_sends_again_is_marked_and_its_session_is_gone() {
    let file = File::with_events(2);
    let conn = Connection::open(&file.path).unwrap();
    conn.execute_batch(
        "UPDATE outbox SET stage = 1, pkid = 7 WHERE seq = 1;
         INSERT INTO mqtt_session (id, header) VALUES (1, x'00');",
    )
    .unwrap();
    drop(conn);
    file.back_up();
    std::fs::remove_file(&file.path).unwrap();
    drop(file.start().unwrap());
    let conn = Connection::open(&file.path).unwrap();
    let marked: Vec<(i64, i64, bool)> = conn
        .prepare("SELECT seq, stage, maybe_dup FROM outbox ORDER BY seq")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let own = [3, 4, 5].map(|seq| (seq, 0, false));
    assert_eq!(marked[..2], [(1, 0, true), (2, 0, true)]);
    assert_eq!(marked[2..], own);
    let sessions: i64 = conn
        .query_row("SELECT count(*) FROM mqtt_session", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sessions, 0);
}

#[test]
fn a_missing_or_emptied_database_is_restored_and_nobody_knows_how_far_it_was() {
    for emptied in [false, true] {
        let file = File::with_events(2);
        file.back_up();
        if emptied {
            std::fs::write(&file.path, "").unwrap();
        } else {
            std::fs::remove_file(&file.path).unwrap();
            // An old log beside a restored file would be replayed into it.
            std::fs::write(file.path.with_extension("db-wal"), "old").unwrap();
        }
        let (store, recovery) = file.start().unwrap();
        let aside = recovery.unwrap().set_aside.unwrap();
        if !emptied {
            let log = PathBuf::from(format!("{}-wal", aside.display()));
            assert_eq!(std::fs::read_to_string(log).unwrap(), "old");
        }
        assert_eq!(seqs(&store), [1, 2, 1_000_003, 1_000_004, 1_000_005]);
    }
}

#[test]
fn the_backup_before_stands_in_for_a_damaged_one_and_an_empty_file_for_none() {
    let file = File::with_events(1);
    file.back_up();
    record(&mut file.open(), 1);
    file.back_up();
    damage(&file.backup, "events");
    damage(&file.path, "events");
    let (store, recovery) = file.start().unwrap();
    let recovery = recovery.unwrap();
    assert_eq!(recovery.backup, Some(previous(&file.backup)));
    assert!(recovery.trouble.contains("is damaged too"));
    assert_eq!(seqs(&store)[0..2], [1, 1003]);
    drop(store);

    std::fs::write(&file.path, "no database at all, however long it may be").unwrap();
    damage(&previous(&file.backup), "events");
    let (store, recovery) = file.start().unwrap();
    let recovery = recovery.unwrap();
    assert_eq!(recovery.source, RestoredFrom::Empty);
    assert_eq!(seqs(&store), [1_000_001, 1_000_002, 1_000_003]);
    assert_eq!(set_aside(file.path.parent().unwrap()).len(), 2, "both kept");
}

#[test]
fn damage_that_the_quick_look_misses_is_found_once_it_was_met() {
    let file = File::with_events(3);
    file.back_up();
    // An index of other values than the schema says: every page is in order.
    let conn = Connection::open(&file.path).unwrap();
    conn.execute_batch(
        "DROP INDEX events_by_time; CREATE INDEX events_by_time ON events (kind);
         PRAGMA writable_schema = ON;
         UPDATE sqlite_master SET sql = replace(sql, '(kind)', '(time)') WHERE name = 'events_by_time';",
    )
    .unwrap();
    drop(conn);
    assert!(health::check(&file.path, Depth::Quick).unwrap().is_empty());
    let findings = health::check(&file.path, Depth::Full).unwrap();
    assert!(!findings.is_empty());
    assert_eq!(file.start().unwrap().1, None);
    let error = StoreError::Content("met".into());
    recover::mark_suspect(&file.path, &error).unwrap();
    assert!(file.start().unwrap().1.is_some());
    assert_eq!(file.start().unwrap().1, None, "the mark is gone");
    assert!(!file.names().contains(&"door.db.suspect".to_owned()));
}

#[test]
fn what_is_no_damage_stays_an_error_and_everything_where_it_was() {
    let file = File::with_events(1);
    file.back_up();
    let conn = Connection::open(&file.path).unwrap();
    conn.execute(
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES (99, 'x', 'x', '1')",
        [],
    )
    .unwrap();
    drop(conn);
    let error = file.start().unwrap_err();
    assert!(matches!(error, StoreError::Newer { .. }), "{error}");
    assert!(set_aside(file.path.parent().unwrap()).is_empty());

    let file = File::with_events(1);
    let other = File::new();
    // A folder is nothing that SQLite opens.
    std::fs::create_dir(&other.path).unwrap();
    assert!(other.start().is_err());
    assert!(other.path.is_dir());
    drop(file);
}

#[test]
fn a_damaged_database_is_replaced_at_the_start_and_people_are_still_known() {
    let door = quiet_door();
    door.enroll_sample_person();
    door.json(&["db", "backup"]);
    door.json(&["people", "suspend", "Sam Sample"]);
    damage(&door.path("door.db"), "events");
    let mut service = door.start();
    let told = service.wait_for("was damaged");
    for expected in ["door.db.damaged-", "was restored", "1 suspended"] {
        assert!(told.contains(expected), "{told}");
    }
    service.wait_for("\"people\":1");
    assert_eq!(
        door.kinds(),
        [
            "admin.enrolled",
            "record.restored",
            "admin.suspended",
            "alarm.raised",
            "alarm.raised"
        ]
    );
    let events = door.json(&["events", "list"]);
    assert_eq!(events[1]["data"]["source"], "backup");
    assert_eq!(events[1]["seq"], 1003, "two were given out, one is known");
    assert_eq!(events[3]["data"]["alarm"], "restored");
    assert_eq!(events[4]["data"]["alarm"], "storage");
    assert_eq!(set_aside(&door.path("")).len(), 1);
    service.signal(Signal::TERM);
    assert!(service.wait().success(), "{}", service.log());
    assert_eq!(
        door.kinds().len(),
        5,
        "it stands until there is a new backup"
    );
}

#[test]
fn without_a_backup_nobody_is_known_and_nobody_is_let_in() {
    let face = Sheet::open().unwrap().face(PERSON[0]).unwrap();
    let door = door_with(&[Scene::visitor(&face, 4.0), Scene::empty(1.0)]);
    door.enroll_sample_person();
    damage(&door.path("door.db"), "persons");
    let mut service = door.start();
    let told = service.wait_for("was damaged");
    assert!(told.contains("the record is empty"), "{told}");
    service.wait_for("\"people\":0");
    service.wait_for("access denied");
    door.moved(&["secured"]);
    assert_eq!(door.kinds()[..2], ["record.restored", "alarm.raised"]);
}

#[test]
fn damage_that_comes_while_it_runs_ends_the_service_and_the_next_start_repairs() {
    let door = quiet_door();
    door.enroll_sample_person();
    door.json(&["db", "backup"]);
    let mut service = door.start();
    service.wait_for("\"people\":1");
    damage(&door.path("door.db"), "gallery_revision");
    // Somebody else's commit makes SQLite look at the file again.
    let _ = door.run(&["people", "suspend", "Sam Sample"]);
    assert_eq!(service.wait().code(), Some(1), "{}", service.log());
    assert!(service.log().contains("damaged"), "{}", service.log());
    assert_eq!(door.transitions().last().unwrap(), "secured");

    let mut service = door.start();
    service.wait_for("was damaged");
    service.wait_for("\"people\":1");
}

#[test]
fn a_database_that_is_deleted_under_the_service_ends_it_and_is_restored() {
    let door = quiet_door();
    door.enroll_sample_person();
    door.json(&["db", "backup"]);
    let mut service = door.start();
    service.wait_for("\"ready\"");
    std::fs::remove_file(door.path("door.db")).unwrap();
    assert_eq!(service.wait().code(), Some(1), "{}", service.log());
    let log = service.log();
    assert!(log.contains("was deleted, moved or replaced"), "{log}");
    assert_eq!(door.transitions().last().unwrap(), "secured");
    assert!(!door.path("door.db").exists(), "nobody made another one");

    let mut service = door.start();
    service.wait_for("was missing");
    service.wait_for("\"people\":1");
    assert!(door.kinds().contains(&"record.restored"));
}

#[test]
fn on_a_read_only_disk_the_service_does_not_start_and_the_relay_is_safe() {
    let door = quiet_door();
    let disk = door.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let text = std::fs::read_to_string(door.config()).unwrap();
    let text = text.replace("path = \"door.db\"", "path = \"disk/door.db\"");
    std::fs::write(door.config(), text).unwrap();
    drop(Store::open(&disk.join("door.db"), None).unwrap());
    for lock_exists in [false, true] {
        if lock_exists {
            std::fs::write(disk.join("door.db.lock"), "").unwrap();
        }
        let mut command = on_read_only_disk(&disk, Path::new(doorward().get_program()));
        command.arg("--config").arg(door.config()).arg("run");
        let mut service = door.start_with(command);
        assert_eq!(service.wait().code(), Some(1), "{}", service.log());
        assert!(service.log().contains("door.db"), "{}", service.log());
        assert_eq!(door.transitions().last().unwrap(), "secured");
        assert!(set_aside(&disk).is_empty(), "no damage");
    }
}

#[test]
fn the_disk_that_gets_full_is_an_alarm_before_it_is_full() {
    let door = quiet_door();
    let text = std::fs::read_to_string(door.config()).unwrap();
    let text = text.replace("[store]\n", "[store]\nmin_free_mib = 1000000\n");
    std::fs::write(door.config(), text).unwrap();
    let mut service = door.start();
    let told = service.wait_for("alarm raised");
    assert!(told.contains("nearly full"), "{told}");
    service.signal(Signal::TERM);
    assert!(service.wait().success(), "{}", service.log());
    assert_eq!(
        door.kinds(),
        ["alarm.raised"],
        "that events can be written is no reason to clear it"
    );
}

#[test]
fn the_verbs_check_back_up_restore_and_vacuum() {
    let door = quiet_door();
    assert!(!door.run(&["db", "check"]).status.success());
    assert!(!door.path("door.db").exists(), "a check makes nothing");
    door.enroll_sample_person();
    for check in [&["db", "check"][..], &["db", "check", "--full"]] {
        assert_eq!(door.json(check)[0]["sound"], true);
    }
    let made = &door.json(&["db", "backup"])[0];
    assert!(made["size_bytes"].as_u64().unwrap() > PAGE);
    let info = &door.json(&["db", "info"])[0];
    assert_eq!(info["contents"]["people"], 1);
    assert_eq!(info["contents"]["last_seq"], 1);
    assert!(info["backup"]["made"].is_string());
    let text = String::from_utf8(door.run(&["db", "info"]).stdout).unwrap();
    assert!(text.contains("last backup  20"), "{text}");
    let sizes = &door.json(&["db", "vacuum"])[0];
    assert!(sizes["after_bytes"].as_u64().unwrap() <= sizes["before_bytes"].as_u64().unwrap());

    door.json(&["people", "remove", "Sam Sample"]);
    let backup = door.path("door.db.backup");
    let backup = backup.to_str().unwrap();
    let mut service = door.start();
    service.wait_for("\"ready\"");
    for verb in [&["db", "restore", backup][..], &["db", "vacuum"]] {
        let refused = door.run(verb);
        assert_eq!(refused.status.code(), Some(1));
        assert!(
            stderr(&refused).contains("stop it first"),
            "{}",
            stderr(&refused)
        );
    }
    service.signal(Signal::TERM);
    assert!(service.wait().success());

    let nonsense = door.path("doorward.toml");
    let refused = door.run(&["db", "restore", nonsense.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("nothing was changed"));
    assert!(door.store().people().unwrap().is_empty());

    let restored = &door.json(&["db", "restore", backup])[0];
    let aside = restored["set_aside"].as_str().unwrap();
    assert!(aside.contains("door.db.before-restore-"), "{aside}");
    assert!(
        Store::open(Path::new(aside), None)
            .unwrap()
            .people()
            .unwrap()
            .is_empty()
    );
    assert!(door.store().people().unwrap().is_empty(), "removed again");
    assert_eq!(
        seqs(&door.store()),
        [1, 1003, 1004, 1005],
        "enrolled; removed, a gap; restored, removed again, the alarm"
    );

    damage(&door.path("door.db"), "events");
    let output = door.run(&["db", "check", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["sound"], false);
    assert!(!found["findings"].as_array().unwrap().is_empty());
}
