//! The record: what an insider does to the file is found, and what retention does is not.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use doorward::audit::{export, open_signer};
use doorward::clock::Timestamp;
use doorward::event::chain::{ChainHash, Head, Link};
use doorward::event::checkpoint::{PublicKey, Signer, verify};
use doorward::event::{Event, Mode, SecureCause};
use doorward::store::outbox::{Change, Outbox};
use doorward::store::{EventFilter, Finding, Store, StoreError};
use rusqlite::{Connection, params};

use crate::support::broker::Broker;
use crate::support::door::{Door, stderr};
use crate::support::sender::{SOON, Sender, granted};
use crate::support::subscriber::{Login, Subscriber};
use crate::support::wait_for;

fn at(day: u8) -> Timestamp {
    format!("2026-03-{day:02}T05:06:07.890Z").parse().unwrap()
}

fn secured() -> Event {
    Event::DoorSecured {
        cause: SecureCause::Stop,
    }
}

/// A database with events of ten days, one a day, and a second, raw connection.
struct Record {
    folder: tempfile::TempDir,
    store: Store,
    raw: Connection,
}

impl Record {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("door.db");
        let mut store = Store::open(&path, None).unwrap();
        for day in 1..=10 {
            store.set_author((day == 4).then(|| "cli:zoë".to_owned()));
            store.set_clock_synced(day != 5);
            let event = if day % 2 == 0 { granted() } else { secured() };
            store.record(at(day), event).unwrap();
        }
        store.set_author(None);
        store.set_clock_synced(true);
        let raw = Connection::open(&path).unwrap();
        Self { folder, store, raw }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("door.db")
    }

    fn signer(&self) -> Signer {
        open_signer(&self.folder.path().join("key"), "/d".into()).unwrap()
    }

    fn sql(&self, sql: &str) {
        self.raw.execute_batch(sql).unwrap();
    }

    fn findings(&self) -> Vec<Finding> {
        self.store.verify(None).unwrap().findings
    }

    /// Chains everything anew, as somebody would who read docs/audit.md.
    fn rehash(&self) {
        let mut previous = self.store.verify(None).unwrap().start;
        let mut statement = self
            .raw
            .prepare("SELECT seq, id, time, kind, by, clock_synced, data FROM events ORDER BY seq")
            .unwrap();
        let mut rows = statement.query([]).unwrap();
        let mut hashes = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let text = |column: usize| row.get::<_, String>(column).unwrap();
            let by: Option<String> = row.get(4).unwrap();
            let link = Link {
                seq: row.get::<_, u32>(0).unwrap().into(),
                id: text(1).parse().unwrap(),
                time: &text(2),
                kind: &text(3),
                by: by.as_deref(),
                clock_synced: row.get(5).unwrap(),
                data: &text(6),
            };
            let hash = link.hash(previous.hash);
            previous = Head {
                seq: link.seq,
                hash,
            };
            hashes.push(previous);
        }
        for head in hashes {
            let seq = i64::try_from(head.seq).unwrap();
            self.raw
                .execute(
                    "UPDATE events SET hash = ? WHERE seq = ?",
                    params![head.hash.0, seq],
                )
                .unwrap();
            self.raw
                .execute(
                    "UPDATE chain SET seq = ?, hash = ?",
                    params![seq, head.hash.0],
                )
                .unwrap();
        }
    }
}

#[test]
fn an_untouched_record_is_whole_and_an_independent_program_agrees() {
    let record = Record::new();
    let report = record.store.verify(None).unwrap();
    assert!(report.is_whole(), "{report:?}");
    assert_eq!((report.events, report.head.seq), (10, 10));
    let newest = record.store.events(&EventFilter::default()).unwrap();
    assert_eq!(newest[9].hash, report.head.hash);
    assert_eq!(newest[3].by.as_deref(), Some("cli:zoë"));
    assert!(!newest[4].clock_synced && newest[5].clock_synced);
    let oracle = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/chain_reference.py");
    let output = Command::new("python3")
        .arg(oracle)
        .arg(record.path())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        format!("ok {}", report.head.hash),
        "{}",
        stderr(&output)
    );
}

#[test]
fn an_edit_of_any_column_is_found_where_it_was_made() {
    for edit in [
        "data = replace(data, 'stop', 'mode')",
        "time = '2026-03-03T05:06:07.891Z'",
        "kind = 'door.closed', data = '{}'",
        "id = upper(id)",
        "id = '01890a5d-ac96-774b-bcce-b302099a8057'",
        "by = 'cli:mallory'",
        "clock_synced = 0",
        "hash = zeroblob(32)",
        "hash = NULL",
        "person_id = '01890a5d-ac96-774b-bcce-b302099a8057'",
        "data = 'nonsense'",
    ] {
        let record = Record::new();
        record.sql(&format!("UPDATE events SET {edit} WHERE seq = 3"));
        assert_eq!(record.findings()[0], Finding::Altered { seq: 3 }, "{edit}");
    }
}

#[test]
fn an_edit_with_its_own_hash_put_right_is_found_at_the_next_event() {
    let record = Record::new();
    let before = record.store.events(&EventFilter::default()).unwrap();
    let link = Link {
        seq: 3,
        id: before[2].id,
        time: "2026-03-03T05:06:07.890Z",
        kind: "door.secured",
        by: None,
        clock_synced: true,
        data: r#"{"cause":"mode"}"#,
    };
    let hash = link.hash(before[1].hash).0;
    record
        .raw
        .execute(
            "UPDATE events SET data = ?, hash = ? WHERE seq = 3",
            params![link.data, hash],
        )
        .unwrap();
    assert_eq!(record.findings(), [Finding::Altered { seq: 4 }]);
}

#[test]
fn missing_events_are_named() {
    let record = Record::new();
    record.sql("DELETE FROM events WHERE seq IN (4, 5, 7)");
    let missing = |from, through| Finding::Missing { from, through };
    assert_eq!(record.findings(), [missing(4, 5), missing(7, 7)]);
    // Closing the gap by renumbering does not help.
    record.sql(
        "UPDATE events SET seq = 4 WHERE seq = 6; UPDATE events SET seq = seq - 3 WHERE seq > 6",
    );
    assert!(record.findings().contains(&Finding::Altered { seq: 4 }));
}

#[test]
fn swapped_and_inserted_events_are_found() {
    let record = Record::new();
    record.sql(
        "UPDATE events SET seq = 99 WHERE seq = 3; UPDATE events SET seq = 3 WHERE seq = 5;
         UPDATE events SET seq = 5 WHERE seq = 99",
    );
    let altered = |seq| Finding::Altered { seq };
    assert_eq!(
        record.findings(),
        [altered(3), altered(4), altered(5), altered(6)]
    );
    let record = Record::new();
    record.sql(
        "INSERT INTO events (seq, id, time, kind, data, hash)
         SELECT 11, '01890a5d-ac96-774b-bcce-b302099a8057', time, kind, data, hash FROM events WHERE seq = 1",
    );
    assert_eq!(record.findings()[0], altered(11));
}

#[test]
fn a_cut_end_is_found_by_the_head_and_when_that_is_put_right_by_a_checkpoint() {
    let mut record = Record::new();
    let signer = record.signer();
    let kept = record.store.checkpoint(at(10), &signer).unwrap();
    record.sql("DELETE FROM events WHERE seq > 8");
    assert!(matches!(record.findings()[0], Finding::WrongEnd { .. }));
    record.sql("UPDATE chain SET (seq, hash) = (SELECT seq, hash FROM events WHERE seq = 8)");
    let cut = Finding::Cut {
        checkpoint: kept.claims.head(),
        head: record.store.head().unwrap(),
    };
    assert_eq!(record.findings(), std::slice::from_ref(&cut));
    // No new checkpoint papers over it.
    let refused = record.store.checkpoint(at(11), &signer).unwrap_err();
    assert!(matches!(refused, StoreError::Rewound(_)), "{refused}");
    // Without the database's own memory of it, only who kept the checkpoint can tell.
    record.sql("DELETE FROM checkpoints");
    assert_eq!(record.findings(), []);
    let claims = verify(signer.public_key(), &kept.token).unwrap();
    let report = record.store.verify(Some(&claims.head())).unwrap();
    assert_eq!(report.findings, [cut]);
}

#[test]
fn a_record_rewritten_whole_is_found_by_a_checkpoint_only() {
    let mut record = Record::new();
    let kept = record.store.checkpoint(at(10), &record.signer()).unwrap();
    record.sql("UPDATE events SET data = replace(data, 'stop', 'mode') WHERE seq = 3");
    record.rehash();
    let head = record.store.head().unwrap();
    let rewritten = Finding::Rewritten {
        checkpoint: kept.claims.head(),
        found: Some(head.hash),
    };
    assert_eq!(record.findings(), std::slice::from_ref(&rewritten));
    record.sql("DELETE FROM checkpoints");
    assert_eq!(record.findings(), []);
    let report = record.store.verify(Some(&kept.claims.head())).unwrap();
    assert_eq!(report.findings, [rewritten]);
}

#[test]
fn a_cut_beginning_is_found() {
    let record = Record::new();
    record.sql(
        "UPDATE chain_start SET (seq, hash) = (SELECT seq, hash FROM events WHERE seq = 2);
         DELETE FROM events WHERE seq <= 2",
    );
    assert!(matches!(
        record.findings()[..],
        [Finding::WrongStart { pruned: None, .. }]
    ));
}

const DAY: Duration = Duration::from_hours(24);

#[test]
fn pruning_keeps_the_chain_and_says_what_went() {
    let mut record = Record::new();
    let early = record.store.checkpoint(at(10), &record.signer()).unwrap();
    // Everything before the 6th, in two steps.
    let prune = |record: &mut Record| record.store.prune(at(11), 5 * DAY, 3).unwrap();
    assert_eq!(prune(&mut record), 3);
    assert_eq!(record.findings(), []);
    // Number 5 has no time to be trusted, and the next one is too young.
    assert_eq!(prune(&mut record), 1);
    assert_eq!(prune(&mut record), 0);
    let report = record.store.verify(Some(&early.claims.head())).unwrap();
    assert!(report.is_whole(), "{report:?}");
    assert_eq!((report.start.seq, report.head.seq), (4, 12));
    assert_eq!(report.compared, Some(early.claims.head()));
    let events = record.store.events(&EventFilter::default()).unwrap();
    assert_eq!(events[0].seq, 5);
    let Event::RecordPruned {
        through_seq,
        ref hash,
        events: gone,
    } = events.last().unwrap().event
    else {
        panic!("{:?}", events.last());
    };
    assert_eq!((through_seq, gone), (4, 1));
    assert_eq!(hash.parse(), Ok(report.start.hash));
    let late = record.store.checkpoint(at(11), &record.signer()).unwrap();
    assert_eq!((late.claims.seq, late.claims.events), (12, 8));
    // A checkpoint about what is gone proves nothing, and accuses nobody.
    let gone = Head {
        seq: 2,
        hash: ChainHash([9; 32]),
    };
    assert!(record.store.verify(Some(&gone)).unwrap().is_whole());
    // Where the pruned part ended is still known.
    let end = Head {
        seq: 4,
        hash: ChainHash([9; 32]),
    };
    assert!(!record.store.verify(Some(&end)).unwrap().is_whole());
}

#[test]
fn pruning_spares_the_newest_event_and_what_no_trusted_clock_calls_old() {
    let mut record = Record::new();
    record.store.set_clock_synced(false);
    assert_eq!(record.store.prune(at(30), DAY, 100).unwrap(), 0);
    record.store.set_clock_synced(true);
    assert_eq!(record.store.prune(at(30), DAY, 100).unwrap(), 9);
    let left = record.store.events(&EventFilter::default()).unwrap();
    assert_eq!(left.iter().map(|e| e.seq).collect::<Vec<_>>(), [10, 11]);
    assert_eq!(record.findings(), []);
}

#[test]
fn what_the_broker_does_not_have_is_not_pruned() {
    let door = Sender::new();
    let mut store = door.store();
    for day in 1..=5 {
        store.record(at(day), secured()).unwrap();
    }
    let mut outbox: Outbox = door.outbox();
    assert_eq!(store.prune(at(30), DAY, 100).unwrap(), 0);
    for seq in [1, 2, 4] {
        outbox.apply(&[Change::Done { seq }], None).unwrap();
    }
    assert_eq!(store.prune(at(30), DAY, 100).unwrap(), 2);
    assert!(store.verify(None).unwrap().is_whole());
}

#[test]
fn events_recorded_together_are_chained_and_all_or_none() {
    let mut record = Record::new();
    let three = record
        .store
        .record_all(
            [granted(), secured(), secured()].map(|event| (at(11), event)),
            None,
        )
        .unwrap();
    assert_eq!(
        three.iter().map(|e| e.seq).collect::<Vec<_>>(),
        [11, 12, 13]
    );
    assert_eq!(record.findings(), []);
    record.sql(
        "CREATE TRIGGER sabotage BEFORE INSERT ON events WHEN NEW.seq = 15
         BEGIN SELECT RAISE(ABORT, 'no'); END",
    );
    let failed = record
        .store
        .record_all([granted(), secured()].map(|event| (at(11), event)), None);
    assert!(failed.is_err());
    assert_eq!(record.store.head().unwrap().seq, 13);
    // No number is lost.
    assert_eq!(record.store.record(at(11), secured()).unwrap().seq, 14);
    assert_eq!(record.findings(), []);
}

#[test]
fn a_database_from_before_the_chain_is_chained_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("door.db");
    drop(Store::open(&path, None).unwrap());
    let raw = Connection::open(&path).unwrap();
    // Back to schema 3, as it was before the audit tables.
    raw.execute_batch(
        "DROP TRIGGER persons_ruled_inserted; DROP TRIGGER persons_ruled_updated;
         DROP TRIGGER persons_ruled_deleted; DROP TRIGGER person_groups_inserted;
         DROP TRIGGER person_groups_deleted; DROP TRIGGER operators_inserted;
         DROP TRIGGER operators_updated; DROP TRIGGER operators_deleted;
         DROP TRIGGER presence_forgotten;
         ALTER TABLE events DROP COLUMN by; ALTER TABLE events DROP COLUMN clock_synced;
         ALTER TABLE events DROP COLUMN hash;
         DROP TABLE chain; DROP TABLE chain_start; DROP TABLE checkpoints;
         DROP TABLE person_groups; DROP TABLE groups; DROP TABLE schedules; DROP TABLE holidays;
         DROP TABLE presence; DROP TABLE orders; DROP TABLE conditions; DROP TABLE rules_revision;
         ALTER TABLE persons DROP COLUMN duress_hash; ALTER TABLE persons DROP COLUMN pin_hash;
         ALTER TABLE persons DROP COLUMN valid_from; ALTER TABLE persons DROP COLUMN valid_until;
         ALTER TABLE persons DROP COLUMN extended;
         DROP TABLE outbox_dropped; DROP TABLE operators; DROP TABLE commands_seen;
         DROP TRIGGER outbox_grows; DROP TRIGGER outbox_shrinks; DROP TRIGGER outbox_refuses;
         DROP TRIGGER outbox_retries; DROP TABLE outbox_size;
         DROP INDEX outbox_qos0; DROP INDEX outbox_expiry; DROP INDEX outbox_refused;
         ALTER TABLE outbox DROP COLUMN expires_at; ALTER TABLE outbox DROP COLUMN correlation;
         ALTER TABLE outbox DROP COLUMN sent_at;
         DELETE FROM refinery_schema_history WHERE version >= 4;",
    )
    .unwrap();
    for seq in 1..=3 {
        raw.execute(
            "INSERT INTO events (seq, id, time, kind, data) VALUES (?, ?, ?, ?, ?)",
            params![
                seq,
                format!("01890a5d-ac96-774b-bcce-b302099a805{seq}"),
                format!("2026-01-0{seq}T00:00:00.000Z"),
                "door.secured",
                r#"{"cause":"stop"}"#
            ],
        )
        .unwrap();
    }
    let mut store = Store::open(&path, None).unwrap();
    let report = store.verify(None).unwrap();
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(report.head.seq, 3);
    assert_eq!(store.record(at(1), secured()).unwrap().seq, 4);
    // Hashes that vanish later are not made up.
    raw.execute("UPDATE events SET hash = NULL", []).unwrap();
    drop(store);
    let store = Store::open(&path, None).unwrap();
    assert!(!store.verify(None).unwrap().is_whole());
}

#[test]
fn the_command_line_verifies_with_exit_codes_and_plain_words() {
    let door = Door::new("");
    let mut store = door.store();
    for _ in 1..=3 {
        store.record(at(1), secured()).unwrap();
    }
    let output = door.run(&["events", "verify"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("ok: 3 events, 1 to 3, head "));

    let token = door.run(&["events", "checkpoint"]).stdout;
    let key = door.run(&["events", "key"]).stdout;
    let (token_file, key_file) = (door.path("token"), door.path("public.pem"));
    std::fs::write(&token_file, &token).unwrap();
    std::fs::write(&key_file, &key).unwrap();
    let public = PublicKey::from_pem(&String::from_utf8_lossy(&key)).unwrap();
    let claims = verify(&public, &String::from_utf8_lossy(&token)).unwrap();
    assert_eq!(
        (claims.iss.as_str(), claims.seq),
        ("/doorward/home/front", 3)
    );

    let raw = Connection::open(door.path("door.db")).unwrap();
    raw.execute_batch(
        "DELETE FROM events WHERE seq = 3; DELETE FROM checkpoints;
         UPDATE chain SET (seq, hash) = (SELECT seq, hash FROM events WHERE seq = 2)",
    )
    .unwrap();
    // Everything fits, but a door with its own key has signed its record.
    let output = door.run(&["events", "verify"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("the record holds no checkpoint"), "{text}");
    let against = [
        "events",
        "verify",
        "--checkpoint",
        token_file.to_str().unwrap(),
        "--public-key",
        key_file.to_str().unwrap(),
    ];
    let output = door.run(&against);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("the record ends with event 2"), "{text}");
    let output = door.run(&[&["--json"], &against[..]].concat());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["findings"][0]["finding"], "no_checkpoint");
    assert_eq!(json["findings"][1]["finding"], "cut");
    assert_eq!(output.status.code(), Some(1));

    door.configure("[door]\nname = \"back\"");
    let output = door.run(&against);
    assert!(stderr(&output).contains("the checkpoint is of the door /doorward/home/front"));
    door.configure("");

    std::fs::write(&token_file, "e30.e30.e30").unwrap();
    let output = door.run(&against);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("was not signed with this key"));
}

#[test]
fn events_that_a_running_service_would_have_signed_by_now_are_found_unsigned() {
    let door = Door::new("");
    let mut store = door.store();
    for minute in [0, 5, 11, 14] {
        let time = format!("2026-03-01T08:{minute:02}:00Z").parse().unwrap();
        store.record(time, secured()).unwrap();
    }
    let verified = || {
        let output = door.run(&["--json", "events", "verify"]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), json["findings"].clone())
    };
    let (code, findings) = verified();
    assert_eq!(
        (code, &findings[0]["finding"]),
        (Some(1), &"unsigned".into())
    );
    assert_eq!(findings[0]["from"], 1);
    // Where none are made, none is missing.
    door.configure("[audit]\ncheckpoint_every_min = 0\n");
    assert_eq!(verified().0, Some(0));
    door.configure("");
    store
        .checkpoint(
            at(1),
            &open_signer(&door.path("door.db.key"), "/doorward/home/front".into()).unwrap(),
        )
        .unwrap();
    assert_eq!(verified().0, Some(0));
}

/// By the kernel's word and not by the environment's.
#[test]
fn an_author_is_whose_login_session_it_is() {
    let door = Door::new("");
    let add = |first: &str, group: &str| {
        let run = format!("{first}; exec \"$0\" --config \"$1\" groups set {group}");
        let output = Command::new("bash")
            .args(["-c", &run])
            .arg(env!("CARGO_BIN_EXE_doorward"))
            .arg(door.config())
            .env("SUDO_USER", "mallory")
            .env("LOGNAME", "mallory")
            .env("USER", "mallory")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let events = door.store().events(&EventFilter::default()).unwrap();
        events.last().unwrap().by.clone().unwrap()
    };
    let by = add("true", "one");
    assert!(!by.contains("mallory") && by.starts_with("cli:"), "{by}");
    // Only root can set it, and only where nobody has logged in.
    let loginuid = std::fs::read_to_string("/proc/self/loginuid").unwrap_or_default();
    if !rustix::process::geteuid().is_root() || loginuid.trim() != u32::MAX.to_string() {
        return;
    }
    assert_eq!(
        add("echo 1 > /proc/self/loginuid", "two"),
        "cli:root (login: daemon)"
    );
    assert_eq!(
        add("echo 54321 > /proc/self/loginuid", "three"),
        "cli:root (login: user 54321)"
    );
}

#[test]
fn administration_names_who_did_it() {
    let door = Door::new("");
    let mut store = door.store();
    let template = doorward::store::NewTemplate {
        model_id: "m".into(),
        embedding: vec![0.6, 0.8],
        quality: 0.5,
        image_sha256: "1".into(),
        photo: None,
    };
    store.enroll(at(1), "Ada", &[template]).unwrap();
    let output = door.run(&["people", "suspend", "Ada"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let events = store.events(&EventFilter::default()).unwrap();
    assert_eq!(events[0].by, None);
    let by = events[1].by.as_deref().unwrap();
    assert!(by.starts_with("cli:") && by.len() > 4, "{by}");
    // An event without data is listed too.
    store.record(at(2), Event::DoorOpened).unwrap();
    let listed = door.run(&["events", "list"]).stdout;
    let listed = String::from_utf8_lossy(&listed);
    assert!(listed.contains("door.opened") && listed.contains(&format!("by {by}")));
}

#[test]
fn exports_hold_every_event_and_no_formula() {
    let door = Door::new("");
    let mut store = door.store();
    store.set_author(Some("=cmd|x".into()));
    store.record(at(1), granted()).unwrap();
    let mode = Event::ModeSet {
        mode: Some(Mode::Lockdown),
        until: None,
    };
    store.record(at(2), mode).unwrap();
    store.set_author(Some("cli:<b>".into()));
    store.record(at(3), secured()).unwrap();

    let csv = door.run(&["events", "export", "--csv"]).stdout;
    let mut table = csv::Reader::from_reader(&csv[..]);
    let columns = "seq id time kind person by clock_synced data hash";
    assert_eq!(
        table
            .headers()
            .unwrap()
            .iter()
            .collect::<Vec<_>>()
            .join(" "),
        columns
    );
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(&rows[0][5], "'=cmd|x");
    assert_eq!(&rows[2][7], r#"{"cause":"stop"}"#);
    assert_eq!(rows[2][8], store.head().unwrap().hash.to_string());

    let json = door
        .run(&["--json", "events", "export", "--kind", "door"])
        .stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!((&json["seq"], &json["by"]), (&3.into(), &"cli:<b>".into()));

    let page = door.path("record.html");
    let export = [
        "events",
        "export",
        "--html",
        "--output",
        page.to_str().unwrap(),
    ];
    assert!(door.run(&export).status.success());
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.contains("Verified: all 3 events") && text.contains("cli:&lt;b&gt;"));
    assert_eq!(text.matches("<tr>").count(), 4);

    assert_eq!(door.run(&["events", "export"]).status.code(), Some(1));
    let nowhere = door.path("no/such/folder.csv");
    let output = door.run(&[
        "events",
        "export",
        "--csv",
        "--output",
        nowhere.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot write the export to"));
}

#[test]
fn an_export_that_fails_leaves_the_file_as_it_was() {
    let record = Record::new();
    let path = record.folder.path().join("record.csv");
    std::fs::write(&path, "before").unwrap();
    record.sql("UPDATE events SET data = 'nonsense' WHERE seq = 9");
    let report = record.store.verify(None).unwrap();
    let heading = export::Heading {
        door: "/d",
        time: at(1),
        report: &report,
    };
    let filter = EventFilter::default();
    let written = export::write_file(&record.store, &filter, export::Format::Csv, &heading, &path);
    assert!(written.is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
    assert_eq!(
        std::fs::read_dir(record.folder.path())
            .unwrap()
            .filter(|entry| {
                entry
                    .as_ref()
                    .unwrap()
                    .file_name()
                    .to_string_lossy()
                    .starts_with(".tmp")
            })
            .count(),
        0
    );
}

#[test]
fn the_broker_keeps_the_newest_checkpoint_and_it_verifies_there() {
    let door = Sender::new();
    let broker = Broker::builder(&door.pki).start();
    let door = door.at(broker.port);
    let signer = open_signer(&door.folder().join("key"), door.config.source()).unwrap();
    let mut store = door.store();
    for _ in 0..3 {
        store.record(Timestamp::now(), secured()).unwrap();
        store.checkpoint(Timestamp::now(), &signer).unwrap();
    }
    // Of those that wait only the newest is sent.
    let waiting = door.outbox().queued(10, Timestamp::UNIX_EPOCH).unwrap();
    let waiting = waiting.iter().filter(|row| row.class == "checkpoint");
    assert_eq!(waiting.count(), 1);
    let pump = door.pump();
    pump.connected();
    door.drained(SOON);
    // Whoever comes later gets it.
    let topic = "doorward/home/front/checkpoint";
    let late = Subscriber::start(broker.port, Some(&door.pki), topic, &Login::default());
    wait_for("the checkpoint", SOON, || !late.messages().is_empty());
    let message = &late.messages()[0];
    assert!(message.retain);
    assert_eq!(message.content_type, "application/jose");
    let public = PublicKey::from_pem(&signer.public_key().to_pem()).unwrap();
    let claims = verify(&public, &message.payload).unwrap();
    assert_eq!(claims.head(), store.head().unwrap());
    assert!(store.verify(Some(&claims.head())).unwrap().is_whole());
    pump.handle.shutdown(Duration::from_secs(5));
}
