use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// A folder with a CA and a client's certificate, key and password.
struct Files {
    folder: tempfile::TempDir,
    config: MqttConfig,
}

fn pair(name: &str) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| Some(folder.path().join(name));
        let config = MqttConfig {
            username: Some("door".into()),
            password_file: at("password"),
            ca_file: at("ca.pem"),
            client_cert_file: at("door.pem"),
            client_key_file: at("door.key"),
            ..MqttConfig::default()
        };
        let files = Self { folder, config };
        files.put("ca.pem", &pair("ca").0);
        let (certificate, key) = pair("first");
        files.put("door.pem", &certificate);
        files.put("door.key", &key);
        files.put("password", "one\n");
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Whole or not at all, as `certs --renew` does it.
    fn put(&self, name: &str, content: &str) {
        let next = self.path("next");
        std::fs::write(&next, content).unwrap();
        std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(next, self.path(name)).unwrap();
    }

    fn open(&self) -> Credentials {
        Credentials::open(&self.config, true).unwrap()
    }
}

fn shown(credentials: &Credentials) -> String {
    let all = credentials.certificates();
    let own = all.iter().find(|dated| dated.role == CertRole::Client);
    own.unwrap().facts.names.join(",")
}

#[test]
fn a_pair_that_is_replaced_one_file_at_a_time_is_taken_when_it_is_whole() {
    let files = Files::new();
    let credentials = files.open();
    assert_eq!(credentials.look(false), Look::Same);
    let (certificate, key) = pair("second");
    files.put("door.pem", &certificate);
    assert_eq!(
        credentials.look(false),
        Look::Same,
        "the key is the old one"
    );
    assert_eq!(credentials.trouble(), None, "not worth a word yet");
    assert_eq!(shown(&credentials), "first");
    files.put("door.key", &key);
    assert_eq!(credentials.look(false), Look::Certificates);
    assert_eq!(shown(&credentials), "second");
    assert_eq!(credentials.look(false), Look::Same);
}

#[test]
fn what_cannot_be_used_is_not_taken_and_told_until_it_can_be() {
    let files = Files::new();
    let credentials = files.open();
    let key = std::fs::read_to_string(files.path("door.key")).unwrap();
    let broken: [(&str, &dyn Fn(), &str); 4] = [
        ("door.key", &|| files.put("door.key", "x"), "not a PEM file"),
        (
            "door.key",
            &|| std::fs::remove_file(files.path("door.key")).unwrap(),
            "cannot read",
        ),
        (
            "door.key",
            &|| {
                files.put("door.key", &key);
                let open = std::fs::Permissions::from_mode(0o644);
                std::fs::set_permissions(files.path("door.key"), open).unwrap();
            },
            "chmod 600",
        ),
        (
            "door.key",
            &|| files.put("door.key", &pair("other").1),
            "does not belong",
        ),
    ];
    for (name, break_it, words) in broken {
        break_it();
        assert_eq!(credentials.look(true), Look::Same);
        let trouble = credentials.trouble().unwrap();
        assert!(
            trouble.contains(words) && trouble.contains(name),
            "{trouble}"
        );
        assert_eq!(shown(&credentials), "first");
        assert!(credentials.tls().is_some());
    }
    files.put("door.key", &key);
    assert_eq!(credentials.look(false), Look::Same, "as before all that");
    assert_eq!(credentials.trouble(), None);
}

#[test]
fn links_that_are_turned_and_files_that_are_written_over_are_seen() {
    let mut files = Files::new();
    for generation in ["1", "2"] {
        let folder = files.path(generation);
        std::fs::create_dir(&folder).unwrap();
        let (certificate, key) = pair(generation);
        files.put(&format!("{generation}/door.pem"), &certificate);
        files.put(&format!("{generation}/door.key"), &key);
    }
    let (live, next) = (files.path("live"), files.path("next"));
    let turn = |to: &str| {
        std::os::unix::fs::symlink(to, &next).unwrap();
        std::fs::rename(&next, &live).unwrap();
    };
    turn("1");
    files.config.client_cert_file = Some(live.join("door.pem"));
    files.config.client_key_file = Some(live.join("door.key"));
    let credentials = files.open();
    assert_eq!(shown(&credentials), "1");
    turn("2");
    assert_eq!(credentials.look(false), Look::Certificates);
    assert_eq!(shown(&credentials), "2");

    // In place, and of the same size: only the times tell.
    let password = files.path("password");
    // The kernel's clock for files ticks every few milliseconds.
    std::thread::sleep(Duration::from_millis(20));
    std::fs::write(&password, "two\n").unwrap();
    assert_eq!(credentials.look(false), Look::Password);
    assert_eq!(credentials.password(), Some(Password::new("two")));
    std::fs::write(&password, "two\n").unwrap();
    assert_eq!(credentials.look(false), Look::Same, "nothing new in it");
}

#[test]
fn another_ca_is_news_and_a_plain_connection_needs_none_of_them() {
    let files = Files::new();
    let credentials = files.open();
    files.put("ca.pem", &pair("other").0);
    assert_eq!(credentials.look(false), Look::Certificates);
    for name in ["ca.pem", "door.pem", "door.key"] {
        std::fs::remove_file(files.path(name)).unwrap();
    }
    let plain = Credentials::open(&files.config, false).unwrap();
    assert!(plain.tls().is_none() && plain.certificates().is_empty());
    assert_eq!(plain.password(), Some(Password::new("one")));
}

#[test]
fn secrets_do_not_show() {
    let files = Files::new();
    files.put("password", "pa55w0rd\n");
    let shown = format!("{:?}", files.open());
    assert!(!shown.contains("pa55w0rd"), "{shown}");
}
