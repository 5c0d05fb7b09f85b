//! What happens, as the guard is told of it.

use doorward_core::access::keypad::Compared;
use doorward_core::access::pin::{Digits, Typed};
use doorward_core::command::token::{Claims, sign};
use doorward_core::command::{Command, Incoming, ModeWord};
use doorward_core::conditions::Source;
use doorward_core::event::wire::Lock;
use doorward_core::event::{Alarm, DenyReason, Mode, PersonStatus, QualityProblem};
use doorward_core::gallery::Member;
use doorward_core::guard::{Input, Latched};
use doorward_core::presentation::{Claim, Identity, SpoofCue, TrackId};
use zeroize::Zeroizing;

use super::{Real, SOURCE, person_id, tick};
use crate::happening::{CLIENT, Happening, Letter, Now, OPERATORS, Site, Wish};

impl Real {
    pub(super) fn input(&self, site: &Site, happening: &Happening, now: Now) -> Option<Input> {
        Some(match *happening {
            Happening::Claim(who) => claim(site, Some(who), None, now),
            Happening::FaceDenied(who, reason) => claim(site, who, Some(reason), now),
            Happening::Typed(digits, takes) => Input::Pin(Typed {
                digits: Digits::new(Zeroizing::new(digits.to_owned())),
                began: tick(now.tick - takes),
            }),
            Happening::Compared(outcome) => {
                let person = |who: usize| site.people[who].subject.person.clone();
                Input::Verified(Compared {
                    owner: outcome.own.map(|(who, pin)| (person_id(who), pin)),
                    forced: outcome.forced.map(person),
                })
            }
            Happening::Contact(reading) => Input::Contact(reading),
            Happening::Rex(pressed) => Input::Rex { pressed },
            Happening::Plain(word) => {
                let topic = format!("doorward/home/front/command/plain/{CLIENT}");
                command(topic, word.to_owned(), now)
            }
            Happening::Command(letter) => command(
                "doorward/home/front/command".into(),
                self.signed(letter),
                now,
            ),
            Happening::RelayFailed => Input::Latch(Latched::Failed {
                lock: Lock::Released,
                message: "no".into(),
            }),
            Happening::RelayStuck(true) => Input::Latch(Latched::Failed {
                lock: Lock::Secured,
                message: "no".into(),
            }),
            Happening::RelayStuck(false) => Input::Latch(Latched::Moved(Lock::Secured)),
            Happening::NearlyFull(full) => Input::Alarm {
                alarm: Alarm::Storage,
                source: Source::Caretaker,
                detail: full.then(|| "the disk is nearly full".into()),
            },
            Happening::Stop => Input::Stop,
            Happening::Killed | Happening::Started { .. } => return None,
            _ => Input::Tick,
        })
    }

    pub(super) fn signed(&self, letter: Letter) -> String {
        let claims = Claims {
            iss: OPERATORS[letter.from].into(),
            aud: SOURCE.into(),
            jti: letter.id.to_string(),
            iat: letter.signed,
            exp: letter.signed + 30,
            cmd: wanted(letter.wish),
        };
        let key = if letter.forged {
            OPERATORS.len()
        } else {
            letter.from
        };
        sign(&self.keys[key], &claims).unwrap()
    }
}

fn claim(site: &Site, who: Option<usize>, denied: Option<DenyReason>, now: Now) -> Input {
    let (member, similarity) = (who.unwrap_or_default(), 0.8);
    let identity = match denied {
        None => Identity::Member {
            member,
            similarity,
            liveness: None,
        },
        Some(DenyReason::Unknown) => Identity::Unknown { similarity: None },
        Some(DenyReason::Ambiguous) => Identity::Ambiguous { similarity },
        Some(DenyReason::LowQuality) => Identity::TooPoor {
            problem: QualityProblem::TooDark,
        },
        Some(DenyReason::SpoofSuspected) => Identity::Spoof {
            member,
            similarity,
            liveness: 0.1,
            cue: SpoofCue::Network,
        },
        Some(DenyReason::LivenessUnproven) => Identity::Unproven { member, similarity },
        Some(other) => panic!("no face alone is denied for {other:?}"),
    };
    Input::Claim {
        claim: Claim {
            track: TrackId(0),
            identity,
            observations: 3,
            began: tick(now.tick),
        },
        member: who.map(|who| Member {
            person: site.people[who].subject.person.clone(),
            status: PersonStatus::Active,
        }),
    }
}

fn command(topic: String, payload: String, now: Now) -> Input {
    Input::Command {
        incoming: Incoming {
            topic,
            payload: payload.into_bytes(),
            retain: false,
            response_topic: None,
            correlation: None,
        },
        received: tick(now.tick),
        lost: 0,
    }
}

fn wanted(wish: Wish) -> Command {
    match wish {
        Wish::Unlock => Command::Unlock {},
        Wish::Lock => Command::Lock {},
        Wish::Mode(order) => Command::Mode {
            mode: match order.map(|(mode, _)| mode) {
                None => ModeWord::Schedule,
                Some(Mode::Normal) => ModeWord::Normal,
                Some(Mode::Unlocked) => ModeWord::Unlocked,
                Some(Mode::Lockdown) => ModeWord::Lockdown,
            },
            until: None,
            for_s: order.and_then(|(_, lasts)| lasts),
        },
        Wish::Acknowledge(alarm) => Command::Acknowledge { alarm, note: None },
        Wish::Locate => Command::Locate { seconds: None },
    }
}
