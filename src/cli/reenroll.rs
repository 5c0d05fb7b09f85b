//! `doorward people reenroll`: templates of the configured pack, from kept photos.

use doorward::clock::Timestamp;
use doorward::reenroll::{self, Outcome as Photo};
use doorward::store::{Person, Reenrollment, Store};
use doorward::vision::{QualityLimits, Vision};
use indicatif::ProgressBar;

use super::{Context, Outcome, load_vision, print_line, progress_over_many};

/// Make templates of the configured model pack from kept photos.
///
/// Needed when [models] pack changes: templates of one pack mean nothing to another, so
/// everybody is a stranger until they have new ones. Works for people who were enrolled with
/// --keep-photos; the others are named and must be enrolled again. Photos that have a template
/// already are passed over, so it can be run again at any time. Exit code 4 says that somebody
/// is still left out, or a photo was refused. A running service knows them within a second.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("who").required(true))]
pub(super) struct Args {
    /// Names or ids.
    #[arg(value_name = "NAME", group = "who")]
    names: Vec<String>,
    /// Everybody.
    #[arg(long, group = "who")]
    all: bool,
    /// Also remove the templates of other packs of everybody who has one of this pack.
    #[arg(long)]
    prune: bool,
}

/// What became of one person.
#[derive(Debug, serde::Serialize)]
struct Report {
    #[serde(flatten)]
    done: Reenrollment,
    photos: usize,
    refused: Vec<serde_json::Value>,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        let mut store = context.store(&config)?;
        let people = if self.all {
            store.people()?
        } else {
            let person = |name: &String| store.person(name);
            self.names.iter().map(person).collect::<Result<_, _>>()?
        };
        let mut vision = load_vision(&config)?;
        let limits = config.recognition.enroll_quality_limits();
        let photos: u32 = people.iter().map(|person| person.photos).sum();
        let bar = progress_over_many(usize::try_from(photos)?, "photos")?;
        let mut outcome = Outcome::Done;
        for person in &people {
            let report = self.person(&mut store, &mut vision, &limits, person, &bar)?;
            if report.done.usable == 0 || !report.refused.is_empty() {
                outcome = Outcome::Partly;
            }
            bar.suspend(|| print(context, &report))?;
        }
        bar.finish_and_clear();
        if people.is_empty() && !context.json {
            print_line("nobody is enrolled; see doorward enroll --help")?;
        }
        Ok(outcome)
    }

    /// All photos of one person, then one transaction.
    fn person(
        &self,
        store: &mut Store,
        vision: &mut Vision,
        limits: &QualityLimits,
        person: &Person,
        bar: &ProgressBar,
    ) -> anyhow::Result<Report> {
        let photos = store.photos(person.id)?;
        let mut templates = Vec::new();
        let mut refused = Vec::new();
        for photo in &photos {
            match reenroll::examine(vision, store, limits, person.id, photo)? {
                Photo::Made(template) => templates.push(template),
                Photo::Known => {}
                Photo::Refused(refusal) => {
                    bar.suspend(|| eprintln!("refused: {}: {refusal}", person.name));
                    refused.push(serde_json::json!({
                        "image_sha256": photo, "reason": refusal.code(),
                        "message": refusal.to_string(),
                    }));
                }
            }
            bar.inc(1);
        }
        let now = Timestamp::now();
        let done = store.reenroll(now, person.id, vision.model_id(), &templates, self.prune)?;
        Ok(Report {
            done,
            photos: photos.len(),
            refused,
        })
    }
}

fn print(context: &Context, report: &Report) -> anyhow::Result<()> {
    if context.json {
        return context.print_json(report);
    }
    let Report { done, photos, .. } = report;
    let name = &done.person.name;
    let mut line = match (done.usable, photos) {
        (0, 0) => format!(
            "{name}: no kept photos; enroll them again: doorward enroll {name:?} --image FILE ..."
        ),
        (0, _) => format!("{name}: no photo of {photos} was accepted; enroll them again"),
        (usable, _) => format!("{name}: {} templates made, {usable} usable", done.added),
    };
    if done.pruned > 0 {
        line += &format!(", {} of other packs removed", done.pruned);
    }
    print_line(&line)
}

/// Tells on standard error who is enrolled but unknown to the model in use.
pub(super) fn warn_left_out(store: &Store, model_id: &str) -> anyhow::Result<()> {
    if let Some(left_out) = store.left_out(model_id)? {
        eprintln!("warning: {left_out}");
    }
    Ok(())
}
