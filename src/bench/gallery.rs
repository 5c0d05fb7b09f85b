//! The cost of a search, over synthetic people.

use std::hint::black_box;

use super::spread::Spread;
use crate::event::{PersonId, PersonRef, PersonStatus};
use crate::gallery::{Gallery, GalleryPerson};
use crate::process::thread_cpu_time;
use crate::vision::Embedding;

/// Templates a person: what an enrollment of three to five images gives.
const TEMPLATES: usize = 4;

/// A direction that is about as far from any other one as a stranger's; the same for the same seed.
///
/// A quarter of every embedding is common to all, which gives two of them a similarity of about
/// 0.06 with a standard deviation of 0.04, as strangers have on LFW.
#[must_use]
pub fn embedding(seed: u64, dimensions: usize) -> Embedding {
    let mut common = Noise::new(0);
    let mut own = Noise::new(seed.wrapping_add(1));
    let values = (0..dimensions).map(|_| common.next() * 0.25 + own.next());
    // The seeds' sums are never all zero: the noise is no constant.
    Embedding::normalised(values.collect()).unwrap_or_else(|| unreachable!("noise has a direction"))
}

/// A gallery of synthetic people with `templates` templates in all.
#[must_use]
pub fn gallery(templates: usize, dimensions: usize) -> Gallery {
    let person = |first: usize| GalleryPerson {
        person: PersonRef {
            id: PersonId(uuid::Uuid::now_v7()),
            name: String::new(),
        },
        status: PersonStatus::Active,
        embeddings: (first..templates.min(first + TEMPLATES))
            .map(|n| embedding(n as u64, dimensions).as_slice().to_vec())
            .collect(),
    };
    let people = (0..templates).step_by(TEMPLATES).map(person);
    Gallery::new(people.collect(), dimensions)
}

/// CPU time of `searches` searches over `templates` templates, each for another face. A search
/// runs on one thread and waits for nothing: on a machine with nothing else to do, this is how
/// long it takes.
#[must_use]
pub fn search(templates: usize, dimensions: usize, searches: usize) -> Spread {
    let gallery = gallery(templates, dimensions);
    let times = (0..searches).map(|n| {
        let probe = embedding(u64::MAX - n as u64, dimensions);
        let start = thread_cpu_time();
        black_box(gallery.search(black_box(&probe)));
        thread_cpu_time().saturating_sub(start)
    });
    Spread::of(times)
}

/// SplitMix64 (Steele, Lea, Flood 2014): good enough for directions, and the same everywhere.
struct Noise(u64);

impl Noise {
    fn new(seed: u64) -> Self {
        // Neighbouring seeds must not run through the same states.
        Self(mix(seed))
    }

    /// Between -1 and 1; the mean of two is nearer to what embeddings look like.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = mix(self.0);
        let part = |bits: u64| (bits & 0xff_ffff) as f32 / 8_388_608.0 - 1.0;
        f32::midpoint(part(bits >> 40), part(bits >> 16))
    }
}

fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synthetic_people_are_strangers_to_each_other() {
        let gallery = gallery(400, 512);
        assert_eq!((gallery.len(), gallery.templates()), (100, 400));
        let found = gallery.search(&embedding(u64::MAX, 512)).unwrap();
        assert!(found.similarity < 0.35, "{found:?}");
        let found = gallery.search(&embedding(13, 512)).unwrap();
        assert_eq!(found.member, 3);
        assert!(found.similarity > 0.999);
    }
}
