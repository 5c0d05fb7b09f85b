//! The alarm of the certificates: one that must be renewed, or a file that cannot be read again.
//!
//! Decides what is news; whoever calls it tells the guard. An alarm about a date needs a clock
//! that is to be trusted: without one, what was found with one stands.

use std::path::PathBuf;
use std::sync::Arc;

use crate::certs::expiry::{self, CertRole, Dated, Stage};
use crate::clock::Moment;
use crate::mqtt::Credentials;

/// What is known to be wrong with certificates.
pub(super) struct Certificates {
    /// None without a broker.
    watched: Option<Arc<Credentials>>,
    complaints: Vec<(Key, String)>,
    told: Option<Told>,
}

/// Tells one complaint from another; the days that are left do not.
type Key = (CertRole, Option<PathBuf>, String, Stage);

/// What was told last: complaints and trouble with files.
type Told = (Vec<Key>, Option<String>);

/// What the guard is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// This is wrong.
    Wrong(String),
    /// Nothing is wrong any more.
    Fine,
}

impl Certificates {
    pub(super) fn new(watched: Option<Arc<Credentials>>) -> Self {
        Self {
            watched,
            complaints: Vec::new(),
            told: None,
        }
    }

    /// Looks at the certificates in force.
    pub(super) fn look(&mut self, now: &Moment) -> Option<News> {
        let watched = self.watched.as_ref()?;
        let (certificates, trouble) = (watched.certificates(), watched.trouble());
        self.judge(&certificates, trouble, now)
    }

    fn judge(
        &mut self,
        certificates: &[Dated],
        trouble: Option<String>,
        now: &Moment,
    ) -> Option<News> {
        if now.clock_trusted {
            let complaints = certificates.iter().filter_map(|dated| {
                let complaint = expiry::complaint(dated, now.wall)?;
                let (role, path) = (dated.role, dated.path.clone());
                let key = (role, path, dated.facts.subject.clone(), complaint.stage);
                Some((key, complaint.text))
            });
            self.complaints = complaints.collect();
        }
        let keys = self.complaints.iter().map(|(key, _)| key.clone());
        let told = (keys.collect::<Vec<_>>(), trouble.clone());
        let fine = told.0.is_empty() && told.1.is_none();
        // What nobody was told of need not be taken back.
        let before = self.told.replace(told.clone()).unwrap_or_default();
        if before == told {
            return None;
        }
        if fine {
            return Some(News::Fine);
        }
        let trouble = trouble.map(|text| format!("{text}; what was read before stays in use"));
        let texts = self.complaints.iter().map(|(_, text)| text.clone());
        let all: Vec<String> = trouble.into_iter().chain(texts).collect();
        Some(News::Wrong(all.join(". Also: ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certs::facts::Facts;
    use crate::clock::Tick;

    fn dated(until: i32) -> Dated {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let certificate = params.self_signed(&key).unwrap();
        Dated {
            role: CertRole::Client,
            path: Some("door.pem".into()),
            facts: Facts::read(certificate.der()).unwrap(),
        }
    }

    fn at(wall: &str, clock_trusted: bool) -> Moment {
        Moment {
            wall: wall.parse().unwrap(),
            tick: Tick::default(),
            clock_trusted,
        }
    }

    fn wrong(news: Option<News>) -> String {
        match news {
            Some(News::Wrong(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_expiry_is_told_once_a_stage_and_taken_back_when_it_is_renewed() {
        let mut certificates = Certificates::new(None);
        let (old, new) = ([dated(2027)], [dated(2028)]);
        let mut look = |certificates_now: &[Dated], time: &str| {
            certificates.judge(certificates_now, None, &at(time, true))
        };
        assert_eq!(look(&old, "2026-11-01T00:00:00Z"), None);
        let soon = wrong(look(&old, "2026-12-10T00:00:00Z"));
        assert!(soon.contains("22 days are left"), "{soon}");
        assert_eq!(look(&old, "2026-12-11T00:00:00Z"), None, "no news");
        let over = wrong(look(&old, "2027-01-02T00:00:00Z"));
        assert!(over.contains("expired on 2027-01-01"), "{over}");
        assert_eq!(look(&new, "2027-01-02T00:01:00Z"), Some(News::Fine));
        assert_eq!(look(&new, "2027-01-02T00:02:00Z"), None);
    }

    #[test]
    fn a_clock_that_is_not_trusted_neither_raises_nor_ends_anything() {
        let mut certificates = Certificates::new(None);
        let old = [dated(2027)];
        let mut look = |time: &str, trusted| certificates.judge(&old, None, &at(time, trusted));
        assert_eq!(look("2030-01-01T00:00:00Z", false), None);
        assert_eq!(look("1970-01-01T00:00:00Z", false), None);
        wrong(look("2026-12-10T00:00:00Z", true));
        assert_eq!(look("2021-01-01T00:00:00Z", false), None, "it stands");
        assert_eq!(look("2021-01-01T00:00:00Z", true), Some(News::Fine));
    }

    #[test]
    fn files_that_cannot_be_read_again_are_told_whatever_the_clock_says() {
        let mut certificates = Certificates::new(None);
        let trouble = || Some("the client key x.key is damaged".to_owned());
        let now = at("2021-01-01T00:00:00Z", false);
        let text = wrong(certificates.judge(&[], trouble(), &now));
        assert!(text.contains("x.key is damaged") && text.contains("stays in use"));
        assert_eq!(certificates.judge(&[], trouble(), &now), None);
        assert_eq!(certificates.judge(&[], None, &now), Some(News::Fine));
    }
}
