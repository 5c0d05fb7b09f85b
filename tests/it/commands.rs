//! Commands to a running door over a real broker with TLS: who gets in, and above all who does not.
//!
//! Each refusal is answered, recorded, and moves nothing. The sending side is mostly Mosquitto's own
//! client, which knows nothing of ours. Nobody stands before the camera.

mod line;
mod restored;

use std::process::Command as Process;
use std::time::{Duration, Instant};

use doorward::clock::Timestamp;
use doorward::command::token::{Claims, sign};
use doorward::command::{Command, ModeWord};
use doorward::event::Alarm;
use doorward::keys::SigningKey;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::broker::Broker;
use crate::support::clip::{self, Scene};
use crate::support::door::{Door, PATIENCE, Service, doorward, stderr};
use crate::support::pki::Pki;
use crate::support::subscriber::{Login, Subscriber};
use crate::support::wait_for;

const BASE: &str = "doorward/home/front";
const DOOR: &str = "/doorward/home/front";
const TRUSTED: &str = "[clock]\nalways_trusted = true\n";

/// A door on a broker with three operators, and somebody who listens to everything.
struct Site {
    _folder: tempfile::TempDir,
    pki: Pki,
    broker: Broker,
    door: Door,
    watcher: Subscriber,
}

impl Site {
    /// `mqtt` follows in that section, `more` in sections of its own.
    fn new(mqtt: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::new(folder.path(), "ca");
        let broker = Broker::builder(&pki).start();
        let watcher = Subscriber::start(broker.port, Some(&pki), "doorward/#", &Login::default());
        let door = Door::new(&format!(
            "[camera]\nsource = \"file\"\npath = \"clip.avi\"\nrepeat = true\nmotion_gate = false\n\
             [mqtt]\nurl = \"{}\"\nca_file = {:?}\n{mqtt}\n{more}",
            broker.url(),
            pki.ca,
        ));
        clip::write(&door.path("clip.avi"), &[Scene::empty(1.0)]).unwrap();
        let site = Self {
            _folder: folder,
            pki,
            broker,
            door,
            watcher,
        };
        for (name, role) in [("vera", "view"), ("otto", "operate"), ("ada", "admin")] {
            let folder = site.door.path("");
            let folder = folder.to_str().unwrap();
            let add = [
                "operators",
                "add",
                name,
                "--role",
                role,
                "--generate",
                folder,
            ];
            let added = site.door.run(&add);
            assert!(added.status.success(), "{}", stderr(&added));
        }
        site
    }

    /// How often the door has subscribed.
    fn listened(&self) -> usize {
        let log = self.broker.log();
        log.matches("Sending SUBACK to doorward-home-front").count()
    }

    fn start(&self) -> Service {
        let before = self.watcher.payloads("availability").len();
        let listened = self.listened();
        let mut service = self.door.start();
        service.wait_for("\"ready\"");
        wait_for("the door is online", PATIENCE, || {
            let said = self.watcher.payloads("availability");
            said.len() > before && said.last().is_some_and(|said| said == "online")
        });
        wait_for("the door listens", PATIENCE, || self.listened() > listened);
        service
    }

    /// Relay transitions since the start, without the first one, which is the start's.
    fn moves(&self) -> usize {
        self.door.transitions().len() - 1
    }

    fn key(&self, name: &str) -> SigningKey {
        let text = std::fs::read_to_string(self.door.path(&format!("{name}.key"))).unwrap();
        SigningKey::from_pem(&text).unwrap()
    }

    /// A token of `name`, genuine unless `change` says otherwise.
    fn token(
        &self,
        name: &str,
        id: &str,
        cmd: Command,
        change: impl FnOnce(&mut Claims<Command>),
    ) -> String {
        let now = Timestamp::now().as_second();
        let mut claims = Claims {
            iss: name.into(),
            aud: DOOR.into(),
            jti: id.into(),
            iat: now,
            exp: now + 30,
            cmd,
        };
        change(&mut claims);
        sign(&self.key(name), &claims).unwrap()
    }

    fn genuine(&self, name: &str, id: &str, cmd: Command) -> String {
        self.token(name, id, cmd, |_| {})
    }

    /// Publishes as anybody could.
    fn publish(&self, leaf: &str, payload: &str, more: &[&str]) {
        let status = Process::new("mosquitto_pub")
            .args(["-V", "mqttv5", "-h", "localhost", "-q", "1"])
            .args(["-p", &self.broker.port.to_string()])
            .arg("--cafile")
            .arg(&self.pki.ca)
            .args(["-t", &format!("{BASE}/{leaf}"), "-m", payload])
            .args(more)
            .status()
            .unwrap();
        assert!(status.success());
    }

    fn send(&self, token: &str) {
        self.publish("command", token, &[]);
    }

    fn results(&self) -> Vec<Value> {
        let messages = self.watcher.messages();
        let results = messages
            .iter()
            .filter(|message| message.topic.contains("/command/result"));
        results.map(|message| message.json()).collect()
    }

    /// Waits for one more answer than `seen`, and gives it.
    #[track_caller]
    fn next_result(&self, seen: usize) -> Value {
        wait_for("the answer", PATIENCE, || self.results().len() > seen);
        self.results()[seen].clone()
    }

    /// Sends it and waits for its answer.
    #[track_caller]
    fn answer(&self, token: &str) -> Value {
        let seen = self.results().len();
        self.send(token);
        self.next_result(seen)
    }

    #[track_caller]
    fn refused(&self, token: &str) -> String {
        let answer = self.answer(token);
        assert_eq!(answer["ok"], false, "{answer}");
        answer["reason"].as_str().unwrap().to_owned()
    }

    fn refusals(&self) -> Vec<Value> {
        let events = self
            .door
            .json(&["events", "list", "--kind", "command.refused"]);
        events
            .into_iter()
            .map(|event| event["data"].clone())
            .collect()
    }

    fn executed(&self) -> Vec<Value> {
        self.door
            .json(&["events", "list", "--kind", "command.executed"])
    }

    /// Runs `doorward command`.
    fn command(&self, name: &str, arguments: &[&str]) -> std::process::Output {
        doorward()
            .arg("--config")
            .arg(self.door.config())
            .args(["command", "--as", name, "--key"])
            .arg(self.door.path(&format!("{name}.key")))
            .args(arguments)
            .output()
            .unwrap()
    }
}

#[track_caller]
fn ended(site: &Site, mut service: Service) {
    service.signal(Signal::TERM);
    assert!(service.wait().success(), "{}", service.log());
    let verified = site.door.run(&["events", "verify"]);
    assert!(verified.status.success(), "{}", stderr(&verified));
}

fn unlock() -> Command {
    Command::Unlock {}
}

#[test]
fn every_refusal_is_answered_and_recorded_and_moves_nothing() {
    let site = Site::new("", TRUSTED);
    let service = site.start();
    let forged = |change: fn(&mut Claims<Command>)| site.token("otto", "forged", unlock(), change);
    let locate = Command::Locate { seconds: None };
    let unlocked = Command::Mode {
        mode: ModeWord::Unlocked,
        until: None,
        for_s: None,
    };
    let never = Command::Acknowledge {
        alarm: Alarm::Tamper,
        note: None,
    };
    let mut tampered = site.genuine("otto", "t", unlock());
    let last = if tampered.ends_with('A') { "B" } else { "A" };
    let cut = tampered.len() - 10;
    tampered.replace_range(cut..=cut, last);
    // Mallory signs in otto's name, and with a name that nobody has.
    let mut by_vera = Claims {
        iss: "otto".into(),
        aud: DOOR.into(),
        jti: "v".into(),
        iat: Timestamp::now().as_second(),
        exp: Timestamp::now().as_second() + 30,
        cmd: unlock(),
    };
    let not_ottos = sign(&site.key("vera"), &by_vera).unwrap();
    by_vera.iss = "mallory".into();
    let of_nobody = sign(&site.key("vera"), &by_vera).unwrap();

    let twice = site.genuine("otto", "twice", Command::Lock {});
    assert_eq!(site.answer(&twice)["ok"], true);
    let cases = [
        ("not a command".to_owned(), "malformed", "malformed"),
        ("x".repeat(5000), "malformed", "malformed"),
        (of_nobody, "bad_signature", "unknown_operator"),
        (not_ottos, "bad_signature", "bad_signature"),
        (tampered, "bad_signature", "bad_signature"),
        (
            forged(|c| c.aud = "/doorward/home/back".into()),
            "wrong_door",
            "wrong_door",
        ),
        (
            forged(|c| c.exp = c.iat + 61),
            "lives_too_long",
            "lives_too_long",
        ),
        (
            forged(|c| {
                c.iat += 30;
                c.exp += 30;
            }),
            "from_future",
            "from_future",
        ),
        (
            site.token("otto", "old", unlock(), |c| {
                c.iat -= 60;
                c.exp -= 60;
            }),
            "expired",
            "expired",
        ),
        (twice, "replayed", "replayed"),
        (
            site.genuine("vera", "1", unlock()),
            "insufficient_role",
            "insufficient_role",
        ),
        (
            site.genuine("otto", "2", Command::Reload {}),
            "insufficient_role",
            "insufficient_role",
        ),
        (
            site.genuine("ada", "3", unlocked),
            "bad_arguments",
            "bad_arguments",
        ),
        (
            site.genuine("ada", "4", never),
            "bad_arguments",
            "bad_arguments",
        ),
        (
            site.genuine("vera", "5", locate),
            "not_available",
            "not_available",
        ),
    ];
    for (n, (token, told, recorded)) in cases.iter().enumerate() {
        assert_eq!(site.refused(token), *told, "case {n}");
        let last = site.refusals().pop().unwrap();
        assert_eq!(last["reason"], *recorded, "case {n}");
    }
    let lockdown = Command::Mode {
        mode: ModeWord::Lockdown,
        until: None,
        for_s: None,
    };
    assert_eq!(site.answer(&site.genuine("ada", "6", lockdown))["ok"], true);
    let shut_out = site.genuine("otto", "7", unlock());
    assert_eq!(site.refused(&shut_out), "door_refused");
    let schedule = Command::Mode {
        mode: ModeWord::Schedule,
        until: None,
        for_s: None,
    };
    assert_eq!(site.answer(&site.genuine("ada", "8", schedule))["ok"], true);
    // What was refused does not open the door once nothing stands in its way any more.
    assert_eq!(site.refused(&shut_out), "replayed");

    let seen = site.results().len();
    let genuine = site.genuine("otto", "9", unlock());
    site.publish("command", &genuine, &["-r"]);
    assert_eq!(site.next_result(seen)["reason"], "retained");
    assert_eq!(site.refusals().pop().unwrap()["reason"], "retained");
    assert_eq!(site.moves(), 0);
    ended(&site, service);
}

#[test]
fn a_genuine_command_is_recorded_and_opens_the_door() {
    let site = Site::new("", TRUSTED);
    let service = site.start();
    let done = site.command("otto", &["unlock", "--json"]);
    assert!(done.status.success(), "{}", stderr(&done));
    let result: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(result["ok"], true);
    assert_eq!(
        (&result["operator"], &result["verb"]),
        (&json!("otto"), &json!("unlock"))
    );
    wait_for("the release is over", PATIENCE, || site.moves() == 2);
    assert_eq!(site.door.transitions(), ["secured", "released", "secured"]);
    let events = site.door.json(&["events", "list"]);
    let kinds: Vec<_> = events
        .iter()
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    let at = kinds
        .iter()
        .position(|kind| *kind == "command.executed")
        .unwrap();
    assert_eq!(
        kinds[at..at + 3],
        ["command.executed", "door.released", "door.secured"]
    );
    assert_eq!(events[at]["data"]["id"], result["id"]);
    assert_eq!(events[at + 1]["data"]["cause"], "operator");
    for event in &events[at..at + 2] {
        assert_eq!(event["by"], "operator:otto");
    }
    // The answer went to the one topic that there is.
    wait_for("the watcher saw it", PATIENCE, || {
        !site.results().is_empty()
    });
    let answers = site.watcher.messages();
    let mut answers = answers
        .iter()
        .filter(|message| message.topic.contains("/command/result"));
    let topic = &answers.next().unwrap().topic;
    assert_eq!(*topic, format!("{BASE}/command/result"));
    assert!(answers.next().is_none());

    let refused = site.command("vera", &["unlock"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("insufficient_role"),
        "{}",
        stderr(&refused)
    );
    let mode = site.command("ada", &["mode", "unlocked", "--for", "1h"]);
    assert!(mode.status.success(), "{}", stderr(&mode));
    wait_for("the mode releases the door", PATIENCE, || site.moves() == 3);
    let lock = site.command("otto", &["lock"]);
    assert!(stderr(&lock).contains("door_refused"), "{}", stderr(&lock));
    let mode = site.command("ada", &["mode", "schedule"]);
    assert!(mode.status.success(), "{}", stderr(&mode));
    wait_for("the schedule secures it", PATIENCE, || site.moves() == 4);
    let set = site
        .door
        .json(&["events", "list", "--kind", "admin.mode_set"]);
    assert!(
        set.iter().all(|event| event["by"] == "operator:ada"),
        "{set:?}"
    );
    assert!(site.command("vera", &["snapshot"]).status.success());
    // (The watcher reads lines of text and ends at it.)
    wait_for("the picture", PATIENCE, || {
        site.broker.log().contains("'doorward/home/front/snapshot'")
    });
    ended(&site, service);
}

#[test]
fn another_client_asks_by_request_and_response_or_by_the_plain_topic() {
    let site = Site::new("", TRUSTED);
    let service = site.start();
    let printed = site.command("otto", &["--print", "--door", "home/front", "lock"]);
    assert!(printed.status.success(), "{}", stderr(&printed));
    let token = String::from_utf8(printed.stdout).unwrap();
    let response = format!("{BASE}/command/result");
    let ask = |token: &str, response: &str| {
        let output = Process::new("mosquitto_rr")
            .args(["-V", "mqttv5", "-h", "localhost", "-q", "1", "-W", "20"])
            .args(["-p", &site.broker.port.to_string()])
            .arg("--cafile")
            .arg(&site.pki.ca)
            .args(["-t", &format!("{BASE}/command"), "-e", response])
            .args(["-m", token, "-D", "publish", "correlation-data", "c-17"])
            .args(["-F", "%D %p"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let answer = ask(token.trim(), &response);
    let json = answer
        .strip_prefix("c-17 ")
        .unwrap_or_else(|| panic!("{answer:?}"));
    let json: Value = serde_json::from_str(json).unwrap();
    assert_eq!((&json["ok"], &json["door"]), (&json!(true), &json!(DOOR)));

    wait_for("the watcher saw it", PATIENCE, || site.results().len() == 1);
    let answer = site.answer(&site.genuine("otto", "plain-topic", Command::Lock {}));
    assert_eq!(answer["id"], "plain-topic");
    // The door is not made to write where only it may, nor for who cannot sign.
    let state = format!("{BASE}/state");
    for (payload, asked) in [
        (
            site.genuine("otto", "elsewhere", Command::Lock {}),
            state.as_str(),
        ),
        ("rubbish".to_owned(), response.as_str()),
    ] {
        let seen = site.results().len();
        let more = ["-D", "publish", "response-topic", asked];
        site.publish("command", &payload, &more);
        site.next_result(seen);
        let last = site.watcher.messages();
        let last = last
            .iter()
            .rfind(|message| message.payload.contains("\"ok\""));
        assert_eq!(last.unwrap().topic, format!("{BASE}/command/result"));
    }
    ended(&site, service);
}

#[test]
fn a_recorded_command_is_worth_nothing_not_even_after_a_crash() {
    let site = Site::new("", TRUSTED);
    let mut service = site.start();
    let recorded = site.token("otto", "once", unlock(), |c| c.exp = c.iat + 60);
    assert_eq!(site.answer(&recorded)["ok"], true);
    assert_eq!(site.refused(&recorded), "replayed");
    wait_for("the release is over", PATIENCE, || site.moves() == 2);
    service.signal(Signal::KILL);
    assert!(!service.wait().success());
    // Once more while the door is away: the broker keeps it for the door's session.
    let seen = site.results().len();
    site.send(&recorded);
    std::fs::remove_file(site.door.path("relay.jsonl")).unwrap();
    let service = site.start();
    assert_eq!(site.next_result(seen)["reason"], "replayed");
    assert_eq!(site.refused(&recorded), "replayed");
    // Nor under another operator's name who comes back with the same key.
    assert!(
        site.door
            .run(&["operators", "remove", "otto"])
            .status
            .success()
    );
    // What the command line changes counts within a second.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(site.refused(&recorded), "bad_signature");
    assert_eq!(site.refusals().pop().unwrap()["reason"], "unknown_operator");
    let public = site.key("otto").public_key().to_pem();
    std::fs::write(site.door.path("otto.pub"), public).unwrap();
    let public = site.door.path("otto.pub");
    let add = [
        "operators",
        "add",
        "otto",
        "--role",
        "admin",
        "--key",
        public.to_str().unwrap(),
    ];
    assert!(site.door.run(&add).status.success());
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(site.refused(&recorded), "replayed");
    assert_eq!(site.moves(), 0);
    assert_eq!(site.executed().len(), 1);
    ended(&site, service);
}

#[test]
fn two_copies_at_once_open_the_door_once() {
    let site = Site::new("", TRUSTED);
    let service = site.start();
    let token = site.genuine("otto", "race", unlock());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| site.send(&token));
        }
    });
    wait_for("four answers", PATIENCE, || site.results().len() == 4);
    let ok = site
        .results()
        .iter()
        .filter(|result| result["ok"] == true)
        .count();
    assert_eq!(ok, 1);
    wait_for("the release is over", PATIENCE, || site.moves() == 2);
    assert_eq!(site.executed().len(), 1);
    ended(&site, service);
}

#[test]
fn what_waited_at_the_broker_while_the_door_was_away_is_too_old() {
    let site = Site::new("", &format!("{TRUSTED}[commands]\nskew_s = 0\n"));
    let service = site.start();
    ended(&site, service);
    let seen = site.results().len();
    let token = site.token("otto", "late", unlock(), |c| c.exp = c.iat + 1);
    let sent = Instant::now();
    site.send(&token);
    // Kept for later by whoever keeps things: refused for that alone.
    let kept = site.genuine("otto", "kept", unlock());
    site.publish("command", &kept, &["-r"]);
    std::thread::sleep(Duration::from_secs(2).saturating_sub(sent.elapsed()));
    std::fs::remove_file(site.door.path("relay.jsonl")).unwrap();
    let service = site.start();
    let reasons = |site: &Site| -> Vec<String> {
        let results = site.results();
        let mut reasons: Vec<_> = results[seen..]
            .iter()
            .map(|result| result["reason"].as_str().unwrap_or("ok").to_owned())
            .collect();
        reasons.sort();
        reasons
    };
    wait_for("both are answered", PATIENCE, || reasons(&site).len() >= 2);
    assert_eq!(reasons(&site), ["expired", "retained"]);
    assert_eq!(site.moves(), 0);
    ended(&site, service);
}

#[test]
fn an_operator_is_limited_and_a_restart_does_not_help() {
    let site = Site::new("", &format!("{TRUSTED}[commands]\nper_minute = 2\n"));
    let mut service = site.start();
    for id in ["1", "2"] {
        let token = site.genuine("otto", id, Command::Lock {});
        assert_eq!(site.answer(&token)["ok"], true);
    }
    let third = site.genuine("otto", "3", unlock());
    assert_eq!(site.refused(&third), "rate_limited");
    assert_eq!(site.refusals().pop().unwrap()["reason"], "rate_limited");
    // The limit is each operator's own.
    let others = site.genuine("ada", "3", Command::Lock {});
    assert_eq!(site.answer(&others)["ok"], true);
    service.signal(Signal::KILL);
    assert!(!service.wait().success());
    let service = site.start();
    let fourth = site.genuine("otto", "4", unlock());
    assert_eq!(site.refused(&fourth), "rate_limited");
    // Refused is refused, also when there is room again.
    assert_eq!(site.refused(&third), "replayed");
    assert!(!site.door.transitions().contains(&"released".to_owned()));
    ended(&site, service);
}

#[test]
fn a_flood_fills_neither_the_record_nor_the_answers() {
    let site = Site::new("", TRUSTED);
    let service = site.start();
    let flood = "rubbish\n".repeat(2000);
    let mut child = Process::new("mosquitto_pub")
        .args(["-h", "localhost", "-p", &site.broker.port.to_string()])
        .arg("--cafile")
        .arg(&site.pki.ca)
        .args(["-q", "1", "-l", "-t", &format!("{BASE}/command")])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, flood.as_bytes()).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
    // A genuine one gets through behind it.
    let token = site.genuine("otto", "real", unlock());
    let opened = || {
        site.send(&token);
        site.executed().len() == 1
    };
    wait_for("the genuine command", PATIENCE, opened);
    let malformed = site.refusals();
    let malformed = malformed
        .iter()
        .filter(|refusal| refusal["reason"] == "malformed");
    assert!(malformed.count() < 20);
    assert!(site.results().len() < 40, "{}", site.results().len());
    ended(&site, service);
}

#[test]
fn without_a_clock_nobody_can_tell_what_is_still_valid() {
    let site = Site::new("", "[clock]\nsynchronised_file = \"synchronised\"\n");
    let service = site.start();
    let token = site.token("otto", "early", unlock(), |c| c.exp = c.iat + 60);
    assert_eq!(site.refused(&token), "clock_untrusted");
    assert_eq!(site.refusals().pop().unwrap()["reason"], "clock_untrusted");
    std::fs::write(site.door.path("synchronised"), "").unwrap();
    assert_eq!(site.refused(&token), "replayed", "refused is refused");
    let fresh = site.genuine("otto", "now", Command::Lock {});
    assert_eq!(site.answer(&fresh)["ok"], true);
    assert_eq!(site.moves(), 0);
    ended(&site, service);
}

#[test]
fn what_cannot_be_recorded_does_not_open_the_door() {
    // Also where people are let in all the same: a command could be sent again.
    for policy in ["deny", "grant"] {
        let audit = format!("{TRUSTED}[audit]\non_storage_failure = \"{policy}\"\n");
        let site = Site::new("", &audit);
        let mut service = site.start();
        let raw = rusqlite::Connection::open(site.door.path("door.db")).unwrap();
        raw.busy_timeout(PATIENCE).unwrap();
        // (A disk that is really full ends the connection to the broker too.)
        raw.execute_batch(
            "CREATE TRIGGER sabotage BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .unwrap();
        let token = site.token("otto", "no", unlock(), |c| c.exp = c.iat + 60);
        site.send(&token);
        service.wait_for("storage_failure");
        site.send(&token);
        service.wait_for("replayed");
        assert_eq!(site.moves(), 0, "{policy}");
        assert!(site.results().is_empty(), "nothing overtakes what waits");
        raw.execute_batch("DROP TRIGGER sabotage").unwrap();
        service.wait_for("the store can be written again");
        assert_eq!(site.next_result(0)["reason"], "storage_failure");
        assert_eq!(site.next_result(1)["reason"], "replayed");
        // It was refused, and whoever recorded it cannot make it up, not even after a crash.
        service.signal(Signal::KILL);
        assert!(!service.wait().success());
        let service = site.start();
        assert_eq!(site.refused(&token), "replayed");
        assert!(!site.door.transitions().contains(&"released".to_owned()));
        let refused = site.refusals();
        assert_eq!(refused[0]["reason"], "storage_failure");
        assert_eq!(refused[0]["operator"], "otto");
        assert!(site.executed().is_empty());
        ended(&site, service);
    }
}

#[test]
fn plain_payloads_are_off_unless_a_client_is_named() {
    let site = Site::new("", TRUSTED);
    let service = site.start();
    for leaf in [
        "command/plain/homeassistant",
        "command/plain",
        "command/plain/",
    ] {
        site.publish(leaf, "UNLOCK", &[]);
    }
    // What the door does not hear needs no answer; what it hears is no command.
    site.publish("command", "UNLOCK", &[]);
    assert_eq!(site.next_result(0)["reason"], "malformed");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!((site.results().len(), site.moves()), (1, 0));
    ended(&site, service);
}

#[test]
fn plain_payloads_of_the_named_client_mean_one_passage_and_nothing_that_is_old() {
    let site = Site::new(
        "",
        &format!("{TRUSTED}[commands]\nplain_client = \"homeassistant\"\n"),
    );
    let mut service = site.start();
    let leaf = "command/plain/homeassistant";
    // Just after a connection it could be one that the broker kept.
    site.publish(leaf, "UNLOCK", &[]);
    assert_eq!(site.next_result(0)["reason"], "expired");
    std::thread::sleep(Duration::from_secs(5));
    for (payload, more, told) in [
        ("UNLOCK", ["-r"].as_slice(), "retained"),
        ("unlock", &[], "malformed"),
        ("UNLOCK please", &[], "malformed"),
    ] {
        let seen = site.results().len();
        site.publish(leaf, payload, more);
        assert_eq!(site.next_result(seen)["reason"], told, "{payload}");
    }
    site.publish("command/plain/somebody", "UNLOCK", &[]);
    assert_eq!(site.moves(), 0);
    for (n, payload) in ["UNLOCK", "OPEN"].into_iter().enumerate() {
        let seen = site.results().len();
        site.publish(leaf, payload, &[]);
        let answer = site.next_result(seen);
        assert_eq!(answer["ok"], true, "{answer}");
        assert_eq!(answer["operator"], "plain:homeassistant");
        wait_for("one passage", PATIENCE, || site.moves() == 2 * (n + 1));
    }
    let executed = site.executed();
    assert!(
        executed
            .iter()
            .all(|event| event["by"] == "plain:homeassistant")
    );
    // Sent at QoS 1 while the door is away, after a crash that left the session with the broker.
    service.signal(Signal::KILL);
    assert!(!service.wait().success());
    let seen = site.results().len();
    site.publish(leaf, "UNLOCK", &[]);
    std::fs::remove_file(site.door.path("relay.jsonl")).unwrap();
    let service = site.start();
    // The door listens, and nothing came of it: this broker keeps nothing for QoS 0.
    let token = site.genuine("otto", "after", Command::Lock {});
    assert_eq!(site.answer(&token)["ok"], true);
    assert_eq!(site.results().len(), seen + 1);
    assert_eq!(site.moves(), 0);
    ended(&site, service);
}

#[test]
fn a_broker_that_keeps_qos_0_for_the_absent_opens_nothing_either() {
    let site = Site::new(
        "",
        &format!("{TRUSTED}[commands]\nplain_client = \"homeassistant\"\n"),
    );
    let mut site = site;
    site.broker
        .reconfigure(|broker| broker.line("queue_qos0_messages true"));
    let mut service = site.start();
    service.signal(Signal::KILL);
    assert!(!service.wait().success());
    let seen = site.results().len();
    site.publish("command/plain/homeassistant", "OPEN", &[]);
    std::fs::remove_file(site.door.path("relay.jsonl")).unwrap();
    let service = site.start();
    assert_eq!(site.next_result(seen)["reason"], "expired");
    assert_eq!(site.moves(), 0);
    ended(&site, service);
}

#[test]
fn mqtt_3_1_1_does_the_same_over_the_plain_topic() {
    let site = Site::new("protocol = \"3.1.1\"\n", TRUSTED);
    let service = site.start();
    let done = site.command("otto", &["unlock"]);
    assert!(done.status.success(), "{}", stderr(&done));
    wait_for("the release is over", PATIENCE, || site.moves() == 2);
    let refused = site.command("vera", &["unlock"]);
    assert!(
        stderr(&refused).contains("insufficient_role"),
        "{}",
        stderr(&refused)
    );
    let topics = site.watcher.messages();
    let topics = topics
        .iter()
        .filter(|message| message.topic.contains("/command/result"));
    let own = format!("{BASE}/command/result");
    assert!(
        topics
            .map(|message| &message.topic)
            .all(|topic| *topic == own)
    );
    ended(&site, service);
}

#[test]
fn the_client_says_what_is_wrong() {
    let site = Site::new("", TRUSTED);
    let failed = |arguments: &[&str]| {
        let output = site.command("otto", arguments);
        assert_eq!(output.status.code(), Some(1));
        stderr(&output)
    };
    // Nobody is there.
    let silent = failed(&["--timeout", "1", "unlock"]);
    assert!(
        silent.contains("no answer from the door within 1 s"),
        "{silent}"
    );
    let port = crate::support::free_port();
    let url = format!("mqtts://localhost:{port}");
    let away = failed(&["--url", &url, "--door", "home/front", "unlock"]);
    assert!(away.contains(&port.to_string()), "{away}");
    // A key is read by others too.
    let public = Process::new("openssl")
        .args(["pkey", "-pubout", "-in"])
        .arg(site.door.path("otto.key"))
        .output()
        .unwrap();
    let listed = &site.door.json(&["operators", "list"])[0];
    let listed = listed.as_array().unwrap().iter();
    let mut otto = listed.filter(|operator| operator["name"] == "otto");
    assert_eq!(
        String::from_utf8(public.stdout).unwrap(),
        otto.next().unwrap()["public_key"].as_str().unwrap()
    );
    let endless = failed(&["mode", "unlocked"]);
    assert!(endless.contains("needs an end"), "{endless}");
    let exposed = site.door.path("otto.key");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&exposed, mode).unwrap();
    let exposed = failed(&["unlock"]);
    assert!(exposed.contains("chmod 600"), "{exposed}");
}
