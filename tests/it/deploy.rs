//! The Mosquitto set-up in `deploy/`, started as shipped: each role can do what it must and nothing
//! else, and who has neither certificate nor password gets nowhere.

use crate::support::pki::Pki;
use crate::support::sender::{SOON, Sender, record};
use crate::support::shipped::{Reason, Shipped};
use crate::support::site::{COMMANDS, DASHBOARD, Site, WRITTEN, of, of_both, sorted, topics_until};
use crate::support::subscriber::{Login, Subscriber};
use crate::support::wait_for;
use crate::support::websocket::Browser;

#[test]
fn everybody_writes_where_they_must_and_nowhere_else() {
    let site = Site::new();
    let watcher = site.reader("watcher", &site.operator);
    site.speak();

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
                    "doorward/home/front/command/result/operator/7".into(),
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
    expected.push(last.to_owned());
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
        assert!(matches!(refused, Some(0x87 | 0)), "{login:?}");
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
fn nobody_takes_another_s_place_by_its_client_id() {
    let folder = tempfile::tempdir().unwrap();
    let pki = Pki::new(folder.path(), "ca");
    let broker = Shipped::start(&pki, &[DASHBOARD]);
    let (door, operator) = (pki.client("home/front"), pki.client("operator"));
    let command = "doorward/home/front/command";
    let login = Login {
        certificate: Some(&door),
        client_id: Some("home/front"),
        ..Login::default()
    };
    let listening = Subscriber::start(broker.tls_port, Some(&pki), command, &login);
    let send = |payload: &str| {
        let output = broker
            .client("mosquitto_pub", &pki, Some(&operator))
            .args(["-i", "home/front", "-q", "1", "-t", command, "-m", payload])
            .output()
            .unwrap();
        assert!(output.status.success());
    };
    send("as an operator");
    // A dashboard's user, in the door's name as far as it goes.
    let mut dashboard =
        Browser::connect_as(&pki, broker.wss_port, Some(DASHBOARD), "home/front").unwrap();
    dashboard.subscribe("doorward/home/+/state");
    send("as an operator again");
    wait_for("both commands", SOON, || listening.messages().len() == 2);
    assert!(
        !broker.log().contains("already connected"),
        "{}",
        broker.log()
    );
    assert!(!broker.log().contains("taken over"), "{}", broker.log());
}

#[test]
fn a_broker_that_is_full_of_messages_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    let pki = Pki::new(folder.path(), "ca");
    let mut broker = Shipped::start(&pki, &[]);
    let (door, operator) = (pki.client("home/front"), pki.client("operator"));
    let login = Login {
        certificate: Some(&operator),
        ..Login::default()
    };
    let consumer = Subscriber::start(broker.tls_port, Some(&pki), "doorward/home/#", &login);
    drop(consumer);
    // More than the queue of an absent consumer takes, by either of its limits.
    let mut publisher = broker
        .client("mosquitto_pub", &pki, Some(&door))
        .args(["-q", "0", "-l", "-t", "doorward/home/front/event/access"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    {
        use std::io::Write as _;
        let mut lines = std::io::BufWriter::new(publisher.stdin.take().unwrap());
        let line = "x".repeat(4_000);
        for _ in 0..30_000 {
            writeln!(lines, "{line}").unwrap();
        }
    }
    assert!(publisher.wait().unwrap().success());
    broker.restart();
    let topic = "doorward/home/front/state";
    assert!(broker.publish(&pki, &door, topic, "x").is_taken());
}

#[test]
fn a_door_works_with_the_shipped_broker_and_an_absent_consumer_misses_nothing() {
    let mut door = Sender::new();
    let mut broker = Shipped::start(&door.pki, &[]);
    let (own, operator) = (door.pki.client("home/front"), door.pki.client("operator"));
    door.mqtt().client_cert_file = Some(own.certificate);
    door.mqtt().client_key_file = Some(own.key);
    let door = door.at(broker.tls_port);
    let login = Login {
        certificate: Some(&operator),
        ..Login::default()
    };
    let subscribe = |port| Subscriber::start(port, Some(&door.pki), "doorward/home/#", &login);
    let consumer = subscribe(broker.tls_port);

    let mut store = door.store();
    let pump = door.pump();
    pump.connected();
    let first = record(&mut store);
    pump.handle.wake();
    wait_for("an event", SOON, || {
        consumer.sequences("/event/") == [first]
    });
    drop(consumer);

    // More than a broker usually keeps for whoever is away (1000), and over its restart.
    let numbers: Vec<u64> = (0..1_200).map(|_| record(&mut store)).collect();
    pump.handle.wake();
    door.drained(4 * SOON);
    pump.handle.shutdown(SOON);
    broker.restart();
    let consumer = subscribe(broker.tls_port);
    // The first may come again: the consumer was killed within its handshake.
    let later = || -> Vec<u64> {
        let mut seen = consumer.sequences("/event/");
        seen.retain(|sequence| *sequence > first);
        seen.sort_unstable();
        seen
    };
    wait_for("all events", 4 * SOON, || later().len() >= numbers.len());
    assert_eq!(later(), numbers);
    // What the broker refused would stand here.
    assert_eq!(door.outbox().depth().unwrap().rejected, 0);
    let state = "doorward/home/front/availability";
    wait_for("its last word", SOON, || {
        let messages = consumer.messages();
        let last = messages.iter().rfind(|message| message.topic == state);
        last.is_some_and(|message| message.payload == "stopped")
    });
}
