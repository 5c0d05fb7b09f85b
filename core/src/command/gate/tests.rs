//! Each check of the gate, by a command that everything else lets pass.

use std::collections::HashSet;
use std::time::Duration;

use super::*;
use crate::clock::Tick;
use crate::command::token::{Claims, sign};
use crate::event::CommandRefusal as Why;
use crate::keys::{SigningKey, pem_of_seed};

const DOOR: &str = "/doorward/home/front";
const NOW: i64 = 1_800_000_000;

/// What is known, by hand.
struct Known {
    role: Role,
    verify: bool,
    spent: HashSet<(String, String)>,
    complaint: Option<&'static str>,
    newest: Option<Timestamp>,
    not_before: Option<Timestamp>,
    room: bool,
    counted: u32,
    broken: Option<&'static str>,
}

impl Known {
    fn fails(&self, what: &str) -> Result<(), String> {
        match self.broken {
            Some(broken) if broken == what => Err("torn".into()),
            _ => Ok(()),
        }
    }
}

impl Ledger for Known {
    type Error = String;
    fn operator(&mut self, name: &str) -> Result<Option<Operator>, String> {
        self.fails("operator")?;
        let key = SigningKey::from_pem(&pem_of_seed(&[1; 32])).unwrap();
        Ok((name == "ada").then(|| Operator {
            name: name.to_owned(),
            role: self.role,
            key: key.public_key().clone(),
        }))
    }
    fn may_verify(&mut self, operator: &str) -> bool {
        assert_eq!(operator, "ada");
        self.verify
    }
    fn complaint(&mut self) -> Option<String> {
        self.complaint.map(str::to_owned)
    }
    fn not_before(&mut self) -> Result<Option<Timestamp>, String> {
        self.fails("not before")?;
        Ok(self.not_before)
    }
    fn is_spent(&mut self, command: &Spent) -> Result<bool, String> {
        self.fails("spent")?;
        let key = (command.operator.clone(), command.id.clone());
        Ok(self.spent.contains(&key))
    }
    fn has_room(&mut self, _: &str) -> Result<bool, String> {
        self.fails("room")?;
        Ok(self.room)
    }
    fn newest(&mut self) -> Result<Option<Timestamp>, String> {
        self.fails("newest")?;
        Ok(self.newest)
    }
    fn counted(&mut self, _: &str, since: Timestamp) -> Result<u32, String> {
        self.fails("counted")?;
        let now = self
            .newest
            .map_or(NOW, |newest| newest.as_second().max(NOW));
        assert_eq!(since.as_second(), now - 60);
        Ok(self.counted)
    }
}

/// A case that is accepted as it stands.
struct Case {
    claims: Claims<Command>,
    seed: u8,
    retain: bool,
    known: Known,
    now: Moment,
    settings: Settings,
}

fn case() -> Case {
    Case {
        claims: Claims {
            iss: "ada".into(),
            aud: DOOR.into(),
            jti: "id-1".into(),
            iat: NOW - 5,
            exp: NOW + 25,
            cmd: Command::Unlock {},
        },
        seed: 1,
        retain: false,
        known: Known {
            role: Role::Operate,
            verify: true,
            spent: HashSet::new(),
            complaint: None,
            newest: None,
            not_before: None,
            room: true,
            counted: 0,
            broken: None,
        },
        now: Moment {
            wall: Timestamp::from_second(NOW).unwrap(),
            tick: Tick(Duration::from_secs(9)),
            clock_trusted: true,
        },
        settings: Settings {
            door: DOOR.into(),
            max_age_s: 60,
            skew_s: 10,
            per_minute: 30,
        },
    }
}

impl Case {
    fn token(&self) -> String {
        let key = SigningKey::from_pem(&pem_of_seed(&[self.seed; 32])).unwrap();
        sign(&key, &self.claims).unwrap()
    }

    fn judged(&mut self) -> Result<Accepted, Refusal> {
        let token = self.token();
        let (known, now) = (&mut self.known, &self.now);
        judge(token.as_bytes(), self.retain, known, now, &self.settings)
    }
}

/// The refusal of a case with one thing changed.
#[track_caller]
fn refused(change: impl FnOnce(&mut Case)) -> Refusal {
    let mut case = case();
    assert!(case.judged().is_ok());
    change(&mut case);
    case.judged().unwrap_err()
}

#[test]
fn a_genuine_command_is_accepted_and_spent() {
    let accepted = case().judged().unwrap();
    assert_eq!(accepted.command, Command::Unlock {});
    let spent = Spent {
        operator: "ada".into(),
        id: "id-1".into(),
        over: Timestamp::from_second(NOW + 35).unwrap(),
        counts: true,
    };
    assert_eq!(accepted.spent, spent);
}

#[test]
fn retained() {
    let refusal = refused(|case| case.retain = true);
    assert_eq!(refusal.reason, Why::Retained);
    assert!(!refusal.genuine);
}

#[test]
fn malformed() {
    let mut case = case();
    let large = vec![b'a'; 5000];
    for payload in [b"".as_slice(), b"a.b.c", &large, b"\xff"] {
        let judged = judge(payload, false, &mut case.known, &case.now, &case.settings);
        assert_eq!(judged.unwrap_err().reason, Why::Malformed);
    }
    let backwards = refused(|case| case.claims.exp = case.claims.iat);
    assert_eq!(backwards.reason, Why::Malformed);
    let beyond = refused(|case| {
        case.claims.iat = i64::MAX - 10;
        case.claims.exp = i64::MAX;
    });
    assert_eq!(beyond.reason, Why::Malformed);
    let below = refused(|case| {
        case.claims.iat = i64::MIN;
        case.claims.exp = i64::MAX;
    });
    assert_eq!(below.reason, Why::Malformed);
}

#[test]
fn unknown_operator() {
    let refusal = refused(|case| case.claims.iss = "eve".into());
    assert_eq!(refusal.reason, Why::UnknownOperator);
    assert!(!refusal.genuine && refusal.spent.is_none());
    assert_eq!(refusal.told().0, Why::BadSignature);
}

#[test]
fn bad_signature() {
    let refusal = refused(|case| case.seed = 2);
    assert_eq!(refusal.reason, Why::BadSignature);
    assert!(!refusal.genuine && refusal.spent.is_none());
}

#[test]
fn too_many_to_verify() {
    let refusal = refused(|case| {
        case.seed = 2;
        case.known.verify = false;
    });
    assert_eq!(refusal.reason, Why::RateLimited);
    assert!(!refusal.genuine);
}

#[test]
fn wrong_door() {
    for aud in ["/doorward/home/back", "/doorward/home/front/", ""] {
        let refusal = refused(|case| case.claims.aud = aud.into());
        assert_eq!(refusal.reason, Why::WrongDoor);
        assert!(refusal.genuine && refusal.spent.is_none());
    }
}

#[test]
fn lives_too_long() {
    let longest = refused(|case| case.claims.exp = case.claims.iat + 61);
    assert_eq!(longest.reason, Why::LivesTooLong);
    let shorter = refused(|case| case.settings.max_age_s = 29);
    assert_eq!(shorter.reason, Why::LivesTooLong);
    let mut just = case();
    just.claims.exp = just.claims.iat + 60;
    assert!(just.judged().is_ok());
}

#[test]
fn clock_untrusted() {
    let refusal = refused(|case| case.now.clock_trusted = false);
    assert_eq!(refusal.reason, Why::ClockUntrusted);
    assert!(refusal.spent.is_some_and(|spent| !spent.counts));
}

fn at(from_now: i64) -> Option<Timestamp> {
    Some(Timestamp::from_second(NOW + from_now).unwrap())
}

#[test]
fn a_clock_that_is_complained_of_is_not_trusted() {
    let refusal = refused(|case| case.known.complaint = Some("it jumped"));
    assert_eq!(refusal.reason, Why::ClockUntrusted);
    assert!(refusal.detail.contains("it jumped"));
    assert!(refusal.spent.is_some_and(|spent| !spent.counts));
}

#[test]
fn a_clock_that_was_set_back_behind_the_record_is_not_trusted() {
    let refusal = refused(|case| case.known.newest = at(61));
    assert_eq!(refusal.reason, Why::ClockUntrusted);
    let mut little = case();
    little.known.newest = at(34);
    assert!(little.judged().is_ok(), "in time by the record too");
    // In time by the clock alone.
    let refusal = refused(|case| case.known.newest = at(35));
    assert_eq!(refusal.reason, Why::ClockUntrusted);
    assert!(refusal.detail.contains("behind its record"));
    // Signed now, by a clock that is right.
    let mut right = case();
    right.known.newest = at(40);
    (right.claims.iat, right.claims.exp) = (NOW + 40, NOW + 70);
    assert!(right.judged().is_ok());
}

#[test]
fn what_was_signed_before_the_database_was_replaced_is_over_for_good() {
    for not_before in [at(-5), at(0)] {
        let refusal = refused(|case| case.known.not_before = not_before);
        assert_eq!(refusal.reason, Why::Expired);
        assert!(refusal.detail.contains("sign it again"));
        assert!(refusal.spent.is_none());
    }
    let mut after = case();
    after.known.not_before = at(-6);
    assert!(after.judged().is_ok());
    // By a clock that was ahead then.
    let mut ahead = case();
    ahead.known.not_before = at(1);
    assert!(ahead.judged().is_ok());
}

#[test]
fn an_absurd_time_is_malformed_and_not_remembered() {
    for (ahead, reason) in [(86_401, Why::Malformed), (86_400, Why::FromFuture)] {
        let refusal = refused(|case| {
            case.claims.iat = NOW + ahead;
            case.claims.exp = NOW + ahead + 30;
        });
        assert_eq!(refusal.reason, reason);
        assert_eq!(refusal.spent.is_some(), reason == Why::FromFuture);
    }
}

#[test]
fn more_than_can_be_remembered() {
    let refusal = refused(|case| case.known.room = false);
    assert_eq!(refusal.reason, Why::RateLimited);
    assert!(refusal.genuine && refusal.spent.is_some());
}

#[test]
fn from_future() {
    let refusal = refused(|case| {
        case.claims.iat = NOW + 11;
        case.claims.exp = NOW + 40;
    });
    assert_eq!(refusal.reason, Why::FromFuture);
    // It will be in time soon: whoever recorded it must not have it carried out then.
    assert!(refusal.spent.is_some());
    let mut just = case();
    just.claims.iat = NOW + 10;
    assert!(just.judged().is_ok());
}

#[test]
fn expired() {
    let refusal = refused(|case| case.claims.exp = NOW - 10);
    // (Its life begins earlier then, too.)
    assert_eq!(refusal.reason, Why::Malformed);
    let refusal = refused(|case| {
        case.claims.iat = NOW - 40;
        case.claims.exp = NOW - 10;
    });
    assert_eq!(refusal.reason, Why::Expired);
    // What is over for good is not remembered.
    for (ago, remembered) in [(70, true), (71, false)] {
        let refusal = refused(|case| {
            case.claims.iat = NOW - ago - 30;
            case.claims.exp = NOW - ago;
        });
        assert_eq!(refusal.spent.is_some(), remembered, "{ago}");
    }
    let mut just = case();
    just.claims.iat = NOW - 39;
    just.claims.exp = NOW - 9;
    assert!(just.judged().is_ok(), "within the skew");
}

#[test]
fn replayed() {
    let refusal = refused(|case| {
        let _ = case.known.spent.insert(("ada".into(), "id-1".into()));
    });
    assert_eq!(refusal.reason, Why::Replayed);
    let mut others = case();
    let _ = others.known.spent.insert(("bob".into(), "id-1".into()));
    assert!(others.judged().is_ok(), "an id is an operator's own");
}

#[test]
fn insufficient_role() {
    let refusal = refused(|case| case.known.role = Role::View);
    assert_eq!(refusal.reason, Why::InsufficientRole);
    assert!(refusal.spent.is_some());
    let refusal = refused(|case| case.claims.cmd = Command::Reload {});
    assert_eq!(refusal.reason, Why::InsufficientRole);
}

#[test]
fn rate_limited() {
    let refusal = refused(|case| case.known.counted = 30);
    assert_eq!(refusal.reason, Why::RateLimited);
    assert!(refusal.genuine);
    assert!(refusal.spent.is_some_and(|spent| !spent.counts));
    let mut just = case();
    just.known.counted = 29;
    assert!(just.judged().is_ok());
}

#[test]
fn bad_arguments() {
    let refusal = refused(|case| case.claims.cmd = Command::Locate { seconds: Some(0) });
    assert_eq!(refusal.reason, Why::BadArguments);
    assert!(refusal.spent.is_some());
}

#[test]
fn what_cannot_be_read_lets_nothing_pass() {
    for what in [
        "operator",
        "newest",
        "not before",
        "spent",
        "room",
        "counted",
    ] {
        let refusal = refused(|case| case.known.broken = Some(what));
        assert_eq!(refusal.reason, Why::StorageFailure, "{what}");
    }
}

#[test]
fn the_first_reason_is_the_one_that_is_told() {
    // Everything is wrong at once; then one after the other is put right.
    let mut case = case();
    case.retain = true;
    case.seed = 2;
    case.claims = Claims {
        iss: "eve".into(),
        aud: "/else".into(),
        jti: "id-1".into(),
        iat: NOW + 100,
        exp: NOW + 1000,
        cmd: Command::Locate { seconds: Some(0) },
    };
    case.known.verify = false;
    case.now.clock_trusted = false;
    let _ = case.known.spent.insert(("ada".into(), "id-1".into()));
    case.known.counted = 99;
    let mut reasons = Vec::new();
    let mend: [fn(&mut Case); 11] = [
        |case| case.retain = false,
        |case| case.claims.iss = "ada".into(),
        |case| case.known.verify = true,
        |case| case.seed = 1,
        |case| case.claims.aud = DOOR.into(),
        |case| case.claims.exp = case.claims.iat + 30,
        |case| case.now.clock_trusted = true,
        |case| {
            case.claims.iat = NOW - 60;
            case.claims.exp = NOW - 30;
        },
        |case| {
            case.claims.iat = NOW;
            case.claims.exp = NOW + 30;
        },
        |case| case.known.spent.clear(),
        |case| case.known.counted = 0,
    ];
    for mend in mend {
        reasons.push(case.judged().unwrap_err().reason);
        mend(&mut case);
    }
    reasons.push(case.judged().unwrap_err().reason);
    use Why::*;
    assert_eq!(
        reasons,
        [
            Retained,
            UnknownOperator,
            RateLimited,
            BadSignature,
            WrongDoor,
            LivesTooLong,
            ClockUntrusted,
            FromFuture,
            Expired,
            Replayed,
            RateLimited,
            BadArguments
        ]
    );
}
