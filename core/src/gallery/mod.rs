//! Everybody's templates in memory, searched 1:N.
//!
//! Suspended people stay in the gallery: they must be denied as suspended, not as unknown.
//! Flows in: [`GalleryPerson`]s from the store, and then one [`GalleryChange`] for each person
//! that changed. Flows out: [`Match`]es. Holds templates of one model only.

mod coarse;

use std::collections::HashMap;

use coarse::{Code, Probe};

use crate::event::{PersonId, PersonRef, PersonStatus};
use crate::vision::Embedding;
use crate::vision::embedding::dot;

/// A person with the templates of one model: a row of the gallery.
#[derive(Debug, Clone)]
pub struct GalleryPerson {
    /// Who.
    pub person: PersonRef,
    /// Whether they may enter.
    pub status: PersonStatus,
    /// L2-normalised embeddings.
    pub embeddings: Vec<Vec<f32>>,
}

/// Somebody in the gallery is new, different, or gone.
#[derive(Debug, Clone)]
pub struct GalleryChange {
    /// Who.
    pub person: PersonId,
    /// As they are now; nothing when they, or their last template, are gone.
    pub now: Option<GalleryPerson>,
}

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
    /// What a search knows after a row that improves on `best`.
    fn better(best: Option<Match>, member: usize, similarity: f32) -> Match {
        match best {
            None => Match {
                member,
                similarity,
                second: -1.0,
            },
            Some(found) if found.member == member => Match {
                similarity,
                ..found
            },
            Some(found) if similarity > found.similarity => Match {
                member,
                similarity,
                second: found.similarity,
            },
            Some(found) => Match {
                second: similarity,
                ..found
            },
        }
    }

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
    /// Where in `members` somebody is.
    places: HashMap<PersonId, usize>,
    /// All templates one after the other, exactly; read only where a search must.
    templates: Vec<f32>,
    /// The same coarsely: one sweep through memory a search.
    codes: Vec<i8>,
    rows: Vec<Row>,
    dimensions: usize,
}

/// One template.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// Which member it belongs to.
    owner: usize,
    code: Code,
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
            gallery.insert(person);
        }
        gallery
    }

    /// Brings one person up to date; nobody else's templates are touched.
    ///
    /// Places of members may change: evidence that names members by place must be forgotten
    /// ([`crate::presentation::Presentations::gallery_changed`]).
    pub fn apply(&mut self, change: GalleryChange) {
        self.remove(change.person);
        if let Some(person) = change.now {
            self.insert(person);
        }
    }

    fn insert(&mut self, person: GalleryPerson) {
        let owner = self.members.len();
        for embedding in person.embeddings {
            if !is_direction(&embedding) {
                continue;
            }
            let code = Code::append(&embedding, &mut self.codes);
            self.templates.extend_from_slice(&embedding);
            self.rows.push(Row { owner, code });
        }
        self.places.insert(person.person.id, owner);
        self.members.push(Member {
            person: person.person,
            status: person.status,
        });
    }

    /// The last ones move into the gaps, so that nothing else has to.
    fn remove(&mut self, person: PersonId) {
        let Some(place) = self.places.remove(&person) else {
            return;
        };
        let moved = self.members.len() - 1;
        self.members.swap_remove(place);
        if let Some(member) = self.members.get(place) {
            self.places.insert(member.person.id, place);
        }
        for index in (0..self.rows.len()).rev() {
            if self.rows[index].owner == place {
                let last = self.rows.len() - 1;
                self.rows.swap_remove(index);
                let dimensions = self.dimensions;
                move_row(&mut self.templates, last, index, dimensions);
                move_row(&mut self.codes, last, index, dimensions);
            }
        }
        for row in &mut self.rows {
            if row.owner == moved {
                row.owner = place;
            }
        }
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
        self.rows.len()
    }

    /// Somebody by index.
    #[must_use]
    pub fn member(&self, index: usize) -> Option<&Member> {
        self.members.get(index)
    }

    /// The nearest person; `None` when there is nobody to compare with.
    #[must_use]
    pub fn search(&self, embedding: &Embedding) -> Option<Match> {
        if self.dimensions == 0 {
            return None;
        }
        let exactly = embedding.as_slice();
        let probe = Probe::new(exactly);
        let mut best: Option<Match> = None;
        let codes = self.codes.chunks_exact(self.dimensions);
        for (index, (row, codes)) in self.rows.iter().zip(codes).enumerate() {
            // What this row must exceed to change anything.
            let bar = match best {
                None => f32::NEG_INFINITY,
                Some(found) if found.member == row.owner => found.similarity,
                Some(found) => found.second,
            };
            if row.code.at_most(codes, &probe) <= bar {
                continue;
            }
            let template = &self.templates[index * self.dimensions..][..self.dimensions];
            let similarity = dot(template, exactly);
            if similarity > bar {
                best = Some(Match::better(best, row.owner, similarity));
            }
        }
        best
    }
}

/// Whether a template is L2-normalised, as all are when they are written. One that is not any
/// more (a damaged file) is left out: it could be similar to everybody.
fn is_direction(template: &[f32]) -> bool {
    (0.99..1.01).contains(&dot(template, template))
}

/// Moves row `from`, the last one, to `to`, and drops what is left of it.
fn move_row<T: Copy>(table: &mut Vec<T>, from: usize, to: usize, width: usize) {
    table.copy_within(from * width..(from + 1) * width, to * width);
    table.truncate(from * width);
}

#[cfg(test)]
mod tests;
