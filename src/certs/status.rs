//! The state of every certificate of a folder or of a configuration.
//!
//! Judged as in life: signatures by the verifier that TLS uses, dates by this machine's clock,
//! keys by whether they belong and who may read them.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use serde::Serialize;

use super::expiry::WARN_DAYS;
use super::facts::Facts;
use super::pem;

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its file.
    pub file: PathBuf,
    /// What it is for.
    pub purpose: &'static str,
    /// Whom it names.
    pub subject: String,
    /// Host names and addresses.
    pub names: Vec<String>,
    /// Who signed it, by its own word.
    pub issuer: String,
    /// When it expires.
    pub expires: Option<Timestamp>,
    /// Whole days until then.
    pub days_left: Option<i64>,
    /// Its key, where one is expected or found.
    pub key: Option<PathBuf>,
    /// Permission bits of the key, in octal.
    pub key_mode: Option<String>,
    /// What is wrong; nothing when it is fine.
    pub problems: Vec<String>,
}

/// Every certificate in a folder (`*.pem`, `*.crt`), judged by the folder's CA.
///
/// # Errors
/// When the folder cannot be read.
pub fn of_folder(folder: &Path, now: Timestamp) -> io::Result<Vec<Entry>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let ending = path.extension().and_then(std::ffi::OsStr::to_str);
        if matches!(ending, Some("pem" | "crt")) {
            files.push(path);
        }
    }
    files.sort();
    let ca = folder.join("ca.pem");
    let roots = pem::certificates("CA certificate", &ca).unwrap_or_default();
    // The CA first, whatever it is called.
    files.sort_by_key(|path| *path != ca);
    let mut all = Vec::new();
    for file in files {
        let key = file.with_extension("key");
        let is_ca = file == ca;
        // A CA's key may well be elsewhere, and so may that of a broker.
        let key = key.exists().then_some(key);
        let trusted = if is_ca { None } else { Some(&roots[..]) };
        all.extend(entries(&file, key.as_deref(), trusted, now));
    }
    Ok(all)
}

/// The certificates that a configuration names. Who signed the client's is the broker's to judge.
#[must_use]
pub fn of_files(ca: Option<&Path>, identity: Option<(&Path, &Path)>, now: Timestamp) -> Vec<Entry> {
    let mut all = Vec::new();
    if let Some(ca) = ca {
        all.extend(entries(ca, None, None, now));
    }
    if let Some((certificate, key)) = identity {
        all.extend(entries(certificate, Some(key), None, now));
    }
    all
}

/// One entry for each certificate of a file; the key belongs to the first.
fn entries(
    file: &Path,
    key: Option<&Path>,
    trusted: Option<&[CertificateDer<'static>]>,
    now: Timestamp,
) -> Vec<Entry> {
    let chain = match pem::certificates("certificate", file) {
        Ok(chain) => chain,
        Err(error) => return vec![unreadable(file, error.to_string())],
    };
    let mut all = Vec::new();
    for (place, der) in chain.iter().enumerate() {
        let Some(facts) = Facts::read(der) else {
            all.push(unreadable(file, "it is no certificate of X.509".to_owned()));
            continue;
        };
        let mut entry = entry(file, &facts, now);
        if place == 0 {
            if let Some(trusted) = trusted
                && !facts.is_ca
                && let Err(problem) = signed(&chain, &facts, trusted, now)
            {
                entry.problems.push(problem);
            }
            if let Some(key) = key {
                entry.judge_key(&chain, key);
            }
        }
        all.push(entry);
    }
    all
}

fn unreadable(file: &Path, problem: String) -> Entry {
    Entry {
        file: file.to_owned(),
        purpose: "unknown",
        subject: String::new(),
        names: Vec::new(),
        issuer: String::new(),
        expires: None,
        days_left: None,
        key: None,
        key_mode: None,
        problems: vec![problem],
    }
}

fn entry(file: &Path, facts: &Facts, now: Timestamp) -> Entry {
    let days_left = facts.days_left(now);
    let problem = if now > facts.not_after {
        Some("it has expired".to_owned())
    } else if now < facts.not_before {
        Some("it is not valid yet by this machine's clock".to_owned())
    } else {
        (days_left < WARN_DAYS).then(|| "it expires soon: renew it".to_owned())
    };
    Entry {
        file: file.to_owned(),
        purpose: match (facts.is_ca, facts.for_servers, facts.for_clients) {
            (true, _, _) => "ca",
            (_, true, true) => "any",
            (_, true, false) => "server",
            (_, false, true) => "client",
            (_, false, false) => "other",
        },
        subject: facts.subject.clone(),
        names: facts.names.clone(),
        issuer: facts.issuer.clone(),
        expires: Some(facts.not_after),
        days_left: Some(days_left),
        key: None,
        key_mode: None,
        problems: problem.into_iter().collect(),
    }
}

impl Entry {
    fn judge_key(&mut self, chain: &[CertificateDer<'static>], path: &Path) {
        self.key = Some(path.to_owned());
        if let Ok(metadata) = std::fs::metadata(path) {
            self.key_mode = Some(format!("{:04o}", metadata.permissions().mode() & 0o7777));
        }
        match pem::private_key("key", path) {
            Err(error) => self.problems.push(error.to_string()),
            Ok(key) => {
                let provider = rustls::crypto::ring::default_provider();
                if CertifiedKey::from_der(chain.to_vec(), key, &provider).is_err() {
                    self.problems
                        .push(format!("the key {} does not belong to it", path.display()));
                }
            }
        }
    }
}

/// Whether a CA of `trusted` signed it for what it says it is for.
fn signed(
    chain: &[CertificateDer<'static>],
    facts: &Facts,
    trusted: &[CertificateDer<'static>],
    now: Timestamp,
) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted.iter().cloned());
    if roots.is_empty() {
        return Err("there is no ca.pem beside it that could have signed it".to_owned());
    }
    let (roots, provider) = (Arc::new(roots), rustls::crypto::ring::default_provider());
    let provider = Arc::new(provider);
    // Its own dates are judged apart: here it is asked about at a moment when it is valid.
    let moment = now.clamp(facts.not_before, facts.not_after).as_second();
    let moment = Duration::from_secs(u64::try_from(moment).unwrap_or(0));
    let moment = UnixTime::since_unix_epoch(moment);
    let words = |error: rustls::Error| match error {
        rustls::Error::InvalidCertificate(
            rustls::CertificateError::UnknownIssuer | rustls::CertificateError::BadSignature,
        ) => "ca.pem did not sign it".to_owned(),
        error => format!("TLS would refuse it: {error}"),
    };
    let setup = |error: &dyn std::fmt::Display| format!("it cannot be judged: {error}");
    let name = facts.names.first().map(|name| name.replacen('*', "x", 1));
    let name = name.and_then(|name| ServerName::try_from(name).ok());
    match name {
        Some(name) if facts.for_servers => {
            WebPkiServerVerifier::builder_with_provider(roots, provider)
                .build()
                .map_err(|error| setup(&error))?
                .verify_server_cert(&chain[0], &chain[1..], &name, &[], moment)
                .map(|_| ())
                .map_err(words)
        }
        None if facts.for_servers && !facts.for_clients => {
            Err("it is for servers, but names no host (subject alternative name)".to_owned())
        }
        _ => WebPkiClientVerifier::builder_with_provider(roots, provider)
            .build()
            .map_err(|error| setup(&error))?
            .verify_client_cert(&chain[0], &chain[1..], moment)
            .map(|_| ())
            .map_err(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certs::{Authority, Request};

    fn now() -> Timestamp {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }

    fn made(folder: &Path) {
        Authority::create(folder, "test CA", now()).unwrap();
        let authority = Authority::open(folder).unwrap();
        for request in [
            Request::server(&["*.home.lan".into(), "10.0.0.2".into()], 397),
            Request::client("home/front", 397),
        ] {
            let request = request.unwrap();
            let pem = authority.sign(&request, now()).unwrap();
            authority.pair(&request).create(&pem).unwrap();
        }
    }

    fn problems(folder: &Path, now: Timestamp) -> Vec<(String, String)> {
        let all = of_folder(folder, now).unwrap();
        let name = |entry: &Entry| entry.file.file_name().unwrap().to_str().unwrap().to_owned();
        all.iter()
            .map(|entry| (name(entry), entry.problems.join("; ")))
            .filter(|(_, problems)| !problems.is_empty())
            .collect()
    }

    #[track_caller]
    fn only(folder: &Path, now: Timestamp, file: &str, words: &str) {
        let found = problems(folder, now);
        assert!(
            matches!(&found[..], [(name, text)] if name == file && text.contains(words)),
            "{found:?}"
        );
    }

    #[test]
    fn what_was_just_made_is_fine_and_told_in_full() {
        let folder = tempfile::tempdir().unwrap();
        made(folder.path());
        assert_eq!(problems(folder.path(), now()), []);
        let all = of_folder(folder.path(), now()).unwrap();
        let told: Vec<_> = all
            .iter()
            .map(|e| (e.purpose, &e.subject[..], e.days_left.unwrap()))
            .collect();
        let expected = [
            ("ca", "test CA", 3650),
            ("client", "home/front", 397),
            ("server", "*.home.lan", 397),
        ];
        assert_eq!(told, expected);
        assert_eq!(all[1].key_mode.as_deref(), Some("0600"));
        assert_eq!(all[2].names, ["*.home.lan", "10.0.0.2"]);
    }

    #[test]
    fn everything_that_is_wrong_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        made(folder);
        let at = |name: &str| folder.join(name);
        let days = |days: i64| now() + jiff::SignedDuration::from_hours(24 * days);
        let late = problems(folder, days(370));
        assert!(
            late.len() == 2 && late[0].1.contains("expires soon"),
            "{late:?}"
        );
        let over = problems(folder, days(400));
        assert!(over.len() == 2 && over[0].1 == "it has expired", "{over:?}");

        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(at("server.key"), open).unwrap();
        only(folder, now(), "server.pem", "chmod 600");
        std::fs::copy(at("home-front.key"), at("server.key")).unwrap();
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(at("server.key"), private).unwrap();
        only(folder, now(), "server.pem", "does not belong to it");
        std::fs::remove_file(at("server.key")).unwrap();
        assert_eq!(problems(folder, now()), [], "it may be with the broker");

        let other = tempfile::tempdir().unwrap();
        made(other.path());
        std::fs::copy(other.path().join("server.pem"), at("server.pem")).unwrap();
        only(folder, now(), "server.pem", "ca.pem did not sign it");
        std::fs::write(at("server.pem"), "x").unwrap();
        only(folder, now(), "server.pem", "not a PEM file");
    }

    #[test]
    fn the_files_of_a_configuration_need_their_key() {
        let folder = tempfile::tempdir().unwrap();
        made(folder.path());
        let at = |name: &str| folder.path().join(name);
        let (ca, own, key) = (at("ca.pem"), at("home-front.pem"), at("home-front.key"));
        let look = || of_files(Some(&ca), Some((&own, &key)), now());
        assert!(look().iter().all(|entry| entry.problems.is_empty()));
        std::fs::remove_file(&key).unwrap();
        let problems = look()[1].problems.join("");
        assert!(problems.contains("cannot read the key"), "{problems}");
    }
}
