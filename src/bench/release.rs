//! How long the door takes from a claim to the relay command, with everything on the disk before it.
//!
//! Runs the service's own guard, journal and latch on a store of its own, with synthetic claims of one person and a
//! relay that notes when it is commanded. Moves no pin. The commits are real: what is measured is
//! mostly the disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use super::{BenchError, Spread};
use crate::clock::{Clock, SystemClock, Tick, Timestamp};
use crate::config::Config;
use crate::event::PersonStatus;
use crate::event::telemetry::CommitTimes;
use crate::event::wire::Lock;
use crate::gallery::Member;
use crate::gpio::relay::{Relay, RelayError};
use crate::guard::Input;
use crate::presentation::{Claim, Identity, TrackId};
use crate::service::commits::Commits;
use crate::service::door::{Door, Parts, Ways};
use crate::service::guard::Message;
use crate::store::{NewTemplate, Store};

/// Releases this short end before the next claim.
const RELEASE: Duration = Duration::from_millis(1);
/// Longest wait for one command.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Release {
    /// From the claim to the relay command.
    pub time: Spread,
    /// What the newest commits took, those after the relay included.
    pub commits: Option<CommitTimes>,
}

/// A relay that says when it was commanded.
struct Stopwatch {
    clock: Arc<dyn Clock>,
    commands: Sender<(Lock, Tick)>,
}

impl Relay for Stopwatch {
    fn set(&mut self, lock: Lock) -> Result<(), RelayError> {
        // Whoever measured has what it needs when it no longer listens.
        let _ = self.commands.send((lock, self.clock.tick()));
        Ok(())
    }
}

/// Measures `rounds` grants on a new store in `folder`.
///
/// # Errors
/// When the store cannot be used, or the door does not open.
pub fn measure(
    config: &Config,
    folder: &Path,
    rounds: usize,
    mut progress: impl FnMut(),
) -> Result<Release, BenchError> {
    let mut config = config.clone();
    config.relay.release_ms = u64::try_from(RELEASE.as_millis()).unwrap_or(1);
    config.contact = None;
    let mut store = Store::open(&folder.join("release.db"), config.wire())?;
    let template = NewTemplate {
        model_id: "bench".into(),
        embedding: vec![1.0],
        quality: 1.0,
        image_sha256: "0".repeat(64),
        photo: None,
    };
    let enrolled = store.enroll(Timestamp::now(), "Bench", &[template])?;
    let member = Member {
        person: enrolled.person,
        status: PersonStatus::Active,
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (commands, commanded) = mpsc::channel();
    let relay = Box::new(Stopwatch {
        clock: Arc::clone(&clock),
        commands,
    });
    let commits = Arc::new(Commits::default());
    let parts = Parts {
        store,
        relay,
        second: None,
        panel: None,
        snapshots: None,
        reload: None,
        commits: Arc::clone(&commits),
        committed: Box::new(|| {}),
        gallery: None,
        recovery: None,
    };
    let ways = Ways::new();
    let inbox = ways.inbox.clone();
    let (door, _) = Door::start(&config, ways, parts, &clock, &mut |_, work| {
        std::thread::spawn(work);
        Ok(())
    })
    .map_err(|error| BenchError::Door(Box::new(error)))?;
    let mut took = Vec::with_capacity(rounds);
    let wait_for = |wanted: Lock| loop {
        match commanded.recv_timeout(PATIENCE) {
            Ok((lock, at)) if lock == wanted => return Ok(at),
            Ok(_) => {}
            Err(_) => return Err(BenchError::NoRelease),
        }
    };
    for _ in 0..rounds {
        let began = clock.tick();
        let claim = Claim {
            track: TrackId(0),
            observations: 3,
            identity: Identity::Member {
                member: 0,
                similarity: 0.9,
                liveness: Some(0.9),
            },
            began,
        };
        let member = Some(member.clone());
        let claimed = Input::Claim { claim, member };
        let _ = inbox.send(Message::Input(claimed));
        took.push(wait_for(Lock::Released)?.since(began));
        wait_for(Lock::Secured)?;
        progress();
    }
    door.stop();
    let commits = commits.take();
    Ok(Release {
        time: Spread::of(took),
        commits,
    })
}
