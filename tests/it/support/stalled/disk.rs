//! An ext4 file system in a file, mounted through a loop device, that can be frozen.
//!
//! A frozen file system that nobody thaws would hang every `sync` of the machine. So a helper
//! process waits for each of the two ends, of the mount and of the freeze: when the test ends,
//! however it ends, the pipe to the helper closes, and it thaws and unmounts. A freeze has a
//! limit of its own besides.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Enough for ext4's journal and a database of some events.
const SIZE: &str = "48M";

/// The shell ignores what a terminal or a test runner sends to end the test: it has to clean up.
/// The loop device goes with the mount.
const MOUNT: &str = r#"
trap '' INT TERM HUP
truncate -s "$3" "$1" && mkfs.ext4 -q -F "$1" && mount -o loop "$1" "$2" || exit 1
echo ready
cat
fsfreeze --unfreeze "$2"
umount "$2" || umount --lazy "$2"
rm -f "$1"
"#;

const FREEZE: &str = r#"
trap '' INT TERM HUP
fsfreeze --freeze "$1" || exit 1
echo ready
timeout "$2" cat
fsfreeze --unfreeze "$1"
"#;

/// A mounted file system; unmounted when dropped.
pub struct Disk {
    folder: PathBuf,
    helper: Helper,
}

impl Disk {
    /// Mounts a new file system on `folder`, or says why it cannot be done here.
    pub fn new(folder: &Path) -> Result<Self, String> {
        let image = folder.with_extension("img");
        let mut command = shell(MOUNT);
        command.arg(image).arg(folder).arg(SIZE);
        let helper = Helper::start(command)?;
        Ok(Self {
            folder: folder.to_owned(),
            helper,
        })
    }

    /// Nothing can be written from now on, for `time` or until the value is dropped.
    #[track_caller]
    pub fn freeze(&self, time: Duration) -> Frozen {
        let mut command = shell(FREEZE);
        command
            .arg(&self.folder)
            .arg(time.as_secs_f64().to_string());
        Frozen(Helper::start(command).unwrap())
    }
}

/// The time in which a disk is frozen; thawed when dropped.
pub struct Frozen(Helper);

impl Frozen {
    /// Waits until it is over.
    pub fn wait(&mut self) {
        let _ = self.0.0.wait();
    }
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]);
    command
}

/// A process that holds something for as long as this lives, and puts it in order afterwards.
struct Helper(Child);

impl Helper {
    fn start(mut command: Command) -> Result<Self, String> {
        let child = command
            // A runner that ends a test sends its signal to the test's process group.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.map_err(|error| format!("sh: {error}"))?;
        let mut said = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut said).unwrap();
        if said != "ready\n" {
            let mut why = String::new();
            let _ = child.stderr.take().unwrap().read_to_string(&mut why);
            let _ = child.wait();
            return Err(why.trim().to_owned());
        }
        Ok(Self(child))
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
