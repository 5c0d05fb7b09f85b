//! Pins: the relay, the contact and the exit button, lights and sounder, the keypad.
//!
//! Drivers only: they say what a line does and do what they are told. What it means for the
//! door is decided in [`crate::door`], and only the service acts upon it. Nothing in here may
//! release the door by itself, and no light, sounder or keypad that fails may keep the door
//! from working.
//!
//! | folder | what flows |
//! |---|---|
//! | [`relay`] | commands out: released, secured |
//! | [`latch`] | the thread that owns the relays: released until a given moment, and not longer |
//! | [`running`] | which pins the service has, for whoever secures them after it |
//! | [`input`] ▸ [`debounce`] ▸ [`watch`] | levels in, believed once they last |
//! | [`indication`] ▸ [`panel`] ▸ [`output`] | what people are shown: patterns to pins |
//! | [`keypad`] | keys in, collected into PINs that are never printed |
//!
//! `docs/gpio.md` tells an installer how all of it is wired and tried out.

pub mod debounce;
pub mod indication;
pub mod input;
pub mod keypad;
pub mod latch;
pub mod output;
pub mod panel;
pub mod relay;
pub mod running;
pub mod watch;

use std::path::PathBuf;

/// Why an input, an output or the keypad does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum GpioError {
    /// A line of a GPIO device.
    #[error("{what} on {device} pin {pin}: {message}")]
    Line {
        /// Section of the configuration.
        what: String,
        /// Device file or driver.
        device: String,
        /// BCM number.
        pin: u32,
        /// Cause and way out.
        message: String,
    },
    /// The file of a simulated input.
    #[error("{what}: level file {path}: {message}; its first character must be 0 or 1", path = path.display())]
    LevelFile {
        /// Section of the configuration.
        what: String,
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The file of the simulated outputs.
    #[error("outputs transitions file {path}: {source}", path = path.display())]
    Transitions {
        /// Which file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The keypad.
    #[error("keypad {device}: {message}", device = device.display())]
    Keypad {
        /// Device or file.
        device: PathBuf,
        /// Cause and way out.
        message: String,
    },
}
