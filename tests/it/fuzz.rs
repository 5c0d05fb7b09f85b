//! Whatever a broker may hand to the door or to its client: nothing panics, and nothing forged gets in.
//!
//! Runs for `DOORWARD_FUZZ_SECONDS` (2 by default) with random seeds; a failure prints the input,
//! shrunk. Half of the inputs are bytes of all kinds, half are genuine commands damaged in ways that
//! somebody who has recorded them could try; and claims of all kinds, genuinely signed.

use std::time::{Duration, Instant};

use doorward::clock::{Moment, Tick, Timestamp};
use doorward::command::gate::{Ledger, Settings, Spent, judge};
use doorward::command::plain::{self, Arrival};
use doorward::command::result::CommandResult;
use doorward::command::token::{Claims, MAX_BYTES, sign};
use doorward::command::{Command, ModeWord, Operator, is_name};
use doorward::event::{Alarm, Role};
use doorward::keys::{self, SigningKey};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

const DOOR: &str = "/doorward/home/front";
const NOW: i64 = 1_800_000_000;

/// Knows ada, and has seen nothing.
struct Naive {
    ada: Operator,
}

impl Ledger for Naive {
    type Error = String;
    fn operator(&mut self, name: &str) -> Result<Option<Operator>, String> {
        Ok((name == self.ada.name).then(|| self.ada.clone()))
    }
    fn may_verify(&mut self, _: &str) -> bool {
        true
    }
    fn complaint(&mut self) -> Option<String> {
        None
    }
    fn not_before(&mut self) -> Result<Option<Timestamp>, String> {
        Ok(None)
    }
    fn is_spent(&mut self, _: &Spent) -> Result<bool, String> {
        Ok(false)
    }
    fn has_room(&mut self, _: &str) -> Result<bool, String> {
        Ok(true)
    }
    fn newest(&mut self) -> Result<Option<Timestamp>, String> {
        Ok(None)
    }
    fn counted(&mut self, _: &str, _: Timestamp) -> Result<u32, String> {
        Ok(0)
    }
}

struct Bench {
    key: SigningKey,
    ledger: Naive,
    settings: Settings,
    now: Moment,
}

impl Bench {
    fn new() -> Self {
        let key = SigningKey::from_pem(&keys::generate().unwrap()).unwrap();
        Self {
            ledger: Naive {
                ada: Operator {
                    name: "ada".into(),
                    role: Role::Admin,
                    key: key.public_key().clone(),
                },
            },
            key,
            settings: Settings {
                door: DOOR.into(),
                max_age_s: 60,
                skew_s: 10,
                per_minute: 30,
            },
            now: Moment {
                wall: Timestamp::from_second(NOW).unwrap(),
                tick: Tick(Duration::from_secs(100)),
                clock_trusted: true,
            },
        }
    }

    fn genuine(&self, cmd: Command) -> String {
        let claims = Claims {
            iss: "ada".into(),
            aud: DOOR.into(),
            jti: "0198c5d2-7d7e-7aaa-8000-000000000001".into(),
            iat: NOW,
            exp: NOW + 30,
            cmd,
        };
        sign(&self.key, &claims).unwrap()
    }
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(Command::Unlock {}),
        Just(Command::Lock {}),
        Just(Command::Mode {
            mode: ModeWord::Lockdown,
            until: None,
            for_s: Some(60)
        }),
        Just(Command::Acknowledge {
            alarm: Alarm::HeldOpen,
            note: Some("post".into())
        }),
        Just(Command::Locate { seconds: Some(9) }),
        Just(Command::Reload {}),
    ]
}

/// One way to damage what was recorded.
#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, u8),
    Remove(Index),
    Insert(Index, u8),
    Cut(Index),
    Append(Vec<u8>),
    Double(Index),
    SwapParts(usize, usize),
    /// Another header, claims or signature, in base64url.
    Part(usize, Vec<u8>),
    /// The claims with one of them changed.
    Claim(&'static str, Value),
    Header(Value),
}

fn any_damage() -> impl Strategy<Value = Damage> {
    let claim = select(vec!["iss", "aud", "jti", "iat", "exp", "cmd", "nbf", "sub"]);
    let header = select(vec![
        json!({"alg": "none"}),
        json!({"alg": "HS256", "typ": "JWT"}),
        json!({"alg": "EdDSA", "typ": "JWT", "crit": []}),
        json!({"alg": "EdDSA"}),
        json!({"alg": "EdDSA", "b64": false}),
        json!({"typ": "JWT", "alg": "EdDSA", "kid": "ada"}),
        json!(null),
    ]);
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        any::<Index>().prop_map(Damage::Remove),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        any::<Index>().prop_map(Damage::Cut),
        vec(any::<u8>(), 0..40).prop_map(Damage::Append),
        any::<Index>().prop_map(Damage::Double),
        (0usize..3, 0usize..3).prop_map(|(a, b)| Damage::SwapParts(a, b)),
        (0usize..3, vec(any::<u8>(), 0..80)).prop_map(|(part, bytes)| Damage::Part(part, bytes)),
        (claim, any_json()).prop_map(|(name, value)| Damage::Claim(name, value)),
        header.prop_map(Damage::Header),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (NOW - 100..NOW + 100).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        select(vec![
            "ada",
            "unlock",
            "mode",
            "lockdown",
            "reload",
            DOOR,
            "verb",
            "held_open"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let key = prop_oneof![
            ".{0,8}",
            select(vec![
                "verb", "mode", "for_s", "until", "alarm", "note", "seconds"
            ])
            .prop_map(str::to_owned),
        ];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((key, inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// base64url without padding, independent of the crate that reads it.
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut word = [0; 4];
        word[1..=chunk.len()].copy_from_slice(chunk);
        let word = u32::from_be_bytes(word);
        for place in 0..=chunk.len() {
            let sextet = word >> (18 - 6 * place) & 63;
            text.push(char::from(ALPHABET[sextet as usize]));
        }
    }
    text
}

fn damaged(token: &str, claims: &Value, damages: &[Damage]) -> Vec<u8> {
    let mut bytes = token.as_bytes().to_vec();
    for damage in damages {
        let parts =
            || -> Vec<Vec<u8>> { bytes.split(|b| *b == b'.').map(<[u8]>::to_vec).collect() };
        match damage {
            Damage::Flip(at, bits) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
            }
            Damage::Remove(at) if !bytes.is_empty() => {
                bytes.remove(at.index(bytes.len()));
            }
            Damage::Insert(at, byte) => bytes.insert(at.index(bytes.len() + 1), *byte),
            Damage::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
            Damage::Append(more) => bytes.extend(more),
            Damage::Double(at) => {
                let tail = bytes[at.index(bytes.len() + 1)..].to_vec();
                bytes.extend(tail);
            }
            Damage::SwapParts(a, b) => {
                let mut parts = parts();
                if *a < parts.len() && *b < parts.len() {
                    parts.swap(*a, *b);
                }
                bytes = parts.join(&b'.');
            }
            Damage::Part(part, content) => {
                let mut parts = parts();
                if let Some(part) = parts.get_mut(*part) {
                    *part = base64url(content).into_bytes();
                }
                bytes = parts.join(&b'.');
            }
            Damage::Claim(name, value) => {
                let mut claims = claims.clone();
                claims[*name] = value.clone();
                let mut parts = parts();
                if let Some(part) = parts.get_mut(1) {
                    *part = base64url(claims.to_string().as_bytes()).into_bytes();
                }
                bytes = parts.join(&b'.');
            }
            Damage::Header(header) => {
                let mut parts = parts();
                if let Some(part) = parts.get_mut(0) {
                    *part = base64url(header.to_string().as_bytes()).into_bytes();
                }
                bytes = parts.join(&b'.');
            }
            Damage::Flip(..) | Damage::Remove(_) => {}
        }
    }
    bytes
}

/// Runs rounds of `cases` until the time is over; how many cases there were.
fn for_a_while(share: u32, mut round: impl FnMut(&mut TestRunner)) -> u64 {
    let seconds = std::env::var("DOORWARD_FUZZ_SECONDS");
    let seconds = seconds.map_or(2, |text| text.parse().unwrap());
    let end = Instant::now() + Duration::from_secs(seconds) / share;
    let config = ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut cases = 0;
    while cases == 0 || Instant::now() < end {
        round(&mut TestRunner::new(config.clone()));
        cases += u64::from(config.cases);
    }
    cases
}

#[track_caller]
fn holds<T: std::fmt::Debug>(tested: Result<(), proptest::test_runner::TestError<T>>) {
    if let Err(error) = tested {
        panic!("{error}\n{error:?}");
    }
}

#[test]
fn bytes_of_all_kinds_open_nothing() {
    let bytes = || {
        prop_oneof![
            vec(any::<u8>(), 0..300),
            "[A-Za-z0-9_-]{0,80}(\\.[A-Za-z0-9_-]{0,80}){0,4}".prop_map(String::into_bytes),
            any_json().prop_map(|json| json.to_string().into_bytes()),
            (any::<u8>(), MAX_BYTES - 2..MAX_BYTES + 3).prop_map(|(byte, n)| vec![byte; n]),
        ]
    };
    let bench = Bench::new();
    let cases = for_a_while(4, |runner| {
        let tested = runner.run(
            &(bytes(), any::<bool>(), any::<u64>()),
            |(bytes, retain, ms)| {
                let mut ledger = Naive {
                    ada: bench.ledger.ada.clone(),
                };
                let judged = judge(&bytes, retain, &mut ledger, &bench.now, &bench.settings);
                prop_assert!(judged.is_err());
                let arrival = Arrival {
                    payload: &bytes,
                    retain,
                    received: Tick(Duration::from_millis(ms)),
                    connected: Some(Tick::default()),
                };
                let words: [&[u8]; 3] = [b"LOCK", b"UNLOCK", b"OPEN"];
                let word = words.contains(&bytes.as_slice());
                let plain = plain::judge(&arrival, Tick(Duration::from_millis(ms)));
                prop_assert!(plain.is_err() || (word && !retain));
                // What the client reads.
                let _ = CommandResult::parse(&bytes);
                Ok(())
            },
        );
        holds(tested);
    });
    println!("fuzz: {cases} inputs of bytes");
}

#[test]
fn a_recorded_command_that_was_changed_opens_nothing() {
    let bench = Bench::new();
    let cases = for_a_while(2, |runner| {
        let inputs = (any_command(), vec(any_damage(), 1..5));
        let tested = runner.run(&inputs, |(command, damages)| {
            let token = bench.genuine(command.clone());
            let mut ledger = Naive {
                ada: bench.ledger.ada.clone(),
            };
            let (now, settings) = (&bench.now, &bench.settings);
            let accepted = judge(token.as_bytes(), false, &mut ledger, now, settings);
            prop_assert_eq!(
                accepted.map(|accepted| accepted.command),
                Ok(command.clone())
            );
            let claims = json!({
                "iss": "ada", "aud": DOOR, "jti": "0198c5d2-7d7e-7aaa-8000-000000000001",
                "iat": NOW, "exp": NOW + 30, "cmd": command,
            });
            let changed = damaged(&token, &claims, &damages);
            if changed != token.as_bytes() {
                let judged = judge(&changed, false, &mut ledger, now, settings);
                prop_assert!(judged.is_err(), "{}", String::from_utf8_lossy(&changed));
            }
            Ok(())
        });
        holds(tested);
    });
    println!("fuzz: {cases} changed commands");
}

#[test]
fn what_an_operator_signs_is_carried_out_only_within_the_rules() {
    let bench = Bench::new();
    let claim = |name: &'static str, usual: Value| {
        prop_oneof![4 => Just(Some(usual)), 1 => any_json().prop_map(Some), 1 => Just(None)]
            .prop_map(move |value| (name, value))
    };
    let commands = prop_oneof![
        any_json(),
        any_command().prop_map(|command| serde_json::to_value(command).unwrap()),
    ];
    let inputs = (
        (
            claim("iss", json!("ada")),
            claim("aud", json!(DOOR)),
            claim("jti", json!("1")),
            (NOW - 100..NOW + 100).prop_map(|at| ("iat", Some(json!(at)))),
            (NOW - 100..NOW + 100).prop_map(|at| ("exp", Some(json!(at)))),
        ),
        commands,
        any_json(),
    );
    let mut accepted = 0;
    let cases = for_a_while(4, |runner| {
        let count = std::cell::Cell::new(0);
        let tested = runner.run(&inputs, |((iss, aud, jti, iat, exp), command, more)| {
            let mut claims = serde_json::Map::new();
            for (name, value) in [iss, aud, jti, iat, exp, ("cmd", Some(command))] {
                if let Some(value) = value {
                    claims.insert(name.to_owned(), value);
                }
            }
            if more.is_object() {
                claims.insert("more".to_owned(), more);
            }
            let token = bench.key.sign(&claims).unwrap();
            let mut ledger = Naive {
                ada: bench.ledger.ada.clone(),
            };
            let (now, settings) = (&bench.now, &bench.settings);
            if let Ok(accepted) = judge(token.as_bytes(), false, &mut ledger, now, settings) {
                count.set(count.get() + 1);
                let at = |name: &str| claims[name].as_i64().unwrap();
                let (iat, exp) = (at("iat"), at("exp"));
                prop_assert!(exp > iat && exp - iat <= 60);
                prop_assert!(iat <= NOW + 10 && NOW < exp + 10);
                prop_assert_eq!(&claims["aud"], DOOR);
                prop_assert!(!claims.contains_key("more"));
                prop_assert!(is_name(&accepted.operator));
                prop_assert_eq!(accepted.command.check(now.wall), Ok(()));
            }
            Ok(())
        });
        holds(tested);
        accepted += count.get();
    });
    println!("fuzz: {cases} signed claims, {accepted} accepted");
}
