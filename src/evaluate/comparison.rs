//! Every picture against every other one: verification, and where a set of faces is weak.
//!
//! Pure: samples in, rates and suspicions out. Pairs are not independent (each picture is in
//! many), so their confidence bounds are narrower than the truth.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::rate::Rate;
use super::scores::{EqualError, Point, Scores};
use crate::vision::Embedding;

/// Points of a reported curve.
pub(super) const CURVE: usize = 80;
/// A picture whose likeness to its own person's others stays below the threshold of this false
/// match rate is as unlike them as strangers are to each other.
const STRANGE: f64 = 1e-3;
/// The most similar pictures of different people that are listed.
const LOOKALIKES: usize = 10;

/// One usable picture.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// Whose it is said to be.
    pub person: usize,
    /// The file.
    pub path: &'a Path,
    /// What it looks like.
    pub embedding: &'a Embedding,
}

/// Error rates at one threshold that has a name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Named {
    /// Why this threshold.
    pub name: String,
    /// Similarity.
    pub threshold: f32,
    /// False match rate.
    pub fmr: Rate,
    /// False non-match rate.
    pub fnmr: Rate,
}

/// All pairs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verification {
    /// Pairs of one person.
    pub genuine_pairs: usize,
    /// Pairs of different people.
    pub impostor_pairs: usize,
    /// Where both rates are equal.
    pub equal_error: Option<EqualError>,
    /// Area under the ROC curve.
    pub area_under_curve: Option<f64>,
    /// At named thresholds.
    pub at: Vec<Named>,
    /// The DET curve.
    pub curve: Vec<Point>,
}

/// Two pictures and how like they are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Likeness {
    /// Cosine similarity.
    pub similarity: f32,
    /// The person's picture.
    pub image: PathBuf,
    /// The other picture.
    pub other_image: PathBuf,
    /// Whose that is.
    pub other_person: String,
}

/// One person's weakest places.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WeakSpot {
    /// Who.
    pub person: String,
    /// Usable pictures.
    pub images: usize,
    /// Their two least similar pictures; nothing with one picture.
    pub lowest_genuine: Option<Likeness>,
    /// Somebody else's most similar picture.
    pub nearest_other: Option<Likeness>,
}

/// Why a label is doubted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// More like somebody else than like any other picture of its own person.
    NearerToOther,
    /// As unlike its own person's other pictures as strangers are.
    UnlikeOwn,
}

/// A picture that may carry the wrong name, show the wrong face, or be very hard.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Suspicion {
    /// The file.
    pub image: PathBuf,
    /// Whose it is said to be.
    pub person: String,
    /// Why it is doubted.
    pub doubt: Doubt,
    /// Highest similarity to another picture of that person.
    pub best_own: f32,
    /// Highest similarity to anybody else's picture.
    pub nearest_other: Option<Likeness>,
}

/// What comparing everything with everything gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// All similarities.
    pub scores: Scores,
    /// By person, the weakest first; people with one picture last.
    pub weak_spots: Vec<WeakSpot>,
    /// Doubtful labels, the most doubtful first.
    pub suspicions: Vec<Suspicion>,
    /// The most similar pictures of different people, the most similar first.
    pub lookalikes: Vec<(String, Likeness)>,
}

/// What is known of one picture after all comparisons: similarity and index of the other one.
#[derive(Debug, Clone, Copy, Default)]
struct Nearest {
    own_best: Option<(f32, usize)>,
    own_worst: Option<(f32, usize)>,
    other: Option<(f32, usize)>,
}

/// Compares all `items`; `names` has one name for each person's index.
#[must_use]
pub fn compare(items: &[Item<'_>], names: &[&str]) -> Comparison {
    let (mut genuine, mut impostor) = (Vec::new(), Vec::new());
    let mut nearest = vec![Nearest::default(); items.len()];
    for (a, item) in items.iter().enumerate() {
        for (b, other) in items.iter().enumerate().skip(a + 1) {
            let similarity = item.embedding.similarity(other.embedding);
            let same = item.person == other.person;
            if same { &mut genuine } else { &mut impostor }.push(similarity);
            for (one, two) in [(a, b), (b, a)] {
                nearest[one].note(same, similarity, two);
            }
        }
    }
    let scores = Scores::new(genuine, impostor);
    let likeness = |image: usize, (similarity, other): (f32, usize)| Likeness {
        similarity,
        image: items[image].path.to_owned(),
        other_image: items[other].path.to_owned(),
        other_person: names[items[other].person].to_owned(),
    };
    Comparison {
        weak_spots: weak_spots(items, names, &nearest, &likeness),
        suspicions: suspicions(items, names, &nearest, &scores, &likeness),
        lookalikes: lookalikes(items, names, &nearest, &likeness),
        scores,
    }
}

impl Comparison {
    /// The rates, at thresholds that have names.
    #[must_use]
    pub fn verification(&self, thresholds: &[(String, f32)]) -> Verification {
        let scores = &self.scores;
        let at = |(name, threshold): &(String, f32)| Named {
            name: name.clone(),
            threshold: *threshold,
            fmr: scores.false_accepts(*threshold),
            fnmr: scores.false_rejects(*threshold),
        };
        Verification {
            genuine_pairs: scores.genuine().len(),
            impostor_pairs: scores.impostor().len(),
            equal_error: scores.equal_error(),
            area_under_curve: scores.area_under_curve(),
            at: thresholds.iter().map(at).collect(),
            curve: scores.curve(CURVE),
        }
    }
}

impl Nearest {
    fn note(&mut self, same: bool, similarity: f32, other: usize) {
        let higher = |best: Option<(f32, usize)>| match best {
            Some(best) if best.0 >= similarity => best,
            _ => (similarity, other),
        };
        if same {
            self.own_best = Some(higher(self.own_best));
            self.own_worst = Some(match self.own_worst {
                Some(worst) if worst.0 <= similarity => worst,
                _ => (similarity, other),
            });
        } else {
            self.other = Some(higher(self.other));
        }
    }
}

type MakeLikeness<'a> = &'a dyn Fn(usize, (f32, usize)) -> Likeness;

fn weak_spots(
    items: &[Item<'_>],
    names: &[&str],
    nearest: &[Nearest],
    likeness: MakeLikeness<'_>,
) -> Vec<WeakSpot> {
    let mut spots = Vec::new();
    for (person, name) in names.iter().enumerate() {
        let own: Vec<usize> = (0..items.len())
            .filter(|&index| items[index].person == person)
            .collect();
        if own.is_empty() {
            continue;
        }
        let lowest = own
            .iter()
            .filter_map(|&index| Some((index, nearest[index].own_worst?)))
            .min_by(|a, b| a.1.0.total_cmp(&b.1.0));
        let highest = own
            .iter()
            .filter_map(|&index| Some((index, nearest[index].other?)))
            .max_by(|a, b| a.1.0.total_cmp(&b.1.0));
        spots.push(WeakSpot {
            person: (*name).to_owned(),
            images: own.len(),
            lowest_genuine: lowest.map(|(index, found)| likeness(index, found)),
            nearest_other: highest.map(|(index, found)| likeness(index, found)),
        });
    }
    let weakness = |spot: &WeakSpot| spot.lowest_genuine.as_ref().map_or(2.0, |l| l.similarity);
    spots.sort_by(|a, b| weakness(a).total_cmp(&weakness(b)));
    spots
}

fn suspicions(
    items: &[Item<'_>],
    names: &[&str],
    nearest: &[Nearest],
    scores: &Scores,
    likeness: MakeLikeness<'_>,
) -> Vec<Suspicion> {
    let strange = scores.threshold_for(STRANGE).unwrap_or(-1.0);
    let mut found = Vec::new();
    for (index, (item, near)) in items.iter().zip(nearest).enumerate() {
        let Some((best_own, _)) = near.own_best else {
            continue;
        };
        let doubt = if near.other.is_some_and(|(other, _)| other > best_own) {
            Doubt::NearerToOther
        } else if best_own < strange {
            Doubt::UnlikeOwn
        } else {
            continue;
        };
        found.push(Suspicion {
            image: item.path.to_owned(),
            person: names[item.person].to_owned(),
            doubt,
            best_own,
            nearest_other: near.other.map(|other| likeness(index, other)),
        });
    }
    found.sort_by(|a, b| a.best_own.total_cmp(&b.best_own));
    found
}

fn lookalikes(
    items: &[Item<'_>],
    names: &[&str],
    nearest: &[Nearest],
    likeness: MakeLikeness<'_>,
) -> Vec<(String, Likeness)> {
    let mut pairs: Vec<(usize, (f32, usize))> = nearest
        .iter()
        .enumerate()
        .filter_map(|(index, near)| Some((index, near.other?)))
        // Each pair once, although each is the other's nearest.
        .filter(|&(index, (_, other))| {
            index < other || nearest[other].other.is_none_or(|(_, back)| back != index)
        })
        .collect();
    pairs.sort_by(|a, b| b.1.0.total_cmp(&a.1.0));
    pairs.truncate(LOOKALIKES);
    pairs
        .into_iter()
        .map(|(index, found)| {
            (
                names[items[index].person].to_owned(),
                likeness(index, found),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_under_the_wrong_name_is_found() {
        let direction = |x: f32, y: f32| Embedding::normalised(vec![x, y]).unwrap();
        // Ada points to the right, Bob upwards; Ada's third picture is Bob.
        let faces = [
            (0, "ada/1", direction(1.0, 0.0)),
            (0, "ada/2", direction(1.0, 0.1)),
            (0, "ada/3", direction(0.0, 1.0)),
            (1, "bob/1", direction(0.08, 1.0)),
            (1, "bob/2", direction(0.1, 1.0)),
        ];
        let items: Vec<Item<'_>> = faces
            .iter()
            .map(|(person, path, embedding)| Item {
                person: *person,
                path: Path::new(path),
                embedding,
            })
            .collect();
        let found = compare(&items, &["Ada", "Bob"]);
        assert_eq!(found.scores.genuine().len(), 3 + 1);
        assert_eq!(found.scores.impostor().len(), 6);
        let doubted: Vec<_> = found
            .suspicions
            .iter()
            .filter(|s| s.doubt == Doubt::NearerToOther)
            .map(|s| s.image.to_str().unwrap())
            .collect();
        assert_eq!(doubted, ["ada/3"]);
        assert_eq!(found.weak_spots[0].person, "Ada");
        let lowest = found.weak_spots[0].lowest_genuine.as_ref().unwrap();
        assert!(lowest.similarity.abs() < 1e-6);
        let (who, like) = &found.lookalikes[0];
        assert_eq!((who.as_str(), like.other_person.as_str()), ("Ada", "Bob"));
        let rates = found.verification(&[("half".into(), 0.5)]);
        assert_eq!((rates.at[0].fmr.count, rates.at[0].fnmr.count), (2, 2));
    }
}
