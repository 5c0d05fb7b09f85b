//! `doorward witness`: keeps what the doors of a broker say, on another machine than theirs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use doorward::config::{Config, DoorConfig, MqttConfig, Protocol};
use doorward::keys::PublicKey;
use doorward::witness::listen::{News, Plan, listen};
use doorward::witness::{DoorNotes, WitnessNotes};
use serde_json::json;

use super::{Context, Outcome, Version, print_line};

/// Keep and check what the doors of a broker say happened.
///
/// Runs on any machine but a door's own: whoever is root on a door can rewrite its record, but not what a
/// witness heard before. It keeps numbers, hashes and checkpoints of every door in a small file, checks
/// them as they come, and tells of forks (two records), gaps and rewinds. It never publishes. The broker
/// keeps for it what is published while it is away. Compare a record with the file later:
/// doorward events verify --witness FILE.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward witness --file witness.db --url mqtts://broker.lan --ca ca.pem \\
      --cert watcher.pem --cert-key watcher.key --key home/front=front.pem
  doorward witness --file witness.db --list
  doorward witness --file witness.db --until-idle 10 --json     # from a timer: catch up and end

Exit codes: 0 everything fits; 1 something does not (each thing is printed when it is found), or the
broker or the file cannot be used.")]
pub(super) struct Args {
    /// Where what was heard is kept; made at the first start.
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// Print what is known of each door, and end.
    #[arg(long, conflicts_with_all = ["until_idle", "url"])]
    list: bool,
    /// A door's public key (doorward events key), which its checkpoints are verified with; kept in the
    /// file. May be repeated.
    #[arg(long = "key", value_name = "SITE/DOOR=FILE", value_parser = door_key)]
    keys: Vec<(String, PathBuf)>,
    /// Beginning of the doors' topics; + stands for one level. May be repeated.
    #[arg(long = "topic", value_name = "TOPIC", default_value = "doorward/+/+")]
    topics: Vec<String>,
    /// How long an event may be missing before that is told.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    patience: u32,
    /// End when nothing came for so long.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    until_idle: Option<u32>,
    /// How long the broker keeps what is published while the witness is away.
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3650))]
    keep_days: u32,
    #[command(flatten)]
    broker: Broker,
}

/// Where the broker is, instead of the configuration file's [mqtt].
#[derive(Debug, clap::Args)]
struct Broker {
    /// The broker: mqtts://host[:port].
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// PEM file of its private CA.
    #[arg(long, value_name = "FILE", requires = "url")]
    ca: Option<PathBuf>,
    /// PEM file of our client certificate.
    #[arg(long, value_name = "FILE", requires = "url", requires = "cert_key")]
    cert: Option<PathBuf>,
    /// PEM file of its private key.
    #[arg(long, value_name = "FILE", requires = "cert")]
    cert_key: Option<PathBuf>,
    /// User name at the broker.
    #[arg(long, value_name = "NAME", requires = "url")]
    username: Option<String>,
    /// File whose first line is the password.
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// MQTT's version: 5, unless [mqtt] protocol says otherwise, or 3.1.1.
    #[arg(long, value_name = "VERSION")]
    protocol: Option<Version>,
    /// Name of the session at the broker; without it one that stays with the file.
    #[arg(long, value_name = "NAME")]
    client_id: Option<String>,
}

fn door_key(text: &str) -> Result<(String, PathBuf), String> {
    let wanted = "write SITE/DOOR=FILE, for example home/front=front.pem";
    let (door, file) = text.split_once('=').ok_or(wanted)?;
    let (site, name) = door.split_once('/').ok_or(wanted)?;
    let door = DoorConfig {
        site: site.to_owned(),
        name: name.to_owned(),
    };
    let config = Config {
        door,
        ..Config::default()
    };
    Ok((config.source(), PathBuf::from(file)))
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        if self.list {
            return list(context, &self.file);
        }
        {
            let notes = WitnessNotes::open(&self.file)?;
            for (door, file) in &self.keys {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("cannot read {}", file.display()))?;
                let key = PublicKey::parse(&text).with_context(|| file.display().to_string())?;
                notes.trust(door, &key)?;
            }
        }
        let config = self.config(context)?;
        let plan = Plan {
            bases: self.topics,
            client_id: self.broker.client_id,
            session_expiry_s: self.keep_days * 86_400,
            patience: Duration::from_secs(self.patience.into()),
            until_idle: self
                .until_idle
                .map(|seconds| Duration::from_secs(seconds.into())),
        };
        // A reader that left must not end the witness.
        let found = listen(&config, &self.file, &plan, |news| {
            let _ = tell(context, &news);
        })?;
        ensure!(
            found == 0,
            "what was heard does not fit together ({found} findings); see docs/audit.md for what each means, and keep the file {}",
            self.file.display()
        );
        Ok(Outcome::Done)
    }

    fn config(&self, context: &Context) -> anyhow::Result<Config> {
        let broker = &self.broker;
        let mut config = match &broker.url {
            Some(url) => Config {
                mqtt: Some(MqttConfig {
                    url: url.clone(),
                    ca_file: broker.ca.clone(),
                    client_cert_file: broker.cert.clone(),
                    client_key_file: broker.cert_key.clone(),
                    username: broker.username.clone(),
                    password_file: broker.password_file.clone(),
                    ..MqttConfig::default()
                }),
                ..Config::default()
            },
            None => context.config()?,
        };
        let mqtt = config
            .mqtt
            .as_mut()
            .context("no broker is configured; give --url, or [mqtt] with its url")?;
        if let Some(version) = broker.protocol {
            mqtt.protocol = Protocol::from(version);
        }
        Ok(config)
    }
}

fn tell(context: &Context, news: &News) -> anyhow::Result<()> {
    if context.json {
        return context.print_json(&match news {
            News::Listening { resumed } => json!({"listening": true, "resumed": resumed}),
            News::SessionLost => json!({"session_lost": true}),
            News::Lost(why) => json!({"listening": false, "why": why}),
            News::Ignored(why) => json!({"ignored": why}),
            News::Found(finding) => json!(finding),
        });
    }
    // Findings are the result; how the connection fares is not.
    match news {
        News::Found(finding) => return print_line(&finding.to_string()),
        News::Listening { resumed: true } => eprintln!("listening; the broker kept the session"),
        News::Listening { resumed: false } => eprintln!("listening"),
        News::SessionLost => eprintln!(
            "the broker did not keep the session: what was published since the last time may be missing"
        ),
        News::Lost(why) => eprintln!("no connection: {why}"),
        News::Ignored(why) => eprintln!("ignored: {why}"),
    }
    Ok(())
}

fn list(context: &Context, file: &Path) -> anyhow::Result<Outcome> {
    let doors = WitnessNotes::read(file)?.doors()?;
    if context.json {
        context.print_json(&doors)?;
    } else {
        for door in &doors {
            print(door)?;
        }
    }
    let found: usize = doors.iter().map(|door| door.findings.len()).sum();
    ensure!(
        found == 0,
        "what was heard does not fit together ({found} findings)"
    );
    Ok(Outcome::Done)
}

fn print(door: &DoorNotes) -> anyhow::Result<()> {
    let DoorNotes {
        events,
        first,
        newest,
        checkpoints,
        ..
    } = door;
    let key = if door.has_key {
        ""
    } else {
        ", not verified: no key"
    };
    print_line(&format!(
        "{}: {events} events, {first} to {}, newest {}; {checkpoints} checkpoints{key}",
        door.door, newest.seq, newest.hash
    ))?;
    for finding in &door.findings {
        print_line(&format!(
            "  {}: {}",
            finding.finding.as_str(),
            finding.detail
        ))?;
    }
    Ok(())
}
