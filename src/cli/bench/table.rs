//! The figures as a table for people, each with its budget beside it.

use std::io::IsTerminal as _;

use doorward::bench::soak;

use super::{Report, Spread};
use crate::cli::print_line;

/// Vision time of one observation ÷ its bare networks.
const RATIO: f64 = 1.15;
/// 99 % of the searches over (templates, milliseconds).
const SEARCH: [(usize, f64); 2] = [(10_000, 1.0), (100_000, 10.0)];
/// From start to ready, in milliseconds.
const READY: f64 = 2_000.0;
/// Resident memory, in megabytes.
const MEMORY: f64 = 200.0;
/// Empty scene, in percent of one core.
const IDLE: f64 = 10.0;
/// Face to relay command, 95 % of them, in milliseconds.
const DECISION: f64 = 350.0;
/// Of that, beyond the frames waited for.
const BEYOND: f64 = 60.0;

const MEGABYTE: f64 = 1024.0 * 1024.0;

pub(super) fn print(report: &Report) -> anyhow::Result<()> {
    let cores = report.cores;
    let threads = report.threads;
    print_line(&format!(
        "{} threads a network, {cores} cores, {}, OpenCV {}",
        threads,
        std::env::consts::ARCH,
        opencv::core::get_version_string().unwrap_or_default(),
    ))?;
    line("", "median", "p99", "budget")?;
    if let Some(start) = &report.start {
        let ready = start.ready();
        spread("start to ready", ready, budget(ready.p99_ms, READY, "ms"))?;
        let memory = start.memory();
        let [resident, peak] = [memory.resident, memory.peak].map(|b| b as f64 / MEGABYTE);
        let verdict = budget(resident, MEMORY, "MB");
        line(
            "memory, resident",
            &format!("{resident:.0} MB"),
            "",
            &verdict,
        )?;
        line("memory, at most", &format!("{peak:.0} MB"), "", "")?;
    }
    if let Some(stages) = &report.stages {
        spread("detect", &stages.detect, String::new())?;
        spread("landmarks, align, quality", &stages.examine, String::new())?;
        if let Some(liveness) = &stages.liveness {
            spread("liveness", liveness, String::new())?;
        }
        spread("embed", &stages.embed, String::new())?;
        spread("observation", &stages.observation, String::new())?;
        spread("bare networks", &stages.forward, String::new())?;
        for network in &stages.networks {
            let name = format!("  {:?}", network.role).to_lowercase();
            spread(&name, &network.time, String::new())?;
        }
        let ratio = stages.ratio;
        let verdict = budget(ratio, RATIO, "");
        line(
            "observation ÷ bare, CPU",
            &format!("{ratio:.3}"),
            "",
            &verdict,
        )?;
        let fps = format!("{:.1}", stages.frames_per_second);
        line("frames a second, one face", &fps, "", "")?;
    }
    for search in report.search.iter().flatten() {
        let limit = SEARCH.iter().find(|(n, _)| *n == search.templates);
        let verdict = limit.map(|(_, limit)| budget(search.time.p99_ms, *limit, "ms"));
        let name = format!("search {} templates", search.templates);
        spread(&name, &search.time, verdict.unwrap_or_default())?;
    }
    if let Some(idle) = &report.idle {
        let percent = idle.cpu_share * 100.0;
        let name = format!("empty scene, {} fps", idle.fps);
        let share = format!("{percent:.1} %");
        line(&name, &share, "", &budget(percent, IDLE, "% of a core"))?;
    }
    if let Some(release) = &report.release {
        spread("claim to relay, committed", release, String::new())?;
    }
    if let Some(commits) = &report.commits {
        let (p50, p99, longest) = (commits.p50_ms, commits.p99_ms, commits.longest_ms);
        let times = format!("{p50:.2} p50, {p99:.2} p99, {longest:.2} longest");
        line("commits of the record, ms", &times, "", "")?;
    }
    if let Some(decision) = &report.decision {
        let (grant, beyond) = (&decision.grant, &decision.beyond_frames);
        if decision.granted == 0 {
            print_line(
                "face to relay command: nobody was let in; who is in the clip must be enrolled",
            )?;
        } else {
            spread(
                "face to relay command",
                grant,
                budget(grant.p95_ms, DECISION, "ms (p95)"),
            )?;
            spread(
                "  beyond waiting for frames",
                beyond,
                budget(beyond.p95_ms, BEYOND, "ms (p95)"),
            )?;
        }
        let share = format!("{:.0} %", decision.cpu_share * 100.0);
        line("CPU while playing", &share, "", "")?;
        print_line(&format!(
            "{} granted, {} denied, {} frames examined, {} skipped",
            decision.granted, decision.denied, decision.frames, decision.skipped
        ))?;
    }
    Ok(())
}

/// One report of a soak.
pub(super) fn soak_line(report: &soak::Report) -> String {
    format!(
        "{:6.1} min  {:6} frames  {:6.1} fps  {:3} granted  {:3} denied  p50 {:.2} ms  p99 {:.2} ms  {:.2} ms CPU a frame  {:.1} MB",
        report.seconds / 60.0,
        report.frames,
        report.fps,
        report.granted,
        report.denied,
        report.latency.p50_ms,
        report.latency.p99_ms,
        report.cpu_ms,
        report.resident as f64 / MEGABYTE,
    )
}

/// The end of a soak.
pub(super) fn soak_verdict(verdict: &soak::Verdict) -> String {
    format!(
        "{}: memory {:+.1} % (limit {:+.0} %), CPU time a frame {:+.1} % (limit {:+.0} %)",
        if verdict.flat { "flat" } else { "NOT FLAT" },
        verdict.memory_growth * 100.0,
        soak::MEMORY_LIMIT * 100.0,
        verdict.cpu_growth * 100.0,
        soak::TREND_LIMIT * 100.0,
    )
}

fn spread(name: &str, spread: &Spread, budget: String) -> anyhow::Result<()> {
    let ms = |value: f64| format!("{value:.2} ms");
    line(name, &ms(spread.p50_ms), &ms(spread.p99_ms), &budget)
}

fn line(name: &str, middle: &str, most: &str, budget: &str) -> anyhow::Result<()> {
    let line = format!("{name:<28} {middle:>11} {most:>11}  {budget}");
    print_line(line.trim_end())
}

/// The limit and whether it is kept; a broken one is red where there are colours.
fn budget(value: f64, limit: f64, unit: &str) -> String {
    let kept = value <= limit;
    let text = format!("<= {limit} {unit}");
    let text = format!("{}  {}", text.trim_end(), if kept { "ok" } else { "OVER" });
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if kept || !colours {
        return text;
    }
    format!("\u{1b}[31m{text}\u{1b}[0m")
}
