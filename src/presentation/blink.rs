//! stand-in
use crate::clock::Tick;
/// x
#[derive(Debug, Clone, Default)]
pub struct BlinkWatch(bool);
impl BlinkWatch {
    /// x
    pub fn add(&mut self, open: f32, _now: Tick) {
        self.0 |= open < 0.5;
    }
    /// x
    #[must_use]
    pub fn blinked(&self) -> bool {
        self.0
    }
}
