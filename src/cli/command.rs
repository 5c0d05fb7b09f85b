//! `doorward command`: asks a door for something, from anywhere.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use doorward::clock::Timestamp;
use doorward::command::result::CommandResult;
use doorward::command::token::{Claims, sign};
use doorward::command::{Command, ModeWord, is_name};
use doorward::config::{Config, DoorConfig, MqttConfig};
use doorward::event::wire::Wire;
use doorward::event::{Alarm, Class, CommandRefusal};
use doorward::keys::SigningKey;
use doorward::keys::file::{self, KeyFile};
use doorward::mqtt::request::{Request, ask};
use jiff::SignedDuration;
use uuid::Uuid;

use super::{Context, Outcome, Version, print_line};

/// Ask a door for something over the broker, signed with an operator's key.
///
/// Runs anywhere; it needs the broker's address and certificates (the [mqtt] section of a
/// configuration file, or --url and its companions) and the operator's private key. It waits for the
/// door's answer. A command is valid for a few seconds and counts once, so it is safe to try again
/// with a new one: but when there was no answer, the first one may have been carried out.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward command --door home/front --as ada --key ada.key unlock
  doorward command --as ada --key ada.key mode unlocked --for 2h
  doorward command --as ada --key ada.key acknowledge held_open --note \"delivery\"
  doorward command --url mqtts://broker.lan --ca ca.pem --cert ada.pem --cert-key ada-tls.key \\
      --door home/front --as ada --key ada.key lock
  doorward command --print --door home/front --as ada --key ada.key unlock \\
      | mosquitto_pub -h broker.lan -p 8883 --cafile ca.pem -q 1 -t doorward/home/front/command -s

Exit codes: 0 carried out; 1 refused, or no answer (the message says which).")]
pub(super) struct Args {
    /// Which door; by default the one of the configuration file.
    #[arg(long, value_name = "SITE/DOOR")]
    door: Option<String>,
    /// The operator's name, as the door knows it.
    #[arg(long = "as", value_name = "NAME")]
    operator: String,
    /// File of the operator's private key (Ed25519): PEM, OpenSSH without a passphrase, or a JWK.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Print the signed command and send nothing.
    #[arg(long)]
    print: bool,
    /// How long to wait for the answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=300))]
    timeout: u32,
    /// How long the command is valid.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=60))]
    valid: u32,
    #[command(flatten)]
    broker: Broker,
    #[command(subcommand)]
    verb: Verb,
}

/// How the broker is reached, instead of what the configuration file's [mqtt] says.
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
    /// The door's topic prefix, if it is not doorward/SITE/DOOR.
    #[arg(long, value_name = "TOPIC")]
    base_topic: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Release the door for one passage.
    Unlock,
    /// End a momentary release.
    Lock,
    /// Choose the mode, or leave it to the schedule.
    Mode {
        /// normal, unlocked, lockdown or schedule.
        #[arg(value_parser = mode)]
        mode: ModeWord,
        /// For so long: 30m, 2h, 1h 30m.
        #[arg(long = "for", value_name = "DURATION", conflicts_with = "until")]
        lasting: Option<SignedDuration>,
        /// Until then (2026-01-31T18:00:00Z, with any offset).
        #[arg(long, value_name = "TIME")]
        until: Option<Timestamp>,
    },
    /// Take note of an alarm.
    Acknowledge {
        /// Which, such as held_open.
        alarm: Alarm,
        /// What there is to say about it.
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Have the newest picture published.
    Snapshot,
    /// Have the device blink.
    Locate {
        /// For how long.
        #[arg(long, value_name = "SECONDS")]
        seconds: Option<u32>,
    },
    /// Have rules and files read again.
    Reload,
}

fn mode(word: &str) -> Result<ModeWord, String> {
    serde_json::from_value(word.into())
        .map_err(|_| "there are normal, unlocked, lockdown, schedule".to_owned())
}

impl Verb {
    fn command(self) -> anyhow::Result<Command> {
        Ok(match self {
            Verb::Unlock => Command::Unlock {},
            Verb::Lock => Command::Lock {},
            Verb::Mode {
                mode,
                lasting,
                until,
            } => Command::Mode {
                mode,
                until,
                for_s: lasting
                    .map(|lasting| u32::try_from(lasting.as_secs()))
                    .transpose()
                    .context("--for is too long, or ends before it begins")?,
            },
            Verb::Acknowledge { alarm, note } => Command::Acknowledge { alarm, note },
            Verb::Snapshot => Command::Snapshot {},
            Verb::Locate { seconds } => Command::Locate { seconds },
            Verb::Reload => Command::Reload {},
        })
    }
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let (config, named) = self.config(context)?;
        let mut config = config;
        if let Some(mqtt) = &mut config.mqtt {
            if named || self.broker.base_topic.is_some() {
                mqtt.base_topic = self.broker.base_topic.clone();
            }
            if let Some(version) = self.broker.protocol {
                mqtt.protocol = version.into();
            }
        }
        anyhow::ensure!(
            is_name(&self.operator),
            "{:?} cannot be an operator's name",
            self.operator
        );
        let key = signing_key(&self.key)?;
        let now = Timestamp::now();
        let command = self.verb.command()?;
        command
            .check(now)
            .map_err(|detail| anyhow::anyhow!(detail))?;
        let id = Uuid::now_v7().to_string();
        let claims = Claims {
            iss: self.operator.clone(),
            aud: config.source(),
            jti: id.clone(),
            iat: now.as_second(),
            exp: now.as_second() + i64::from(self.valid),
            cmd: command,
        };
        let token = sign(&key, &claims).map_err(|detail| anyhow::anyhow!(detail))?;
        if self.print {
            print_line(&token)?;
            return Ok(Outcome::Done);
        }
        let (Some(wire), Some(mqtt)) = (config.wire(), &config.mqtt) else {
            bail!(
                "no broker is configured; give --url, or [mqtt] with its url in {}",
                context.config_path.display()
            );
        };
        let request = request(&wire, &claims, token, self.timeout, self.valid);
        let mut answer = None;
        ask(mqtt, &request, |incoming| {
            let Ok(result) = CommandResult::parse(&incoming.payload) else {
                return false;
            };
            let ours = incoming.correlation.as_ref() == Some(&request.correlation)
                || result.id.as_ref() == Some(&id);
            if ours {
                answer = Some(result);
            }
            ours
        })?;
        report(context, &answer.context("the answer was lost")?)
    }

    /// The configuration that is meant, and whether a door was named.
    fn config(&self, context: &Context) -> anyhow::Result<(Config, bool)> {
        let Broker { url, .. } = &self.broker;
        // With all that is needed given, a configuration file need not be there.
        let needs_file = self.door.is_none() || (url.is_none() && !self.print);
        let mut config = if needs_file {
            context.config()?
        } else {
            Config::default()
        };
        if let Some(url) = url {
            let broker = &self.broker;
            config.mqtt = Some(MqttConfig {
                url: url.clone(),
                ca_file: broker.ca.clone(),
                client_cert_file: broker.cert.clone(),
                client_key_file: broker.cert_key.clone(),
                username: broker.username.clone(),
                password_file: broker.password_file.clone(),
                ..MqttConfig::default()
            });
        }
        if let Some(door) = &self.door {
            let Some((site, name)) = door.split_once('/') else {
                bail!("--door is SITE/DOOR, for example home/front; got {door:?}");
            };
            let fits = |part: &str| is_name(part);
            anyhow::ensure!(
                fits(site) && fits(name),
                "--door is SITE/DOOR, for example home/front; got {door:?}"
            );
            config.door = DoorConfig {
                site: site.to_owned(),
                name: name.to_owned(),
            };
        }
        Ok((config, self.door.is_some()))
    }
}

fn signing_key(path: &Path) -> anyhow::Result<SigningKey> {
    let shown = path.display();
    match file::read(path).with_context(|| format!("cannot read {shown}"))? {
        KeyFile::Missing => bail!("there is no key file {shown}"),
        KeyFile::Exposed(mode) => bail!(
            "the key {shown} can be read by others (mode {mode:o}): whoever has it can open the door in your name; run chmod 600 on it, or have it replaced if others could have read it"
        ),
        KeyFile::Text(text) => SigningKey::parse(&text).with_context(|| shown.to_string()),
    }
}

fn request(
    wire: &Wire,
    claims: &Claims<Command>,
    token: String,
    timeout: u32,
    valid: u32,
) -> Request {
    let result_topic = wire.topic(Class::Result);
    Request {
        command_topic: wire.command_topic(),
        result_topic,
        correlation: claims.jti.as_bytes().to_vec(),
        payload: token.into_bytes(),
        expiry_s: valid,
        timeout: Duration::from_secs(timeout.into()),
    }
}

fn report(context: &Context, result: &CommandResult) -> anyhow::Result<Outcome> {
    if context.json {
        context.print_json(result)?;
    }
    let verb = result.verb.map_or("command", |verb| verb.as_str());
    let detail = result.detail.as_deref();
    if !result.ok {
        let reason = result.reason.unwrap_or(CommandRefusal::Malformed);
        let word = reason.as_str();
        bail!(
            "{} refused {verb} ({word}): {}",
            result.door,
            detail.unwrap_or("no reason given")
        );
    }
    if !context.json {
        let detail = detail
            .map(|detail| format!(": {detail}"))
            .unwrap_or_default();
        print_line(&format!("{}: {verb} carried out{detail}", result.door))?;
    }
    Ok(Outcome::Done)
}
