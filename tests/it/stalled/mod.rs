//! The door while nothing can be written: it releases and secures on time all the same.
//!
//! Each scenario runs the real service, measures it from outside, and compares every figure with
//! what it must be. `cargo nextest run --test it stalled:: --no-capture` prints the figures;
//! `stalled::table` (ignored: it judges nothing) prints all of them as one table, also for a build
//! that fails them. `DOORWARD_STALL_SECONDS` says how long the disk stands still (6 by default),
//! `DOORWARD_BINARY` which build is measured.
//!
//! Freezing needs root and a loop device; where there is none, those tests say so and pass.

mod ending;
mod exit_button;
mod release;
mod safe_level;
mod signals;
mod simulation;
mod watchdog;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::support::stalled::{Kind, Report};

/// What a button, a signal or an end may take beside its time.
const AT_ONCE: Duration = Duration::from_millis(50);
/// From SIGTERM to a secured door.
const SIGTERM: Duration = Duration::from_millis(500);

/// Judges a scenario, if it could be played.
#[track_caller]
fn judge(report: Option<Report>) {
    if let Some(report) = report {
        report.judge();
    }
}

#[test]
#[ignore = "a table for the documentation, of some minutes; judges nothing"]
fn table() {
    type Scenario = (&'static str, fn() -> Option<Report>);
    let scenarios: [Scenario; 20] = [
        ("button", || exit_button::scenario(Kind::Nothing)),
        ("button, frozen", || exit_button::scenario(Kind::Frozen)),
        ("button, locked", || exit_button::scenario(Kind::Locked)),
        ("button held, frozen", || exit_button::held(Kind::Frozen)),
        ("open", || release::by_button(Kind::Nothing)),
        ("open, frozen", || release::by_button(Kind::Frozen)),
        ("open, locked", || release::by_button(Kind::Locked)),
        ("face", || release::by_face(Kind::Nothing)),
        ("face, frozen", || release::by_face(Kind::Frozen)),
        ("face, locked", || release::by_face(Kind::Locked)),
        ("command, frozen", || release::by_command(Kind::Frozen)),
        ("mode, frozen", || release::by_mode(Kind::Frozen)),
        ("late, frozen", || release::late(Kind::Frozen)),
        ("end", || ending::released(Kind::Nothing)),
        ("end, frozen", || ending::released(Kind::Frozen)),
        ("end, locked", || ending::released(Kind::Locked)),
        ("idle end, frozen", || ending::idle(Kind::Frozen)),
        ("stopped", || Some(watchdog::stopped())),
        ("stuck", watchdog::stuck),
        ("signals", || Some(signals::scenario())),
    ];
    println!("{}", simulation::measure());
    println!("| case | measured | is | must be | |\n|---|---|---|---|---|");
    for (name, scenario) in scenarios {
        match catch_unwind(AssertUnwindSafe(scenario)) {
            Ok(Some(report)) => print!("{report}"),
            Ok(None) => {}
            Err(_) => println!("| {name} | could not be measured to its end | | | **no** |"),
        }
    }
}
