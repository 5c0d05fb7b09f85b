//! One timeline from several programs: what happened, in the order in which it happened.
//!
//! Flows in: entries with the time that their source gave them. Flows out: one line each, on
//! standard output. Sources are not equally quick (the record is polled), so an entry waits
//! a moment for older ones. Nothing is decided here.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use clap::builder::styling::{AnsiColor, Color, Style};
use doorward::clock::Timestamp;
use uuid::Uuid;

/// How long an entry waits for older ones: twice what `events follow` sleeps.
const SETTLE: Duration = Duration::from_millis(400);

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The demo made something ready.
    Prepared,
    /// The camera or vision.
    Seen,
    /// Somebody was granted or denied; it is in the database.
    Decided,
    /// Any other fact; it is in the database.
    Recorded,
    /// The relay moved.
    Actuated,
    /// The broker acknowledged an event.
    Published,
    /// The watcher got a message.
    Received,
    /// Something is not as it should be.
    Warning,
}

impl Word {
    fn text(self) -> &'static str {
        match self {
            Word::Prepared => "prepared",
            Word::Seen => "seen",
            Word::Decided => "decided",
            Word::Recorded => "recorded",
            Word::Actuated => "actuated",
            Word::Published => "published",
            Word::Received => "received",
            Word::Warning => "warning",
        }
    }

    fn style(self) -> Style {
        let color = match self {
            Word::Prepared => return Style::new().dimmed(),
            Word::Seen => AnsiColor::Blue,
            Word::Decided => return AnsiColor::Yellow.on_default().bold(),
            Word::Recorded => AnsiColor::Yellow,
            Word::Actuated => return AnsiColor::Magenta.on_default().bold(),
            Word::Published => AnsiColor::Cyan,
            Word::Received => AnsiColor::Green,
            Word::Warning => AnsiColor::Red,
        };
        Style::new().fg_color(Some(Color::Ansi(color)))
    }
}

/// One line of the timeline.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When it happened.
    pub at: Timestamp,
    /// What kind of thing.
    pub word: Word,
    /// Which event it is about, if it is about one.
    pub event: Option<EventRef>,
    /// What, in words.
    pub text: String,
}

/// An event by its id, and by its number where the source knows it.
#[derive(Debug, Clone, Copy)]
pub struct EventRef {
    /// The same everywhere.
    pub id: Uuid,
    /// In the record, from 1.
    pub seq: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub struct Timeline {
    start: Timestamp,
    waiting: Vec<Entry>,
    /// Numbers of events by their ids, from whoever knew them.
    numbers: BTreeMap<Uuid, u64>,
    colour: bool,
}

impl Timeline {
    /// Its zero is now. Colours only for people, and only for those who want them.
    pub fn begin() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            start: Timestamp::now(),
            waiting: Vec::new(),
            numbers: BTreeMap::new(),
            colour: std::io::stdout().is_terminal() && !unwanted,
        }
    }

    /// Something just happened; it is shown at once.
    pub fn now(&mut self, word: Word, text: impl Into<String>) -> anyhow::Result<()> {
        self.extend(Some(Entry {
            at: Timestamp::now(),
            word,
            event: None,
            text: text.into(),
        }));
        self.flush()
    }

    /// Something may have happened a moment ago.
    pub fn extend(&mut self, entry: Option<Entry>) {
        if let Some(EventRef { id, seq: Some(seq) }) = entry.as_ref().and_then(|e| e.event) {
            self.numbers.insert(id, seq);
        }
        self.waiting.extend(entry);
    }

    /// Shows what has waited long enough.
    pub fn show_settled(&mut self) -> anyhow::Result<()> {
        let settled = jiff::SignedDuration::try_from(SETTLE).unwrap_or_default();
        self.show_until(Timestamp::now() - settled)
    }

    /// Shows everything.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        self.show_until(Timestamp::MAX)
    }

    /// Prints a text that is no part of the timeline.
    pub fn say(&self, text: &str) -> anyhow::Result<()> {
        print(text)
    }

    /// Prints a text in bold, where that can be done.
    pub fn say_loudly(&self, text: &str, good: bool) -> anyhow::Result<()> {
        let color = if good {
            AnsiColor::Green
        } else {
            AnsiColor::Red
        };
        print(&self.styled(text, color.on_default().bold()))
    }

    fn show_until(&mut self, until: Timestamp) -> anyhow::Result<()> {
        // Stable: entries of the same instant stay in the order in which they came.
        self.waiting.sort_by_key(|entry| entry.at);
        let ready = self.waiting.partition_point(|entry| entry.at <= until);
        for entry in self.waiting.drain(..ready).collect::<Vec<_>>() {
            let seconds = entry.at.duration_since(self.start).as_secs_f64();
            let word = format!("{:<9}", entry.word.text());
            let word = self.styled(&word, entry.word.style());
            let event = match entry.event.map(|event| self.numbers.get(&event.id)) {
                Some(Some(number)) => format!("event {number}: "),
                Some(None) => "an event: ".to_owned(),
                None => String::new(),
            };
            print(&format!("{seconds:7.3} s  {word}  {event}{}", entry.text))?;
        }
        Ok(())
    }

    fn styled(&self, text: &str, style: Style) -> String {
        match self.colour {
            true => format!("{style}{text}{style:#}"),
            false => text.to_owned(),
        }
    }
}

/// Unlike `println!` it survives a reader who left early.
fn print(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("cannot write to standard output")
}
