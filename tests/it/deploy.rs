//! The broker set-ups in `deploy/`. Mosquitto's is started as shipped: each role can do what it
//! must and nothing else, and who has neither certificate nor password gets nowhere. EMQX's is not
//! run here; what can be checked without it is.

use doorward::event::Class;

use crate::support::pki::{Identity, Pki};
use crate::support::sender::{SOON, Sender, record};
use crate::support::shipped::{Reason, Shipped};
use crate::support::subscriber::{Login, Subscriber};
use crate::support::wait_for;
use crate::support::websocket::Browser;

/// The password user of the shipped access rules.
const DASHBOARD: (&str, &str) = ("dashboard", "a long password");

/// Topics below a door's base that the door writes.
const WRITTEN: [&str; 10] = [
    "availability",
    "state",
    "event/access",
    "event/door",
    "event/admin",
    "alarm",
    "telemetry",
    "snapshot",
    "checkpoint",
    "command/result",
];

/// Topics below a door's base that others write and the door reads.
const COMMANDS: [&str; 2] = ["command", "command/plain/homeassistant"];

/// One site: its CA, its broker, and everybody who has a certificate.
struct Site {
    pki: Pki,
    broker: Shipped,
    door: Identity,
    other_door: Identity,
    operator: Identity,
    homeassistant: Identity,
    _folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::new(folder.path(), "ca");
        Self {
            broker: Shipped::start(&pki, &[DASHBOARD]),
            door: pki.client("home/front"),
            other_door: pki.client("home/back"),
            operator: pki.client("operator"),
            homeassistant: pki.client("homeassistant"),
            pki,
            _folder: folder,
        }
    }

    #[track_caller]
    fn publish(&self, who: &Identity, topic: &str) -> Reason {
        self.broker.publish(&self.pki, who, topic, "x")
    }

    /// Subscribes to everything; what arrives is what `who` may read.
    fn reader(&self, name: &str, who: &Identity) -> Subscriber {
        let login = Login {
            certificate: Some(who),
            at_most_once: true,
            client_id: Some(name),
            ..Login::default()
        };
        Subscriber::start(self.broker.tls_port, Some(&self.pki), "doorward/#", &login)
    }

    /// One message on every topic of both doors, each from whoever may write there.
    fn speak(&self) {
        for (name, door) in [("front", &self.door), ("back", &self.other_door)] {
            for leaf in WRITTEN {
                let reason = self.publish(door, &format!("doorward/home/{name}/{leaf}"));
                assert!(reason.is_taken(), "{name} {leaf} {reason:?}");
            }
            let base = format!("doorward/home/{name}");
            assert!(
                self.publish(&self.operator, &format!("{base}/command"))
                    .is_taken()
            );
            let plain = format!("{base}/command/plain/homeassistant");
            assert!(self.publish(&self.homeassistant, &plain).is_taken());
        }
    }
}

/// Topics of one door that end so.
fn of(door: &str, leaves: &[&str]) -> Vec<String> {
    leaves
        .iter()
        .map(|leaf| format!("doorward/home/{door}/{leaf}"))
        .collect()
}

/// Topics of both doors that end so.
fn of_both(leaves: &[&str]) -> Vec<String> {
    let mut topics = of("front", leaves);
    topics.extend(of("back", leaves));
    topics
}

/// What a consumer got, once `last` has arrived, sorted.
fn topics_until(reader: &Subscriber, last: &str) -> Vec<String> {
    wait_for("the last message", SOON, || {
        reader
            .messages()
            .iter()
            .any(|message| message.topic == last)
    });
    let mut topics: Vec<String> = reader.messages().into_iter().map(|m| m.topic).collect();
    topics.sort();
    topics
}

fn sorted(mut topics: Vec<String>) -> Vec<String> {
    topics.sort();
    topics
}

#[test]
fn everybody_writes_where_they_must_and_nowhere_else() {
    let site = Site::new();
    let watcher = site.reader("watcher", &site.operator);
    site.speak();
    let response = "doorward/home/front/command/result/operator/7";
    assert!(site.publish(&site.door, response).is_taken());

    for (who, topics) in [
        // A door: not for another, not for another site, no command, not even to itself.
        (
            &site.door,
            [
                of("back", &WRITTEN),
                of("front", &COMMANDS),
                of("back", &COMMANDS),
                vec![
                    "doorward/away/front/state".into(),
                    "doorward/home/front".into(),
                    "doorward/home/front/state/more".into(),
                    "doorward/state".into(),
                    "homeassistant/device/front/config".into(),
                ],
            ]
            .concat(),
        ),
        // An operator: no event, nobody else's plain topic, no other site.
        (
            &site.operator,
            [
                of("front", &WRITTEN),
                of(
                    "front",
                    &["command/plain/homeassistant", "command/plain/operator"],
                ),
                vec!["doorward/away/front/command".into()],
            ]
            .concat(),
        ),
        // Home Assistant: no signed command, no other's plain topic.
        (
            &site.homeassistant,
            [
                of("front", &WRITTEN),
                of("front", &["command", "command/plain/other"]),
                vec!["doorward/away/front/command/plain/homeassistant".into()],
            ]
            .concat(),
        ),
    ] {
        for topic in topics {
            assert_eq!(site.publish(who, &topic), Reason::DENIED, "{topic}");
        }
    }
    // Who has a certificate, but no line in the rules.
    let stranger = site.pki.client("stranger");
    for topic in [of("front", &WRITTEN), of("front", &COMMANDS)].concat() {
        assert_eq!(site.publish(&stranger, &topic), Reason::DENIED, "{topic}");
    }

    // And the subscriber saw nothing of all that.
    let last = "doorward/home/back/event/door";
    let before = watcher.messages().len();
    assert!(site.publish(&site.other_door, last).is_taken());
    wait_for("the last message", SOON, || {
        watcher.messages().len() > before
    });
    let mut expected = of_both(&[&WRITTEN[..], &COMMANDS[..]].concat());
    expected.extend([response.to_owned(), last.to_owned()]);
    assert_eq!(topics_until(&watcher, last), sorted(expected));
}

#[test]
fn everybody_reads_what_they_must_and_nothing_else() {
    let site = Site::new();
    let door = site.reader("door", &site.door);
    let homeassistant = site.reader("ha", &site.homeassistant);
    let operator = site.reader("operator", &site.operator);
    let stranger = site.pki.client("stranger");
    let stranger = site.reader("stranger", &stranger);
    let mut dashboard = Browser::connect(&site.pki, site.broker.wss_port, Some(DASHBOARD)).unwrap();
    dashboard.subscribe("doorward/#");
    site.speak();
    // Each reader is asked for something that it may read and that came after all the rest.
    let last = "doorward/home/back/alarm";
    assert!(site.publish(&site.other_door, last).is_taken());
    let command = "doorward/home/front/command";
    assert!(site.publish(&site.operator, command).is_taken());

    wait_for("the second command", SOON, || door.messages().len() >= 3);
    let mut expected = of("front", &COMMANDS);
    expected.push(command.to_owned());
    assert_eq!(topics_until(&door, command), sorted(expected));

    let seen_by_all = [
        "availability",
        "state",
        "event/access",
        "event/door",
        "event/admin",
        "alarm",
        "telemetry",
    ];
    let mut expected = of_both(&seen_by_all);
    expected.push(last.to_owned());
    wait_for("the second alarm", SOON, || {
        homeassistant.messages().len() >= expected.len()
    });
    assert_eq!(topics_until(&homeassistant, last), sorted(expected.clone()));

    expected.extend(of_both(&["snapshot", "checkpoint"]));
    let mut seen: Vec<String> = expected.iter().map(|_| dashboard.next_topic()).collect();
    seen.sort();
    assert_eq!(seen, sorted(expected.clone()));

    expected.extend(of_both(&["command/result"]));
    expected.extend(of_both(&COMMANDS));
    expected.push(command.to_owned());
    wait_for("everything", SOON, || {
        operator.messages().len() >= expected.len()
    });
    assert_eq!(topics_until(&operator, last), sorted(expected));

    assert_eq!(stranger.messages(), []);
}

#[test]
fn a_dashboard_looks_on_and_cannot_command() {
    let site = Site::new();
    let watcher = site.reader("watcher", &site.operator);
    let port = site.broker.wss_port;
    let mut dashboard = Browser::connect(&site.pki, port, Some(DASHBOARD)).unwrap();
    for topic in [of("front", &COMMANDS), of("front", &WRITTEN)].concat() {
        assert_eq!(dashboard.publish(&topic, "x"), 0x87, "{topic}");
    }
    let last = "doorward/home/front/state";
    assert!(site.publish(&site.door, last).is_taken());
    assert_eq!(topics_until(&watcher, last), [last]);
}

#[test]
fn without_certificate_or_password_there_is_nothing() {
    let site = Site::new();
    let pki = &site.pki;
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = Pki::new(elsewhere.path(), "foreign").client("home/front");
    let server = pki.server("home/front", &["localhost"]);
    for (what, certificate) in [
        ("none", None),
        ("of another CA", Some(&foreign)),
        ("of a server", Some(&server)),
    ] {
        let output = site
            .broker
            .client("mosquitto_pub", pki, certificate)
            .args(["-t", "doorward/home/front/state", "-m", "x", "-q", "1"])
            .output()
            .unwrap();
        assert!(!output.status.success(), "{what}");
    }
    // Nor does a user name with its password stand in for a certificate.
    let output = site
        .broker
        .client("mosquitto_pub", pki, None)
        .args(["-u", DASHBOARD.0, "-P", DASHBOARD.1, "-t", "x", "-m", "x"])
        .output()
        .unwrap();
    assert!(!output.status.success());

    let port = site.broker.wss_port;
    for login in [
        None,
        Some(("dashboard", "wrong")),
        Some(("operator", "")),
        Some(("home/front", "")),
    ] {
        let refused = Browser::connect(pki, port, login).err();
        assert_eq!(refused, Some(0x87), "{login:?}");
    }
}

#[test]
fn nobody_leaves_a_will_in_another_name() {
    let site = Site::new();
    let watcher = site.reader("watcher", &site.operator);
    for (name, who) in [("back", &site.other_door), ("front", &site.door)] {
        let mut client = site
            .broker
            .client("mosquitto_sub", &site.pki, Some(who))
            .args(["-t", "nothing", "-d", "--will-payload", name])
            .args(["--will-topic", "doorward/home/front/availability"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // Until it is in, or has been turned away for it: both are right.
        let output = std::io::BufReader::new(client.stdout.take().unwrap());
        std::io::BufRead::lines(output).any(|line| line.unwrap().contains("SUBACK"));
        client.kill().unwrap();
        client.wait().unwrap();
    }
    wait_for("a will", SOON, || !watcher.messages().is_empty());
    assert_eq!(watcher.payloads("/availability"), ["front"]);
}

#[test]
fn a_door_that_was_stolen_is_locked_out_by_a_line() {
    let site = Site::new();
    let topic = "doorward/home/front/state";
    assert!(site.publish(&site.door, topic).is_taken());
    site.broker
        .append_to_acl("\nuser home/front\ntopic deny #\n");
    wait_for("the line counts", SOON, || {
        site.publish(&site.door, topic) == Reason::DENIED
    });
    assert!(
        site.publish(&site.other_door, "doorward/home/back/state")
            .is_taken()
    );
}

#[test]
fn a_door_works_with_the_shipped_broker() {
    let mut door = Sender::new();
    let broker = Shipped::start(&door.pki, &[]);
    let (own, operator) = (door.pki.client("home/front"), door.pki.client("operator"));
    door.mqtt().client_cert_file = Some(own.certificate);
    door.mqtt().client_key_file = Some(own.key);
    let door = door.at(broker.tls_port);
    let login = Login {
        certificate: Some(&operator),
        ..Login::default()
    };
    let consumer = Subscriber::start(broker.tls_port, Some(&door.pki), "doorward/home/#", &login);

    let mut store = door.store();
    let pump = door.pump();
    assert!(!pump.connected());
    let numbers: Vec<u64> = (0..200).map(|_| record(&mut store)).collect();
    pump.handle.wake();
    door.drained(SOON);
    wait_for("all events", SOON, || {
        consumer.sequences("/event/").len() >= numbers.len()
    });
    let mut seen = consumer.sequences("/event/");
    seen.sort_unstable();
    assert_eq!(seen, numbers);
    pump.handle.shutdown(SOON);
    wait_for("its last word", SOON, || {
        consumer.payloads("/availability") == ["online", "stopped"]
    });
    // What the outbox gave up on would stand here.
    assert_eq!(door.outbox().depth().unwrap().rejected, 0);
}

#[test]
fn the_rules_know_every_topic_of_a_door() {
    let wire = Sender::new().config.wire().unwrap();
    let classes = [
        Class::Availability,
        Class::State,
        Class::Access,
        Class::Door,
        Class::Admin,
        Class::Alarm,
        Class::Telemetry,
        Class::Snapshot,
        Class::Checkpoint,
        Class::Result,
    ];
    assert_eq!(
        classes.map(|class| wire.topic(class)).to_vec(),
        of("front", &WRITTEN)
    );
    let plain = wire.plain_topic("homeassistant");
    assert_eq!(vec![wire.command_topic(), plain], of("front", &COMMANDS));
    // EMQX is not run here: at least the same topics stand in its rules.
    let rules = shipped("emqx/acl.conf");
    for leaf in &WRITTEN[..9] {
        assert!(
            rules.contains(&format!("\"doorward/${{username}}/{leaf}\"")),
            "{leaf}"
        );
    }
    for leaf in ["command/result/#", "command", "command/plain/+"] {
        assert!(
            rules.contains(&format!("\"doorward/${{username}}/{leaf}\"")),
            "{leaf}"
        );
    }
}

#[test]
fn the_compose_file_mounts_what_is_shipped_and_opens_nothing_plain() {
    let compose: serde_json::Value = serde_saphyr::from_str(&shipped("emqx/compose.yaml")).unwrap();
    let emqx = &compose["services"]["emqx"];
    let image = emqx["image"].as_str().unwrap();
    let (_, version) = image.rsplit_once(':').unwrap();
    assert_eq!(version.split('.').count(), 3, "{image} names no version");
    let texts = |key: &str| -> Vec<&str> {
        let values = emqx[key].as_array().unwrap();
        values.iter().map(|value| value.as_str().unwrap()).collect()
    };
    assert_eq!(
        texts("ports"),
        ["8883:8883", "8084:8084", "127.0.0.1:18084:18084"]
    );
    for mount in texts("volumes") {
        let source = mount.split_once(':').unwrap().0;
        if let Some(file) = source.strip_prefix("./").filter(|file| *file != "certs") {
            assert!(!shipped(&format!("emqx/{file}")).is_empty());
        }
    }
    // Secrets come from the environment and have no default.
    for (name, value) in emqx["environment"].as_object().unwrap() {
        if name.ends_with("PASSWORD") || name.ends_with("COOKIE") {
            assert!(value.as_str().unwrap().contains(":?"), "{name}");
        }
    }
}

fn shipped(file: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(file);
    std::fs::read_to_string(path).unwrap()
}
