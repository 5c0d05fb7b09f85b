//! Who would be let in: people enrolled as at the door, everything else searched for.
//!
//! Pure: pictures that were read in, rates out. Searches and verdicts are the door's own
//! ([`crate::gallery`]); probes are fused as the door fuses observations
//! ([`crate::presentation::fusion`]). Never enrolls in the door's store.

use std::path::PathBuf;

use serde::Serialize;

use super::comparison::CURVE;
use super::rate::Rate;
use super::scores::{Point, Scores};
use super::subject::{Picture, Sample};
use crate::event::{PersonId, PersonRef};
use crate::gallery::{Gallery, Match, Verdict};
use crate::presentation::fusion::fuse;
use crate::recognition::{Security, Thresholds};
use crate::store::{GalleryPerson, PersonStatus};
use crate::vision::pack::Calibration;
use crate::vision::{Embedding, QualityLimits};

/// Somebody's pictures after reading.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Who.
    pub name: String,
    /// In the order of their names.
    pub pictures: Vec<Picture>,
}

/// What is demanded.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// How strict the door is.
    pub security: Security,
    /// The threshold of [`Security::Custom`].
    pub custom: Option<f32>,
    /// What the pack's similarities mean.
    pub calibration: Calibration,
    /// How far the second person must be behind.
    pub margin: f32,
    /// The least quality of an image to be enrolled.
    pub enroll_limits: QualityLimits,
    /// The least quality of a probe.
    pub probe_limits: QualityLimits,
    /// At most so many probes of each person; all without a limit.
    pub probes: Option<usize>,
    /// Share of strangers who may be accepted, for the recommended threshold.
    pub wanted_fpir: f64,
}

impl Rules {
    /// The similarity in force with so many people enrolled.
    #[must_use]
    pub fn threshold(&self, people: usize) -> f32 {
        Thresholds::of(self.security, self.custom, people, &self.calibration).claim
    }
}

/// Limits that every face passes.
pub const ANY_QUALITY: QualityLimits = QualityLimits {
    min_detector_score: 0.0,
    min_eye_distance_px: 0.0,
    min_sharpness: 0.0,
    min_brightness: 0.0,
    min_contrast: 0.0,
    max_overexposed: 1.0,
    max_yaw_deg: f32::INFINITY,
    max_pitch_deg: f32::INFINITY,
    min_edge_gap: f32::NEG_INFINITY,
};

/// A picture that could not take part, or could not be enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unusable {
    /// The file.
    pub file: PathBuf,
    /// `no_face`, `unusable`, or the word of the failed quality limit, such as `too_blurred`.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// Where the searches that must find nobody come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NonMated {
    /// People who are not enrolled.
    Strangers,
    /// There are none: every probe against everybody but its own person.
    LeftOut,
}

/// A search that should have named somebody and did not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Miss {
    /// Whose probe.
    pub person: String,
    /// Its pictures.
    pub files: Vec<PathBuf>,
    /// Who came first.
    pub nearest: String,
    /// How like they are.
    pub similarity: f32,
    /// `named_another`, `ambiguous` or `nobody`.
    pub outcome: &'static str,
}

/// A search that should have named nobody and did not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FalseAccept {
    /// The probe's pictures.
    pub files: Vec<PathBuf>,
    /// Whom it was taken for; not known when its own person was left out of the search.
    pub named: Option<String>,
    /// How like they are.
    pub similarity: f32,
}

/// A threshold for a wanted rate of accepted strangers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Recommended {
    /// What was wanted, 0..1.
    pub wanted_fpir: f64,
    /// The lowest threshold that gives it here.
    pub threshold: f32,
    /// What it gives. The upper bound is what this set can promise.
    pub fpir: Rate,
    /// What it costs.
    pub fnir: Rate,
}

/// Rates over searches of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Searches {
    /// Pictures in a probe, at most.
    pub fused: usize,
    /// The right person comes first, whatever the similarity.
    pub rank_1: Rate,
    /// The right person is not named at the threshold.
    pub fnir: Rate,
    /// The same, with pictures that could not be used counted as not named: the whole system.
    pub fnir_with_failures: Rate,
    /// Somebody enrolled is named as somebody else.
    pub named_another: Rate,
    /// Somebody enrolled is denied because two people match.
    pub ambiguous: Rate,
    /// Where the searches that must find nobody come from.
    pub non_mated: NonMated,
    /// Somebody who is not enrolled is named.
    pub fpir: Rate,
    /// Somebody who is not enrolled is denied only because two people match.
    pub non_mated_ambiguous: Rate,
    /// Highest similarity of anybody who is not enrolled.
    pub non_mated_highest: Option<f32>,
    /// For the wanted rate; nothing without such searches.
    pub recommended: Option<Recommended>,
    /// FPIR and FNIR over the threshold.
    pub curve: Vec<Point>,
    /// Every search that failed to name its person.
    pub misses: Vec<Miss>,
    /// Every search that named somebody for a stranger.
    pub false_accepts: Vec<FalseAccept>,
}

/// One run with a fixed number of enrolled pictures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Identification {
    /// Pictures taken for enrollment, of each person.
    pub enroll: usize,
    /// People enrolled.
    pub enrolled: usize,
    /// People with too few pictures to have a probe left.
    pub skipped: usize,
    /// People of whom no picture could be enrolled.
    pub not_enrolled: Vec<String>,
    /// Templates in the gallery.
    pub templates: usize,
    /// Similarity in force for a gallery of so many people.
    pub threshold: f32,
    /// Pictures that were refused for enrollment.
    pub enroll_failures: Vec<Unusable>,
    /// Probes that could not be used.
    pub probe_failures: Vec<Unusable>,
    /// One picture a probe.
    pub single: Searches,
    /// Several pictures a probe.
    pub fused: Option<Searches>,
}

/// A picture's sample when it is good enough, or the reason why not.
///
/// # Errors
/// The reason, with the file.
pub fn usable<'a>(picture: &'a Picture, limits: &QualityLimits) -> Result<&'a Sample, Unusable> {
    let refused = |reason, message: String| Unusable {
        file: picture.path.clone(),
        reason,
        message,
    };
    let sample = picture
        .sample
        .as_ref()
        .map_err(|failure| refused(failure.code(), failure.to_string()))?;
    sample
        .quality
        .check(limits)
        .map_err(|failure| refused(failure.problem.as_str(), failure.to_string()))?;
    Ok(sample)
}

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
                id: PersonId::generate(),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evaluate::subject::Failure;
    use crate::vision::Quality;
    use crate::vision::pose::HeadPose;

    fn picture(direction: [f32; 3], sharpness: f32) -> Picture {
        Picture {
            path: PathBuf::from(format!("{direction:?}.jpg")),
            faces: 1,
            sample: Ok(Sample {
                embedding: Embedding::normalised(direction.to_vec()).unwrap(),
                quality: Quality {
                    detector_score: 1.0,
                    eye_distance_px: 40.0,
                    sharpness,
                    brightness: 120.0,
                    contrast: 50.0,
                    overexposed: 0.0,
                    pose: HeadPose::default(),
                    edge_gap: 1.0,
                },
            }),
        }
    }

    fn subject(name: &str, pictures: Vec<Picture>) -> Subject {
        Subject {
            name: name.into(),
            pictures,
        }
    }

    fn rules(threshold: f32, margin: f32) -> Rules {
        let limits = |min_sharpness| QualityLimits {
            min_sharpness,
            ..ANY_QUALITY
        };
        Rules {
            security: Security::Custom,
            custom: Some(threshold),
            calibration: Calibration {
                fmr: vec![1e-3],
                threshold: vec![0.3],
            },
            margin,
            enroll_limits: limits(50.0),
            probe_limits: limits(15.0),
            probes: None,
            wanted_fpir: 0.01,
        }
    }

    #[test]
    fn every_outcome_is_counted_where_it_belongs() {
        let (x, y, z) = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]);
        let people = [
            // Found; ambiguous between Ada and Bob; nobody; no face.
            subject(
                "Ada",
                vec![
                    picture(x, 99.0),
                    picture([1.0, 0.1, 0.0], 99.0),
                    picture([1.0, 1.0, 0.0], 99.0),
                    picture(z, 99.0),
                    Picture {
                        sample: Err(Failure::NoFace),
                        ..picture(x, 99.0)
                    },
                ],
            ),
            // Looks like Ada.
            subject("Bob", vec![picture(y, 99.0), picture(x, 99.0)]),
            // Too blurred to be enrolled; too few pictures.
            subject("Cid", vec![picture(z, 20.0), picture(z, 99.0)]),
            subject("Dan", vec![picture(z, 99.0)]),
        ];
        let strangers = [
            subject("s", vec![picture(z, 99.0)]),
            subject("t", vec![picture([0.9, 0.1, 0.4], 99.0)]),
            subject("u", vec![picture(x, 5.0)]),
        ];
        let found = identify(&people, &strangers, 1, 3, &rules(0.5, 0.05));
        assert_eq!((found.enrolled, found.skipped), (2, 1));
        assert_eq!(found.not_enrolled, ["Cid"]);
        assert_eq!(found.enroll_failures[0].reason, "too_blurred");
        let reasons: Vec<_> = found.probe_failures.iter().map(|f| f.reason).collect();
        assert_eq!(reasons, ["no_face", "too_blurred"]);
        let single = &found.single;
        let outcomes: Vec<_> = single.misses.iter().map(|miss| miss.outcome).collect();
        assert_eq!(outcomes, ["ambiguous", "nobody", "named_another"]);
        assert_eq!((single.fnir.count, single.fnir.trials), (3, 4));
        let whole = single.fnir_with_failures;
        assert_eq!((whole.count, whole.trials), (4, 5));
        assert_eq!((single.fpir.count, single.fpir.trials), (1, 2));
        assert_eq!(single.false_accepts[0].named.as_deref(), Some("Ada"));
        // Ada's three usable probes are one now; Bob has one.
        assert_eq!(found.fused.unwrap().fnir.trials, 2);
    }

    #[test]
    fn without_strangers_the_own_person_is_left_out() {
        let (x, y) = ([1.0, 0.0, 0.0], [0.6, 0.8, 0.0]);
        let people = [
            subject("Ada", vec![picture(x, 99.0), picture(x, 99.0)]),
            subject("Bob", vec![picture(y, 99.0), picture(y, 99.0)]),
        ];
        let found = identify(&people, &[], 1, 1, &rules(0.5, 0.05));
        assert_eq!(found.fused, None);
        assert_eq!(found.single.non_mated, NonMated::LeftOut);
        assert_eq!(found.single.fpir.count, 2);
        assert!((found.single.non_mated_highest.unwrap() - 0.6).abs() < 1e-6);
        assert_eq!(found.single.false_accepts[0].named, None);
    }

    proptest! {
        /// The rates that are counted by verdicts are the ones that the curve's scores give.
        #[test]
        fn verdicts_and_scores_agree(
            faces in prop::collection::vec(prop::array::uniform3(-1.0f32..1.0), 8..30),
            threshold in -0.5f32..0.99,
            margin in 0.0f32..0.3,
        ) {
            prop_assume!(faces.iter().all(|f| f.iter().any(|x| x.abs() > 0.1)));
            let pictures: Vec<Picture> = faces.iter().map(|face| picture(*face, 99.0)).collect();
            let (known, unknown) = pictures.split_at(6);
            let people = [subject("a", known[..3].to_vec()), subject("b", known[3..].to_vec())];
            let strangers = [subject("s", unknown.to_vec())];
            let mut rules = rules(threshold, margin);
            let counted = identify(&people, &strangers, 1, 1, &rules).single;
            rules.wanted_fpir = counted.fpir.rate.unwrap() + 1e-9;
            let best = identify(&people, &strangers, 1, 1, &rules).single.recommended.unwrap();
            // The lowest threshold with that rate is no stricter, so it misses nobody more.
            prop_assert!(best.fpir.count <= counted.fpir.count);
            prop_assert!(best.threshold <= threshold.next_up());
            prop_assert!(best.fnir.count <= counted.fnir.count);
        }
    }
}
