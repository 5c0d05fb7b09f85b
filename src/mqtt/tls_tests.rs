use super::*;

fn pair() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["x".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

#[test]
fn every_broken_file_is_named_with_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let (certificate, key) = pair();
    let (_, other_key) = pair();
    let ca = write("ca.pem", certificate.as_bytes());
    let key = write("key.pem", key.as_bytes());
    let other = write("other.pem", other_key.as_bytes());
    let text = write("text.pem", b"hello");
    let der = write("ca.der", &[0x30, 0x82, 1, 2]);
    let broken = write(
        "broken.pem",
        b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
    );
    let encrypted = write(
        "encrypted.pem",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let missing = folder.path().join("missing.pem");

    assert!(client_config(Some(&ca), Some((&ca, &key))).is_ok());
    type Case<'a> = (&'a Path, Option<(&'a Path, &'a Path)>, &'a Path, &'a str);
    let cases: [Case<'_>; 11] = [
        (&missing, None, &missing, "cannot read the CA file"),
        (&text, None, &text, "is not a PEM file"),
        (&der, None, &der, "looks like DER"),
        (&broken, None, &broken, "damaged"),
        (&key, None, &key, "holds a private key"),
        (
            &ca,
            Some((&missing, &key)),
            &missing,
            "cannot read the client certificate",
        ),
        (
            &ca,
            Some((&ca, &missing)),
            &missing,
            "cannot read the client key",
        ),
        (&ca, Some((&ca, &ca)), &ca, "holds a certificate"),
        (&ca, Some((&ca, &text)), &text, "is not a PEM file"),
        (&ca, Some((&ca, &encrypted)), &encrypted, "encrypted"),
        (&ca, Some((&ca, &other)), &other, "does not belong to"),
    ];
    for (ca, identity, file, words) in cases {
        let error = client_config(Some(ca), identity).unwrap_err().to_string();
        let file = file.display().to_string();
        assert!(
            error.contains(&file) && error.contains(words),
            "{words:?}: {error}"
        );
    }
}
