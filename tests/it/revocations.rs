//! What takes rights away survives every restoration: removed, suspended, changed and locked down stays
//! so, whatever the backup says.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use doorward::clock::Timestamp;
use doorward::command::Operator;
use doorward::command::gate::Spent;
use doorward::event::{Event, Mode, PersonStatus, Role};
use doorward::guard::{Author, Batch, Change, Entry, EntryId};
use doorward::keys::PublicKey;
use doorward::store::recover::{self, open_or_recover};
use doorward::store::{EVERYONE, EventFilter, PersonChange, Store};

use crate::support::clip::{self, Scene};
use crate::support::door::{Door, stderr};

const DOOR: &str = "front";

fn now() -> Timestamp {
    "2026-03-04T05:06:07Z".parse().unwrap()
}

fn later(seconds: i64) -> Timestamp {
    now() + jiff::SignedDuration::from_secs(seconds)
}

fn operator(name: &str, role: Role, key: u8) -> Operator {
    Operator {
        name: name.into(),
        role,
        key: PublicKey::from_bytes([key; 32]),
    }
}

fn spent(id: &str) -> Spent {
    Spent {
        operator: "ada".into(),
        id: id.into(),
        over: later(40),
        counts: true,
    }
}

/// A database in a folder of its own.
struct File {
    _folder: tempfile::TempDir,
    path: PathBuf,
    backup: PathBuf,
}

impl File {
    /// With operators and people, of which there is a backup.
    fn backed_up() -> (Self, Store) {
        let folder = tempfile::tempdir().unwrap();
        let file = Self {
            path: folder.path().join("door.db"),
            backup: folder.path().join("door.db.backup"),
            _folder: folder,
        };
        let mut store = file.open();
        for (n, name) in (1..).zip(["ada", "bob", "eve"]) {
            let operator = operator(name, Role::Admin, n);
            store.add_operator(now(), &operator, false).unwrap();
        }
        for name in ["Ann", "Ben", "Cid", "Dee"] {
            store.enroll(now(), name, &[]).unwrap();
        }
        file.back_up(&store);
        (file, store)
    }

    fn open(&self) -> Store {
        Store::open(&self.path, None).unwrap()
    }

    fn back_up(&self, store: &Store) {
        let go_on = |_| ControlFlow::Continue(());
        store.backup_to(&self.backup, go_on).unwrap();
    }

    /// The database is damaged, and the service starts.
    fn restored(&self, store: Store) -> (Store, recover::Recovery) {
        drop(store);
        ruin(&self.path);
        let genuine = |_: &Path| Ok(());
        let (store, recovery) =
            open_or_recover(&self.path, None, &self.backup, &genuine, later(60)).unwrap();
        (store, recovery.unwrap())
    }
}

fn ruin(path: &Path) {
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
    std::fs::write(path, vec![0xA5; 8192]).unwrap();
}

fn people(store: &Store) -> Vec<(String, bool)> {
    let people = store.people().unwrap().into_iter();
    people
        .map(|person| (person.name, person.status == PersonStatus::Active))
        .collect()
}

fn operators(store: &Store) -> Vec<String> {
    let operators = store.operators().unwrap().into_iter();
    operators.map(|(operator, _)| operator.name).collect()
}

fn entry(id: u64) -> Entry {
    Entry {
        id: EntryId(id),
        ..Entry::new(Author::Operator("ada".into()), now())
    }
}

fn commit(store: &mut Store, entry: Entry) {
    let batch = Batch {
        entries: vec![entry],
        ..Batch::default()
    };
    store.commit(DOOR, &batch).unwrap();
}

#[test]
fn what_was_taken_away_since_the_backup_is_not_given_back_by_it() {
    let (file, mut store) = File::backed_up();
    assert!(store.remove_operator(now(), "bob").unwrap());
    let demoted = operator("eve", Role::View, 3);
    store.add_operator(now(), &demoted, true).unwrap();
    store
        .set_status(now(), "Ann", PersonStatus::Suspended)
        .unwrap();
    store.remove(now(), "Ben").unwrap();
    let narrowed = PersonChange {
        groups: Some([EVERYONE.to_owned()].into()),
        valid_until: Some(Some("2026-03-05T00:00:00".parse().unwrap())),
        ..PersonChange::default()
    };
    store.set_person(now(), "Cid", &narrowed).unwrap();
    let lockdown = Some((Mode::Lockdown, None));
    let ordered = Entry {
        spent: Some(spent("lockdown")),
        change: Some(Change::Mode(lockdown)),
        ..entry(1)
    };
    commit(&mut store, ordered);
    let refused = Entry {
        spent: Some(spent("refused")),
        ..entry(2)
    };
    commit(&mut store, refused);

    let (store, recovery) = file.restored(store);
    assert_eq!(recovery.source, doorward::event::RestoredFrom::Backup);
    let expected = [("Ann", false), ("Cid", false), ("Dee", true)];
    assert_eq!(people(&store), expected.map(|(n, a)| (n.to_owned(), a)));
    assert_eq!(operators(&store), ["ada", "eve"]);
    assert_eq!(store.operator("eve").unwrap().unwrap().role, Role::View);
    assert_eq!(store.mode_order(DOOR, later(60)).unwrap(), lockdown);
    let spent = store.spent_commands().unwrap();
    let ids: Vec<_> = spent.iter().map(|(spent, _)| spent.id.as_str()).collect();
    assert_eq!(ids, ["lockdown", "refused"]);
    // The record says it too.
    let events = store.events(&EventFilter::default()).unwrap();
    let restored = |event: &Event| matches!(event, Event::RecordRestored { .. });
    let since = events.iter().position(|event| restored(&event.event));
    let kinds: Vec<_> = events[since.unwrap()..]
        .iter()
        .map(|event| event.event.kind())
        .collect();
    for kind in [
        "admin.suspended",
        "admin.removed",
        "admin.operator_removed",
        "admin.mode_set",
    ] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
}

#[test]
fn another_key_of_an_operator_is_not_taken_back_for_the_old_one() {
    let (file, mut store) = File::backed_up();
    let renewed = operator("bob", Role::Admin, 77);
    store.add_operator(now(), &renewed, true).unwrap();
    let (store, _) = file.restored(store);
    assert_eq!(
        operators(&store),
        ["ada", "eve"],
        "neither key is bob's now"
    );
}

#[test]
fn a_mode_that_held_the_door_released_is_over_after_a_restoration() {
    let (file, mut store) = File::backed_up();
    let unlocked = Some((Mode::Unlocked, Some(later(36_000))));
    store.set_mode(now(), DOOR, unlocked).unwrap();
    file.back_up(&store);
    let (store, _) = file.restored(store);
    assert_eq!(store.mode_order(DOOR, later(60)).unwrap(), None);
}

#[test]
fn what_was_given_back_before_the_damage_stays_given_back() {
    let (file, mut store) = File::backed_up();
    for status in [PersonStatus::Suspended, PersonStatus::Active] {
        store.set_status(now(), "Ann", status).unwrap();
    }
    store.remove_operator(now(), "bob").unwrap();
    let bob = operator("bob", Role::Admin, 2);
    store.add_operator(now(), &bob, false).unwrap();
    let lockdown = Some((Mode::Lockdown, None));
    store.set_mode(now(), DOOR, lockdown).unwrap();
    store.set_mode(now(), DOOR, None).unwrap();
    let (store, _) = file.restored(store);
    assert!(people(&store).iter().all(|(_, active)| *active));
    assert_eq!(operators(&store), ["ada", "bob", "eve"]);
    assert_eq!(store.mode_order(DOOR, later(60)).unwrap(), None);
}

#[test]
fn a_restoration_by_hand_gives_nothing_back_either() {
    let door = Door::new("[camera]\nsource = \"folder\"\npath = \".\"\n");
    door.enroll_sample_person();
    let folder = door.path("");
    let folder = folder.to_str().unwrap();
    let add = |name: &str| {
        let add = [
            "operators",
            "add",
            name,
            "--role",
            "admin",
            "--generate",
            folder,
        ];
        assert!(door.run(&add).status.success());
    };
    add("ada");
    add("bob");
    assert!(door.run(&["db", "backup"]).status.success());
    for verb in [
        &["people", "suspend", "Sam Sample"][..],
        &["operators", "remove", "bob"],
        &["mode", "lockdown"],
    ] {
        let done = door.run(verb);
        assert!(done.status.success(), "{}", stderr(&done));
    }
    let backup = door.path("door.db.backup");
    let restored = door.run(&["db", "restore", backup.to_str().unwrap()]);
    assert!(restored.status.success(), "{}", stderr(&restored));
    let said = String::from_utf8(restored.stdout).unwrap();
    assert!(said.contains("doorward alarms ack restored"), "{said}");
    let store = door.store();
    assert_eq!(people(&store), [("Sam Sample".to_owned(), false)]);
    assert_eq!(operators(&store), ["ada"]);
    let order = store.mode_order(DOOR, Timestamp::now()).unwrap();
    assert_eq!(order.map(|(mode, _)| mode), Some(Mode::Lockdown));
}

#[test]
fn without_any_backup_the_lockdown_stands_and_used_commands_stay_used() {
    let (file, mut store) = File::backed_up();
    let lockdown = Some((Mode::Lockdown, None));
    let ordered = Entry {
        spent: Some(spent("used")),
        change: Some(Change::Mode(lockdown)),
        ..entry(1)
    };
    commit(&mut store, ordered);
    drop(store);
    std::fs::remove_file(&file.backup).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", file.path.display()));
    }
    let genuine = |_: &Path| Ok(());
    let (store, recovery) =
        open_or_recover(&file.path, None, &file.backup, &genuine, later(60)).unwrap();
    assert_eq!(
        recovery.unwrap().source,
        doorward::event::RestoredFrom::Empty
    );
    assert_eq!(store.mode_order(DOOR, later(60)).unwrap(), lockdown);
    assert_eq!(store.spent_commands().unwrap().len(), 1);
    let times = store.times(later(60)).unwrap();
    assert_eq!(times.not_before, Some(later(60)));
}

fn beside(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.revocations", path.display()))
}

/// Nothing can be written where a folder is.
fn block(path: &Path) {
    use std::os::unix::fs::DirBuilderExt as _;
    let _ = std::fs::remove_file(path);
    std::fs::DirBuilder::new().mode(0o700).create(path).unwrap();
}

#[test]
fn a_file_that_cannot_be_written_keeps_nobody_from_being_removed_and_is_made_up_for() {
    let (file, mut store) = File::backed_up();
    block(&beside(&file.path));
    assert_eq!(store.revocations_trouble().as_deref(), None);
    assert!(store.remove_operator(now(), "bob").unwrap());
    let suspended = PersonStatus::Suspended;
    store.set_status(now(), "Ann", suspended).unwrap();
    let used = Entry {
        spent: Some(spent("used")),
        ..entry(1)
    };
    commit(&mut store, used);
    assert_eq!(operators(&store), ["ada", "eve"]);
    let told = store.revocations_trouble().unwrap();
    assert!(told.contains("door.db.revocations"), "{told}");
    assert!(store.keep_revocations(now(), 0).is_err());
    std::fs::remove_dir(beside(&file.path)).unwrap();
    // One that is written later does not hide what is missing before it.
    store.set_status(now(), "Ben", suspended).unwrap();
    store.keep_revocations(now(), 0).unwrap();
    let (store, _) = file.restored(store);
    let active: Vec<_> = people(&store)
        .into_iter()
        .filter(|(_, active)| *active)
        .collect();
    assert_eq!(active, [("Cid".to_owned(), true), ("Dee".to_owned(), true)]);
    assert_eq!(operators(&store), ["ada", "eve"]);
    assert_eq!(store.spent_commands().unwrap().len(), 1);
}

#[test]
fn a_database_of_an_older_version_is_looked_through_and_a_damaged_line_made_anew() {
    let (file, mut store) = File::backed_up();
    store.remove_operator(now(), "bob").unwrap();
    store.remove(now(), "Ben").unwrap();
    std::fs::remove_file(beside(&file.path)).unwrap();
    store.keep_revocations(now(), 0).unwrap();
    let text = std::fs::read_to_string(beside(&file.path)).unwrap();
    std::fs::write(beside(&file.path), text.replace("removed", "resumed")).unwrap();
    store.keep_revocations(now(), 0).unwrap();
    assert_eq!(
        std::fs::read_to_string(beside(&file.path))
            .unwrap()
            .matches("removed")
            .count(),
        1
    );
    let (store, _) = file.restored(store);
    assert_eq!(operators(&store), ["ada", "eve"]);
    assert!(people(&store).iter().all(|(name, _)| name != "Ben"));
}

#[test]
fn the_file_does_not_grow_for_ever() {
    let (file, mut store) = File::backed_up();
    store.remove_operator(now(), "bob").unwrap();
    for n in 0..300 {
        let used = Entry {
            spent: Some(spent(&n.to_string())),
            ..entry(n)
        };
        commit(&mut store, used);
    }
    let size = || std::fs::metadata(beside(&file.path)).unwrap().len();
    let before = size();
    store.keep_revocations(later(30), 0).unwrap();
    assert!(size() >= before, "all of them may still count");
    store.keep_revocations(later(200), 0).unwrap();
    assert!(size() < 1_000, "{} of {before} bytes", size());
    let (store, _) = file.restored(store);
    assert_eq!(operators(&store), ["ada", "eve"]);
}

#[test]
fn a_restoration_is_told_of_until_somebody_takes_note_and_commands_begin_anew() {
    let (file, store) = File::backed_up();
    let (store, recovery) = file.restored(store);
    let told = recovery.to_string();
    assert!(told.contains("doorward alarms ack restored"), "{told}");
    let conditions = store.conditions().unwrap();
    let stands = |alarm: &str| {
        let mut found = conditions
            .iter()
            .filter(|found| found.alarm.as_str() == alarm);
        found.any(|found| found.cleared_at.is_none())
    };
    assert!(stands("restored") && stands("storage"));
    let times = store.times(later(61)).unwrap();
    assert_eq!(times.not_before, Some(later(60)));
    assert_eq!(times.newest, Some(later(60)));
}

#[test]
fn the_record_says_how_far_time_has_come_until_somebody_says_that_the_clock_is_right() {
    let (_file, mut store) = File::backed_up();
    let alarm = doorward::event::Alarm::Clock;
    let raised = Event::alarm_raised(alarm, "it jumped".into(), None);
    let times = |store: &Store| store.times(later(5)).unwrap();
    assert_eq!(times(&store).newest, Some(now()));
    store.record(later(90_000), raised).unwrap();
    store.set_clock_synced(false);
    store.record(later(95_000), Event::DoorOpened).unwrap();
    store.set_clock_synced(true);
    assert_eq!(times(&store).newest, Some(later(90_000)));
    assert_eq!(times(&store).not_before, None);
    store.acknowledge(later(4), alarm, None).unwrap();
    assert_eq!(times(&store).newest, Some(later(4)));
    assert_eq!(times(&store).not_before, Some(later(4)));
}

#[test]
fn a_service_that_cannot_keep_what_is_taken_away_says_so() {
    let door = Door::new("[camera]\nsource = \"file\"\npath = \"clip.avi\"\nrepeat = true\n");
    clip::write(&door.path("clip.avi"), &[Scene::empty(2.0)]).unwrap();
    drop(door.store());
    block(&door.path("door.db.revocations"));
    let mut service = door.start();
    let told = service.wait_for("alarm raised");
    assert!(told.contains("door.db.revocations"), "{told}");
}
