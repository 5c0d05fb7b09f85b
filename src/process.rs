//! What this process has used: CPU time and memory, as the kernel counts them.

use std::time::Duration;

use procfs::process::Process;
use rustix::time::{ClockId, clock_gettime};

/// CPU time of all threads of this process since its start.
#[must_use]
pub fn cpu_time() -> Duration {
    read(ClockId::ProcessCPUTime)
}

/// CPU time of the calling thread since its start.
#[must_use]
pub fn thread_cpu_time() -> Duration {
    read(ClockId::ThreadCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// Resident memory of a process, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Memory {
    /// Now.
    pub resident: u64,
    /// The most it ever was.
    pub peak: u64,
}

impl Memory {
    /// Of this process; `None` where `/proc` does not say.
    #[must_use]
    pub fn now() -> Option<Self> {
        let status = Process::myself().and_then(|me| me.status()).ok()?;
        Some(Self {
            resident: status.vmrss? * 1024,
            peak: status.vmhwm? * 1024,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_uses_cpu_time_and_memory() {
        let before = cpu_time();
        let sum: u64 = (0..2_000_000).map(std::hint::black_box).sum();
        assert!(cpu_time() > before, "{sum}");
        let memory = Memory::now().unwrap();
        assert!(memory.resident > 0 && memory.resident <= memory.peak);
    }
}
