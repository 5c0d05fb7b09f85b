//! `doorward enroll --camera`: prompts on the terminal while the camera looks.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use doorward::clock::{Clock, SystemClock, Tick};
use doorward::config::Config;
use doorward::enroll::capture::{self, Ending, Scene};
use doorward::enroll::guide::{Advice, Guide};
use doorward::enroll::pose::Pose;
use doorward::store::Store;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{Args, Looked, judged, load_vision};

/// Advice is printed no more often than this where lines cannot be overwritten.
const PAUSE: Duration = Duration::from_secs(1);

/// Leads somebody through the poses and has the shots judged together.
pub(super) fn look(args: &Args, config: &Config, store: &Store) -> anyhow::Result<Looked> {
    capture::check_free(&config.camera, store.path())?;
    let mut vision = load_vision(config)?;
    let mut enroller = args.enroller(config, store, &vision)?;
    let kept = if args.keeps_photos(config) {
        "the best picture of each pose is kept in the database, to make new templates of it when the model pack changes; it is erased with the person"
    } else {
        "the camera's pictures are looked at and not kept; of each good shot only a template is stored (numbers that describe the face)"
    };
    eprintln!(
        "{}: {kept}. Ctrl-C stops, and nothing is stored.",
        args.name.trim()
    );
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let timeout = Duration::from_secs(args.timeout.into());
    let rules = args.rules(config, store, &vision)?;
    let mut guide = Guide::new(args.shots.into(), rules, clock.tick(), timeout);
    let mut prompter = Prompter::new(args.shots)?;
    let limits = config.recognition.enroll_quality_limits();
    let ending = capture::run(
        &config.camera,
        &mut vision,
        &limits,
        &mut guide,
        &clock,
        |scene| {
            prompter.show(scene, clock.tick());
        },
    )?;
    let advice = prompter.finish();
    let (shots, missed) = guide.finish();
    let why = match ending {
        Ending::Complete => "all poses are taken".to_owned(),
        Ending::TimedOut => format!("the time of {} s is over", args.timeout),
        Ending::SourceEnded => "the camera's file or folder has ended".to_owned(),
    };
    let failure = if shots.is_empty() {
        let last = advice.map(|a| format!("; at last: {a}"));
        let last = last.unwrap_or_default();
        format!("{why}, and no frame was good enough{last}")
    } else {
        format!("no shot of {} was accepted", shots.len())
    };
    if !missed.is_empty() && !shots.is_empty() {
        let names: Vec<&str> = missed.iter().map(|pose| pose.as_str()).collect();
        eprintln!("not taken: {} ({why})", names.join(", "));
    }
    let poses: Vec<_> = shots
        .iter()
        .map(|(pose, shot)| json!({"pose": pose, "quality": shot.quality}))
        .collect();
    let mut refused = Vec::new();
    for shot in capture::candidates(shots)? {
        if let Err(refusal) = enroller.add_shot(shot) {
            eprintln!("refused: {refusal}");
            refused.push(refusal);
        }
    }
    Ok(Looked {
        judgement: judged(enroller, refused),
        pictures: poses.len(),
        noun: "shots",
        more: json!({"shots": poses, "missed": missed, "ending": ending}),
        incomplete: !missed.is_empty(),
        failure,
    })
}

/// Tells the person what to do: on one line that changes, or, where the output is no terminal,
/// line by line and only what is new.
struct Prompter {
    bar: ProgressBar,
    asked: Option<Pose>,
    said: Option<(&'static str, Tick)>,
    last: Option<Advice>,
}

impl Prompter {
    fn new(shots: u8) -> anyhow::Result<Self> {
        let style = ProgressStyle::with_template("{bar:10} {pos}/{len}  {wide_msg}")
            .context("progress style")?;
        Ok(Self {
            bar: ProgressBar::new(shots.into()).with_style(style),
            asked: None,
            said: None,
            last: None,
        })
    }

    fn show(&mut self, scene: &Scene<'_>, now: Tick) {
        let Scene { wanted, advice, .. } = *scene;
        if self.bar.is_hidden() {
            self.print(wanted, advice, now);
        } else {
            if let Advice::Taken(_) = advice {
                self.bar.suspend(|| eprintln!("{advice}"));
            }
            self.bar.set_position(scene.progress.0 as u64);
            self.bar
                .set_message(format!("{}: {advice}", wanted.instruction()));
        }
        self.last = Some(advice.clone());
    }

    fn print(&mut self, wanted: Pose, advice: &Advice, now: Tick) {
        if self.asked != Some(wanted) {
            self.asked = Some(wanted);
            eprintln!("{}", wanted.instruction());
        }
        let is_news = match (advice, self.said) {
            (Advice::Taken(_), _) | (_, None) => true,
            (Advice::HoldIt, _) => false,
            (_, Some((code, at))) => code != advice.code() && now.since(at) >= PAUSE,
        };
        if is_news {
            self.said = Some((advice.code(), now));
            eprintln!("{advice}");
        }
    }

    /// Clears the line; what was said last.
    fn finish(self) -> Option<Advice> {
        self.bar.finish_and_clear();
        self.last
    }
}
