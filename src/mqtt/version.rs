//! Brokers that tell their version, and the one thing that depends on it.
//!
//! EMQX publishes the version of each of its nodes every minute, retained, to whomever it lets
//! subscribe; by default those are clients on its own host only, or nobody (6.3), so its access rules
//! must allow it. 6.2.0 to 6.2.3 and what came before 6.3.0 under that number acknowledge a message
//! that says it is a repetition (DUP) without delivering it, unless they have seen the first copy.
//! 6.2.4, 6.3.0 and everything up to 6.1 do not. Other brokers say nothing on these topics.

/// Where every node tells its version.
pub(super) const TOPIC: &str = "$SYS/brokers/+/version";

/// The node of a topic that [`TOPIC`] asks for.
pub(super) fn node_of(topic: &str) -> Option<&str> {
    topic
        .strip_prefix("$SYS/brokers/")
        .and_then(|rest| rest.strip_suffix("/version"))
        .filter(|node| !node.is_empty() && !node.contains('/'))
}

/// A version, in the order of Semantic Versioning as far as it matters: what comes before a release
/// (`6.3.0-beta.2`) is less than it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    major: u32,
    minor: u32,
    patch: u32,
    released: bool,
}

impl Version {
    const fn new(major: u32, minor: u32, patch: u32, released: bool) -> Self {
        Self {
            major,
            minor,
            patch,
            released,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('v');
        // What follows a plus sign names a build, not a version.
        let text = text.split('+').next()?;
        let (numbers, before) = text.split_once('-').unwrap_or((text, ""));
        let mut numbers = numbers.split('.').map(str::parse);
        let mut number = || numbers.next()?.ok();
        Some(Self::new(
            number()?,
            number()?,
            number().unwrap_or_default(),
            before.is_empty(),
        ))
    }
}

/// From the first to before the second: versions that drop repetitions they have not seen.
const DROPPING: [(Version, Version); 2] = [
    (Version::new(6, 2, 0, false), Version::new(6, 2, 4, true)),
    (Version::new(6, 3, 0, false), Version::new(6, 3, 0, true)),
];

/// Whether a broker of this version drops repetitions it has not seen; none for what is not
/// a version.
pub(super) fn drops_repetitions(version: &[u8]) -> Option<bool> {
    let version = Version::parse(std::str::from_utf8(version).ok()?)?;
    let drops = |(first, corrected): &(Version, Version)| (*first..*corrected).contains(&version);
    Some(DROPPING.iter().any(drops))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_that_drop_repetitions_are_told_apart_to_the_patch_and_what_came_before_it() {
        for (version, drops) in [
            ("4.4.19", Some(false)),
            ("5.10.0", Some(false)),
            ("6.1.99", Some(false)),
            ("6.2.0-rc.1", Some(true)),
            ("6.2.0", Some(true)),
            ("6.2.3", Some(true)),
            ("6.2.4-rc.1", Some(true)),
            ("6.2.4", Some(false)),
            ("6.2.10", Some(false)),
            ("6.3.0-alpha.1", Some(true)),
            ("6.3.0-beta.2", Some(true)),
            ("6.3.0-beta.2+build.7", Some(true)),
            ("v6.3.0", Some(false)),
            ("6.3.0+build-7", Some(false)),
            ("6.3.1-rc.1", Some(false)),
            ("10.0.0", Some(false)),
            ("mosquitto version 2.0.11", None),
            ("six.two", None),
            ("", None),
        ] {
            assert_eq!(drops_repetitions(version.as_bytes()), drops, "{version}");
        }
        assert_eq!(drops_repetitions(&[0xFF]), None);
    }

    #[test]
    fn the_topic_is_one_node_s() {
        assert_eq!(
            node_of("$SYS/brokers/emqx@127.0.0.1/version"),
            Some("emqx@127.0.0.1")
        );
        for other in [
            "$SYS/brokers/a/b/version",
            "$SYS/brokers//version",
            "doorward/version",
        ] {
            assert_eq!(node_of(other), None, "{other}");
        }
    }
}
