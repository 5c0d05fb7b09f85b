//! The signed form of a command: JWS in compact form with EdDSA, claims as in a JWT.
//!
//! Strict, because nobody watches: one algorithm (by its older or its newer name), no header but the usual two members (so no `crit`
//! that would have to be understood, and no key that the token brings along), no claim that the door
//! does not know, and a size limit before anything else is looked at. What a token claims can be read
//! only through [`Sealed::open`], with the key of whoever it claims to be from.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Command;
use super::operator::is_name;
use crate::event::CommandVerb;
use crate::keys::{PublicKey, SigningKey};

/// Largest command, in bytes.
pub const MAX_BYTES: usize = 4096;
/// Longest id, in characters.
const MAX_ID: usize = 64;

/// What the header may name: EdDSA (RFC 8037), and what RFC 9864 calls the same with the only kind of
/// key there is.
const ALGORITHMS: [&str; 2] = ["EdDSA", "Ed25519"];

/// What a command claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CommandClaims")]
pub struct Claims<C> {
    /// The operator.
    #[schemars(regex(pattern = super::operator::NAME))]
    pub iss: String,
    /// The one door it is for: its CloudEvents source, `/doorward/SITE/DOOR`.
    pub aud: String,
    /// Its id: the same operator never uses one twice.
    #[schemars(regex(pattern = "^[!-~]{1,64}$"))]
    pub jti: String,
    /// When it was signed, in seconds since 1970.
    pub iat: i64,
    /// When it must not be carried out any more, in seconds since 1970.
    pub exp: i64,
    /// What is wanted.
    pub cmd: C,
}

/// Of what is wanted, the verb alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Wanted {
    /// Which.
    pub verb: CommandVerb,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: Option<String>,
}

/// A token that looks like a command; nobody knows yet whether it is one.
#[derive(Debug)]
pub struct Sealed<'a> {
    message: &'a str,
    signature: &'a str,
    payload: Vec<u8>,
    claims: Claims<Wanted>,
}

impl<'a> Sealed<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// In words, when it is not what a command looks like.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        // What prints a token ends the line, and what sends a file or a pipe sends that too.
        let bytes = bytes.trim_ascii_end();
        if bytes.len() > MAX_BYTES {
            return Err(format!("it has more than {MAX_BYTES} bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "it is no text")?;
        let (message, signature) = text.rsplit_once('.').ok_or("it is no JWS")?;
        let (header, payload) = message.split_once('.').ok_or("it is no JWS")?;
        let header: Header = decoded(header).map_err(|error| format!("its header: {error}"))?;
        if !ALGORITHMS.contains(&header.alg.as_str()) {
            return Err("its algorithm is neither EdDSA nor Ed25519".into());
        }
        if header.typ.is_some_and(|typ| typ != "JWT") {
            return Err("its type is not JWT".into());
        }
        let payload = base64(payload).map_err(|error| format!("its claims: {error}"))?;
        let in_claims = |error| format!("its claims: {error}");
        // As an array the same would be read too.
        let _: Claims<serde_json::Map<String, serde_json::Value>> =
            json(&payload).map_err(in_claims)?;
        let claims: Claims<Wanted> = json(&payload).map_err(in_claims)?;
        if !is_name(&claims.iss) {
            return Err("its issuer cannot be an operator's name".into());
        }
        if !is_id(&claims.jti) {
            return Err(format!("its id is not of 1 to {MAX_ID} visible characters"));
        }
        Ok(Self {
            message,
            signature,
            payload,
            claims,
        })
    }

    /// Who it claims to be from; anybody can write that.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.claims.iss
    }

    /// The id that it claims to have; anybody can write that.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.claims.jti
    }

    /// What it claims to want; anybody can write that.
    #[must_use]
    pub fn verb(&self) -> CommandVerb {
        self.claims.cmd.verb
    }

    /// What it claims, if this key signed it.
    #[must_use]
    pub fn open(&self, key: &PublicKey) -> Option<&Claims<Wanted>> {
        key.signed(self.message.as_bytes(), self.signature)
            .then_some(&self.claims)
    }

    /// What is wanted, with the arguments.
    ///
    /// # Errors
    /// In words, when the arguments are not those of the verb.
    pub fn command(&self) -> Result<Command, String> {
        json::<Claims<Command>>(&self.payload).map(|claims| claims.cmd)
    }
}

/// Signs a command.
///
/// # Errors
/// When it cannot be written as JSON, or is too large.
pub fn sign(key: &SigningKey, claims: &Claims<Command>) -> Result<String, String> {
    let token = key.sign(claims).map_err(|error| error.to_string())?;
    if token.len() > MAX_BYTES {
        return Err(format!("the command has more than {MAX_BYTES} bytes"));
    }
    Ok(token)
}

/// Whether this can be a command's id.
#[must_use]
pub fn is_id(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn base64(text: &str) -> Result<Vec<u8>, String> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| "it is no base64url".into())
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    if bytes.first() != Some(&b'{') {
        return Err("it is no JSON object".into());
    }
    serde_json::from_slice(bytes).map_err(|error| {
        // At most so much of what somebody else wrote goes into the record.
        error
            .to_string()
            .chars()
            .filter(|c| !c.is_control())
            .take(120)
            .collect()
    })
}

fn decoded<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    json(&base64(text)?)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, EncodingKey};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::keys::pem_of_seed;

    fn key() -> SigningKey {
        SigningKey::from_pem(&pem_of_seed(&[1; 32])).unwrap()
    }

    fn claims() -> Value {
        json!({
            "iss": "ada", "aud": "/doorward/home/front", "jti": "1",
            "iat": 1_000, "exp": 1_030, "cmd": {"verb": "unlock"},
        })
    }

    fn token(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let pem = pem_of_seed(&[1; 32]);
        let der = pem::parse(&pem).unwrap().into_contents();
        let key = EncodingKey::from_ed_der(&der);
        let signed = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::EdDSA);
        format!("{message}.{}", signed.unwrap())
    }

    fn refused(header: &Value, claims: &Value) -> String {
        Sealed::parse(token(header, claims).as_bytes()).unwrap_err()
    }

    #[test]
    fn what_is_signed_is_read_with_the_key_and_with_no_other() {
        let claims = Claims {
            iss: "ada".into(),
            aud: "/doorward/home/front".into(),
            jti: "id".into(),
            iat: 5,
            exp: 9,
            cmd: Command::Unlock {},
        };
        let token = sign(&key(), &claims).unwrap();
        let sealed = Sealed::parse(token.as_bytes()).unwrap();
        assert_eq!((sealed.issuer(), sealed.id()), ("ada", "id"));
        let opened = sealed.open(key().public_key()).unwrap();
        assert_eq!((opened.iat, opened.exp), (5, 9));
        assert_eq!(sealed.command().unwrap(), Command::Unlock {});
        let other = SigningKey::from_pem(&pem_of_seed(&[2; 32])).unwrap();
        assert!(sealed.open(other.public_key()).is_none());
    }

    #[test]
    fn the_header_is_one_of_few() {
        for header in [
            json!({"alg": "EdDSA"}),
            json!({"alg": "EdDSA", "typ": "JWT"}),
            json!({"alg": "Ed25519"}),
            json!({"alg": "Ed25519", "typ": "JWT"}),
        ] {
            let token = token(&header, &claims());
            let sealed = Sealed::parse(token.as_bytes()).unwrap();
            assert!(sealed.open(key().public_key()).is_some());
        }
        for header in [
            json!({"alg": "none"}),
            json!({"alg": "HS256", "typ": "JWT"}),
            json!({"alg": "eddsa"}),
            json!({"alg": "ed25519"}),
            json!({"alg": "Ed448"}),
            json!({"alg": "ES256"}),
            json!({"alg": ["EdDSA"]}),
            json!({"alg": "EdDSA", "typ": "JOSE"}),
            json!({"alg": "EdDSA", "crit": ["b64"], "b64": false}),
            json!({"alg": "EdDSA", "jwk": {"kty": "OKP"}}),
            json!({"alg": "EdDSA", "kid": "../../key"}),
            json!({"typ": "JWT"}),
            json!([]),
        ] {
            refused(&header, &claims());
        }
    }

    #[test]
    fn every_claim_is_there_and_no_other() {
        let header = json!({"alg": "EdDSA"});
        for name in ["iss", "aud", "jti", "iat", "exp", "cmd"] {
            let mut without = claims();
            without.as_object_mut().unwrap().remove(name);
            assert!(refused(&header, &without).contains(name));
        }
        for (name, value) in [
            ("nbf", json!(1)),
            ("aud", json!(["/doorward/home/front"])),
            ("exp", json!(1030.5)),
            ("exp", json!("1030")),
            ("iss", json!("a/#")),
            ("iss", json!("")),
            ("jti", json!("")),
            ("jti", json!("a b")),
            ("jti", json!("x".repeat(65))),
            ("cmd", json!({"verb": "open"})),
            ("cmd", json!("unlock")),
            ("cmd", json!(["unlock"])),
        ] {
            let mut changed = claims();
            changed[name] = value;
            refused(&header, &changed);
        }
    }

    #[test]
    fn white_space_after_a_token_is_no_part_of_it_and_anywhere_else_it_is() {
        let token = token(&json!({"alg": "EdDSA"}), &claims());
        for end in ["\n", "\r\n", " \t\n\n"] {
            let sent = format!("{token}{end}");
            let sealed = Sealed::parse(sent.as_bytes()).unwrap();
            assert!(sealed.open(key().public_key()).is_some(), "{end:?}");
        }
        let (before, after) = token.rsplit_once('.').unwrap();
        for broken in [
            format!("\n{token}"),
            format!("{before}\n.{after}"),
            format!("{before}.\n{after}"),
            format!("{token}\0"),
            format!("{token}\u{a0}"),
        ] {
            let opened = Sealed::parse(broken.as_bytes())
                .is_ok_and(|sealed| sealed.open(key().public_key()).is_some());
            assert!(!opened, "{broken:?}");
        }
        // The newline of the largest command does not make it too large.
        let large = format!("{}\n", "x".repeat(MAX_BYTES));
        assert_eq!(Sealed::parse(large.as_bytes()).unwrap_err(), "it is no JWS");
    }

    #[test]
    fn claims_are_an_object() {
        let list: Vec<_> = claims().as_object().unwrap().values().cloned().collect();
        refused(&json!({"alg": "EdDSA"}), &json!(list));
        refused(&json!(["EdDSA", "JWT"]), &claims());
    }

    #[test]
    fn what_is_large_is_not_looked_at() {
        let mut large = claims();
        large["jti"] = json!("x".repeat(4000));
        let told = refused(&json!({"alg": "EdDSA"}), &large);
        assert!(told.contains("4096"), "{told}");
    }

    #[test]
    fn a_claim_is_not_said_twice() {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let twice = claims().to_string().replacen('{', r#"{"iss":"eve","#, 1);
        let token = format!("{}.{}.AA", part(r#"{"alg":"EdDSA"}"#), part(&twice));
        assert!(
            Sealed::parse(token.as_bytes())
                .unwrap_err()
                .contains("duplicate")
        );
        let twice = r#"{"alg":"EdDSA","alg":"none"}"#;
        let token = format!("{}.{}.AA", part(twice), part(&claims().to_string()));
        assert!(Sealed::parse(token.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn one_changed_character_is_refused(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.-]") {
            let token = token(&json!({"alg": "EdDSA"}), &claims());
            let at = at.index(token.len());
            prop_assume!(token[at..=at] != to);
            let mut forged = token;
            forged.replace_range(at..=at, &to);
            let key = key();
            let opened = Sealed::parse(forged.as_bytes())
                .is_ok_and(|sealed| sealed.open(key.public_key()).is_some());
            prop_assert!(!opened);
        }
    }
}
