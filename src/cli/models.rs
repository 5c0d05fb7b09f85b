//! `doorward models`: the networks.

use anyhow::bail;
use doorward::config::Config;
use doorward::vision::pack::{Calibration, ModelFile, ModelPack, PackError, Role};

use super::{Context, Outcome, print_line};

/// Look after the model packs.
///
/// A pack is a set of networks that belong together, described by a manifest in
/// [models] directory; [models] pack says which one the door uses. Faces enrolled with one
/// pack are strangers to another one: see doorward people reenroll --help.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List all known packs: which one is configured, and how many of its files are there.
    List,
    /// Check every file of the configured pack, and what is there of the others, against the
    /// manifests' SHA-256.
    Verify,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        match self.verb {
            Verb::List => list(context, &config),
            Verb::Verify => verify(context, &config),
        }
    }
}

/// One pack as `list --json` shows it.
#[derive(Debug, serde::Serialize)]
struct Listed<'a> {
    name: &'a str,
    configured: bool,
    pack: &'a str,
    title: &'a str,
    license: &'a str,
    source: &'a str,
    model_id: &'a str,
    calibration: &'a Calibration,
    files: Vec<ListedFile<'a>>,
}

#[derive(Debug, serde::Serialize)]
struct ListedFile<'a> {
    name: &'a str,
    role: Role,
    present: bool,
}

fn list(context: &Context, config: &Config) -> anyhow::Result<Outcome> {
    for name in ModelPack::names(&config.models.directory)? {
        let configured = name == config.models.pack;
        let mark = if configured { "*" } else { " " };
        match ModelPack::open_named(&config.models.directory, &name) {
            Ok(pack) if context.json => context.print_json(&listed(&pack, configured))?,
            Ok(pack) => {
                let Listed {
                    files,
                    title,
                    license,
                    ..
                } = listed(&pack, configured);
                let there = files.iter().filter(|file| file.present).count();
                let files = files.len();
                print_line(&format!(
                    "{mark} {name:<12} {there} of {files} files  {title}  ({license})"
                ))?;
            }
            Err(error) if context.json => {
                let error = error.to_string();
                context.print_json(&serde_json::json!({
                    "name": name, "configured": configured, "error": error,
                }))?;
            }
            Err(error) => print_line(&format!("{mark} {name:<12} {error}"))?,
        }
    }
    Ok(Outcome::Done)
}

fn listed<'a>(pack: &'a ModelPack, configured: bool) -> Listed<'a> {
    let info = pack.info();
    let file = |file: &'a ModelFile| ListedFile {
        name: &file.name,
        role: file.role,
        present: pack.path_of(file).is_file(),
    };
    Listed {
        name: pack.name(),
        configured,
        pack: &info.id,
        title: &info.title,
        license: &info.license,
        source: &info.source,
        model_id: &pack.embedding().model_id,
        calibration: pack.calibration(),
        files: pack.files().iter().map(file).collect(),
    }
}

fn verify(context: &Context, config: &Config) -> anyhow::Result<Outcome> {
    let directory = &config.models.directory;
    // The configured pack first, and its manifest must be right; the others are extra.
    let configured = ModelPack::open_named(directory, &config.models.pack)?;
    let mut wrong = check(context, &configured, true)?;
    for name in ModelPack::names(directory)? {
        if name != config.models.pack {
            match ModelPack::open_named(directory, &name) {
                Ok(pack) => wrong.extend(check(context, &pack, false)?),
                Err(error) => wrong.push(error.to_string()),
            }
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\ndoorward: "));
    }
    Ok(Outcome::Done)
}

/// Checks and prints one pack; returns what is wrong with it. Files of a pack that is not
/// configured may be missing.
fn check(context: &Context, pack: &ModelPack, configured: bool) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    let mut report = Vec::new();
    if !context.json {
        let word = if configured {
            "configured"
        } else {
            "not configured"
        };
        print_line(&format!("{} ({word})", pack.name()))?;
    }
    for file in pack.files() {
        let error = pack.read(file).err();
        let absent = matches!(&error, Some(PackError::Unreadable { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound);
        if !context.json {
            let mark = match &error {
                None => "ok    ",
                Some(_) if absent => "absent",
                Some(_) => "WRONG ",
            };
            print_line(&format!("  {mark} {:<36} {}", file.name, file.sha256))?;
        }
        let message = error.map(|error| error.to_string());
        report.push(serde_json::json!({
            "name": file.name, "role": file.role, "sha256": file.sha256,
            "ok": message.is_none(), "present": !absent, "error": message,
        }));
        wrong.extend(message.filter(|_| configured || !absent));
    }
    if context.json {
        context.print_json(&serde_json::json!({
            "name": pack.name(), "configured": configured, "pack": pack.info().id,
            "files": report,
        }))?;
    }
    Ok(wrong)
}
