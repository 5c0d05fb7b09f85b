//! The door: a pure state machine ([`step`])
//!
//! `step` takes (settings, state, input, now) and gives (state, effects); it knows no clock, pin or
//! disk. The order of its effects is the order in which they are recorded. What the relay is to do
//! follows from the state alone ([`Door::released`]); whoever takes a step that releases by a grant or
//! a command has put it on the record before. `docs/door.md` has the table of states and inputs; a
//! test compares it with the code.
//!
//! | file | what is in it |
//! |---|---|
//! | `machine` | relay and mode: what is released, why and until when |
//! | `leaf` | the contact: opened, closed, forced, held open, bouncing |
//! | `button` | the exit button: pressed, stuck |
//! | `input` | what can happen, and what is to be done about it |
//! | `settings` | times and switches, from the configuration |

mod button;
mod input;
mod leaf;
mod machine;
mod settings;

pub use input::{Choice, Effect, Input, Refusal, Released};
pub use machine::{Door, GRACE, step};
pub use settings::{ContactSettings, RexSettings, Settings};
