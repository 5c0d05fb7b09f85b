use std::time::Duration;

use super::*;
use crate::event::chain::Link;
use crate::event::checkpoint::Signer;
use crate::event::wire::{QosPolicy, Wire};
use crate::event::{Event, Recorded, RestoredFrom};
use crate::keys::pem_of_seed;

const DOOR: &str = "/doorward/home/front";
const BASE: &str = "doorward/home/front";

/// A door that makes events one after the other.
struct Teller {
    head: Head,
    made: u64,
}

impl Teller {
    fn new() -> Self {
        let head = Head::default();
        Self { head, made: 0 }
    }

    /// Ids that sort as they are made, whatever number the event has.
    fn id(&mut self) -> Uuid {
        self.made += 1;
        Uuid::from_u128(u128::from(self.made) << 64)
    }

    fn event(&mut self, event: Event) -> Vec<u8> {
        let (seq, follows) = (self.head.seq + 1, self.head.hash);
        self.numbered(seq, follows, event)
    }

    fn numbered(&mut self, seq: u64, follows: ChainHash, event: Event) -> Vec<u8> {
        let data = serde_json::to_value(&event).unwrap()["data"]
            .take()
            .to_string();
        let id = self.id();
        let link = Link {
            seq,
            id,
            time: "2026-01-01T00:00:00.000Z",
            kind: event.kind(),
            by: None,
            clock_synced: true,
            data: &data,
        };
        let hash = link.hash(follows);
        self.head = Head { seq, hash };
        let recorded = Recorded {
            seq,
            id,
            time: "2026-01-01T00:00:00Z".parse().unwrap(),
            clock_synced: true,
            by: None,
            event,
            hash,
        };
        let wire = Wire {
            base_topic: BASE.into(),
            source: DOOR.into(),
            qos: QosPolicy::default(),
        };
        wire.publication(&recorded).unwrap().payload
    }

    fn opened(&mut self) -> Vec<u8> {
        self.event(Event::DoorOpened)
    }
}

struct File {
    _folder: tempfile::TempDir,
    notes: WitnessNotes,
}

impl File {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let notes = WitnessNotes::open(&folder.path().join("witness.db")).unwrap();
        Self {
            _folder: folder,
            notes,
        }
    }

    fn hear(&mut self, payload: &[u8]) -> Vec<&'static str> {
        self.hear_on(BASE, "event/door", payload)
    }

    fn hear_on(&mut self, base: &str, leaf: &str, payload: &[u8]) -> Vec<&'static str> {
        let topic = format!("{base}/{leaf}");
        let taken = self
            .notes
            .hear(base, &topic, payload, Timestamp::UNIX_EPOCH);
        match taken.unwrap() {
            Taken::Noted(found) => found.iter().map(|f| f.finding.as_str()).collect(),
            Taken::Unheard(why) => panic!("{why}"),
        }
    }

    fn checkpoint(&mut self, signer: &Signer, head: &Head) -> Vec<&'static str> {
        let claims = signer.claims(head, head.seq, Timestamp::UNIX_EPOCH);
        let token = signer.sign(&claims).unwrap();
        self.hear_on(BASE, "checkpoint", token.as_bytes())
    }

    fn overdue(&mut self) -> Vec<String> {
        let now = Timestamp::UNIX_EPOCH + Duration::from_secs(61);
        let told = self.notes.overdue(now, Duration::from_secs(60)).unwrap();
        told.into_iter().map(|finding| finding.detail).collect()
    }
}

const FINE: [&str; 0] = [];

#[test]
fn what_follows_in_any_order_fits() {
    let (mut door, mut file) = (Teller::new(), File::new());
    let events: Vec<_> = (0..6).map(|_| door.opened()).collect();
    for n in [1, 0, 3, 2, 2, 5, 4, 0] {
        assert_eq!(file.hear(&events[n]), FINE, "{n}");
    }
    assert_eq!(file.overdue(), FINE);
    let known = &file.notes.doors().unwrap()[0];
    assert_eq!((known.events, known.first, known.newest), (6, 1, door.head));
    let statements = file.notes.statements(DOOR).unwrap();
    assert_eq!(statements.len(), 6);
    assert_eq!(statements[5], door.head);
}

#[test]
fn a_number_that_is_used_twice_is_a_fork_and_the_first_counts() {
    let (mut door, mut file) = (Teller::new(), File::new());
    file.hear(&door.opened());
    let first = door.head;
    file.hear(&door.opened());
    let second = door.head;
    // The last one is cut, and another one made in its place.
    let other = door.numbered(2, first.hash, Event::DoorClosed { open_ms: None });
    assert_eq!(file.hear(&other), ["fork"]);
    assert_eq!(file.hear(&other), FINE, "told once");
    assert_eq!(file.notes.statements(DOOR).unwrap(), [first, second]);
}

#[test]
fn an_event_that_does_not_follow_is_a_fork_however_late_its_predecessor_comes() {
    let (mut door, mut file) = (Teller::new(), File::new());
    let first = door.opened();
    let second = door.opened();
    let stray = door.numbered(3, ChainHash([9; 32]), Event::DoorOpened);
    file.hear(&first);
    assert_eq!(file.hear(&stray), FINE, "the one before it is missing");
    assert_eq!(file.hear(&second), ["fork"]);
    assert_eq!(file.hear(&door.opened()), FINE);
}

#[test]
fn what_never_comes_is_a_gap_once_and_nothing_is_missing_before_the_first() {
    let (mut door, mut file) = (Teller::new(), File::new());
    let events: Vec<_> = (0..8).map(|_| door.opened()).collect();
    for n in [2, 3, 6, 7] {
        assert_eq!(file.hear(&events[n]), FINE);
    }
    assert_eq!(file.overdue(), ["events 5 to 6 never came"]);
    assert_eq!(file.overdue(), FINE);
    // It comes after all, and fits.
    assert_eq!(file.hear(&events[5]), FINE);
    assert_eq!(file.hear(&events[4]), FINE);
}

#[test]
fn a_record_that_begins_anew_is_a_rewind_and_so_is_a_restored_one() {
    let (mut door, mut file) = (Teller::new(), File::new());
    let events: Vec<_> = (0..5).map(|_| door.opened()).collect();
    for event in &events[2..] {
        file.hear(event);
    }
    assert_eq!(file.hear(&events[1]), FINE, "only late");
    file.overdue();
    let anew = door.numbered(1, ChainHash::default(), Event::DoorClosed { open_ms: None });
    assert_eq!(file.hear(&anew)[0], "rewind");

    let (mut door, mut file) = (Teller::new(), File::new());
    file.hear(&door.opened());
    let known = door.head;
    file.hear(&door.opened());
    let restored = Event::RecordRestored {
        source: RestoredFrom::Backup,
        quarantined: None,
        last_known_seq: 1,
    };
    let restored = door.numbered(1002, known.hash, restored);
    assert_eq!(file.hear(&restored), ["rewind"]);
    assert_eq!(file.hear(&door.opened()), FINE);
    assert_eq!(file.overdue(), FINE, "what it left out is no gap");
}

#[test]
fn checkpoints_are_compared_with_what_was_heard_in_either_order() {
    let signer = Signer::from_pem(DOOR.into(), &pem_of_seed(&[1; 32])).unwrap();
    let other = |seq| Head {
        seq,
        hash: ChainHash([7; 32]),
    };
    let (mut door, mut file) = (Teller::new(), File::new());
    file.hear(&door.opened());
    assert_eq!(file.checkpoint(&signer, &door.head), FINE);
    assert_eq!(file.checkpoint(&signer, &other(1)), ["fork"]);
    assert_eq!(file.checkpoint(&signer, &other(2)), FINE, "not heard yet");
    assert_eq!(file.hear(&door.opened()), ["fork"]);
    assert_eq!(file.checkpoint(&signer, &other(1)), FINE, "known already");
    let (mut door, mut file) = (Teller::new(), File::new());
    let events: Vec<_> = (0..3).map(|_| (door.opened(), door.head)).collect();
    assert_eq!(file.checkpoint(&signer, &events[2].1), FINE);
    assert_eq!(file.checkpoint(&signer, &events[1].1), ["rewind"]);
}

#[test]
fn with_its_key_a_door_alone_makes_checkpoints_and_on_its_topics_alone_events() {
    let signer = |seed| Signer::from_pem(DOOR.into(), &pem_of_seed(&[seed; 32])).unwrap();
    let (mut door, mut file) = (Teller::new(), File::new());
    file.notes.trust(DOOR, signer(1).public_key()).unwrap();
    file.hear(&door.opened());
    let event = door.opened();
    // Even the first to speak elsewhere does not speak for it.
    assert_eq!(
        file.hear_on("doorward/home/back", "alarm", &event),
        ["impostor"]
    );
    assert_eq!(file.hear(&event), FINE);
    assert_eq!(file.checkpoint(&signer(2), &door.head), ["forged"]);
    assert_eq!(file.checkpoint(&signer(1), &door.head), FINE);
    let statements = file.notes.statements(DOOR).unwrap();
    assert_eq!(statements.last(), Some(&door.head));
}

#[test]
fn a_file_that_others_can_read_or_that_is_none_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("witness.db");
    assert!(matches!(
        WitnessNotes::read(&path),
        Err(NotesError::Missing(_))
    ));
    drop(WitnessNotes::open(&path).unwrap());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(WitnessNotes::open(&path).is_err());
    let other = folder.path().join("door.db");
    drop(crate::store::Store::open(&other, None).unwrap());
    assert!(WitnessNotes::read(&other).is_err());
}
