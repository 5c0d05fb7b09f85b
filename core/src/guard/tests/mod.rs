//! The guard with a disk that does as it is told, a latch that keeps time, and nothing else.
//!
//! `stories`, `corners`, `duress`, `guesses`, `keypad` and `starts` are told one by one,
//! `properties` hold whatever `steps` make happen.

mod commands;
mod corners;
mod duress;
mod guesses;
mod keypad;
mod properties;
mod rig;
mod starts;
mod steps;
mod stories;
