//! What people type and bring along: the examples of the help, MQTT's version, keys of other tools.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};

use super::*;

/// The example of `doorward command --help` that pipes into another client, with this site's names.
fn piped_example(site: &Site) -> String {
    let help = doorward().args(["command", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (start, end) = (help.find("doorward command --print"), help.find(" -s\n"));
    let example = &help[start.unwrap()..end.unwrap() + 3];
    let program = doorward().get_program().to_owned();
    let shown = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    example
        .replace("doorward command", &format!("{program:?} command"))
        .replace("broker.lan", "localhost")
        .replace("8883", &site.broker.port.to_string())
        .replace(
            "--cafile ca.pem",
            &format!("--cafile {}", shown(&site.pki.ca)),
        )
        .replace("ada.key", &shown(&site.door.path("ada.key")))
}

#[test]
fn the_example_of_the_help_that_pipes_a_command_opens_the_door() {
    let site = Site::new("", TRUSTED);
    let service = site.start();
    let status = Process::new("bash")
        .args(["-euo", "pipefail", "-c", &piped_example(&site)])
        .status()
        .unwrap();
    assert!(status.success());
    let answer = site.next_result(0);
    assert_eq!(
        (&answer["ok"], &answer["operator"], &answer["verb"]),
        (&json!(true), &json!("ada"), &json!("unlock")),
        "{answer}"
    );
    ended(&site, service);
}

#[test]
fn a_broker_named_on_the_command_line_is_spoken_to_in_either_version() {
    let site = Site::new("", TRUSTED);
    let service = site.start();
    let (url, ca) = (site.broker.url(), site.pki.ca.to_str().unwrap().to_owned());
    // As Mosquitto writes them.
    for (version, logged) in [("3.1.1", "(p2,"), ("5", "(p5,")] {
        let named = ["--url", &url, "--ca", &ca, "--door", "home/front"];
        let output = site.command(
            "otto",
            &[&named[..], &["--protocol", version, "lock"]].concat(),
        );
        assert!(output.status.success(), "{version}: {}", stderr(&output));
        let log = site.broker.log();
        let ours = |line: &&str| line.contains("as doorward-command-");
        let last = log.lines().rfind(ours).unwrap();
        assert!(last.contains(logged), "{version}: {last}");
    }
    // And so is the one of the configuration file.
    let output = site.command("otto", &["--protocol", "3.1.1", "lock"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let output = site.command("otto", &["--protocol", "4", "lock"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("[possible values: 5, 3.1.1]"));
    ended(&site, service);
}

#[test]
fn a_token_that_names_ed25519_is_taken_like_eddsa() {
    let site = Site::new("", TRUSTED);
    let service = site.start();
    let pem = std::fs::read_to_string(site.door.path("otto.key")).unwrap();
    let key = EncodingKey::from_ed_der(&pem::parse(pem).unwrap().into_contents());
    for (n, alg) in ["Ed25519", "EdDSA"].into_iter().enumerate() {
        let token = site.genuine("otto", &format!("alg-{n}"), unlock());
        let claims = token.split('.').nth(1).unwrap();
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": alg }).to_string());
        let message = format!("{header}.{claims}");
        let signed = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::EdDSA);
        let answer = site.answer(&format!("{message}.{}", signed.unwrap()));
        assert_eq!(answer["ok"], true, "{alg}: {answer}");
    }
    ended(&site, service);
}

#[test]
fn an_operator_brings_the_key_they_have() {
    let site = Site::new("", TRUSTED);
    let service = site.start();
    let made = |kind: &str, passphrase: &str, name: &str| {
        let status = Process::new("ssh-keygen")
            .args(["-q", "-t", kind, "-N", passphrase, "-C", "nina@desk", "-f"])
            .arg(site.door.path(name))
            .status()
            .expect("ssh-keygen is installed");
        assert!(status.success());
    };
    let add = |name: &str, file: &str| {
        let file = site.door.path(file);
        let file = file.to_str().unwrap();
        site.door
            .run(&["operators", "add", name, "--role", "operate", "--key", file])
    };
    made("ed25519", "", "nina.key");
    let added = add("nina", "nina.key.pub");
    assert!(added.status.success(), "{}", stderr(&added));
    let output = site.command("nina", &["unlock"]);
    assert!(output.status.success(), "{}", stderr(&output));

    // The same key as a browser exports it.
    let listed = &site.door.json(&["operators", "list"])[0];
    let mut listed = listed.as_array().unwrap().iter();
    let nina = listed.find(|operator| operator["name"] == "nina").unwrap();
    let der = pem::parse(nina["public_key"].as_str().unwrap()).unwrap();
    let x = URL_SAFE_NO_PAD.encode(&der.contents()[12..]);
    let jwk = json!({"alg": "Ed25519", "crv": "Ed25519", "ext": true, "key_ops": ["verify"], "kty": "OKP", "x": x});
    std::fs::write(site.door.path("web.jwk"), jwk.to_string()).unwrap();
    let added = add("web", "web.jwk");
    assert!(added.status.success(), "{}", stderr(&added));
    std::fs::copy(site.door.path("nina.key"), site.door.path("web.key")).unwrap();
    let output = site.command("web", &["lock"]);
    assert!(output.status.success(), "{}", stderr(&output));

    // What does not fit is named, with what does.
    made("rsa", "", "rsa.key");
    made("ed25519", "a passphrase", "locked.key");
    for (file, expected) in [
        ("rsa.key.pub", "kind ssh-rsa; ssh-keygen -t ed25519"),
        ("nina.key", "private key, which nobody but its owner"),
    ] {
        let refused = add("ruth", file);
        assert_eq!(refused.status.code(), Some(1));
        assert!(stderr(&refused).contains(expected), "{}", stderr(&refused));
    }
    for (name, expected) in [("locked", "a passphrase"), ("rsa", "of another kind")] {
        let refused = site.command(name, &["unlock"]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(stderr(&refused).contains(expected), "{}", stderr(&refused));
    }
    ended(&site, service);
}
