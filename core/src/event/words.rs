//! The words of the record: every variant of an enum, and what it is called for machines.
//!
//! Derived, so that no list and no word can be forgotten. The words are `serde`'s; a test holds the
//! two against each other.

use strum::{EnumCount, VariantArray};

use super::wire::Availability;
use super::{
    Alarm, Challenge, Class, CommandRefusal, CommandVerb, Contact, DenyReason, DropReason, Method,
    Mode, ModeSource, PersonStatus, QualityProblem, ReleaseCause, RestoredFrom, Role, RuleChange,
    RuleKind, SecureCause, Severity,
};

macro_rules! words {
    ($($word:ty),+ $(,)?) => {$(
        impl $word {
            /// Every one, in the order in which they are declared.
            pub const ALL: [Self; <Self as EnumCount>::COUNT] = all(<Self as VariantArray>::VARIANTS);

            /// The machine-readable word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                self.into()
            }
        }
    )+};
}

words!(
    Alarm,
    Availability,
    Challenge,
    Class,
    CommandRefusal,
    CommandVerb,
    Contact,
    DenyReason,
    DropReason,
    Method,
    Mode,
    ModeSource,
    PersonStatus,
    QualityProblem,
    ReleaseCause,
    RestoredFrom,
    Role,
    RuleChange,
    RuleKind,
    SecureCause,
    Severity
);

const fn all<T: Copy, const N: usize>(variants: &[T]) -> [T; N] {
    let mut all = [variants[0]; N];
    let mut at = 0;
    while at < N {
        all[at] = variants[at];
        at += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn are_as_serde_writes_them<T: serde::Serialize + Copy + Into<&'static str>>(all: &[T]) {
        for &word in all {
            let text: &str = word.into();
            assert_eq!(serde_json::to_value(word).unwrap(), text);
        }
    }

    #[test]
    fn words_are_as_serde_writes_them() {
        are_as_serde_writes_them(&Alarm::ALL);
        are_as_serde_writes_them(&Challenge::ALL);
        are_as_serde_writes_them(&Class::ALL);
        are_as_serde_writes_them(&CommandRefusal::ALL);
        are_as_serde_writes_them(&CommandVerb::ALL);
        are_as_serde_writes_them(&Contact::ALL);
        are_as_serde_writes_them(&DenyReason::ALL);
        are_as_serde_writes_them(&DropReason::ALL);
        are_as_serde_writes_them(&Method::ALL);
        are_as_serde_writes_them(&Mode::ALL);
        are_as_serde_writes_them(&ModeSource::ALL);
        are_as_serde_writes_them(&PersonStatus::ALL);
        are_as_serde_writes_them(&QualityProblem::ALL);
        are_as_serde_writes_them(&ReleaseCause::ALL);
        are_as_serde_writes_them(&RestoredFrom::ALL);
        are_as_serde_writes_them(&Role::ALL);
        are_as_serde_writes_them(&RuleChange::ALL);
        are_as_serde_writes_them(&RuleKind::ALL);
        are_as_serde_writes_them(&SecureCause::ALL);
        are_as_serde_writes_them(&Severity::ALL);
        assert_eq!(
            Availability::ALL.map(Availability::as_str),
            ["online", "stopped", "offline"]
        );
    }
}
