//! Brokers that tell their version, and the one thing that depends on it.
//!
//! EMQX publishes the version of each of its nodes every minute to whomever it lets subscribe;
//! by default those are clients on its own host only, so its access rules must allow it. From
//! 6.2.0 on it acknowledges a message that says it is a repetition (DUP) without delivering it,
//! unless it has seen the first copy. Other brokers say nothing on these topics.

/// Where every node tells its version.
pub(super) const TOPIC: &str = "$SYS/brokers/+/version";

/// The first version that drops repetitions it has not seen.
const DROPS_FROM: (u32, u32) = (6, 2);

/// Whether this is a topic that [`TOPIC`] asks for.
pub(super) fn is_told_on(topic: &str) -> bool {
    topic
        .strip_prefix("$SYS/brokers/")
        .and_then(|rest| rest.strip_suffix("/version"))
        .is_some_and(|node| !node.is_empty() && !node.contains('/'))
}

/// Whether a broker of this version drops repetitions it has not seen; none for what is not
/// a version.
pub(super) fn drops_repetitions(version: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(version).ok()?.trim();
    let mut numbers = text.trim_start_matches('v').split('.');
    let major = numbers.next()?.parse::<u32>().ok()?;
    let minor = numbers.next()?.parse::<u32>().ok()?;
    Some((major, minor) >= DROPS_FROM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        for (version, drops) in [
            ("4.4.19", Some(false)),
            ("5.10.0", Some(false)),
            ("6.1.99", Some(false)),
            ("6.2.0", Some(true)),
            ("v6.10.1-rc.1", Some(true)),
            ("10.0.0", Some(true)),
            ("mosquitto version 2.0.11", None),
            ("", None),
        ] {
            assert_eq!(drops_repetitions(version.as_bytes()), drops, "{version}");
        }
        assert_eq!(drops_repetitions(&[0xFF]), None);
    }

    #[test]
    fn the_topic_is_one_node_s() {
        assert!(is_told_on("$SYS/brokers/emqx@127.0.0.1/version"));
        assert!(!is_told_on("$SYS/brokers/a/b/version"));
        assert!(!is_told_on("$SYS/brokers//version"));
        assert!(!is_told_on("doorward/version"));
    }
}
