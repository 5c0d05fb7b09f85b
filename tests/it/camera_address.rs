//! The password of a network camera stands in no alarm, record, message, log or output: a running door
//! with a camera that is not there, and everything that it tells of it.

use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::support::broker::Broker;
use crate::support::door::{Door, PATIENCE, stderr};
use crate::support::pki::Pki;
use crate::support::subscriber::{Login, Subscriber};
use crate::support::{free_port, wait_for};

/// In no host name, path or message of ours.
const SECRET: &str = "hunter2";

/// A source that carries the secret, and what may be told of it.
fn sources() -> [(&'static str, String, String); 3] {
    let host = format!("localhost:{}", free_port());
    [
        (
            "url",
            format!("rtsp://{host}/user=admin&password={SECRET}&channel=1&stream=0.sdp"),
            format!("rtsp://{host}/…"),
        ),
        (
            "url",
            format!("http://{host}/cgi-bin/snapshot.cgi?usr=admin&pwd={SECRET}"),
            format!("http://{host}/cgi-bin/snapshot.cgi"),
        ),
        (
            "gstreamer",
            format!(
                "rtspsrc location=rtsp://{host}/live user-id=admin user-pw='{SECRET} and more' ! decodebin ! appsink"
            ),
            format!("rtspsrc rtsp://{host}/live"),
        ),
    ]
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn nothing_that_is_told_of_a_camera_carries_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let pki = Pki::new(folder.path(), "ca");
    let broker = Broker::builder(&pki).start();
    for (kind, secret, told) in sources() {
        let watcher = Subscriber::start(broker.port, Some(&pki), "doorward/#", &Login::default());
        let key = if kind == "url" { "url" } else { "pipeline" };
        let door = Door::new(&format!(
            "[camera]\nsource = {kind:?}\n{key} = {secret:?}\n\
             [mqtt]\nurl = {:?}\nca_file = {:?}\n",
            broker.url(),
            pki.ca
        ));
        let mut service = door.start();
        service.wait_for("alarm raised");
        let alarms = || watcher.payloads("alarm").join("\n");
        wait_for("the alarm", PATIENCE, || alarms().contains("camera_fault"));
        assert!(alarms().contains(&told), "{told}: {}", alarms());

        let mut heard = watcher
            .messages()
            .iter()
            .map(|m| m.payload.clone())
            .collect::<Vec<_>>()
            .join("\n");
        for verb in [
            &["events", "list"][..],
            &["events", "list", "--json"],
            &["events", "export", "--json"],
            &["alarms", "list"],
            &["alarms", "list", "--json"],
            &["config", "show"],
            &["config", "show", "--json"],
            &["config", "check"],
        ] {
            let output = door.run(verb);
            assert!(output.status.success(), "{verb:?} {}", stderr(&output));
            heard += &String::from_utf8_lossy(&output.stdout);
            heard += &stderr(&output);
        }
        service.signal(Signal::TERM);
        service.wait();
        heard += &service.log();
        let output = door.run(&["enroll", "Ada", "--camera", "--timeout", "5"]);
        assert!(!output.status.success());
        heard += &stderr(&output);
        assert!(heard.contains(&told), "{told}");
        for line in heard.lines() {
            assert!(!line.contains(SECRET), "{line}");
        }
        // And what stays: the record, its log, whatever there is.
        for file in files(&door.path("")) {
            let bytes = std::fs::read(&file).unwrap();
            let has = bytes
                .windows(SECRET.len())
                .any(|part| part == SECRET.as_bytes());
            assert_eq!(has, file == door.config(), "{}", file.display());
        }
    }
}

#[test]
fn a_broker_that_is_refused_for_its_credentials_is_told_without_them() {
    for url in [
        format!("mqtts://ada:{SECRET}@broker.lan"),
        format!("mqtts://broker.lan:99999/?password={SECRET}"),
        format!("ws://ada:{SECRET}@broker.lan"),
    ] {
        let door = Door::new(&format!("[mqtt]\nurl = {url:?}\n"));
        let output = door.run(&["config", "check"]);
        assert_eq!(output.status.code(), Some(3));
        let said = stderr(&output);
        assert!(
            !said.contains(SECRET) && said.contains("mqtt.url"),
            "{said}"
        );
    }
}
