//! The Mosquitto set-up of `deploy/mosquitto`, installed the way its README tells an installer.
//!
//! The shipped files are read from the repository. What is changed is what differs between a test
//! and a machine: the folders, the two ports, and the user, since a test's folders belong to
//! whoever runs it.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::pki::{Identity, Pki, write_secret};
use super::{free_port, wait_for};

/// Names another Mosquitto to run the tests of the set-up with; `scripts/brokers` has some.
const MOSQUITTO: &str = "DOORWARD_MOSQUITTO";

/// The set-up, running; killed when dropped.
pub struct Shipped {
    /// Where certificates are asked for.
    pub tls_port: u16,
    /// Where browsers connect.
    pub wss_port: u16,
    folder: tempfile::TempDir,
    process: Child,
}

/// What the broker said to a message of QoS 1, MQTT 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason(pub u8);

impl Reason {
    /// "Not authorized".
    pub const DENIED: Reason = Reason(0x87);

    /// Taken, whether somebody subscribes to it or not.
    pub fn is_taken(self) -> bool {
        self.0 < 0x80
    }
}

impl Shipped {
    /// Installs and starts it with a certificate of `pki` for `localhost` and these users of the
    /// WebSocket listener.
    pub fn start(pki: &Pki, users: &[(&str, &str)]) -> Self {
        Self::started(pki, users, true)
    }

    /// The same, except that several clients of one name are there at once, which the shipped files do
    /// not allow: for trying the rules.
    pub fn with_free_ids(pki: &Pki, users: &[(&str, &str)]) -> Self {
        Self::started(pki, users, false)
    }

    fn started(pki: &Pki, users: &[(&str, &str)], bound: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (tls_port, wss_port) = (free_port(), free_port());
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/mosquitto");
        let rules = std::fs::read_to_string(source.join("acl")).unwrap();
        let rules = format!("{rules}{}", block_for(&rules, "back"));
        write_secret(&folder.path().join("acl"), &rules);
        install_certificates(pki, &folder.path().join("certs"));
        install_passwords(&folder.path().join("passwords"), users);

        let here = folder.path().to_str().unwrap();
        let mut conf = std::fs::read_to_string(source.join("mosquitto.conf")).unwrap();
        for (shipped, tested) in [
            ("/etc/mosquitto/", format!("{here}/")),
            ("/var/lib/mosquitto/", format!("{here}/")),
            ("listener 8883\n", format!("listener {tls_port}\n")),
            ("listener 8084\n", format!("listener {wss_port}\n")),
        ] {
            // In settings, not in comments.
            assert!(
                conf.contains(&format!(" {shipped}")) || conf.contains(&format!("\n{shipped}"))
            );
            conf = conf.replace(shipped, &tested);
        }
        let binding = "use_username_as_clientid true\n";
        assert_eq!(conf.matches(binding).count(), 2);
        if !bound {
            conf = conf.replace(binding, "");
        }
        let path = folder.path().join("mosquitto.conf");
        std::fs::write(&path, format!("user root\n{conf}")).unwrap();

        let process = run(folder.path());
        let shipped = Self {
            tls_port,
            wss_port,
            folder,
            process,
        };
        shipped.listens();
        shipped
    }

    /// Stops it in good order and starts it again with what it saved.
    pub fn restart(&mut self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        self.process.wait().unwrap();
        self.process = run(self.folder.path());
        self.listens();
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn listens(&self) {
        for port in [self.tls_port, self.wss_port] {
            wait_for(
                "the shipped broker listens",
                Duration::from_secs(10),
                || TcpStream::connect(("127.0.0.1", port)).is_ok(),
            );
        }
    }

    /// What the broker says when `who` publishes there, at QoS 1.
    #[track_caller]
    pub fn publish(&self, pki: &Pki, who: &Identity, topic: &str, payload: &str) -> Reason {
        let output = self
            .client("mosquitto_pub", pki, Some(who))
            .args(["-q", "1", "-d", "-t", topic, "-m", payload])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let code = text
            .split_once("received PUBACK (Mid: 1, RC:")
            .and_then(|(_, rest)| rest.split_once(')'))
            .unwrap_or_else(|| {
                panic!(
                    "no answer: {text}{}",
                    String::from_utf8_lossy(&output.stderr)
                )
            });
        Reason(code.0.parse().unwrap())
    }

    /// A Mosquitto client at the listener for certificates, not started yet.
    pub fn client(&self, program: &str, pki: &Pki, who: Option<&Identity>) -> Command {
        // stdbuf becomes the program (exec), which would otherwise keep its lines to itself.
        let mut command = Command::new("stdbuf");
        command
            .args(["-oL", program])
            .args(["-V", "mqttv5", "-h", "localhost", "-p"])
            .arg(self.tls_port.to_string())
            .arg("--cafile")
            .arg(&pki.ca)
            .stdin(Stdio::null());
        if let Some(who) = who {
            command.arg("--cert").arg(&who.certificate);
            command.arg("--key").arg(&who.key);
        }
        command
    }

    /// Adds lines to the access rules of the running broker.
    pub fn append_to_acl(&self, lines: &str) {
        let path = self.folder.path().join("acl");
        let rules = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{rules}{lines}")).unwrap();
        kill_process(Pid::from_child(&self.process), Signal::HUP).unwrap();
    }
}

impl Drop for Shipped {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The block of the shipped door, for another one: as the rules tell an installer to.
fn block_for(rules: &str, door: &str) -> String {
    let (_, block) = rules.split_once("user home/front\n").unwrap();
    let (block, _) = block.split_once("\n\n").unwrap();
    let block = block.replace("home/front/", &format!("home/{door}/"));
    format!("\nuser home/{door}\n{block}\n")
}

fn run(folder: &Path) -> Child {
    let program = std::env::var_os(MOSQUITTO).unwrap_or_else(|| "mosquitto".into());
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .unwrap();
    Command::new(program)
        .arg("-c")
        .arg(folder.join("mosquitto.conf"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .expect("mosquitto is installed")
}

fn install_certificates(pki: &Pki, folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    let server = pki.server("broker", &["localhost", "127.0.0.1"]);
    std::fs::copy(&pki.ca, folder.join("ca.pem")).unwrap();
    std::fs::copy(&server.certificate, folder.join("server.pem")).unwrap();
    std::fs::copy(&server.key, folder.join("server.key")).unwrap();
}

fn install_passwords(path: &Path, users: &[(&str, &str)]) {
    std::fs::write(path, "").unwrap();
    for (name, password) in users {
        let made = Command::new("mosquitto_passwd")
            .arg("-b")
            .arg(path)
            .args([name, password])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
    }
}
