//! What one observation costs, beside the bare forward passes of its networks.
//!
//! The budget is a ratio from one run on one machine: `observation` divided by the sum of the
//! three networks' bare passes (`forward/all`) may be 1.15 at most. One thread, so that the
//! figures can be compared.
//!
//! ```text
//! cargo bench --bench vision
//! ```
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark may stop")]

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use doorward::vision::pack::{ModelPack, Role};
use doorward::vision::{BareNetwork, Vision, still};
use opencv::core::Mat;

fn pack() -> ModelPack {
    ModelPack::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models")).unwrap()
}

/// The sheet's first face on a 640x480 frame.
fn frame() -> Mat {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/facematch.jpg");
    let sheet = still::decode(&std::fs::read(path).unwrap()).unwrap();
    let face = image::imageops::crop_imm(&sheet, 3, 283, 105, 106).to_image();
    let filter = image::imageops::FilterType::Triangle;
    let face = image::imageops::resize(&face, 210, 212, filter);
    let mut frame = image::RgbImage::from_pixel(640, 480, image::Rgb([127; 3]));
    image::imageops::replace(&mut frame, &face, 215, 134);
    still::to_bgr(&frame).unwrap()
}

fn observation(c: &mut Criterion) {
    let mut vision = Vision::load(&pack(), 1).unwrap();
    let frame = frame();
    let detection = vision.detect(&frame).unwrap()[0];
    let face = vision.examine(&frame, detection).unwrap().unwrap();
    c.bench_function("stage/detect", |b| b.iter(|| vision.detect(&frame)));
    c.bench_function("stage/examine", |b| {
        b.iter(|| vision.examine(&frame, detection));
    });
    c.bench_function("stage/embed", |b| b.iter(|| vision.embed(&face)));
    c.bench_function("observation", |b| {
        b.iter(|| {
            let detection = vision.detect(&frame).unwrap()[0];
            let face = vision.examine(&frame, detection).unwrap().unwrap();
            black_box(vision.embed(&face).unwrap())
        });
    });
}

fn bare_forward(c: &mut Criterion) {
    opencv::core::set_num_threads(1).unwrap();
    let pack = pack();
    let roles = [Role::Detector, Role::Landmarks, Role::Embedder];
    let mut nets = roles.map(|role| BareNetwork::load(&pack, role).unwrap());
    // One after the other, as an observation runs them: each finds the caches cold.
    c.bench_function("forward/all", |b| {
        b.iter(|| nets.iter_mut().for_each(|net| net.forward().unwrap()));
    });
    for (role, net) in roles.iter().zip(&mut nets) {
        c.bench_function(&format!("forward/{role:?}"), |b| {
            b.iter(|| net.forward().unwrap())
        });
    }
}

criterion_group!(benches, bare_forward, observation);
criterion_main!(benches);
