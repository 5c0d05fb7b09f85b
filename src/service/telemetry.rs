//! Reads the door's gauges for telemetry: camera, vision, processor, memory, outbox.
//!
//! Whatever the system does not tell is left out. Never blocks on the camera or the network.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::commits::Commits;
use crate::camera::FrameSlot;
use crate::clock::{Moment, Tick};
use crate::event::telemetry::{DroppedTotal, OutboxGauge, Telemetry};
use crate::pipeline::Meter;
use crate::process::Memory;
use crate::store::{Store, StoreError};

/// The processor's sensor on a Raspberry Pi, and on most other boards.
const THERMAL: &str = "/sys/class/thermal/thermal_zone0/temp";

/// Where the numbers come from.
#[derive(Debug)]
pub(super) struct Gauges {
    pub(super) slot: Arc<FrameSlot>,
    pub(super) meter: Arc<Meter>,
    /// When the service started.
    pub(super) started: Tick,
    /// For how many seconds the broker keeps our session; 0 while it has not said so.
    pub(super) session_expiry_s: Arc<AtomicU32>,
    pub(super) commits: Arc<Commits>,
}

impl Gauges {
    /// How the door does now.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn read(&self, store: &Store, now: &Moment) -> Result<Telemetry, StoreError> {
        let depth = store.outbox_depth()?;
        let size = store.outbox_size()?;
        let dropped = store.dropped()?.into_iter().map(|dropped| DroppedTotal {
            class: dropped.class,
            reason: dropped.reason,
            messages: dropped.messages,
        });
        Ok(Telemetry {
            time: now.wall,
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: now.tick.since(self.started).as_secs(),
            camera_fps: (self.slot.fps(now.tick) * 100.0).round() / 100.0,
            vision: self.meter.take(),
            cpu_celsius: celsius(Path::new(THERMAL)),
            memory_bytes: Memory::now().map(|memory| memory.resident),
            session_expiry_s: Some(self.session_expiry_s.load(Ordering::Relaxed))
                .filter(|seconds| *seconds > 0),
            commits: self.commits.take(),
            outbox: OutboxGauge {
                queued: depth.queued,
                under_way: depth.under_way,
                refused: depth.rejected,
                bytes: size.bytes,
            },
            dropped: dropped.collect(),
        })
    }
}

/// The kernel writes thousandths of a degree.
fn celsius(sensor: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(sensor).ok()?;
    let thousandths: f64 = text.trim().parse().ok()?;
    Some(thousandths / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sensor_tells_thousandths_of_a_degree_or_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let sensor = folder.path().join("temp");
        assert_eq!(celsius(&sensor), None);
        std::fs::write(&sensor, "48312\n").unwrap();
        assert_eq!(celsius(&sensor), Some(48.312));
        std::fs::write(&sensor, "hot\n").unwrap();
        assert_eq!(celsius(&sensor), None);
    }

    #[test]
    fn what_is_not_known_is_absent_and_the_rest_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("x.db"), None).unwrap();
        let gauges = Gauges {
            slot: Arc::default(),
            meter: Arc::default(),
            started: Tick::default(),
            session_expiry_s: Arc::default(),
            commits: Arc::default(),
        };
        let now = Moment {
            wall: "2026-01-02T03:04:05Z".parse().unwrap(),
            tick: Tick(std::time::Duration::from_secs(61)),
            clock_trusted: true,
        };
        let telemetry = gauges.read(&store, &now).unwrap();
        let json = serde_json::to_value(&telemetry).unwrap();
        assert_eq!(json["time"], "2026-01-02T03:04:05.000Z");
        assert_eq!(json["uptime_s"], 61);
        assert_eq!(json["camera_fps"], 0.0);
        assert_eq!(json["vision"], serde_json::json!({}));
        assert!(json["memory_bytes"].as_u64().unwrap() > 0);
        assert_eq!(json["outbox"]["queued"], 0);
        assert_eq!(json.get("session_expiry_s"), None);
        gauges.session_expiry_s.store(300, Ordering::Relaxed);
        assert_eq!(
            gauges.read(&store, &now).unwrap().session_expiry_s,
            Some(300)
        );
        assert_eq!(json["dropped"], serde_json::json!([]));
    }
}
