//! `doorward certs`: a private CA, and certificates for broker, doors and people.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use doorward::certs::status::{self, Entry};
use doorward::certs::{Authority, CA_DAYS, DEFAULT_DAYS, MAX_DAYS, Pair, Purpose, Request};
use doorward::clock::Timestamp;
use serde_json::json;

use super::{Context, Outcome, print_line};

const EXAMPLES: &str = "\
Examples:
  doorward certs init ~/doorward-ca
  doorward certs server ~/doorward-ca broker.lan 192.168.1.10
  doorward certs client ~/doorward-ca home/front
  doorward certs client ~/doorward-ca home/front --renew
  doorward certs dashboard ~/doorward-ca guard
  doorward certs status ~/doorward-ca
  doorward --config /etc/doorward/doorward.toml certs status

Keep the folder on a machine that is neither a door nor the broker: whoever has ca.key can be
any of them. Each door needs ca.pem and its own .pem and .key; docs/tls.md has the whole way.";

/// Make a private CA and certificates, and look after them.
///
/// Nothing that exists is ever written over: --renew puts a new certificate and key in place of
/// the old ones and keeps those as *.previous. Keys are ECDSA on P-256, in files for their owner only.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a CA: ca.pem for everybody, ca.key for nobody.
    ///
    /// It is valid for ten years and may sign certificates, but no further CA.
    Init {
        /// Its folder; made if it does not exist.
        folder: PathBuf,
        /// What it is called.
        #[arg(long, default_value = "doorward CA")]
        name: String,
    },
    /// Make the broker's certificate: server.pem and server.key.
    Server {
        /// Folder of the CA.
        folder: PathBuf,
        /// Every host name and address by which doors and dashboards reach the broker.
        ///
        /// With --renew those of the old certificate, when none are given.
        #[arg(value_name = "NAME", required_unless_present = "renew")]
        names: Vec<String>,
        #[command(flatten)]
        how: How,
    },
    /// Make a client's certificate: NAME.pem and NAME.key.
    ///
    /// The broker's rules know the client by this name. For a door it is SITE/DOOR as in [door],
    /// so that it may publish below doorward/SITE/DOOR; in the names of its files, / becomes -.
    Client {
        /// Folder of the CA.
        folder: PathBuf,
        /// Common name, letter by letter as in the broker's rules.
        name: String,
        #[command(flatten)]
        how: How,
    },
    /// Make a certificate for a person's browser, and say how to import it.
    Dashboard {
        /// Folder of the CA.
        folder: PathBuf,
        /// Common name, letter by letter as in the broker's rules.
        name: String,
        #[command(flatten)]
        how: How,
    },
    /// Show every certificate; exits with 4 if one is wrong or expires within 30 days.
    Status {
        /// Folder of a CA; without it the files named in [mqtt] of the configuration.
        folder: Option<PathBuf>,
    },
}

#[derive(Debug, clap::Args)]
struct How {
    /// For how many days it is valid.
    #[arg(long, default_value_t = DEFAULT_DAYS, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_DAYS)))]
    days: u16,
    /// Put it in place of the one that is there, which is kept as *.previous.
    #[arg(long)]
    renew: bool,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self.verb {
            Verb::Init { folder, name } => init(context, &folder, &name)?,
            Verb::Server { folder, names, how } => server(context, &folder, names, &how)?,
            Verb::Client { folder, name, how } => {
                let pair = make(context, &folder, &Request::client(&name, how.days)?, &how)?;
                let (certificate, key) = (file_name(pair.certificate()), file_name(pair.key()));
                hint(
                    context,
                    &format!(
                        "[mqtt] of the client: ca_file = \"ca.pem\", client_cert_file = {certificate:?}, client_key_file = {key:?}"
                    ),
                )?;
            }
            Verb::Dashboard { folder, name, how } => {
                let pair = make(context, &folder, &Request::client(&name, how.days)?, &how)?;
                hint(context, &import(&folder, &pair, &name))?;
            }
            Verb::Status { folder } => return show_status(context, folder.as_deref()),
        }
        Ok(Outcome::Done)
    }
}

fn init(context: &Context, folder: &Path, name: &str) -> anyhow::Result<()> {
    let pair = Authority::create(folder, name, Timestamp::now())?;
    told(context, &pair, "made")?;
    let years = CA_DAYS / 365;
    hint(
        context,
        &format!(
            "valid for {years} years; ca.pem goes to every door and to the broker, ca.key stays here and needs a copy in a safe place"
        ),
    )
}

fn server(
    context: &Context,
    folder: &Path,
    mut names: Vec<String>,
    how: &How,
) -> anyhow::Result<()> {
    if names.is_empty() {
        let old = Authority::open(folder)?.pair(&Request::server(&[], how.days)?);
        names = old.facts()?.names;
        ensure!(
            !names.is_empty(),
            "{} has no names; give them",
            old.certificate().display()
        );
    }
    let request = Request::server(&names, how.days)?;
    make(context, folder, &request, how)?;
    if let Purpose::Server(names) = request.purpose() {
        hint(context, &format!("for {}", names.join(", ")))?;
    }
    hint(
        context,
        "the broker needs server.pem, server.key (readable by its user alone) and ca.pem",
    )
}

fn make(context: &Context, folder: &Path, request: &Request, how: &How) -> anyhow::Result<Pair> {
    let authority = Authority::open(folder)?;
    let pair = authority.pair(request);
    let pem = authority.sign(request, Timestamp::now())?;
    if how.renew {
        pair.renew(&pem, request.purpose())?;
    } else {
        pair.create(&pem)?;
    }
    told(context, &pair, if how.renew { "renewed" } else { "made" })?;
    Ok(pair)
}

fn told(context: &Context, pair: &Pair, done: &str) -> anyhow::Result<()> {
    let facts = pair.facts()?;
    let (certificate, key) = (pair.certificate().display(), pair.key().display());
    if context.json {
        return context.print_json(&json!({
            "certificate": certificate.to_string(),
            "key": key.to_string(),
            "subject": facts.subject,
            "names": facts.names,
            "expires": facts.not_after,
        }));
    }
    let until = facts.not_after.strftime("%Y-%m-%d");
    print_line(&format!(
        "{done}: {certificate} and {key}, valid until {until}"
    ))
}

/// For people only.
fn hint(context: &Context, text: &str) -> anyhow::Result<()> {
    if context.json {
        return Ok(());
    }
    print_line(text)
}

/// Browsers take certificate and key in one file that a password protects.
fn import(folder: &Path, pair: &Pair, name: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let path = |path: &Path| quoted(&path.display().to_string());
    format!(
        "Browsers import one file with a password of its own, and trust ca.pem as an authority:\n  \
         openssl pkcs12 -export -in {} -inkey {} -certfile {} -name {} -out {}",
        path(pair.certificate()),
        path(pair.key()),
        path(&folder.join("ca.pem")),
        quoted(name),
        path(&pair.certificate().with_extension("p12")),
    )
}

fn show_status(context: &Context, folder: Option<&Path>) -> anyhow::Result<Outcome> {
    let now = Timestamp::now();
    let entries = match folder {
        Some(folder) => status::of_folder(folder, now)
            .with_context(|| format!("cannot read the folder {}", folder.display()))?,
        None => of_config(context, now)?,
    };
    let sound = entries.iter().all(|entry| entry.problems.is_empty());
    if context.json {
        context.print_json(&json!({"sound": sound, "certificates": entries}))?;
    } else {
        table(&entries)?;
    }
    Ok(if sound {
        Outcome::Done
    } else {
        Outcome::Partly
    })
}

fn of_config(context: &Context, now: Timestamp) -> anyhow::Result<Vec<Entry>> {
    let config = context.config()?;
    let mqtt = config
        .mqtt
        .context("the configuration has no [mqtt], so it names no certificates; name a folder")?;
    let identity = mqtt
        .client_cert_file
        .as_deref()
        .zip(mqtt.client_key_file.as_deref());
    Ok(status::of_files(mqtt.ca_file.as_deref(), identity, now))
}

fn table(entries: &[Entry]) -> anyhow::Result<()> {
    if entries.is_empty() {
        return print_line("no certificates");
    }
    let mut rows =
        vec![["FILE", "FOR", "SUBJECT", "NAMES", "ISSUER", "DAYS", "KEY"].map(String::from)];
    rows.extend(entries.iter().map(|entry| {
        [
            file_name(&entry.file),
            entry.purpose.to_owned(),
            entry.subject.clone(),
            entry.names.join(","),
            entry.issuer.clone(),
            entry
                .days_left
                .map_or(String::new(), |days| days.to_string()),
            entry.key_mode.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    }));
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        print_line(line.join("  ").trim_end())?;
    }
    for entry in entries {
        for problem in &entry.problems {
            print_line(&format!("{}: {problem}", file_name(&entry.file)))?;
        }
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}
