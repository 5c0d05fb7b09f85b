//! What the tests stand on.

pub mod clip;
pub mod door;
pub mod faces;
pub mod small_disk;
