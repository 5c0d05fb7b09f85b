//! Listening to the doors of a broker, for as long as it takes.
//!
//! A session that the broker keeps, at QoS 2: what is published while the witness is away comes when it
//! is back. A message is acknowledged when it is on the disk, and not before. After any trouble the
//! client is dropped and a new one is made, which reads certificates and password anew.

mod line;

use std::path::Path;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::Instant;

use super::finding::Finding;
use super::notes::{NotesError, Taken, WitnessNotes};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::mqtt::{MqttError, PumpConfig};
use line::{Line, Told};

/// How often overdue events are looked for.
const LOOK: Duration = Duration::from_secs(1);
/// First and longest pause before the broker is tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// What a door's topics end in.
const LEAVES: [&str; 3] = ["/event/+", "/alarm", "/checkpoint"];
/// The same without wildcard, as they arrive.
const ENDS: [&str; 5] = [
    "/event/access",
    "/event/door",
    "/event/admin",
    "/alarm",
    "/checkpoint",
];

/// What is listened to, and for how long.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Beginnings of the doors' topics, perhaps with `+`: `doorward/+/+`.
    pub bases: Vec<String>,
    /// The session's name at the broker; one that stays with the file when absent.
    pub client_id: Option<String>,
    /// How long the broker keeps what is published while the witness is away, in seconds.
    pub session_expiry_s: u32,
    /// How long an event may be missing before that is told.
    pub patience: Duration,
    /// End when nothing came for so long; when absent, only when told to.
    pub until_idle: Option<Duration>,
}

/// What happens while it listens.
#[derive(Debug)]
pub enum News {
    /// Connected and subscribed; whether the broker had kept the session.
    Listening {
        /// It had.
        resumed: bool,
    },
    /// The broker kept nothing since the last time: what was published meanwhile is missing.
    SessionLost,
    /// There is no connection, or it ended.
    Lost(String),
    /// A message was no statement of a door.
    Ignored(String),
    /// Something does not fit.
    Found(Finding),
}

/// Why listening ended badly.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Mqtt(#[from] MqttError),
    /// The file cannot be used.
    #[error(transparent)]
    Notes(#[from] NotesError),
    /// The broker does not let it subscribe.
    #[error("the broker does not allow this client to subscribe to {0}; see its access rules")]
    NotAllowed(String),
    /// The system gave no event queue or no signal handler.
    #[error("cannot listen: {0}")]
    System(std::io::Error),
}

/// Listens until it is told to end (SIGTERM, SIGINT) or nothing comes any more; gives how many
/// findings were told.
///
/// # Errors
/// When the configuration or the file cannot be used, or the broker refuses the subscription.
pub fn listen(
    config: &Config,
    file: &Path,
    plan: &Plan,
    mut news: impl FnMut(News),
) -> Result<u64, ListenError> {
    let mut notes = WitnessNotes::open(file)?;
    let client_id = match &plan.client_id {
        Some(id) => id.clone(),
        None => notes.client_id()?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ListenError::System)?;
    let mut count = 0;
    let mut counted = |told: News| {
        count += u64::from(matches!(told, News::Found(_)));
        news(told);
    };
    runtime.block_on(sessions(config, plan, &client_id, &mut notes, &mut counted))?;
    Ok(count)
}

/// Why a session ended.
enum Ended {
    /// Somebody wanted it, or nothing came any more.
    Done,
    /// There was trouble.
    Lost(String),
}

async fn sessions(
    config: &Config,
    plan: &Plan,
    client_id: &str,
    notes: &mut WitnessNotes,
    news: &mut impl FnMut(News),
) -> Result<(), ListenError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(ListenError::System)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ListenError::System)?;
    let backoff = || {
        ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(RETRY.0)
            .with_max_delay(RETRY.1)
            .without_max_times()
            .build()
    };
    let mut pauses = backoff();
    loop {
        // Renewed files are read.
        let settings = PumpConfig::from_config(config)?;
        let (line, told) = line::open(&settings, client_id, plan.session_expiry_s);
        let mut listened = false;
        let ended = tokio::select! {
            ended = session(&line, told, plan, notes, news, &mut listened) => ended?,
            _ = terminate.recv() => Ended::Done,
            _ = interrupt.recv() => Ended::Done,
        };
        line.leave().await;
        match ended {
            Ended::Done => return Ok(()),
            Ended::Lost(why) => news(News::Lost(why)),
        }
        if listened {
            pauses = backoff();
        }
        let pause = tokio::time::sleep(pauses.next().unwrap_or(RETRY.1));
        tokio::select! {
            () = pause => {}
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
    }
}

async fn session(
    line: &Line,
    mut told: Receiver<Told>,
    plan: &Plan,
    notes: &mut WitnessNotes,
    news: &mut impl FnMut(News),
    listened: &mut bool,
) -> Result<Ended, ListenError> {
    let filters: Vec<String> = plan
        .bases
        .iter()
        .flat_map(|base| LEAVES.map(|leaf| format!("{base}{leaf}")))
        .collect();
    let mut look = tokio::time::interval(LOOK);
    let mut last = Instant::now();
    let mut resumed = false;
    loop {
        let next = tokio::select! {
            next = told.recv() => next,
            _ = look.tick() => {
                for finding in notes.overdue(Timestamp::now(), plan.patience)? {
                    news(News::Found(finding));
                }
                let idle = plan.until_idle.filter(|_| *listened);
                if idle.is_some_and(|idle| last.elapsed() >= idle) {
                    return Ok(Ended::Done);
                }
                continue;
            }
        };
        match next {
            None => return Ok(Ended::Lost("the client ended".into())),
            Some(Told::Lost(why)) => return Ok(Ended::Lost(why)),
            Some(Told::Connected { session_present }) => {
                resumed = session_present;
                if notes.had_session()? && !resumed {
                    news(News::SessionLost);
                }
                line.subscribe(&filters);
            }
            Some(Told::Subscribed(refused)) => {
                if let Some(filter) = refused.and_then(|at| filters.get(at)) {
                    return Err(ListenError::NotAllowed(filter.clone()));
                }
                *listened = true;
                last = Instant::now();
                news(News::Listening { resumed });
            }
            Some(Told::Message(message)) => {
                last = Instant::now();
                let (topic, payload) = (message.topic(), message.payload());
                let end = ENDS.iter().find_map(|end| topic.strip_suffix(end));
                if let Some(base) = end {
                    match notes.hear(base, &topic, payload, Timestamp::now())? {
                        Taken::Noted(found) => {
                            found.into_iter().map(News::Found).for_each(&mut *news)
                        }
                        Taken::Unheard(why) => news(News::Ignored(why.to_string())),
                    }
                }
                line.acknowledge(&message);
            }
        }
    }
}

/// Makes the room for what comes in faster than it is kept.
fn room<T>() -> (tokio::sync::mpsc::Sender<T>, Receiver<T>) {
    channel(64)
}
