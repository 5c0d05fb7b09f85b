//! Notices that the network has come back, so that nobody waits for the end of a back-off.
//!
//! Read from files of the kernel's while there is no connection, and only then. Any new
//! interface that is up, any new route and any new address count: a broker may be beyond the
//! default route or on the next desk. Where the files are missing nothing is noticed, and the
//! back-off alone decides.

use std::collections::BTreeSet;
use std::path::Path;

/// What the device's network consists of: interfaces that are up, routes, IPv6 addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Network(BTreeSet<String>);

impl Network {
    /// As it is now.
    pub(super) fn now() -> Self {
        Self::read(Path::new("/proc/net"), Path::new("/sys/class/net"))
    }

    fn read(proc: &Path, sys: &Path) -> Self {
        let mut parts = BTreeSet::new();
        for file in ["route", "ipv6_route", "if_inet6"] {
            let text = std::fs::read_to_string(proc.join(file)).unwrap_or_default();
            parts.extend(text.lines().filter_map(|line| part(file, line)));
        }
        for interface in std::fs::read_dir(sys).into_iter().flatten().flatten() {
            let state = std::fs::read_to_string(interface.path().join("operstate"));
            if state.is_ok_and(|state| state.trim() == "up") {
                parts.insert(format!("up {}", interface.file_name().display()));
            }
        }
        Self(parts)
    }

    /// Whether something is there that was not there `before`.
    pub(super) fn has_more_than(&self, before: &Self) -> bool {
        !self.0.is_subset(&before.0)
    }
}

/// What identifies a route or an address; the counters beside it change all the time.
fn part(file: &str, line: &str) -> Option<String> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let identity: &[usize] = match file {
        // Iface Destination Gateway Flags RefCnt Use Metric Mask …
        "route" => &[0, 1, 2, 7],
        // destination length source length next-hop metric refcount use flags device
        "ipv6_route" => &[0, 1, 4, 9],
        // address index length scope flags device: new while it is tentative, too
        _ => &[0, 4, 5],
    };
    let fields = identity.iter().map(|&index| fields.get(index).copied());
    let fields: Option<Vec<&str>> = fields.collect();
    Some(format!("{file} {}", fields?.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
    const LAN: &str = "eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";
    const LAN_LATER: &str = "eth0\t0001A8C0\t00000000\t0001\t7\t9\t100\t00FFFFFF\t0\t0\t0\n";
    const DEFAULT: &str = "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n";
    const MOBILE: &str = "wwan0\t00000000\t0101010A\t0003\t0\t0\t700\t00000000\t0\t0\t0\n";

    fn network(routes: &[&str], up: &[&str]) -> Network {
        let folder = tempfile::tempdir().unwrap();
        let sys = folder.path().join("net");
        for interface in ["eth0", "wwan0"] {
            let state = if up.contains(&interface) {
                "up\n"
            } else {
                "down\n"
            };
            let path = sys.join(interface);
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("operstate"), state).unwrap();
        }
        let routes = [&[HEADER], routes].concat().concat();
        std::fs::write(folder.path().join("route"), routes).unwrap();
        Network::read(folder.path(), &sys)
    }

    #[test]
    fn what_comes_back_is_noticed_and_what_goes_is_not() {
        let whole = network(&[LAN, DEFAULT], &["eth0"]);
        let down = network(&[], &[]);
        let cable = network(&[], &["eth0"]);
        assert!(cable.has_more_than(&down));
        assert!(whole.has_more_than(&cable));
        assert!(network(&[LAN, DEFAULT], &["eth0"]).has_more_than(&network(&[LAN], &["eth0"])));
        assert!(!down.has_more_than(&whole));
        assert!(!cable.has_more_than(&whole));
        assert!(!whole.has_more_than(&whole));
    }

    #[test]
    fn another_way_out_is_noticed_and_counters_are_not() {
        let cable = network(&[LAN, DEFAULT], &["eth0"]);
        assert!(network(&[MOBILE], &["wwan0"]).has_more_than(&cable));
        assert!(!network(&[LAN_LATER, DEFAULT], &["eth0"]).has_more_than(&cable));
    }

    #[test]
    fn where_nothing_can_be_read_nothing_is_noticed() {
        let nothing = Network::read(Path::new("/nowhere"), Path::new("/nowhere"));
        assert_eq!(nothing, Network::default());
        assert!(!nothing.has_more_than(&Network::default()));
    }
}
