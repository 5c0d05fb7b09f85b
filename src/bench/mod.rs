//! What the door costs on this machine: stages, search, start, idling, decisions, endurance, delivery.
//!
//! Measures what the service runs, with the service's own parts; it decides nothing about a real
//! door, moves no relay, and writes only to a temporary store. Flows in: the model pack, and a
//! clip where one is needed. Flows out: [`Spread`]s in milliseconds, shares and bytes.
//!
//! Where a figure is compared with another one (the budget of an observation is a ratio), the two
//! are measured alternately, so that other work on the machine hits both alike.

pub mod chain;
pub mod clip;
pub mod decision;
pub mod gallery;
pub mod idle;
pub mod outbox;
pub mod release;
pub mod soak;
mod spread;
pub mod stages;

use std::path::PathBuf;

pub use spread::Spread;

use crate::camera::CameraError;
use crate::config::ZoneError;
use crate::gpio::relay::RelayError;
use crate::mqtt::MqttError;
use crate::store::StoreError;
use crate::vision::VisionError;

/// Why something could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Vision failed.
    #[error(transparent)]
    Vision(#[from] VisionError),
    /// OpenCV failed.
    #[error("OpenCV: {0}")]
    OpenCv(#[from] opencv::Error),
    /// The clip cannot be played.
    #[error(transparent)]
    Camera(#[from] CameraError),
    /// The temporary store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody knows the site's time zone.
    #[error(transparent)]
    Zone(#[from] ZoneError),
    /// The simulated relay cannot be used.
    #[error(transparent)]
    Relay(#[from] RelayError),
    /// The door's threads cannot be started.
    #[error(transparent)]
    Door(Box<crate::service::ServiceError>),
    /// The relay was not commanded.
    #[error("the door was not released within ten seconds; the log says why")]
    NoRelease,
    /// The clip has no frames.
    #[error("{path} holds no frames", path = .0.display())]
    Empty(PathBuf),
    /// A clip shows how fast people are recognised, and there is nobody to be recognised.
    #[error(
        "nobody is enrolled, so nobody in the clip can be granted; enroll somebody first (doorward enroll --help)"
    )]
    NobodyEnrolled,
    /// The broker's settings cannot be used.
    #[error(transparent)]
    Mqtt(#[from] MqttError),
    /// There is no connection to the broker.
    #[error("{0}; nothing was measured")]
    NoConnection(String),
    /// The connection ended while something was measured.
    #[error(
        "{0}; or this client has no right to publish to doorward-bench/#, for which some brokers end the connection; nothing was measured"
    )]
    Interrupted(String),
    /// The broker does not take the messages.
    #[error(
        "the broker refused {topic}: {reason}; for the measurement, this client needs the right to publish to doorward-bench/#"
    )]
    Refused {
        /// Where to.
        topic: String,
        /// The broker's word.
        reason: String,
    },
    /// MQTT 3.1.1: a denial looks like a delivery.
    #[error(
        "what was sent to {topic} did not come back: {cause}. MQTT 3.1.1 acknowledges what is denied, so a rate would prove nothing; for the measurement, this client needs the right to publish and to subscribe to doorward-bench/#"
    )]
    NothingArrives {
        /// Where to.
        topic: String,
        /// Why that is known.
        cause: String,
    },
    /// The broker neither answers nor ends the connection.
    #[error("the broker acknowledged nothing for {0} seconds; the log says more")]
    Silent(u64),
    /// A message of this size cannot be made.
    #[error("{0}")]
    Payload(String),
}
