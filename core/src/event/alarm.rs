//! Standing conditions that somebody should know of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{EnumCount, IntoStaticStr, VariantArray};

/// A standing condition: it begins, it ends, and somebody takes note of it.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    EnumCount,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Alarm {
    /// The camera delivers no frames, or none that show anything.
    CameraFault,
    /// Events cannot be written, the disk is nearly full, or the database was damaged.
    Storage,
    /// A picture of an enrolled person was shown to the camera.
    SpoofSuspected,
    /// Somebody seems to have covered, turned or dazzled the camera.
    Tamper,
    /// The door was opened without a release.
    ForcedOpen,
    /// The door has been open for longer than allowed.
    HeldOpen,
    /// Many denials in a short time.
    RepeatedDenied,
    /// The door contact bounces, or never moves although people are let in.
    ContactFault,
    /// The exit button has been pressed for too long to be believed.
    RexStuck,
    /// The relay does not do what it is told.
    RelayFault,
    /// The clock is not synchronised, or it jumped.
    Clock,
    /// Somebody was forced to open the door: a duress PIN was typed. Never shown at the door.
    Duress,
    /// The outbox is nearly full, or drops messages.
    Outbox,
    /// A certificate expires soon, has expired, or cannot be read again.
    Certificate,
    /// Another client took this door's place at the broker, or seems to.
    SessionTaken,
    /// Somebody typed too many wrong PINs since their last right one, and is locked out.
    WrongPins,
    /// The broker cannot do what MQTT promises: messages that should arrive once may arrive twice.
    Broker,
    /// The database was replaced by a backup or an empty one: operators open nothing until somebody on the
    /// device has looked and taken note.
    Restored,
}

/// How soon somebody should look.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    EnumCount,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Severity {
    /// When there is time.
    Minor,
    /// Today: a part of the door does not work.
    Major,
    /// Now: somebody may be in danger, or attacking the door.
    Critical,
}

impl Alarm {
    /// Whether somebody may be attacking the door: such an alarm must arrive, and only once.
    #[must_use]
    pub fn is_attack(self) -> bool {
        matches!(
            self,
            Alarm::SpoofSuspected
                | Alarm::Tamper
                | Alarm::ForcedOpen
                | Alarm::Duress
                | Alarm::SessionTaken
                | Alarm::WrongPins
        )
    }

    /// Whether nothing at the door (light, sounder) may show it.
    #[must_use]
    pub fn is_silent(self) -> bool {
        matches!(self, Alarm::Duress)
    }

    /// Whether it ends only when somebody takes note of it.
    #[must_use]
    pub fn stands_until_noted(self) -> bool {
        matches!(self, Alarm::Duress | Alarm::Restored)
    }

    /// How soon somebody should look.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Alarm::Clock
            | Alarm::RepeatedDenied
            | Alarm::ContactFault
            | Alarm::Certificate
            | Alarm::Broker => Severity::Minor,
            Alarm::CameraFault
            | Alarm::Storage
            | Alarm::Outbox
            | Alarm::HeldOpen
            | Alarm::RexStuck
            | Alarm::RelayFault
            | Alarm::SessionTaken
            | Alarm::WrongPins
            | Alarm::Restored => Severity::Major,
            Alarm::SpoofSuspected | Alarm::Tamper | Alarm::ForcedOpen | Alarm::Duress => {
                Severity::Critical
            }
        }
    }
}

impl std::str::FromStr for Alarm {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        Alarm::ALL
            .into_iter()
            .find(|alarm| alarm.as_str() == word)
            .ok_or_else(|| {
                let all = Alarm::ALL.map(Alarm::as_str).join(", ");
                format!("{word:?} is no alarm; there are {all}")
            })
    }
}
