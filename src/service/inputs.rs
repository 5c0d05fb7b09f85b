//! The threads that listen to what is wired to the door: contact, exit button, keypad.
//!
//! Each tells the guard what it hears and decides nothing. An input that fails is logged and tried
//! again, and never ends the service; of the contact, by which a forced door is noticed, it is an
//! alarm. Flows in: levels and keys. Flows out:
//! [`Input`]s of the guard.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::guard::Message;
use super::{Notices, ServiceError, start};
use crate::clock::Clock;
use crate::conditions::Source;
use crate::config::{Config, InputWiring};
use crate::event::{Alarm, Contact};
use crate::gpio::debounce::Debounce;
use crate::gpio::input;
use crate::gpio::keypad::{self, watch_keypad};
use crate::gpio::watch::watch_input;
use crate::guard::Input;

/// What the listening threads share.
pub(super) struct Listening<'a> {
    pub(super) config: &'a Config,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) stop: &'a Arc<AtomicBool>,
    pub(super) guard: &'a Sender<Message>,
    pub(super) notices: &'a Notices,
}

impl Listening<'_> {
    /// Starts a thread for everything that is wired.
    pub(super) fn start(&self) -> Result<(), ServiceError> {
        if let Some(contact) = &self.config.contact {
            self.input(
                "contact",
                &contact.wiring(),
                Some(Alarm::ContactFault),
                |active| {
                    Input::Contact(if active {
                        Contact::Open
                    } else {
                        Contact::Closed
                    })
                },
            )?;
        }
        if let Some(rex) = &self.config.rex {
            self.input("rex", &rex.wiring(), None, |pressed| Input::Rex { pressed })?;
        }
        self.keypad()
    }

    /// What is wired wrongly keeps the service from starting; what fails later does not end it.
    fn input(
        &self,
        name: &'static str,
        wiring: &InputWiring,
        alarm: Option<Alarm>,
        input: impl Fn(bool) -> Input + Send + 'static,
    ) -> Result<(), ServiceError> {
        let mut line = input::open(wiring, name)?;
        let debounce = Debounce::new(Duration::from_millis(wiring.debounce_ms.into()), None);
        let (clock, stop) = (Arc::clone(self.clock), Arc::clone(self.stop));
        let guard = self.guard.clone();
        // The guard only goes away when the service ends: then nobody is left to be told.
        start(name, self.notices, move || {
            watch_input(
                line.as_mut(),
                debounce,
                clock.as_ref(),
                &stop,
                |active| {
                    let _ = guard.send(Message::Input(input(active)));
                    if let Some(alarm) = alarm {
                        let _ = guard.send(Message::Input(fault(alarm, None)));
                    }
                },
                |error| {
                    tracing::error!(%error, "an input fails; trying again");
                    if let Some(alarm) = alarm {
                        let _ = guard.send(Message::Input(fault(alarm, Some(error.to_string()))));
                    }
                },
            );
            Ok(())
        })?;
        Ok(())
    }

    fn keypad(&self) -> Result<(), ServiceError> {
        let Some(config) = &self.config.keypad else {
            return Ok(());
        };
        let mut keypad = keypad::open(config);
        let (clock, stop) = (Arc::clone(self.clock), Arc::clone(self.stop));
        let guard = self.guard.clone();
        start("keypad", self.notices, move || {
            watch_keypad(
                keypad.as_mut(),
                clock.as_ref(),
                &stop,
                |pin| drop(guard.send(Message::Input(Input::Pin(pin)))),
                |error| tracing::error!(%error, "the keypad fails; trying again"),
            );
            Ok(())
        })?;
        Ok(())
    }
}

/// An input that cannot be read, or that moves again.
fn fault(alarm: Alarm, detail: Option<String>) -> Input {
    Input::Alarm {
        alarm,
        source: Source::Input,
        detail,
    }
}
