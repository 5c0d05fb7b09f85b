//! `doorward db`: the database file itself.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use doorward::audit::backup::{back_up, is_genuine};
use doorward::audit::seal::Seals;
use doorward::audit::{known_key, signer_of};
use doorward::clock::{Timestamp, rfc3339_millis};
use doorward::config::Config;
use doorward::store::backup::Progress;
use doorward::store::health::{self, Depth};
use doorward::store::space::free_space;
use doorward::store::{InstanceLock, recover};
use indicatif::ProgressBar;
use serde_json::json;

use super::{Context, Outcome, print_line, progress, refuse_foreign_root};

/// Check, back up and restore the database.
///
/// The service checks its database at every start and makes backups by itself ([store] backup,
/// backup_every_h); a damaged file is set aside, never deleted.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Look for damage; changes nothing. Exits with 1 when there is some.
    Check {
        /// Indexes and constraints too: slower.
        #[arg(long)]
        full: bool,
    },
    /// Make a backup now, beside a running service.
    Backup {
        /// Where to; [store] backup when absent. What is there is kept with ".1" at its end.
        file: Option<PathBuf>,
    },
    /// Put a backup in the database's place; the service must be stopped.
    ///
    /// What is there is kept beside it as .before-restore-TIME. People, rules and events are
    /// afterwards as they were when the backup was made; but whoever was suspended or removed since
    /// stays so, and a lockdown and used commands stand. Operators open nothing until somebody has
    /// looked and run doorward alarms ack restored.
    Restore {
        /// The backup.
        file: PathBuf,
        /// Also one that this door did not seal (FILE.seal): from an older version, or from elsewhere. Who
        /// may enter is then what whoever made it wanted.
        #[arg(long)]
        unsealed: bool,
    },
    /// Give unused space back to the disk; the service must be stopped.
    Vacuum,
    /// Show size, schema, contents, free space and the last backup.
    Info,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        let path = &config.store.path;
        refuse_foreign_root(path)?;
        match self.verb {
            Verb::Check { full } => check(context, path, full)?,
            Verb::Backup { file } => backup(context, &config, file)?,
            Verb::Restore { file, unsealed } => restore(context, &config, &file, unsealed)?,
            Verb::Vacuum => vacuum(context, &config)?,
            Verb::Info => info(context, &config)?,
        }
        Ok(Outcome::Done)
    }
}

fn check(context: &Context, path: &Path, full: bool) -> anyhow::Result<()> {
    must_exist(path)?;
    let depth = if full { Depth::Full } else { Depth::Quick };
    let findings = waiting("checking", || health::check(path, depth))?;
    if context.json {
        let file = path.display().to_string();
        context.print_json(
            &json!({"file": file, "full": full, "sound": findings.is_empty(), "findings": findings}),
        )?;
    } else if findings.is_empty() {
        print_line(&format!("{}: sound", path.display()))?;
    } else {
        for finding in &findings {
            print_line(finding)?;
        }
    }
    ensure!(
        findings.is_empty(),
        "the database {} is damaged; start the service, which sets it aside and restores the newest backup, or restore one with doorward db restore",
        path.display()
    );
    Ok(())
}

fn backup(context: &Context, config: &Config, file: Option<PathBuf>) -> anyhow::Result<()> {
    must_exist(&config.store.path)?;
    let target = file.unwrap_or_else(|| config.store.backup_path());
    let mut store = context.store(config)?;
    let now = Timestamp::now();
    let key = config.audit.key_path(&config.store.path);
    let signer = signer_of(&mut store, &key, config.source(), now)?;
    let bar = progress(0, "pages")?;
    let made = back_up(&store, &target, &signer, now, |at| show(&bar, at));
    bar.finish_and_clear();
    made?;
    let bytes = size_of(&target);
    if context.json {
        return context
            .print_json(&json!({"file": target.display().to_string(), "size_bytes": bytes}));
    }
    print_line(&format!(
        "backup made: {} ({})",
        target.display(),
        kib(bytes)
    ))
}

fn restore(context: &Context, config: &Config, file: &Path, unsealed: bool) -> anyhow::Result<()> {
    must_exist(file)?;
    let path = &config.store.path;
    let is_sound = health::check(file, Depth::Quick).is_ok_and(|findings| findings.is_empty());
    // What is no sound database is refused as such.
    if is_sound && !unsealed {
        let seals = Seals::of(config.source(), known_key(&config.audit.key_path(path))?);
        if let Err(why) = is_genuine(&seals, file, &config.store.backup_path()) {
            bail!(
                "{}: {why}; nothing was changed. If you know where it comes from, restore it with --unsealed",
                file.display()
            );
        }
    }
    let _alone = InstanceLock::acquire(path)?;
    let bar = progress(0, "pages")?;
    let restored = recover::restore(path, config.wire(), file, Timestamp::now(), |at| {
        show(&bar, at)
    });
    bar.finish_and_clear();
    let restored = restored
        .with_context(|| format!("cannot restore {}; nothing was changed", file.display()))?;
    let aside = restored
        .set_aside
        .as_ref()
        .map(|aside| aside.display().to_string());
    if context.json {
        return context.print_json(&json!({
            "restored": file.display().to_string(),
            "last_known_seq": restored.last_known_seq,
            "set_aside": aside,
            "taken_away": restored.taken_away.to_string(),
        }));
    }
    print_line(&format!(
        "restored {}, which ends with event {}",
        file.display(),
        restored.last_known_seq
    ))?;
    if let Some(aside) = aside {
        print_line(&format!("what was there is kept as {aside}"))?;
    }
    print_line(&restored.taken_away.to_string())?;
    print_line(
        "operators open nothing until you have looked at people and rules, and run doorward alarms ack restored",
    )
}

fn vacuum(context: &Context, config: &Config) -> anyhow::Result<()> {
    let path = &config.store.path;
    must_exist(path)?;
    let _alone = InstanceLock::acquire(path)
        .context("it would keep a running service from recording, so that nobody is let in")?;
    let before = size_of(path);
    // The new database and the log through which it is written.
    let needed = before.saturating_mul(2);
    let free = free_space(path)?;
    if free < needed {
        bail!(
            "not enough room: {} are needed while it lasts, {} are free",
            kib(needed),
            kib(free)
        );
    }
    let store = context.store(config)?;
    waiting("giving space back", || store.vacuum())?;
    drop(store);
    let after = size_of(path);
    if context.json {
        return context.print_json(&json!({"before_bytes": before, "after_bytes": after}));
    }
    print_line(&format!("{} before, {} after", kib(before), kib(after)))
}

fn info(context: &Context, config: &Config) -> anyhow::Result<()> {
    let path = &config.store.path;
    must_exist(path)?;
    let contents = context.store(config)?.contents()?;
    let (size, free) = (size_of(path), free_space(path)?);
    let file = config.store.backup_path();
    let last = recover::last_backup(&file).map(rfc3339_millis);
    if context.json {
        return context.print_json(&json!({
            "file": path.display().to_string(),
            "size_bytes": size,
            "free_bytes": free,
            "contents": contents,
            "backup": {"file": file.display().to_string(), "made": last},
        }));
    }
    print_line(&format!("file         {} ({})", path.display(), kib(size)))?;
    print_line(&format!("schema       {}", contents.schema_version))?;
    print_line(&format!("people       {}", contents.people))?;
    print_line(&format!("templates    {}", contents.templates))?;
    print_line(&format!("photos       {}", contents.photos))?;
    print_line(&format!(
        "events       {} (the last is {})",
        contents.events, contents.last_seq
    ))?;
    print_line(&format!("to be sent   {}", contents.waiting))?;
    print_line(&format!("free space   {}", kib(free)))?;
    let last = last.unwrap_or_else(|| "none".to_owned());
    print_line(&format!("last backup  {last} ({})", file.display()))
}

/// Opening a missing database would make one: nothing here means that.
fn must_exist(path: &Path) -> anyhow::Result<()> {
    ensure!(
        path.exists(),
        "there is no file {}; check the path",
        path.display()
    );
    Ok(())
}

fn show(bar: &ProgressBar, at: Progress) -> ControlFlow<()> {
    bar.set_length(at.total);
    bar.set_position(at.done);
    ControlFlow::Continue(())
}

/// Does something of which nobody knows how far it is.
fn waiting<T, E>(what: &'static str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let bar = ProgressBar::new_spinner().with_message(what);
    bar.enable_steady_tick(Duration::from_millis(100));
    let done = work();
    bar.finish_and_clear();
    done
}

fn size_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn kib(bytes: u64) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}
