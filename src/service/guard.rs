//! The guard's thread: hands inputs, facts and time to [`crate::guard`], and its deeds to those who
//! carry them out.
//!
//! Never waits for anybody but its inbox: the latch moves the relay, the journal writes, the reader
//! reads, the verifier compares. Decides nothing by itself. Flows in: [`Message`]s. Flows out: orders
//! to the latch, batches to the journal, what the panel shows.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::mailbox::Place;
use super::reader::Ask;
use super::snapshots::Snapshots;
use super::verifier::Comparison;
use crate::beat::Beat;
use crate::clock::{Clock, Tick};
use crate::event::wire::Lock;
use crate::gpio::latch::{Latch, LatchGone, LatchReport};
use crate::gpio::panel::Panel;
use crate::guard::{Batch, Deed, Facts, Guard, Input, Latched};

/// The longest wait between two rounds.
const ROUND: Duration = Duration::from_millis(250);
/// How long the end waits for the record; systemd kills after 15 s (`TimeoutStopSec`).
const FAREWELL: Duration = Duration::from_secs(8);

/// Has others do something for a command; never waits for it.
pub type Errand = Box<dyn Fn() + Send>;

/// What the guard is told.
#[derive(Debug)]
pub enum Message {
    /// Something happened.
    Input(Input),
    /// A message came from the broker; its place is free again when it is looked at.
    Mail(Input, Place),
    /// What stands in the store.
    Facts(Facts),
}

impl From<LatchReport> for Message {
    fn from(report: LatchReport) -> Message {
        Message::Input(Input::Latch(match report {
            LatchReport::Set { lock, .. } => Latched::Moved(lock),
            LatchReport::Failed { lock, message } => Latched::Failed { lock, message },
        }))
    }
}

/// Who carries out what the guard decides.
pub struct Hands {
    /// The relay.
    pub latch: Latch,
    /// Writes.
    pub journal: Sender<Batch>,
    /// Reads at once.
    pub reader: Option<Sender<Ask>>,
    /// Compares PINs.
    pub verifier: Option<Sender<Comparison>>,
    /// Lights and sounder, where there are any.
    pub panel: Option<Panel>,
    /// Where pictures are asked for; nowhere without a camera.
    pub snapshots: Option<Snapshots>,
    /// What `reload` does beside reading the rules again.
    pub reload: Option<Errand>,
}

/// The thread's state.
pub struct Keeping {
    /// Decides.
    pub guard: Guard,
    /// What it is told of the store.
    pub facts: Facts,
    /// Carry out.
    pub hands: Hands,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// A sign of life each round.
    pub beat: Arc<Beat>,
}

impl Keeping {
    /// Works until told to stop, or until everybody who could tell it something is gone; then until
    /// the record has everything, but not for ever.
    pub fn run(mut self, inbox: &Receiver<Message>) {
        let mut leave: Option<Tick> = None;
        self.handle(Input::Tick);
        loop {
            let now = self.clock.tick();
            self.beat.mark(now);
            if let Some(leave) = leave
                && (self.guard.is_settled() || now >= leave)
            {
                break;
            }
            let due = self.guard.deadline().map_or(ROUND, |at| at.since(now));
            match inbox.recv_timeout(due.min(ROUND)) {
                Ok(message) => {
                    if matches!(message, Message::Input(Input::Stop)) {
                        leave = Some(now + FAREWELL);
                    }
                    self.told(message);
                }
                Err(RecvTimeoutError::Timeout) => self.handle(Input::Tick),
                Err(RecvTimeoutError::Disconnected) if leave.is_some() => break,
                Err(RecvTimeoutError::Disconnected) => {
                    leave = Some(now);
                    self.handle(Input::Stop);
                }
            }
        }
        if !self.guard.is_settled() {
            tracing::error!("the disk did not answer in time: the newest events are lost");
        }
    }

    fn told(&mut self, message: Message) {
        match message {
            Message::Input(input) => self.handle(input),
            Message::Mail(input, place) => {
                drop(place);
                self.handle(input);
            }
            Message::Facts(facts) => {
                self.facts = facts;
                self.handle(Input::Tick);
            }
        }
    }

    fn handle(&mut self, input: Input) {
        let deeds = self.guard.handle(input, &self.facts, &self.clock.moment());
        for deed in deeds {
            self.carry_out(deed);
        }
    }

    fn carry_out(&mut self, deed: Deed) {
        match deed {
            Deed::Release { until } => {
                let ordered = self.hands.latch.release_until(until);
                self.ordered(Lock::Released, ordered);
            }
            Deed::Secure => {
                let ordered = self.hands.latch.secure();
                self.ordered(Lock::Secured, ordered);
            }
            Deed::Commit(batch) => {
                // The journal only goes away when the service ends.
                let _ = self.hands.journal.send(batch);
            }
            Deed::Read => {
                if let Some(reader) = &self.hands.reader {
                    let _ = reader.send(Ask::Now);
                }
            }
            Deed::Verify {
                person,
                digits,
                hashes,
            } => {
                let comparison = Comparison {
                    person,
                    digits,
                    hashes,
                };
                if let Some(verifier) = &self.hands.verifier {
                    let _ = verifier.send(comparison);
                }
            }
            Deed::Show(indication) => {
                if let Some(panel) = &self.hands.panel {
                    panel.show(indication);
                }
            }
            Deed::Picture => {
                if let Some(snapshots) = &self.hands.snapshots {
                    snapshots.decided();
                }
            }
            Deed::PictureNow => {
                let trouble = match &self.hands.snapshots {
                    Some(snapshots) => snapshots.publish_newest().err().map(|e| e.to_string()),
                    None => Some("this installation has no camera".to_owned()),
                };
                self.handle(Input::Pictured(trouble));
            }
            Deed::Reload => {
                if let Some(reload) = &self.hands.reload {
                    reload();
                }
            }
        }
    }

    /// A latch that hears nothing is a relay that does not do what it is told.
    fn ordered(&mut self, lock: Lock, ordered: Result<(), LatchGone>) {
        if let Err(error) = ordered {
            tracing::error!(%error, ?lock, "the latch does not take an order");
            let message = error.to_string();
            self.handle(Input::Latch(Latched::Failed { lock, message }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;
    use std::time::Instant;

    use super::*;
    use crate::access::rules::Rules;
    use crate::clock::{SystemClock, Timestamp};
    use crate::config::{Config, RelayConfig, RelayDriver};
    use crate::gpio::relay;
    use crate::guard::Left;

    /// For as long as a busy machine may take to run a thread.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// A clock that keeps whoever asks for the whole moment, while it is told to.
    struct Mire {
        clock: SystemClock,
        deep: AtomicBool,
        /// Whether somebody is in it.
        holds: AtomicBool,
    }

    impl Clock for Mire {
        fn now(&self) -> Timestamp {
            self.clock.now()
        }
        fn tick(&self) -> Tick {
            self.clock.tick()
        }
        fn trusted(&self) -> bool {
            while self.deep.load(Ordering::Relaxed) {
                self.holds.store(true, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
            true
        }
    }

    fn soon(happens: impl Fn() -> bool) -> bool {
        let begun = Instant::now();
        while !happens() && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        happens()
    }

    #[test]
    fn a_guard_that_hangs_gives_no_sign_of_life_and_one_that_goes_on_does() {
        let clock = Arc::new(Mire {
            clock: SystemClock::new(),
            deep: AtomicBool::new(false),
            holds: AtomicBool::new(false),
        });
        let relay = relay::open(&RelayConfig {
            driver: RelayDriver::Simulated,
            ..RelayConfig::default()
        })
        .unwrap();
        let (latch, _latched) = Latch::spawn(relay, None, clock.clone(), |_| {}).unwrap();
        let config = Config::default();
        let policy = config.policy(Rules::default()).unwrap();
        let settings = config.guard_settings();
        let guard = Guard::new(settings, policy, Left::default(), &clock.moment());
        let (journal, _batches) = channel();
        let beat = Arc::new(Beat::default());
        let keeping = Keeping {
            guard,
            facts: Facts::default(),
            hands: Hands {
                latch,
                journal,
                reader: None,
                verifier: None,
                panel: None,
                snapshots: None,
                reload: None,
            },
            clock: clock.clone(),
            beat: Arc::clone(&beat),
        };
        let (inbox, messages) = channel();
        let thread = std::thread::spawn(move || keeping.run(&messages));
        assert!(soon(|| beat.last().is_some()));
        clock.deep.store(true, Ordering::Relaxed);
        assert!(soon(|| clock.holds.load(Ordering::Relaxed)));
        let last = beat.last();
        std::thread::sleep(ROUND * 4);
        assert_eq!(beat.last(), last);
        let now = clock.tick();
        clock.deep.store(false, Ordering::Relaxed);
        assert!(soon(|| beat.last().is_some_and(|last| last >= now)));
        drop(inbox);
        thread.join().unwrap();
    }
}
