//! LFW's pairs file: reading it strictly, and writing it.
//!
//! Pure. First line `folds<TAB>n`, or `n` alone for one fold; then for each fold n lines of one
//! person (`name<TAB>n1<TAB>n2`) and n lines of two (`name1<TAB>n1<TAB>name2<TAB>n2`). Anything
//! else is refused with its line: a list that is misread measures something else.

use std::fmt::Write as _;

/// Two pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Line of the file, from 1.
    pub line: usize,
    /// From 0.
    pub fold: usize,
    /// Name and number, from 1.
    pub first: (String, u32),
    /// Name and number, from 1.
    pub second: (String, u32),
}

impl Pair {
    /// Whether both pictures are of one person.
    #[must_use]
    pub fn matched(&self) -> bool {
        self.first.0 == self.second.0
    }
}

/// A whole list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// At least 1.
    pub folds: usize,
    /// Fold by fold, matched ones first.
    pub pairs: Vec<Pair>,
}

/// What is wrong with a list.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The head is no count.
    #[error("line 1: expected \"FOLDS<TAB>PAIRS\" or \"PAIRS\", both at least 1, found {0:?}")]
    Head(String),
    /// A line is not what belongs there.
    #[error("line {line}: expected {expected}, found {found:?}")]
    Line {
        /// Which.
        line: usize,
        /// What belongs there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A picture is compared with itself.
    #[error("line {line}: {name} {number} is compared with itself")]
    Itself {
        /// Which.
        line: usize,
        /// Whose.
        name: String,
        /// Which picture.
        number: u32,
    },
    /// Too few lines, or too many.
    #[error(
        "{found} pairs, but line 1 announces {expected} ({folds} folds of {pairs} matched and {pairs} mismatched pairs)"
    )]
    Count {
        /// Pairs there are.
        found: usize,
        /// Pairs announced.
        expected: usize,
        /// Folds announced.
        folds: usize,
        /// Pairs of each kind in a fold.
        pairs: usize,
    },
}

const MATCHED: &str = "\"NAME<TAB>N1<TAB>N2\" (a pair of one person)";
const MISMATCHED: &str = "\"NAME1<TAB>N1<TAB>NAME2<TAB>N2\" (a pair of two people)";

impl List {
    /// Reads a list.
    ///
    /// # Errors
    /// The first thing that is wrong with it, with its line.
    pub fn parse(text: &str) -> Result<Self, ListError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = text.trim_end().lines().enumerate();
        let head = lines.next().map_or("", |(_, line)| line).trim_end();
        let (folds, count) = parse_head(head).ok_or_else(|| ListError::Head(head.to_owned()))?;
        let expected = folds.saturating_mul(count).saturating_mul(2);
        let found = lines.clone().count();
        if found != expected {
            let pairs = count;
            return Err(ListError::Count {
                found,
                expected,
                folds,
                pairs,
            });
        }
        let mut pairs = Vec::with_capacity(found);
        for (place, (index, text)) in lines.enumerate() {
            let line = index + 1;
            let fold = place / (2 * count);
            let matched = place % (2 * count) < count;
            let text = text.trim_end();
            let (first, second) = parse_pair(text, matched).ok_or_else(|| ListError::Line {
                line,
                expected: if matched { MATCHED } else { MISMATCHED },
                found: text.to_owned(),
            })?;
            if first == second {
                let (name, number) = first;
                return Err(ListError::Itself { line, name, number });
            }
            pairs.push(Pair {
                line,
                fold,
                first,
                second,
            });
        }
        Ok(Self { folds, pairs })
    }

    /// The list as a file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "{}\t{}\n",
            self.folds,
            self.pairs.len() / 2 / self.folds.max(1)
        );
        for pair in &self.pairs {
            let ((a, m), (b, n)) = (&pair.first, &pair.second);
            // Writing to a String cannot fail.
            let _ = match pair.matched() {
                true => writeln!(text, "{a}\t{m}\t{n}"),
                false => writeln!(text, "{a}\t{m}\t{b}\t{n}"),
            };
        }
        text
    }
}

fn parse_head(head: &str) -> Option<(usize, usize)> {
    let numbers: Vec<usize> = head
        .split('\t')
        .map(|field| field.parse().ok().filter(|n| *n > 0))
        .collect::<Option<_>>()?;
    match numbers[..] {
        [pairs] => Some((1, pairs)),
        [folds, pairs] => Some((folds, pairs)),
        _ => None,
    }
}

type Side = (String, u32);

fn parse_pair(text: &str, matched: bool) -> Option<(Side, Side)> {
    let number = |field: &str| field.parse().ok().filter(|n: &u32| *n > 0);
    // A name is one folder: it cannot lead out of the root.
    let name = |field: &str| {
        let plain =
            !field.is_empty() && field != "." && field != ".." && !field.contains(['/', '\\']);
        plain.then(|| field.to_owned())
    };
    let fields: Vec<&str> = text.split('\t').collect();
    match fields[..] {
        [who, m, n] if matched => Some(((name(who)?, number(m)?), (name(who)?, number(n)?))),
        [a, m, b, n] if !matched && a != b => {
            Some(((name(a)?, number(m)?), (name(b)?, number(n)?)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "2\t1\nAda\t1\t2\nAda\t1\tBob\t3\nBob\t1\t3\nBob\t2\tCid\t1\n";

    #[test]
    fn a_list_is_read_and_written() {
        let list = List::parse(GOOD).unwrap();
        assert_eq!((list.folds, list.pairs.len()), (2, 4));
        assert_eq!(list.pairs[2].fold, 1);
        assert!(list.pairs[2].matched() && !list.pairs[3].matched());
        assert_eq!(list.pairs[3].line, 5);
        assert_eq!(list.to_text(), GOOD);
        assert_eq!(List::parse("1\nA\t1\t2\nA\t1\tB\t1").unwrap().folds, 1);
        let windows = GOOD.replace('\n', "\r\n");
        assert_eq!(List::parse(&windows).unwrap().to_text(), GOOD);
    }

    #[test]
    fn errors_name_the_line() {
        for (text, expected) in [
            ("", "line 1: expected"),
            ("0\t3", "line 1: expected"),
            ("ten\t3", "line 1: expected"),
            ("1\t1\nAda\t1\t2", "1 pairs, but line 1 announces 2"),
            (
                "1\nAda\t1\tBob\t2\nAda\t1\tBob\t2",
                "line 2: expected \"NAME<TAB>N1<TAB>N2\"",
            ),
            ("1\nAda\t1\t2\nAda\t1\t2", "line 3: expected \"NAME1"),
            ("1\nAda\t1\t2\nAda\t1\tAda\t2", "line 3: expected \"NAME1"),
            ("1\nAda 1 2\nAda\t1\tBob\t2", "line 2: expected"),
            ("1\nAda\t0\t2\nAda\t1\tBob\t2", "line 2: expected"),
            ("1\n..\t1\t2\nAda\t1\tBob\t2", "line 2: expected"),
            ("1\na/b\t1\t2\nAda\t1\tBob\t2", "line 2: expected"),
            (
                "1\nAda\t2\t2\nAda\t1\tBob\t2",
                "line 2: Ada 2 is compared with itself",
            ),
        ] {
            let error = List::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-b\t\n]{0,40}") {
            if let Ok(list) = List::parse(&text) {
                prop_assert_eq!(List::parse(&list.to_text()), Ok(list));
            }
        }
    }
}
