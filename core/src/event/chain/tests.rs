use proptest::prelude::*;

use super::*;

#[test]
fn the_hashes_are_those_that_an_independent_program_computes() {
    // Printed by tests/oracle/chain_reference.py.
    let first = Link {
        seq: 1,
        id: "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
        time: "2026-03-04T05:06:07.890Z",
        kind: "door.secured",
        by: None,
        clock_synced: true,
        data: r#"{"cause":"stop"}"#,
    };
    let second = Link {
        seq: 2,
        id: "01890a5d-ac96-774b-bcce-b302099a8058".parse().unwrap(),
        time: "2026-03-04T05:06:08.000Z",
        kind: "admin.mode_set",
        by: Some("cli:zoë"),
        clock_synced: false,
        data: r#"{"mode":"lockdown"}"#,
    };
    let one = first.hash(ChainHash::default());
    assert_eq!(
        one.to_string(),
        "fe957c58e6f805e454c5580a91d70227ff4c7afa42e75dc3613deb534f4dffe4"
    );
    assert_eq!(
        second.hash(one).to_string(),
        "aec31467e258e3a4ba402606a724fd6c319ef13629db1659f553f40348cc9777"
    );
}

#[test]
fn a_hash_survives_text_and_other_text_is_refused() {
    let hash = ChainHash(Sha256::digest("x").into());
    assert_eq!(hash.to_string().parse(), Ok(hash));
    for wrong in ["", "00", &"g".repeat(64), &"0".repeat(66)] {
        assert!(wrong.parse::<ChainHash>().is_err(), "{wrong}");
    }
}

/// A row that owns what it holds.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    seq: u64,
    id: u128,
    time: String,
    kind: String,
    by: Option<String>,
    clock_synced: bool,
    data: String,
}

impl Row {
    fn hash(&self, previous: ChainHash) -> ChainHash {
        Link {
            seq: self.seq,
            id: Uuid::from_u128(self.id),
            time: &self.time,
            kind: &self.kind,
            by: self.by.as_deref(),
            clock_synced: self.clock_synced,
            data: &self.data,
        }
        .hash(previous)
    }
}

fn head(rows: &[Row]) -> ChainHash {
    rows.iter()
        .fold(ChainHash::default(), |previous, row| row.hash(previous))
}

prop_compose! {
    // Few letters: neighbouring fields that shift into each other are tried often.
    fn row()(
        seq in 0..5u64, id in 0..5u128, time in "[ab]{0,3}", kind in "[ab]{0,3}",
        by in proptest::option::of("[ab]{0,3}"), clock_synced: bool, data in "[ab]{0,3}",
    ) -> Row {
        Row { seq, id, time, kind, by, clock_synced, data }
    }
}

proptest! {
    /// Edits, removals, swaps and insertions are all special cases of this.
    #[test]
    fn two_different_records_never_end_in_the_same_hash(
        left in proptest::collection::vec(row(), 0..4),
        right in proptest::collection::vec(row(), 0..4),
    ) {
        prop_assert_eq!(left == right, head(&left) == head(&right));
    }

    #[test]
    fn an_edit_of_any_field_changes_the_hash(row in row(), field in 0..7usize) {
        let mut edited = row.clone();
        match field {
            0 => edited.seq += 1,
            1 => edited.id += 1,
            2 => edited.time.push('x'),
            3 => edited.kind.push('x'),
            4 => edited.by = if row.by.is_none() { Some(String::new()) } else { None },
            5 => edited.clock_synced = !row.clock_synced,
            _ => edited.data.push('x'),
        }
        prop_assert_ne!(head(&[row]), head(&[edited]));
    }

    #[test]
    fn removal_swap_and_insertion_change_the_head(
        rows in proptest::collection::vec(row(), 2..6), more in row(),
        at in any::<proptest::sample::Index>(),
    ) {
        let at = at.index(rows.len() - 1);
        let mut changed = rows.clone();
        changed.remove(at);
        prop_assert_ne!(head(&rows), head(&changed));
        changed.clone_from(&rows);
        changed.insert(at, more);
        prop_assert_ne!(head(&rows), head(&changed));
        changed.clone_from(&rows);
        changed.swap(at, at + 1);
        prop_assert_eq!(rows == changed, head(&rows) == head(&changed));
    }
}
