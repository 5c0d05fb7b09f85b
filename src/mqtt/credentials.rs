//! The files that `[mqtt]` names, as they are in force: read at the start, watched, read again.
//!
//! Whoever renews a certificate puts new files in place of the old ones and does nothing else.
//! Looked at is what the names lead to, so that files that are renamed into place, links that are
//! turned, and files that are written over are all seen. What cannot be used is never taken: the
//! last good state stays in force, and the reason is kept for the alarm. Certificate and key that
//! are replaced one after the other do not belong together for a moment; that is no reason for a
//! word until it lasts.
//!
//! Flows in: files, and the wish to look at once. Flows out: what the next connection uses, and
//! whether the one that lives should end for it. It must never write to any file.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use tracing::{info, warn};

use super::password::Password;
use super::settings::MqttError;
use super::tls::{Material, Tls, TlsFiles};
use crate::certs::expiry::{CertRole, Dated};
use crate::certs::facts::Facts;
use crate::certs::pem::{self, FileError};
use crate::config::{MqttConfig, TlsVersion};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(3);
/// How long the files may be useless before that is told: somebody may be replacing them.
const PATIENCE: Duration = Duration::from_secs(5);

/// What `[mqtt]` names, and what was read from it last.
#[derive(Debug)]
pub struct Credentials {
    files: TlsFiles,
    password: Option<PathBuf>,
    /// None for a broker without encryption.
    tls_min: Option<TlsVersion>,
    state: Mutex<State>,
    hurry: Notify,
}

/// What was found at a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing new, or nothing that can be used.
    Same,
    /// A password that the next connection uses.
    Password,
    /// Other certificates: a connection that was made with the old ones should end.
    Certificates,
}

struct State {
    stamps: Vec<Option<Stamp>>,
    loaded: Loaded,
    /// Why the files as they are now cannot be used.
    trouble: Option<Trouble>,
}

// Holds the password, which must not get into a log.
impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("trouble", &self.trouble)
            .finish_non_exhaustive()
    }
}

/// Files that cannot be used.
#[derive(Debug)]
struct Trouble {
    text: String,
    since: Instant,
    /// Whether it has lasted, or somebody asked.
    told: bool,
}

struct Loaded {
    tls: Option<Tls>,
    password: Option<Password>,
    dated: Vec<Dated>,
    /// Over everything that TLS was made from.
    digest: [u8; 32],
}

/// Tells whether a file is another one or was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<Metadata> for Stamp {
    fn from(of: Metadata) -> Self {
        Self {
            device: of.dev(),
            inode: of.ino(),
            size: of.size(),
            modified: (of.mtime(), of.mtime_nsec()),
            changed: (of.ctime(), of.ctime_nsec()),
        }
    }
}

impl Credentials {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// When one cannot be used; the message names it.
    pub(super) fn open(config: &MqttConfig, encrypted: bool) -> Result<Self, MqttError> {
        let certificate = config.client_cert_file.clone();
        let (files, tls_min) = if encrypted {
            let files = TlsFiles {
                ca: config.ca_file.clone(),
                identity: certificate.zip(config.client_key_file.clone()),
            };
            (files, Some(config.tls_min))
        } else {
            (TlsFiles::default(), None)
        };
        let password = config.username.as_ref().and(config.password_file.clone());
        let stamps = stamps(&files, password.as_deref());
        let loaded = Loaded::read(&files, tls_min, password.as_deref())?;
        Ok(Self {
            files,
            password,
            tls_min,
            state: Mutex::new(State {
                stamps,
                loaded,
                trouble: None,
            }),
            hurry: Notify::new(),
        })
    }

    /// How the next connection is encrypted.
    pub(super) fn tls(&self) -> Option<Tls> {
        self.state().loaded.tls.clone()
    }

    /// The password for the next connection.
    pub(super) fn password(&self) -> Option<Password> {
        self.state().loaded.password.clone()
    }

    /// The certificates in force, and the one that the broker showed last and that was accepted.
    #[must_use]
    pub fn certificates(&self) -> Vec<Dated> {
        let state = self.state();
        let mut all = state.loaded.dated.clone();
        let accepted = state.loaded.tls.as_ref().and_then(Tls::accepted);
        all.extend(accepted.map(|facts| Dated {
            role: CertRole::Broker,
            path: None,
            facts,
        }));
        all
    }

    /// Why the files as they are now are not used, once that has lasted; the ones before are.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let state = self.state();
        let trouble = state.trouble.as_ref().filter(|trouble| trouble.told);
        trouble.map(|trouble| trouble.text.clone())
    }

    /// Has the files read again soon, whether or not they seem changed. Never blocks.
    pub fn reload(&self) {
        self.hurry.notify_one();
    }

    /// Returns when certificates were renewed; never, as long as they are not.
    pub(super) async fn renewed(&self) {
        loop {
            let asked = tokio::select! {
                () = self.hurry.notified() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            if self.look(asked) == Look::Certificates {
                return;
            }
        }
    }

    /// Reads the files again if they changed, could not be used, or somebody `asked`.
    pub(super) fn look(&self, asked: bool) -> Look {
        let mut state = self.state();
        // Before the files are read: what is written in between differs at the next look.
        let stamps = stamps(&self.files, self.password.as_deref());
        if !asked && state.trouble.is_none() && stamps == state.stamps {
            return Look::Same;
        }
        state.stamps = stamps;
        match Loaded::read(&self.files, self.tls_min, self.password.as_deref()) {
            Ok(loaded) => state.take(loaded),
            Err(error) => {
                state.keep(&error, asked);
                Look::Same
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, loaded: Loaded) -> Look {
        if self.trouble.take().is_some_and(|trouble| trouble.told) {
            info!(target: "doorward::mqtt", "the files named in [mqtt] can be used again");
        }
        let look = if loaded.digest != self.loaded.digest {
            info!(target: "doorward::mqtt", "certificates were renewed; the next connection uses them");
            Look::Certificates
        } else if loaded.password != self.loaded.password {
            info!(target: "doorward::mqtt", "the MQTT password was changed; the next connection uses it");
            Look::Password
        } else {
            // The verifier that has seen the broker stays.
            return Look::Same;
        };
        self.loaded = loaded;
        look
    }

    fn keep(&mut self, error: &MqttError, asked: bool) {
        let text = error.to_string();
        let before = self.trouble.take();
        let since = before
            .as_ref()
            .map_or_else(Instant::now, |before| before.since);
        let told = asked || since.elapsed() >= PATIENCE;
        if told && before.is_none_or(|before| !before.told || before.text != text) {
            warn!(target: "doorward::mqtt", "{text}; what was read before stays in use");
        }
        self.trouble = Some(Trouble { text, since, told });
    }
}

impl Loaded {
    fn read(
        files: &TlsFiles,
        tls_min: Option<TlsVersion>,
        password: Option<&Path>,
    ) -> Result<Self, MqttError> {
        let password = password.map(read_password).transpose()?;
        let Some(min) = tls_min else {
            return Ok(Self {
                tls: None,
                password,
                dated: Vec::new(),
                digest: [0; 32],
            });
        };
        let material = files.read()?;
        let (dated, digest) = (dated(files, &material), digest(&material));
        let tls = Tls::new(files, material, min)?;
        Ok(Self {
            tls: Some(tls),
            password,
            dated,
            digest,
        })
    }
}

fn read_password(path: &Path) -> Result<Password, MqttError> {
    let bytes = pem::secret("MQTT password file", path)?;
    let text =
        String::from_utf8(pem::without_mark(&bytes).to_vec()).map_err(|_| FileError::Damaged {
            what: "MQTT password file",
            path: path.to_owned(),
            cause: "it is not text in UTF-8".to_owned(),
        })?;
    text.lines()
        .next()
        .filter(|line| !line.is_empty())
        .map(Password::new)
        .ok_or_else(|| MqttError::NoPassword(path.to_owned()))
}

fn dated(files: &TlsFiles, material: &Material) -> Vec<Dated> {
    let of = |role, path: Option<&PathBuf>, chain: &[CertificateDer<'_>]| {
        let facts = chain.iter().filter_map(|der| Facts::read(der));
        let path = path.cloned();
        let dated = facts.map(|facts| Dated {
            role,
            path: path.clone(),
            facts,
        });
        dated.collect::<Vec<_>>()
    };
    let mut all = Vec::new();
    if let Some((chain, _)) = &material.identity {
        let path = files.identity.as_ref().map(|(certificate, _)| certificate);
        all.extend(of(CertRole::Client, path, chain));
    }
    // The system's own roots are the system's to renew.
    if files.ca.is_some() {
        all.extend(of(CertRole::Ca, files.ca.as_ref(), &material.roots));
    }
    all
}

/// A digest, so that a second copy of the key need not be kept.
fn digest(material: &Material) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    material.roots.iter().for_each(|der| add(der));
    add(b"");
    if let Some((chain, key)) = &material.identity {
        chain.iter().for_each(|der| add(der));
        add(key.secret_der());
    }
    hash.finalize().into()
}

fn stamps(files: &TlsFiles, password: Option<&Path>) -> Vec<Option<Stamp>> {
    let identity = files.identity.iter().flat_map(|(c, k)| [c, k]);
    let tls = files.ca.iter().chain(identity).map(PathBuf::as_path);
    tls.chain(password)
        .map(|path| std::fs::metadata(path).ok().map(Stamp::from))
        .collect()
}

#[cfg(test)]
mod tests;
