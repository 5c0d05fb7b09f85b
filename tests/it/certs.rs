//! `doorward certs`: what it makes works with a real broker and satisfies OpenSSL.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::broker::Broker;
use crate::support::door::{doorward, stderr};
use crate::support::pki::Identity;
use crate::support::sender::{SOON, Sender, record};

fn certs(arguments: &[&str]) -> Output {
    doorward().arg("certs").args(arguments).output().unwrap()
}

#[track_caller]
fn done(arguments: &[&str]) -> String {
    let output = certs(arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        stderr(&output)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn refused(arguments: &[&str], words: &[&str]) {
    let output = certs(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    let text = stderr(&output);
    for word in words {
        assert!(text.contains(word), "{word:?}: {text}");
    }
}

fn openssl(folder: &Path, arguments: &str) -> String {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn identity(folder: &Path, stem: &str) -> Identity {
    Identity {
        certificate: folder.join(format!("{stem}.pem")),
        key: folder.join(format!("{stem}.key")),
    }
}

#[test]
fn a_door_and_a_broker_with_certificates_of_the_command_line_trust_each_other() {
    let mut door = Sender::new();
    let folder = door.folder().join("made");
    let at = folder.to_str().unwrap();
    done(&["init", at]);
    done(&["server", at, "localhost", "127.0.0.1"]);
    done(&["client", at, "home/front"]);

    door.pki.ca = folder.join("ca.pem");
    let own = identity(&folder, "home-front");
    door.mqtt().ca_file = Some(folder.join("ca.pem"));
    door.mqtt().client_cert_file = Some(own.certificate);
    door.mqtt().client_key_file = Some(own.key);
    let broker = Broker::builder(&door.pki)
        .certificate(identity(&folder, "server"))
        .require_certificates(&door.pki)
        .identities()
        .start();
    let mut door = door.at(broker.port);
    let mut store = door.store();
    record(&mut store);
    let pump = door.pump();
    pump.connected();
    door.drained(SOON);
    assert!(broker.log().contains("u'home/front'"), "{}", broker.log());

    // Renewed in place, under the running door.
    let before = openssl(&folder, "x509 -in home-front.pem -noout -serial");
    done(&["client", at, "home/front", "--renew"]);
    let after = openssl(&folder, "x509 -in home-front.pem -noout -serial");
    assert_ne!(before, after);
    pump.connected();

    // By address, over the browser's certificate this time.
    done(&["dashboard", at, "guard"]);
    let guard = identity(&folder, "guard");
    door.mqtt().client_cert_file = Some(guard.certificate);
    door.mqtt().client_key_file = Some(guard.key);
    drop(pump);
    let door = door.towards(&format!("mqtts://127.0.0.1:{}", broker.port));
    let pump = door.pump();
    pump.connected();
    assert!(broker.log().contains("u'guard'"));
}

#[test]
fn openssl_accepts_each_for_its_purpose_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let at = folder.to_str().unwrap();
    done(&["init", at, "--name", "Our CA"]);
    done(&["server", at, "broker.lan", "fd00::1", "*.home.lan"]);
    done(&["client", at, "home/front", "--days", "60"]);
    let told = done(&["dashboard", at, "o'hara"]);

    let verify = "verify -x509_strict -CAfile ca.pem -purpose";
    openssl(
        folder,
        &format!("{verify} sslserver -verify_hostname broker.lan server.pem"),
    );
    openssl(
        folder,
        &format!("{verify} sslserver -verify_ip fd00::1 server.pem"),
    );
    openssl(folder, &format!("{verify} sslclient home-front.pem"));
    let wrong = Command::new("openssl")
        .args("verify -CAfile ca.pem -purpose sslserver home-front.pem".split(' '))
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(!wrong.status.success());
    let ca = openssl(folder, "x509 -in ca.pem -noout -text");
    for word in [
        "CN = Our CA",
        "CA:TRUE, pathlen:0",
        "Certificate Sign",
        "prime256v1",
    ] {
        assert!(ca.contains(word), "{word:?}: {ca}");
    }

    // The line for the browser is one that a shell can run, whatever the name.
    let line = told.lines().find(|line| line.contains("pkcs12")).unwrap();
    let made = Command::new("sh")
        .args(["-c", &format!("{line} -passout pass:x")])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", stderr(&made));
    openssl(
        folder,
        "pkcs12 -in o'hara.p12 -passin pass:x -nokeys -nodes",
    );
}

#[test]
fn nothing_is_written_over_and_mistakes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().to_str().unwrap();
    refused(&["client", at, "x"], &["no CA", "ca.pem", "certs init"]);
    done(&["init", at]);
    refused(&["init", at], &["ca.pem exists already"]);
    done(&["client", at, "home/front"]);
    refused(
        &["client", at, "home/front"],
        &["home-front.pem exists already", "--renew"],
    );
    refused(
        &["client", at, "home-front", "--renew"],
        &["that of home/front", "left alone"],
    );
    refused(&["client", at, "ca"], &["CA or of the broker"]);
    refused(&["client", at, "a+b"], &["wildcards"]);
    refused(&["server", at], &["required"]);
    refused(&["server", at, "--renew"], &["server.pem"]);
    refused(&["server", at, "mqtts://x"], &["without scheme and port"]);
    refused(&["client", at, "y", "--days", "826"], &["825"]);
    done(&["server", at, "one.lan", "two.lan"]);
    assert!(done(&["server", at, "--renew"]).contains("one.lan, two.lan"));
}

#[test]
fn the_status_tells_what_needs_attention() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().to_str().unwrap();
    done(&["init", at]);
    done(&["server", at, "broker.lan"]);
    let table = done(&["status", at]);
    for word in ["ca.pem", "server.pem", "broker.lan", "doorward CA", "0600"] {
        assert!(table.contains(word), "{word:?}: {table}");
    }
    done(&["client", at, "soon", "--days", "20"]);
    let output = certs(&["status", at, "--json"]);
    assert_eq!(output.status.code(), Some(4));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["sound"], false);
    let wrong: Vec<_> = told["certificates"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["problems"] != serde_json::json!([]))
        .collect();
    assert_eq!(wrong.len(), 1);
    assert_eq!(wrong[0]["subject"], "soon");
    assert!(wrong[0]["days_left"].as_i64().unwrap() >= 19);

    let config = folder.path().join("doorward.toml");
    std::fs::write(
        &config,
        "[mqtt]\nurl = \"mqtts://x\"\nca_file = \"ca.pem\"\nclient_cert_file = \"soon.pem\"\nclient_key_file = \"server.key\"\n",
    )
    .unwrap();
    let output = doorward()
        .args(["certs", "status", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("server.key does not belong to it"), "{text}");
}
