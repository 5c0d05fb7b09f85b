//! Certificates: what they say, when they expire, and a private CA that makes them.
//!
//! Nothing here decides whom to trust; TLS does ([`crate::mqtt`]).

pub mod expiry;
pub mod facts;
pub mod pem;
