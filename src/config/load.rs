//! Reads and checks a configuration: TOML ▸ types ▸ unknown keys ▸ ranges ▸ paths.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Config, ConfigError, DEFAULT_TOML, Place, RelayConfig, SourceKind};

impl Config {
    /// Reads, checks and resolves a configuration file.
    ///
    /// # Errors
    /// The first thing that is wrong with it, with file and line.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        let mut config = Self::parse(&text, path)?;
        config.resolve(path.parent().unwrap_or(Path::new("")));
        Ok(config)
    }

    /// Reads the `[relay]` section alone, whatever else is in the file: the relay must be made
    /// safe even when another part of the configuration is wrong.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, or the section itself is wrong.
    pub fn load_relay(path: &Path) -> Result<RelayConfig, ConfigError> {
        #[derive(Default, serde::Deserialize)]
        #[serde(default)]
        struct Only {
            relay: RelayConfig,
        }
        let text = read(path)?;
        let source = Source {
            text: &text,
            file: path,
        };
        let Only { mut relay } = toml::from_str(&text).map_err(|error| source.syntax(&error))?;
        if let Some(transitions) = &mut relay.transitions {
            *transitions = path.parent().unwrap_or(Path::new("")).join(&transitions);
        }
        Ok(relay)
    }

    /// Checks the text of a configuration; `file` is only named in errors.
    ///
    /// # Errors
    /// The first thing that is wrong with it, with file and line.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let source = Source { text, file };
        let table = DeTable::parse(text).map_err(|error| source.syntax(&error))?;
        let mut unknown = Vec::new();
        let deserializer =
            toml::Deserializer::parse(text).map_err(|error| source.syntax(&error))?;
        let config: Config = serde_ignored::deserialize(deserializer, |path| {
            unknown.push(path.to_string());
        })
        .map_err(|error| source.syntax(&error))?;
        if let Some(key) = unknown.into_iter().next() {
            return Err(ConfigError::UnknownKey {
                place: source.place(line_of(text, table.get_ref(), &key)),
                nearest: nearest(&key),
                key,
            });
        }
        config.check(&|key, value, allowed| ConfigError::Refused {
            place: source.place(line_of(text, table.get_ref(), key)),
            key: key.into(),
            value,
            allowed,
        })?;
        Ok(config)
    }

    fn check(&self, refuse: &Refuse<'_>) -> Result<(), ConfigError> {
        let Config {
            door,
            camera,
            models,
            recognition,
            relay,
            log,
            ..
        } = self;
        for (key, level) in [("door.site", &door.site), ("door.name", &door.name)] {
            let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if level.is_empty() || level.len() > 64 || !level.chars().all(fits) {
                let allowed = "1 to 64 letters, digits, \"-\", \"_\" or \".\"";
                return Err(refuse(key, format!("{level:?}"), allowed.into()));
            }
        }
        let needed = match camera.source {
            SourceKind::Gstreamer => Some(("pipeline", camera.pipeline.is_none())),
            SourceKind::Url => Some(("url", camera.url.is_none())),
            SourceKind::File | SourceKind::Folder => Some(("path", camera.path.is_none())),
            SourceKind::V4l2 => None,
        };
        if let Some((key, true)) = needed {
            let source = format!("{:?}", camera.source).to_lowercase();
            let allowed = format!("this source also needs `camera.{key}`");
            return Err(refuse("camera.source", format!("{source:?}"), allowed));
        }
        range(refuse, "camera.width", camera.width, 160..=4096)?;
        range(refuse, "camera.height", camera.height, 160..=4096)?;
        range(refuse, "camera.fps", camera.fps, 0.1..=120.0)?;
        range(refuse, "models.threads", models.threads, 1..=64)?;
        let r = recognition;
        range(refuse, "recognition.threshold", r.threshold, 0.2..=0.95)?;
        range(refuse, "recognition.margin", r.margin, 0.0..=0.5)?;
        range(refuse, "recognition.confirmations", r.confirmations, 2..=30)?;
        range(refuse, "recognition.window_ms", r.window_ms, 200..=10_000)?;
        range(
            refuse,
            "recognition.deny_after_ms",
            r.deny_after_ms,
            200..=60_000,
        )?;
        range(
            refuse,
            "recognition.repeat_after_ms",
            r.repeat_after_ms,
            1_000..=600_000,
        )?;
        range(
            refuse,
            "recognition.min_eye_distance_px",
            r.min_eye_distance_px,
            10.0..=500.0,
        )?;
        range(
            refuse,
            "recognition.min_sharpness",
            r.min_sharpness,
            0.0..=10_000.0,
        )?;

        range(
            refuse,
            "recognition.enroll_min_sharpness",
            r.enroll_min_sharpness,
            0.0..=10_000.0,
        )?;
        range(refuse, "relay.pin", relay.pin, 0..=1023)?;
        range(refuse, "relay.release_ms", relay.release_ms, 200..=255_000)?;
        if let Err(error) = log
            .level
            .parse::<tracing_subscriber::filter::targets::Targets>()
        {
            return Err(refuse(
                "log.level",
                format!("{:?}", log.level),
                error.to_string(),
            ));
        }
        self.check_mqtt(refuse)
    }

    fn check_mqtt(&self, refuse: &Refuse<'_>) -> Result<(), ConfigError> {
        let Some(mqtt) = &self.mqtt else {
            return Ok(());
        };
        let bad_url = |allowed: &str| {
            Err(refuse(
                "mqtt.url",
                format!("{:?}", mqtt.url),
                allowed.into(),
            ))
        };
        match url::Url::parse(&mqtt.url) {
            Ok(url) if url.host_str().is_none_or(str::is_empty) => return bad_url("has no host"),
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                return bad_url("must not carry credentials; use username and password_file");
            }
            Ok(url) => match url.scheme() {
                "mqtts" => {}
                "mqtt" if mqtt.allow_plaintext => {}
                "mqtt" => {
                    return bad_url(
                        "is not encrypted; use mqtts://, or set mqtt.allow_plaintext = true",
                    );
                }
                _ => return bad_url("must start with mqtts://"),
            },
            Err(_) => return bad_url("must be mqtts://host[:port]"),
        }
        if mqtt.client_cert_file.is_some() != mqtt.client_key_file.is_some() {
            let (key, value) = match &mqtt.client_cert_file {
                Some(path) => ("mqtt.client_cert_file", path.display().to_string()),
                None => ("mqtt.client_key_file", "…".to_owned()),
            };
            let allowed = "client_cert_file and client_key_file go together";
            return Err(refuse(key, value, allowed.into()));
        }
        if let Some(id) = &mqtt.client_id
            && (id.is_empty() || id.len() > 128 || id.chars().any(char::is_control))
        {
            return Err(refuse(
                "mqtt.client_id",
                format!("{id:?}"),
                "1 to 128 characters".into(),
            ));
        }
        if let Some(topic) = &mqtt.base_topic
            && (topic.is_empty()
                || topic.len() > 256
                || topic.contains(['+', '#', '\0'])
                || topic.starts_with(['/', '$'])
                || topic.ends_with('/'))
        {
            let allowed = "1 to 256 characters without +, #, a leading / or $, or a trailing /";
            return Err(refuse(
                "mqtt.base_topic",
                format!("{topic:?}"),
                allowed.into(),
            ));
        }
        range(refuse, "mqtt.keep_alive_s", mqtt.keep_alive_s, 5..=3600)?;
        range(refuse, "mqtt.inflight", mqtt.inflight, 1..=50)?;
        range(
            refuse,
            "mqtt.session_expiry_s",
            mqtt.session_expiry_s,
            60..=u32::MAX,
        )?;
        range(
            refuse,
            "mqtt.max_packet_bytes",
            mqtt.max_packet_bytes,
            10_240..=268_435_455,
        )
    }

    /// Makes relative paths relative to the configuration's folder.
    fn resolve(&mut self, folder: &Path) {
        let mut paths: Vec<&mut PathBuf> = vec![&mut self.models.directory, &mut self.store.path];
        paths.extend(self.camera.path.as_mut());
        paths.extend(self.relay.transitions.as_mut());
        if let Some(mqtt) = &mut self.mqtt {
            paths.extend(
                [
                    &mut mqtt.password_file,
                    &mut mqtt.ca_file,
                    &mut mqtt.client_cert_file,
                    &mut mqtt.client_key_file,
                ]
                .into_iter()
                .flatten(),
            );
        }
        for path in paths {
            *path = folder.join(&path);
        }
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => ConfigError::Missing(path.to_owned()),
        _ => ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        },
    })
}

type Refuse<'a> = dyn Fn(&str, String, String) -> ConfigError + 'a;

fn range<T: PartialOrd + Display>(
    refuse: &Refuse<'_>,
    key: &str,
    value: T,
    allowed: RangeInclusive<T>,
) -> Result<(), ConfigError> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let text = format!("allowed: {} to {}", allowed.start(), allowed.end());
    Err(refuse(key, value.to_string(), text))
}

struct Source<'a> {
    text: &'a str,
    file: &'a Path,
}

impl Source<'_> {
    fn place(&self, line: Option<usize>) -> Place {
        Place {
            file: self.file.to_owned(),
            line,
        }
    }

    fn syntax(&self, error: &toml::de::Error) -> ConfigError {
        ConfigError::Syntax {
            place: self.place(error.span().map(|span| line_number(self.text, span.start))),
            message: error.message().to_owned(),
        }
    }
}

fn line_number(text: &str, offset: usize) -> usize {
    text.get(..offset)
        .map_or(1, |before| before.matches('\n').count() + 1)
}

/// Line of a dotted key, or of the closest table above it that is in the file.
fn line_of(text: &str, table: &DeTable<'_>, key: &str) -> Option<usize> {
    let (first, rest) = key.split_once('.').unwrap_or((key, ""));
    let (name, value): (&Spanned<_>, &Spanned<DeValue<'_>>) =
        table.iter().find(|(name, _)| name.get_ref() == first)?;
    let line = line_number(text, name.span().start);
    match value.get_ref() {
        DeValue::Table(inner) if !rest.is_empty() => line_of(text, inner, rest).or(Some(line)),
        _ => Some(line),
    }
}

/// Every dotted key of the reference file.
fn known_keys() -> Vec<String> {
    let mut section = String::new();
    let mut keys = Vec::new();
    for line in DEFAULT_TOML.lines() {
        let line = line.strip_prefix('#').unwrap_or(line);
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = name.to_owned();
            keys.push(section.clone());
        } else if let Some((key, _)) = line.split_once(" = ")
            && !key.is_empty()
            && key
                .chars()
                .all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
        {
            keys.push(format!("{section}.{key}"));
        }
    }
    keys
}

/// The known key that was probably meant: like it as a whole, or the same word in another section.
fn nearest(key: &str) -> Option<String> {
    let leaf = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let likeness = |known: &str| {
        let whole = strsim::jaro_winkler(known, key);
        let last = strsim::jaro_winkler(&leaf(known), &leaf(key));
        whole * 0.4 + last * 0.6
    };
    known_keys()
        .into_iter()
        .map(|known| (likeness(&known), known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference with every key switched on.
    fn reference() -> String {
        DEFAULT_TOML
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => key,
                _ => line,
            })
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn the_reference_file_as_printed_is_the_default() {
        let config = Config::parse(DEFAULT_TOML, Path::new("x")).unwrap();
        assert_eq!(config, Config::default());
    }

    #[test]
    fn the_reference_file_names_every_key_with_its_default() {
        let mut config = Config::parse(&reference(), Path::new("x")).unwrap();
        // What has no default of its own stands in the reference as an example.
        let mqtt = config.mqtt.as_mut().unwrap();
        for example in [
            &mut mqtt.client_id,
            &mut mqtt.username,
            &mut mqtt.base_topic,
            &mut config.camera.pipeline,
            &mut config.camera.url,
        ] {
            assert!(example.take().is_some());
        }
        for example in [
            &mut mqtt.password_file,
            &mut mqtt.ca_file,
            &mut mqtt.client_cert_file,
            &mut mqtt.client_key_file,
            &mut config.camera.path,
            &mut config.relay.transitions,
        ] {
            assert!(example.take().is_some());
        }
        assert_eq!(std::mem::take(&mut mqtt.url), "mqtts://broker.lan:8883");
        let expected = Config {
            mqtt: Some(super::super::MqttConfig::default()),
            ..Config::default()
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn refusals_name_file_line_and_way_out() {
        let cases = [
            (
                "[relay]\n\nrelease_mss = 5\n",
                "x.toml:3: unknown key `relay.release_mss`; did you mean `relay.release_ms`?",
            ),
            (
                "[relay]\nthreshold = 0.5\n",
                "x.toml:2: unknown key `relay.threshold`; did you mean `recognition.threshold`?",
            ),
            (
                "[relais]\npin = 4\n",
                "x.toml:1: unknown key `relais`; did you mean `relay`?",
            ),
            (
                "[relay]\nzzz = 1\n",
                "x.toml:2: unknown key `relay.zzz`; see `doorward config default` for all keys",
            ),
            (
                "[relay]\nrelease_ms = 5\n",
                "x.toml:2: `relay.release_ms` = 5: allowed: 200 to 255000",
            ),
            (
                "[recognition]\nthreshold = nan\n",
                "x.toml:2: `recognition.threshold` = NaN: allowed: 0.2 to 0.95",
            ),
            (
                "[camera]\nsource = \"url\"\n",
                "x.toml:2: `camera.source` = \"url\": this source also needs `camera.url`",
            ),
            (
                "[door]\nname = \"a/b\"\n",
                "x.toml:2: `door.name` = \"a/b\": 1 to 64 letters, digits, \"-\", \"_\" or \".\"",
            ),
            (
                "[mqtt]\nurl = \"mqtt://b\"\n",
                "x.toml:2: `mqtt.url` = \"mqtt://b\": is not encrypted; use mqtts://, or set mqtt.allow_plaintext = true",
            ),
            (
                "[mqtt]\n",
                "x.toml:1: `mqtt.url` = \"\": must be mqtts://host[:port]",
            ),
            (
                "[mqtt]\nurl = \"mqtts://b\"\nclient_cert_file = \"c\"\n",
                "x.toml:3: `mqtt.client_cert_file` = c: client_cert_file and client_key_file go together",
            ),
            ("[log]\nlevel = \"a=b=c\"\n", "x.toml:2: `log.level`"),
            (
                "[mqtt]\nurl = \"mqtts://b\"\n[mqtt.qos]\naccess = 3\n",
                "x.toml:4: 3 is not a quality of service; allowed: 0, 1, 2",
            ),
            (
                "[relay]\ndriver = \"gpio\"\n",
                "x.toml:2: unknown variant `gpio`, expected one of `gpiochip`, `rppal`, `simulated`",
            ),
            ("[relay\n", "x.toml:1: "),
        ];
        for (text, expected) in cases {
            let error = Config::parse(text, Path::new("x.toml"))
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with(expected),
                "{text:?}\n got {error}\nwant {expected}"
            );
        }
    }
}
