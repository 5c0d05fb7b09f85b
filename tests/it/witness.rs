//! The witness: a record that root rewrote is proven false from another machine's file.
//!
//! Real broker over TLS, the real binaries; the attacker has the whole folder of the door, its key too.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};

use doorward::event::chain::{Head, Link};
use rusqlite::{Connection, params};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::broker::Broker;
use crate::support::clip::{self, Scene};
use crate::support::door::{Door, PATIENCE, doorward, stderr};
use crate::support::pki::Pki;
use crate::support::wait_for;

const TRUSTED: &str = "[clock]\nalways_trusted = true\n";

/// A broker, a door on it, and a folder on "another machine".
struct Site {
    elsewhere: tempfile::TempDir,
    pki: Pki,
    broker: Broker,
    door: Door,
}

impl Site {
    fn new() -> Self {
        let elsewhere = tempfile::tempdir().unwrap();
        let pki = Pki::new(elsewhere.path(), "ca");
        let broker = Broker::builder(&pki).start();
        let door = Door::new(&format!(
            "[camera]\nsource = \"file\"\npath = \"clip.avi\"\nrepeat = true\n\
             [mqtt]\nurl = \"{}\"\nca_file = {:?}\n{TRUSTED}",
            broker.url(),
            pki.ca,
        ));
        clip::write(&door.path("clip.avi"), &[Scene::empty(1.0)]).unwrap();
        Self {
            elsewhere,
            pki,
            broker,
            door,
        }
    }

    fn file(&self) -> PathBuf {
        self.elsewhere.path().join("witness.db")
    }

    /// A session of the door with so much in it: groups that come and go, and a clean end.
    fn day(&self, name: &str) {
        let mut service = self.door.start();
        service.wait_for("\"ready\"");
        for verb in ["set", "remove"] {
            let done = self.door.run(&["groups", verb, name]);
            assert!(done.status.success(), "{}", stderr(&done));
        }
        for mode in ["lockdown", "schedule"] {
            let done = self.door.run(&["mode", mode]);
            assert!(done.status.success(), "{}", stderr(&done));
        }
        let raw = Connection::open(self.door.path("door.db")).unwrap();
        wait_for("the broker has everything", PATIENCE, || {
            let waiting = "SELECT count(*) FROM outbox WHERE stage < 3";
            raw.query_row(waiting, [], |row| row.get::<_, i64>(0)) == Ok(0)
        });
        service.signal(Signal::TERM);
        assert!(service.wait().success(), "{}", service.log());
    }

    fn witness(&self, more: &[&str]) -> Witness {
        let mut command = doorward();
        command
            .args([
                "--json",
                "witness",
                "--url",
                &self.broker.url(),
                "--patience",
                "2",
            ])
            .arg("--ca")
            .arg(&self.pki.ca)
            .arg("--file")
            .arg(self.file())
            .args(more);
        let witness = Witness::start(command.stdout(Stdio::piped()).spawn().unwrap());
        wait_for("the witness listens", PATIENCE, || {
            witness.said().iter().any(|line| line["listening"] == true)
        });
        witness
    }

    fn verify(&self, more: &[&str]) -> Output {
        let file = self.file();
        let verify = ["events", "verify", "--witness", file.to_str().unwrap()];
        self.door.run(&[&verify, more].concat())
    }

    fn newest(&self) -> u64 {
        self.door.store().head().unwrap().seq
    }

    /// As root does it: whatever `sql` says, the chain computed anew, the memory of checkpoints gone.
    fn rewrite(&self, sql: &str) {
        let raw = Connection::open(self.door.path("door.db")).unwrap();
        raw.execute_batch(sql).unwrap();
        let mut previous = Head::default();
        let mut statement = raw
            .prepare("SELECT seq, id, time, kind, by, clock_synced, data FROM events ORDER BY seq")
            .unwrap();
        let mut rows = statement.query([]).unwrap();
        let mut heads = Vec::new();
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
            previous = Head {
                seq: link.seq,
                hash: link.hash(previous.hash),
            };
            heads.push(previous);
        }
        for Head { seq, hash } in heads {
            let seq = i64::try_from(seq).unwrap();
            let update = "UPDATE events SET hash = ? WHERE seq = ?";
            raw.execute(update, params![hash.0, seq]).unwrap();
            let update = "UPDATE chain SET seq = ?, hash = ?";
            raw.execute(update, params![seq, hash.0]).unwrap();
        }
        raw.execute_batch("DELETE FROM checkpoints").unwrap();
    }
}

/// A running witness; killed when dropped.
struct Witness {
    child: Child,
    said: Arc<Mutex<Vec<Value>>>,
}

impl Witness {
    fn start(mut child: Child) -> Self {
        let said = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let keep = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                keep.lock()
                    .unwrap()
                    .push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, said }
    }

    fn said(&self) -> Vec<Value> {
        self.said.lock().unwrap().clone()
    }

    /// Kinds of what did not fit.
    fn found(&self) -> Vec<String> {
        let said = self.said();
        let kinds = said.iter().filter_map(|line| line["finding"].as_str());
        kinds.map(str::to_owned).collect()
    }

    fn end(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until it has heard the door's newest event.
#[track_caller]
fn heard(site: &Site) {
    let newest = site.newest();
    wait_for("the newest event", PATIENCE, || {
        let mut list = doorward();
        list.args(["--json", "witness", "--list", "--file"])
            .arg(site.file());
        let listed = list.output().unwrap().stdout;
        let doors: Value = serde_json::from_slice(&listed).unwrap_or_default();
        doors[0]["newest"]["seq"] == newest && doors[0]["events"] == newest
    });
}

#[test]
fn a_record_that_root_rewrote_is_proven_false_from_another_machines_file() {
    let site = Site::new();
    let witness = site.witness(&[]);
    site.day("one");
    heard(&site);
    assert_eq!(witness.found(), Vec::<String>::new());
    // The key the door signs with, once it has one.
    let key = site.elsewhere.path().join("front.pem");
    std::fs::write(&key, site.door.run(&["events", "key"]).stdout).unwrap();
    assert!(witness.end().success());

    // What is published while it is away comes when it is back.
    site.day("two");
    let key = format!("home/front={}", key.display());
    let witness = site.witness(&["--key", &key]);
    heard(&site);
    assert!(witness.said().iter().any(|line| line["resumed"] == true));
    assert_eq!(witness.found(), Vec::<String>::new());
    assert!(witness.end().success());
    let output = site.verify(&[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("the witness") && said.contains("all are met"),
        "{said}"
    );
    // It needs to be told nothing but numbers and hashes.
    let kept = std::fs::read(site.file()).unwrap();
    for word in ["one", "lockdown", "groups", "cli:"] {
        let has = kept.windows(word.len()).any(|part| part == word.as_bytes());
        assert!(!has, "the file holds {word:?}");
    }

    // An event is changed, everything after it chained anew, the last one cut: all sound in itself.
    let newest = site.newest();
    site.rewrite(&format!(
        "UPDATE events SET data = replace(data, 'lockdown', 'normal');
         DELETE FROM events WHERE seq = {newest}"
    ));
    // (Without the witness, only that checkpoints are missing is seen; and root makes a new one.)
    assert_eq!(site.door.run(&["events", "verify"]).status.code(), Some(1));
    assert!(site.door.run(&["events", "checkpoint"]).status.success());
    assert_eq!(site.door.run(&["events", "verify"]).status.code(), Some(0));
    let output = site.verify(&["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let of = |kind: &str| findings.iter().filter(|f| f["finding"] == kind).count();
    assert!(of("not_as_witnessed") > 3 && of("cut") >= 1, "{report}");

    // And the door gives itself away as soon as it goes on.
    let witness = site.witness(&[]);
    site.day("three");
    wait_for("the witness tells", PATIENCE, || {
        witness.found().contains(&"fork".to_owned())
    });
    assert_eq!(witness.end().code(), Some(1));
}

#[test]
fn events_that_never_reached_the_witness_are_a_gap_and_a_record_begun_anew_is_a_rewind() {
    let site = Site::new();
    let witness = site.witness(&[]);
    site.day("one");
    heard(&site);
    // Two events vanish from the outbox, as if somebody kept them from being told.
    let raw = Connection::open(site.door.path("door.db")).unwrap();
    for name in ["kept", "quiet"] {
        assert!(site.door.run(&["groups", "set", name]).status.success());
    }
    raw.execute_batch("DELETE FROM outbox WHERE stage < 3")
        .unwrap();
    site.day("two");
    wait_for("the gap", PATIENCE, || witness.found() == ["gap"]);
    let said = witness.said();
    let gap = said.iter().find(|line| line["finding"] == "gap").unwrap();
    assert!(
        gap["detail"].as_str().unwrap().contains("never came"),
        "{gap}"
    );

    for file in std::fs::read_dir(site.door.path("")).unwrap() {
        let path = file.unwrap().path();
        if path.to_str().unwrap().contains("door.db") {
            std::fs::remove_file(path).unwrap();
        }
    }
    site.day("three");
    wait_for("the rewind", PATIENCE, || {
        let found = witness.found();
        found.iter().any(|kind| kind == "rewind") && found.iter().any(|kind| kind == "fork")
    });
    assert_eq!(witness.end().code(), Some(1));
    // It stays known.
    let mut list = doorward();
    list.args(["witness", "--list", "--file"]).arg(site.file());
    let listed = list.output().unwrap();
    assert_eq!(listed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&listed.stdout).contains("rewind: "));
}

#[test]
fn a_forged_checkpoint_and_a_stranger_who_speaks_for_a_door_are_told() {
    let site = Site::new();
    let key = site.elsewhere.path().join("front.pem");
    std::fs::write(&key, site.door.run(&["events", "key"]).stdout).unwrap();
    let witness = site.witness(&["--key", &format!("home/front={}", key.display())]);
    site.day("one");
    heard(&site);
    let genuine = site.door.run(&["events", "checkpoint"]).stdout;
    let genuine = String::from_utf8(genuine).unwrap();
    let (signed, _) = genuine.trim().rsplit_once('.').unwrap();
    let publish = |topic: &str, payload: &str| {
        let sent = std::process::Command::new("mosquitto_pub")
            .args([
                "-h",
                "localhost",
                "-q",
                "1",
                "-p",
                &site.broker.port.to_string(),
            ])
            .arg("--cafile")
            .arg(&site.pki.ca)
            .args(["-t", topic, "-m", payload])
            .status();
        assert!(sent.unwrap().success());
    };
    publish(
        "doorward/home/front/checkpoint",
        &format!("{signed}.{}", "A".repeat(86)),
    );
    wait_for("the forgery", PATIENCE, || witness.found() == ["forged"]);
    publish("doorward/home/back/checkpoint", genuine.trim());
    wait_for("the stranger", PATIENCE, || witness.found().len() == 2);
    assert_eq!(witness.found()[1], "impostor");
    publish("doorward/home/front/alarm", "rubbish");
    wait_for("the rubbish", PATIENCE, || {
        witness
            .said()
            .iter()
            .any(|line| line["ignored"].is_string())
    });
    assert_eq!(witness.found().len(), 2);
    assert_eq!(witness.end().code(), Some(1));
}

#[test]
fn mqtt_3_1_1_does_the_same() {
    let site = Site::new();
    let version = ["--protocol", "3.1.1"];
    let witness = site.witness(&version);
    site.day("one");
    heard(&site);
    assert!(witness.end().success());
    site.day("two");
    let witness = site.witness(&[&version[..], &["--until-idle", "3"]].concat());
    heard(&site);
    wait_for("it ends by itself", PATIENCE, || {
        let pid = Pid::from_child(&witness.child);
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        stat.is_ok_and(|stat| stat.contains(") Z "))
    });
    assert_eq!(witness.found(), Vec::<String>::new());
    assert!(site.verify(&[]).status.success());
}
