//! The latch against scripted relays: the bolt on a clock of its own, the thread on the real one.

mod bolt;
mod thread;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::event::wire::Lock;
use crate::gpio::relay::{Relay, RelayError};

/// What a relay answers to a command, and how long it takes; `x` refuses, `!` panics.
type Answer = (char, Duration);

/// What relays were told, and how they answer.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<Scripted>>);

#[derive(Default)]
struct Scripted {
    moves: Vec<(&'static str, Lock)>,
    answers: VecDeque<(&'static str, Answer)>,
    hangs: bool,
}

impl Script {
    /// The relay's next commands are answered so; every later one works.
    fn answers(&self, relay: &'static str, answers: &str) {
        self.answers_slowly(relay, answers, Duration::ZERO);
    }

    fn answers_slowly(&self, relay: &'static str, answers: &str, takes: Duration) {
        let answers = answers.chars().map(|answer| (relay, (answer, takes)));
        self.0.lock().unwrap().answers.extend(answers);
    }

    fn relay(&self, name: &'static str) -> Box<dyn Relay> {
        Box::new(Actor(name, self.clone()))
    }

    /// `R` released, `S` secured, in order; of one relay.
    fn moves(&self, relay: &str) -> String {
        let script = self.0.lock().unwrap();
        let of = script.moves.iter().filter(|(name, _)| *name == relay);
        let letter = |lock: Lock| if lock == Lock::Released { 'R' } else { 'S' };
        of.map(|(_, lock)| letter(*lock)).collect()
    }

    /// Whether a command is under way.
    fn hangs(&self) -> bool {
        self.0.lock().unwrap().hangs
    }
}

struct Actor(&'static str, Script);

impl Relay for Actor {
    fn set(&mut self, lock: Lock) -> Result<(), RelayError> {
        let (answer, takes) = {
            let mut script = self.1.0.lock().unwrap();
            script.hangs = true;
            let due = script.answers.iter().position(|(name, _)| *name == self.0);
            due.and_then(|due| script.answers.remove(due))
                .map_or(('.', Duration::ZERO), |(_, answer)| answer)
        };
        std::thread::sleep(takes);
        self.1.0.lock().unwrap().hangs = false;
        match answer {
            'x' => Err(RelayError::Gpio {
                device: "script".into(),
                pin: 17,
                message: "refused".into(),
            }),
            '!' => panic!("a defect of the driver"),
            _ => {
                let mut script = self.1.0.lock().unwrap();
                script.moves.push((self.0, lock));
                Ok(())
            }
        }
    }
}
