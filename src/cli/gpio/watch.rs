//! `doorward gpio watch`: live levels.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, bail};
use doorward::clock::{SystemClock, Timestamp, rfc3339_millis};
use doorward::config::{Config, InputWiring, KeypadConfig};
use doorward::gpio::debounce::Debounce;
use doorward::gpio::keypad::{self, Key};
use doorward::gpio::watch::watch_input;
use doorward::gpio::{GpioError, input};
use serde::Serialize;

use super::{Context, Outcome, print_line};

/// How long one wait for a key is, and the pause after a keypad that fails.
const KEY: Duration = Duration::from_secs(1);

/// Print what the contact, the exit button and the keypad do, a line each, until Ctrl-C.
///
/// A level is printed once it has lasted for the input's debounce_ms, as the service would
/// believe it. Digits are printed as stars. Moves nothing. With --json one object a line.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print the levels of this moment, without waiting for them to last, and end.
    #[arg(long)]
    once: bool,
}

/// One line of the output.
#[derive(Debug, Serialize)]
struct Seen {
    time: String,
    input: &'static str,
    /// `open`, `closed`, `pressed`, `released`; `*`, `enter`, `clear`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<bool>,
}

impl Seen {
    fn level(input: &Input, active: bool) -> Self {
        let [inactive, other] = input.words;
        Self {
            time: rfc3339_millis(Timestamp::now()),
            input: input.name,
            state: if active { other } else { inactive },
            active: Some(active),
        }
    }

    fn key(key: Key) -> Self {
        Self {
            time: rfc3339_millis(Timestamp::now()),
            input: "keypad",
            state: match key {
                Key::Digit(_) => "*",
                Key::Enter => "enter",
                Key::Clear => "clear",
            },
            active: None,
        }
    }

    fn print(&self, context: &Context) -> anyhow::Result<()> {
        if context.json {
            return context.print_json(self);
        }
        print_line(&format!("{}  {:8} {}", self.time, self.input, self.state))
    }
}

/// An input with the words for its levels, the inactive one first.
pub(super) struct Input {
    pub(super) name: &'static str,
    pub(super) words: [&'static str; 2],
    pub(super) wiring: InputWiring,
}

/// The configured inputs.
pub(super) fn inputs(config: &Config) -> Vec<Input> {
    let contact = config.contact.as_ref().map(|contact| Input {
        name: "contact",
        words: ["closed", "open"],
        wiring: contact.wiring(),
    });
    let rex = config.rex.as_ref().map(|rex| Input {
        name: "rex",
        words: ["released", "pressed"],
        wiring: rex.wiring(),
    });
    contact.into_iter().chain(rex).collect()
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        let inputs = inputs(&config);
        if inputs.is_empty() && config.keypad.is_none() {
            bail!(
                "nothing to watch: {} has no [contact], [rex] or [keypad]",
                context.config_path.display()
            );
        }
        if self.once {
            for input in &inputs {
                let active = input::open(&input.wiring, input.name)?.read()?;
                Seen::level(input, active).print(context)?;
            }
            return Ok(Outcome::Done);
        }
        let (sender, lines) = channel();
        for input in inputs {
            spawn_input(input, sender.clone())?;
        }
        if let Some(keypad) = config.keypad {
            spawn_keypad(keypad, sender)?;
        }
        for line in lines {
            line.print(context)?;
        }
        Ok(Outcome::Done)
    }
}

type Lines = Sender<Seen>;

/// The threads end with the process: nothing here has to be put back.
fn spawn_input(input: Input, lines: Lines) -> anyhow::Result<()> {
    let mut line = input::open(&input.wiring, input.name)?;
    let time = Duration::from_millis(u64::from(input.wiring.debounce_ms));
    let watch = move || {
        watch_input(
            &mut *line,
            Debounce::new(time, None),
            &SystemClock::new(),
            &AtomicBool::new(false),
            |active| {
                // The other end is gone only when the process ends.
                let _ = lines.send(Seen::level(&input, active));
            },
            complain,
        );
    };
    spawn(watch)
}

fn spawn_keypad(config: KeypadConfig, lines: Lines) -> anyhow::Result<()> {
    let mut keypad = keypad::open(&config);
    let watch = move || {
        let mut failing = false;
        loop {
            match keypad.next(KEY) {
                Ok(key) => {
                    failing = false;
                    if let Some(key) = key
                        && lines.send(Seen::key(key)).is_err()
                    {
                        return;
                    }
                }
                Err(error) => {
                    if !failing {
                        complain(&error);
                    }
                    failing = true;
                    std::thread::sleep(KEY);
                }
            }
        }
    };
    spawn(watch)
}

fn spawn(watch: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    std::thread::Builder::new()
        .spawn(watch)
        .map(|_| ())
        .context("the system refuses a thread")
}

/// What does not work may be repaired while it is watched.
fn complain(error: &GpioError) {
    use std::io::Write as _;
    // Nobody may be there to read it.
    let _ = writeln!(std::io::stderr(), "doorward: {error}; still trying");
}
