//! Where a stream is, and what of it may be told.
//!
//! Cameras take their credentials before the host, in the query, in the path, as properties of a
//! pipeline: wherever a maker put them. So nothing is taken out of an address before it is shown;
//! what is shown is put together from the little that is known to be harmless: scheme, host, port
//! and the path up to its first part that might be more than a name. Logs, errors, alarms, the
//! record, MQTT and `--json` all show the same, because [`Display`](std::fmt::Display), `Debug` and
//! `Serialize` do; only [`secret`](Address::secret) gives the whole, to whoever opens the stream.

use serde::{Deserialize, Serialize, Serializer};

/// What is left out.
const HIDDEN: &str = "…";
/// What a part of a path may not contain to be shown, in lower case.
const SUSPICIOUS: [&str; 14] = [
    "user", "usr", "pass", "pwd", "pw", "login", "admin", "auth", "token", "secret", "cred", "key",
    "sess", "sign",
];

macro_rules! guarded {
    ($(#[$meta:meta])* $name:ident, $told:path) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// All of it, credentials too: to open the stream with, never to be shown.
            #[must_use]
            pub fn secret(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&$told(&self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:?}", $told(&self.0))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&$told(&self.0))
            }
        }
    };
}

guarded! {
    /// The address of a stream, `rtsp://…`.
    Address, told
}

guarded! {
    /// A GStreamer pipeline.
    Pipeline, told_of_pipeline
}

/// What may be told of an address: `scheme://host:port/path`.
#[must_use]
pub fn told(address: &str) -> String {
    let (scheme, rest) = match address.split_once("://") {
        Some((scheme, rest)) if is_name(scheme, "+.-") => (format!("{scheme}://"), rest),
        Some(_) => return HIDDEN.to_owned(),
        None => (String::new(), address),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    // Perhaps of a password with a slash in it, perhaps of a query: nobody can tell what is the host.
    if rest.contains('@') {
        return format!("{scheme}{HIDDEN}");
    }
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    if !is_host(host) {
        return format!("{scheme}{HIDDEN}");
    }
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let mut shown = format!("{scheme}{host}");
    for part in path.split('/').skip(1) {
        shown.push('/');
        if !is_harmless(part) {
            shown.push_str(HIDDEN);
            break;
        }
        shown.push_str(part);
    }
    shown
}

/// What may be told of a local file or device: all, unless it is an address after all.
#[must_use]
pub fn told_of_path(path: &str) -> String {
    if path.contains("://") {
        told(path)
    } else {
        path.to_owned()
    }
}

/// What may be told of a pipeline: its first element, and the addresses that are set as such.
fn told_of_pipeline(pipeline: &str) -> String {
    let element = pipeline.split_whitespace().next().unwrap_or_default();
    let mut shown = if is_name(element, "-_") {
        element.to_owned()
    } else {
        HIDDEN.to_owned()
    };
    for address in addresses(pipeline) {
        shown.push(' ');
        shown.push_str(&told(address));
    }
    shown
}

/// Values of the properties `location` and `uri` that are addresses.
fn addresses(pipeline: &str) -> impl Iterator<Item = &str> {
    let after = |name: &'static str| {
        pipeline.match_indices(name).filter_map(move |(at, _)| {
            let begins = pipeline[..at]
                .chars()
                .next_back()
                .is_none_or(char::is_whitespace);
            let value = pipeline[at + name.len()..].trim_start().strip_prefix('=')?;
            let value = value.trim_start();
            let value = match value.strip_prefix(['"', '\'']) {
                Some(quoted) => quoted.split(['"', '\'']).next(),
                None => value.split_whitespace().next(),
            };
            value.filter(|value| begins && value.contains("://"))
        })
    };
    after("location").chain(after("uri"))
}

fn is_name(text: &str, also: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || also.contains(c);
    !text.is_empty() && text.chars().all(fits)
}

/// A host name or address, perhaps with a port.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_host = inner.map_or_else(
        || host.is_empty() || is_name(host, ".-_"),
        |inner| {
            inner
                .chars()
                .all(|c| c.is_ascii_hexdigit() || ":.".contains(c))
        },
    );
    is_host && port.is_none_or(|port| port.chars().all(|c| c.is_ascii_digit()))
}

fn is_harmless(part: &str) -> bool {
    let lower = part.to_ascii_lowercase();
    let fits = |c: char| c.is_ascii_alphanumeric() || "._~-".contains(c);
    part.chars().all(fits) && !SUSPICIOUS.iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_an_address_host_and_path_are_told() {
        for (address, expected) in [
            ("rtsp://admin:secret@10.0.0.9/live", "rtsp://10.0.0.9/live"),
            (
                "rtsp://10.0.0.9:554/Streaming/Channels/101",
                "rtsp://10.0.0.9:554/Streaming/Channels/101",
            ),
            (
                "rtsp://cam/user=admin&password=secret&channel=1",
                "rtsp://cam/…",
            ),
            (
                "rtsp://cam/user=admin_password=secret_stream=0.sdp",
                "rtsp://cam/…",
            ),
            (
                "http://cam/cgi-bin/snapshot.cgi?usr=admin&pwd=secret",
                "http://cam/cgi-bin/snapshot.cgi",
            ),
            ("rtsp://cam/11?x=1#secret", "rtsp://cam/11"),
            ("rtsp://cam/live#secret", "rtsp://cam/live"),
            ("rtsp://cam?secret", "rtsp://cam"),
            ("http://cam/video/admin/secret/1", "http://cam/video/…"),
            ("http://cam/live/Token/secret", "http://cam/live/…"),
            ("http://cam/a%3Fpassword%3Dsecret", "http://cam/…"),
            ("http://cam/a;secret/b", "http://cam/…"),
            ("rtsp://[fe80::1]:554/live", "rtsp://[fe80::1]:554/live"),
            ("rtsp://user:secret@[fe80::1]/live", "rtsp://[fe80::1]/live"),
            // Whose @ is it?
            ("rtsp://admin:p@s/secret@cam", "rtsp://…"),
            ("rtsp://admin:1234?secret@cam/live", "rtsp://…"),
            ("rtsp://cam/live?password=x@secret", "rtsp://…"),
            ("rtsp://ad min:secret", "rtsp://…"),
            ("cam/live?pwd=secret", "cam/live"),
            ("admin:secret@cam/live", "cam/live"),
            ("a secret://x", "…"),
            ("", ""),
        ] {
            assert_eq!(told(address), expected, "{address}");
            assert_eq!(Address::from(address).secret(), address);
        }
    }

    #[test]
    fn of_a_pipeline_its_source_is_told() {
        for (pipeline, expected) in [
            (
                "rtspsrc location=\"rtsp://admin:secret@cam/a?b\" user-id=admin user-pw=secret ! decodebin ! appsink",
                "rtspsrc rtsp://cam/a",
            ),
            (
                "rtspsrc user-pw = \"a secret ! word\" location = rtsp://cam/a ! appsink",
                "rtspsrc rtsp://cam/a",
            ),
            (
                "souphttpsrc extra-headers=\"h,Authorization=secret\" location='http://cam/mjpg' ! jpegdec",
                "souphttpsrc http://cam/mjpg",
            ),
            (
                "uridecodebin uri=rtsp://a:secret@cam/x ! appsink",
                "uridecodebin rtsp://cam/x",
            ),
            (
                "rtspsrc user-pw=x-location=rtsp://secret/ ! appsink",
                "rtspsrc",
            ),
            (
                "libcamerasrc ! video/x-raw,width=640 ! videoconvert ! appsink",
                "libcamerasrc",
            ),
            ("user-pw=secret", "…"),
        ] {
            assert_eq!(Pipeline::from(pipeline).to_string(), expected);
        }
    }

    #[test]
    fn a_file_is_told_as_it_is_unless_it_is_an_address() {
        assert_eq!(told_of_path("/dev/video0"), "/dev/video0");
        assert_eq!(told_of_path("clips/user=x.avi"), "clips/user=x.avi");
        assert_eq!(told_of_path("rtsp://a:secret@cam/?b"), "rtsp://cam/");
    }

    proptest! {
        /// Wherever makers put them, and whatever characters they are of.
        #[test]
        fn a_password_is_in_nothing_that_is_told(
            password in "[!-~]{4,12}",
            place in prop::sample::select(vec![
                "rtsp://admin:{}@cam/live", "rtsp://cam/live?user=admin&password={}", "rtsp://cam/live?{}",
                "rtsp://cam/user=admin&password={}&channel=1", "rtsp://cam/x#{}", "http://cam/a/password/{}/b",
            ]),
        ) {
            // Told apart from what is harmless by a mark that no host and no path here has.
            let password = format!("{password}Q7z");
            let address = Address::from(place.replace("{}", &password).as_str());
            for shown in [address.to_string(), format!("{address:?}"), serde_json::to_string(&address).unwrap()] {
                prop_assert!(!shown.contains("Q7z"), "{}", shown);
            }
        }
    }
}
