//! The searches: who is enrolled, what is searched for, and what came of it.
//!
//! Pure.

use std::path::PathBuf;

use super::{
    FalseAccept, Identification, Miss, NonMated, Recommended, Rules, Searches, Subject, Unusable,
    usable,
};
use crate::evaluate::comparison::CURVE;
use crate::evaluate::rate::Rate;
use crate::evaluate::scores::Scores;
use crate::evaluate::subject::{Picture, Sample};
use crate::event::{PersonId, PersonRef, PersonStatus};
use crate::gallery::{Gallery, GalleryPerson, Match, Verdict};
use crate::presentation::fusion::fuse;
use crate::vision::{Embedding, QualityLimits};

/// Pictures of one person that are good enough to be searched for.
struct Probes<'a> {
    name: &'a str,
    /// Index in the gallery, for somebody who is enrolled.
    member: Option<usize>,
    samples: Vec<(PathBuf, &'a Sample)>,
}
/// Enrolls the first `enroll` pictures of each of `people` and searches for all the others and
/// for `strangers`: one by one, and fused `fuse_of` at a time.
#[must_use]
pub fn identify(
    people: &[Subject],
    strangers: &[Subject],
    enroll: usize,
    fuse_of: usize,
    rules: &Rules,
) -> Identification {
    let mut members = Vec::new();
    let mut mated = Vec::new();
    let (mut enroll_failures, mut probe_failures) = (Vec::new(), Vec::new());
    let (mut skipped, mut not_enrolled) = (0, Vec::new());
    for person in people {
        let Some((first, rest)) = person.pictures.split_at_checked(enroll) else {
            skipped += 1;
            continue;
        };
        if rest.is_empty() {
            skipped += 1;
            continue;
        }
        let templates: Vec<Vec<f32>> =
            sorted_out(first, &rules.enroll_limits, &mut enroll_failures)
                .map(|(_, sample)| sample.embedding.as_slice().to_vec())
                .collect();
        if templates.is_empty() {
            not_enrolled.push(person.name.clone());
            continue;
        }
        let limit = rules.probes.unwrap_or(rest.len()).min(rest.len());
        mated.push(Probes {
            name: &person.name,
            member: Some(members.len()),
            samples: sorted_out(&rest[..limit], &rules.probe_limits, &mut probe_failures).collect(),
        });
        members.push(GalleryPerson {
            person: PersonRef {
                id: PersonId(uuid::Uuid::now_v7()),
                name: person.name.clone(),
            },
            status: PersonStatus::Active,
            embeddings: templates,
        });
    }
    let failed_mated = probe_failures.len();
    let apart: Vec<Probes<'_>> = strangers
        .iter()
        .map(|stranger| Probes {
            name: &stranger.name,
            member: None,
            samples: sorted_out(&stranger.pictures, &rules.probe_limits, &mut probe_failures)
                .collect(),
        })
        .collect();
    let dimensions = members
        .first()
        .and_then(|member| member.embeddings.first())
        .map_or(0, Vec::len);
    let enrolled = members.len();
    let gallery = Gallery::new(members, dimensions);
    let threshold = rules.threshold(enrolled);
    let search = |fused| Run {
        gallery: &gallery,
        threshold,
        mated: &mated,
        strangers: &apart,
        failed_mated,
        fused,
        rules,
    };
    Identification {
        enroll,
        enrolled,
        skipped,
        not_enrolled,
        templates: gallery.templates(),
        threshold,
        enroll_failures,
        probe_failures,
        single: search(1).searches(),
        fused: (fuse_of > 1).then(|| search(fuse_of).searches()),
    }
}

/// The usable ones; the reasons for the others go to `failures`.
fn sorted_out<'a>(
    pictures: &'a [Picture],
    limits: &QualityLimits,
    failures: &mut Vec<Unusable>,
) -> impl Iterator<Item = (PathBuf, &'a Sample)> {
    let mut good = Vec::new();
    for picture in pictures {
        match usable(picture, limits) {
            Ok(sample) => good.push((picture.path.clone(), sample)),
            Err(failure) => failures.push(failure),
        }
    }
    good.into_iter()
}

/// One way to search: a gallery, probes, and how many pictures make a probe.
struct Run<'a> {
    gallery: &'a Gallery,
    mated: &'a [Probes<'a>],
    strangers: &'a [Probes<'a>],
    failed_mated: usize,
    fused: usize,
    threshold: f32,
    rules: &'a Rules,
}

/// A probe that was searched for.
struct Searched<'a> {
    name: &'a str,
    member: Option<usize>,
    files: Vec<PathBuf>,
    /// Who came first; nobody when that was the person who is left out.
    first: Option<usize>,
    found: Match,
}

impl Run<'_> {
    fn searches(&self) -> Searches {
        let (threshold, margin) = (self.threshold, self.rules.margin);
        let mated = self.search(self.mated);
        let strangers = self.search(self.strangers);
        let mut misses = Vec::new();
        let (mut first, mut another, mut ambiguous) = (0, 0, 0);
        for probe in &mated {
            let right = probe.member == Some(probe.found.member);
            first += usize::from(right);
            let outcome = match probe.found.verdict(threshold, margin) {
                Verdict::Named if right => continue,
                Verdict::Named => {
                    another += 1;
                    "named_another"
                }
                Verdict::Ambiguous => {
                    ambiguous += 1;
                    "ambiguous"
                }
                Verdict::Nobody => "nobody",
            };
            misses.push(Miss {
                person: probe.name.to_owned(),
                files: probe.files.clone(),
                nearest: self.name(probe.found.member),
                similarity: probe.found.similarity,
                outcome,
            });
        }
        let (non_mated, others) = if strangers.is_empty() {
            (NonMated::LeftOut, left_out(&mated))
        } else {
            (NonMated::Strangers, strangers)
        };
        let verdicts = || {
            others
                .iter()
                .map(|probe| probe.found.verdict(threshold, margin))
        };
        let unclear = verdicts().filter(|v| *v == Verdict::Ambiguous).count();
        let false_accepts: Vec<FalseAccept> = others
            .iter()
            .filter(|probe| probe.found.verdict(threshold, margin) == Verdict::Named)
            .map(|probe| FalseAccept {
                files: probe.files.clone(),
                named: probe.first.map(|member| self.name(member)),
                similarity: probe.found.similarity,
            })
            .collect();
        let scores = Scores::new(
            mated.iter().map(|probe| self.decisive(probe)).collect(),
            others.iter().map(|probe| self.decisive(probe)).collect(),
        );
        let wanted_fpir = self.rules.wanted_fpir;
        let failed = match self.fused {
            1 => self.failed_mated,
            // A picture that cannot be used is passed over when others of its probe can.
            _ => self.mated.iter().filter(|p| p.samples.is_empty()).count(),
        };
        Searches {
            fused: self.fused,
            rank_1: Rate::of(first, mated.len()),
            fnir: Rate::of(misses.len(), mated.len()),
            fnir_with_failures: Rate::of(misses.len() + failed, mated.len() + failed),
            named_another: Rate::of(another, mated.len()),
            ambiguous: Rate::of(ambiguous, mated.len()),
            non_mated,
            fpir: Rate::of(false_accepts.len(), others.len()),
            non_mated_ambiguous: Rate::of(unclear, others.len()),
            non_mated_highest: others
                .iter()
                .map(|probe| probe.found.similarity)
                .reduce(f32::max),
            recommended: scores
                .threshold_for(wanted_fpir)
                .map(|threshold| Recommended {
                    wanted_fpir,
                    threshold,
                    fpir: scores.false_accepts(threshold),
                    fnir: scores.false_rejects(threshold),
                }),
            curve: scores.curve(CURVE),
            misses,
            false_accepts,
        }
    }

    fn search<'b>(&self, everybody: &'b [Probes<'b>]) -> Vec<Searched<'b>> {
        let mut searched = Vec::new();
        for person in everybody {
            for part in person.samples.chunks(self.fused) {
                let probe = fuse(
                    part.iter()
                        .map(|(_, sample)| (&sample.embedding, sample.quality.weight())),
                );
                let found = match part {
                    // One picture is searched for as it is.
                    [(_, only)] => self.gallery.search(&only.embedding),
                    _ => probe
                        .as_ref()
                        .and_then(|p: &Embedding| self.gallery.search(p)),
                };
                searched.extend(found.map(|found| Searched {
                    name: person.name,
                    member: person.member,
                    files: part.iter().map(|(path, _)| path.clone()).collect(),
                    first: Some(found.member),
                    found,
                }));
            }
        }
        searched
    }

    /// The similarity at which a threshold lets this probe in as the right one (or, for a
    /// stranger, as anybody); −1 when none does, because of the wrong person or the margin.
    fn decisive(&self, probe: &Searched<'_>) -> f32 {
        let wrong = probe
            .member
            .is_some_and(|member| member != probe.found.member);
        let named = probe.found.verdict(-1.0, self.rules.margin) == Verdict::Named;
        if named && !wrong {
            probe.found.similarity
        } else {
            -1.0
        }
    }

    fn name(&self, member: usize) -> String {
        let member = self.gallery.member(member);
        member
            .map(|member| member.person.name.clone())
            .unwrap_or_default()
    }
}

/// Every probe as if its own person were not enrolled. Who comes after the next one is not
/// known, so nothing is ambiguous: that errs towards more false accepts.
fn left_out<'a>(mated: &[Searched<'a>]) -> Vec<Searched<'a>> {
    let without = |probe: &Searched<'a>| {
        let own = probe.member == Some(probe.found.member);
        Searched {
            name: probe.name,
            member: None,
            files: probe.files.clone(),
            first: probe.first.filter(|_| !own),
            found: Match {
                similarity: if own {
                    probe.found.second
                } else {
                    probe.found.similarity
                },
                second: -1.0,
                ..probe.found
            },
        }
    };
    mated.iter().map(without).collect()
}
