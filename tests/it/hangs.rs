//! What hangs or stops: the watchdog notices, the log does not drag anybody along.
//!
//! A relay that hangs is a named pipe that nobody reads; systemd's part is played by the test.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;

use crate::support::clip::{self, Scene};
use crate::support::door::{Door, PATIENCE};
use crate::support::manager::Manager;
use crate::support::wait_for;

const CAMERA: &str = "[camera]\nsource = \"file\"\npath = \"clip.avi\"\nrepeat = true\n";
const REX: &str = "[rex]\ndriver = \"simulated\"\nfile = \"rex\"\npressed = \"high\"\nrelease_ms = 60000\ndebounce_ms = 0\n";
/// Shorter than in the unit, longer than a loaded machine keeps a thread waiting.
const WATCHDOG: Duration = Duration::from_secs(4);

/// A door with nobody before it, and an exit button.
fn deserted() -> Door {
    let door = Door::new(&format!("{CAMERA}{REX}"));
    clip::write(&door.path("clip.avi"), &[Scene::empty(1.0)]).unwrap();
    button(&door, false);
    door
}

fn button(door: &Door, pressed: bool) {
    let new = door.path("new-level");
    std::fs::write(&new, if pressed { "1" } else { "0" }).unwrap();
    std::fs::rename(new, door.path("rex")).unwrap();
}

/// Both ends of a pipe in one, which never wait.
fn never_waiting(file: &File) {
    let flags = rustix::fs::fcntl_getfl(file).unwrap();
    rustix::fs::fcntl_setfl(file, flags | OFlags::NONBLOCK).unwrap();
}

/// Writes until nothing more fits.
fn fill(pipe: &mut File) {
    never_waiting(pipe);
    for size in [4096, 1] {
        while pipe.write(&[b'\n'; 4096][..size]).is_ok() {}
    }
}

#[test]
fn a_hanging_relay_is_named_and_the_watchdog_starves_until_it_moves() {
    let door = deserted();
    let path = door.path("relay.jsonl");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    )
    .unwrap();
    let mut pipe = File::options()
        .read(true)
        .write(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(&path)
        .unwrap();
    let manager = Manager::of(&door);
    let mut service = manager.start(&door, WATCHDOG);
    manager.told("WATCHDOG=1");

    fill(&mut pipe);
    button(&door, true);
    let status = manager.told("STATUS=not well");
    assert!(
        status.contains("the latch, which owns the relay"),
        "{status}"
    );
    let log = service.wait_for("not well; the watchdog is not fed");
    assert!(log.contains("the latch"), "{log}");
    manager.starved(WATCHDOG);

    let mut all = Vec::new();
    let _ = pipe.read_to_end(&mut all);
    manager.told("STATUS=well again");
    manager.told("WATCHDOG=1");
    service.signal(Signal::TERM);
    assert!(service.wait().success(), "{}", service.log());
}

#[test]
fn a_stopped_process_starves_the_watchdog_and_the_relay_ends_secured() {
    let door = deserted();
    let manager = Manager::of(&door);
    let mut service = manager.start(&door, WATCHDOG);
    button(&door, true);
    wait_for("the button releases", PATIENCE, || {
        door.transitions().last().unwrap() == "released"
    });
    service.signal(Signal::STOP);
    manager.starved(WATCHDOG);
    // What systemd does then: WatchdogSignal and ExecStopPost.
    service.signal(Signal::KILL);
    assert!(!service.wait().success());
    let secured = manager.secure(&door);
    assert!(secured.status.success());
    assert_eq!(door.transitions().last().unwrap(), "secured");
}

#[test]
fn a_log_that_nobody_takes_keeps_neither_the_button_nor_the_end_waiting() {
    let door = deserted();
    let (_reader, writer) = std::io::pipe().unwrap();
    let mut pipe = File::from(std::os::fd::OwnedFd::from(writer));
    fill(&mut pipe);
    let flags = rustix::fs::fcntl_getfl(&pipe).unwrap();
    rustix::fs::fcntl_setfl(&pipe, flags - OFlags::NONBLOCK).unwrap();
    let manager = Manager::of(&door);
    let mut command = manager.command(&door, WATCHDOG);
    let mut child = command.stderr(Stdio::from(pipe)).spawn().unwrap();
    manager.told("READY=1");
    button(&door, true);
    wait_for("the button releases", PATIENCE, || {
        door.transitions().last().unwrap() == "released"
    });
    let begun = Instant::now();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    let mut ended = None;
    wait_for("the service ends", PATIENCE, || {
        ended = child.try_wait().unwrap();
        ended.is_some()
    });
    assert!(ended.unwrap().success());
    assert!(begun.elapsed() < PATIENCE / 2);
    assert_eq!(door.transitions().last().unwrap(), "secured");
}
