use super::*;

fn key() -> SigningKey {
    SigningKey::from_pem(&pem_of_seed(&[9; 32])).unwrap()
}

fn line() -> String {
    let blob = [SSH_PUBLIC, key().public_key().as_bytes()].concat();
    format!("{SSH} {}", STANDARD.encode(blob))
}

fn jwk(more: &str) -> String {
    let x = URL_SAFE_NO_PAD.encode(key().public_key().as_bytes());
    format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"{more}}}"#)
}

/// As `ssh-keygen` lays it out.
fn ssh_file(change: impl FnOnce(&mut Vec<u8>)) -> String {
    let public = key().public_key().as_bytes().to_vec();
    let mut bytes = [SSH_OPEN, SSH_ONE_KEY, SSH_PUBLIC, &public].concat();
    bytes.extend([0, 0, 0, 0x90, 1, 2, 3, 4, 1, 2, 3, 4]);
    bytes.extend([SSH_PUBLIC, &public, &[0, 0, 0, 64], &[9; 32], &public].concat());
    bytes.extend(b"\0\0\0\x03ada\x01\x02\x03");
    change(&mut bytes);
    super::super::pem_text(SSH_PRIVATE_LABEL, bytes)
}

#[test]
fn a_public_key_is_read_in_every_form() {
    let (line, pem) = (line(), key().public_key().to_pem());
    for text in [
        pem.clone(),
        pem.replace('\n', "\r\n"),
        format!("\u{feff}{pem}"),
        line.clone(),
        format!("{line} ada@desk with a comment\n"),
        format!("# hers\n\nno-pty,restrict {line} ada@desk\n"),
        jwk(""),
        jwk(r#","alg":"Ed25519","ext":true,"key_ops":["verify"],"kid":"1""#),
    ] {
        let read = PublicKey::parse(&text);
        assert_eq!(read.as_ref(), Ok(key().public_key()), "{text}");
    }
}

#[test]
fn a_private_key_is_read_in_every_form_and_never_taken_for_a_public_one() {
    let d = URL_SAFE_NO_PAD.encode([9; 32]);
    let (file, jwk) = (ssh_file(|_| {}), jwk(&format!(r#","d":"{d}""#)));
    for text in [pem_of_seed(&[9; 32]), file, jwk] {
        let read = SigningKey::parse(&text).unwrap();
        assert_eq!(read.public_key(), key().public_key());
        let told = PublicKey::parse(&text).unwrap_err().to_string();
        assert!(told.contains("nobody but its owner"), "{told}");
        assert!(!told.contains(&d), "{told}");
    }
}

#[test]
fn whatever_else_it_is_the_message_says_so_and_what_is_wanted() {
    let wide = STANDARD.encode([SSH_PUBLIC, &[7; 33]].concat());
    for (text, expected) in [
        (String::new(), "it is empty"),
        ("nonsense".into(), "no form that is known"),
        ("ssh-rsa AAAAB3NzaC1yc2E ada".into(), "kind ssh-rsa"),
        (
            "sk-ssh-ed25519@openssh.com AAAA".into(),
            "kind sk-ssh-ed25519",
        ),
        (SSH.into(), "no Ed25519 key"),
        (format!("{SSH} ?"), "no base64"),
        (format!("{SSH} {wide}"), "no Ed25519 key"),
        (format!("{}\n{}", line(), line()), "several lines"),
        (
            "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----".into(),
            "several lines",
        ),
        (r#"{"keys":[]}"#.into(), "a set of JWKs"),
        (
            r#"{"kty":"EC","crv":"P-256","x":""}"#.into(),
            r#"kty "EC", crv "P-256""#,
        ),
        (r#"{"kty":"OKP","crv":"Ed25519"}"#.into(), "without its x"),
        (
            r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#.into(),
            "32 bytes",
        ),
    ] {
        let told = PublicKey::parse(&text).unwrap_err().to_string();
        assert!(told.contains(expected), "{text}: {told}");
        assert!(
            told.contains("ssh-ed25519 AAAA…") && told.contains("pkey -pubout"),
            "{told}"
        );
    }
}

#[test]
fn a_damaged_or_protected_private_key_is_refused() {
    let refused = |text: &str| SigningKey::parse(text).unwrap_err().to_string();
    let protected = ssh_file(|bytes| bytes[19..23].copy_from_slice(b"aes2"));
    assert!(refused(&protected).contains("passphrase; take it off a copy"));
    let place = [SSH_OPEN, SSH_ONE_KEY, SSH_PUBLIC].concat().len();
    for at in [
        place - 1,
        place,
        place + 36,
        place + 44,
        place + 64,
        place + 95,
        place + 130,
    ] {
        let told = refused(&ssh_file(|bytes| bytes[at] ^= 1));
        assert!(told.contains("of another kind"), "{at}: {told}");
    }
    let d = URL_SAFE_NO_PAD.encode([8; 32]);
    assert!(refused(&jwk(&format!(r#","d":"{d}""#))).contains("does not belong"));
    assert!(refused(&jwk("")).contains("its d is missing"));
    assert!(refused("nonsense").contains("openssl genpkey"));
}
