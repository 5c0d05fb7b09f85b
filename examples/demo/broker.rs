//! The broker: a Mosquitto of our own behind TLS and client certificates, or somebody else's.
//!
//! Flows in: a folder, or an address with what is needed to log in. Flows out: what the door's
//! configuration needs, and `mosquitto_sub` commands for the watcher, who never shares a line
//! of code with the door. Passwords never stand on a command line.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use url::Url;

use crate::certificates::{Authority, Identity};
use crate::child::Child;

/// Everything that the door publishes is below this topic.
pub const BASE_TOPIC: &str = "doorward/demo/front";
/// How long our broker may take to listen.
const START: Duration = Duration::from_secs(10);
/// How long a broker keeps what the watcher has not fetched, in seconds.
const SESSION_EXPIRY_S: &str = "3600";

/// What it takes to be let in by the broker.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// PEM file of the CA; the system's roots without.
    pub ca: Option<PathBuf>,
    /// Client certificate and key.
    pub identity: Option<Identity>,
    /// User name.
    pub username: Option<String>,
    /// File whose first line is the password.
    pub password_file: Option<PathBuf>,
}

impl Login {
    /// Whether every file can be read; the programs' own messages do not name the missing one.
    pub fn check_files(&self) -> anyhow::Result<()> {
        let identity = self.identity.iter();
        let files = self.ca.iter().chain(&self.password_file);
        for file in files.chain(identity.flat_map(|i| [&i.certificate, &i.key])) {
            std::fs::File::open(file)
                .with_context(|| format!("{}: cannot be read", file.display()))?;
        }
        Ok(())
    }
}

/// A broker that can be reached.
#[derive(Debug)]
pub struct Broker {
    /// Its address, for the door's configuration.
    pub url: Url,
    /// The door's client id.
    pub door_id: String,
    /// How the door logs in.
    pub door: Login,
    /// Where our own one logs.
    pub log: Option<PathBuf>,
    watcher_id: String,
    watcher: Login,
    folder: PathBuf,
    process: Option<Child>,
}

impl Broker {
    /// Starts a Mosquitto on a free port of the loopback interface.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        // Only root has this folder in PATH on Debian.
        let program = find("mosquitto", &["/usr/sbin", "/usr/local/sbin"])?;
        let authority = Authority::create(folder)?;
        let (door, watcher) = ("doorward-demo-front", "watcher");
        let login = |name| -> anyhow::Result<Login> {
            Ok(Login {
                ca: Some(authority.certificate.clone()),
                identity: Some(authority.client(name)?),
                ..Login::default()
            })
        };
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let config = folder.join("mosquitto.conf");
        let log = folder.join("mosquitto.log");
        let acl = folder.join("mosquitto.acl");
        std::fs::create_dir(folder.join("mosquitto"))?;
        std::fs::write(
            &acl,
            format!(
                "user {door}\ntopic write {BASE_TOPIC}/#\n\nuser {watcher}\ntopic read {BASE_TOPIC}/#\n"
            ),
        )?;
        std::fs::write(
            &config,
            mosquitto_conf(port, folder, &authority, &acl, &log)?,
        )?;

        let mut command = Command::new(program);
        command.arg("-c").arg(&config);
        let mut process = Child::silent("mosquitto", &mut command)?;
        wait_for_port(port, &mut process, &log)?;
        Ok(Self {
            url: format!("mqtts://localhost:{port}").parse()?,
            door_id: door.into(),
            door: login(door)?,
            log: Some(log),
            watcher_id: watcher.into(),
            watcher: login(watcher)?,
            folder: folder.to_owned(),
            process: Some(process),
        })
    }

    /// Uses a broker that runs already; door and watcher log in alike, by ids that no other
    /// run uses.
    pub fn outside(url: Url, login: Login, folder: &Path) -> Self {
        let run = uuid::Uuid::now_v7().simple();
        Self {
            url,
            door_id: format!("doorward-demo-{run}"),
            door: login.clone(),
            log: None,
            watcher_id: format!("doorward-watcher-{run}"),
            watcher: login,
            folder: folder.to_owned(),
            process: None,
        }
    }

    /// Whether it is ours: then nobody else publishes there.
    pub fn is_ours(&self) -> bool {
        self.process.is_some()
    }

    /// `mosquitto_sub` with a session that survives: what it was not there to hear, it hears later.
    pub fn watcher(&self) -> anyhow::Result<Command> {
        // Line by line: into a pipe it would hold back that it has subscribed.
        let mut command = Command::new(find("stdbuf", &[])?);
        command.arg("-oL").arg(find("mosquitto_sub", &[])?);
        self.subscribe(&mut command, &self.watcher_id, "#")?;
        command.args(["-c", "-x", SESSION_EXPIRY_S, "-d"]);
        Ok(command)
    }

    /// `mosquitto_sub` that comes late and leaves with the first message: it can only be the
    /// one that the broker kept.
    pub fn latecomer(&self, topic: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(find("mosquitto_sub", &[])?);
        self.subscribe(&mut command, &format!("{}-late", self.watcher_id), topic)?;
        command.args(["-C", "1", "-W", "5"]);
        Ok(command)
    }

    /// The command with which people can watch; passwords are left out.
    pub fn shown(&self) -> anyhow::Result<String> {
        let mut command = Command::new("mosquitto_sub");
        self.subscribe(&mut command, &format!("{}-too", self.watcher_id), "#")?;
        let words = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| word.to_string_lossy());
        // Topics have a "#", which starts a comment; formats and paths may have blanks.
        let quoted = words.map(|word| match word.contains([' ', '#', '\'']) {
            true => format!("'{}'", word.replace('\'', r"'\''")),
            false => word.into_owned(),
        });
        Ok(quoted.collect::<Vec<_>>().join(" "))
    }

    fn subscribe(&self, command: &mut Command, id: &str, topic: &str) -> anyhow::Result<()> {
        let host = self
            .url
            .host_str()
            .context("the broker's address has no host")?;
        let port = self.url.port().unwrap_or(8883).to_string();
        let topic = format!("{BASE_TOPIC}/{topic}");
        command.args(["-V", "mqttv5", "-h", host, "-p", &port, "-i", id, "-q", "2"]);
        command.args(["-t", &topic, "-F", "%j"]);
        let login = &self.watcher;
        match &login.ca {
            Some(ca) => command.arg("--cafile").arg(ca),
            None => command.arg("--tls-use-os-certs"),
        };
        if let Some(Identity { certificate, key }) = &login.identity {
            command.arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        if let Some(username) = &login.username {
            command.args(["-u", username]);
        }
        if let Some(file) = &login.password_file {
            // It takes options from a file of this name, too: there nobody else sees them.
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("{}: cannot read the password", file.display()))?;
            let password = text.lines().next().unwrap_or_default();
            let options = self.folder.join("mosquitto_sub");
            std::fs::write(&options, format!("-P {password}\n"))?;
            command.env("XDG_CONFIG_HOME", &self.folder);
        }
        Ok(())
    }
}

fn mosquitto_conf(
    port: u16,
    folder: &Path,
    authority: &Authority,
    acl: &Path,
    log: &Path,
) -> anyhow::Result<String> {
    let Identity { certificate, key } = authority.broker()?;
    // "user root": started by root it would step down to a user who cannot read the folder;
    // started by anybody else it changes nothing.
    Ok(format!(
        "\
listener {port} 127.0.0.1
cafile {ca}
certfile {certificate}
keyfile {key}
require_certificate true
use_identity_as_username true
acl_file {acl}
user root
max_queued_messages 0
persistence true
persistence_location {folder}/mosquitto/
log_dest file {log}
log_type all
",
        ca = authority.certificate.display(),
        certificate = certificate.display(),
        key = key.display(),
        acl = acl.display(),
        folder = folder.display(),
        log = log.display(),
    ))
}

fn wait_for_port(port: u16, process: &mut Child, log: &Path) -> anyhow::Result<()> {
    let until = Instant::now() + START;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if let Some(status) = process.ended()? {
            let said = std::fs::read_to_string(log).unwrap_or_default();
            let words = said.lines().last().unwrap_or("it wrote no log");
            bail!("mosquitto ended ({status}): {words}");
        }
        ensure!(
            Instant::now() < until,
            "mosquitto does not listen on port {port} after {} s; see {}",
            START.as_secs(),
            log.display()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A program from PATH or from one of these folders.
pub fn find(name: &str, elsewhere: &[&str]) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(elsewhere.iter().map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .with_context(|| format!("{name} is not installed; run scripts/setup, which installs it"))
}
