//! `[contact]`, `[rex]`, `[outputs]` and `[keypad]`: what is wired to the Pi besides the relay.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ActiveLevel, RelayDriver};

/// Which resistor holds an input that nothing drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pull {
    /// To 3.3 V: for a switch to ground.
    Up,
    /// To ground: for a switch to 3.3 V.
    Down,
    /// Neither: a board brings its own.
    None,
}

/// Where one input is wired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputWiring {
    /// Which driver.
    pub driver: RelayDriver,
    /// Character device of the GPIO controller.
    pub chip: PathBuf,
    /// BCM number of the pin.
    pub pin: u32,
    /// Level at which the input is active (door open; button pressed).
    pub active: ActiveLevel,
    /// Resistor.
    pub pull: Pull,
    /// How long a level must last to be believed, in milliseconds.
    pub debounce_ms: u32,
    /// For `simulated`: the file whose first character is the level, `0` or `1`.
    pub file: Option<PathBuf>,
}

/// `[contact]`: the door contact. Active means open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContactConfig {
    /// Which driver.
    pub driver: RelayDriver,
    /// Character device of the GPIO controller.
    pub chip: PathBuf,
    /// BCM number of the pin.
    pub pin: u32,
    /// Level at which the door is open.
    pub open: ActiveLevel,
    /// Resistor.
    pub pull: Pull,
    /// How long a level must last to be believed, in milliseconds.
    pub debounce_ms: u32,
    /// For `simulated`: the file whose first character is the level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// How long the door may stay open after a release, in seconds.
    pub held_open_s: u32,
    /// The same for people who need longer.
    pub extended_held_open_s: u32,
    /// How long before that alarm the sounder warns, in seconds.
    pub pre_alarm_s: u32,
    /// Whether the relay is secured as soon as the door is closed again.
    pub relock_on_close: bool,
    /// Whether opening without a release is an alarm.
    pub forced_open: bool,
    /// Releases in a row without the door being opened that make the contact suspicious; 0 for never.
    pub suspicious_after: u32,
}

impl Default for ContactConfig {
    fn default() -> Self {
        Self {
            driver: RelayDriver::Gpiochip,
            chip: "/dev/gpiochip0".into(),
            pin: 27,
            open: ActiveLevel::High,
            pull: Pull::Up,
            debounce_ms: 50,
            file: None,
            held_open_s: 30,
            extended_held_open_s: 90,
            pre_alarm_s: 5,
            relock_on_close: true,
            forced_open: true,
            suspicious_after: 20,
        }
    }
}

impl ContactConfig {
    /// The input behind it.
    #[must_use]
    pub fn wiring(&self) -> InputWiring {
        InputWiring {
            driver: self.driver,
            chip: self.chip.clone(),
            pin: self.pin,
            active: self.open,
            pull: self.pull,
            debounce_ms: self.debounce_ms,
            file: self.file.clone(),
        }
    }
}

/// `[rex]`: the exit button (request to exit). Active means pressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RexConfig {
    /// Which driver.
    pub driver: RelayDriver,
    /// Character device of the GPIO controller.
    pub chip: PathBuf,
    /// BCM number of the pin.
    pub pin: u32,
    /// Level at which the button is pressed.
    pub pressed: ActiveLevel,
    /// Resistor.
    pub pull: Pull,
    /// How long a level must last to be believed, in milliseconds.
    pub debounce_ms: u32,
    /// For `simulated`: the file whose first character is the level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// How long a press releases the door, in milliseconds.
    pub release_ms: u64,
    /// From how long on a pressed button is not believed any more, in seconds.
    pub stuck_s: u32,
}

impl Default for RexConfig {
    fn default() -> Self {
        Self {
            driver: RelayDriver::Gpiochip,
            chip: "/dev/gpiochip0".into(),
            pin: 22,
            pressed: ActiveLevel::Low,
            pull: Pull::Up,
            debounce_ms: 50,
            file: None,
            release_ms: 5_000,
            stuck_s: 60,
        }
    }
}

impl RexConfig {
    /// The input behind it.
    #[must_use]
    pub fn wiring(&self) -> InputWiring {
        InputWiring {
            driver: self.driver,
            chip: self.chip.clone(),
            pin: self.pin,
            active: self.pressed,
            pull: self.pull,
            debounce_ms: self.debounce_ms,
            file: self.file.clone(),
        }
    }
}

/// One output besides the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputPin {
    /// BCM number of the pin.
    pub pin: u32,
    /// Level at which it is on.
    #[serde(default = "high")]
    pub active: ActiveLevel,
}

fn high() -> ActiveLevel {
    ActiveLevel::High
}

/// `[outputs]`: lights, sounder and a second relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutputsConfig {
    /// Which driver.
    pub driver: RelayDriver,
    /// Character device of the GPIO controller.
    pub chip: PathBuf,
    /// Green light.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub green: Option<OutputPin>,
    /// Red light.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub red: Option<OutputPin>,
    /// Blue light.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blue: Option<OutputPin>,
    /// Sounder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sounder: Option<OutputPin>,
    /// A relay that follows the first one (door opener, second lock); never needed to secure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_relay: Option<OutputPin>,
    /// For `simulated`: file to which every change is appended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transitions: Option<PathBuf>,
}

impl Default for OutputsConfig {
    fn default() -> Self {
        Self {
            driver: RelayDriver::Gpiochip,
            chip: "/dev/gpiochip0".into(),
            green: None,
            red: None,
            blue: None,
            sounder: None,
            second_relay: None,
            transitions: None,
        }
    }
}

impl OutputsConfig {
    /// Everything but the second relay: what people see and hear.
    #[must_use]
    pub fn lights(&self) -> Self {
        Self {
            second_relay: None,
            ..self.clone()
        }
    }

    /// The second relay alone, where there is one.
    #[must_use]
    pub fn second_relay_alone(&self) -> Option<Self> {
        self.second_relay.map(|_| Self {
            green: None,
            red: None,
            blue: None,
            sounder: None,
            ..self.clone()
        })
    }

    /// Every output that is wired, by its key in the configuration.
    pub fn wired(&self) -> impl Iterator<Item = (&'static str, OutputPin)> {
        [
            ("outputs.green", self.green),
            ("outputs.red", self.red),
            ("outputs.blue", self.blue),
            ("outputs.sounder", self.sounder),
            ("outputs.second_relay", self.second_relay),
        ]
        .into_iter()
        .filter_map(|(key, output)| Some((key, output?)))
    }
}

/// Which driver reads the keypad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeypadDriver {
    /// A USB or wireless keypad, through Linux's input devices.
    Evdev,
    /// A file or named pipe with one PIN a line.
    Simulated,
}

/// `[keypad]`: where PINs are typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeypadConfig {
    /// Which driver.
    pub driver: KeypadDriver,
    /// The input device, or the file of `simulated`.
    pub device: PathBuf,
}

impl Default for KeypadConfig {
    fn default() -> Self {
        Self {
            driver: KeypadDriver::Evdev,
            device: "/dev/input/by-id/usb-keypad-event-kbd".into(),
        }
    }
}
