//! How well faces are recognised: error rates on labelled pictures, by the door's own rules.
//!
//! Flows in: folders of pictures that belong to whoever asks, read through [`crate::vision`].
//! Flows out: numbers with their bounds, and a report for people. The vocabulary is ISO/IEC
//! 19795-1's (FMR, FNMR, FPIR, FNIR) and, for presentation attacks, 30107-3's. Nothing is
//! enrolled, stored or sent, and embeddings live in memory only.
//!
//! | file | what is in it | pure? |
//! |---|---|---|
//! | [`files`] | which pictures belong to whom | lists folders |
//! | [`subject`] | which face is meant; the picture as a sample | reads pictures |
//! | [`rate`] | a share with its 95 % bounds | yes |
//! | [`scores`] | error rates at every threshold | yes |
//! | [`comparison`] | all pairs: verification, weak spots, doubtful labels | yes |
//! | [`identification`] | enrolled people and strangers searched for | yes |
//! | [`folder`] | all of that for a folder | reads pictures |
//! | [`pairs`] | LFW's list of pairs and its protocol; drawing such a list | reads pictures |
//! | [`liveness`] | live faces and attacks shown to the door's evidence | reads pictures |
//! | [`report`] | an HTML page of it | writes the page |

pub mod comparison;
pub mod files;
pub mod folder;
pub mod identification;
pub mod liveness;
pub mod pairs;
pub mod rate;
pub mod report;
pub mod scores;
pub mod subject;
