//! The guard with a disk that does as it is told, a latch that keeps time, and nothing else.
//!
//! `stories` are told one by one, `properties` hold whatever happens.

mod properties;
mod rig;
mod stories;
