//! The verifier's thread: compares typed digits with hashes that are made to take long.
//!
//! A tenth of a second and more on a Pi, for which the exit button must not wait. Digits come in with
//! the hashes they are compared with, and are gone afterwards.

use std::sync::mpsc::{Receiver, Sender};

use super::guard::Message;
use crate::access::pin::Digits;
use crate::access::rules::PinHashes;
use crate::event::PersonId;
use crate::guard::Input;

/// Digits to be compared.
pub struct Comparison {
    /// Whose.
    pub person: PersonId,
    /// What was typed.
    pub digits: Digits,
    /// With what.
    pub hashes: PinHashes,
}

/// Compares until nobody can ask for it any more.
pub(super) fn run(comparisons: &Receiver<Comparison>, guard: &Sender<Message>) {
    while let Ok(Comparison {
        person,
        digits,
        hashes,
    }) = comparisons.recv()
    {
        let pin = hashes.verify(digits.as_str());
        // The guard only goes away when the service ends.
        let _ = guard.send(Message::Input(Input::Verified { person, pin }));
    }
}
