//! `doorward topics`: what this door publishes and subscribes to.

use std::collections::BTreeSet;

use doorward::contract::acl::{self, Clients};
use doorward::contract::{self, Channel, Direction};
use doorward::mqtt::MqttError;

use super::{Context, Outcome, print_line};

const EXAMPLES: &str = "\
Examples:
  doorward topics                                  what this door uses, and what is switched off
  doorward topics --acl mosquitto >> /etc/mosquitto/doorward.acl
  doorward topics --acl emqx --user home/front --operator alice --viewer dashboard
  doorward topics --asyncapi > asyncapi.yaml       all messages, for code generators

With --json: one object with \"topics\", or the AsyncAPI document.";

/// Show this door's topics with QoS, retain and expiry, and the access rules that its broker needs.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Print access rules for this broker instead.
    #[arg(long, value_name = "BROKER", conflicts_with = "asyncapi")]
    acl: Option<Broker>,

    /// Name of the door at the broker: its user, or the common name of its certificate
    /// [default: mqtt.username, or SITE/DOOR].
    #[arg(long, value_name = "NAME", requires = "acl")]
    user: Option<String>,

    /// Add rules for somebody who sends signed commands; may be repeated.
    #[arg(long = "operator", value_name = "NAME", requires = "acl")]
    operators: Vec<String>,

    /// Add rules for somebody who looks on; may be repeated.
    #[arg(long = "viewer", value_name = "NAME", requires = "acl")]
    viewers: Vec<String>,

    /// Print the AsyncAPI 3 document (YAML) of any door with default settings; needs no
    /// configuration.
    #[arg(long)]
    asyncapi: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Broker {
    /// Lines for Mosquitto's acl_file.
    Mosquitto,
    /// Tuples for EMQX's acl.conf.
    Emqx,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        if self.asyncapi {
            let document = contract::asyncapi();
            if context.json {
                context.print_json(&document)?;
            } else {
                print_line(contract::yaml(&document)?.trim_end())?;
            }
            return Ok(Outcome::Done);
        }
        let config = context.config()?;
        let wire = config.wire().ok_or(MqttError::NoBroker)?;
        let channels = contract::channels(&config, &wire);
        if let Some(broker) = self.acl {
            let username = config.mqtt.as_ref().and_then(|mqtt| mqtt.username.clone());
            let door = self.user.or(username);
            let door = door.unwrap_or_else(|| format!("{}/{}", config.door.site, config.door.name));
            let clients = Clients {
                door,
                operators: self.operators,
                viewers: self.viewers,
                plain: config.commands.plain_client,
            };
            let rules = match broker {
                Broker::Mosquitto => acl::mosquitto(&channels, &clients)?,
                Broker::Emqx => acl::emqx(&channels, &clients)?,
            };
            if context.json {
                context.print_json(&serde_json::json!({"acl": rules}))?;
            } else {
                print_line(rules.trim_end())?;
            }
        } else if context.json {
            context.print_json(&serde_json::json!({"topics": channels}))?;
        } else {
            print(&channels)?;
        }
        Ok(Outcome::Done)
    }
}

fn print(channels: &[Channel]) -> anyhow::Result<()> {
    let used: Vec<&Channel> = channels.iter().filter(|channel| channel.in_use).collect();
    let widest = used.iter().map(|channel| channel.topic.chars().count());
    let width = widest.max().unwrap_or_default();
    print_line(&format!(
        "{:width$}  door      broker's  QoS  retain  expiry  content type",
        "topic"
    ))?;
    print_line(&format!("{:width$}            rule", ""))?;
    for channel in used {
        let (way, rule) = match channel.direction {
            Direction::Sends => ("sends", "write"),
            Direction::Receives => ("receives", "read"),
        };
        let qos = [Some(channel.qos), channel.attack_qos];
        let qos: BTreeSet<u8> = qos.into_iter().flatten().map(u8::from).collect();
        let qos: Vec<String> = qos.iter().map(u8::to_string).collect();
        let retain = if channel.retain { "yes" } else { "no" };
        let expiry = match channel.expiry_s {
            Some(seconds) => format!("{seconds} s"),
            None => "never".into(),
        };
        let line = format!(
            "{:width$}  {way:8}  {rule:8}  {:3}  {retain:6}  {expiry:6}  {}",
            channel.topic,
            qos.join("/"),
            channel.content_type,
        );
        print_line(line.trim_end())?;
    }
    let off: Vec<&str> = channels
        .iter()
        .filter(|channel| !channel.in_use)
        .map(|channel| channel.topic.as_str())
        .collect();
    if !off.is_empty() {
        print_line(&format!(
            "not used, by the configuration: {}",
            off.join(", ")
        ))?;
    }
    Ok(())
}
