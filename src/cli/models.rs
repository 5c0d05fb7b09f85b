//! `doorward models`: the networks.

use anyhow::bail;
use doorward::vision::pack::ModelPack;

use super::{Context, Outcome, print_line};

/// Look after the model pack.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Check every file of the pack against the manifest's SHA-256.
    Verify,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let Verb::Verify = self.verb;
        let config = context.config()?;
        let pack = ModelPack::open(&config.models.directory)?;
        let mut wrong = Vec::new();
        let mut report = Vec::new();
        for file in pack.files() {
            let error = pack.read(file).err().map(|error| error.to_string());
            if !context.json {
                let mark = if error.is_none() { "ok   " } else { "WRONG" };
                print_line(&format!("{mark} {:<18} {}", file.name, file.sha256))?;
            }
            report.push(serde_json::json!({
                "name": file.name, "role": file.role, "sha256": file.sha256,
                "ok": error.is_none(), "error": error,
            }));
            wrong.extend(error);
        }
        if context.json {
            let pack = &pack.info().id;
            context.print_json(&serde_json::json!({"pack": pack, "files": report}))?;
        }
        if !wrong.is_empty() {
            bail!("{}", wrong.join("\ndoorward: "));
        }
        Ok(Outcome::Done)
    }
}
