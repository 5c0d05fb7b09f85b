//! The guard with a disk that does as it is told, a latch that keeps time, and nothing else.
//!
//! `stories` and `corners` are told one by one, `properties` hold whatever happens.

mod commands;
mod corners;
mod properties;
mod rig;
mod stories;
