//! Reads and checks a configuration: TOML ▸ types ▸ unknown keys ▸ ranges ▸ paths.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Config, ConfigError, DEFAULT_TOML, OutputsConfig, Place, RelayConfig};

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
        let Only { mut relay } = read_only(path)?;
        beside(path, &mut relay.transitions);
        Ok(relay)
    }

    /// The same for the `[outputs]` section, where there is one: the second relay is in it.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, or the section itself is wrong.
    pub fn load_outputs(path: &Path) -> Result<Option<OutputsConfig>, ConfigError> {
        #[derive(Default, serde::Deserialize)]
        #[serde(default)]
        struct Only {
            outputs: Option<OutputsConfig>,
        }
        let Only { mut outputs } = read_only(path)?;
        if let Some(outputs) = &mut outputs {
            beside(path, &mut outputs.transitions);
        }
        Ok(outputs)
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

    /// Makes relative paths relative to the configuration's folder.
    fn resolve(&mut self, folder: &Path) {
        let mut paths: Vec<&mut PathBuf> = vec![&mut self.models.directory, &mut self.store.path];
        paths.extend(self.camera.path.as_mut());
        paths.extend(self.relay.transitions.as_mut());
        paths.extend(self.store.backup.as_mut());
        paths.extend(self.access.site_file.as_mut());
        paths.push(&mut self.clock.synchronised_file);
        paths.extend(self.audit.key_file.as_mut());
        paths.extend(self.contact.as_mut().and_then(|c| c.file.as_mut()));
        paths.extend(self.rex.as_mut().and_then(|c| c.file.as_mut()));
        paths.extend(self.outputs.as_mut().and_then(|c| c.transitions.as_mut()));
        paths.extend(self.keypad.as_mut().map(|c| &mut c.device));
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

/// Reads what the type names, and looks at nothing else.
fn read_only<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text = read(path)?;
    let source = Source {
        text: &text,
        file: path,
    };
    toml::from_str(&text).map_err(|error| source.syntax(&error))
}

/// Makes a relative path relative to the configuration's folder.
fn beside(configuration: &Path, file: &mut Option<PathBuf>) {
    if let Some(file) = file {
        *file = configuration.parent().unwrap_or(Path::new("")).join(&file);
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
            // The one example that is refused beside the default of another key.
            .replace("security = \"standard\"", "security = \"custom\"")
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
        assert!(config.recognition.threshold.take().is_some());
        config.recognition.security = crate::recognition::Security::Standard;
        let mqtt = config.mqtt.as_mut().unwrap();
        assert!(config.camera.pipeline.take().is_some());
        assert!(config.camera.url.take().is_some());
        for example in [
            &mut mqtt.client_id,
            &mut mqtt.username,
            &mut mqtt.base_topic,
            &mut config.access.time_zone,
            &mut config.access.area,
            &mut config.access.unlock_schedule,
            &mut config.commands.plain_client,
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
            &mut config.store.backup,
            &mut config.access.site_file,
            &mut config.audit.key_file,
            &mut config.contact.as_mut().unwrap().file,
            &mut config.rex.as_mut().unwrap().file,
            &mut config.outputs.as_mut().unwrap().transitions,
        ] {
            assert!(example.take().is_some());
        }
        assert_eq!(std::mem::take(&mut mqtt.url), "mqtts://broker.lan:8883");
        let outputs = config.outputs.as_mut().unwrap();
        for (example, pin) in [
            (&mut outputs.green, 5),
            (&mut outputs.red, 6),
            (&mut outputs.blue, 13),
            (&mut outputs.sounder, 19),
            (&mut outputs.second_relay, 26),
        ] {
            assert_eq!(example.take().unwrap().pin, pin);
        }
        let expected = Config {
            mqtt: Some(super::super::MqttConfig::default()),
            contact: Some(super::super::ContactConfig::default()),
            rex: Some(super::super::RexConfig::default()),
            outputs: Some(super::super::OutputsConfig::default()),
            keypad: Some(super::super::KeypadConfig::default()),
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
                "[recognition]\nsecurity = \"custom\"\nthreshold = nan\n",
                "x.toml:3: `recognition.threshold` = NaN: allowed: 0.2 to 0.95",
            ),
            (
                "[recognition]\nthreshold = 0.5\n",
                "x.toml:2: `recognition.threshold` = 0.5: only with recognition.security = \"custom\"",
            ),
            (
                "[recognition]\nsecurity = \"custom\"\n",
                "x.toml:2: `recognition.security` = \"custom\": this level also needs `recognition.threshold`",
            ),
            (
                "[models]\npack = \"../evil\"\n",
                "x.toml:2: `models.pack` = \"../evil\": 1 to 64 lower-case letters, digits",
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
            (
                "[contact]\ndriver = \"simulated\"\n",
                "x.toml:2: `contact.driver` = \"simulated\": this driver also needs `contact.file`",
            ),
            (
                "[relay]\npin = 4\n[rex]\npin = 4\n",
                "x.toml:4: `rex.pin` = 4: `relay.pin` has this pin already",
            ),
            (
                "[access]\ntime_zone = \"Europe/Berln\"\n",
                "x.toml:2: `access.time_zone` = \"Europe/Berln\": ",
            ),
            (
                "[access]\nanti_passback = \"area\"\n",
                "x.toml:2: `access.anti_passback` = \"area\": this also needs `access.area` and `access.site_file`",
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
