//! What the naive model thinks of the clock, for whoever asks whether a command is in time.

use doorward_core::event::Alarm;

use super::disk::OnDisk;
use crate::happening::Now;

/// A clock that is off by more than this has jumped, or is behind; and for how long a jump is told of.
const OFF: i64 = 60_000;
const JUMP_TOLD: i64 = 600_000;
/// After a start nobody wonders for so long that it is not synchronised.
const PATIENCE: i64 = 300_000;

#[derive(Debug, Clone, Copy, Default)]
pub struct ClockLook {
    last: Option<Now>,
    jumped: Option<i64>,
    /// Something was wrong with it the last time.
    pub wrong: bool,
    /// The latest time that is known by a clock that was trusted.
    pub newest: Option<i64>,
    behind: bool,
    /// When somebody said that it is right; and whether they have not been told anything else since.
    noted: Option<i64>,
    pub heard: bool,
    /// What was signed until then does not count.
    pub not_before: Option<i64>,
}

impl ClockLook {
    pub fn after(disk: &OnDisk, now: Now) -> ClockLook {
        let noted = disk.noted.get(&Alarm::Clock).copied();
        let looked = [
            noted,
            disk.restored_at,
            disk.noted.get(&Alarm::Restored).copied(),
        ];
        ClockLook {
            newest: disk.latest(now.wall),
            noted,
            heard: noted.is_some(),
            not_before: looked.into_iter().flatten().max(),
            ..ClockLook::default()
        }
    }

    pub fn look(&mut self, now: Now) {
        if let Some(last) = self.last.replace(now) {
            let off = (now.wall - last.wall) - (now.tick - last.tick);
            if off.abs() > OFF && last.trusted {
                self.jumped = Some(now.tick);
            }
        }
        self.jumped = self.jumped.filter(|at| now.tick - at < JUMP_TOLD);
        self.behind = false;
        if now.trusted {
            let newest = self.newest.map_or(now.wall, |newest| newest.max(now.wall));
            self.newest = Some(newest);
            self.behind = newest.div_euclid(1000) - now.wall.div_euclid(1000) > OFF / 1000;
        }
        let late = !now.trusted && now.tick >= PATIENCE;
        self.wrong = self.jumped.is_some() || late || self.behind;
    }

    /// What somebody said does not help any more: they have to say it again.
    pub fn needs_a_word(&self) -> bool {
        self.behind && self.heard
    }

    /// By what time it is judged what came too late.
    pub fn latest(&self, now: Now) -> i64 {
        self.newest.map_or(now.wall, |newest| newest.max(now.wall))
    }

    /// Somebody said then that it is right.
    pub fn right(&mut self, at: i64, now: Now) {
        if self.noted != Some(at) {
            (self.noted, self.heard) = (Some(at), true);
            self.newest = now.trusted.then_some(now.wall);
            self.anew(at);
        }
    }

    pub fn anew(&mut self, at: i64) {
        self.not_before = Some(self.not_before.map_or(at, |before| before.max(at)));
    }
}
