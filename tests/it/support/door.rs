//! A door in a folder of its own: configuration, database, simulated relay, and the real binary.
//!
//! Everything it starts ends with it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use doorward::store::Store;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::faces::{ENROLLMENT, Sheet};

/// Longest wait for anything; a loaded machine is slow, a wrong program is silent.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The real binary; `DOORWARD_BINARY` names another one, to measure an older build in the same way.
pub fn doorward() -> Command {
    match std::env::var_os("DOORWARD_BINARY") {
        Some(other) => Command::new(other),
        None => Command::new(env!("CARGO_BIN_EXE_doorward")),
    }
}

/// The folder and what is in it.
pub struct Door {
    folder: tempfile::TempDir,
}

impl Door {
    /// A door with these lines of configuration added to what every test needs.
    pub fn new(more: &str) -> Self {
        Self::inside(tempfile::tempdir().unwrap(), more)
    }

    /// The same where no disk is in the way, if the system has such a place.
    pub fn in_memory(more: &str) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self::inside(folder.unwrap(), more)
    }

    fn inside(folder: tempfile::TempDir, more: &str) -> Self {
        let door = Self { folder };
        door.configure(more);
        door
    }

    /// Writes the configuration anew.
    pub fn configure(&self, more: &str) {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let text = format!(
            "[models]\ndirectory = {models:?}\n[store]\npath = \"door.db\"\n\
             [log]\nformat = \"json\"\nlevel = \"info,doorward::mqtt=debug\"\n\
             [relay]\ndriver = \"simulated\"\ntransitions = \"relay.jsonl\"\nrelease_ms = 500\n{more}\n"
        );
        std::fs::write(self.config(), text).unwrap();
    }

    /// A file of this door.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.path("doorward.toml")
    }

    /// The database, opened as a second process would.
    pub fn store(&self) -> Store {
        Store::open(&self.path("door.db"), None).unwrap()
    }

    /// Runs one verb to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        doorward()
            .arg("--config")
            .arg(self.config())
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Runs one verb that must succeed and gives its JSON, one value a line.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Vec<Value> {
        self.json_of(doorward(), arguments)
    }

    /// The same with the disks that process `pid` sees.
    #[track_caller]
    pub fn json_inside(&self, pid: u32, arguments: &[&str]) -> Vec<Value> {
        let program = doorward().get_program().to_owned();
        let command = super::small_disk::inside(pid, Path::new(&program));
        self.json_of(command, arguments)
    }

    #[track_caller]
    fn json_of(&self, mut command: Command, arguments: &[&str]) -> Vec<Value> {
        command.arg("--config").arg(self.config()).args(arguments);
        let output = command.arg("--json").output().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            stderr(&output)
        );
        let lines = String::from_utf8(output.stdout).unwrap();
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Enrolls the sample person from the sheet's first four faces.
    pub fn enroll_sample_person(&self) {
        let images = Sheet::open()
            .unwrap()
            .save(&ENROLLMENT, self.folder.path())
            .unwrap();
        let mut arguments = vec!["enroll", "Sam Sample", "--image"];
        arguments.extend(images.iter().map(|path| path.to_str().unwrap()));
        let output = self.run(&arguments);
        assert!(output.status.success(), "{}", stderr(&output));
    }

    /// Starts the service.
    pub fn start(&self) -> Service {
        let mut command = doorward();
        command.arg("--config").arg(self.config()).arg("run");
        self.start_with(command)
    }

    /// Starts the service through another command.
    pub fn start_with(&self, mut command: Command) -> Service {
        let mut child = command
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, log) = std::sync::mpsc::channel();
        let lines = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Service {
            child,
            log,
            seen: Vec::new(),
        }
    }

    /// What the relay did, in order.
    pub fn transitions(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("relay.jsonl")).unwrap_or_default();
        let lock = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["lock"].as_str().unwrap().to_owned()
        };
        text.lines().map(lock).collect()
    }

    /// What the relay did is this, or is so in a moment: a release follows its record.
    #[track_caller]
    pub fn moved(&self, expected: &[&str]) {
        let late = Instant::now() + Duration::from_secs(2);
        while self.transitions() != expected && Instant::now() < late {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(self.transitions(), expected);
    }

    /// Kinds of all recorded events, in order.
    pub fn kinds(&self) -> Vec<&'static str> {
        let events = self.store().events(&Default::default()).unwrap();
        events.iter().map(|event| event.event.kind()).collect()
    }
}

/// Standard error of a finished verb.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A running service.
pub struct Service {
    child: Child,
    log: Receiver<String>,
    seen: Vec<String>,
}

impl Service {
    /// Waits for a log line that contains `text`, and gives it.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self
                .log
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("the log never said {text:?}:\n{}", self.seen.join("\n"))
                }
            }
        }
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Whether it has ended, or does so within `time`.
    pub fn ends_within(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        while self.child.try_wait().unwrap().is_none() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    /// Waits for the end; the rest of the log is in `log`.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                // The pipe closes with the process: take what is left.
                while let Ok(line) = self.log.recv_timeout(Duration::from_secs(1)) {
                    self.seen.push(line);
                }
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the service does not end:\n{}", self.seen.join("\n"));
    }

    /// Everything logged so far and read.
    pub fn log(&self) -> String {
        self.seen.join("\n")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
