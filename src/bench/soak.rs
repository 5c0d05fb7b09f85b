//! Endurance: a clip over and over, as fast as the chain can go, and whether anything grows.
//!
//! [`judge`] is pure; [`run`] gathers what it judges.

use std::path::Path;
use std::time::{Duration, Instant};

use super::BenchError;
use super::chain::Chain;
use super::clip::Clip;
use super::spread::Spread;
use crate::process;

/// Longest time between two reports.
const MINUTE: Duration = Duration::from_secs(60);
/// Reports that a run has at least, however short it is.
const LEAST_REPORTS: u32 = 10;
/// Memory may grow by this share between the end of the warm-up and the end.
pub const MEMORY_LIMIT: f64 = 0.05;
/// CPU time a frame may grow by this share from the first to the last third. It is CPU time
/// because other programs' load lengthens every wall time.
pub const TREND_LIMIT: f64 = 0.20;

/// What happened since the report before.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Report {
    /// Time since the start, in seconds.
    pub seconds: f64,
    /// Frames examined.
    pub frames: usize,
    /// Frames a second.
    pub fps: f64,
    /// Grants.
    pub granted: usize,
    /// Denials.
    pub denied: usize,
    /// A frame's way through the chain, a decision's commit included.
    pub latency: Spread,
    /// CPU time a frame, decoding included, in milliseconds.
    pub cpu_ms: f64,
    /// Resident memory at the end of it, in bytes.
    pub resident: u64,
}

/// Whether anything grew.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Verdict {
    /// Growth of memory after the warm-up, as a share.
    pub memory_growth: f64,
    /// Growth of CPU time a frame, as a share.
    pub cpu_growth: f64,
    /// Whether both stayed within their limits.
    pub flat: bool,
}

/// Compares the end with the beginning. The first fifth of the reports is warm-up: pools fill up,
/// pages are touched for the first time. Nothing is flat that was not measured.
#[must_use]
pub fn judge(reports: &[Report]) -> Verdict {
    let warm = reports.get(reports.len() / 5..).unwrap_or_default();
    let third = warm.len().div_ceil(3);
    let growth = |value: fn(&Report) -> f64| {
        let median = |reports: &[Report]| {
            let mut values: Vec<f64> = reports.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
        };
        median(&warm[warm.len() - third..]) / median(&warm[..third]) - 1.0
    };
    let memory_growth = growth(|report| report.resident as f64);
    let cpu_growth = growth(|report| report.cpu_ms);
    Verdict {
        memory_growth,
        cpu_growth,
        flat: memory_growth < MEMORY_LIMIT && cpu_growth < TREND_LIMIT,
    }
}

/// Plays the clip for `duration` and reports every minute.
///
/// # Errors
/// When the clip cannot be played, holds no frames, or the chain fails.
pub fn run(
    chain: &mut Chain,
    path: &Path,
    duration: Duration,
    mut report: impl FnMut(&Report),
) -> Result<Verdict, BenchError> {
    let every = (duration / LEAST_REPORTS).min(MINUTE);
    let mut clip = Clip::open(path, true)?;
    let mut reports = Vec::new();
    let start = Instant::now();
    while start.elapsed() < duration {
        let (began, cpu) = (Instant::now(), process::cpu_time());
        let mut latencies = Vec::new();
        let (mut granted, mut denied) = (0, 0);
        while began.elapsed() < every {
            let Some((frame, at)) = clip.read()? else {
                return Err(BenchError::Empty(path.to_owned()));
            };
            let looked = Instant::now();
            for made in chain.look(frame, at)? {
                if made.granted {
                    granted += 1;
                } else {
                    denied += 1;
                }
            }
            latencies.push(looked.elapsed());
        }
        let used = process::cpu_time().saturating_sub(cpu);
        let frames = latencies.len();
        let next = Report {
            seconds: start.elapsed().as_secs_f64(),
            frames,
            fps: frames as f64 / began.elapsed().as_secs_f64(),
            granted,
            denied,
            latency: Spread::of(latencies),
            cpu_ms: used.as_secs_f64() * 1e3 / frames as f64,
            resident: process::Memory::now().map_or(0, |memory| memory.resident),
        };
        report(&next);
        reports.push(next);
    }
    Ok(judge(&reports))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reports(values: impl IntoIterator<Item = (u64, f64)>) -> Vec<Report> {
        let report = |(resident, cpu_ms)| Report {
            seconds: 0.0,
            frames: 1,
            fps: 1.0,
            granted: 0,
            denied: 0,
            latency: Spread::default(),
            cpu_ms,
            resident,
        };
        values.into_iter().map(report).collect()
    }

    #[test]
    fn a_leak_is_growth_after_the_warm_up() {
        let level = judge(&reports((0..30).map(|n| (100 + n.min(4) * 50, 10.0))));
        assert!(level.flat, "{level:?}");
        let leak = judge(&reports((0..30).map(|n| (100 + n, 10.0))));
        assert!(!leak.flat && leak.memory_growth > 0.1, "{leak:?}");
    }

    #[test]
    fn slowing_down_is_no_endurance_but_one_slow_minute_is_nothing() {
        let slower = judge(&reports((0..30).map(|n| (100, 10.0 + f64::from(n)))));
        assert!(!slower.flat, "{slower:?}");
        let once = judge(&reports(
            (0..30).map(|n| (100, if n == 28 { 50.0 } else { 10.0 })),
        ));
        assert!(once.flat, "{once:?}");
    }

    #[test]
    fn nothing_measured_is_not_flat() {
        assert!(!judge(&[]).flat);
        assert!(!judge(&reports([(0, 0.0)])).flat);
    }
}
