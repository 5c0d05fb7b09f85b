//! Where the service's log goes: standard error, for journald, people or programs.

use std::io::IsTerminal as _;

use doorward::config::{LogConfig, LogFormat};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging as configured; `json` overrides the format.
pub(super) fn start(config: &LogConfig, json: bool) -> anyhow::Result<()> {
    let levels: Targets = config.level.parse()?;
    let registry = tracing_subscriber::registry().with(levels);
    if json || config.format == LogFormat::Json {
        let lines = fmt::layer().json().with_writer(std::io::stderr);
        return Ok(registry.with(lines).try_init()?);
    }
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    // journald writes the time itself.
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        registry.with(lines.without_time()).try_init()?;
    } else {
        registry.with(lines).try_init()?;
    }
    Ok(())
}
