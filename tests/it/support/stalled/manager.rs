//! systemd, as far as a door needs it: told when the service is ready and that it lives, and what
//! systemd does when that stops.
//!
//! What the unit promises is read from the unit itself: without `WatchdogSec=` nobody waits for a
//! sign of life, and without `RuntimeDirectory=` there is no folder for what was running.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::door::{Door, Service, doorward};

/// Plays systemd to one service.
pub struct Manager {
    unit: String,
    folder: PathBuf,
    config: PathBuf,
    watchdog: Duration,
    heard: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Manager {
    /// For this door, with `WatchdogSec=` so short, if the unit has one at all.
    pub fn new(door: &Door, watchdog: Duration) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = door.path("run");
        std::fs::create_dir(&folder).unwrap();
        let socket = UnixDatagram::bind(door.path("notify")).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = Arc::clone(&heard);
        std::thread::spawn(move || {
            let mut message = [0; 4096];
            while let Ok(length) = socket.recv(&mut message) {
                let now = Instant::now();
                let text = String::from_utf8_lossy(&message[..length]).into_owned();
                hearing.lock().unwrap().push((now, text));
            }
        });
        Self {
            unit: std::fs::read_to_string(root.join("systemd/doorward.service")).unwrap(),
            folder,
            config: door.config(),
            watchdog,
            heard,
        }
    }

    /// The value of a key in the unit.
    pub fn unit(&self, key: &str) -> Option<&str> {
        let mut lines = self.unit.lines();
        lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    }

    /// What `ExecStart=` becomes: the shell gives its own id to the program it turns into.
    pub fn start(&self) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "WATCHDOG_PID=$$ exec \"$@\"", "sh"]);
        command.arg(doorward().get_program());
        command.arg("--config").arg(&self.config).arg("run");
        command.env("NOTIFY_SOCKET", self.folder.with_file_name("notify"));
        if self.unit("WatchdogSec").is_some() {
            let time = self.watchdog.as_micros().to_string();
            command.env("WATCHDOG_USEC", time);
        }
        self.give_folder(&mut command);
        command
    }

    fn give_folder(&self, command: &mut Command) {
        if self.unit("RuntimeDirectory").is_some() {
            command.env("RUNTIME_DIRECTORY", &self.folder);
        }
    }

    /// When the service gave a sign of life.
    pub fn pings(&self) -> Vec<Instant> {
        let heard = self.heard.lock().unwrap();
        let pings = heard
            .iter()
            .filter(|(_, text)| text.lines().any(|line| line == "WATCHDOG=1"));
        pings.map(|(at, _)| *at).collect()
    }

    /// Waits until the watchdog's time has passed without a sign of life after `since`; None if it
    /// has not by `until`, or if the unit has no watchdog.
    pub fn silent(&self, since: Instant, until: Instant) -> Option<Instant> {
        self.unit("WatchdogSec")?;
        loop {
            let last = self
                .pings()
                .last()
                .copied()
                .map_or(since, |at| at.max(since));
            let strikes = last + self.watchdog;
            let now = Instant::now();
            if now >= strikes {
                return Some(now);
            }
            if now >= until {
                return None;
            }
            std::thread::sleep((strikes.min(until) - now).max(Duration::from_millis(1)));
        }
    }

    /// What systemd does then: SIGABRT, and SIGCONT for a process that is stopped; SIGKILL after
    /// a while (a second here); and `ExecStopPost=` when it is gone.
    pub fn strike(&self, service: &mut Service) -> Output {
        service.signal(Signal::ABORT);
        service.signal(Signal::CONT);
        if !service.ends_within(Duration::from_secs(1)) {
            service.signal(Signal::KILL);
        }
        service.wait();
        self.stop_post(&self.config)
    }

    /// Runs `ExecStopPost=`, with this configuration file.
    pub fn stop_post(&self, config: &Path) -> Output {
        let line = self.unit("ExecStopPost").unwrap();
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some("/usr/bin/doorward"));
        let mut command = doorward();
        command.args(words.map(|word| match word {
            "/etc/doorward/doorward.toml" => config.as_os_str(),
            word => word.as_ref(),
        }));
        self.give_folder(&mut command);
        command.output().unwrap()
    }
}
