//! What was measured, beside what it must be: printed by every test, and judged at its end.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// How much earlier or later than its time the end of a release may come.
const TOLERANCE: Duration = Duration::from_millis(50);

/// From `time` less the tolerance to `time` and the tolerance.
pub fn within(time: Duration) -> RangeInclusive<Duration> {
    time - TOLERANCE..=time + TOLERANCE
}

/// One line of the table.
struct Figure {
    what: String,
    measured: Measured,
}

enum Measured {
    Time {
        took: Option<Duration>,
        must: RangeInclusive<Duration>,
    },
    Fact {
        holds: Result<(), String>,
    },
}

/// Everything that one scenario measured.
pub struct Report {
    case: String,
    figures: Vec<Figure>,
}

impl Report {
    pub fn new(case: impl Into<String>) -> Self {
        Self {
            case: case.into(),
            figures: Vec::new(),
        }
    }

    /// The time from one instant to another, if both came.
    pub fn time(
        &mut self,
        what: &str,
        from: Option<Instant>,
        to: Option<Instant>,
        must: RangeInclusive<Duration>,
    ) {
        let took = from
            .zip(to)
            .map(|(from, to)| to.saturating_duration_since(from));
        self.push(what, Measured::Time { took, must });
    }

    /// Something that holds or does not.
    pub fn fact(&mut self, what: &str, holds: bool, otherwise: impl Into<String>) {
        let holds = if holds { Ok(()) } else { Err(otherwise.into()) };
        self.push(what, Measured::Fact { holds });
    }

    fn push(&mut self, what: &str, measured: Measured) {
        let what = what.to_owned();
        self.figures.push(Figure { what, measured });
    }

    /// Prints it, and fails if anything is not as it must be.
    #[track_caller]
    pub fn judge(self) {
        println!("{self}");
        let wrong = self.figures.iter().filter(|figure| !figure.is_right());
        let wrong: Vec<String> = wrong.map(|figure| figure.to_string()).collect();
        assert!(wrong.is_empty(), "{}:\n{}", self.case, wrong.join("\n"));
    }
}

impl Figure {
    fn is_right(&self) -> bool {
        match &self.measured {
            Measured::Time { took, must } => took.is_some_and(|took| must.contains(&took)),
            Measured::Fact { holds } => holds.is_ok(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for figure in &self.figures {
            writeln!(f, "| {} {figure}", self.case)?;
        }
        Ok(())
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (measured, must) = match &self.measured {
            Measured::Time { took, must } => {
                let took = took.map_or("never".into(), |took| format!("{} ms", took.as_millis()));
                let (least, most) = (must.start().as_millis(), must.end().as_millis());
                let must = match least {
                    0 => format!("≤ {most} ms"),
                    _ => format!("{least}–{most} ms"),
                };
                (took, must)
            }
            Measured::Fact { holds } => {
                let measured = holds.clone().err().unwrap_or("yes".into());
                (measured, "yes".into())
            }
        };
        let verdict = if self.is_right() { "ok" } else { "**no**" };
        write!(f, "| {} | {measured} | {must} | {verdict} |", self.what)
    }
}
