//! PINs that are guessed first, and duress PINs that are a slip away from the PIN.
//!
//! Pure; asked when a PIN is set, of its digits, never of those that are typed at the door. With ten
//! tries until the cap and one a day after it, what counts is that none of the first guesses is right.
//!
//! Refused as too common is whatever follows one of four rules, or stands in the list:
//! - the step from digit to digit is always the same, over 9 to 0 too: 0000, 1234, 9876, 1357, 7890;
//! - it repeats itself: 1212, 123123, 474747;
//! - it is pairs: 1122, 334455;
//! - it is a year of this century or the last: 1900 to 2099.

/// Straight lines and corners of a keypad, and the rest of what surveys of leaked PINs have at the top.
const LISTED: [&str; 16] = [
    "2580", "0852", "1470", "0741", "1478", "7410", "1590", "1397", "1793", "1236", "1230", "1004",
    "5683", "0007", "1342", "147258",
];

/// Why a PIN is guessed first, if it is.
#[must_use]
pub fn common(digits: &str) -> Option<&'static str> {
    let bytes = digits.as_bytes();
    let step = |pair: &[u8]| (10 + pair[1] - pair[0]) % 10;
    let mut steps = bytes.windows(2).map(step);
    let first = steps.next();
    if steps.all(|step| Some(step) == first) {
        return Some("its digits follow each other in equal steps");
    }
    let repeats = |length: usize| {
        bytes.len().is_multiple_of(length)
            && bytes.iter().zip(&bytes[length..]).all(|(a, b)| a == b)
    };
    if (1..=bytes.len() / 2).any(repeats) {
        return Some("it repeats itself");
    }
    if bytes.len().is_multiple_of(2) && bytes.chunks(2).all(|pair| pair[0] == pair[1]) {
        return Some("it is made of pairs");
    }
    if bytes.len() == 4 && (digits.starts_with("19") || digits.starts_with("20")) {
        return Some("it looks like a year");
    }
    LISTED
        .contains(&digits)
        .then_some("it is among those that are tried first")
}

/// In how many places two PINs differ; digits that only one of them has count each.
#[must_use]
pub fn places(one: &str, other: &str) -> usize {
    let differing = one.bytes().zip(other.bytes()).filter(|(a, b)| a != b);
    differing.count() + one.len().abs_diff(other.len())
}

/// Everything that differs from these digits in no place or in one.
pub fn slips(digits: &str) -> impl Iterator<Item = String> {
    let exchanged = (0..digits.len()).flat_map(move |place| {
        ('0'..='9').map(move |digit| {
            let of = |(at, other): (usize, char)| if at == place { digit } else { other };
            digits.chars().enumerate().map(of).collect()
        })
    });
    let longer = ('0'..='9').map(move |digit| format!("{digits}{digit}"));
    let shorter = digits
        .len()
        .checked_sub(1)
        .map(|length| digits.chars().take(length).collect());
    exchanged.chain(longer).chain(shorter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_guessed_first_is_common_and_most_is_not() {
        for pin in [
            "0000",
            "1111",
            "1234",
            "4321",
            "7890",
            "1357",
            "2580",
            "0852",
            "1212",
            "6969",
            "123123",
            "1122",
            "334455",
            "1984",
            "2026",
            "987654321",
            "111111111111",
            "1004",
        ] {
            assert!(common(pin).is_some(), "{pin}");
        }
        for pin in [
            "4711", "0815", "7391", "471147", "815163", "2158", "19845", "90210", "1243",
        ] {
            assert_eq!(common(pin), None, "{pin}");
        }
        let refused = (0..10_000).filter(|n| common(&format!("{n:04}")).is_some());
        let refused = refused.count();
        assert!((300..600).contains(&refused), "{refused} of 10000");
    }

    #[test]
    fn slips_are_what_differs_in_one_place_at_most() {
        let slips: Vec<_> = slips("4711").collect();
        for slip in ["4711", "4712", "0711", "47110", "47119", "471"] {
            assert!(slips.iter().any(|other| other == slip), "{slip}");
        }
        assert!(slips.iter().all(|slip| places("4711", slip) <= 1));
        assert_eq!(slips.len(), 4 * 10 + 10 + 1);
        assert_eq!(
            ["4722", "0815", "471111", "47"].map(|pin| places("4711", pin)),
            [2, 3, 2, 2]
        );
    }
}
