//! A real Mosquitto in a folder of its own, over TLS unless said otherwise.

use std::fmt::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::pki::{Identity, Pki};
use super::{free_port, wait_for};

/// How the broker is to be; see [`Broker::builder`].
#[derive(Clone)]
pub struct Builder {
    port: u16,
    tls: Option<(PathBuf, Identity)>,
    client_certificates: Option<PathBuf>,
    identities: bool,
    users: Vec<(String, String)>,
    acl: Option<String>,
    more: String,
    environment: Vec<(String, PathBuf)>,
}

/// A running broker; killed when dropped.
pub struct Broker {
    /// Where it listens, on 127.0.0.1 and ::1.
    pub port: u16,
    builder: Builder,
    folder: tempfile::TempDir,
    process: Option<Child>,
}

impl Broker {
    /// TLS with a certificate of `pki` for `localhost`, anybody may connect.
    pub fn builder(pki: &Pki) -> Builder {
        Builder {
            port: free_port(),
            tls: Some((
                pki.ca.clone(),
                pki.server("broker", &["localhost", "127.0.0.1"]),
            )),
            client_certificates: None,
            identities: false,
            users: Vec::new(),
            acl: None,
            more: String::new(),
            environment: Vec::new(),
        }
    }

    /// The address for `mqtt.url`.
    pub fn url(&self) -> String {
        let scheme = if self.builder.tls.is_some() {
            "mqtts"
        } else {
            "mqtt"
        };
        format!("{scheme}://localhost:{}", self.port)
    }

    /// Ends it in good order (it saves its sessions) and waits.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            kill_process(Pid::from_child(&process), Signal::TERM).unwrap();
            process.wait().unwrap();
        }
    }

    /// Starts it again on the same port with what it saved.
    pub fn start(&mut self) {
        assert!(self.process.is_none());
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        self.process = Some(
            Command::new("mosquitto")
                .arg("-c")
                .arg(self.folder.path().join("mosquitto.conf"))
                .envs(
                    self.builder
                        .environment
                        .iter()
                        .map(|(name, value)| (name, value)),
                )
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log)
                .spawn()
                .expect("mosquitto is installed"),
        );
        wait_for("the broker listens", Duration::from_secs(10), || {
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
    }

    /// Stop and start.
    pub fn restart(&mut self) {
        self.stop();
        self.start();
    }

    /// Stop, lose everything it knew, start.
    pub fn forget(&mut self) {
        self.stop();
        std::fs::remove_file(self.folder.path().join("mosquitto.db")).unwrap();
        self.start();
    }

    /// Changes how it is and restarts it on the same port.
    pub fn reconfigure(&mut self, change: impl FnOnce(Builder) -> Builder) {
        self.stop();
        let port = self.port;
        self.builder = change(self.builder.clone());
        self.builder.port = port;
        self.builder.write(self.folder.path());
        self.start();
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Builder {
    /// No TLS.
    pub fn plaintext(mut self) -> Self {
        self.tls = None;
        self
    }

    /// Another server certificate.
    pub fn certificate(mut self, identity: Identity) -> Self {
        let (_, own) = self.tls.as_mut().unwrap();
        *own = identity;
        self
    }

    /// Clients must show a certificate signed by `pki`.
    pub fn require_certificates(mut self, pki: &Pki) -> Self {
        self.client_certificates = Some(pki.ca.clone());
        self
    }

    /// The common name of a client's certificate is its user name.
    pub fn identities(mut self) -> Self {
        self.identities = true;
        self
    }

    /// Only users that are named may connect.
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.users.push((name.into(), password.into()));
        self
    }

    /// Access rules in Mosquitto's own language.
    pub fn acl(mut self, rules: &str) -> Self {
        self.acl = Some(rules.into());
        self
    }

    /// One more line of configuration.
    pub fn line(mut self, line: &str) -> Self {
        writeln!(self.more, "{line}").unwrap();
        self
    }

    /// OpenSSL takes its defaults from this file.
    pub fn openssl(mut self, configuration: &Path) -> Self {
        let name = "OPENSSL_CONF".to_owned();
        self.environment.push((name, configuration.to_owned()));
        self
    }

    /// Starts it.
    pub fn start(self) -> Broker {
        let mut broker = self.prepare();
        broker.start();
        broker
    }

    /// Everything but the start: the port is reserved in name only.
    pub fn prepare(self) -> Broker {
        let folder = tempfile::tempdir().unwrap();
        self.write(folder.path());
        Broker {
            port: self.port,
            builder: self,
            folder,
            process: None,
        }
    }

    fn write(&self, folder: &Path) {
        let mut conf = format!(
            "user root\nlog_type all\nset_tcp_nodelay true\nmax_queued_messages 0\npersistence true\n\
             persistence_location {}/\nautosave_interval 1\nallow_anonymous {}\n{}",
            folder.display(),
            self.users.is_empty(),
            self.more,
        );
        if !self.users.is_empty() {
            let passwords = folder.join("passwords");
            let _ = std::fs::remove_file(&passwords);
            std::fs::write(&passwords, "").unwrap();
            for (name, password) in &self.users {
                let made = Command::new("mosquitto_passwd")
                    .arg("-b")
                    .arg(&passwords)
                    .args([name, password])
                    .stderr(Stdio::null())
                    .status()
                    .unwrap();
                assert!(made.success());
            }
            writeln!(conf, "password_file {}", passwords.display()).unwrap();
        }
        if let Some(rules) = &self.acl {
            let acl = folder.join("acl");
            std::fs::write(&acl, rules).unwrap();
            writeln!(conf, "acl_file {}", acl.display()).unwrap();
        }
        writeln!(conf, "listener {} localhost", self.port).unwrap();
        if let Some((ca, identity)) = &self.tls {
            let ca = self.client_certificates.as_ref().unwrap_or(ca);
            writeln!(
                conf,
                "cafile {}\ncertfile {}\nkeyfile {}",
                ca.display(),
                identity.certificate.display(),
                identity.key.display()
            )
            .unwrap();
        }
        if self.client_certificates.is_some() {
            writeln!(conf, "require_certificate true").unwrap();
        }
        if self.identities {
            writeln!(conf, "use_identity_as_username true").unwrap();
        }
        std::fs::write(folder.join("mosquitto.conf"), conf).unwrap();
    }
}
