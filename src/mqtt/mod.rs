//! placeholder until merge
use crate::config::Config;
#[derive(Debug, thiserror::Error)]
#[error("mqtt")]
pub struct MqttError;
#[derive(Debug)]
pub struct PumpHandle;
#[derive(Debug)]
pub struct Waker;
impl Waker {
    pub fn wake(&self) {}
}
impl PumpHandle {
    pub fn waker(&self) -> Waker {
        Waker
    }
    pub fn shutdown(self, _: std::time::Duration) {}
}
pub fn spawn(_: &Config) -> Result<PumpHandle, MqttError> {
    Ok(PumpHandle)
}
