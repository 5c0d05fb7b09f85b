//! Which of somebody's images become templates: all of them judged together.
//!
//! Pure: the same faces give the same plan, in whatever order they come. It looks for the wrong
//! person in a folder, for pictures that add nothing, and for faces that are somebody else's
//! already. Flows in: candidates, what the person has, and everybody else. Flows out: a
//! [`Fate`] for each candidate. It never stores, and never replaces what is stored.

use std::cmp::Ordering;

use super::candidate::Candidate;
use super::grouping::clusters;
use crate::gallery::Gallery;
use crate::vision::Embedding;

/// Mean similarity from which images are taken to be of one person. Measured with
/// `examples/check_enrollment.rs` on 729 LFW pictures of 120 people with the default model pack:
/// of 6440 strangers put among two, three or five pictures of somebody none stays unnoticed, and
/// 5 right pictures of three people are called wrong. At 0.28 six strangers stay unnoticed; from
/// 0.34 on one person's eight pictures fall apart into two halves.
pub const AGREEMENT: f32 = 0.32;

/// Similarity from which an image adds nothing to another one. Measured likewise: one of 2036
/// pairs of different pictures of one person reaches it (at 0.942). Of copies of each picture
/// these reach it: recompressed to JPEG quality 60 99.9 %, quality 30 99.2 %, cropped by a tenth
/// on each side 99.6 %, mirrored 98.9 %, half as large 95.7 %.
pub const DUPLICATE: f32 = 0.93;

/// By what the plan is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Cosine similarity from which a face is somebody's, -1..1: the door's own threshold.
    pub threshold: f32,
    /// Mean similarity from which images are of one person, -1..1; see [`AGREEMENT`].
    pub agreement: f32,
    /// Similarity from which an image adds nothing, -1..1; see [`DUPLICATE`].
    pub duplicate: f32,
    /// Take every face, whoever's it seems to be; what adds nothing is skipped even so.
    pub force: bool,
}

impl Rules {
    /// The measured rules with the door's threshold.
    #[must_use]
    pub fn new(threshold: f32) -> Self {
        Self {
            threshold,
            agreement: AGREEMENT,
            duplicate: DUPLICATE,
            force: false,
        }
    }
}

/// What an image repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twin {
    /// An accepted candidate, by index.
    Candidate(usize),
    /// A template that the person has already.
    Template,
}

/// What becomes of one candidate.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// It becomes a template.
    Accepted,
    /// It adds nothing to a picture that is at least as good.
    Duplicate {
        /// To which.
        of: Twin,
        /// How like, -1..1.
        similarity: f32,
    },
    /// The face is somebody else's.
    OtherPerson {
        /// Whose.
        owner: String,
        /// How like, -1..1.
        similarity: f32,
    },
    /// It shows another face than the person's other pictures.
    Outlier {
        /// Mean similarity to those, -1..1.
        similarity: f32,
        /// How many those are, templates included.
        group: usize,
    },
    /// The pictures show several people, and no majority says which of them is meant.
    Undecided {
        /// The candidate that is least like this one, by index.
        against: usize,
        /// How like, -1..1.
        similarity: f32,
        /// How many pictures disagree in all.
        images: usize,
    },
}

/// Judges all candidates of one person together; one fate each, in their order.
///
/// `own` are the templates that the person has, `others` everybody else.
#[must_use]
pub fn plan(
    candidates: &[Candidate],
    own: &[Embedding],
    others: &Gallery,
    rules: &Rules,
) -> Vec<Fate> {
    let mut fates: Vec<Option<Fate>> = vec![None; candidates.len()];
    if !rules.force {
        for (fate, candidate) in fates.iter_mut().zip(candidates) {
            *fate = other_person(&candidate.embedding, own, others, rules.threshold);
        }
    }
    // From here on in an order of the candidates' own: the best first.
    let mut order: Vec<usize> = (0..candidates.len())
        .filter(|&index| fates[index].is_none())
        .collect();
    order.sort_by(|&a, &b| better_first(&candidates[a], &candidates[b]));
    if !rules.force {
        disagreement(candidates, own, rules.agreement, &order, &mut fates);
        order.retain(|&index| fates[index].is_none());
    }
    let mut accepted: Vec<usize> = Vec::new();
    for index in order {
        let face = &candidates[index].embedding;
        let templates = own.iter().map(|t| (Twin::Template, t.similarity(face)));
        let pictures = accepted.iter().map(|&other| {
            let similarity = candidates[other].embedding.similarity(face);
            (Twin::Candidate(other), similarity)
        });
        let twin = templates
            .chain(pictures)
            .filter(|(_, similarity)| *similarity >= rules.duplicate)
            .max_by(|a, b| a.1.total_cmp(&b.1));
        fates[index] = Some(match twin {
            Some((of, similarity)) => Fate::Duplicate { of, similarity },
            None => {
                accepted.push(index);
                Fate::Accepted
            }
        });
    }
    let decided = |fate: Option<Fate>| fate.unwrap_or(Fate::Accepted);
    fates.into_iter().map(decided).collect()
}

/// Somebody else whose face this is by the door's threshold, and who is more like it than
/// anything that the person has.
fn other_person(
    face: &Embedding,
    own: &[Embedding],
    others: &Gallery,
    threshold: f32,
) -> Option<Fate> {
    let found = others.search(face)?;
    let nearest_own = own.iter().map(|t| t.similarity(face)).fold(-1.0, f32::max);
    if found.similarity < threshold || found.similarity <= nearest_own {
        return None;
    }
    let owner = others.member(found.member)?.person.name.clone();
    let similarity = found.similarity;
    Some(Fate::OtherPerson { owner, similarity })
}

/// Best quality first; then by content, so that the order of the files cannot matter.
fn better_first(a: &Candidate, b: &Candidate) -> Ordering {
    let content = || {
        let pairs = a.embedding.as_slice().iter().zip(b.embedding.as_slice());
        pairs
            .map(|(x, y)| x.total_cmp(y))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    };
    let name = || a.picture.to_string().cmp(&b.picture.to_string());
    let quality = b.quality.total_cmp(&a.quality);
    quality.then_with(content).then_with(name)
}

/// Finds the pictures that do not show whom the others show. What the person has already says
/// who is meant; without it more than half of the pictures must agree.
fn disagreement(
    candidates: &[Candidate],
    own: &[Embedding],
    agreement: f32,
    order: &[usize],
    fates: &mut [Option<Fate>],
) {
    let faces: Vec<&Embedding> = own
        .iter()
        .chain(order.iter().map(|&index| &candidates[index].embedding))
        .collect();
    let groups = clusters(&faces, own.len(), agreement);
    let meant = if own.is_empty() {
        groups.iter().find(|group| group.len() * 2 > faces.len())
    } else {
        groups.first()
    };
    let index_of = |face: usize| order[face - own.len()];
    if let Some(meant) = meant {
        for face in (own.len()..faces.len()).filter(|face| !meant.contains(face)) {
            let sum: f32 = meant
                .iter()
                .map(|&m| faces[face].similarity(faces[m]))
                .sum();
            fates[index_of(face)] = Some(Fate::Outlier {
                similarity: sum / meant.len() as f32,
                group: meant.len(),
            });
        }
        return;
    }
    for face in 0..faces.len() {
        let least_like = (0..faces.len())
            .filter(|&other| other != face)
            .map(|other| (other, faces[face].similarity(faces[other])))
            .min_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((other, similarity)) = least_like {
            fates[index_of(face)] = Some(Fate::Undecided {
                against: index_of(other),
                similarity,
                images: faces.len(),
            });
        }
    }
}

#[cfg(test)]
mod tests;
