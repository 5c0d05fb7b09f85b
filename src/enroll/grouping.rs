//! Which embeddings are of one person: clusters by average linkage.
//!
//! Pure and deterministic: the same embeddings in the same order give the same clusters, and
//! the caller brings them into an order of their own. Average linkage, because one lucky pair
//! must not chain two people together (single linkage), nor one bad pair tear a person apart
//! (complete linkage). Flows in: embeddings. Flows out: clusters of their indices.

use crate::vision::Embedding;

/// Mean similarity between two sets of indices.
fn linkage(similarities: &[Vec<f32>], a: &[usize], b: &[usize]) -> f32 {
    let sum: f32 = a
        .iter()
        .flat_map(|&i| b.iter().map(move |&j| similarities[i][j]))
        .sum();
    sum / (a.len() * b.len()).max(1) as f32
}

/// Clusters of `embeddings`: the two that are most alike are joined until no two are alike by
/// `agreement` (mean cosine similarity, -1..1) any more. The first `seed` embeddings are known
/// to be of one person and start as one cluster, which stays the first. Clusters are given in
/// the order of their first member. Cubic in the number of embeddings: for a folder of
/// photographs, not for a gallery.
#[must_use]
pub fn clusters(embeddings: &[&Embedding], seed: usize, agreement: f32) -> Vec<Vec<usize>> {
    let similarities: Vec<Vec<f32>> = embeddings
        .iter()
        .map(|a| embeddings.iter().map(|b| a.similarity(b)).collect())
        .collect();
    let seed = seed.min(embeddings.len());
    let mut clusters: Vec<Vec<usize>> = Vec::new();
    if seed > 0 {
        clusters.push((0..seed).collect());
    }
    clusters.extend((seed..embeddings.len()).map(|index| vec![index]));
    // Kept beside the clusters, so that a join costs one row and not all of them.
    let mut links: Vec<Vec<f32>> = clusters
        .iter()
        .map(|a| {
            clusters
                .iter()
                .map(|b| linkage(&similarities, a, b))
                .collect()
        })
        .collect();
    while let Some((first, second)) = most_alike(&links, agreement) {
        let joined = clusters.remove(second);
        clusters[first].extend(joined);
        links.remove(second);
        for row in &mut links {
            row.remove(second);
        }
        for other in 0..clusters.len() {
            let link = linkage(&similarities, &clusters[first], &clusters[other]);
            links[first][other] = link;
            links[other][first] = link;
        }
    }
    clusters
}

/// The pair of clusters with the highest mean similarity, if that reaches `agreement`; of equal
/// ones the first.
fn most_alike(links: &[Vec<f32>], agreement: f32) -> Option<(usize, usize)> {
    let mut best: Option<(usize, usize)> = None;
    let mut highest = agreement;
    for (first, row) in links.iter().enumerate() {
        for (second, &link) in row.iter().enumerate().skip(first + 1) {
            if link > highest || (link == highest && best.is_none()) {
                highest = link;
                best = Some((first, second));
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(degrees: f32) -> Embedding {
        let (y, x) = degrees.to_radians().sin_cos();
        Embedding::normalised(vec![x, y]).unwrap()
    }

    #[test]
    fn faces_are_grouped_by_their_mean_likeness() {
        let faces = [0.0, 90.0, 5.0, 95.0, 10.0].map(at);
        let faces: Vec<&Embedding> = faces.iter().collect();
        let mut found = clusters(&faces, 0, 0.5);
        found.iter_mut().for_each(|cluster| cluster.sort_unstable());
        assert_eq!(found, [vec![0, 2, 4], vec![1, 3]]);
    }

    #[test]
    fn a_chain_of_likenesses_does_not_make_one_person() {
        // Each is like the next one; the ends are strangers.
        let faces = [0.0, 50.0, 100.0, 150.0].map(at);
        let faces: Vec<&Embedding> = faces.iter().collect();
        assert_eq!(clusters(&faces, 0, 0.5).len(), 2);
    }

    #[test]
    fn what_is_known_to_belong_together_stays_together() {
        let faces = [0.0, 120.0, 1.0].map(at);
        let faces: Vec<&Embedding> = faces.iter().collect();
        assert_eq!(clusters(&faces, 2, 0.9), [vec![0, 1], vec![2]]);
        assert_eq!(clusters(&faces, 9, 0.9), [vec![0, 1, 2]]);
        assert!(clusters(&[], 0, 0.9).is_empty());
    }
}
