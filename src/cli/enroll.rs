//! `doorward enroll`: somebody's face becomes known.

mod camera;

use std::path::PathBuf;

use anyhow::bail;
use doorward::clock::Timestamp;
use doorward::config::Config;
use doorward::enroll::plan::Rules;
use doorward::enroll::{Demands, Duplicate, Enroller, Judgement, Refusal};
use doorward::store::{Enrollment, Store};
use doorward::vision::Vision;
use serde_json::{Value, json};

use super::{Context, Outcome, image_paths, load_vision, print_line, progress_over_many};

/// Enroll somebody from images of their face, or give them more templates.
///
/// Three to five sharp images with different poses and light are good. Every image is checked,
/// and all are judged together: a picture of somebody else in the folder is pointed out, one
/// that adds nothing is skipped. Refused ones are named with the reason, accepted ones are
/// stored (exit code 4 says that some were refused). The pictures themselves are not kept,
/// unless --keep-photos or [enroll] keep_photos asks for it. A running service knows the person
/// within a second.
///
/// With --camera the person stands before the configured camera and is led through a few poses;
/// good shots of them become templates. Stop the service first: only one program can use the
/// camera. Ctrl-C stores nothing.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("source").required(true).multiple(true))]
pub(super) struct Args {
    /// Their name; unique, case does not matter.
    name: String,
    /// Image files (JPEG, PNG, WebP).
    #[arg(long = "image", value_name = "PATH", num_args = 1.., group = "source")]
    images: Vec<PathBuf>,
    /// A folder of images.
    #[arg(long, value_name = "DIR", group = "source")]
    folder: Option<PathBuf>,
    /// Take shots with the camera of [camera], led by prompts.
    #[arg(long, group = "source", conflicts_with_all = ["images", "folder", "largest"])]
    camera: bool,
    /// With --camera: how many poses, 1 to 5 (straight, left, right, up, down).
    #[arg(long, value_name = "N", default_value_t = 5, requires = "camera", value_parser = clap::value_parser!(u8).range(1..=5))]
    shots: u8,
    /// With --camera: end after so many seconds with what there is, 5 to 600.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "camera", value_parser = clap::value_parser!(u16).range(5..=600))]
    timeout: u16,
    /// With several faces in an image, take the largest.
    #[arg(long)]
    largest: bool,
    /// Enroll every face, even one that is like somebody else's or unlike the other images.
    #[arg(long)]
    force: bool,
    /// Keep the pictures in the database, so that new templates can be made of them when the
    /// model pack changes (see people reenroll); they are erased with the person.
    #[arg(long)]
    keep_photos: bool,
    /// Put them into this group (see groups list) and, when they are new, not into "everyone"; may be repeated.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
}

/// What was looked at, before it is stored.
struct Looked {
    judgement: Judgement,
    /// Images or shots in all.
    pictures: usize,
    /// What they are called: images, shots.
    noun: &'static str,
    /// More for the JSON report.
    more: Value,
    /// Whether less was found than was asked for.
    incomplete: bool,
    /// What to say when nothing is accepted.
    failure: String,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        let mut store = context.store(&config)?;
        let looked = if self.camera {
            camera::look(&self, &config, &store)?
        } else {
            self.look_at_files(&config, &store)?
        };
        let Judgement {
            duplicates,
            refused,
            ..
        } = &looked.judgement;
        let templates = looked.judgement.templates();
        let enrollment = if templates.is_empty() {
            None
        } else {
            let groups = self.groups.iter().cloned().collect();
            Some(store.enroll_into(Timestamp::now(), &self.name, &templates, &groups)?)
        };
        if context.json {
            context.print_json(&report(&enrollment, duplicates, refused, looked.more))?;
        }
        let Some(enrollment) = enrollment else {
            bail!("nobody was enrolled: {}", looked.failure);
        };
        if !context.json {
            let verb = if enrollment.created {
                "enrolled"
            } else {
                "extended"
            };
            print_line(&format!(
                "{verb} {}: {} of {} {} accepted, {} templates in all",
                enrollment.person.name,
                enrollment.added,
                looked.pictures,
                looked.noun,
                enrollment.total
            ))?;
        }
        Ok(if refused.is_empty() && !looked.incomplete {
            Outcome::Done
        } else {
            Outcome::Partly
        })
    }

    /// Examines every file, then all together.
    fn look_at_files(&self, config: &Config, store: &Store) -> anyhow::Result<Looked> {
        let paths = image_paths(self.images.clone(), self.folder.as_deref())?;
        let mut vision = load_vision(config)?;
        let mut enroller = self.enroller(config, store, &vision)?;
        let bar = progress_over_many(paths.len(), "images")?;
        let mut refused = Vec::new();
        for path in &paths {
            if let Err(refusal) = enroller.add(&mut vision, path) {
                bar.suspend(|| eprintln!("refused: {refusal}"));
                refused.push(refusal);
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(Looked {
            judgement: judged(enroller, refused),
            pictures: paths.len(),
            noun: "images",
            more: json!({}),
            incomplete: false,
            failure: format!("no image of {} was accepted", paths.len()),
        })
    }

    fn enroller<'a>(
        &self,
        config: &Config,
        store: &'a Store,
        vision: &Vision,
    ) -> anyhow::Result<Enroller<'a>> {
        let demands = Demands {
            limits: config.recognition.enroll_quality_limits(),
            rules: self.rules(config, store, vision)?,
            largest: self.largest,
            keep_photos: self.keeps_photos(config),
        };
        Ok(Enroller::new(vision, store, &self.name, demands)?)
    }

    fn keeps_photos(&self, config: &Config) -> bool {
        self.keep_photos || config.enroll.keep_photos
    }

    fn rules(&self, config: &Config, store: &Store, vision: &Vision) -> anyhow::Result<Rules> {
        let people = store.people()?.len();
        let thresholds = config.recognition.thresholds(people, vision.calibration());
        Ok(Rules {
            force: self.force,
            ..Rules::new(thresholds.claim)
        })
    }
}

/// Has the pictures judged together, says what becomes of them, and adds those that were refused
/// before.
fn judged(enroller: Enroller<'_>, mut refused: Vec<Refusal>) -> Judgement {
    let mut judgement = enroller.judge();
    for duplicate in &judgement.duplicates {
        eprintln!("skipped: {duplicate}");
    }
    for refusal in &judgement.refused {
        eprintln!("refused: {refusal}");
    }
    refused.append(&mut judgement.refused);
    judgement.refused = refused;
    judgement
}

fn report(
    enrollment: &Option<Enrollment>,
    duplicates: &[Duplicate],
    refused: &[Refusal],
    more: Value,
) -> Value {
    let refusal = |refusal: &Refusal| {
        json!({
            "file": refusal.file(), "reason": refusal.code(), "message": refusal.to_string(),
        })
    };
    let refused: Vec<Value> = refused.iter().map(refusal).collect();
    let mut report = json!({"enrolled": enrollment, "refused": refused, "duplicates": duplicates});
    if let (Value::Object(report), Value::Object(more)) = (&mut report, more) {
        report.extend(more);
    }
    report
}
