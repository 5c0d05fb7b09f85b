//! The demo: a whole door on one machine, and an independent watcher who checks what it says.
//!
//! Somebody unknown and somebody enrolled walk up to a camera (a composed clip, or a real one).
//! The real `doorward` binary sees, decides, records, moves a simulated relay and publishes
//! over TLS; `mosquitto_sub`, which shares no code with it, receives. All of it is shown as one
//! timeline and judged at the end. Flows in: the sample faces and models of `scripts/setup`.
//! It needs no hardware, opens no port beyond the loopback interface, and leaves nothing behind
//! but its own folder, unless `--once` succeeded (on somebody else's broker: the two retained
//! messages, too).
//!
//! | file | what is in it |
//! |---|---|
//! | `stage` | the private folder, the configuration, the real binary |
//! | `certificates` | a certificate authority for one run |
//! | `broker` | Mosquitto, and the watcher's commands |
//! | `child` | programs, their lines and their end |
//! | `show` | the run itself |
//! | `hints` | what to try while it runs |
//! | `story` | understands what the programs print |
//! | `timeline` | one line a happening, in order of time |
//! | `verdict` | what must hold at the end |
//! | `faces`, `clip` | faces and clips; the tests use them, too |

mod broker;
mod certificates;
mod child;
#[path = "../../tests/it/support/clip.rs"]
#[allow(dead_code)] // the tests use more of it
mod clip;
#[path = "../../tests/it/support/faces.rs"]
#[allow(dead_code)] // the tests use more of it
mod faces;
mod hints;
#[cfg(test)]
mod rehearsal;
mod show;
mod stage;
mod story;
mod timeline;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use url::Url;

use broker::Login;
use certificates::Identity;
use show::{Plan, Visitors};

const EXAMPLES: &str = "\
What to look at:
  prepared   the demo made something ready
  seen       the camera, or a face that comes or goes
  decided    granted or denied; already on the disk when the relay moves
  recorded   any other event in the database
  actuated   the relay (simulated: no pin is touched)
  published  the broker acknowledged an event to the door
  received   the watcher, a separate program, got it over TLS

Examples:
  scripts/demo                                        until Ctrl-C, with commands to try meanwhile
  scripts/demo --once                                 one round, then a verdict
  scripts/demo --camera /dev/video0 --enroll me.jpg   you in front of your own camera
  scripts/demo --broker mqtts://broker.lan --ca ca.pem --username door --password-file pw

Exit codes: 0 all that was promised has happened, 1 it has not, or something is missing,
2 wrong arguments.";

/// Try the whole door on this machine: camera, decision, record, relay, broker, watcher.
///
/// A stranger walks up to the camera and is denied; Sam Sample, enrolled from four pictures, is
/// let in. The door is the real `doorward` binary with a simulated relay; it talks over TLS to a
/// Mosquitto that the demo starts on a free local port, with a certificate authority made for
/// this run. An independent subscriber checks that each recorded event arrives exactly once.
/// Everything is in a private temporary folder.
#[derive(Debug, Parser)]
#[command(name = "demo", bin_name = "scripts/demo", after_help = EXAMPLES, max_term_width = 100)]
struct Args {
    /// End after one round; exit code 0 only if everything held.
    #[arg(long)]
    once: bool,

    /// A real camera (V4L2) instead of the composed clip.
    #[arg(long, value_name = "DEVICE", conflicts_with = "once")]
    camera: Option<PathBuf>,

    /// With --camera: pictures, or folders of pictures, of the person to let in. Without it
    /// everybody is unknown until enrolled by the command that the demo shows.
    #[arg(long, value_name = "PATH", num_args = 1.., requires = "camera")]
    enroll: Vec<PathBuf>,

    /// With --enroll: their name.
    #[arg(long, default_value = "Me", requires = "enroll")]
    name: String,

    /// A broker that runs already, `mqtts://host[:port]`, instead of starting one. The login must
    /// be allowed to publish and subscribe below doorward/demo/front.
    #[arg(long, value_name = "URL", value_parser = broker_url)]
    broker: Option<Url>,

    /// PEM file of the CA that signed the broker's certificate; else the system's roots.
    #[arg(long, value_name = "FILE", requires = "broker")]
    ca: Option<PathBuf>,

    /// PEM file of a client certificate.
    #[arg(
        long,
        value_name = "FILE",
        requires = "broker",
        requires = "client_key"
    )]
    client_cert: Option<PathBuf>,

    /// PEM file of its key.
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,

    /// User name for the broker.
    #[arg(long, requires = "broker")]
    username: Option<String>,

    /// File whose first line is the password.
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
}

impl Args {
    fn plan(self) -> Plan {
        let identity = self
            .client_cert
            .zip(self.client_key)
            .map(|(certificate, key)| Identity { certificate, key });
        let login = Login {
            ca: self.ca,
            identity,
            username: self.username,
            password_file: self.password_file,
        };
        Plan {
            once: self.once,
            visitors: match self.camera {
                None => Visitors::Clip,
                Some(device) => Visitors::Camera {
                    device,
                    name: self.name,
                    pictures: self.enroll,
                },
            },
            broker: self.broker.map(|url| (url, login)),
        }
    }
}

fn broker_url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("{error}"))?;
    if url.scheme() != "mqtts" || url.host_str().is_none_or(str::is_empty) {
        return Err(
            "an address like mqtts://broker.lan or mqtts://broker.lan:8883 is needed".into(),
        );
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("use --username and --password-file: addresses are logged".into());
    }
    Ok(url)
}

fn main() -> ExitCode {
    match show::perform(&Args::parse().plan()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn only_an_encrypted_broker_without_credentials_is_accepted() {
        assert!(broker_url("mqtts://broker.lan").is_ok());
        assert!(broker_url("mqtt://broker.lan").is_err());
        assert!(broker_url("mqtts://me:secret@broker.lan").is_err());
        assert!(broker_url("broker.lan:8883").is_err());
    }
}
