//! systemd's part, as far as a service sees it: readiness, the watchdog, the runtime folder.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use super::door::{Door, PATIENCE, Service, doorward};

/// Its socket, and the folder that stands for /run/doorward.
pub struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
    /// The runtime folder.
    pub runtime: PathBuf,
}

impl Manager {
    pub fn of(door: &Door) -> Self {
        let path = door.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let runtime = door.path("run");
        std::fs::create_dir(&runtime).unwrap();
        Self {
            socket,
            path,
            runtime,
        }
    }

    /// `doorward run`, to be fed within this time.
    pub fn command(&self, door: &Door, watchdog: Duration) -> Command {
        let mut command = doorward();
        command.arg("--config").arg(door.config()).arg("run");
        command.env("NOTIFY_SOCKET", &self.path);
        command.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
        command.env("RUNTIME_DIRECTORY", &self.runtime);
        command
    }

    /// Starts it and waits until it is ready.
    #[track_caller]
    pub fn start(&self, door: &Door, watchdog: Duration) -> Service {
        let service = door.start_with(self.command(door, watchdog));
        self.told("READY=1");
        service
    }

    /// What `doorward relay secure` says and does as ExecStopPost.
    pub fn secure(&self, door: &Door) -> std::process::Output {
        let mut command = doorward();
        command.arg("--config").arg(door.config());
        command.args(["relay", "secure"]);
        command.env("RUNTIME_DIRECTORY", &self.runtime);
        command.output().unwrap()
    }

    /// Waits until it is told something that begins so.
    #[track_caller]
    pub fn told(&self, beginning: &str) -> String {
        let end = Instant::now() + PATIENCE;
        let mut heard = Vec::new();
        while let Some(line) = self.next(end.saturating_duration_since(Instant::now())) {
            if line.starts_with(beginning) {
                return line;
            }
            heard.push(line);
        }
        panic!("never told {beginning:?}, but {heard:?}");
    }

    /// Returns once no food has come for so long.
    #[track_caller]
    pub fn starved(&self, watchdog: Duration) {
        let end = Instant::now() + PATIENCE;
        let mut fed = Instant::now();
        while fed.elapsed() < watchdog {
            assert!(Instant::now() < end, "it is still fed");
            if self.next(Duration::from_millis(50)).as_deref() == Some("WATCHDOG=1") {
                fed = Instant::now();
            }
        }
    }

    fn next(&self, patience: Duration) -> Option<String> {
        let mut buffer = [0; 1024];
        let patience = patience.max(Duration::from_millis(1));
        self.socket.set_read_timeout(Some(patience)).unwrap();
        let length = self.socket.recv(&mut buffer).ok()?;
        let text = String::from_utf8_lossy(&buffer[..length]);
        Some(text.trim().to_owned())
    }
}
