//! From pictures of somebody to the templates they are recognised by, with every refusal.
//!
//! Each picture is examined alone ([`Enroller::add`]), then all are judged together ([`plan`]):
//! the wrong person in the folder, pictures that add nothing, a face that is somebody else's.
//! [`guide`] and [`capture`] take the pictures with the door's own camera; [`separation`] says
//! how well a person is told apart afterwards. Flows in: untrusted image files, frames. Flows
//! out: [`Candidate`]s and [`Refusal`]s; nothing is stored here (see [`Store::enroll`]).
//!
//! [`Store::enroll`]: crate::store::Store::enroll

pub mod candidate;
pub mod capture;
mod enroller;
mod grouping;
pub mod guide;
pub mod plan;
pub mod pose;
mod refusal;
pub mod separation;

pub use candidate::{Candidate, Picture};
pub(crate) use enroller::observe;
pub use enroller::{Demands, Duplicate, Enroller, Judgement};
pub use refusal::Refusal;

pub use crate::vision::still::images_in;
