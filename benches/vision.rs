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
use doorward::event::{PersonId, PersonRef};
use doorward::gallery::Gallery;
use doorward::store::{GalleryPerson, PersonStatus};
use doorward::vision::pack::{ModelPack, Role};
use doorward::vision::{Embedding, Vision, still};
use opencv::core::{CV_32F, Mat, Scalar, Vector};
use opencv::dnn::{self, NetTrait as _};
use opencv::prelude::*;

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

/// A network and an input for it, with nothing around it.
struct Bare {
    net: dnn::Net,
    blob: Mat,
    names: Vector<String>,
    outputs: Vector<Mat>,
}

impl Bare {
    fn load(pack: &ModelPack, role: Role) -> Self {
        let file = pack.file(role).unwrap();
        let bytes = Vector::from_slice(&pack.read(file).unwrap());
        let net = dnn::read_net_from_onnx_buffer(&bytes).unwrap();
        Self {
            blob: Mat::new_nd_with_default(&file.input, CV_32F, Scalar::all(0.1)).unwrap(),
            names: net.get_unconnected_out_layers_names().unwrap(),
            outputs: Vector::new(),
            net,
        }
    }

    fn forward(&mut self) {
        self.net
            .set_input(&self.blob, "", 1.0, Scalar::default())
            .unwrap();
        self.net.forward(&mut self.outputs, &self.names).unwrap();
    }
}

fn bare_forward(c: &mut Criterion) {
    opencv::core::set_num_threads(1).unwrap();
    let pack = pack();
    let roles = [Role::Detector, Role::Landmarks, Role::Embedder];
    let mut nets = roles.map(|role| Bare::load(&pack, role));
    // One after the other, as an observation runs them: each finds the caches cold.
    c.bench_function("forward/all", |b| {
        b.iter(|| nets.iter_mut().for_each(Bare::forward));
    });
    for (role, net) in roles.iter().zip(&mut nets) {
        c.bench_function(&format!("forward/{role:?}"), |b| b.iter(|| net.forward()));
    }
}

fn search(c: &mut Criterion) {
    // Any direction costs the same; these need no randomness.
    let embedding = |seed: usize| {
        let values = (0..512).map(|i| ((seed * 31 + i * 17) % 101) as f32 - 50.0);
        Embedding::normalised(values.collect()).unwrap()
    };
    for templates in [1_000, 10_000, 100_000] {
        let people = (0..templates / 4).map(|person| GalleryPerson {
            person: PersonRef {
                id: PersonId::generate(),
                name: String::new(),
            },
            status: PersonStatus::Active,
            embeddings: (0..4)
                .map(|n| embedding(person * 4 + n).as_slice().to_vec())
                .collect(),
        });
        let gallery = Gallery::new(people.collect(), 512);
        let probe = embedding(7);
        c.bench_function(&format!("search/{templates}"), |b| {
            b.iter(|| black_box(gallery.search(black_box(&probe))));
        });
    }
}

criterion_group!(benches, bare_forward, observation, search);
criterion_main!(benches);
