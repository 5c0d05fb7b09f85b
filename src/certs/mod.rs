//! Certificates: what they say, when they expire, and a private CA that makes them.
//!
//! ```text
//! Authority::create ─▶ ca.pem, ca.key
//! Authority::open ─▶ sign(Request) ─▶ Pem ─▶ Pair::create or Pair::renew ─▶ NAME.pem, NAME.key
//! status ◀── every certificate of a folder, or of the configuration
//! ```
//! Files are whole or not there, keys are private from their first instant, and nothing that exists
//! is written over unless it is renewed, and then the old is kept. Nothing here decides whom to
//! trust; TLS does ([`crate::mqtt`]).

mod authority;
pub mod expiry;
pub mod facts;
mod pair;
pub mod pem;
mod request;
pub mod status;

use std::path::PathBuf;

pub use authority::{Authority, CA_DAYS};
pub use pair::{Pair, Pem};
pub use request::{DEFAULT_DAYS, MAX_DAYS, Purpose, Request};

/// Why a certificate was not made.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    /// Something is there already.
    #[error("{path} exists already and is left alone{hint}", path = path.display())]
    Exists {
        /// Which file.
        path: PathBuf,
        /// What to do instead.
        hint: &'static str,
    },
    /// Nothing is there to be renewed.
    #[error("there is nothing to renew: {0}")]
    NotThere(pem::FileError),
    /// What is there is something else.
    #[error("{path} is not the certificate that was named: it is {found}; it is left alone", path = path.display())]
    Another {
        /// Which file.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
    /// A file that cannot be written.
    #[error("cannot write {path}: {source}", path = path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// No CA here.
    #[error(
        "there is no CA to sign with: {0}; make one with `doorward certs init`, or name its folder"
    )]
    NoCa(pem::FileError),
    /// A CA that cannot sign.
    #[error("the CA in {folder} cannot sign: {cause}", folder = folder.display())]
    BadCa {
        /// Its folder.
        folder: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// A name that cannot be in a certificate.
    #[error("{name:?} cannot be the name of a {what}: {why}")]
    Name {
        /// The name.
        name: String,
        /// Of what.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It would be valid for longer than its CA.
    #[error(
        "a certificate for {days} days would outlive its CA, which expires on {ca_expires}; ask for fewer (--days), or make a new CA"
    )]
    OutlivesCa {
        /// How long was asked for.
        days: u16,
        /// When the CA expires.
        ca_expires: String,
    },
    /// The library could not.
    #[error("the certificate cannot be made: {0}")]
    Make(String),
}
