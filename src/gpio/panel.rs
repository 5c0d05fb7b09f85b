//! The thread that plays indications on the outputs.
//!
//! Nobody waits for it, and nothing it meets reaches the door: an output that fails is logged
//! once and tried again with the next change.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;

use super::GpioError;
use super::output::{Output, Outputs};
use crate::clock::Clock;
use crate::indication::{Display, Indication, STEP};

/// Lights and sounder; all off when dropped. (The second relay belongs to [`super::latch`].)
#[derive(Debug)]
pub struct Panel {
    orders: Option<Sender<Indication>>,
    thread: Option<JoinHandle<()>>,
}

impl Panel {
    /// Starts the thread; it shows [`Indication::Starting`] until told otherwise.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn spawn(outputs: Outputs, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let (sender, orders) = channel();
        let thread = std::thread::Builder::new()
            .name("panel".into())
            .spawn(move || play(Pins::new(outputs), &*clock, &orders))?;
        Ok(Self {
            orders: Some(sender),
            thread: Some(thread),
        })
    }

    /// Shows it: momentary ones for their time, others until another.
    pub fn show(&self, indication: Indication) {
        if let Some(orders) = &self.orders {
            // If the thread died, the door works on without lights.
            let _ = orders.send(indication);
        }
    }
}

impl Drop for Panel {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the panel's thread panicked");
        }
    }
}

fn play(mut pins: Pins, clock: &dyn Clock, orders: &Receiver<Indication>) {
    let mut display = Display::new(clock.tick());
    loop {
        let now = clock.tick();
        let lights = display.lights(now);
        for (output, on) in [
            (Output::Green, lights.green),
            (Output::Red, lights.red),
            (Output::Blue, lights.blue),
            (Output::Sounder, lights.sounder),
        ] {
            pins.set(output, on);
        }
        let order = if display.is_steady(now) {
            orders.recv().map_err(RecvTimeoutError::from)
        } else {
            orders.recv_timeout(STEP)
        };
        match order {
            Ok(indication) => display.show(indication, clock.tick()),
            Err(RecvTimeoutError::Timeout) => {}
            // All senders are gone; dropping the outputs switches them off.
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Outputs whose failures are told once.
struct Pins {
    outputs: Outputs,
    failing: Vec<Output>,
}

impl Pins {
    fn new(outputs: Outputs) -> Self {
        Self {
            outputs,
            failing: Vec::new(),
        }
    }

    fn set(&mut self, output: Output, on: bool) {
        let result = self.outputs.set(output, on);
        self.note(output, result);
    }

    fn note(&mut self, output: Output, result: Result<(), GpioError>) {
        let known = self.failing.contains(&output);
        match result {
            Ok(()) if known => self.failing.retain(|failing| *failing != output),
            Err(error) if !known => {
                tracing::warn!(%error, "an output does not work; the door does without");
                self.failing.push(output);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::config::{ActiveLevel, OutputPin, OutputsConfig, RelayDriver};

    fn config(transitions: std::path::PathBuf) -> OutputsConfig {
        let pin = |pin| {
            Some(OutputPin {
                pin,
                active: ActiveLevel::High,
            })
        };
        OutputsConfig {
            driver: RelayDriver::Simulated,
            green: pin(5),
            transitions: Some(transitions),
            ..OutputsConfig::default()
        }
    }

    #[test]
    fn indications_reach_the_pins_and_end_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outputs.jsonl");
        let outputs = Outputs::open(&config(path.clone())).unwrap();
        let panel = Panel::spawn(outputs, Arc::new(SystemClock::new())).unwrap();
        panel.show(Indication::Unlocked);
        // Orders are carried out in their order, and dropping waits for the thread.
        drop(panel);
        let text = std::fs::read_to_string(path).unwrap();
        let on = |output: &str| {
            let of: Vec<_> = text
                .lines()
                .filter(|l| l.contains(&format!("\"{output}\"")))
                .map(|line| line.contains("\"on\":true"))
                .collect();
            of
        };
        assert_eq!(on("green"), [false, true, false], "{text}");
    }

    #[test]
    fn a_failing_output_is_told_once_and_stops_nobody() {
        let full = OutputsConfig {
            green: None,
            ..config("/dev/full".into())
        };
        let outputs = Outputs::open(&full).unwrap();
        let mut pins = Pins::new(outputs);
        let fault = || {
            Err(GpioError::Transitions {
                path: "x".into(),
                source: std::io::ErrorKind::StorageFull.into(),
            })
        };
        pins.note(Output::Green, fault());
        pins.note(Output::Green, fault());
        assert_eq!(pins.failing, [Output::Green]);
        pins.note(Output::Green, Ok(()));
        assert!(pins.failing.is_empty());
    }
}
