//! `doorward enroll`: somebody's face becomes known.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use doorward::clock::Timestamp;
use doorward::enroll::{Demands, Enroller};
use indicatif::{ProgressBar, ProgressStyle};

use super::{Context, Outcome, image_paths, load_vision, print_line};

/// Progress is shown from this many images on.
const MANY: usize = 4;

/// Enroll somebody from images of their face, or give them more templates.
///
/// Three to five sharp images with different poses and light are good. Every image is checked;
/// refused ones are named with the reason, accepted ones are stored (exit code 4 says that some
/// were refused). The pictures themselves are not kept, unless --keep-photos or [enroll]
/// keep_photos asks for it. A running service knows the person within a second.
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
    /// With several faces in an image, take the largest.
    #[arg(long)]
    largest: bool,
    /// Enroll a face even though it is like somebody else's.
    #[arg(long)]
    force: bool,
    /// Keep the pictures in the database, so that new templates can be made of them when the
    /// model pack changes (see people reenroll); they are erased with the person.
    #[arg(long)]
    keep_photos: bool,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        let paths = image_paths(self.images, self.folder.as_deref())?;
        let mut store = context.store(&config)?;
        let mut vision = load_vision(&config)?;
        let demands = Demands {
            limits: config.recognition.enroll_quality_limits(),
            threshold: config
                .recognition
                .thresholds(store.people()?.len(), vision.calibration())
                .claim,
            largest: self.largest,
            force: self.force,
            keep_photos: self.keep_photos || config.enroll.keep_photos,
        };
        let mut enroller = Enroller::new(&mut vision, &store, &self.name, demands)?;

        let bar = progress(paths.len())?;
        let mut refused = Vec::new();
        for path in &paths {
            if let Err(refusal) = enroller.add(path) {
                bar.suspend(|| eprintln!("refused: {refusal}"));
                refused.push(serde_json::json!({
                    "file": path, "reason": refusal.code(), "message": refusal.to_string(),
                }));
            }
            bar.inc(1);
        }
        bar.finish_and_clear();

        let templates = enroller.finish();
        if templates.is_empty() {
            if context.json {
                context.print_json(&serde_json::json!({"enrolled": null, "refused": refused}))?;
            }
            bail!(
                "nobody was enrolled: no image of {} was accepted",
                paths.len()
            );
        }
        let enrollment = store.enroll(Timestamp::now(), &self.name, &templates)?;
        if context.json {
            context.print_json(&serde_json::json!({"enrolled": enrollment, "refused": refused}))?;
        } else {
            let verb = if enrollment.created {
                "enrolled"
            } else {
                "extended"
            };
            print_line(&format!(
                "{verb} {}: {} of {} images accepted, {} templates in all",
                enrollment.person.name,
                enrollment.added,
                paths.len(),
                enrollment.total
            ))?;
        }
        Ok(if refused.is_empty() {
            Outcome::Done
        } else {
            Outcome::Partly
        })
    }
}

/// A bar for many images; hidden for few, and where nobody watches.
fn progress(images: usize) -> anyhow::Result<ProgressBar> {
    if images < MANY {
        return Ok(ProgressBar::hidden());
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} images  {eta} left")
        .context("progress style")?;
    Ok(ProgressBar::new(u64::try_from(images)?).with_style(style))
}
