//! How long a process takes to become a door, and how much memory it is then: measured on
//! children of this one, which start as the service does.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use doorward::bench::Spread;
use doorward::bench::stages;
use doorward::config::Config;
use doorward::gallery::Gallery;
use doorward::process::Memory;
use doorward::store::Store;
use doorward::vision::Vision;
use doorward::vision::pack::Role;
use serde::Serialize;

use crate::cli::{Context, open_pack, print_line};

/// Starts that are measured.
pub(super) const ROUNDS: usize = 3;
/// Frames that a child looks at before it says how much memory it takes.
const FRAMES: usize = 20;
/// What a child says when it could decide.
const READY: &str = "ready";

/// Start-up and memory.
#[derive(Debug, Serialize)]
pub(super) struct Start {
    /// From the start of the process until a first decision is possible.
    ready: Spread,
    /// Memory while frames are looked at: the middle one of all starts.
    memory: Memory,
}

impl Start {
    pub(super) fn ready(&self) -> &Spread {
        &self.ready
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }
}

/// The child: everything that the service does before its first decision, and then some frames.
pub(super) fn be_ready(config: &Config) -> anyhow::Result<()> {
    let store = Store::open(&config.store.path, config.wire())?;
    let pack = open_pack(config)?;
    let mut vision = Vision::load(&pack, config.models.threads)?;
    let judges_liveness = pack.file(Role::Liveness).is_ok();
    let dimensions = vision.dimensions();
    let people = store.gallery(vision.model_id(), dimensions)?;
    let gallery = Gallery::new(people, dimensions);
    let frame = stages::synthetic_frame()?;
    let mut look = || -> anyhow::Result<()> {
        vision.detect(&frame)?;
        if let Some(face) = vision.examine(&frame, stages::middle(&frame))? {
            if judges_liveness {
                vision.liveness(&frame, &face)?;
            }
            std::hint::black_box(gallery.search(&vision.embed(&face)?.embedding));
        }
        Ok(())
    };
    look()?;
    print_line(READY)?;
    for _ in 0..FRAMES {
        look()?;
    }
    let memory = Memory::now().context("/proc does not say how much memory this takes")?;
    print_line(&serde_json::to_string(&memory)?)
}

/// Starts children one after the other.
pub(super) fn measure(
    context: &Context,
    threads: Option<u32>,
    mut progress: impl FnMut(),
) -> anyhow::Result<Start> {
    let program = std::env::current_exe().context("cannot find the program itself")?;
    let mut times = Vec::new();
    let mut memories: Vec<Memory> = Vec::new();
    for _ in 0..ROUNDS {
        let mut command = Command::new(&program);
        command.arg("--config").arg(&context.config_path);
        command.args(["bench", "--until-ready"]);
        if let Some(threads) = threads {
            command.args(["--threads", &threads.to_string()]);
        }
        let start = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let first = lines.next().transpose()?;
        let ready = start.elapsed();
        let last = lines.next().transpose()?;
        let ended = child.wait()?;
        // What went wrong, the child has said on standard error.
        ensure!(
            ended.success() && first.as_deref() == Some(READY),
            "a start failed: {ended}"
        );
        times.push(ready);
        memories.push(serde_json::from_str(&last.unwrap_or_default())?);
        progress();
    }
    memories.sort_by_key(|memory| memory.resident);
    Ok(Start {
        ready: Spread::of(times),
        memory: *memories.get(ROUNDS / 2).context("no start was measured")?,
    })
}
