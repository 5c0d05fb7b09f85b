//! Everybody's templates in memory, searched 1:N.
//!
//! Suspended people stay in the gallery: they must be denied as suspended, not as unknown.
//! Flows in: [`GalleryPerson`]s from the store, rebuilt when its revision changes. Flows out:
//! [`Match`]es. Holds templates of one model only.

use crate::event::PersonRef;
use crate::store::{GalleryPerson, PersonStatus};
use crate::vision::Embedding;
use crate::vision::embedder::dot;

/// Somebody in the gallery.
#[derive(Debug, Clone)]
pub struct Member {
    /// Who.
    pub person: PersonRef,
    /// Whether they may enter.
    pub status: PersonStatus,
}

/// The best person for an embedding, and how near the next one comes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Index of the best person; see [`Gallery::member`].
    pub member: usize,
    /// Cosine similarity of their best template, -1..1.
    pub similarity: f32,
    /// Best similarity of any other person; -1 when there is none.
    pub second: f32,
}

/// What a match amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is this person.
    Named,
    /// It could be this person or another one.
    Ambiguous,
    /// It is nobody enrolled.
    Nobody,
}

impl Match {
    /// Judges the match: the person must reach `threshold`, and the second one must be at
    /// least `margin` behind. A similarity that is not a number names nobody.
    #[must_use]
    pub fn verdict(&self, threshold: f32, margin: f32) -> Verdict {
        if self.similarity >= threshold {
            if self.similarity - self.second >= margin {
                Verdict::Named
            } else {
                Verdict::Ambiguous
            }
        } else {
            Verdict::Nobody
        }
    }
}

/// The searchable gallery.
#[derive(Debug, Clone, Default)]
pub struct Gallery {
    members: Vec<Member>,
    /// All templates one after the other: one sweep through memory a search.
    templates: Vec<f32>,
    /// Which member each template belongs to; ascending.
    owners: Vec<usize>,
    dimensions: usize,
}

impl Gallery {
    /// Builds the gallery from the store's people; each embedding must have `dimensions` numbers.
    #[must_use]
    pub fn new(people: Vec<GalleryPerson>, dimensions: usize) -> Self {
        let mut gallery = Gallery {
            dimensions,
            ..Gallery::default()
        };
        for person in people {
            let owner = gallery.members.len();
            for embedding in person.embeddings {
                gallery.templates.extend_from_slice(&embedding);
                gallery.owners.push(owner);
            }
            gallery.members.push(Member {
                person: person.person,
                status: person.status,
            });
        }
        gallery
    }

    /// People.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody is enrolled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Templates.
    #[must_use]
    pub fn templates(&self) -> usize {
        self.owners.len()
    }

    /// Somebody by index.
    #[must_use]
    pub fn member(&self, index: usize) -> Option<&Member> {
        self.members.get(index)
    }

    /// The nearest person; `None` for an empty gallery.
    #[must_use]
    pub fn search(&self, embedding: &Embedding) -> Option<Match> {
        if self.dimensions == 0 {
            return None;
        }
        let mut best: Option<Match> = None;
        let rows = self.templates.chunks_exact(self.dimensions);
        for (row, &owner) in rows.zip(&self.owners) {
            let similarity = dot(row, embedding.as_slice());
            best = Some(match best {
                None => Match {
                    member: owner,
                    similarity,
                    second: -1.0,
                },
                Some(found) if found.member == owner => Match {
                    similarity: found.similarity.max(similarity),
                    ..found
                },
                Some(found) if similarity > found.similarity => Match {
                    member: owner,
                    similarity,
                    second: found.similarity,
                },
                Some(found) => Match {
                    second: found.second.max(similarity),
                    ..found
                },
            });
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::PersonId;

    fn gallery(people: &[Vec<[f32; 4]>]) -> Gallery {
        let people = people.iter().map(|templates| GalleryPerson {
            person: PersonRef {
                id: PersonId::generate(),
                name: "x".into(),
            },
            status: PersonStatus::Active,
            embeddings: templates
                .iter()
                .map(|t| {
                    Embedding::normalised(t.to_vec())
                        .unwrap()
                        .as_slice()
                        .to_vec()
                })
                .collect(),
        });
        Gallery::new(people.collect(), 4)
    }

    #[test]
    fn an_empty_gallery_knows_nobody() {
        let face = Embedding::normalised(vec![1.0; 4]).unwrap();
        assert_eq!(Gallery::default().search(&face), None);
    }

    proptest! {
        /// Against the naive definition: best template per person, then sort.
        #[test]
        fn search_finds_the_best_and_the_second_person(
            people in prop::collection::vec(prop::collection::vec(prop::array::uniform4(0.1f32..1.0), 1..4), 1..6),
            face in prop::array::uniform4(0.1f32..1.0),
        ) {
            let face = Embedding::normalised(face.to_vec()).unwrap();
            let mut naive: Vec<(usize, f32)> = people.iter().enumerate().map(|(index, templates)| {
                let best = templates.iter()
                    .map(|t| Embedding::normalised(t.to_vec()).unwrap().similarity(&face))
                    .fold(-1.0, f32::max);
                (index, best)
            }).collect();
            naive.sort_by(|a, b| b.1.total_cmp(&a.1));
            let found = gallery(&people).search(&face).unwrap();
            prop_assert_eq!(found.similarity, naive[0].1);
            prop_assert_eq!(found.second, naive.get(1).map_or(-1.0, |p| p.1));
        }
    }
}
