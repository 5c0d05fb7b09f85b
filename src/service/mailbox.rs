//! Where messages from the broker wait for the guard: a few of them, whatever comes in.
//!
//! The guard also answers faces and the exit button; a flood of messages must not grow its inbox, nor
//! the memory, without a limit. What does not fit is dropped and counted. Called on the MQTT thread;
//! never waits.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use super::guard::Message;
use crate::clock::Clock;
use crate::command::token::MAX_BYTES;
use crate::guard::Input;
use crate::mqtt::Incoming;

/// Messages that may wait.
const ROOM: usize = 32;

/// The way in.
pub(super) struct Mailbox {
    guard: mpsc::Sender<Message>,
    clock: Arc<dyn Clock>,
    waiting: Arc<AtomicUsize>,
    lost: AtomicU64,
}

/// Counts one message for as long as it lives.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Mailbox {
    pub(super) fn new(guard: mpsc::Sender<Message>, clock: Arc<dyn Clock>) -> Self {
        Self {
            guard,
            clock,
            waiting: Arc::default(),
            lost: AtomicU64::new(0),
        }
    }

    pub(super) fn put(&self, mut incoming: Incoming) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= ROOM {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // Enough to see that it is too large.
        incoming.payload.truncate(MAX_BYTES + 1);
        incoming.payload.shrink_to_fit();
        let input = Input::Command {
            incoming,
            received: self.clock.tick(),
            lost: self.lost.swap(0, Ordering::Relaxed),
        };
        let message = Message::Mail(input, Place(Arc::clone(&self.waiting)));
        // The guard only goes away when the service ends.
        let _ = self.guard.send(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn incoming(bytes: usize) -> Incoming {
        Incoming {
            topic: "t".into(),
            payload: vec![b'x'; bytes],
            retain: false,
            response_topic: None,
            correlation: None,
        }
    }

    #[test]
    fn a_flood_is_counted_and_not_kept() {
        let (guard, inbox) = mpsc::channel();
        let mailbox = Mailbox::new(guard, Arc::new(SystemClock::new()));
        for _ in 0..1000 {
            mailbox.put(incoming(1_000_000));
        }
        let waiting: Vec<_> = inbox.try_iter().collect();
        assert_eq!(waiting.len(), ROOM);
        for message in &waiting {
            let Message::Mail(Input::Command { incoming, lost, .. }, _) = message else {
                panic!("{message:?}");
            };
            assert_eq!((incoming.payload.len(), *lost), (MAX_BYTES + 1, 0));
        }
        drop(waiting);
        mailbox.put(incoming(1));
        let next = inbox.try_recv().unwrap();
        let Message::Mail(Input::Command { lost, .. }, _) = next else {
            panic!("{next:?}");
        };
        assert_eq!(lost, 1000 - ROOM as u64);
    }
}
