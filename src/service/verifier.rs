//! The verifier's thread: compares typed digits with hashes that are made to take long.
//!
//! A tenth of a second and more on a Pi, for which the exit button must not wait. Digits come in with
//! what they are compared with, and are gone afterwards.

use std::sync::mpsc::{Receiver, Sender};

use super::guard::Message;
use crate::access::keypad::Comparison;
use crate::access::pin::Digits;
use crate::guard::Input;

/// Compares until nobody can ask for it any more.
pub(super) fn run(comparisons: &Receiver<(Digits, Comparison)>, guard: &Sender<Message>) {
    while let Ok((digits, comparison)) = comparisons.recv() {
        let compared = comparison.with(&digits);
        // The guard only goes away when the service ends.
        let _ = guard.send(Message::Input(Input::Verified(compared)));
    }
}
