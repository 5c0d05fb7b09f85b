//! `doorward events verify | checkpoint | key`: is the record what was recorded, and who can tell?

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use doorward::audit::{known_key, signer_of};
use doorward::clock::Timestamp;
use doorward::config::Config;
use doorward::event::checkpoint::{Claims, PublicKey, Signer, verify};
use doorward::store::{Expected, Report, Store};
use doorward::witness::{Finding, WitnessNotes};

use crate::cli::{Context, Outcome, print_line, progress};

/// The bar moves after so many events.
const STEP: u64 = 1000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A checkpoint that somebody else kept, as the broker retains it; - for standard input.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// The public key it was signed with (`doorward events key`), as somebody else kept it; without
    /// it the one of this door's own key file.
    #[arg(long, value_name = "FILE", requires = "checkpoint")]
    public_key: Option<PathBuf>,
    /// A file of doorward witness, from another machine: every event that it heard must be there as it
    /// was heard.
    #[arg(long, value_name = "FILE")]
    witness: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        let store = context.store(&config)?;
        let claims = match &self.checkpoint {
            None => None,
            Some(path) => Some(self.read(path, &config)?),
        };
        let head = claims.as_ref().map(Claims::head);
        let bar = progress(usize::try_from(store.head()?.seq)?, "events")?;
        let mut report = store.verify_with(head.as_ref(), expected(&config), |events| {
            if events % STEP == 0 {
                bar.set_position(events);
            }
        })?;
        bar.finish_and_clear();
        let witnessed = match &self.witness {
            None => None,
            Some(file) => Some(witness(&store, file, &config, &mut report)?),
        };
        if context.json {
            let mut json = serde_json::to_value(&report)?;
            if let Some(witnessed) = &witnessed {
                json["witnessed"] = witnessed.compared.into();
                json["witness_findings"] = serde_json::to_value(&witnessed.told)?;
            }
            context.print_json(&json)?;
        } else {
            print(&report, claims.as_ref())?;
            if let Some(witnessed) = &witnessed {
                witnessed.print(&report)?;
            }
        }
        let findings = u64::try_from(report.findings.len())? + report.more;
        ensure!(
            report.is_whole(),
            "the record is not what was recorded ({findings} findings); see docs/audit.md for what each means, and keep a copy of the database before you change anything"
        );
        Ok(Outcome::Done)
    }

    fn read(&self, path: &Path, config: &Config) -> anyhow::Result<Claims> {
        let token = if path == Path::new("-") {
            std::io::read_to_string(std::io::stdin()).context("cannot read standard input")?
        } else {
            read(path)?
        };
        let key = match &self.public_key {
            Some(path) => {
                PublicKey::from_pem(&read(path)?).with_context(|| path.display().to_string())?
            }
            None => {
                let key = config.audit.key_path(&config.store.path);
                known_key(&key)?.context("this door has no key yet, so no checkpoint is its own")?
            }
        };
        let claims = verify(&key, &token)?;
        let source = config.source();
        if claims.iss != source {
            bail!(
                "the checkpoint is of the door {}, this one is {source}",
                claims.iss
            );
        }
        Ok(claims)
    }
}

/// Which checkpoints must be there.
fn expected(config: &Config) -> Expected {
    let minutes = u64::from(config.audit.checkpoint_every_min);
    // One from elsewhere was made before the door signed anything.
    let is_own = config.audit.key_file.is_none();
    Expected {
        has_key: is_own && minutes > 0 && config.audit.key_path(&config.store.path).exists(),
        every: (minutes > 0).then(|| Duration::from_secs(minutes * 60)),
    }
}

/// What a witness had to say.
struct Witnessed {
    /// Statements that could be compared.
    compared: u64,
    /// What it found itself.
    told: Vec<Finding>,
}

fn witness(
    store: &Store,
    file: &Path,
    config: &Config,
    report: &mut Report,
) -> anyhow::Result<Witnessed> {
    let notes = WitnessNotes::read(file)?;
    let door = config.source();
    let statements = notes.statements(&door)?;
    ensure!(
        !statements.is_empty(),
        "the witness file {} knows nothing of {door}",
        file.display()
    );
    Ok(Witnessed {
        compared: store.compare(&statements, report)?,
        told: notes.findings(&door)?,
    })
}

impl Witnessed {
    fn print(&self, report: &Report) -> anyhow::Result<()> {
        for finding in &self.told {
            print_line(&format!(
                "the witness told: {}: {}",
                finding.finding.as_str(),
                finding.detail
            ))?;
        }
        let met = if report.is_whole() {
            ": all are met"
        } else {
            ""
        };
        print_line(&format!(
            "compared with {} statements that the witness heard{met}",
            self.compared
        ))
    }
}

/// Signs, queues and prints a fresh checkpoint.
pub(super) fn checkpoint(context: &Context) -> anyhow::Result<Outcome> {
    let config = context.config()?;
    let mut store = context.store(&config)?;
    let signer = signer(&mut store, &config)?;
    let checkpoint = store.checkpoint(Timestamp::now(), &signer)?;
    if context.json {
        context.print_json(
            &serde_json::json!({"token": checkpoint.token, "claims": checkpoint.claims}),
        )?;
    } else {
        print_line(&checkpoint.token)?;
    }
    Ok(Outcome::Done)
}

/// Prints the public key.
pub(super) fn key(context: &Context) -> anyhow::Result<Outcome> {
    let config = context.config()?;
    let path = config.audit.key_path(&config.store.path);
    let key = match known_key(&path)? {
        Some(key) => key,
        None => signer(&mut context.store(&config)?, &config)?
            .public_key()
            .clone(),
    };
    let pem = key.to_pem();
    if context.json {
        context.print_json(&serde_json::json!({"public_key": pem}))?;
    } else {
        print_line(pem.trim_end())?;
    }
    Ok(Outcome::Done)
}

fn signer(store: &mut Store, config: &Config) -> anyhow::Result<Signer> {
    let path = config.audit.key_path(&config.store.path);
    crate::cli::refuse_foreign_root(&path)?;
    Ok(signer_of(store, &path, config.source(), Timestamp::now())?)
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn print(report: &Report, claims: Option<&Claims>) -> anyhow::Result<()> {
    for finding in &report.findings {
        print_line(&finding.to_string())?;
    }
    if report.more > 0 {
        print_line(&format!("and {} more", report.more))?;
    }
    if report.is_whole() {
        print_line(&format!(
            "ok: {} events, {} to {}, head {}",
            report.events,
            report.start.seq + 1,
            report.head.seq,
            report.head.hash
        ))?;
    }
    match (claims, &report.compared) {
        (Some(claims), _) if claims.seq < report.start.seq => print_line(&format!(
            "the checkpoint is about event {}, which was pruned: it proves nothing any more",
            claims.seq
        )),
        (_, Some(compared)) => print_line(&format!(
            "the checkpoint of event {} is met; what came after it is not proven",
            compared.seq
        )),
        (None, None) => print_line(
            "no checkpoint was ever made: a record that was rewritten whole would not be found",
        ),
        (Some(_), None) => Ok(()),
    }
}
