//! Certificates against a real broker: renewed in place, refused for every reason, told in time.

use std::path::Path;
use std::time::Duration;

use doorward::config::TlsVersion;
use doorward::mqtt::Failure;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

use crate::support::broker::{Broker, Builder};
use crate::support::clip::{self, Scene};
use crate::support::door::{Door, PATIENCE};
use crate::support::pki::{Identity, Pki, write_secret};
use crate::support::sender::{SOON, Sender, record};
use crate::support::subscriber::{Login, Subscriber};
use crate::support::wait_for;

/// A door that shows a client certificate of its CA.
fn door_as(name: &str) -> (Sender, Identity) {
    let mut door = Sender::new();
    let identity = door.pki.client(name);
    show(&mut door, &identity);
    (door, identity)
}

fn show(door: &mut Sender, identity: &Identity) {
    door.mqtt().client_cert_file = Some(identity.certificate.clone());
    door.mqtt().client_key_file = Some(identity.key.clone());
}

/// A broker that asks for certificates and logs the common name of each.
fn mutual(pki: &Pki) -> Builder {
    Broker::builder(pki).require_certificates(pki).identities()
}

/// Puts one file in the place of another, whole.
fn replace(old: &Path, new: &Path) {
    std::fs::rename(new, old).unwrap();
}

#[track_caller]
fn configuration(failure: &Failure, words: &[&str]) {
    let Failure::Configuration(text) = failure else {
        panic!("{failure:?}");
    };
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}

/// Waits for a failure that says this; an alert may be lost when the broker is quick to close.
#[track_caller]
fn fails(door: &Sender, words: &[&str]) {
    door.store();
    let pump = door.pump();
    wait_for("the reason is named", SOON, || {
        let failure = pump.failure();
        let told = matches!(failure, Failure::Configuration(_));
        if told {
            configuration(&failure, words);
        }
        told
    });
}

#[test]
fn a_renewed_client_certificate_is_used_without_a_restart_and_without_the_will() {
    let (door, old) = door_as("first");
    let broker = mutual(&door.pki).start();
    let door = door.at(broker.port);
    let watcher = door.pki.client("watcher");
    let login = Login {
        certificate: Some(&watcher),
        ..Login::default()
    };
    let consumer = Subscriber::start(broker.port, Some(&door.pki), "doorward/#", &login);
    let mut store = door.store();
    record(&mut store);
    let pump = door.pump();
    pump.connected();
    door.drained(SOON);
    assert!(broker.log().contains("u'first'"));

    let new = door.pki.client("second");
    replace(&old.certificate, &new.certificate);
    replace(&old.key, &new.key);
    assert!(pump.connected(), "the session is the old one");
    record(&mut store);
    pump.handle.wake();
    door.drained(SOON);
    assert!(broker.log().contains("u'second'"));
    wait_for("both events", SOON, || {
        consumer.sequences("/event/").len() >= 2
    });
    assert_eq!(consumer.sequences("/event/"), [1, 2]);
    let said = consumer.payloads("/availability");
    assert!(!said.contains(&"offline".to_owned()), "{said:?}");
}

#[test]
fn a_half_written_pair_changes_nothing_until_it_is_whole() {
    let (door, old) = door_as("first");
    let mut broker = mutual(&door.pki).start();
    let door = door.at(broker.port);
    let mut store = door.store();
    let pump = door.pump();
    pump.connected();

    let new = door.pki.client("second");
    replace(&old.certificate, &new.certificate);
    pump.handle.reloader()();
    // The files do not fit: a new connection is made with what was there before.
    broker.restart();
    pump.connected();
    record(&mut store);
    pump.handle.wake();
    door.drained(SOON);
    // One made the session, one was the first with it, and one came back to it.
    assert_eq!(broker.log().matches("u'first'").count(), 3);
    assert!(!broker.log().contains("u'second'"));

    replace(&old.key, &new.key);
    pump.handle.reloader()();
    pump.connected();
    assert!(broker.log().contains("u'second'"));
}

#[test]
fn a_ca_that_is_replaced_counts_for_the_next_connection() {
    let door = Sender::new();
    let other = Pki::new(door.folder(), "other");
    let broker = Broker::builder(&other).start();
    let door = door.at(broker.port);
    record(&mut door.store());
    let pump = door.pump();
    configuration(&pump.failure(), &["CA that we trust: other signed it"]);
    std::fs::copy(&other.ca, &door.pki.ca).unwrap();
    pump.connected();
    door.drained(SOON);
}

#[test]
fn a_password_that_is_changed_counts_for_the_next_connection() {
    let mut door = Sender::new();
    let password = door.folder().join("password");
    write_secret(&password, "old\n");
    door.mqtt().username = Some("door".into());
    door.mqtt().password_file = Some(password.clone());
    let broker = Broker::builder(&door.pki).user("door", "new").start();
    let door = door.at(broker.port);
    door.store();
    let pump = door.pump();
    configuration(&pump.failure(), &["mqtt.password_file"]);
    write_secret(&password, "new\n");
    pump.connected();
}

#[test]
fn a_broker_is_found_by_address_and_by_every_way_to_write_its_name() {
    let door = Sender::new();
    let own = door.pki.server("all", &["localhost", "127.0.0.1", "::1"]);
    let mut builder = Broker::builder(&door.pki).certificate(own.clone());
    let mut places: Vec<(&str, Option<u16>)> =
        ["127.0.0.1", "LocalHost"].map(|host| (host, None)).to_vec();
    // Where there is no IPv6, a broker could not listen there.
    if let Ok(free) = std::net::TcpListener::bind("[::1]:0") {
        let port = free.local_addr().unwrap().port();
        builder = builder.line(&format!(
            "listener {port} ::1\ncafile {}\ncertfile {}\nkeyfile {}",
            door.pki.ca.display(),
            own.certificate.display(),
            own.key.display()
        ));
        places.push(("[::1]", Some(port)));
    }
    let broker = builder.start();
    let mut door = door;
    for (host, port) in places {
        let port = port.unwrap_or(broker.port);
        door = door.towards(&format!("mqtts://{host}:{port}"));
        door.store();
        let pump = door.pump();
        pump.connected();
        pump.handle.shutdown(Duration::from_secs(3));
    }
}

#[test]
fn an_address_that_the_certificate_does_not_have() {
    let door = Sender::new();
    let named = door.pki.server("named", &["localhost", "10.9.8.7"]);
    let broker = Broker::builder(&door.pki).certificate(named).start();
    let door = door.towards(&format!("mqtts://127.0.0.1:{}", broker.port));
    fails(
        &door,
        &["not for the address 127.0.0.1", "localhost, 10.9.8.7"],
    );
}

#[test]
fn a_broker_of_tls_1_2_is_refused_unless_it_is_allowed() {
    let mut door = Sender::new();
    let old = door.folder().join("openssl.cnf");
    std::fs::write(
        &old,
        "openssl_conf = c\n[c]\nssl_conf = s\n[s]\nsystem_default = d\n[d]\nMaxProtocol = TLSv1.2\n",
    )
    .unwrap();
    let broker = Broker::builder(&door.pki).openssl(&old).start();
    door = door.at(broker.port);
    fails(&door, &["does not speak TLS 1.3", "tls_min = \"1.2\""]);
    door.mqtt().tls_min = TlsVersion::V12;
    record(&mut door.store());
    let pump = door.pump();
    pump.connected();
    door.drained(SOON);
}

#[test]
fn a_client_certificate_that_the_broker_refuses_says_why() {
    let client = |from, until, usage: ExtendedKeyUsagePurpose| {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![usage];
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        params
    };
    let cases = [
        (
            client(2020, 2021, ExtendedKeyUsagePurpose::ClientAuth),
            ["CertificateExpired", "it has expired"],
        ),
        (
            client(2020, 2100, ExtendedKeyUsagePurpose::ServerAuth),
            ["UnsupportedCertificate", "clientAuth"],
        ),
    ];
    for (params, words) in cases {
        let mut door = Sender::new();
        let identity = door.pki.sign("door", params);
        show(&mut door, &identity);
        let broker = mutual(&door.pki).start();
        fails(&door.at(broker.port), &words);
    }
}

/// The door's failure with a broker that has this certificate.
#[track_caller]
fn broker_with(door: Sender, identity: Identity, words: &[&str]) {
    let broker = Broker::builder(&door.pki).certificate(identity).start();
    fails(&door.at(broker.port), words);
}

fn save(door: &Sender, chain: &str, key: &KeyPair) -> Identity {
    let identity = Identity {
        certificate: door.folder().join("odd.pem"),
        key: door.folder().join("odd.key"),
    };
    std::fs::write(&identity.certificate, chain).unwrap();
    write_secret(&identity.key, &key.serialize_pem());
    identity
}

#[test]
fn a_broker_with_a_self_signed_certificate() {
    let door = Sender::new();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "lonely");
    let own = params.self_signed(&key).unwrap();
    let identity = save(&door, &own.pem(), &key);
    broker_with(
        door,
        identity,
        &["self-signed (lonely)", "doorward certs server"],
    );
}

#[test]
fn a_broker_with_a_certificate_for_clients_only_or_without_a_name() {
    let door = Sender::new();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let identity = door.pki.sign("client", params);
    broker_with(door, identity, &["not made for servers", "serverAuth"]);

    let door = Sender::new();
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let identity = door.pki.sign("localhost", params);
    broker_with(
        door,
        identity,
        &[
            "no name at all",
            "common name, localhost, does not count",
            "subject alternative name localhost",
        ],
    );
}

#[test]
fn a_broker_that_shows_a_ca_certificate_or_one_signed_by_no_ca() {
    let door = Sender::new();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let identity = door.pki.sign("ca-as-server", params);
    broker_with(door, identity, &["is a CA certificate"]);

    let door = Sender::new();
    let mut params = CertificateParams::new(["between".to_owned()]).unwrap();
    params.is_ca = IsCa::ExplicitNoCa;
    let between = door.pki.sign("between", params.clone());
    params
        .distinguished_name
        .push(DnType::CommonName, "between");
    let pem = std::fs::read_to_string(&between.key).unwrap();
    let issuer = Issuer::new(params, KeyPair::from_pem(&pem).unwrap());
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let leaf = params.signed_by(&key, &issuer).unwrap();
    let between = std::fs::read_to_string(&between.certificate).unwrap();
    let identity = save(&door, &format!("{}{between}", leaf.pem()), &key);
    broker_with(door, identity, &["no CA", "CA:FALSE"]);
}

#[test]
fn a_ca_made_anew_under_the_same_name() {
    let door = Sender::new();
    let again = door.folder().join("again");
    std::fs::create_dir(&again).unwrap();
    let again = Pki::new(&again, "ca");
    let broker = Broker::builder(&again).start();
    fails(
        &door.at(broker.port),
        &[
            "not signed by a CA that we trust",
            "same name",
            "its key is another",
        ],
    );
}

#[test]
fn a_certificate_that_expires_soon_is_an_alarm() {
    let pki_folder = tempfile::tempdir().unwrap();
    let pki = Pki::new(pki_folder.path(), "ca");
    let mut params = CertificateParams::default();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let day = Duration::from_secs(24 * 3600);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + now + 10 * day + day / 2;
    let identity = pki.sign("soon", params);
    let door = Door::new(&format!(
        "[camera]\nsource = \"file\"\npath = \"clip.avi\"\n[clock]\nalways_trusted = true\n\
         [mqtt]\nurl = \"mqtts://localhost:1\"\nca_file = {:?}\nclient_cert_file = {:?}\nclient_key_file = {:?}\n",
        pki.ca, identity.certificate, identity.key
    ));
    clip::write(&door.path("clip.avi"), &[Scene::empty(120.0)]).unwrap();
    let mut service = door.start();
    service.wait_for("trouble with certificates");
    wait_for("the alarm", PATIENCE, || {
        door.kinds().contains(&"alarm.raised")
    });
    let events = door.json(&["events", "list", "--kind", "alarm"]);
    let raised = events
        .iter()
        .find(|event| event["data"]["alarm"] == "certificate")
        .unwrap();
    let detail = raised["data"]["detail"].as_str().unwrap();
    for word in [
        "client certificate \"soon\"",
        "10 days are left",
        "doorward certs client",
    ] {
        assert!(detail.contains(word), "{word:?}: {detail}");
    }
    drop(service);
}

/// Runs openssl in a folder.
fn openssl(folder: &Path, arguments: &str) {
    let done = std::process::Command::new("openssl")
        .current_dir(folder)
        .args(arguments.split(' '))
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "openssl {arguments}: {told}");
}

/// A server's identity whose CA is the door's, made by openssl: this kind of key, signed so.
fn made_by_openssl(door: &mut Sender, curve: &str, digest: &str) -> Identity {
    let folder = door.folder().to_owned();
    openssl(
        &folder,
        "ecparam -name prime256v1 -genkey -noout -out other-ca.key",
    );
    openssl(
        &folder,
        "req -x509 -new -key other-ca.key -subj /CN=other -days 30 -out other-ca.pem",
    );
    openssl(
        &folder,
        &format!("ecparam -name {curve} -genkey -noout -out odd.key"),
    );
    openssl(&folder, "req -new -key odd.key -subj /CN=odd -out odd.csr");
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    openssl(
        &folder,
        &format!(
            "x509 -req -in odd.csr -CA other-ca.pem -CAkey other-ca.key -CAcreateserial -days 30 {digest} -extfile names -out odd.pem"
        ),
    );
    door.mqtt().ca_file = Some(folder.join("other-ca.pem"));
    Identity {
        certificate: folder.join("odd.pem"),
        key: folder.join("odd.key"),
    }
}

#[test]
fn keys_and_signatures_that_are_not_supported_are_named_with_those_that_are() {
    for (curve, digest) in [("secp521r1", "-sha256"), ("prime256v1", "-sha512")] {
        let mut door = Sender::new();
        let identity = made_by_openssl(&mut door, curve, digest);
        println!("{curve} {digest}");
        broker_with(door, identity, &["P-521", "P-384", "Ed25519"]);
    }
}

#[test]
fn a_client_certificate_of_x509_v1_is_refused_in_words_and_once() {
    let mut door = Sender::new();
    let folder = door.folder().to_owned();
    openssl(
        &folder,
        "ecparam -name prime256v1 -genkey -noout -out old.key",
    );
    openssl(&folder, "pkcs8 -topk8 -nocrypt -in old.key -out old8.key");
    openssl(&folder, "req -new -key old8.key -subj /CN=old -out old.csr");
    openssl(
        &folder,
        "x509 -req -in old.csr -signkey old8.key -days 30 -out old.pem",
    );
    let key = std::fs::read_to_string(folder.join("old8.key")).unwrap();
    write_secret(&folder.join("old8.key"), &key);
    door.mqtt().client_cert_file = Some(folder.join("old.pem"));
    door.mqtt().client_key_file = Some(folder.join("old8.key"));
    let door = door.at(1);
    let error = doorward::mqtt::PumpConfig::from_config(&door.config).unwrap_err();
    let error = format!("{:#}", anyhow::Error::from(error));
    assert!(
        error.contains("X.509 v1") && error.contains("old.pem"),
        "{error}"
    );
    assert_eq!(error.matches("X.509").count(), 1, "{error}");
}
