//! One event of every kind, as they could stand in a record of one day.
//!
//! They are the examples of docs/asyncapi.yaml, and what the tests send to a real broker.

use serde_json::Value;
use uuid::{Builder, Uuid};

use crate::clock::{Timestamp, rfc3339_millis};
use crate::command::result::CommandResult;
use crate::command::token::{self, Claims};
use crate::command::{Command, ModeWord};
use crate::event::chain::{ChainHash, Head, Link};
use crate::event::checkpoint::Signer;
use crate::event::telemetry::{
    CommitTimes, DroppedTotal, OutboxGauge, StageTime, Telemetry, VisionTimes,
};
use crate::event::wire::{DoorSummary, Lock, QosPolicy, Wire};
use crate::event::{
    Alarm, Challenge, Challenged, Class, CommandRefusal, CommandVerb, Contact, Denied, DenyReason,
    DropReason, Event, Granted, Method, Mode, ModeSource, PersonId, PersonRef, Recorded,
    ReleaseCause, RestoredFrom, Role, RuleChange, RuleKind, SecureCause,
};
use crate::keys::{SigningKey, pem_of_seed};

/// 3 February 2026, 08:00 UTC, in milliseconds since 1970.
const MORNING: i64 = 1_770_105_600_000;
/// Number of the first example.
const FIRST: u64 = 1041;
/// One recorded event of every kind, in the order of [`KINDS`](crate::event::KINDS).
#[must_use]
pub fn examples() -> Vec<Recorded> {
    let mut hash = ChainHash::default();
    let numbered = (FIRST..).zip(events());
    numbered
        .map(|(seq, event)| {
            let recorded = recorded(seq, event, hash);
            hash = recorded.hash;
            recorded
        })
        .collect()
}

/// A payload as the broker gets it.
pub(super) fn as_sent(recorded: &Recorded) -> Value {
    let publication = home().publication(recorded);
    let payload = publication.map(|publication| serde_json::from_slice(&publication.payload));
    payload.and_then(|payload| payload).unwrap_or_default()
}

/// The retained summary.
pub(super) fn state() -> Value {
    let summary = DoorSummary {
        lock: Lock::Secured,
        contact: Some(Contact::Closed),
        mode: Mode::Normal,
        alarms: vec![Alarm::CameraFault],
        version: env!("CARGO_PKG_VERSION"),
        since: at(0),
    };
    serde_json::to_value(summary).unwrap_or_default()
}

/// What operators ask for, signed with a key that everybody knows.
pub(super) fn commands() -> Vec<Value> {
    let wanted = [
        Command::Unlock {},
        Command::Mode {
            mode: ModeWord::Lockdown,
            until: None,
            for_s: Some(3_600),
        },
        Command::Acknowledge {
            alarm: Alarm::HeldOpen,
            note: Some("the post".into()),
        },
    ];
    let Ok(key) = SigningKey::from_pem(&known_key()) else {
        return Vec::new();
    };
    let signed = (1..).zip(wanted).filter_map(|(number, cmd)| {
        let claims = Claims {
            iss: "alice".into(),
            aud: home().source,
            jti: id(number).to_string(),
            iat: at(0).as_second(),
            exp: at(30).as_second(),
            cmd,
        };
        token::sign(&key, &claims).ok()
    });
    signed.map(Value::from).collect()
}

/// How commands can end.
pub(super) fn results() -> Vec<Value> {
    let command = id(2).to_string();
    let executed = CommandResult::executed(
        &home(),
        &command,
        "alice",
        CommandVerb::Mode,
        Some("lockdown until 2026-02-03T09:00:00.000Z".into()),
        at(1),
    );
    let refused = CommandResult {
        ok: false,
        reason: Some(CommandRefusal::Expired),
        detail: Some("its time is over".into()),
        ..executed.clone()
    };
    let results = [executed, refused].map(serde_json::to_value);
    results.into_iter().flatten().collect()
}

/// Telemetry of a quiet minute.
pub(super) fn telemetry() -> Value {
    let stage = |runs, mean_ms, max_ms| {
        Some(StageTime {
            runs,
            mean_ms,
            max_ms,
        })
    };
    let telemetry = Telemetry {
        time: at(60),
        version: env!("CARGO_PKG_VERSION"),
        uptime_s: 86_400,
        camera_fps: 14.9,
        vision: VisionTimes {
            frame: stage(894, 8.2, 61.5),
            detect: stage(121, 22.4, 31.0),
            ..VisionTimes::default()
        },
        cpu_celsius: Some(51.2),
        memory_bytes: Some(163_577_856),
        session_expiry_s: Some(604_800),
        commits: Some(CommitTimes {
            commits: 12,
            p50_ms: 6.4,
            p99_ms: 31.0,
            longest_ms: 31.0,
        }),
        outbox: OutboxGauge {
            queued: 2,
            under_way: 1,
            refused: 0,
            bytes: 2_214,
        },
        dropped: vec![DroppedTotal {
            class: Class::Telemetry,
            reason: DropReason::Limit,
            messages: 1_440,
        }],
    };
    serde_json::to_value(telemetry).unwrap_or_default()
}

/// A checkpoint, signed with a key that everybody knows.
pub(super) fn checkpoint() -> Value {
    let head = Head {
        seq: FIRST,
        hash: ChainHash([0xab; 32]),
    };
    let token = Signer::from_pem(home().source, &known_key())
        .and_then(|signer| signer.sign(&signer.claims(&head, FIRST, at(0))));
    token.map(Value::from).unwrap_or_default()
}

/// The PEM of a key whose seed is all sevens.
fn known_key() -> String {
    pem_of_seed(&[7; 32])
}

fn home() -> Wire {
    Wire {
        base_topic: "doorward/home/front".into(),
        source: "/doorward/home/front".into(),
        qos: QosPolicy::default(),
    }
}

/// So many seconds after the morning began.
fn at(seconds: i64) -> Timestamp {
    let time = Timestamp::from_millisecond(MORNING + seconds * 1000);
    time.unwrap_or(Timestamp::UNIX_EPOCH)
}

fn id(number: u64) -> Uuid {
    let millis = u64::try_from(MORNING).unwrap_or_default() + number;
    let mut tail = [0x5a; 10];
    tail[2..].copy_from_slice(&number.to_be_bytes());
    Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
}

fn recorded(seq: u64, event: Event, previous: ChainHash) -> Recorded {
    let time = at(i64::try_from(seq - FIRST).unwrap_or_default() * 7);
    let by = matches!(event.class(), Class::Admin).then(|| "cli:alice".to_owned());
    let data = serde_json::to_value(&event).unwrap_or_default();
    // As the record has it: `null` where there is nothing to tell.
    let data = data.get("data").unwrap_or(&Value::Null).to_string();
    let link = Link {
        seq,
        id: id(seq),
        time: &rfc3339_millis(time),
        kind: event.kind(),
        by: by.as_deref(),
        clock_synced: true,
        data: &data,
    };
    Recorded {
        seq,
        id: id(seq),
        time,
        clock_synced: true,
        hash: link.hash(previous),
        by,
        event,
    }
}

fn events() -> Vec<Event> {
    let ada = || PersonRef {
        id: PersonId(id(1)),
        name: "Ada Lovelace".into(),
    };
    vec![
        Event::AccessGranted(Granted {
            person: ada(),
            rule: "group staff".into(),
            similarity: 0.7312,
            liveness: Some(4.3281),
            observations: 3,
            method: Method::Face,
            latency_ms: 412,
        }),
        Event::AccessDenied(Denied {
            reason: DenyReason::OutsideSchedule,
            rule: Some("schedule office-hours".into()),
            needed: Some("Mon-Fri 08:00-18:00".into()),
            person: Some(ada()),
            problem: None,
            similarity: Some(0.7204),
            liveness: None,
            observations: 3,
            method: Method::Face,
            latency_ms: 398,
        }),
        Event::AccessChallenged(Challenged {
            person: ada(),
            challenge: Challenge::Pin,
            timeout_ms: 10_000,
        }),
        Event::DoorReleased {
            cause: ReleaseCause::Grant,
            release_ms: Some(5_000),
            person: Some(ada()),
        },
        Event::DoorSecured {
            cause: SecureCause::Closed,
        },
        Event::DoorOpened,
        Event::DoorClosed {
            open_ms: Some(3_250),
        },
        Event::DoorRex,
        Event::ReleaseWithdrawn {
            cause: ReleaseCause::Grant,
            person: Some(ada()),
        },
        Event::DoorMode {
            mode: Mode::Lockdown,
            source: ModeSource::Operator,
            until: Some(at(3_600)),
        },
        Event::Enrolled {
            person: ada(),
            templates: 5,
        },
        Event::Renamed {
            person: ada(),
            previous: "Ada Byron".into(),
        },
        Event::Suspended { person: ada() },
        Event::Resumed { person: ada() },
        Event::Removed {
            person: ada(),
            templates: 5,
        },
        Event::PersonChanged {
            person: ada(),
            changes: vec!["groups: staff, cleaners".into()],
        },
        Event::RuleChanged {
            rule: RuleKind::Schedule,
            name: "office-hours".into(),
            change: RuleChange::Changed,
            now: Some("Mon-Fri 08:00-18:00".into()),
        },
        Event::ModeSet {
            mode: Some(Mode::Lockdown),
            until: Some(at(3_600)),
        },
        Event::OperatorAdded {
            operator: "alice".into(),
            role: Role::Operate,
        },
        Event::OperatorRemoved {
            operator: "alice".into(),
        },
        Event::CommandExecuted {
            id: id(2).to_string(),
            operator: "alice".into(),
            verb: CommandVerb::Mode,
            detail: Some("lockdown for one hour".into()),
        },
        Event::CommandRefused {
            reason: CommandRefusal::Expired,
            detail: "it was valid until 08:00:00, 12 s ago".into(),
            id: Some(id(3).to_string()),
            operator: Some("alice".into()),
            verb: Some(CommandVerb::Unlock),
            unrecorded: None,
        },
        Event::DeliveryRefused {
            topic: "doorward/home/front/event/access".into(),
            reason: "not authorised".into(),
            event: Some(id(FIRST)),
            messages: 1,
        },
        Event::DeliveryDropped {
            class: Class::Telemetry,
            reason: DropReason::Limit,
            messages: 1_440,
        },
        Event::DeliveryQosSet {
            qos: 1,
            messages: 12,
        },
        Event::RecordPruned {
            through_seq: 900,
            hash: ChainHash([0xab; 32]).to_string(),
            events: 900,
        },
        Event::RecordRestored {
            source: RestoredFrom::Backup,
            quarantined: Some("/var/lib/doorward/damaged/doorward.db".into()),
            last_known_seq: 1_030,
        },
        Event::alarm_raised(Alarm::ForcedOpen, "opened without a release".into(), None),
        Event::AlarmCleared {
            alarm: Alarm::ForcedOpen,
        },
        Event::AlarmAcknowledged {
            alarm: Alarm::ForcedOpen,
            note: Some("the wind".into()),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::KINDS;

    #[test]
    fn there_is_one_of_every_kind_and_they_are_the_same_every_time() {
        let kinds: Vec<&str> = examples().iter().map(|one| one.event.kind()).collect();
        assert_eq!(kinds, KINDS);
        assert_eq!(examples(), examples());
        assert_eq!(as_sent(&examples()[0])["id"].as_str().unwrap().len(), 36);
        assert_eq!(checkpoint().as_str().unwrap().split('.').count(), 3);
    }
}
