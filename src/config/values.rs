//! What the configuration means to those who do not read it: values of [`doorward_core`].

use std::time::Duration;

use super::{Config, OnStorageFailure, ZoneError, Zones};
use crate::access::Policy;
use crate::access::rules::Rules;
use crate::command::gate;
use crate::door::{ContactSettings, RexSettings, Settings};
use crate::guard::{CommandSettings, GuardSettings, Patience, WithoutRecord};

impl Config {
    /// The rules of the configured door, in the site's time zone by the newer zone database.
    ///
    /// # Errors
    /// When nobody knows that zone.
    pub fn policy(&self, rules: Rules) -> Result<Policy, ZoneError> {
        Ok(Policy {
            rules,
            zone: Zones::newest().site(self.access.time_zone.as_deref())?,
            door: self.door.name.clone(),
            settings: self.access.clone(),
        })
    }

    /// What the configuration says to the guard.
    #[must_use]
    pub fn guard_settings(&self) -> GuardSettings {
        let store = &self.store;
        GuardSettings {
            door: self.door_settings(),
            challenge: self.liveness.challenge_timeout(),
            without_record: match self.audit.on_storage_failure {
                OnStorageFailure::Deny => WithoutRecord::Deny,
                OnStorageFailure::Grant => WithoutRecord::Grant,
            },
            patience: Patience {
                give_up: Duration::from_millis(store.patience_ms.into()),
                slow: Duration::from_millis(store.slow_ms.into()),
            },
            site: self.access.site_file.is_some(),
            interlock: self.access.interlock.clone(),
            panel: self.outputs.is_some(),
            version: env!("CARGO_PKG_VERSION"),
            commands: self.wire().map(|wire| CommandSettings {
                accept: self.commands.accept,
                gate: gate::Settings {
                    door: wire.source.clone(),
                    max_age_s: self.commands.max_age_s,
                    skew_s: self.commands.skew_s,
                    per_minute: self.commands.per_minute,
                },
                plain_client: self.commands.plain_client.clone(),
                wire,
            }),
        }
    }

    /// What the configuration says about the door.
    #[must_use]
    pub fn door_settings(&self) -> Settings {
        let seconds = |s: u32| Duration::from_secs(s.into());
        Settings {
            release: Duration::from_millis(self.relay.release_ms),
            extended_release: Duration::from_millis(self.relay.extended_release_ms),
            rex: self.rex.as_ref().map(|rex| RexSettings {
                release: Duration::from_millis(rex.release_ms),
                stuck: seconds(rex.stuck_s),
            }),
            contact: self.contact.as_ref().map(|contact| ContactSettings {
                held_open: seconds(contact.held_open_s),
                extended_held_open: seconds(contact.extended_held_open_s),
                pre_alarm: seconds(contact.pre_alarm_s),
                relock_on_close: contact.relock_on_close,
                forced_open: contact.forced_open,
                suspicious_after: contact.suspicious_after,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ContactConfig, RexConfig};
    use super::*;

    #[test]
    fn the_doors_settings_are_what_the_configuration_says() {
        let config = Config {
            contact: Some(ContactConfig {
                suspicious_after: 3,
                ..ContactConfig::default()
            }),
            rex: Some(RexConfig {
                release_ms: 4_000,
                ..RexConfig::default()
            }),
            ..Config::default()
        };
        let s = Duration::from_secs;
        let expected = Settings {
            release: s(5),
            extended_release: s(15),
            rex: Some(RexSettings {
                release: s(4),
                stuck: s(60),
            }),
            contact: Some(ContactSettings {
                held_open: s(30),
                extended_held_open: s(90),
                pre_alarm: s(5),
                relock_on_close: true,
                forced_open: true,
                suspicious_after: 3,
            }),
        };
        assert_eq!(config.door_settings(), expected);
    }
}
