//! The 1:N search, and the kernels that were compared for it (docs/decisions/0007).
//!
//! ```text
//! cargo bench --bench gallery
//! ```
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark may stop")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use doorward::bench::gallery::{embedding, gallery};
use doorward::vision::embedder::dot;
use simsimd::SpatialSimilarity as _;

const DIMENSIONS: usize = 512;

/// What the product does.
fn search(c: &mut Criterion) {
    for templates in [1_000, 10_000, 100_000] {
        let gallery = gallery(templates, DIMENSIONS);
        let probe = embedding(u64::MAX, DIMENSIONS);
        c.bench_with_input(BenchmarkId::new("search", templates), &probe, |b, probe| {
            b.iter(|| black_box(gallery.search(black_box(probe))));
        });
    }
}

/// One sweep over 10 000 templates (20 MB of `f32`) that keeps the largest product: what a search
/// would cost at least with each kernel.
fn kernels(c: &mut Criterion) {
    let templates: Vec<f32> = (0..10_000)
        .flat_map(|n| embedding(n, DIMENSIONS).as_slice().to_vec())
        .collect();
    let probe = embedding(u64::MAX, DIMENSIONS).as_slice().to_vec();
    let half = |values: &[f32]| -> Vec<simsimd::f16> {
        values.iter().map(|x| simsimd::f16::from_f32(*x)).collect()
    };
    let byte =
        |values: &[f32]| -> Vec<i8> { values.iter().map(|x| (x * 512.0).round() as i8).collect() };
    let (halves, half_probe) = (half(&templates), half(&probe));
    let (bytes, byte_probe) = (byte(&templates), byte(&probe));
    let wide_probe: Vec<i16> = byte_probe.iter().map(|x| i16::from(*x)).collect();

    let mut group = c.benchmark_group("kernel");
    group.bench_function("f32 plain", |b| {
        b.iter(|| sweep(&templates, |row| dot(row, black_box(&probe))));
    });
    group.bench_function("f32 simsimd", |b| {
        b.iter(|| {
            sweep(&templates, |row| {
                f32::dot(row, black_box(&probe)).unwrap() as f32
            })
        });
    });
    group.bench_function("f16 simsimd", |b| {
        b.iter(|| {
            sweep(&halves, |row| {
                simsimd::f16::dot(row, black_box(&half_probe)).unwrap() as f32
            })
        });
    });
    group.bench_function("i8 plain", |b| {
        b.iter(|| {
            sweep(&bytes, |row| {
                // As in core/src/gallery/coarse.rs.
                let (row, _) = row.as_chunks::<32>();
                let (probe, _) = black_box(&wide_probe).as_chunks::<32>();
                let mut sum = 0;
                for (x, y) in row.iter().zip(probe) {
                    let mut block = 0;
                    for lane in 0..32 {
                        block += i32::from(i16::from(x[lane])) * i32::from(y[lane]);
                    }
                    sum += block;
                }
                sum as f32
            })
        });
    });
    group.bench_function("i8 simsimd", |b| {
        b.iter(|| {
            sweep(&bytes, |row| {
                i8::dot(row, black_box(&byte_probe)).unwrap() as f32
            })
        });
    });
    group.finish();
}

fn sweep<T>(table: &[T], similarity: impl Fn(&[T]) -> f32) -> f32 {
    let rows = table.chunks_exact(DIMENSIONS);
    rows.map(similarity).fold(f32::MIN, f32::max)
}

criterion_group!(benches, search, kernels);
criterion_main!(benches);
