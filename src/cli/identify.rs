//! `doorward identify`: who is in an image?

use std::path::{Path, PathBuf};

use doorward::gallery::{Gallery, Verdict};
use doorward::recognition;
use doorward::vision::{Vision, still};

use super::{Context, Outcome, image_paths, load_vision, print_line, reenroll};

/// Say who is in each image, by the rules of the door.
///
/// Opens nothing and records nothing. Each face is compared with everybody enrolled: it is
/// somebody's when the similarity reaches [recognition] threshold and the second person is at
/// least the margin behind. With --json one object an image.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("source").required(true).multiple(true))]
pub(super) struct Args {
    /// Image files (JPEG, PNG, WebP).
    #[arg(value_name = "IMAGE", group = "source")]
    images: Vec<PathBuf>,
    /// A folder of images.
    #[arg(long, value_name = "DIR", group = "source")]
    folder: Option<PathBuf>,
}

#[derive(Debug, serde::Serialize)]
struct Face {
    /// `known`, `unknown`, `ambiguous` or `low_quality`.
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<doorward::event::PersonRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    similarity: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    quality: doorward::vision::Quality,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        let paths = image_paths(self.images, self.folder.as_deref())?;
        let store = context.store(&config)?;
        let mut vision = load_vision(&config)?;
        reenroll::warn_left_out(&store, vision.model_id())?;
        let people = store.gallery(vision.model_id(), vision.dimensions())?;
        let gallery = Gallery::new(people, vision.dimensions());
        let mut outcome = Outcome::Done;
        for path in &paths {
            match identify(&mut vision, &gallery, &config.recognition, path) {
                Ok(faces) if context.json => {
                    context.print_json(&serde_json::json!({"file": path, "faces": faces}))?;
                }
                Ok(faces) => print_faces(path, &faces)?,
                Err(error) => {
                    outcome = Outcome::Partly;
                    if context.json {
                        let error = error.to_string();
                        context.print_json(&serde_json::json!({"file": path, "error": error}))?;
                    } else {
                        eprintln!("refused: {error}");
                    }
                }
            }
        }
        Ok(outcome)
    }
}

fn identify(
    vision: &mut Vision,
    gallery: &Gallery,
    rules: &doorward::config::RecognitionConfig,
    path: &Path,
) -> anyhow::Result<Vec<Face>> {
    recognition::check(rules.security, vision.calibration())?;
    let limits = rules.quality_limits();
    let threshold = rules.thresholds(gallery.len(), vision.calibration()).claim;
    let (image, detections) = vision.detect_in_still(still::read(path)?.image)?;
    let mut faces = Vec::new();
    for detection in detections {
        let Some(face) = vision.examine(&image, detection)? else {
            continue;
        };
        let quality = face.quality;
        let nobody = Face {
            verdict: "unknown",
            person: None,
            similarity: None,
            problem: None,
            quality,
        };
        if let Err(problem) = quality.check(&limits) {
            faces.push(Face {
                verdict: "low_quality",
                problem: Some(problem.to_string()),
                ..nobody
            });
            continue;
        }
        let Some(found) = gallery.search(&vision.embed(&face)?.embedding) else {
            faces.push(nobody);
            continue;
        };
        let verdict = found.verdict(threshold, rules.margin);
        let named = gallery
            .member(found.member)
            .filter(|_| verdict == Verdict::Named);
        faces.push(Face {
            verdict: match verdict {
                Verdict::Named => "known",
                Verdict::Ambiguous => "ambiguous",
                Verdict::Nobody => "unknown",
            },
            person: named.map(|member| member.person.clone()),
            similarity: Some(found.similarity),
            ..nobody
        });
    }
    Ok(faces)
}

fn print_faces(path: &Path, faces: &[Face]) -> anyhow::Result<()> {
    let path = path.display();
    if faces.is_empty() {
        return print_line(&format!("{path}: no face"));
    }
    for face in faces {
        let who = match &face.person {
            Some(person) => person.name.clone(),
            None => face.verdict.replace('_', " "),
        };
        let similarity = face
            .similarity
            .map(|s| format!(" (similarity {s:.2})"))
            .unwrap_or_default();
        let problem = face
            .problem
            .as_ref()
            .map(|p| format!(": {p}"))
            .unwrap_or_default();
        print_line(&format!("{path}: {who}{similarity}{problem}"))?;
    }
    Ok(())
}
