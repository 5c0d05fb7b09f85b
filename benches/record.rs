//! What the record costs on the path to the relay: one event and its outbox row, committed.
//!
//! ```text
//! cargo bench --bench record
//! ```
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark may stop")]

use criterion::{Criterion, criterion_group, criterion_main};
use doorward::clock::Timestamp;
use doorward::event::wire::{QosPolicy, Wire};
use doorward::event::{Event, SecureCause};
use doorward::store::Store;

fn commit(c: &mut Criterion) {
    // In the working folder and not in a temporary one, which may be memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let wire = Wire {
        base_topic: "doorward/bench/door".into(),
        source: "/doorward/bench/door".into(),
        qos: QosPolicy::default(),
    };
    let mut store = Store::open(&folder.path().join("door.db"), Some(wire)).unwrap();
    c.bench_function("commit", |b| {
        b.iter(|| {
            let cause = SecureCause::ReleaseTimeOver;
            store
                .record(Timestamp::now(), Event::DoorSecured { cause })
                .unwrap()
        });
    });
}

criterion_group!(benches, commit);
criterion_main!(benches);
