//! The stage: a private folder with everything one run needs, and the real `doorward` binary
//! with a configuration of its own.
//!
//! Flows in: the sample faces, or a camera and somebody's pictures. Flows out: commands that
//! are ready to run, the record as the database has it, and what the simulated relay did. It
//! never touches a configuration or database outside of its folder.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use doorward::event::Recorded;
use doorward::event::wire::Lock;
use tempfile::TempDir;

use crate::broker::{Broker, Login};
use crate::child;
use crate::clip::{self, Scene};
use crate::faces::{ENROLLMENT, PERSON, STRANGERS, Sheet};

/// Who is let in.
pub const SAM: &str = "Sam Sample";
/// How long the relay is released, in milliseconds: short, so that the clip need not be long.
pub const RELEASE_MS: u64 = 2_000;
/// How long one command of `doorward` may take; loading the models is slow on a small machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the door gets its frames from.
#[derive(Debug)]
pub enum Camera {
    /// The composed clip, once or for ever.
    Clip {
        /// Again from the start at its end?
        repeat: bool,
    },
    /// A V4L2 device.
    Device(PathBuf),
}

/// What came of an enrollment.
#[derive(Debug)]
pub struct Enrolled {
    /// Pictures that were accepted.
    pub accepted: u64,
    /// Why the others were not.
    pub refused: Vec<String>,
}

/// What we need of `doorward enroll --json`.
#[derive(serde::Deserialize)]
struct Answer {
    enrolled: Added,
    refused: Vec<Refused>,
}

#[derive(serde::Deserialize)]
struct Added {
    added: u64,
}

#[derive(serde::Deserialize)]
struct Refused {
    message: String,
}

/// See the module.
#[derive(Debug)]
pub struct Stage {
    folder: TempDir,
    binary: PathBuf,
}

impl Stage {
    /// An empty stage; `doorward` must have been built beside this program.
    pub fn open() -> anyhow::Result<Self> {
        let demo = std::env::current_exe().context("cannot find this program's own folder")?;
        // target/release/examples/demo, target/release/doorward
        let binary = demo
            .ancestors()
            .nth(2)
            .unwrap_or(Path::new("/"))
            .join("doorward");
        ensure!(
            binary.is_file(),
            "{}: not there; start the demo by scripts/demo, which builds it",
            binary.display()
        );
        let mut folder = tempfile::Builder::new()
            .prefix("doorward-demo-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .context("cannot make a temporary folder")?;
        // Until the run has succeeded: whoever wants to know why it did not needs the folder.
        folder.disable_cleanup(true);
        Ok(Self { folder, binary })
    }

    /// Everything of this run is in here.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The run succeeded: the folder goes away with the stage.
    pub fn strike(mut self) {
        self.folder.disable_cleanup(false);
    }

    /// Composes the clip: nobody, a stranger, nobody, Sam, nobody until the door is locked again.
    pub fn compose_clip(&self) -> anyhow::Result<()> {
        let sheet = Sheet::open()?;
        let scenes = [
            Scene::empty(1.0),
            Scene::visitor(&sheet.face(STRANGERS[0])?, 5.0),
            Scene::empty(1.5),
            Scene::visitor(&sheet.face(PERSON[0])?, 5.0),
            Scene::empty(2.5),
        ];
        clip::write(&self.folder().join("clip.avi"), &scenes)?;
        Ok(())
    }

    /// Pictures of Sam, none of which is in the clip.
    pub fn pictures_of_sam(&self) -> anyhow::Result<Vec<PathBuf>> {
        let folder = self.folder().join("sam");
        std::fs::create_dir(&folder)?;
        Sheet::open()?.save(&ENROLLMENT, &folder)
    }

    /// Writes the configuration.
    pub fn configure(&self, camera: &Camera, broker: &Broker) -> anyhow::Result<()> {
        let config = configuration(camera, broker)?;
        let path = self.config();
        std::fs::write(&path, config)
            .with_context(|| format!("{}: cannot be written", path.display()))
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder().join("doorward.toml")
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.folder().join("doorward.db")
    }

    /// The real binary with this configuration.
    pub fn doorward<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(self.config()).args(args);
        // A setting of the caller's own door must not get in here.
        command.env_remove("DOORWARD_CONFIG");
        command
    }

    /// Enrolls somebody; not every picture need be accepted.
    pub fn enroll(&self, name: &str, pictures: &[PathBuf]) -> anyhow::Result<Enrolled> {
        let mut command = self.doorward(["enroll", name, "--json", "--image"]);
        command.args(pictures);
        // 4: some pictures were refused.
        let said = child::output("doorward enroll", &mut command, &[0, 4], PATIENCE)?;
        let answer: Answer =
            serde_json::from_str(&said).context("doorward enroll --json: not understood")?;
        Ok(Enrolled {
            accepted: answer.enrolled.added,
            refused: answer.refused.into_iter().map(|r| r.message).collect(),
        })
    }

    /// All events in the database, oldest first.
    pub fn record(&self) -> anyhow::Result<Vec<Recorded>> {
        let mut command = self.doorward(["events", "list", "--limit", "0", "--json"]);
        child::output("doorward events list", &mut command, &[0], PATIENCE)?
            .lines()
            .map(|line| serde_json::from_str(line).context("doorward events list --json: no event"))
            .collect()
    }

    /// What the relay was set to, one after the other.
    pub fn transitions(&self) -> anyhow::Result<Vec<Lock>> {
        #[derive(serde::Deserialize)]
        struct Transition {
            lock: Lock,
        }
        let path = self.folder().join("relay.jsonl");
        std::fs::read_to_string(&path)
            .with_context(|| format!("{}: cannot be read", path.display()))?
            .lines()
            .map(|line| {
                let transition: Transition = serde_json::from_str(line)
                    .with_context(|| format!("{}: {line}", path.display()))?;
                Ok(transition.lock)
            })
            .collect()
    }
}

/// `doorward.toml` as a person would write it: only what differs from the defaults.
fn configuration(camera: &Camera, broker: &Broker) -> anyhow::Result<String> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let camera = match camera {
        Camera::Clip { repeat } => {
            format!("source = \"file\"\npath = \"clip.avi\"\nrepeat = {repeat}\n")
        }
        Camera::Device(device) => {
            format!("source = \"v4l2\"\ndevice = {}\n", quoted(device)?)
        }
    };
    let mut text = format!(
        "\
[door]
site = \"demo\"
name = \"front\"

[camera]
{camera}
[models]
directory = {models}

[relay]
driver = \"simulated\"
transitions = \"relay.jsonl\"
release_ms = {RELEASE_MS}

[store]
path = \"doorward.db\"

[log]
level = \"info,doorward::mqtt=debug\"
format = \"json\"

[mqtt]
url = \"{url}\"
client_id = \"{id}\"
",
        models = quoted(&models)?,
        url = broker.url,
        id = broker.door_id,
    );
    let Login {
        ca,
        identity,
        username,
        password_file,
    } = &broker.door;
    let identity = identity.as_ref();
    for (key, path) in [
        ("ca_file", ca.as_ref()),
        ("client_cert_file", identity.map(|i| &i.certificate)),
        ("client_key_file", identity.map(|i| &i.key)),
        ("password_file", password_file.as_ref()),
    ] {
        if let Some(path) = path {
            writeln!(text, "{key} = {}", quoted(path)?)?;
        }
    }
    if let Some(username) = username {
        writeln!(text, "username = {}", toml::Value::from(username.as_str()))?;
    }
    Ok(text)
}

/// As a TOML string; absolute, because the configuration is in another folder than the caller.
fn quoted(path: &Path) -> anyhow::Result<String> {
    let path = std::path::absolute(path)?;
    let text = path
        .to_str()
        .with_context(|| format!("{}: only UTF-8 paths can be configured", path.display()))?;
    Ok(toml::Value::from(text).to_string())
}
