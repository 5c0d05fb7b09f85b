//! Who may enter: the claim, and what is known about the person, make a decision.
//!
//! Pure; it knows nothing of doors, relays or storage. Denies unless everything speaks for a grant.
//!
//! | file | what is in it |
//! |---|---|
//! | [`rules`] | groups, schedules, holidays and people, as administration makes them |
//! | [`schedule`] | when a schedule is open, by the clock on the wall |
//! | [`settings`] | how they are applied at this door |
//! | [`policy`] | what the rules say of one person at one moment |
//! | [`lockout`], [`denials`] | too many wrong PINs of one person, or denials at this door |
//! | [`pin`] | hashes of PINs |
//! | [`guessable`] | PINs that are guessed first |
//! | [`keypad`] | whose digits they are |
//! | [`face`] | denials that the face alone decides |
//! | [`desk`], [`answer`] | who is being waited for, and what is answered |
//! | [`explain`](mod@explain) | why, and when next |

pub mod answer;
pub mod denials;
pub mod desk;
pub mod explain;
pub mod face;
pub mod guessable;
pub mod keypad;
pub mod lockout;
pub mod pin;
pub mod policy;
pub mod rules;
pub mod schedule;
pub mod settings;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod properties;

pub use answer::{Answer, Evidence};
pub use desk::Desk;
pub use explain::{Explanation, explain};
pub use policy::{Circumstances, Judgement, Policy};
pub use settings::{AccessConfig, AntiPassback, WithoutClock};
