//! One connection of the emulated broker: bytes in, bytes out, and where it is cut.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use doorward::config::Protocol;

use super::conduct::{self, Act, Seen};
use super::wire::{self, Incoming, Outgoing};
use super::{Cut, State, lock};

/// How long the rest of a cut connection is read, so that what was answered before arrives: a
/// socket that is closed with unread bytes takes its last words with it.
const LINGER: Duration = Duration::from_secs(5);

/// What one connection knows.
struct Conversation<'a> {
    state: &'a Mutex<State>,
    socket: TcpStream,
    number: usize,
    protocol: Option<Protocol>,
    packets: usize,
    sent: usize,
}

/// Serves a client until either side has enough.
pub(super) fn hold(state: &Mutex<State>, socket: TcpStream) {
    socket.set_nodelay(true).unwrap();
    let number = {
        let mut state = lock(state);
        state.connection += 1;
        // Whoever comes takes the session over.
        if let Some(old) = state.socket.replace(socket.try_clone().unwrap()) {
            let _ = old.shutdown(Shutdown::Both);
        }
        state.connection
    };
    let mut conversation = Conversation {
        state,
        socket,
        number,
        protocol: None,
        packets: 0,
        sent: 0,
    };
    let end = conversation.run();
    conversation.end(&end);
}

/// Sends something nobody asked for.
pub(super) fn push(state: &mut State, packet: &Outgoing) {
    state.journal.push(format!("< {packet}"));
    let protocol = state.protocol.unwrap_or(Protocol::V5);
    if let Some(socket) = &mut state.socket {
        let bytes = wire::write(packet, protocol);
        let _ = socket.write_all(&bytes);
    }
}

impl Conversation<'_> {
    /// Why it ended.
    fn run(&mut self) -> String {
        let mut buffer = BytesMut::new();
        let mut bytes = [0; 4096];
        let mut received = 0;
        loop {
            let planned = lock(self.state).cut;
            let room = match planned {
                Some(Cut::BytesIn(limit)) => limit.saturating_sub(received).min(bytes.len()),
                _ => bytes.len(),
            };
            if room == 0 {
                return self.cut();
            }
            let read = match self.socket.read(&mut bytes[..room]) {
                Ok(0) => return "the client ended it".to_owned(),
                Ok(read) => read,
                Err(error) => return error.to_string(),
            };
            received += read;
            buffer.extend_from_slice(&bytes[..read]);
            loop {
                match wire::read(&mut buffer, &mut self.protocol) {
                    Ok(None) => break,
                    Ok(Some(packet)) => {
                        if let Err(end) = self.packet(&packet) {
                            return end;
                        }
                    }
                    Err(error) => return format!("not MQTT: {error}"),
                }
            }
        }
    }

    /// Takes a packet in and answers it. An error is the end.
    fn packet(&mut self, packet: &Incoming) -> Result<(), String> {
        self.packets += 1;
        let (answers, close) = {
            let mut state = lock(self.state);
            if state.connection != self.number {
                return Err("taken over".to_owned());
            }
            if state.cut == Some(Cut::Before(self.packets)) {
                drop(state);
                return Err(self.cut());
            }
            state.protocol = self.protocol;
            if matches!(packet, Incoming::Connect { .. }) {
                state.greeted.push(Instant::now());
            }
            state.journal.push(format!("> {packet}"));
            let act = ask(&mut state, packet);
            let (proper, ends) = if act.take {
                conduct::take(&mut state, packet)
            } else {
                (Vec::new(), false)
            };
            (act.answers.unwrap_or(proper), act.close || ends)
        };
        if lock(self.state).cut == Some(Cut::After(self.packets)) {
            return Err(self.cut());
        }
        for answer in &answers {
            self.answer(answer)?;
        }
        if close {
            return Err("the broker ended it".to_owned());
        }
        Ok(())
    }

    fn answer(&mut self, answer: &Outgoing) -> Result<(), String> {
        self.packets += 1;
        let planned = lock(self.state).cut;
        if planned == Some(Cut::Before(self.packets)) {
            return Err(self.cut());
        }
        let bytes = wire::write(answer, self.protocol.unwrap_or(Protocol::V5));
        let room = match planned {
            Some(Cut::BytesOut(limit)) => limit.saturating_sub(self.sent),
            _ => usize::MAX,
        };
        lock(self.state).journal.push(format!("< {answer}"));
        let whole = bytes.len() <= room;
        let part = &bytes[..bytes.len().min(room)];
        self.sent += part.len();
        if let Err(error) = self.socket.write_all(part) {
            return Err(error.to_string());
        }
        if !whole || planned == Some(Cut::After(self.packets)) {
            return Err(self.cut());
        }
        Ok(())
    }

    /// The planned cut is now.
    fn cut(&self) -> String {
        let mut state = lock(self.state);
        state.cut = None;
        state.cuts += 1;
        "cut".to_owned()
    }

    fn end(&mut self, end: &str) {
        {
            let mut state = lock(self.state);
            state.journal.push(format!("| {end}"));
            if state.connection == self.number {
                state.socket = None;
            }
        }
        let _ = self.socket.shutdown(Shutdown::Write);
        let _ = self.socket.set_read_timeout(Some(LINGER));
        let mut rest = [0; 4096];
        while matches!(self.socket.read(&mut rest), Ok(read) if read > 0) {}
    }
}

/// What the script wants done.
fn ask(state: &mut State, packet: &Incoming) -> Act {
    let pkid = match packet {
        Incoming::Publish(message) => message.pkid,
        Incoming::Release(pkid) => *pkid,
        _ => 0,
    };
    let held = state
        .session
        .as_ref()
        .is_some_and(|awaiting| awaiting.contains_key(&pkid));
    let connection = state.connection;
    (state.conduct.script)(&Seen {
        packet,
        connection,
        held,
    })
}
