//! A door for measurements: its database on a disk that can stand still, everything else in memory.
//!
//! The button and the contact are files that the door looks at every 10 ms; they are debounced
//! for no time here, so that what is measured is the door. `simulation` says what they add.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use doorward::event::Recorded;
use doorward::store::{EventFilter, Store};
use rustix::process::Signal;

use super::disk::Disk;
use super::stall::{Kind, Stall};
use super::trace::Trace;
use super::{Report, stall_time};
use crate::support::clip::{self, Scene};
use crate::support::door::{Door, Service, doorward, stderr};

/// How long a press lasts: as people press.
const PRESS: Duration = Duration::from_millis(200);
/// What is waited for after the stall is over, so that a late release or a late end is measured too.
const LATE: Duration = Duration::from_secs(4);

const WIRED: &str = "[rex]\ndriver = \"simulated\"\nfile = \"rex\"\npressed = \"high\"\ndebounce_ms = 0\n\
    [contact]\ndriver = \"simulated\"\nfile = \"contact\"\ndebounce_ms = 0\n\
    [outputs]\ndriver = \"simulated\"\ntransitions = \"outputs.jsonl\"\nsecond_relay = { pin = 26 }\n\
    [clock]\nalways_trusted = true\n\
    [camera]\nsource = \"file\"\npath = \"clip.avi\"\nrepeat = true\n\
    [liveness]\nmode = \"off\"\n";

/// The door and what watches it. The disk is unmounted before the folder goes.
pub struct Bench {
    kind: Kind,
    pub relay: Trace,
    pub second: Trace,
    disk: Option<Disk>,
    pub door: Door,
}

impl Bench {
    /// A door that releases for `release`, by the button too, with these scenes before its camera.
    /// None where the disk cannot be had: then the reason is printed, and the test has passed.
    pub fn new(kind: Kind, release: Duration, scenes: &[Scene], more: &str) -> Option<Self> {
        let door = Door::in_memory("");
        let folder = door.path("disk");
        std::fs::create_dir(&folder).unwrap();
        let disk = match kind {
            Kind::Frozen => match Disk::new(&folder) {
                Ok(disk) => Some(disk),
                Err(why) => {
                    println!("SKIPPED: no loop device, so no disk to freeze: {why}");
                    return None;
                }
            },
            Kind::Nothing | Kind::Locked => None,
        };
        door.configure(&format!("{WIRED}{more}"));
        let text = std::fs::read_to_string(door.config()).unwrap();
        let ms = release.as_millis();
        let text = text
            .replace(
                "\"door.db\"",
                "\"disk/door.db\"\nmin_free_mib = 1\nstuck_s = 2",
            )
            .replace("release_ms = 500", &format!("release_ms = {ms}"))
            .replace("[rex]\n", &format!("[rex]\nrelease_ms = {ms}\n"));
        std::fs::write(door.config(), text).unwrap();
        clip::write(&door.path("clip.avi"), scenes).unwrap();
        let bench = Self {
            kind,
            relay: Trace::follow(&door.path("relay.jsonl")),
            second: Trace::follow(&door.path("outputs.jsonl")),
            disk,
            door,
        };
        bench.level("rex", false);
        bench.level("contact", false);
        Some(bench)
    }

    /// A door with nobody before it.
    pub fn deserted(kind: Kind, release: Duration, more: &str) -> Option<Self> {
        Self::new(kind, release, &[Scene::empty(2.0)], more)
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.door.path("disk/door.db")
    }

    /// Starts the service and waits until it is ready and has seen its inputs.
    pub fn start(&self) -> Service {
        let mut command = doorward();
        command.arg("--config").arg(self.door.config()).arg("run");
        self.start_with(command)
    }

    /// The same through another command.
    pub fn start_with(&self, command: Command) -> Service {
        let mut service = self.door.start_with(command);
        service.wait_for("\"ready\"");
        // The first levels of the inputs are news to the door.
        std::thread::sleep(Duration::from_millis(300));
        service
    }

    /// Nothing can be written from now on, for the usual time.
    pub fn stall(&self) -> Stall {
        self.stall_for(stall_time())
    }

    /// The same for another time.
    pub fn stall_for(&self, time: Duration) -> Stall {
        match (self.kind, &self.disk) {
            (Kind::Frozen, Some(disk)) => Stall::freeze(disk, time),
            (Kind::Locked, _) => Stall::lock(&self.database(), time),
            _ => Stall::nothing(time),
        }
    }

    /// Presses the exit button and lets go; gives when it was pressed.
    pub fn press(&self) -> Instant {
        let pressed = self.hold(true);
        std::thread::sleep(PRESS);
        self.hold(false);
        pressed
    }

    /// Presses the exit button or lets it go; gives when.
    pub fn hold(&self, pressed: bool) -> Instant {
        let now = Instant::now();
        self.level("rex", pressed);
        now
    }

    /// Opens or shuts the door leaf.
    pub fn leaf(&self, open: bool) {
        self.level("contact", open);
    }

    /// Sets the level of an input; nobody ever reads half of it.
    fn level(&self, input: &str, level: bool) {
        let new = self.door.path("new-level");
        std::fs::write(&new, if level { "1" } else { "0" }).unwrap();
        std::fs::rename(new, self.door.path(input)).unwrap();
    }

    /// When the relay was released (or secured) after `since`: waits some seconds longer than
    /// `stall` lasts, so that what comes too late is measured too.
    pub fn moved(&self, released: bool, since: Instant, stall: &Stall) -> Option<Instant> {
        self.relay
            .next(released, since, stall.ends.max(since) + LATE)
    }

    /// Whether the second relay did the same within a moment of the first, as a figure. Which of
    /// the two threads that watch them is first to see it is chance.
    pub fn second_follows(&self, report: &mut Report, released: bool, first: Option<Instant>) {
        let what = if released { "released" } else { "secured" };
        let most = Duration::from_millis(50);
        let second = first.and_then(|at| self.second.next(released, at - most, at + LATE));
        let (from, to) = (first.min(second), first.max(second));
        let name = format!("second relay {what} with the first");
        report.time(&name, from, to, Duration::ZERO..=most);
    }

    /// Ends the service well; nothing is lost, and the record is whole. Only after the stall.
    pub fn end(&self, report: &mut Report, mut service: Service, expected: &[&str]) {
        service.signal(Signal::TERM);
        let status = service.wait();
        report.fact("ended well", status.success(), status.to_string());
        self.record(report, expected);
    }

    /// The record is whole, and its door and access events are these, in this order.
    pub fn record(&self, report: &mut Report, expected: &[&str]) {
        let kinds = self
            .whole(report)
            .into_iter()
            .map(|event| event.event.kind());
        let told = |kind: &&str| kind.starts_with("door.") || kind.starts_with("access.");
        let kinds: Vec<_> = kinds.filter(told).collect();
        report.fact("nothing lost", kinds == expected, kinds.join(", "));
    }

    /// The record is whole; gives its events.
    pub fn whole(&self, report: &mut Report) -> Vec<Recorded> {
        let verified = self.door.run(&["events", "verify"]);
        let (sound, said) = (verified.status.success(), stderr(&verified));
        report.fact("chain whole", sound, said);
        let events = self.events();
        let gap = (1..).zip(&events).find(|(n, event)| event.seq != *n);
        report.fact("no gap", gap.is_none(), format!("{gap:?}"));
        events
    }
    /// Every event of the record. Only after the stall.
    pub fn events(&self) -> Vec<Recorded> {
        let store = Store::open(&self.database(), None).unwrap();
        store.events(&EventFilter::default()).unwrap()
    }
}
