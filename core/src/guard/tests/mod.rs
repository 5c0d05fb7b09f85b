//! The guard with a disk that does as it is told, a latch that keeps time, and nothing else.
//!
//! `stories`, `corners` and `starts` are told one by one, `properties` hold whatever happens.

mod corners;
mod properties;
mod rig;
mod starts;
mod stories;
