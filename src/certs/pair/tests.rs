use super::*;
use crate::certs::{Authority, CertsError, Request};

fn now() -> jiff::Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn authority() -> (tempfile::TempDir, Authority) {
    let folder = tempfile::tempdir().unwrap();
    Authority::create(folder.path(), "test CA", now()).unwrap();
    let authority = Authority::open(folder.path()).unwrap();
    (folder, authority)
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_ca_is_made_once_with_a_private_key_and_ten_years() {
    let (folder, authority) = authority();
    assert_eq!(mode(&folder.path().join("ca.key")), 0o600);
    assert_eq!(mode(&folder.path().join("ca.pem")), 0o644);
    let facts = authority.facts();
    assert!(facts.is_ca && facts.self_issued);
    assert_eq!(facts.days_left(now()), 3650);
    assert!(facts.not_before < now(), "clocks differ");
    let error = Authority::create(folder.path(), "again", now()).unwrap_err();
    assert!(error.to_string().contains("ca.pem exists"), "{error}");
    std::fs::remove_file(folder.path().join("ca.pem")).unwrap();
    let error = Authority::create(folder.path(), "again", now()).unwrap_err();
    assert!(error.to_string().contains("ca.key exists"), "{error}");
    assert_eq!(names(folder.path()), ["ca.key"], "nothing is left behind");
}

#[test]
fn a_pair_is_never_written_over() {
    let (folder, authority) = authority();
    let request = Request::client("home/front", 397).unwrap();
    let pair = authority.pair(&request);
    let pem = authority.sign(&request, now()).unwrap();
    for taken in [pair.key(), pair.certificate()] {
        std::fs::write(taken, "mine").unwrap();
        let error = pair.create(&pem).unwrap_err();
        assert!(matches!(&error, CertsError::Exists { path, .. } if path == taken));
        assert_eq!(std::fs::read_to_string(taken).unwrap(), "mine");
        std::fs::remove_file(taken).unwrap();
    }
    pair.create(&pem).unwrap();
    assert!(pair.matches());
    assert_eq!(mode(pair.key()), 0o600);
    let expected = ["ca.key", "ca.pem", "home-front.key", "home-front.pem"];
    assert_eq!(names(folder.path()), expected);
}

#[test]
fn a_renewal_keeps_the_old_pair_and_the_rights_of_its_files() {
    let (folder, authority) = authority();
    let request = Request::client("home/front", 397).unwrap();
    let pair = authority.pair(&request);
    let pem = || authority.sign(&request, now()).unwrap();
    let error = pair.renew(&pem(), request.purpose()).unwrap_err();
    assert!(matches!(error, CertsError::NotThere(_)), "{error}");

    pair.create(&pem()).unwrap();
    let old = std::fs::read(pair.certificate()).unwrap();
    std::fs::set_permissions(pair.key(), std::fs::Permissions::from_mode(0o400)).unwrap();
    pair.renew(&pem(), request.purpose()).unwrap();
    assert!(pair.matches());
    assert_eq!(mode(pair.key()), 0o400);
    assert_ne!(std::fs::read(pair.certificate()).unwrap(), old);
    let kept = |name: &str| folder.path().join(format!("home-front.{name}.previous"));
    assert_eq!(std::fs::read(kept("pem")).unwrap(), old);
    assert_eq!(mode(&kept("key")), 0o400);

    // A renewal that was cut between the two files: the good old pair stays kept.
    let good = std::fs::read(pair.certificate()).unwrap();
    pair.renew(&pem(), request.purpose()).unwrap();
    std::fs::write(pair.certificate(), &old).unwrap();
    assert!(!pair.matches());
    pair.renew(&pem(), request.purpose()).unwrap();
    assert!(pair.matches());
    assert_eq!(std::fs::read(kept("pem")).unwrap(), good);
}

#[test]
fn a_renewal_of_something_else_is_refused() {
    let (_folder, authority) = authority();
    let one = Request::client("home/front", 397).unwrap();
    let other = Request::client("home-front", 397).unwrap();
    assert_eq!(authority.pair(&one), authority.pair(&other));
    let pair = authority.pair(&one);
    pair.create(&authority.sign(&one, now()).unwrap()).unwrap();
    let before = std::fs::read(pair.certificate()).unwrap();
    let pem = authority.sign(&other, now()).unwrap();
    let error = pair.renew(&pem, other.purpose()).unwrap_err();
    assert!(error.to_string().contains("that of home/front"), "{error}");
    let server = Request::server(&["x".to_owned()], 397).unwrap();
    assert!(pair.renew(&pem, server.purpose()).is_err());
    assert_eq!(std::fs::read(pair.certificate()).unwrap(), before);
}

#[test]
fn serial_numbers_are_random_and_nothing_outlives_its_ca() {
    let (_folder, authority) = authority();
    let request = Request::client("x", 397).unwrap();
    let serial = || {
        let pem = authority.sign(&request, now()).unwrap();
        let der = ::pem::parse(pem.certificate).unwrap();
        let (_, certificate) = x509_parser::parse_x509_certificate(der.contents()).unwrap();
        certificate.raw_serial().to_vec()
    };
    let (one, other) = (serial(), serial());
    assert_eq!(one.len(), 16);
    assert_ne!(one, other);
    let late = now() + jiff::SignedDuration::from_hours(24 * 3300);
    let error = authority.sign(&request, late).err().unwrap();
    assert!(matches!(error, CertsError::OutlivesCa { .. }), "{error}");
}

#[test]
fn a_ca_whose_key_is_exposed_or_another_does_not_sign() {
    let (folder, _) = authority();
    let key = folder.path().join("ca.key");
    let set = |mode| std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
    set(0o644);
    let error = Authority::open(folder.path()).err().unwrap();
    assert!(error.to_string().contains("chmod 600"), "{error}");
    let (other, _) = authority();
    std::fs::copy(other.path().join("ca.key"), &key).unwrap();
    set(0o600);
    let error = Authority::open(folder.path()).err().unwrap();
    assert!(error.to_string().contains("is not the key of"), "{error}");
}
