//! Several embeddings of one face become one.
//!
//! Pure. The weighted mean of the embeddings, normalised: what the frames have in common adds
//! up, what is noise in one of them averages out. On LFW-like pictures, three fused pictures of
//! a person are missed 0.8 % of the time where one is missed 2.7 %; strangers do not come nearer
//! (docs/decisions/0006), so one threshold serves both.

use crate::vision::Embedding;

/// Fuses embeddings by their weights (see [`crate::vision::Quality::weight`]). `None` when there
/// is nothing to fuse, or when it has no direction. Weights that are negative or not numbers
/// count as zero; embeddings of another length than the first are left out.
#[must_use]
pub fn fuse<'a>(parts: impl IntoIterator<Item = (&'a Embedding, f32)>) -> Option<Embedding> {
    let mut sum: Vec<f32> = Vec::new();
    for (embedding, weight) in parts {
        let values = embedding.as_slice();
        if sum.is_empty() {
            sum = vec![0.0; values.len()];
        }
        // f32::max turns NaN into the other value.
        let weight = weight.max(0.0);
        if sum.len() == values.len() {
            for (total, value) in sum.iter_mut().zip(values) {
                *total += value * weight;
            }
        }
    }
    Embedding::normalised(sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn embedding(values: &[f32]) -> Embedding {
        Embedding::normalised(values.to_vec()).unwrap()
    }

    #[test]
    fn nothing_and_opposites_have_no_direction() {
        assert_eq!(fuse([]), None);
        let (here, there) = (embedding(&[1.0, 0.0]), embedding(&[-1.0, 0.0]));
        assert_eq!(fuse([(&here, 1.0), (&there, 1.0)]), None);
        assert_eq!(fuse([(&here, f32::NAN)]), None);
    }

    #[test]
    fn the_better_picture_counts_for_more() {
        let (good, poor) = (embedding(&[1.0, 0.0]), embedding(&[0.0, 1.0]));
        let fused = fuse([(&good, 0.9), (&poor, 0.3)]).unwrap();
        assert!(fused.similarity(&good) > fused.similarity(&poor));
    }

    proptest! {
        /// Order does not matter, and the same picture again changes nothing.
        #[test]
        fn fusing_is_a_mean(parts in prop::collection::vec((prop::array::uniform4(0.1f32..1.0), 0.1f32..1.0), 1..6)) {
            let parts: Vec<_> = parts.iter().map(|(v, w)| (embedding(v), *w)).collect();
            let forward = fuse(parts.iter().map(|(e, w)| (e, *w))).unwrap();
            let backward = fuse(parts.iter().rev().map(|(e, w)| (e, *w))).unwrap();
            let twice = fuse(parts.iter().chain(&parts).map(|(e, w)| (e, *w))).unwrap();
            prop_assert!(forward.similarity(&backward) > 0.9999);
            prop_assert!(forward.similarity(&twice) > 0.9999);
        }
    }
}
