//! Which certificates somebody must renew. Pure: certificates and a time go in, words come out.
//!
//! A clock that is not to be trusted says nothing about a certificate's age: whoever asks must
//! not ask with one.

use std::path::PathBuf;

use jiff::Timestamp;

use super::facts::Facts;

/// How many days ahead an expiry is told.
pub const WARN_DAYS: i64 = 30;

/// A certificate, and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    /// What it is to us.
    pub role: CertRole,
    /// Its file; none when the broker presented it.
    pub path: Option<PathBuf>,
    /// What it says.
    pub facts: Facts,
}

/// What a certificate is to us, which decides who renews it and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CertRole {
    /// What we show to the broker.
    Client,
    /// A CA that we trust.
    Ca,
    /// What the broker shows to us.
    Broker,
}

/// How bad it is; a worse one is news again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It expires within [`WARN_DAYS`].
    Soon,
    /// Its time has not begun.
    NotYet,
    /// It has expired.
    Expired,
}

/// A certificate that is not fine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// How bad it is.
    pub stage: Stage,
    /// Which certificate, what is wrong and what to do.
    pub text: String,
}

/// What is to be said of a certificate at `now`, if anything.
#[must_use]
pub fn complaint(dated: &Dated, now: Timestamp) -> Option<Complaint> {
    let facts = &dated.facts;
    let day = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let left = facts.days_left(now);
    let (stage, what) = if now > facts.not_after {
        let what = format!("expired on {}", day(facts.not_after));
        (Stage::Expired, what)
    } else if now < facts.not_before {
        let what = format!("is not valid before {}", day(facts.not_before));
        (Stage::NotYet, what)
    } else if left < WARN_DAYS {
        let days = match left {
            0 => "less than a day is left".to_owned(),
            1 => "1 day is left".to_owned(),
            days => format!("{days} days are left"),
        };
        let what = format!("expires on {}, {days}", day(facts.not_after));
        (Stage::Soon, what)
    } else {
        return None;
    };
    let which = match dated.role {
        CertRole::Client => "client certificate",
        CertRole::Ca => "CA certificate",
        CertRole::Broker => "broker's certificate",
    };
    let place = dated
        .path
        .as_ref()
        .map(|path| format!(" in {}", path.display()))
        .unwrap_or_default();
    let remedy = if stage == Stage::NotYet {
        "check the clock of the machine that made it, or wait"
    } else {
        match dated.role {
            CertRole::Client => {
                "make a new one with `doorward certs client DIR NAME --renew` where the CA is kept, and put certificate and key in place of the old ones; no restart is needed"
            }
            CertRole::Ca => {
                "make a new CA with `doorward certs init`, add its certificate to this file, sign the broker's and the doors' certificates anew, then take the old one out"
            }
            CertRole::Broker => {
                "make a new one with `doorward certs server DIR --renew` where the CA is kept, and give it to the broker"
            }
        }
    };
    Some(Complaint {
        stage,
        text: format!("the {which} {:?}{place} {what}; {remedy}", facts.subject),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dated(role: CertRole) -> Dated {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "home/front");
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2027, 1, 1);
        let certificate = params.self_signed(&key).unwrap();
        Dated {
            role,
            path: Some("/etc/doorward/front.pem".into()),
            facts: Facts::read(certificate.der()).unwrap(),
        }
    }

    fn at(time: &str) -> Option<Complaint> {
        complaint(&dated(CertRole::Client), time.parse().unwrap())
    }

    #[test]
    fn a_certificate_is_told_of_from_thirty_days_ahead() {
        assert_eq!(at("2026-06-01T00:00:00Z"), None);
        assert_eq!(at("2026-12-02T00:00:00Z"), None, "30 days to the second");
        let soon = at("2026-12-02T00:00:01Z").unwrap();
        assert_eq!(soon.stage, Stage::Soon);
        for word in [
            "client certificate \"home/front\" in /etc/doorward/front.pem",
            "expires on 2027-01-01 00:00 UTC, 29 days are left",
            "doorward certs client",
            "no restart",
        ] {
            assert!(soon.text.contains(word), "{word:?}: {}", soon.text);
        }
        let last = at("2026-12-31T12:00:00Z").unwrap();
        assert!(last.text.contains("less than a day"), "{}", last.text);
        assert_eq!(at("2027-01-01T00:00:00Z").unwrap().stage, Stage::Soon);
        let over = at("2027-01-01T00:00:01Z").unwrap();
        assert_eq!(over.stage, Stage::Expired);
        assert!(over.text.contains("expired on 2027-01-01"), "{}", over.text);
        let early = at("2025-12-31T23:59:59Z").unwrap();
        assert_eq!(early.stage, Stage::NotYet);
    }

    #[test]
    fn each_kind_has_its_own_remedy() {
        let now = "2026-12-20T00:00:00Z".parse().unwrap();
        let ca = complaint(&dated(CertRole::Ca), now).unwrap().text;
        assert!(ca.contains("certs init"), "{ca}");
        let mut broker = dated(CertRole::Broker);
        broker.path = None;
        let broker = complaint(&broker, now).unwrap().text;
        assert!(broker.contains("certs server") && !broker.contains(" in /"));
    }
}
