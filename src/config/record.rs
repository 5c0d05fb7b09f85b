//! `[store]` and `[audit]`: where the record is, how it is kept and guarded.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreConfig {
    /// The SQLite file.
    pub path: PathBuf,
    /// Where backups go; beside the database when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<PathBuf>,
    /// Hours between two backups; 0 for none.
    pub backup_every_h: u32,
    /// Free space below which an alarm is raised, in MiB.
    pub min_free_mib: u32,
    /// How long the disk may take for one thing before the watchdog is not fed any more, in seconds.
    pub stuck_s: u32,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            path: "/var/lib/doorward/doorward.db".into(),
            backup: None,
            backup_every_h: 24,
            min_free_mib: 100,
            stuck_s: 120,
        }
    }
}

impl StoreConfig {
    /// The backup file in force.
    #[must_use]
    pub fn backup_path(&self) -> PathBuf {
        self.backup.clone().unwrap_or_else(|| {
            let mut name = self.path.as_os_str().to_owned();
            name.push(".backup");
            name.into()
        })
    }
}

/// What becomes of a grant that cannot be put on the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnStorageFailure {
    /// It becomes a denial.
    Deny,
    /// It is carried out, and kept in memory until it can be written.
    Grant,
}

/// `[audit]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditConfig {
    /// What becomes of a grant that cannot be put on the record.
    pub on_storage_failure: OnStorageFailure,
    /// Days that events are kept; 0 for ever.
    pub keep_days: u32,
    /// Minutes between two signed checkpoints while something happens; 0 for none.
    pub checkpoint_every_min: u32,
    /// File of the key that signs them; made at the first start. Beside the database when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
}

impl AuditConfig {
    /// The file of the key in force.
    #[must_use]
    pub fn key_path(&self, database: &Path) -> PathBuf {
        self.key_file.clone().unwrap_or_else(|| {
            let mut name = database.as_os_str().to_owned();
            name.push(".key");
            name.into()
        })
    }
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            on_storage_failure: OnStorageFailure::Deny,
            keep_days: 0,
            checkpoint_every_min: 60,
            key_file: None,
        }
    }
}
