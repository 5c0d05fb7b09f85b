//! The threads that carry the promise: latch, guard, journal, reader and verifier.
//!
//! ```text
//! claims, keys, wires, commands ─▶ guard ─▶ latch ─▶ relay
//!                 reader ─ facts ─▶ │ ▲ └─▶ verifier (PINs)
//!                                   ▼ │ answers
//!                                 journal ─▶ store, site file
//! ```
//! Puts them together, for the service as for whoever measures or kills it. Decides nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use super::ServiceError;
use super::commits::Commits;
use super::guard::{Errand, Hands, Keeping, Message};
use super::journal::Journal;
use super::reader::{Ask, GalleryNews, Reader};
use super::snapshots::Snapshots;
use super::verifier;
use super::watchdog::Signs;
use crate::clock::{Clock, Moment};
use crate::conditions::Source;
use crate::config::Config;
use crate::event::Alarm;
use crate::gpio::latch::Latch;
use crate::gpio::panel::Panel;
use crate::gpio::relay::Relay;
use crate::guard::{Guard, Input, Left};
use crate::store::recover::Recovery;
use crate::store::{Site, Store, StoreError};

/// What a door is made of.
pub struct Parts {
    /// The record.
    pub store: Store,
    /// The relay, secured.
    pub relay: Box<dyn Relay>,
    /// The one that follows it.
    pub second: Option<Box<dyn Relay>>,
    /// Lights and sounder.
    pub panel: Option<Panel>,
    /// Where pictures are asked for.
    pub snapshots: Option<Snapshots>,
    /// What `reload` does beside reading the rules again.
    pub reload: Option<Errand>,
    /// Where the time of each commit is noted.
    pub commits: Arc<Commits>,
    /// Called after every commit.
    pub committed: Box<dyn Fn() + Send>,
    /// Which templates vision can use, and where what is new of them goes.
    pub gallery: Option<((String, usize), Sender<GalleryNews>)>,
    /// The database was replaced before there was a guard.
    pub recovery: Option<Recovery>,
}

/// The ways to a door, which may be handed on before it is there.
pub struct Ways {
    /// Where the guard is told what happens.
    pub inbox: Sender<Message>,
    /// Where the store is asked.
    pub reader: Sender<Ask>,
    messages: Receiver<Message>,
    asked: Receiver<Ask>,
}

impl Ways {
    /// To a door that is not there yet.
    #[must_use]
    pub fn new() -> Self {
        let (inbox, messages) = mpsc::channel();
        let (reader, asked) = mpsc::channel();
        Self {
            inbox,
            reader,
            messages,
            asked,
        }
    }
}

impl Default for Ways {
    fn default() -> Self {
        Self::new()
    }
}

/// A door whose threads run.
pub struct Door {
    inbox: Sender<Message>,
    latch: Latch,
    latch_thread: JoinHandle<Box<dyn Relay>>,
    ended: Receiver<()>,
}

/// Starts a thread under a name; a panic or an error of it ends whatever it belongs to.
pub type Start<'a> = &'a mut dyn FnMut(
    &'static str,
    Box<dyn FnOnce() -> Result<(), ServiceError> + Send>,
) -> Result<(), ServiceError>;

impl Door {
    /// Starts the threads of a secured door.
    ///
    /// # Errors
    /// When the store cannot be read, or the system refuses a thread.
    pub fn start(
        config: &Config,
        ways: Ways,
        parts: Parts,
        clock: &Arc<dyn Clock>,
        start: Start<'_>,
    ) -> Result<(Door, Signs), ServiceError> {
        let moment = clock.moment();
        let Ways {
            inbox,
            reader: reader_asks,
            messages,
            asked,
        } = ways;
        let (gallery, model) = match parts.gallery {
            Some((model, gallery)) => (gallery, model),
            None => (mpsc::channel().0, (String::new(), 0)),
        };
        let mut reader = Reader::new(config, model, clock, &inbox, gallery)?;
        let facts = reader.begin()?;
        let policy = config.policy((*facts.rules).clone())?;
        let left = left(&parts.store, &policy, &moment)?;
        let guard = Guard::new(config.guard_settings(), policy, left, &moment);

        let to_guard = inbox.clone();
        let (latch, latch_thread) = Latch::spawn(
            parts.relay,
            parts.second,
            Arc::clone(clock),
            move |report| {
                // The guard only goes away when the service ends.
                let _ = to_guard.send(report.into());
            },
        )
        .map_err(|source| ServiceError::System {
            what: "the latch",
            source,
        })?;
        let signs = Signs {
            latch: latch.beats(),
            ..Signs::default()
        };
        let reading = Arc::clone(&signs.reader);

        let (batches, to_write) = mpsc::channel();
        let journal = Journal {
            store: parts.store,
            site: site(config)?,
            door: config.door.name.clone(),
            clock: Arc::clone(clock),
            busy: Arc::clone(&signs.journal),
            commits: parts.commits,
            committed: parts.committed,
            guard: inbox.clone(),
        };
        start(
            "journal",
            Box::new(move || journal.run(&to_write).map_err(ServiceError::from)),
        )?;
        start(
            "reader",
            Box::new(move || reader.run(&asked, &reading).map_err(ServiceError::from)),
        )?;
        let (comparisons, to_compare) = mpsc::channel();
        let to_guard = inbox.clone();
        start(
            "verifier",
            Box::new(move || {
                verifier::run(&to_compare, &to_guard);
                Ok(())
            }),
        )?;
        let keeping = Keeping {
            guard,
            facts,
            hands: Hands {
                latch: latch.clone(),
                journal: batches,
                reader: Some(reader_asks),
                verifier: Some(comparisons),
                panel: parts.panel,
                snapshots: parts.snapshots,
                reload: parts.reload,
            },
            clock: Arc::clone(clock),
            beat: Arc::clone(&signs.guard),
        };
        let (working, ended) = mpsc::channel();
        start(
            "guard",
            Box::new(move || {
                // Dropped when the thread ends, however it does.
                let _working: Sender<()> = working;
                keeping.run(&messages);
                Ok(())
            }),
        )?;
        if let Some(recovery) = &parts.recovery {
            let recovered = Input::Alarm {
                alarm: Alarm::Storage,
                source: Source::Caretaker,
                detail: Some(recovery.to_string()),
            };
            let _ = inbox.send(Message::Input(recovered));
        }
        let door = Door {
            inbox,
            latch,
            latch_thread,
            ended,
        };
        Ok((door, signs))
    }

    /// Whether the thread that owns the relay is gone. It has secured the door then, and nobody can
    /// release it any more.
    #[must_use]
    pub fn latch_is_gone(&self) -> bool {
        self.latch_thread.is_finished()
    }

    /// The door is secured at once, and nothing new is decided.
    pub fn secure(&self) {
        // The guard only goes away when it has secured the door.
        let _ = self.inbox.send(Message::Input(Input::Stop));
    }

    /// Secures it, and waits until that is recorded as far as the disk lets it, for a time that is
    /// bounded whatever the disk does. Gives the relay back, secured, unless its thread died.
    pub fn stop(self) -> Option<Box<dyn Relay>> {
        self.secure();
        // Not joined: a journal that hangs must not hang the end.
        let _ = self.ended.recv();
        self.latch.stop();
        self.latch_thread.join().ok()
    }
}

/// What the doors of the site tell each other, where they do.
fn site(config: &Config) -> Result<Option<Site>, StoreError> {
    match &config.access.site_file {
        Some(path) => Ok(Some(Site::open(path, &config.door.name)?)),
        None => Ok(None),
    }
}

/// What the last run left.
fn left(store: &Store, policy: &crate::access::Policy, now: &Moment) -> Result<Left, StoreError> {
    let conditions = store.conditions()?.into_iter();
    let newest = store.newest_event()?;
    // By a clock that was put back the whole record would be of today.
    let at_least = Left::at_least(newest, now);
    let mut history = store.recent(policy.memory(), at_least)?;
    let known: BTreeSet<u64> = history.iter().map(|recorded| recorded.seq).collect();
    let wrong = store.wrong_pins(policy.settings.lockout_after_wrong_pins)?;
    history.extend(
        wrong
            .into_iter()
            .filter(|wrong| !known.contains(&wrong.seq)),
    );
    Ok(Left {
        alarms: conditions
            .filter(|condition| condition.cleared_at.is_none())
            .map(|condition| condition.alarm)
            .collect(),
        history,
        spent: store.spent_commands()?,
        times: store.times(now.wall)?,
        released: store.may_have_ended_released()?,
        newest,
    })
}
