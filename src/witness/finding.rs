//! What does not fit together in what was heard.

use std::fmt;

use serde::Serialize;

/// What kind of thing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// There are two records: one number has two hashes, an event does not follow from the one before
    /// it as it was heard, or a checkpoint says something else than was heard.
    Fork,
    /// Numbers were left out, and did not come later either.
    Gap,
    /// The record goes on from an earlier point than it had reached.
    Rewind,
    /// A checkpoint was not signed with the door's key.
    Forged,
    /// Somebody spoke for a door on another topic than the door's.
    Impostor,
}

impl FindingKind {
    /// The machine-readable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            FindingKind::Fork => "fork",
            FindingKind::Gap => "gap",
            FindingKind::Rewind => "rewind",
            FindingKind::Forged => "forged",
            FindingKind::Impostor => "impostor",
        }
    }

    /// The kind of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        use FindingKind::{Forged, Fork, Gap, Impostor, Rewind};
        let all = [Fork, Gap, Rewind, Forged, Impostor];
        all.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which door: its CloudEvents source.
    pub door: String,
    /// What kind of thing it is.
    pub finding: FindingKind,
    /// The event that shows it.
    pub seq: u64,
    /// In words.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            door,
            finding,
            detail,
            ..
        } = self;
        write!(f, "{door}: {}: {detail}", finding.as_str())
    }
}
