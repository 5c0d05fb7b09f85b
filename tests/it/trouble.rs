//! Every way a connection can fail to come about: told apart in words, and repaired in place.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use doorward::mqtt::{Failure, PumpEvent};

use crate::support::broker::{Broker, Builder};
use crate::support::pki::{Identity, Pki, write_secret};
use crate::support::script::Script;
use crate::support::sender::{SOON, Sender, record};
use crate::support::subscriber::{Login, Subscriber};
use crate::support::{free_port, wait_for};

#[track_caller]
fn says(failure: &Failure, words: &[&str]) {
    let text = failure.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {failure:?}");
    }
}

#[track_caller]
fn configuration(failure: &Failure, words: &[&str]) {
    assert!(matches!(failure, Failure::Configuration(_)), "{failure:?}");
    says(failure, words);
}

/// The door fails against the broker as it is, and drains once the broker is repaired.
#[track_caller]
fn repaired(door: Sender, broken: Builder, repaired: Builder, check: impl FnOnce(&Failure)) {
    let mut broker = broken.start();
    let door = door.at(broker.port);
    record(&mut door.store());
    let pump = door.pump();
    check(&pump.failure());
    broker.reconfigure(|_| repaired);
    pump.connected();
    door.drained(SOON);
}

#[test]
fn a_broker_of_another_ca() {
    let door = Sender::new();
    let other = Pki::new(door.folder(), "other");
    let good = Broker::builder(&door.pki);
    repaired(door, Broker::builder(&other), good, |failure| {
        configuration(
            failure,
            &["not signed by a CA that we trust", "mqtt.ca_file"],
        );
    });
}

#[test]
fn a_certificate_that_is_not_valid_now() {
    let door = Sender::new();
    let expired = door.pki.server_between("old", &["localhost"], 2020, 2021);
    let good = Broker::builder(&door.pki);
    let broken = good.clone().certificate(expired);
    repaired(door, broken, good, |failure| {
        configuration(failure, &["expired on 2021-01-01", "renew"]);
    });

    let door = Sender::new();
    let early = door.pki.server_between("new", &["localhost"], 2090, 2100);
    let good = Broker::builder(&door.pki);
    let broken = good.clone().certificate(early);
    repaired(door, broken, good, |failure| {
        configuration(
            failure,
            &["not valid yet", "2090-01-01", "check this device's clock"],
        );
    });
}

#[test]
fn a_certificate_for_another_host() {
    let door = Sender::new();
    let elsewhere = door.pki.server("elsewhere", &["broker.example"]);
    let good = Broker::builder(&door.pki);
    let broken = good.clone().certificate(elsewhere);
    repaired(door, broken, good, |failure| {
        configuration(
            failure,
            &["not for the host name localhost", "broker.example"],
        );
    });
}

#[test]
fn a_certificate_of_version_1() {
    let door = Sender::new();
    let folder = door.folder();
    let openssl = |arguments: &str| {
        Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(folder)
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap()
            .success()
    };
    // A CA whose key openssl can use, and a certificate of version 1. OpenSSL from 3.2 on makes
    // those only when told to; the ones before do not know the option, and need none.
    assert!(openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout v1ca.key -out v1ca.pem -subj /CN=v1ca -days 30",
    ));
    std::fs::write(
        folder.join("plain.cnf"),
        "[req]\ndistinguished_name = dn\n[dn]\n",
    )
    .unwrap();
    let told = "req -config plain.cnf -x509 -x509v1 -newkey rsa:2048 -nodes -keyout v1.key -out v1.pem \
                -subj /CN=localhost -CA v1ca.pem -CAkey v1ca.key -days 30";
    if !openssl(told) {
        assert!(openssl(
            "req -new -newkey rsa:2048 -nodes -keyout v1.key -out v1.csr -subj /CN=localhost"
        ));
        assert!(openssl(
            "x509 -req -in v1.csr -CA v1ca.pem -CAkey v1ca.key -set_serial 2 -out v1.pem -days 30"
        ));
    }
    let v1 = Identity {
        certificate: folder.join("v1.pem"),
        key: folder.join("v1.key"),
    };
    let broker = Broker::builder(&door.pki).certificate(v1).start();
    let mut door = door.at(broker.port);
    door.mqtt().ca_file = Some(door.folder().join("v1ca.pem"));
    door.store();
    configuration(&door.pump().failure(), &["X.509 v1", "version 3"]);
}

#[test]
fn a_client_certificate_that_is_missing_or_of_another_ca() {
    // The alert that tells comes after the handshake and may be lost when the broker closes
    // with our CONNECT unread; it is there at one of the attempts.
    let door = Sender::new();
    let mut broker = Broker::builder(&door.pki)
        .require_certificates(&door.pki)
        .start();
    let door = door.at(broker.port);
    record(&mut door.store());
    let pump = door.pump();
    wait_for("the missing certificate is named", SOON, || {
        let failure = pump.failure();
        says(
            &failure,
            &["wants a client certificate", "mqtt.client_cert_file"],
        );
        matches!(failure, Failure::Configuration(_))
    });
    let good = Broker::builder(&door.pki);
    broker.reconfigure(|_| good);
    pump.connected();
    door.drained(SOON);

    let mut door = Sender::new();
    let other = Pki::new(door.folder(), "other");
    let stranger = other.client("stranger");
    door.mqtt().client_cert_file = Some(stranger.certificate);
    door.mqtt().client_key_file = Some(stranger.key);
    let mut broker = Broker::builder(&door.pki)
        .require_certificates(&door.pki)
        .start();
    let door = door.at(broker.port);
    record(&mut door.store());
    let pump = door.pump();
    wait_for("the refused certificate is named", SOON, || {
        let failure = pump.failure();
        says(&failure, &["refuses our client certificate"]);
        matches!(failure, Failure::Configuration(_))
    });
    let good = Broker::builder(&door.pki).require_certificates(&other);
    broker.reconfigure(|_| good);
    pump.connected();
    door.drained(SOON);
}

#[test]
fn a_client_certificate_that_is_accepted() {
    let mut door = Sender::new();
    let identity = door.pki.client("front");
    door.mqtt().client_cert_file = Some(identity.certificate.clone());
    door.mqtt().client_key_file = Some(identity.key.clone());
    let broker = Broker::builder(&door.pki)
        .require_certificates(&door.pki)
        .start();
    let door = door.at(broker.port);
    let login = Login {
        certificate: Some(&identity),
        ..Login::default()
    };
    let consumer = Subscriber::start(broker.port, Some(&door.pki), "doorward/#", &login);
    record(&mut door.store());
    let pump = door.pump();
    pump.connected();
    wait_for("the event", SOON, || consumer.sequences("/access") == [1]);
}

#[test]
fn a_port_without_tls() {
    let door = Sender::new();
    let good = Broker::builder(&door.pki);
    repaired(door, good.clone().plaintext(), good, |failure| {
        says(failure, &["this port does not speak TLS"]);
    });

    // Something that answers, but not in TLS.
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            let _ = client.read(&mut [0; 1024]);
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let door = Sender::new().at(port);
    door.store();
    configuration(&door.pump().failure(), &["this port does not speak TLS"]);
}

#[test]
fn a_tls_port_addressed_without_tls() {
    let mut door = Sender::new();
    let broker = Broker::builder(&door.pki).start();
    door.mqtt().allow_plaintext = true;
    let door = door.towards(&format!("mqtt://localhost:{}", broker.port));
    door.store();
    says(
        &door.pump().failure(),
        &["if it speaks TLS there, use mqtts://"],
    );
}

#[test]
fn a_wrong_password() {
    let mut door = Sender::new();
    let password = door.folder().join("password");
    write_secret(&password, "right\n");
    door.mqtt().username = Some("door".into());
    door.mqtt().password_file = Some(password);
    let broken = Broker::builder(&door.pki).user("door", "wrong");
    let good = Broker::builder(&door.pki).user("door", "right");
    repaired(door, broken, good, |failure| {
        configuration(
            failure,
            &["not authorised", "mqtt.username", "mqtt.password_file"],
        );
    });
}

#[test]
fn what_an_editor_puts_around_a_password_is_no_part_of_it() {
    let mut door = Sender::new();
    let password = door.folder().join("password");
    write_secret(&password, "\u{feff}right\r\n");
    door.mqtt().username = Some("door".into());
    door.mqtt().password_file = Some(password);
    let broker = Broker::builder(&door.pki).user("door", "right").start();
    let door = door.at(broker.port);
    door.store();
    door.pump().connected();
}

#[test]
fn nobody_there_and_no_such_name() {
    let door = Sender::new().at(free_port());
    door.store();
    let failure = door.pump().failure();
    assert!(matches!(failure, Failure::Network(_)));
    says(&failure, &["connection refused", "localhost"]);

    let door = Sender::new().towards("mqtts://broker.invalid");
    door.store();
    let failure = door.pump().failure();
    assert!(matches!(failure, Failure::Network(_)));
    says(&failure, &["broker.invalid cannot be resolved"]);
}

#[test]
fn another_client_with_the_same_id() {
    // A broker that says so.
    let script = Script::new();
    let mut door = Sender::new();
    door.mqtt().allow_plaintext = true;
    let door = door.towards(&format!("mqtt://127.0.0.1:{}", script.port));
    door.store();
    let pump = door.pump();
    let mut client = script.first();
    client.read();
    client.disconnect(0x8E);
    configuration(&pump.failure(), &["same client id", "mqtt.client_id"]);

    // One that just closes, as this Mosquitto does.
    let door = Sender::new();
    let broker = Broker::builder(&door.pki).start();
    let door = door.towards(&broker.url());
    door.store();
    let first = door.pump();
    first.connected();
    let mut twin = Sender::new();
    twin.mqtt().ca_file = Some(door.pki.ca.clone());
    let twin = twin.towards(&broker.url());
    twin.store();
    let _second = twin.pump();
    says(
        &first.failure(),
        &["was cut soon after", "same mqtt.client_id"],
    );
}

/// The one who is told panics on the pump's own thread, as a defect in there would.
#[test]
fn a_panic_of_the_mqtt_thread_is_told_and_everything_arrives_all_the_same() {
    let door = Sender::new();
    let broker = Broker::builder(&door.pki).start();
    let door = door.at(broker.port);
    let mut store = door.store();
    for _ in 0..5 {
        record(&mut store);
    }
    let mut panics = 2;
    let pump = door.pump_telling(move |event| {
        if matches!(event, PumpEvent::Delivered { .. }) && panics > 0 {
            panics -= 1;
            panic!("a test's own");
        }
    });
    for _ in 0..2 {
        pump.connected();
        let failure = pump.failure();
        assert!(matches!(failure, Failure::Defect(_)), "{failure:?}");
        says(&failure, &["panicked (a test's own)", "report it"]);
    }
    pump.connected();
    door.drained(SOON);
    pump.handle.shutdown(SOON);
}
