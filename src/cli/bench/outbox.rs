//! `doorward bench outbox`: what the way to the broker costs.

use std::path::PathBuf;

use anyhow::Context as _;
use doorward::bench::Spread;
use doorward::bench::outbox::{self, Delivery, Plan};
use doorward::config::{Config, MqttConfig, Protocol};
use doorward::event::wire::Qos;
use indicatif::ProgressBar;

use super::{folder_beside, progress};
use crate::cli::{Context, Outcome, Version, print_line};

/// Measure the way to the broker: recording, draining the outbox, delivery of single events.
///
/// Records synthetic events in a temporary database beside the configured one (with --broker, in
/// $TMPDIR), and sends them with the service's own pump to the configured broker, everything at one
/// QoS, under a client id and a topic of their own below doorward-bench/. The door's record and
/// topics stay untouched. The rate of draining depends on the broker, the way to it, and for QoS 1
/// and 2 on the disk: what was sent is on record before it leaves.
///
/// At QoS 0 a message counts as delivered when it went to the socket.
///
/// Examples:
///   doorward bench outbox --events 20000 --qos 2
///   doorward bench outbox --broker mqtts://localhost:8883 --ca ca.pem --qos 1 --json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// How many events to record and drain.
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    events: u32,
    /// How many to send one by one after that.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    paced: u32,
    /// Quality of service of every message.
    #[arg(long, value_name = "0|1|2", default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=2))]
    qos: u8,
    /// Bytes of each message's payload, instead of an ordinary event's.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    payload: Option<u32>,
    /// Messages under way at once, instead of [mqtt] inflight.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=50))]
    inflight: Option<u16>,
    /// MQTT's version, instead of [mqtt] protocol.
    #[arg(long, value_name = "VERSION")]
    protocol: Option<Version>,
    /// Another broker than the configured one; no configuration is read.
    #[arg(long, value_name = "URL")]
    broker: Option<String>,
    /// The CA that --broker's certificate is checked against, instead of the system's.
    #[arg(long, value_name = "FILE", requires = "broker")]
    ca: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let (config, folder) = self.config(context)?;
        let plan = Plan {
            events: self.events as usize,
            paced: self.paced as usize,
            qos: Qos::try_from(self.qos).map_err(anyhow::Error::msg)?,
            payload: self.payload.map(|bytes| bytes as usize),
        };
        let bar: ProgressBar = progress("outbox", plan.events * 2 + plan.paced)?;
        let measured = outbox::measure(&config, folder.path(), &plan, || bar.inc(1))?;
        bar.finish_and_clear();
        if context.json {
            context.print_json(&measured)?;
        } else {
            print(&measured)?;
        }
        Ok(Outcome::Done)
    }

    /// Whom to measure with, and where.
    fn config(&self, context: &Context) -> anyhow::Result<(Config, tempfile::TempDir)> {
        let (mut config, folder) = match &self.broker {
            Some(url) => {
                let config = Config {
                    mqtt: Some(MqttConfig {
                        url: url.clone(),
                        ca_file: self.ca.clone(),
                        // Nothing in here is worth hiding.
                        allow_plaintext: true,
                        ..MqttConfig::default()
                    }),
                    ..Config::default()
                };
                let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
                (config, folder)
            }
            None => {
                let config = context.config()?;
                let folder = folder_beside(&config)?;
                (config, folder)
            }
        };
        let mqtt = config
            .mqtt
            .as_mut()
            .context("no broker is configured; add [mqtt] with its url, or give --broker")?;
        mqtt.inflight = self.inflight.unwrap_or(mqtt.inflight);
        mqtt.protocol = self.protocol.map_or(mqtt.protocol, Protocol::from);
        Ok((config, folder))
    }
}

fn print(measured: &Delivery) -> anyhow::Result<()> {
    let protocol = match measured.protocol {
        Protocol::V5 => "5",
        Protocol::V311 => "3.1.1",
    };
    print_line(&format!(
        "MQTT {protocol}, QoS {}, {} events of {} bytes, {} under way at once",
        u8::from(measured.qos),
        measured.events,
        measured.payload_bytes,
        measured.inflight,
    ))?;
    let line = |name: &str, value: String| print_line(&format!("{name:<30} {value}"));
    let rate = |value: f64| format!("{value:.0} events/s");
    line("recorded", rate(measured.recorded_per_second))?;
    line("  one commit", spread(&measured.commit))?;
    line("drained", rate(measured.drained_per_second))?;
    if let Some(commits) = measured.commits_per_event {
        line("  commits an event", format!("{commits:.2}"))?;
    }
    let cpu = format!("{:.0} µs", measured.cpu_us_per_event);
    line("  CPU time an event", cpu)?;
    if measured.latency.count > 0 {
        line("commit to acknowledgement", spread(&measured.latency))?;
    }
    Ok(())
}

fn spread(spread: &Spread) -> String {
    format!(
        "p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms",
        spread.p50_ms, spread.p95_ms, spread.p99_ms
    )
}
