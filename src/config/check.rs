//! What values are allowed, beyond their type.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::stream::told;
use super::{AntiPassback, Config, ConfigError, RelayDriver, SourceKind, Zones};
use crate::recognition::Security;

/// Makes the refusal of a key with its value and what would be allowed.
pub(super) type Refuse<'a> = dyn Fn(&str, String, String) -> ConfigError + 'a;

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

impl Config {
    /// The first value that is not allowed.
    pub(super) fn check(&self, refuse: &Refuse<'_>) -> Result<(), ConfigError> {
        let Config {
            door,
            camera,
            models,
            recognition,
            liveness,
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
        // The name becomes a file name.
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        if models.pack.is_empty() || models.pack.len() > 64 || !models.pack.chars().all(fits) {
            let allowed = "1 to 64 lower-case letters, digits, \"-\" or \"_\"";
            return Err(refuse(
                "models.pack",
                format!("{:?}", models.pack),
                allowed.into(),
            ));
        }
        range(refuse, "models.threads", models.threads, 1..=64)?;
        let r = recognition;
        match (r.security, r.threshold) {
            (Security::Custom, Some(threshold)) => {
                range(refuse, "recognition.threshold", threshold, 0.2..=0.95)?;
            }
            (Security::Custom, None) => {
                let allowed = "this level also needs `recognition.threshold`".into();
                return Err(refuse("recognition.security", "\"custom\"".into(), allowed));
            }
            (_, Some(threshold)) => {
                let allowed = "only with recognition.security = \"custom\"".into();
                return Err(refuse(
                    "recognition.threshold",
                    threshold.to_string(),
                    allowed,
                ));
            }
            (_, None) => {}
        }
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
        for (key, value, allowed) in [
            (
                "recognition.min_detector_score",
                r.min_detector_score,
                0.5..=1.0,
            ),
            (
                "recognition.min_eye_distance_px",
                r.min_eye_distance_px,
                10.0..=500.0,
            ),
            ("recognition.min_sharpness", r.min_sharpness, 0.0..=10_000.0),
            ("recognition.min_brightness", r.min_brightness, 0.0..=255.0),
            ("recognition.min_contrast", r.min_contrast, 0.0..=128.0),
            ("recognition.max_overexposed", r.max_overexposed, 0.0..=1.0),
            ("recognition.max_yaw_deg", r.max_yaw_deg, 5.0..=90.0),
            ("recognition.max_pitch_deg", r.max_pitch_deg, 5.0..=90.0),
            ("recognition.min_edge_gap", r.min_edge_gap, -1.0..=1.0),
            (
                "recognition.enroll_min_sharpness",
                r.enroll_min_sharpness,
                0.0..=10_000.0,
            ),
        ] {
            range(refuse, key, value, allowed)?;
        }
        let timeout = liveness.challenge_timeout_ms;
        range(
            refuse,
            "liveness.challenge_timeout_ms",
            timeout,
            1_000..=30_000,
        )?;
        range(refuse, "relay.pin", relay.pin, 0..=1023)?;
        let release = 200..=255_000;
        range(
            refuse,
            "relay.release_ms",
            relay.release_ms,
            release.clone(),
        )?;
        range(
            refuse,
            "relay.extended_release_ms",
            relay.extended_release_ms,
            release,
        )?;
        self.check_wiring(refuse)?;
        self.check_access(refuse)?;
        self.check_record(refuse)?;
        self.check_messaging(refuse)?;
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

    fn check_wiring(&self, refuse: &Refuse<'_>) -> Result<(), ConfigError> {
        let needs_file = |section: &str, driver, file: &Option<_>| {
            if driver == RelayDriver::Simulated && file.is_none() {
                let allowed = format!("this driver also needs `{section}.file`");
                let key = format!("{section}.driver");
                return Err(refuse(&key, "\"simulated\"".into(), allowed));
            }
            Ok(())
        };
        if let Some(contact) = &self.contact {
            needs_file("contact", contact.driver, &contact.file)?;
            range(refuse, "contact.pin", contact.pin, 0..=1023)?;
            range(refuse, "contact.debounce_ms", contact.debounce_ms, 0..=400)?;
            for (key, seconds) in [
                ("contact.held_open_s", contact.held_open_s),
                ("contact.extended_held_open_s", contact.extended_held_open_s),
            ] {
                range(refuse, key, seconds, 1..=3600)?;
            }
            range(refuse, "contact.pre_alarm_s", contact.pre_alarm_s, 0..=3600)?;
            range(
                refuse,
                "contact.suspicious_after",
                contact.suspicious_after,
                0..=1000,
            )?;
        }
        if let Some(rex) = &self.rex {
            needs_file("rex", rex.driver, &rex.file)?;
            range(refuse, "rex.pin", rex.pin, 0..=1023)?;
            range(refuse, "rex.debounce_ms", rex.debounce_ms, 0..=400)?;
            range(refuse, "rex.release_ms", rex.release_ms, 200..=255_000)?;
            range(refuse, "rex.stuck_s", rex.stuck_s, 5..=3600)?;
        }
        if let Some(outputs) = &self.outputs {
            for (key, output) in outputs.wired() {
                range(refuse, key, output.pin, 0..=1023)?;
            }
        }
        self.check_pins_differ(refuse)
    }

    /// Two uses of one pin would fight, and one of them would be the lock.
    fn check_pins_differ(&self, refuse: &Refuse<'_>) -> Result<(), ConfigError> {
        let mut used = vec![("relay.pin", &self.relay.chip, self.relay.pin)];
        if let Some(contact) = &self.contact {
            used.push(("contact.pin", &contact.chip, contact.pin));
        }
        if let Some(rex) = &self.rex {
            used.push(("rex.pin", &rex.chip, rex.pin));
        }
        if let Some(outputs) = &self.outputs {
            let pins = outputs.wired();
            used.extend(pins.map(|(key, output)| (key, &outputs.chip, output.pin)));
        }
        for (i, (key, chip, pin)) in used.iter().enumerate() {
            if let Some((other, ..)) = used[..i].iter().find(|(_, c, p)| (c, p) == (chip, pin)) {
                let allowed = format!("`{other}` has this pin already");
                return Err(refuse(key, pin.to_string(), allowed));
            }
        }
        Ok(())
    }

    fn check_access(&self, refuse: &Refuse<'_>) -> Result<(), ConfigError> {
        let access = &self.access;
        if let Some(name) = &access.time_zone
            && let Err(error) = Zones::newest().site(Some(name))
        {
            return Err(refuse(
                "access.time_zone",
                format!("{name:?}"),
                error.to_string(),
            ));
        }
        range(
            refuse,
            "access.lockout_after",
            access.lockout_after,
            0..=100,
        )?;
        range(
            refuse,
            "access.lockout_after_wrong_pins",
            access.lockout_after_wrong_pins,
            0..=100,
        )?;
        for (key, seconds) in [
            ("access.lockout_window_s", access.lockout_window_s),
            ("access.lockout_s", access.lockout_s),
            ("access.anti_passback_s", access.anti_passback_s),
            ("access.alarm_window_s", access.alarm_window_s),
        ] {
            range(refuse, key, seconds, 1..=86_400)?;
        }
        for (key, seconds) in [
            ("access.second_person_s", access.second_person_s),
            ("access.pin_s", access.pin_s),
        ] {
            range(refuse, key, seconds, 3..=300)?;
        }
        range(
            refuse,
            "access.alarm_after_denials",
            access.alarm_after_denials,
            0..=1000,
        )?;
        let shared = access.site_file.is_some();
        if access.anti_passback == AntiPassback::Area && !(shared && access.area.is_some()) {
            let allowed = "this also needs `access.area` and `access.site_file`".to_owned();
            return Err(refuse("access.anti_passback", "\"area\"".into(), allowed));
        }
        if !access.interlock.is_empty() && !shared {
            let allowed = "this also needs `access.site_file`".to_owned();
            let value = format!("{:?}", access.interlock);
            return Err(refuse("access.interlock", value, allowed));
        }
        if access.interlock.contains(&self.door.name) {
            let allowed = "names of other doors, not of this one".to_owned();
            return Err(refuse(
                "access.interlock",
                format!("{:?}", access.interlock),
                allowed,
            ));
        }
        Ok(())
    }

    fn check_record(&self, refuse: &Refuse<'_>) -> Result<(), ConfigError> {
        let (store, audit) = (&self.store, &self.audit);
        range(
            refuse,
            "store.backup_every_h",
            store.backup_every_h,
            0..=8760,
        )?;
        range(
            refuse,
            "store.min_free_mib",
            store.min_free_mib,
            1..=1_000_000,
        )?;
        range(refuse, "store.stuck_s", store.stuck_s, 1..=3600)?;
        range(refuse, "store.patience_ms", store.patience_ms, 100..=30_000)?;
        range(refuse, "store.slow_ms", store.slow_ms, 100..=30_000)?;
        range(refuse, "audit.keep_days", audit.keep_days, 0..=36_500)?;
        range(
            refuse,
            "audit.checkpoint_every_min",
            audit.checkpoint_every_min,
            0..=10_080,
        )
    }

    fn check_messaging(&self, refuse: &Refuse<'_>) -> Result<(), ConfigError> {
        let (outbox, commands, telemetry) = (&self.outbox, &self.commands, &self.telemetry);
        let most = 1_000..=100_000_000;
        range(refuse, "outbox.max_messages", outbox.max_messages, most)?;
        range(refuse, "outbox.max_mib", outbox.max_mib, 1..=1_000_000)?;
        range(refuse, "outbox.warn_percent", outbox.warn_percent, 1..=100)?;
        range(refuse, "commands.max_age_s", commands.max_age_s, 1..=60)?;
        range(refuse, "commands.skew_s", commands.skew_s, 0..=60)?;
        range(refuse, "commands.per_minute", commands.per_minute, 1..=600)?;
        let name_fits = |name: &String| {
            let fits = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
            (1..=64).contains(&name.len()) && name.chars().all(fits)
        };
        if let Some(name) = commands
            .plain_client
            .as_ref()
            .filter(|name| !name_fits(name))
        {
            let allowed = "1 to 64 letters, digits, \"-\", \"_\", \".\" or \"@\"";
            let value = format!("{name:?}");
            return Err(refuse("commands.plain_client", value, allowed.into()));
        }
        if telemetry.every_s != 0 {
            range(refuse, "telemetry.every_s", telemetry.every_s, 5..=86_400)?;
        }
        let expiry = telemetry.snapshot_expiry_s;
        range(refuse, "telemetry.snapshot_expiry_s", expiry, 10..=86_400)
    }

    fn check_mqtt(&self, refuse: &Refuse<'_>) -> Result<(), ConfigError> {
        let Some(mqtt) = &self.mqtt else {
            return Ok(());
        };
        let bad_url = |allowed: &str| {
            // What is refused for its credentials must not be told with them.
            let value = if mqtt.url.contains(['@', '?', '#']) {
                told(&mqtt.url)
            } else {
                mqtt.url.clone()
            };
            Err(refuse("mqtt.url", format!("{value:?}"), allowed.into()))
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
}
