//! One run from the first file to the verdict.
//!
//! Flows in: what the caller wants ([`Plan`]). Flows out: the timeline, and whether all held.
//! The order matters: the watcher listens before the door speaks, and the broker goes last.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use url::Url;

use crate::broker::{self, Broker, Login};
use crate::child::{self, Child, Happening, Speaker};
use crate::hints;
use crate::stage::{Camera, Enrolled, SAM, Stage};
use crate::story::Story;
use crate::timeline::{Timeline, Word};
use crate::verdict::Facts;

/// How long one round may take; the clip lasts a quarter of it.
const ROUND: Duration = Duration::from_secs(60);
/// How long the watcher may take to be let in.
const SUBSCRIBE: Duration = Duration::from_secs(15);
/// How long the watcher is given for what is still under way when the door has stopped.
const LATE: Duration = Duration::from_secs(5);
/// And for what should not come at all: a second copy.
const TWICE: Duration = Duration::from_millis(500);
/// How often the timeline is brought up to date.
const BEAT: Duration = Duration::from_millis(50);

/// What the caller wants.
#[derive(Debug)]
pub struct Plan {
    /// One round and a verdict, or until Ctrl-C.
    pub once: bool,
    /// Who comes to the door.
    pub visitors: Visitors,
    /// A broker that runs already.
    pub broker: Option<(Url, Login)>,
}

/// Who comes to the door.
#[derive(Debug)]
pub enum Visitors {
    /// The people of the composed clip.
    Clip,
    /// Whoever stands in front of a camera.
    Camera {
        /// V4L2 device.
        device: PathBuf,
        /// Who is to be let in.
        name: String,
        /// Their pictures, and folders of them; may be empty.
        pictures: Vec<PathBuf>,
    },
}

/// Runs the demo; `true` when everything that was promised has happened.
pub fn perform(plan: &Plan) -> anyhow::Result<bool> {
    // What can be missing is looked for before anything is started.
    broker::find("mosquitto_sub", &[])?;
    if let Visitors::Camera { device, .. } = &plan.visitors {
        let shown = device.display();
        ensure!(
            device.exists(),
            "{shown}: no such camera; `ls /dev/video*` shows what there is"
        );
    }
    if let Some((_, login)) = &plan.broker {
        login.check_files()?;
    }
    let stage = Stage::open()?;
    let show = match Show::prepare(plan, &stage).and_then(Show::wait_for_watcher) {
        Ok(show) => show,
        Err(error) => {
            // The message says it all.
            stage.strike();
            return Err(error);
        }
    };
    let result = show.run();
    if plan.once && matches!(result, Ok(true)) {
        stage.strike();
    } else {
        eprintln!(
            "demo: configuration, database and logs are kept in {0}; remove them with: rm -r {0}",
            stage.folder().display()
        );
    }
    result
}

/// How the round ended.
enum End {
    /// The door ended by itself, well or not.
    Door(std::process::ExitStatus),
    /// Ctrl-C.
    Interrupted,
    /// It took too long.
    TimedOut,
}

struct Show<'a> {
    plan: &'a Plan,
    stage: &'a Stage,
    timeline: Timeline,
    story: Story,
    tell: Sender<Happening>,
    hear: Receiver<Happening>,
    // Fields are dropped in this order: the watcher goes before the broker.
    watcher: Child,
    broker: Broker,
}

impl<'a> Show<'a> {
    fn prepare(plan: &'a Plan, stage: &'a Stage) -> anyhow::Result<Self> {
        let (tell, hear) = channel();
        child::catch_interrupts(tell.clone())?;
        let mut timeline = Timeline::begin();
        let camera = match &plan.visitors {
            Visitors::Clip => {
                stage.compose_clip()?;
                timeline.now(
                    Word::Prepared,
                    format!("a clip in which a stranger and {SAM} come to the door"),
                )?;
                Camera::Clip { repeat: !plan.once }
            }
            Visitors::Camera { device, .. } => Camera::Device(device.clone()),
        };

        let broker = match &plan.broker {
            Some((url, login)) => Broker::outside(url.clone(), login.clone(), stage.folder()),
            None => Broker::start(stage.folder())?,
        };
        let whose = match broker.is_ours() {
            true => "Mosquitto, with TLS and a certificate for each client, at",
            false => "the broker at",
        };
        timeline.now(Word::Prepared, format!("{whose} {}", broker.url))?;
        stage.configure(&camera, &broker)?;

        let mut story = Story::default();
        let (name, pictures) = match &plan.visitors {
            Visitors::Clip => (SAM, stage.pictures_of_sam()?),
            Visitors::Camera { name, pictures, .. } => (name.as_str(), all_images(pictures)?),
        };
        let enrolled = match pictures.len() {
            0 => None,
            given => Some((stage.enroll(name, &pictures)?, given)),
        };
        // Also where nobody is enrolled: the database is made before two programs open it.
        for recorded in stage.record()? {
            timeline.extend(story.record(&recorded));
        }
        if let Some((Enrolled { accepted, refused }, given)) = enrolled {
            for reason in refused {
                timeline.now(Word::Warning, reason)?;
            }
            timeline.now(
                Word::Prepared,
                format!("{name} enrolled by `doorward enroll` from {accepted} of {given} pictures"),
            )?;
        }

        let log = stage.folder().join("watcher.log");
        let mut command = broker.watcher()?;
        let watcher = Child::listen("mosquitto_sub", &mut command, Speaker::Watcher, &log, &tell)?;
        Ok(Self {
            plan,
            stage,
            timeline,
            story,
            tell,
            hear,
            watcher,
            broker,
        })
    }

    fn run(mut self) -> anyhow::Result<bool> {
        let folder = self.stage.folder();
        let start = |name, args: &[&str], from, log: &str| {
            let mut command = self.stage.doorward(args);
            Child::listen(name, &mut command, from, &folder.join(log), &self.tell)
        };
        let follow = ["events", "follow", "--json"];
        let mut record = start(
            "doorward events follow",
            &follow,
            Speaker::Record,
            "events.jsonl",
        )?;
        let mut door = start("doorward run", &["run"], Speaker::Door, "door.log")?;
        if !self.plan.once {
            let hints = hints::text(self.stage, &self.broker)?;
            self.timeline.say(&hints)?;
        }

        let end = self.watch(&mut door)?;
        let mut failures = Vec::new();
        match end {
            End::Door(status) if status.success() && self.plan.once => {}
            End::Door(status) => failures.push(format!("doorward run ended: {status}")),
            End::Interrupted if self.plan.once => failures.push("the demo was interrupted".into()),
            End::Interrupted => self.timeline.say("")?,
            End::TimedOut => {
                failures.push(format!("the round took longer than {} s", ROUND.as_secs()));
            }
        }
        let status = door.stop()?;
        if !status.success() && failures.is_empty() {
            failures.push(format!("doorward run ended: {status}"));
        }
        record.stop()?;
        self.conclude(failures)
    }

    /// Hears everything until one of the ends.
    fn watch(&mut self, door: &mut Child) -> anyhow::Result<End> {
        let started = Instant::now();
        loop {
            if self.listen(BEAT)? {
                return Ok(End::Interrupted);
            }
            if let Some(status) = door.ended()? {
                return Ok(End::Door(status));
            }
            if self.plan.once && started.elapsed() > ROUND {
                return Ok(End::TimedOut);
            }
        }
    }

    /// Waits for what is still under way, and judges.
    fn conclude(mut self, mut failures: Vec<String>) -> anyhow::Result<bool> {
        let record = self.stage.record()?;
        // `follow` was ended while it slept.
        for recorded in &record {
            self.timeline.extend(self.story.record(recorded));
        }
        let until = Instant::now() + LATE;
        while !self.all_received(&record) && Instant::now() < until {
            self.listen(BEAT)?;
        }
        let until = Instant::now() + TWICE;
        while Instant::now() < until {
            self.listen(BEAT)?;
        }
        self.timeline.flush()?;

        let kept = self.kept_availability();
        let transitions = self.stage.transitions()?;
        let facts = Facts {
            record: &record,
            delivered: &self.story.delivered,
            received: &self.story.received,
            own_broker: self.broker.is_ours(),
            transitions: &transitions,
            availability: &self.story.availability,
            kept: kept.as_deref(),
        };
        if self.plan.once {
            failures.extend(facts.failures());
        }
        let good = failures.is_empty();
        self.timeline.say("")?;
        self.timeline.say(&facts.table())?;
        self.timeline.say("")?;
        for failure in &failures {
            self.timeline
                .say_loudly(&format!("FAILED: {failure}"), false)?;
        }
        self.timeline.say_loudly(&facts.sentence(), good)?;
        Ok(good)
    }

    fn all_received(&self, record: &[doorward::event::Recorded]) -> bool {
        let stopped = self
            .story
            .availability
            .last()
            .is_some_and(|last| last == "stopped");
        stopped
            && record
                .iter()
                .all(|recorded| self.story.received.contains_key(&recorded.id))
    }

    /// Hears one thing, if one comes; `true` when it was an interrupt.
    fn listen(&mut self, patience: Duration) -> anyhow::Result<bool> {
        match self.hear.recv_timeout(patience) {
            Ok(Happening::Line { from, at, text }) => {
                self.timeline.extend(self.story.hear(from, at, &text));
            }
            Ok(Happening::Interrupted) => return Ok(true),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        self.timeline.show_settled()?;
        Ok(false)
    }

    fn wait_for_watcher(mut self) -> anyhow::Result<Self> {
        let until = Instant::now() + SUBSCRIBE;
        while !self.story.watching {
            ensure!(!self.listen(BEAT)?, "interrupted");
            let ended = self.watcher.ended()?.is_some();
            if ended {
                // Its last words may still be on their way.
                self.listen(TWICE)?;
            }
            if ended || Instant::now() >= until {
                bail!(
                    "the watcher cannot subscribe at {}: {}; check the address and the login",
                    self.broker.url,
                    self.story.last_words
                );
            }
        }
        self.timeline.now(
            Word::Prepared,
            "the watcher (mosquitto_sub, persistent session) has subscribed",
        )?;
        Ok(self)
    }

    /// What somebody who subscribes now is told about the service.
    fn kept_availability(&self) -> Option<String> {
        let mut command = self.broker.latecomer("availability").ok()?;
        let said = child::output("mosquitto_sub", &mut command, &[0], LATE * 2).ok()?;
        let message: Value = serde_json::from_str(said.trim()).ok()?;
        let kept = message["retain"] == 1;
        kept.then(|| message["payload"].as_str().map(str::to_owned))?
    }
}

/// The pictures themselves, with folders replaced by the pictures in them.
fn all_images(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut images = Vec::new();
    for path in paths {
        if path.is_dir() {
            let found = doorward::enroll::images_in(path)
                .with_context(|| format!("{}: cannot be read", path.display()))?;
            ensure!(
                !found.is_empty(),
                "{}: no JPEG, PNG or WebP in there",
                path.display()
            );
            images.extend(found);
        } else {
            ensure!(path.is_file(), "{}: no such picture", path.display());
            images.push(path.clone());
        }
    }
    Ok(images)
}
