//! What a simulated relay does, seen from outside: when it moved, to a fraction of a millisecond.
//!
//! The file to which the simulated driver appends its transitions is a named pipe, and a thread
//! notes when each line arrives. So nothing of it touches a disk, and no clock of the door is
//! believed. The pipe is held open for writing too: the door finds a reader whenever it starts,
//! and `doorward relay secure` after it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;

/// Moves of one relay, as they come.
pub struct Trace {
    moves: Arc<Moves>,
    pipe: File,
}

#[derive(Default)]
struct Moves {
    list: Mutex<Vec<(Instant, bool)>>,
    more: Condvar,
}

impl Trace {
    /// Makes the pipe and watches it.
    pub fn follow(path: &Path) -> Self {
        let mode = Mode::RUSR | Mode::WUSR;
        mknodat(CWD, path, FileType::Fifo, mode, 0).unwrap();
        let pipe = File::options().read(true).write(true).open(path).unwrap();
        let moves = Arc::new(Moves::default());
        let (lines, seen) = (pipe.try_clone().unwrap(), Arc::clone(&moves));
        std::thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                let now = Instant::now();
                if line == END {
                    break;
                }
                if let Some(released) = released(&line) {
                    seen.list.lock().unwrap().push((now, released));
                    seen.more.notify_all();
                }
            }
        });
        Self { moves, pipe }
    }

    /// When it was first released (or secured) at or after `since`; waits for it until `until`.
    pub fn next(&self, released: bool, since: Instant, until: Instant) -> Option<Instant> {
        let wanted = |(at, to): &(Instant, bool)| *to == released && *at >= since;
        let mut list = self.moves.list.lock().unwrap();
        loop {
            if let Some((at, _)) = list.iter().copied().find(wanted) {
                return Some(at);
            }
            let left = until.checked_duration_since(Instant::now())?;
            list = self.moves.more.wait_timeout(list, left).unwrap().0;
        }
    }

    /// Whether it is released now.
    pub fn is_released(&self) -> bool {
        let list = self.moves.list.lock().unwrap();
        list.last().is_some_and(|(_, released)| *released)
    }

    /// Whether it was released for a moment at or after `since`.
    pub fn was_released(&self, since: Instant) -> bool {
        self.next(true, since, since).is_some()
    }
}

/// What ends the thread that reads.
const END: &str = "end";

impl Drop for Trace {
    fn drop(&mut self) {
        let _ = writeln!(self.pipe, "{END}");
    }
}

/// What a line says of the relay, or of the one that follows it.
fn released(line: &str) -> Option<bool> {
    let line: Value = serde_json::from_str(line).unwrap();
    match line["lock"].as_str() {
        Some(lock) => Some(lock == "released"),
        None if line["output"] == "second_relay" => line["on"].as_bool(),
        None => None,
    }
}
