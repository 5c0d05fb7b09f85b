//! `doorward gpio test`: an installer's walk through the wiring.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use dialoguer::Confirm;
use doorward::clock::{Clock as _, SystemClock};
use doorward::config::{Config, KeypadConfig, OutputsConfig};
use doorward::event::wire::Lock;
use doorward::gpio::debounce::Debounce;
use doorward::gpio::keypad::{self, PinEntry};
use doorward::gpio::output::{Output, Outputs};
use doorward::gpio::relay;
use doorward::gpio::{GpioError, input};
use doorward::store::{InstanceLock, StoreError};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::guard::Guard;
use super::watch::{Input, inputs};
use super::{Context, Outcome, print_line};

/// What is to be typed: enough keys to find swapped ones.
const TYPED: &str = "1234";
/// How often the countdown moves while a key is awaited.
const LOOK: Duration = Duration::from_millis(200);

/// Try out the wiring piece by piece: relay, contact, exit button, lights, sounder, keypad.
///
/// Moves the relay and asks what happened, so stand where you see and hear the door. Refused
/// while the service runs on the same database. However it ends (Ctrl-C, a lost connection),
/// the relay is secured. Ends with a table; exit code 4 means that a piece failed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ask nothing: every answer is yes, and inputs and keypad are only read.
    ///
    /// For scripts; without it a terminal is needed.
    #[arg(long)]
    yes: bool,

    /// How long to wait for the contact, the button and the keypad, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

/// How one piece did.
#[derive(Debug, Serialize)]
struct Piece {
    piece: String,
    ok: bool,
    detail: String,
}

/// What became of a try: well with a remark, or why not.
type Verdict = Result<&'static str, String>;

struct Walk {
    guard: Guard,
    yes: bool,
    timeout: Duration,
    pieces: Vec<Piece>,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        let somebody = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if !self.yes && !somebody {
            bail!("gpio test asks questions and needs a terminal; in a script use --yes");
        }
        let _lock = alone(&config)?;
        let mut walk = Walk {
            guard: Guard::stand()?,
            yes: self.yes,
            timeout: Duration::from_secs(self.timeout),
            pieces: Vec::new(),
        };
        walk.relay(&config)?;
        for input in inputs(&config) {
            walk.input(&input);
        }
        if let Some(outputs) = &config.outputs {
            walk.outputs(outputs)?;
        }
        if let Some(keypad) = &config.keypad {
            walk.keypad(keypad);
        }
        let Walk { guard, pieces, .. } = walk;
        drop(guard);
        for piece in &pieces {
            piece.print(context)?;
        }
        Ok(if pieces.iter().all(|piece| piece.ok) {
            Outcome::Done
        } else {
            Outcome::Partly
        })
    }
}

impl Piece {
    fn print(&self, context: &Context) -> anyhow::Result<()> {
        if context.json {
            return context.print_json(self);
        }
        let word = if self.ok { "ok" } else { "FAILED" };
        print_line(&format!("{:22} {word:7} {}", self.piece, self.detail))
    }
}

/// Holds what the service would hold, so that neither moves a pin under the other.
fn alone(config: &Config) -> anyhow::Result<InstanceLock> {
    crate::cli::refuse_foreign_root(&config.store.path)?;
    InstanceLock::acquire(&config.store.path).map_err(|error| match error {
        StoreError::InUse { .. } => anyhow::anyhow!(
            "the service runs and holds the pins; stop it first: sudo systemctl stop doorward"
        ),
        error => error.into(),
    })
}

impl Walk {
    fn note(&mut self, piece: impl Into<String>, verdict: Verdict) {
        let (ok, detail) = match verdict {
            Ok(remark) => (true, remark.to_owned()),
            Err(cause) => (false, cause),
        };
        self.pieces.push(Piece {
            piece: piece.into(),
            ok,
            detail,
        });
    }

    /// Asks what only a person can tell.
    fn ask(&self, question: &str, otherwise: &str) -> anyhow::Result<Verdict> {
        if self.yes {
            return Ok(Ok("nobody was asked"));
        }
        let answer = Confirm::new()
            .with_prompt(question)
            .interact()
            .context("no answer")?;
        Ok(if answer {
            Ok("seen")
        } else {
            Err(otherwise.to_owned())
        })
    }

    /// Secured, released, secured.
    fn relay(&mut self, config: &Config) -> anyhow::Result<()> {
        match relay::open(&config.relay) {
            Ok(relay) => self.guard.held().relay = Some(relay),
            Err(error) => {
                self.note("relay", Err(error.to_string()));
                return Ok(());
            }
        }
        for (piece, lock, question, otherwise) in [
            (
                "relay secured",
                Lock::Secured,
                "The relay is off. Is the door locked?",
                "not locked; check [relay] active and the lock's wiring",
            ),
            (
                "relay released",
                Lock::Released,
                "The relay is on. Did it click, and can the door be opened?",
                "not released; check [relay] pin and active, the relay's supply and the lock's",
            ),
            (
                "relay secured again",
                Lock::Secured,
                "The relay is off again. Is the door locked?",
                "still released; check the relay board, its contact may stick",
            ),
        ] {
            let moved = self
                .guard
                .held()
                .relay
                .as_mut()
                .map(|relay| relay.set(lock));
            let verdict = match moved {
                Some(Err(error)) => Err(error.to_string()),
                _ => self.ask(question, otherwise)?,
            };
            self.note(piece, verdict);
        }
        Ok(())
    }

    /// Active and back again, by the installer's hand.
    fn input(&mut self, input: &Input) {
        let verdict = self.operate(input).unwrap_or_else(|e| Err(e.to_string()));
        self.note(input.name, verdict);
    }

    fn operate(&self, input: &Input) -> Result<Verdict, GpioError> {
        let mut line = input::open(&input.wiring, input.name)?;
        if self.yes {
            line.read()?;
            return Ok(Ok("read; nobody operated it"));
        }
        // At rest first: a door that stands open, a button that is held.
        for (active, word) in [
            (false, input.words[0]),
            (true, input.words[1]),
            (false, input.words[0]),
        ] {
            if !self.becomes(&mut *line, input, active, word)? {
                let name = input.name;
                return Ok(Err(format!(
                    "did not become {word}; check [{name}] pin, pull and level, and the wires"
                )));
            }
        }
        Ok(Ok("operated"))
    }

    /// Waits until the believed level is this one.
    fn becomes(
        &self,
        line: &mut dyn input::InputLine,
        input: &Input,
        active: bool,
        word: &str,
    ) -> Result<bool, GpioError> {
        let clock = SystemClock::new();
        let time = Duration::from_millis(u64::from(input.wiring.debounce_ms));
        let mut debounce = Debounce::new(time, None);
        let countdown = Countdown::new(format!("{}: make it {word}", input.name), self.timeout);
        while countdown.goes_on() {
            let now = clock.tick();
            if debounce.feed(line.read()?, now) == Some(active) {
                return Ok(true);
            }
            let wait = debounce.deadline().map_or(LOOK, |end| end.since(now));
            line.wait(wait.min(LOOK))?;
        }
        Ok(false)
    }

    /// One after the other, on and off.
    fn outputs(&mut self, config: &OutputsConfig) -> anyhow::Result<()> {
        let outputs = match Outputs::open(config) {
            Ok(outputs) => outputs,
            Err(error) => {
                self.note("outputs", Err(error.to_string()));
                return Ok(());
            }
        };
        let wired: Vec<_> = outputs.wired().collect();
        self.guard.held().outputs = Some(outputs);
        for output in wired {
            let name = output.as_str();
            let verdict = match self.switch(output, true) {
                Err(error) => Err(error.to_string()),
                Ok(()) => self.ask(
                    &format!("{name} is on. Do you see or hear it?"),
                    &format!("not seen; check [outputs] {name}: pin, active and the wires"),
                )?,
            };
            let off = self.switch(output, false).map_err(|e| e.to_string());
            self.note(name, off.and(verdict));
        }
        Ok(())
    }

    fn switch(&self, output: Output, on: bool) -> Result<(), GpioError> {
        let mut held = self.guard.held();
        held.outputs.as_mut().map_or(Ok(()), |o| o.set(output, on))
    }

    fn keypad(&mut self, config: &KeypadConfig) {
        let verdict = self.type_on(config).unwrap_or_else(|e| Err(e.to_string()));
        self.note("keypad", verdict);
    }

    fn type_on(&self, config: &KeypadConfig) -> Result<Verdict, GpioError> {
        let mut keypad = keypad::open(config);
        if self.yes {
            keypad.next(Duration::ZERO)?;
            return Ok(Ok("read; nobody typed"));
        }
        let clock = SystemClock::new();
        let mut entry = PinEntry::default();
        let countdown = Countdown::new("keypad: type 1 2 3 4 Enter".into(), self.timeout);
        while countdown.goes_on() {
            let Some(key) = keypad.next(LOOK)? else {
                continue;
            };
            if let Some(typed) = entry.press(key, clock.tick()) {
                return Ok(if typed.digits.as_str() == TYPED {
                    Ok("typed")
                } else {
                    Err("other digits came than 1 2 3 4; check the keypad's layout".into())
                });
            }
        }
        Ok(Err(
            "1 2 3 4 Enter did not come; check [keypad] device".into()
        ))
    }
}

/// A line that says what to do and for how long it is waited for; it vanishes.
struct Countdown {
    bar: ProgressBar,
    what: String,
    end: Instant,
}

impl Countdown {
    fn new(what: String, timeout: Duration) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        // Where the bar is not drawn (TERM=dumb) the task is still told.
        if bar.is_hidden() {
            let _ = writeln!(std::io::stderr(), "{what}");
        }
        Self {
            bar,
            what,
            end: Instant::now() + timeout,
        }
    }

    fn goes_on(&self) -> bool {
        let left = self.end.saturating_duration_since(Instant::now());
        self.bar
            .set_message(format!("{} … {} s", self.what, left.as_secs_f32().ceil()));
        !left.is_zero()
    }
}

impl Drop for Countdown {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
