//! Programs that the demo starts: their output as lines, and their end.
//!
//! Flows in: a command. Flows out: every line it prints, with the time at which it came. A
//! child ends by SIGTERM first and is killed only when it does not listen; whatever happens to
//! the demo (short of SIGKILL), none is left behind. Nothing that we did not start is touched.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use doorward::clock::Timestamp;
use rustix::process::{Pid, Signal, kill_process};

/// How long a child may take to end once it was asked to.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often we look whether it has.
const LOOK: Duration = Duration::from_millis(20);

/// What happens while the demo runs.
#[derive(Debug)]
pub enum Happening {
    /// A program printed a line.
    Line {
        /// Which one.
        from: Speaker,
        /// When we read it.
        at: Timestamp,
        /// What.
        text: String,
    },
    /// Somebody pressed Ctrl-C, or asked the demo to end.
    Interrupted,
}

/// Who printed a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// `doorward run`: its log.
    Door,
    /// `doorward events follow`: the record.
    Record,
    /// `mosquitto_sub`: the independent watcher.
    Watcher,
}

/// A running program.
#[derive(Debug)]
pub struct Child {
    name: &'static str,
    process: std::process::Child,
}

impl Child {
    /// Starts a program that says nothing worth reading.
    pub fn silent(name: &'static str, command: &mut Command) -> anyhow::Result<Self> {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self::start(name, command)
    }

    /// Starts a program and tells what it prints; both streams also go to the file `log`.
    pub fn listen(
        name: &'static str,
        command: &mut Command,
        from: Speaker,
        log: &Path,
        tell: &Sender<Happening>,
    ) -> anyhow::Result<Self> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Self::start(name, command)?;
        let log = File::create(log).with_context(|| format!("{}: cannot write", log.display()))?;
        if let Some(stdout) = child.process.stdout.take() {
            forward(stdout, from, log.try_clone()?, tell.clone());
        }
        if let Some(stderr) = child.process.stderr.take() {
            forward(stderr, from, log, tell.clone());
        }
        Ok(child)
    }

    fn start(name: &'static str, command: &mut Command) -> anyhow::Result<Self> {
        // A group of its own: Ctrl-C in the terminal goes to the demo alone, which then ends
        // its children in the right order (the door before the broker).
        let process = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, process })
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.process
            .try_wait()
            .with_context(|| format!("cannot wait for {}", self.name))
    }

    /// Asks it to end, waits, and kills it when it does not.
    pub fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        let asked = kill_process(Pid::from_child(&self.process), Signal::TERM);
        asked.with_context(|| format!("cannot end {}", self.name))?;
        if let Some(status) = self.wait(PATIENCE)? {
            return Ok(status);
        }
        self.process.kill()?;
        self.process.wait()?;
        bail!(
            "{} did not end within {} s of SIGTERM and was killed",
            self.name,
            PATIENCE.as_secs()
        );
    }

    fn wait(&mut self, patience: Duration) -> anyhow::Result<Option<ExitStatus>> {
        let until = Instant::now() + patience;
        loop {
            let ended = self.ended()?;
            if ended.is_some() || Instant::now() >= until {
                return Ok(ended);
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Nobody is left to be told when this fails.
        let _ = self.stop();
    }
}

/// Reads lines on a thread of its own until the program closes the stream.
fn forward(
    stream: impl Read + Send + 'static,
    from: Speaker,
    mut log: File,
    tell: Sender<Happening>,
) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(text) = line else { break };
            let at = Timestamp::now();
            // The log is only for whoever looks into a failed run.
            let _ = writeln!(log, "{text}");
            if tell.send(Happening::Line { from, at, text }).is_err() {
                break;
            }
        }
    });
}

/// Runs a program to its end and returns what it printed. Exit codes other than `good` are
/// failures; they carry what it said.
pub fn output(
    name: &str,
    command: &mut Command,
    good: &[i32],
    patience: Duration,
) -> anyhow::Result<String> {
    let mut process = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let read = |stream: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut text = String::new();
            stream.map_or(Ok(0), |mut stream| stream.read_to_string(&mut text))?;
            std::io::Result::Ok(text)
        })
    };
    let stdout = read(process.stdout.take().map(|s| Box::new(s) as _));
    let stderr = read(process.stderr.take().map(|s| Box::new(s) as _));
    let mut child = Child {
        name: "a program",
        process,
    };
    let Some(status) = child.wait(patience)? else {
        bail!("{name} did not end within {} s", patience.as_secs());
    };
    let text = |reader: std::thread::JoinHandle<std::io::Result<String>>| {
        let text = reader
            .join()
            .map_err(|_| anyhow::anyhow!("{name}: reader"))?;
        text.with_context(|| format!("{name}: its output cannot be read"))
    };
    let (stdout, stderr) = (text(stdout)?, text(stderr)?);
    if !status.code().is_some_and(|code| good.contains(&code)) {
        let words: Vec<&str> = stderr.lines().collect();
        bail!("{name} failed ({status}): {}", words.join("; "));
    }
    Ok(stdout)
}

/// Tells about Ctrl-C, SIGTERM and a closed terminal instead of dying of them.
pub fn catch_interrupts(tell: Sender<Happening>) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut interrupt, mut terminate, mut hang_up) = {
        let _in_runtime = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        )
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hang_up.recv() => {}
                }
                if tell.send(Happening::Interrupted).is_err() {
                    break;
                }
            }
        });
    });
    Ok(())
}
