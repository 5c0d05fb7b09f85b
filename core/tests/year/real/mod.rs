//! The code under test: the guard itself, between a simulated disk, latch and reader.

mod disk;
mod inputs;
mod words;

use std::time::Duration;

use doorward_core::access::Policy;
use doorward_core::clock::{Moment, Tick, Timestamp};
use doorward_core::command::gate;
use doorward_core::door::Released;
use doorward_core::event::PersonId;
use doorward_core::event::wire::{Lock, QosPolicy, Wire};
use doorward_core::guard::{
    Batch, CommandSettings, Deed, Facts, Guard, GuardSettings, Input, LEASE, Left, Patience,
    WithoutRecord,
};
use doorward_core::keys::{PublicKey, SigningKey, pem_of_seed};
use uuid::Uuid;

use super::happening::{
    CLIENT, Comparing, DOOR, Disk, Happening, Now, OPERATORS, OTHER, Outcome, PER_MINUTE, Seen,
    Site,
};
use disk::{Store, assert_answered};
use words::summary;

const SOURCE: &str = "/doorward/home/front";

pub struct Real {
    guard: Guard,
    store: Store,
    facts: Facts,
    disk: Disk,
    under_way: Option<Batch>,
    keys: Vec<SigningKey>,
    public: Vec<PublicKey>,
    /// Until when the latch keeps the relay released.
    relay: Option<Tick>,
    moves: Vec<(i64, bool)>,
    compare: Option<Comparing>,
    read: bool,
    pressed: bool,
}

pub fn person_id(who: usize) -> PersonId {
    PersonId(Uuid::from_u128(who as u128 + 1))
}

fn who(id: PersonId) -> usize {
    usize::try_from(id.0.as_u128() - 1).unwrap()
}

pub fn stamp(wall: i64) -> Timestamp {
    Timestamp::from_millisecond(wall).unwrap()
}

fn tick(ms: i64) -> Tick {
    Tick(Duration::from_millis(ms.try_into().unwrap()))
}

fn moment(now: Now) -> Moment {
    Moment {
        wall: stamp(now.wall),
        tick: tick(now.tick),
        clock_trusted: now.trusted,
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

fn policy(site: &Site) -> Policy {
    Policy {
        rules: site.rules.clone(),
        zone: site.zone.clone(),
        door: DOOR.into(),
        settings: site.access.clone(),
    }
}

fn settings(site: &Site) -> GuardSettings {
    let wire = Wire {
        base_topic: "doorward/home/front".into(),
        source: SOURCE.into(),
        qos: QosPolicy::default(),
    };
    let patience = |ms: i64| Duration::from_millis(ms.try_into().unwrap());
    GuardSettings {
        door: site.door.clone(),
        challenge: Duration::from_secs(5),
        without_record: site.without_record,
        patience: Patience {
            give_up: patience(site.give_up),
            slow: patience(site.slow),
        },
        site: site.shared,
        interlock: site.interlock.then(|| OTHER.into()).into_iter().collect(),
        panel: true,
        version: "year",
        commands: Some(CommandSettings {
            gate: gate::Settings {
                door: wire.source.clone(),
                max_age_s: 60,
                skew_s: 5,
                per_minute: PER_MINUTE,
            },
            wire,
            accept: true,
            plain_client: Some(CLIENT.into()),
        }),
    }
}

impl Real {
    pub fn new(site: &Site) -> Real {
        let key = |seed: usize| SigningKey::from_pem(&pem_of_seed(&[seed as u8 + 1; 32])).unwrap();
        // One more: whoever forges.
        let keys: Vec<SigningKey> = (0..=OPERATORS.len()).map(key).collect();
        let never = Now {
            wall: 0,
            tick: 0,
            trusted: true,
            read: false,
        };
        Real {
            guard: Guard::new(
                settings(site),
                policy(site),
                Left::default(),
                &moment(never),
            ),
            store: Store::default(),
            facts: Facts::default(),
            disk: Disk::Works,
            under_way: None,
            public: keys.iter().map(|key| key.public_key().clone()).collect(),
            keys,
            relay: None,
            moves: Vec::new(),
            compare: None,
            read: false,
            pressed: false,
        }
    }

    pub fn apply(&mut self, site: &Site, happening: &Happening, now: Now) -> Seen {
        (self.moves, self.compare, self.read) = (Vec::new(), None, false);
        if let Some(until) = self.relay.filter(|until| *until <= tick(now.tick)) {
            self.secured(ms(until.0));
        }
        let person = self.others_do(site, happening, now);
        if now.read {
            let at = tick(now.tick);
            self.store.read(site, &self.public, &mut self.facts, at);
        }
        match self.input(site, happening, now) {
            Some(input) => self.tell(site, input, now),
            None => self.ends_or_starts(site, happening, now),
        }
        self.seen(person, now)
    }

    /// What others do to the store, the disk and the wires; and whom the input is about.
    fn others_do(&mut self, site: &Site, happening: &Happening, now: Now) -> Option<usize> {
        match *happening {
            Happening::Changed(who, what) => {
                self.store.changed(stamp(now.wall), now.trusted);
                if ["PIN set", "PIN taken"].contains(&what) {
                    let person = site.people[who].subject.person.clone();
                    self.store.new_pin(person, stamp(now.wall));
                }
                return Some(who);
            }
            Happening::Role(_) => self.store.changed(stamp(now.wall), now.trusted),
            Happening::Order(order) => {
                let order = order.map(|(mode, until)| (mode, until.map(stamp)));
                self.store.happened(stamp(now.wall), now.trusted);
                self.store.set_order(order);
            }
            Happening::Noted(alarm) => {
                self.store.note(alarm, stamp(now.wall), now.trusted);
            }
            Happening::Interlock(engaged) => self.store.other_engaged = engaged,
            Happening::Left(who) => {
                self.store.left(site, who);
                return Some(who);
            }
            Happening::Disk(disk) => self.disk = disk,
            Happening::Started { restored: true, .. } => {
                self.store.restored(stamp(now.wall), now.trusted);
            }
            Happening::Rex(pressed) => self.pressed = pressed,
            Happening::Claim(who) => return Some(who),
            Happening::Compared(outcome) => return outcome.own.map(|(who, _)| who),
            Happening::FaceDenied(who, _) => return who,
            _ => {}
        }
        None
    }

    fn ends_or_starts(&mut self, site: &Site, happening: &Happening, now: Now) {
        let Happening::Started {
            contact,
            rex,
            landed,
            ..
        } = *happening
        else {
            // Without power, or by whoever secures it after us.
            if self.relay.is_some() {
                self.secured(now.tick);
            }
            return;
        };
        if let Some(batch) = self.under_way.take().filter(|_| landed) {
            let _ = self.store.write(site, batch, true);
        }
        if self.relay.is_some() {
            self.secured(now.tick);
        }
        let left = self.store.left_behind(stamp(now.wall));
        self.guard = Guard::new(settings(site), policy(site), left, &moment(now));
        self.pressed = rex;
        self.tell(site, Input::Online(true), now);
        if let Some(reading) = contact {
            self.tell(site, Input::Contact(reading), now);
        }
        if rex {
            self.tell(site, Input::Rex { pressed: true }, now);
        }
    }

    /// Tells the guard, carries out its deeds, and lets the disk answer, if it does.
    fn tell(&mut self, site: &Site, input: Input, now: Now) {
        let deeds = self.guard.handle(input, &self.facts, &moment(now));
        for deed in deeds {
            self.carry_out(site, deed, now);
        }
        let lock = self.guard.door().lock();
        assert_eq!(
            self.relay.is_some(),
            lock == Lock::Released,
            "the relay is not where the door believes it is"
        );
        if self.disk == Disk::Hangs {
            return;
        }
        if let Some(batch) = self.under_way.take() {
            let works = self.disk == Disk::Works;
            let done = self.store.write(site, batch.clone(), works);
            assert_answered(&batch, &done);
            self.tell(site, Input::Recorded(done), now);
        }
    }

    fn carry_out(&mut self, site: &Site, deed: Deed, now: Now) {
        match deed {
            Deed::Release { until } => {
                assert!(until > tick(now.tick), "a release that is over already");
                if self.relay.replace(until).is_none() {
                    self.moves.push((now.tick, true));
                    let recorded = self.store.releases > 0
                        || self.pressed
                        || site.without_record == WithoutRecord::Grant;
                    assert!(recorded, "released, and nothing on the record");
                }
                if let Released::Lasting { at_least } = self.guard.door().released(tick(now.tick)) {
                    let longest = (tick(now.tick) + LEASE).max(at_least);
                    assert!(until <= longest, "a lease for too long");
                }
            }
            Deed::Secure => {
                if self.relay.is_some() {
                    self.secured(now.tick);
                }
            }
            Deed::Commit(batch) => {
                assert!(self.under_way.is_none(), "one batch at a time");
                self.under_way = Some(batch);
            }
            Deed::Verify { digits, comparison } => {
                assert!(self.compare.is_none(), "one comparison for what is typed");
                let compared = comparison.with(&digits);
                let others = comparison.others.iter();
                self.compare = Some(Comparing {
                    owner: comparison.owner.as_ref().map(|(person, _)| who(person.id)),
                    others: others.map(|(person, _)| who(person.id)).collect(),
                    outcome: Outcome {
                        own: compared.owner.map(|(person, pin)| (who(person), pin)),
                        forced: compared.forced.map(|person| who(person.id)),
                    },
                });
            }
            Deed::Read => self.read = true,
            Deed::Show(_) | Deed::Picture => {}
            Deed::PictureNow | Deed::Reload => panic!("nobody asked for that"),
        }
    }

    fn secured(&mut self, at: i64) {
        self.relay = None;
        self.store.releases = 0;
        self.moves.push((at, false));
    }

    fn seen(&mut self, person: Option<usize>, now: Now) -> Seen {
        let (guard, store, at) = (&self.guard, &mut self.store, moment(now));
        let (door, desk) = (guard.door(), guard.desk());
        Seen {
            lines: std::mem::take(&mut store.lines),
            answers: std::mem::take(&mut store.answers),
            summary: store.summary.as_ref().map(summary),
            order: store
                .order
                .map(|(mode, until)| (mode, until.map(Timestamp::as_millisecond))),
            spent: store.spent.len(),
            settled: guard.is_settled(),
            inside: person.map(|who| store.inside(who)),
            engaged_told: store.engaged,
            moves: std::mem::take(&mut self.moves),
            until: self.relay.map(|until| ms(until.0)),
            compare: self.compare.clone(),
            awaited: desk.keypad().owner(at.tick).map(who),
            read: self.read,
            mode: door.mode(),
            source: door.mode_source(),
            contact: door.contact(),
            engaged: door.is_engaged(),
            alarms: guard.alarms().collect(),
            repeated_denials: desk.repeated_denials(&at),
            locked_out: person
                .and_then(|who| desk.locked_out(person_id(who), &at))
                .map(ms),
            capped: desk.capped(&at).map(who).collect(),
            first_entered: desk.first_person_at().map(Timestamp::as_millisecond),
            desk_due: desk.deadline().map(|due| ms(due.0)),
            door_due: door.deadline().map(|due| ms(due.0)),
        }
    }

    /// When the guard wants to be called again.
    pub fn deadline(&self) -> Option<i64> {
        self.guard.deadline().map(|due| ms(due.0))
    }
}
