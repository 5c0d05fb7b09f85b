//! The wire contract: what a real broker passes on is what docs/asyncapi.yaml says.

use std::process::{Command, Stdio};
use std::time::Duration;

use doorward::audit;
use doorward::clock::Timestamp;
use doorward::command::{self, result::CommandResult};
use doorward::contract::acl::{self, Clients};
use doorward::contract::{self, Carries, Direction, examples};
use doorward::event::telemetry::{
    CommitTimes, DroppedTotal, OutboxGauge, StageTime, Telemetry, VisionTimes,
};
use doorward::event::wire::{DoorSummary, Lock, Publication};
use doorward::event::{
    Alarm, Challenge, Challenged, Class, CommandRefusal, CommandVerb, Contact, Denied, DenyReason,
    DropReason, Event, Granted, KINDS, Method, Mode, ModeSource, PersonId, PersonRef, ReleaseCause,
    RestoredFrom, Role, Rule, RuleChange, RuleKind, SecureCause, Severity,
};
use doorward::mqtt::PumpConfig;
use doorward::vision::QualityProblem;
use serde_json::{Value, json};

use crate::support::broker::Broker;
use crate::support::contract::{BASE, Contract, path};
use crate::support::door::{Door, doorward, stderr};
use crate::support::pki::write_secret;
use crate::support::sender::{SOON, Sender};
use crate::support::subscriber::{Login, Message, Subscriber};
use crate::support::wait_for;

#[test]
fn the_committed_document_is_what_the_types_say() {
    let committed = std::fs::read_to_string(path()).unwrap();
    let made = contract::yaml(&contract::asyncapi()).unwrap();
    assert!(
        committed == made,
        "docs/asyncapi.yaml is not what the types say; write it again with\n  \
         cargo run -- topics --asyncapi > docs/asyncapi.yaml\nand read the difference before you commit it"
    );
    let printed = doorward().args(["topics", "--asyncapi"]).output().unwrap();
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), made);
    // Whoever reads the YAML reads the same values.
    assert_eq!(Contract::open().document, contract::asyncapi());
}

#[test]
fn every_topic_has_messages_and_every_message_has_a_topic() {
    let contract = Contract::open();
    let channels = contract.document["channels"].as_object().unwrap();
    let used: Vec<String> = channels
        .keys()
        .flat_map(|channel| contract.messages_on(channel))
        .collect();
    let messages = contract.document["components"]["messages"].as_object();
    let mut names: Vec<&String> = messages.unwrap().keys().collect();
    names.sort();
    let mut sorted: Vec<&String> = used.iter().collect();
    sorted.sort();
    assert_eq!(sorted, names);
    for channel in channels.keys() {
        assert!(!contract.messages_on(channel).is_empty(), "{channel}");
    }
    for kind in KINDS {
        assert!(used.contains(&format!("doorward.{kind}.v1")), "{kind}");
    }
}

#[test]
fn the_page_for_people_names_every_topic_type_and_field() {
    let contract = Contract::open();
    let page = path().with_file_name("events.md");
    let page = std::fs::read_to_string(page).unwrap();
    let row = |name: &str| {
        let mut rows = page.lines().filter(|line| line.starts_with('|'));
        rows.find(|line| line.contains(&format!("`{name}`")))
            .unwrap_or_else(|| panic!("docs/events.md does not name {name}"))
    };
    let channels = contract.document["channels"].as_object().unwrap().values();
    for channel in channels {
        let address = channel["address"].as_str().unwrap();
        let address = address.trim_start_matches("doorward/{site}/{door}/");
        row(&address.replace("{client}", "<client>"));
    }
    let fields_are_named = |name: &str, schema: &str| {
        let schema = contract.resolve(schema);
        let required = schema["required"].as_array();
        for field in schema["properties"].as_object().unwrap().keys() {
            let always = required.is_some_and(|names| names.contains(&field.as_str().into()));
            let found = if always {
                format!(" `{field}`")
            } else {
                format!("*`{field}`*")
            };
            let mut rows = page.lines().filter(|line| line.starts_with('|'));
            let row = rows
                .rfind(|line| line.contains(&format!("`{name}`")))
                .unwrap();
            assert!(row.contains(&found), "docs/events.md, {name}: {found}");
        }
    };
    for kind in KINDS {
        row(kind);
        let message = format!("doorward.{kind}.v1");
        let payload = &contract.document["components"]["messages"][&message]["payload"];
        let data = payload["allOf"][1]["properties"]["data"]["$ref"].as_str();
        fields_are_named(kind, data.unwrap());
    }
    fields_are_named("state", "#/components/schemas/DoorSummary");
    fields_are_named("telemetry", "#/components/schemas/Telemetry");
    fields_are_named("commandResult", "#/components/schemas/CommandResult");
}

#[test]
fn every_example_fits_its_own_schema() {
    let contract = Contract::closed();
    for (name, message) in contract.document["components"]["messages"]
        .as_object()
        .unwrap()
    {
        for example in message["examples"].as_array().into_iter().flatten() {
            contract.check_payload(name, &example["payload"]).unwrap();
        }
    }
}

/// The door's rules for the broker, and those of a viewer.
fn rules(door: &Sender) -> String {
    let channels = contract::channels(&door.config, &door.config.wire().unwrap());
    let clients = Clients {
        door: "door".into(),
        operators: vec!["operator".into()],
        viewers: vec!["viewer".into()],
        plain: None,
    };
    acl::mosquitto(&channels, &clients).unwrap()
}

#[test]
fn what_a_door_publishes_is_what_the_document_says() {
    let mut door = Sender::new();
    door.config.telemetry.snapshots = true;
    let broker = Broker::builder(&door.pki)
        .user("door", "secret")
        .user("viewer", "watching")
        .user("operator", "asking")
        .acl(&rules(&door))
        .start();
    let password = door.folder().join("password");
    write_secret(&password, "secret\n");
    door.mqtt().username = Some("door".into());
    door.mqtt().password_file = Some(password);
    let door = door.towards(&broker.url());
    let login = |user, password, at_most_once| Login {
        user: Some((user, password)),
        at_most_once,
        ..Login::default()
    };
    let login_operator = login("operator", "asking", false);
    let operator = Subscriber::start(broker.port, Some(&door.pki), "doorward/#", &login_operator);
    let login_viewer = login("viewer", "watching", true);
    let viewer = Subscriber::start(broker.port, Some(&door.pki), "doorward/#", &login_viewer);

    let mut events: Vec<Event> = examples().into_iter().map(|one| one.event).collect();
    events.extend(extremes());
    let mut store = door.store();
    for (n, event) in events.iter().enumerate() {
        // With and without what only some events have.
        store.set_author((n % 2 == 0).then(|| "cli:ädä \"the\"\tfirst".into()));
        store.set_clock_synced(n % 3 != 0);
        store.record(Timestamp::now(), event.clone()).unwrap();
    }
    let key = door.folder().join("audit.key");
    let signer = audit::open_signer(&key, door.config.source()).unwrap();
    store.checkpoint(Timestamp::now(), &signer).unwrap();
    let pump = door.pump();
    pump.connected();
    for summary in summaries() {
        store.publish_state(&summary).unwrap();
        pump.handle.wake();
        door.drained(SOON);
    }
    let results = results();
    let mut others = vec![telemetry(false), telemetry(true), picture()];
    others.extend(results.iter().cloned());
    for publication in &others {
        store.publish_newest(publication).unwrap();
        pump.handle.wake();
        door.drained(SOON);
    }
    pump.handle.shutdown(SOON);
    // `online`, `stopped`; each event; the checkpoint; each summary; what is no event.
    let expected = 2 + events.len() + 1 + summaries().len() + others.len();
    wait_for("everything", SOON, || {
        operator.messages().len() >= expected && viewer.messages().len() >= expected - results.len()
    });
    let messages = operator.messages();
    assert_eq!(messages.len(), expected);
    let seen = viewer.messages();
    assert!(
        seen.iter()
            .all(|message| !message.topic.contains("/command"))
    );

    let contract = Contract::closed();
    for message in &messages {
        contract
            .check(message)
            .unwrap_or_else(|error| panic!("{error}\n{message:?}"));
    }
    for kind in KINDS {
        let name = format!("\"doorward.{kind}.v1\"");
        let of_kind = messages.iter().filter(|m| m.payload.contains(&name));
        assert!(of_kind.count() >= 2, "{kind}: an example and an extreme");
    }
}

#[test]
fn a_message_that_is_not_what_the_document_says_is_found_out() {
    let contract = Contract::closed();
    let good = sent("door.secured");
    contract.check(&good).unwrap();
    let wrong = |change: &dyn Fn(&mut Message)| {
        let mut message = good.clone();
        change(&mut message);
        contract.check(&message).unwrap_err()
    };
    let with = |from: &'static str, to: &'static str| {
        wrong(&move |message| {
            assert!(message.payload.contains(from));
            message.payload = message.payload.replace(from, to);
        })
    };
    for (error, says) in [
        (
            wrong(&|m| m.topic = format!("{BASE}/event/doors")),
            "is not in the document",
        ),
        (
            wrong(&|m| m.topic = format!("{BASE}/event/access")),
            "is not on the channel accessEvents",
        ),
        (wrong(&|m| m.qos = 2), "qos 2, not 1"),
        (wrong(&|m| m.retain = true), "retain true, not false"),
        (
            wrong(&|m| m.content_type = "application/json".into()),
            "content type",
        ),
        (
            with("secured.v1", "secured.v2"),
            "type doorward.door.secured.v2 is not on",
        ),
        (with("\"closed\"", "\"slammed\""), "slammed"),
        (
            with("/doorward/home/front", "not a reference \\\\"),
            "uri-reference",
        ),
        (
            with("{\"cause\":\"closed\"}", "null"),
            "null is not of type",
        ),
    ] {
        assert!(error.contains(says), "{error}");
    }
    let alarm = sent("alarm.raised");
    assert_eq!(alarm.qos, 2, "the example may be an attack");
    contract.check(&alarm).unwrap();
    let once = Message { qos: 1, ..alarm };
    assert!(contract.check(&once).unwrap_err().contains("qos 1, not 2"));
}

/// The example of a kind as a subscriber would get it.
fn sent(kind: &str) -> Message {
    let wire = Sender::new().config.wire().unwrap();
    let examples = examples();
    let one = examples.iter().find(|one| one.event.kind() == kind);
    let publication = wire.publication(one.unwrap()).unwrap();
    Message {
        topic: publication.topic,
        qos: publication.qos.into(),
        retain: publication.retain,
        content_type: publication.content_type.into(),
        user_properties: String::new(),
        payload: String::from_utf8(publication.payload).unwrap(),
    }
}

#[test]
fn in_every_message_a_field_that_lacks_is_unknown_or_of_another_type_is_found_out() {
    let (open, closed) = (Contract::open(), Contract::closed());
    let messages = open.document["components"]["messages"].as_object().unwrap();
    for (name, message) in messages {
        for example in message["examples"].as_array().into_iter().flatten() {
            let good = &example["payload"];
            let mut objects = Vec::new();
            let mut values = Vec::new();
            places(good, String::new(), &mut objects, &mut values);
            for place in &objects {
                let mut more = good.clone();
                more.pointer_mut(place).unwrap()["surprise"] = json!(1);
                // Consumers bear what they do not know; we must not send it.
                open.check_payload(name, &more).unwrap();
                let found = closed.check_payload(name, &more);
                assert!(found.is_err(), "{name}: one more field in {place:?}");
            }
            for place in &values {
                let mut other = good.clone();
                let value = other.pointer_mut(place).unwrap();
                *value = if value.is_string() {
                    json!(7)
                } else {
                    json!("x")
                };
                let found = open.check_payload(name, &other);
                assert!(found.is_err(), "{name}: another type at {place:?}");
            }
            for place in required(&open, name) {
                let mut less = good.clone();
                let (object, field) = place.rsplit_once('/').unwrap();
                let object = less.pointer_mut(object).unwrap();
                object.as_object_mut().unwrap().remove(field).unwrap();
                let found = open.check_payload(name, &less);
                assert!(found.is_err(), "{name}: without {place}");
            }
        }
    }
}

/// JSON pointers of all objects and of all other values.
fn places(value: &Value, at: String, objects: &mut Vec<String>, values: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            objects.push(at.clone());
            for (name, field) in fields {
                places(field, format!("{at}/{name}"), objects, values);
            }
        }
        _ => values.push(at),
    }
}

/// What must always be there, by hand: the envelope, and some fields of some types.
fn required(contract: &Contract, name: &str) -> Vec<String> {
    let envelope = [
        "specversion",
        "id",
        "source",
        "type",
        "time",
        "sequence",
        "chainhash",
        "datacontenttype",
        "data",
    ];
    let mut places = Vec::new();
    if name.starts_with("doorward.") {
        places.extend(envelope.map(|field| format!("/{field}")));
        let payload = &contract.document["components"]["messages"][name]["payload"];
        let data = payload["allOf"][1]["properties"]["data"]["$ref"].as_str();
        let fields = contract.resolve(data.unwrap())["required"]
            .as_array()
            .cloned();
        let fields = fields.into_iter().flatten();
        places.extend(fields.map(|field| format!("/data/{}", field.as_str().unwrap())));
    }
    places.extend(match name {
        "state" => ["lock", "mode", "alarms", "version", "since"]
            .map(|f| format!("/{f}"))
            .to_vec(),
        "doorward.access.granted.v1" => vec!["/data/person/id".into(), "/data/person/name".into()],
        _ => Vec::new(),
    });
    places
}

#[test]
fn the_door_subscribes_to_what_the_table_says() {
    let mut door = Sender::new().towards("mqtts://localhost");
    for (accept, plain) in [
        (true, None),
        (true, Some("hass")),
        (false, Some("hass")),
        (false, None),
    ] {
        door.config.commands.accept = accept;
        door.config.commands.plain_client = plain.map(str::to_owned);
        let channels = contract::channels(&door.config, &door.config.wire().unwrap());
        let table: Vec<_> = channels
            .into_iter()
            .filter(|channel| channel.in_use && channel.direction == Direction::Receives)
            .filter(|channel| channel.carries != Carries::BrokerVersion)
            .map(|channel| (channel.topic, channel.qos))
            .collect();
        let pump = PumpConfig::from_config(&door.config).unwrap();
        let wanted = pump.subscriptions.into_iter();
        let wanted: Vec<_> = wanted.map(|wanted| (wanted.topic, wanted.qos)).collect();
        assert_eq!(table, wanted);
    }
}

#[test]
fn commands_of_every_verb_fit_and_what_the_door_refuses_does_not() {
    let contract = Contract::closed();
    let signed = |cmd: &Value, more: &Value| {
        let mut claims = json!({
            "iss": "ada", "aud": "/doorward/home/front", "jti": "1", "iat": 1, "exp": 61, "cmd": cmd,
        });
        let more = more.as_object().unwrap().clone();
        claims.as_object_mut().unwrap().extend(more);
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
        let key = jsonwebtoken::EncodingKey::from_secret(b"any");
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    };
    let fits = |cmd: &Value, more: &Value| {
        contract
            .check_payload("command", &signed(cmd, more).into())
            .is_ok()
    };
    let reads = |cmd: &Value| serde_json::from_value::<command::Command>(cmd.clone()).is_ok();
    let none = json!({});
    for cmd in [
        json!({"verb": "unlock"}),
        json!({"verb": "lock"}),
        json!({"verb": "mode", "mode": "schedule"}),
        json!({"verb": "mode", "mode": "unlocked", "until": "2026-02-03T09:00:00Z"}),
        json!({"verb": "mode", "mode": "lockdown", "for_s": 60}),
        json!({"verb": "acknowledge", "alarm": "duress"}),
        json!({"verb": "acknowledge", "alarm": "tamper", "note": "x".repeat(200)}),
        json!({"verb": "snapshot"}),
        json!({"verb": "locate"}),
        json!({"verb": "locate", "seconds": 300}),
        json!({"verb": "reload"}),
    ] {
        assert!(reads(&cmd) && fits(&cmd, &none), "{cmd}");
    }
    for cmd in [
        json!({"verb": "open"}),
        json!({"verb": "unlock", "for_s": 9}),
        json!({"verb": "mode"}),
        json!({"verb": "mode", "mode": "party"}),
        json!({"verb": "acknowledge"}),
        json!({"verb": "locate", "seconds": -1}),
        json!({"mode": "normal"}),
        json!("unlock"),
    ] {
        assert!(!reads(&cmd) && !fits(&cmd, &none), "{cmd}");
    }
    let unlock = json!({"verb": "unlock"});
    for claim in [
        json!({"iss": "a/#"}),
        json!({"jti": ""}),
        json!({"jti": "a b"}),
        json!({"exp": "61"}),
        json!({"nbf": 1}),
    ] {
        assert!(!fits(&unlock, &claim), "{claim}");
    }
}

#[test]
fn what_this_door_uses_is_printed_with_what_its_broker_must_allow() {
    let door = Door::new("");
    let output = door.run(&["topics"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("no broker is configured"),
        "{}",
        stderr(&output)
    );

    let door = Door::new(
        "[mqtt]\nurl = \"mqtts://localhost\"\nbase_topic = \"a/b/c\"\n[mqtt.qos]\naccess = 1\n\
         [commands]\nplain_client = \"hass\"\n[telemetry]\nevery_s = 0\n",
    );
    let report = door.json(&["topics"]);
    let topics = report[0]["topics"].as_array().unwrap();
    let of = |name: &str| topics.iter().find(|topic| topic["name"] == name).unwrap();
    assert_eq!(of("accessEvents")["topic"], "a/b/c/event/access");
    assert_eq!(of("accessEvents")["qos"], 1);
    assert_eq!(of("plainCommand")["topic"], "a/b/c/command/plain/hass");
    assert_eq!(of("plainCommand")["in_use"], true);
    assert_eq!(of("telemetry")["in_use"], false);
    assert_eq!(of("snapshot")["in_use"], false);
    let text = String::from_utf8(door.run(&["topics"]).stdout).unwrap();
    assert!(
        text.contains("not used, by the configuration: a/b/c/telemetry, a/b/c/snapshot"),
        "{text}"
    );
    let alarm = text
        .lines()
        .find(|line| line.starts_with("a/b/c/alarm "))
        .unwrap();
    let words: Vec<&str> = alarm.split_whitespace().collect();
    assert_eq!(
        words[1..],
        [
            "sends",
            "write",
            "1/2",
            "no",
            "never",
            "application/cloudevents+json"
        ]
    );

    let print = |broker: &str, more: &[&str]| {
        let output = door.run(&[&["topics", "--acl", broker], more].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let mosquitto = print("mosquitto", &["--viewer", "wall"]);
    assert!(
        mosquitto.contains("user home/front\ntopic write a/b/c/availability\n"),
        "{mosquitto}"
    );
    assert!(mosquitto.contains("user hass\ntopic write a/b/c/command/plain/hass\n"));
    assert!(
        !mosquitto.contains("telemetry"),
        "what is not used is not allowed"
    );
    let wall = mosquitto
        .split("user wall\n")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    assert!(wall.contains("topic read a/b/c/alarm\n"), "{wall}");
    assert!(
        !wall.contains("command") && !wall.contains("write"),
        "{wall}"
    );
    let emqx = print("emqx", &["--user", "front", "--operator", "alice"]);
    assert!(
        emqx.contains(
            "{allow, {user, \"alice\"}, {publish, [{retain, false}]}, [\n  \"a/b/c/command\"\n]}."
        ),
        "{emqx}"
    );
    let output = door.run(&["topics", "--acl", "emqx", "--user", "a\"}. {allow, all}.%"]);
    assert!(
        stderr(&output).contains("cannot stand in access rules"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn the_printed_rules_keep_everybody_to_their_own() {
    let door = Sender::new();
    let acl = format!("{}\nuser root\ntopic read #\n", rules(&door));
    let users = ["door", "viewer", "operator", "root"];
    let mut broker = Broker::builder(&door.pki).acl(&acl);
    for user in users {
        broker = broker.user(user, "secret");
    }
    let broker = broker.start();
    let login = Login {
        user: Some(("root", "secret")),
        ..Login::default()
    };
    let everything = Subscriber::start(broker.port, Some(&door.pki), "doorward/#", &login);
    let publish = |user: &str, topic: &str| {
        let status = Command::new("mosquitto_pub")
            .args([
                "-h",
                "localhost",
                "-p",
                &broker.port.to_string(),
                "--cafile",
            ])
            .arg(&door.pki.ca)
            .args([
                "-u", user, "-P", "secret", "-q", "1", "-t", topic, "-m", user,
            ])
            .stderr(Stdio::null())
            .status();
        assert!(status.unwrap().success());
    };
    for topic in [
        "event/access",
        "command",
        "command/result",
        "command/plain/viewer",
        "state",
    ] {
        publish("viewer", &format!("{BASE}/{topic}"));
    }
    for topic in ["event/access", "command/result", "command/plain/operator"] {
        publish("operator", &format!("{BASE}/{topic}"));
    }
    publish("door", &format!("{BASE}/command"));
    publish("door", "doorward/home/back/state");
    // What is allowed comes through, and by then so would the rest have.
    publish("operator", &format!("{BASE}/command"));
    publish("door", &format!("{BASE}/command/result"));
    wait_for("what is allowed", Duration::from_secs(10), || {
        everything.messages().len() >= 2
    });
    let arrived: Vec<(String, String)> = everything
        .messages()
        .into_iter()
        .map(|message| (message.payload, message.topic))
        .collect();
    let allowed = [
        ("operator", format!("{BASE}/command")),
        ("door", format!("{BASE}/command/result")),
    ];
    assert_eq!(
        arrived,
        allowed.map(|(user, topic)| (user.to_owned(), topic))
    );
}

/// Retained summaries with as little and as much as there can be.
fn summaries() -> Vec<DoorSummary> {
    let summary = |lock, contact, mode, alarms| DoorSummary {
        lock,
        contact,
        mode,
        alarms,
        version: env!("CARGO_PKG_VERSION"),
        since: Timestamp::now(),
    };
    vec![
        summary(Lock::Secured, None, Mode::Normal, Vec::new()),
        summary(
            Lock::Released,
            Some(Contact::Open),
            Mode::Unlocked,
            Alarm::ALL.to_vec(),
        ),
        summary(
            Lock::Secured,
            Some(Contact::Closed),
            Mode::Lockdown,
            vec![Alarm::Duress],
        ),
    ]
}

/// Telemetry with as little and as much as there can be.
fn telemetry(full: bool) -> Publication {
    let stage = full.then_some(StageTime {
        runs: u64::MAX,
        mean_ms: f64::MAX,
        max_ms: 0.1 + 0.2,
    });
    let total = |class, reason| DroppedTotal {
        class,
        reason,
        messages: u64::MAX,
    };
    let limit = Class::ALL.map(|class| total(class, DropReason::Limit));
    let telemetry = Telemetry {
        time: Timestamp::now(),
        version: env!("CARGO_PKG_VERSION"),
        uptime_s: 0,
        camera_fps: 0.0,
        vision: VisionTimes {
            frame: stage,
            detect: stage,
            examine: stage,
            embed: stage,
            liveness: stage,
        },
        cpu_celsius: full.then_some(-40.5),
        memory_bytes: full.then_some(u64::MAX),
        session_expiry_s: full.then_some(u32::MAX),
        commits: full.then_some(CommitTimes {
            commits: u64::MAX,
            p50_ms: 0.0,
            p99_ms: 1e9,
            longest_ms: 1e12,
        }),
        outbox: OutboxGauge {
            queued: u64::MAX,
            under_way: 0,
            refused: 0,
            bytes: u64::MAX,
        },
        dropped: if full { limit.to_vec() } else { Vec::new() },
    };
    let soon = Timestamp::now() + SOON;
    Sender::new()
        .config
        .wire()
        .unwrap()
        .telemetry(&telemetry, soon)
        .unwrap()
}

/// Results with as little and as much as there can be.
fn results() -> Vec<Publication> {
    let wire = Sender::new().config.wire().unwrap();
    let now = Timestamp::now();
    let verb = CommandVerb::Unlock;
    let executed = CommandResult::executed(&wire, "7", "ada", verb, None, now);
    let refused = CommandResult {
        id: None,
        ok: false,
        reason: Some(CommandRefusal::Malformed),
        detail: Some(somebody().name),
        operator: None,
        verb: None,
        ..executed.clone()
    };
    let own = wire.topic(Class::Result);
    [(own.clone(), &executed), (own, &refused)]
        .into_iter()
        .map(|(topic, result)| result.publication(&wire, topic, Some(b"c"), now).unwrap())
        .collect()
}

/// Stands in for a picture: a subscriber that reads lines cannot read one.
fn picture() -> Publication {
    let soon = Timestamp::now() + SOON;
    Sender::new()
        .config
        .wire()
        .unwrap()
        .snapshot(b"JPEG".to_vec(), soon)
}

/// A person with a name that is hard on everything between here and there.
fn somebody() -> PersonRef {
    PersonRef {
        id: PersonId(uuid::Uuid::now_v7()),
        name: format!("Ωλ \"'\\\u{1f600}\u{202e}\u{0}\r\n{}", "x".repeat(4_000)),
    }
}

/// Events with as little and as much as there can be, and every word of every enumeration.
fn extremes() -> Vec<Event> {
    let most = u64::MAX;
    let granted = |similarity, liveness, method| {
        Event::AccessGranted(Granted {
            person: somebody(),
            rule: Rule::Other(String::new()),
            similarity,
            liveness,
            observations: u32::MAX,
            method,
            latency_ms: most,
        })
    };
    let denied = |reason| Denied {
        reason,
        rule: None,
        needed: None,
        person: None,
        problem: None,
        similarity: None,
        liveness: None,
        observations: 0,
        method: Method::Face,
        latency_ms: 0,
    };
    let mut events = vec![
        granted(1.0, Some(1.0), Method::Face),
        // What rounding leaves above one is one on the wire.
        granted(1.000_01, None, Method::FaceAndPin),
        granted(-1.0, Some(0.0), Method::FaceAndPin),
        Event::AccessDenied(Denied {
            rule: Some(Rule::Other("r".into())),
            needed: Some("n".into()),
            person: Some(somebody()),
            similarity: Some(-0.000_04),
            liveness: Some(0.000_04),
            ..denied(DenyReason::SpoofSuspected)
        }),
        Event::AccessDenied(Denied {
            similarity: Some(1.000_01),
            liveness: Some(1.0),
            ..denied(DenyReason::Ambiguous)
        }),
        Event::AccessDenied(Denied {
            similarity: Some(-1.0),
            liveness: Some(0.0),
            ..denied(DenyReason::Unknown)
        }),
        Event::DoorReleased {
            cause: ReleaseCause::Mode,
            release_ms: None,
            person: None,
        },
        Event::ReleaseWithdrawn {
            cause: ReleaseCause::Operator,
            person: None,
        },
        Event::DoorOpened,
        Event::DoorRex,
        Event::DoorClosed { open_ms: None },
        Event::DoorClosed {
            open_ms: Some(most),
        },
        Event::DoorMode {
            mode: Mode::Normal,
            source: ModeSource::Schedule,
            until: None,
        },
        Event::DoorMode {
            mode: Mode::Unlocked,
            source: ModeSource::Operator,
            until: Some(Timestamp::MAX),
        },
        Event::Enrolled {
            person: somebody(),
            templates: u32::MAX,
        },
        Event::Renamed {
            person: somebody(),
            previous: somebody().name,
        },
        Event::Suspended { person: somebody() },
        Event::Resumed { person: somebody() },
        Event::Removed {
            person: somebody(),
            templates: 0,
        },
        Event::PersonChanged {
            person: somebody(),
            changes: Vec::new(),
        },
        Event::ModeSet {
            mode: None,
            until: None,
        },
        Event::ModeSet {
            mode: Some(Mode::Unlocked),
            until: Some(Timestamp::UNIX_EPOCH),
        },
        Event::OperatorRemoved {
            operator: somebody().name,
        },
        Event::DeliveryRefused {
            topic: "t".into(),
            reason: String::new(),
            event: None,
            messages: most,
        },
        Event::DeliveryQosSet {
            qos: 2,
            messages: most,
        },
        Event::RecordPruned {
            through_seq: most,
            hash: "0".repeat(64),
            events: most,
        },
        Event::RecordRestored {
            source: RestoredFrom::Empty,
            quarantined: None,
            last_known_seq: 0,
        },
    ];
    events.extend(DenyReason::ALL.map(|reason| Event::AccessDenied(denied(reason))));
    events.extend(QualityProblem::ALL.map(|problem| {
        Event::AccessDenied(Denied {
            problem: Some(problem),
            ..denied(DenyReason::LowQuality)
        })
    }));
    events.extend(Challenge::ALL.map(|challenge| {
        Event::AccessChallenged(Challenged {
            person: somebody(),
            challenge,
            timeout_ms: most,
        })
    }));
    events.extend(
        [
            ReleaseCause::Grant,
            ReleaseCause::Rex,
            ReleaseCause::Operator,
        ]
        .map(|cause| Event::DoorReleased {
            cause,
            release_ms: Some(most),
            person: Some(somebody()),
        }),
    );
    events.extend(SecureCause::ALL.map(|cause| Event::DoorSecured { cause }));
    for rule in RuleKind::ALL {
        events.extend(RuleChange::ALL.map(|change| Event::RuleChanged {
            rule,
            name: String::new(),
            change,
            now: None,
        }));
    }
    events.extend(Role::ALL.map(|role| Event::OperatorAdded {
        operator: String::new(),
        role,
    }));
    events.extend(CommandVerb::ALL.map(|verb| Event::CommandExecuted {
        id: somebody().name,
        operator: String::new(),
        verb,
        detail: None,
    }));
    events.extend(CommandRefusal::ALL.map(|reason| Event::CommandRefused {
        reason,
        detail: String::new(),
        id: None,
        operator: None,
        verb: None,
        unrecorded: Some(most),
    }));
    for reason in [DropReason::Expired, DropReason::Asked] {
        events.extend(Class::ALL.map(|class| Event::DeliveryDropped {
            class,
            reason,
            messages: most,
        }));
    }
    for alarm in Alarm::ALL {
        events.push(Event::AlarmRaised {
            alarm,
            severity: alarm.severity(),
            detail: somebody().name,
            person: Some(somebody()),
        });
        events.push(Event::AlarmCleared { alarm });
        events.push(Event::AlarmAcknowledged { alarm, note: None });
    }
    events.extend(Severity::ALL.map(|severity| Event::AlarmRaised {
        alarm: Alarm::Clock,
        severity,
        detail: String::new(),
        person: None,
    }));
    events
}
