//! An emulated broker: it keeps the protocol as a real one would, except where it is told not to.
//!
//! It serves one client, MQTT 5 or 3.1.1 as the client likes, keeps its session across connections,
//! and writes down what it received, what it answered and what counts as delivered. A real broker
//! cannot be made to misbehave on the third packet; this one can, by a [`Conduct`] (how it is) and a
//! script (what it does to one packet). It must never be cleverer than a broker: no message is
//! counted that was not handed over by the rules of its conduct.

mod conduct;
mod conversation;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use doorward::config::Protocol;

pub use conduct::{Act, Conduct, Seen, Sys};
pub use wire::{Allowance, Incoming, Message, Outgoing};

/// Where the next connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The packet of this number, counted from 1 over both directions, is the last that arrives.
    After(usize),
    /// It is the first that does not.
    Before(usize),
    /// So many bytes from the client arrive.
    BytesIn(usize),
    /// So many bytes to the client leave.
    BytesOut(usize),
}

/// What is kept for the client while it is away, and what there is to tell.
#[derive(Default)]
struct State {
    conduct: Conduct,
    /// Messages that await their release; nothing inside when they count as delivered already.
    session: Option<BTreeMap<u16, Option<Message>>>,
    /// What the session is subscribed to.
    subscriptions: BTreeSet<String>,
    /// What was told to a subscription while the client was away.
    missed: usize,
    /// The session is not to survive its connection.
    passing: bool,
    /// Number of the connection, and its socket.
    connection: usize,
    socket: Option<TcpStream>,
    protocol: Option<Protocol>,
    cut: Option<Cut>,
    cuts: usize,
    delivered: Vec<Message>,
    journal: Vec<String>,
    most_awaiting: usize,
    /// When each CONNECT was read.
    greeted: Vec<Instant>,
    closed: bool,
}

/// A running emulated broker; it ends when dropped.
pub struct Emulated {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A script that panics fails its test by what does not come after.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Emulated {
    /// A broker that does everything right, at a free port of this machine.
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        std::thread::spawn({
            let state = Arc::clone(&state);
            move || {
                for client in listener.incoming().map_while(Result::ok) {
                    if lock(&state).closed {
                        return;
                    }
                    let state = Arc::clone(&state);
                    std::thread::spawn(move || conversation::hold(&state, client));
                }
            }
        });
        std::thread::spawn({
            let state = Arc::clone(&state);
            move || tell_version(&state)
        });
        Self { port, state }
    }

    /// The address for `mqtt.url`.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Changes how it is from here on.
    pub fn conduct(&self, change: impl FnOnce(&mut Conduct)) {
        change(&mut lock(&self.state).conduct);
    }

    /// What it does to each packet from here on.
    pub fn script(&self, script: impl FnMut(&Seen<'_>) -> Act + Send + 'static) {
        lock(&self.state).conduct.script = Box::new(script);
    }

    /// Keeps the protocol again, like at the start.
    pub fn behave(&self) {
        lock(&self.state).conduct = Conduct::default();
    }

    /// Cuts one connection, the current or a later one, there.
    pub fn cut(&self, cut: Cut) {
        lock(&self.state).cut = Some(cut);
    }

    /// How many connections were cut as planned.
    pub fn cuts(&self) -> usize {
        lock(&self.state).cuts
    }

    /// Takes back the planned cut.
    pub fn cut_never(&self) {
        lock(&self.state).cut = None;
    }

    /// Ends the current connection now.
    pub fn hang_up(&self) {
        let mut state = lock(&self.state);
        if let Some(socket) = state.socket.take() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Another client comes with a clean start and goes again: the session is a new and empty one, and
    /// this client is told.
    pub fn take_session(&self) {
        let mut state = lock(&self.state);
        state.session = Some(BTreeMap::new());
        state.subscriptions.clear();
        conversation::push(&mut state, &Outgoing::Disconnect(0x8E));
        if let Some(socket) = state.socket.take() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Loses the session.
    pub fn forget(&self) {
        lock(&self.state).session = None;
    }

    /// Sends this on the current connection, whatever it is.
    pub fn send(&self, packet: &Outgoing) {
        conversation::push(&mut lock(&self.state), packet);
    }

    /// What counts as delivered, in order.
    pub fn delivered(&self) -> Vec<Message> {
        lock(&self.state).delivered.clone()
    }

    /// What the session is subscribed to.
    pub fn subscriptions(&self) -> Vec<String> {
        lock(&self.state).subscriptions.iter().cloned().collect()
    }

    /// How often something was told to the session while its client was away.
    pub fn missed(&self) -> usize {
        lock(&self.state).missed
    }

    /// The sequence numbers of the events among it.
    pub fn sequences(&self) -> Vec<u64> {
        let delivered = self.delivered();
        let events = delivered.iter().filter(|m| m.topic.contains("/event/"));
        events.map(Message::sequence).collect()
    }

    /// Everything that was said: `>` by the client, `<` by the broker, `|` the end of a connection.
    pub fn journal(&self) -> Vec<String> {
        lock(&self.state).journal.clone()
    }

    /// How often something of this beginning was said.
    pub fn said(&self, beginning: &str) -> usize {
        let journal = self.journal();
        let said = journal.iter().filter(|line| line.starts_with(beginning));
        said.count()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        lock(&self.state).connection
    }

    /// From each CONNECT to the next. The client cannot have given up before the first of the two
    /// was read, so each is longer than its wait, however slow this machine is.
    pub fn pauses(&self) -> Vec<Duration> {
        let greeted = &lock(&self.state).greeted;
        let next = greeted.iter().skip(1);
        greeted.iter().zip(next).map(|(a, b)| *b - *a).collect()
    }

    /// How many messages awaited their release at most.
    pub fn most_awaiting(&self) -> usize {
        lock(&self.state).most_awaiting
    }
}

/// Tells the version each time that a minute has passed since the start, as a node of EMQX does.
fn tell_version(state: &Mutex<State>) {
    let mut last = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(10));
        let mut state = lock(state);
        if state.closed {
            return;
        }
        if last.elapsed() < state.conduct.minute {
            continue;
        }
        last = Instant::now();
        let Some(version) = state.conduct.version.clone() else {
            continue;
        };
        state.conduct.kept_version = Some(version.clone());
        if state
            .subscriptions
            .iter()
            .any(|topic| topic.starts_with("$SYS"))
        {
            if state.socket.is_some() {
                conversation::push(&mut state, &conduct::version_told(&version));
            } else {
                state.missed += 1;
            }
        }
    }
}

impl Drop for Emulated {
    fn drop(&mut self) {
        lock(&self.state).closed = true;
        self.hang_up();
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Message {
    /// The event's number.
    pub fn sequence(&self) -> u64 {
        let event: serde_json::Value = serde_json::from_slice(&self.payload).unwrap();
        event["sequence"].as_str().unwrap().parse().unwrap()
    }
}
