//! When a schedule is open, by what the clock on the wall shows.
//!
//! Flows in: a [`Schedule`], the site's zone and holidays, an instant. Flows out: open or not, since
//! when, and when next. Only civil time counts: in the repeated hour of autumn both showings of an
//! hour are meant, and an hour that spring skips never comes. It never asks what time it is now.
//!
//! An opening is one interval of one day. Intervals that touch are two openings, so that somebody
//! must be the first again after midnight even where a schedule never closes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, ToSpan};

use super::rules::{DAY_MINUTES, Day, Holiday, Interval, Schedule};

/// Days that a search for the next opening looks ahead: a yearly day is found, nothing is searched
/// for ever.
pub const HORIZON_DAYS: i64 = 400;

/// What a schedule is read with.
#[derive(Debug, Clone, Copy)]
pub struct Calendar<'a> {
    /// The site's time zone.
    pub zone: &'a TimeZone,
    /// The site's holidays, by name.
    pub holidays: &'a BTreeMap<String, Holiday>,
}

/// What a schedule says of an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hours<'a> {
    /// Open.
    Open,
    /// Closed, as it always is then.
    Closed,
    /// Closed because of this holiday: without it the schedule would be open.
    Holiday(&'a str),
}

impl Holiday {
    /// Whether `date` belongs to it. A yearly one may cross New Year, and returns in every year,
    /// also before the one it was written down with.
    #[must_use]
    pub fn covers(&self, date: Date) -> bool {
        if !self.yearly {
            return (self.first..=self.last).contains(&date);
        }
        let day_of_year = |date: Date| (date.month(), date.day());
        let whole_year = self
            .first
            .checked_add(1.year())
            .is_ok_and(|again| self.last >= again);
        let (first, last) = (day_of_year(self.first), day_of_year(self.last));
        let day = day_of_year(date);
        whole_year
            || if first <= last {
                first <= day && day <= last
            } else {
                first <= day || day <= last
            }
    }
}

impl<'a> Calendar<'a> {
    /// The holiday that `date` is, the first by name.
    #[must_use]
    pub fn holiday(&self, date: Date) -> Option<&'a str> {
        let mut holidays = self.holidays.iter();
        holidays
            .find(|(_, holiday)| holiday.covers(date))
            .map(|(name, _)| name.as_str())
    }

    /// The first instant at which the wall clock shows `civil` or, where it never does, at which it
    /// has gone past it. None at the ends of representable time.
    #[must_use]
    pub fn instant(&self, civil: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(civil);
        if matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
            let before = ambiguous.earlier().ok()?;
            return Some(self.zone.following(before).next()?.timestamp());
        }
        ambiguous.earlier().ok()
    }
}

impl Interval {
    fn crosses_midnight(self) -> bool {
        self.end <= self.start
    }

    /// Whether it contains this minute of the day it starts on.
    fn contains_on_its_day(self, minute: u16) -> bool {
        self.start <= minute && (self.crosses_midnight() || minute < self.end)
    }

    /// Whether it contains this minute of the day after.
    fn contains_on_the_next(self, minute: u16) -> bool {
        self.crosses_midnight() && minute < self.end
    }
}

impl Schedule {
    /// What it says of `at`.
    #[must_use]
    pub fn hours<'a>(&self, calendar: Calendar<'a>, at: Timestamp) -> Hours<'a> {
        let civil = calendar.zone.to_datetime(at);
        if self.interval_at(calendar, civil).is_some() {
            return Hours::Open;
        }
        let none = BTreeMap::new();
        let ordinary = Calendar {
            zone: calendar.zone,
            holidays: &none,
        };
        match self.interval_at(ordinary, civil) {
            // The day that the interval would have started on is the holiday.
            Some((date, _)) => calendar.holiday(date).map_or(Hours::Closed, Hours::Holiday),
            None => Hours::Closed,
        }
    }

    /// Whether `at` is within its hours.
    #[must_use]
    pub fn contains(&self, calendar: Calendar<'_>, at: Timestamp) -> bool {
        let civil = calendar.zone.to_datetime(at);
        self.interval_at(calendar, civil).is_some()
    }

    /// Since when the opening that contains `at` is open. An opening that the clock shows twice has
    /// been open since its first showing.
    #[must_use]
    pub fn opening_of(&self, calendar: Calendar<'_>, at: Timestamp) -> Option<Timestamp> {
        let civil = calendar.zone.to_datetime(at);
        let (date, interval) = self.interval_at(calendar, civil)?;
        calendar.instant(civil_of(date, interval.start)?)
    }

    /// When it opens next, strictly after `after` and within [`HORIZON_DAYS`].
    #[must_use]
    pub fn next_opening(&self, calendar: Calendar<'_>, after: Timestamp) -> Option<Timestamp> {
        let mut date = calendar.zone.to_datetime(after).date().yesterday().ok()?;
        let last = date.checked_add(HORIZON_DAYS.days()).ok()?;
        let mut best: Option<Timestamp> = None;
        while date <= last {
            best = self
                .openings_of(calendar, date)
                .into_iter()
                .filter(|&opening| opening > after)
                .chain(best)
                .min();
            // Where a clock goes back over midnight, the next day can open before this one again.
            if best.is_some_and(|best| calendar.zone.to_datetime(best).date() < date) {
                break;
            }
            date = date.tomorrow().ok()?;
        }
        best
    }

    /// Every instant at which something opens while the wall clock shows `date`, in no order.
    fn openings_of(&self, calendar: Calendar<'_>, date: Date) -> Vec<Timestamp> {
        let opens = |&at: &Timestamp| self.contains(calendar, at);
        let was_closed = |&at: &Timestamp| {
            let before = at.checked_sub(SignedDuration::from_nanos(1));
            before.is_ok_and(|before| !self.contains(calendar, before))
        };
        let mut openings = Vec::new();
        for interval in self.intervals(calendar, date) {
            let Some(civil) = civil_of(date, interval.start) else {
                continue;
            };
            openings.extend(calendar.instant(civil));
            let second_showing = calendar.zone.to_ambiguous_timestamp(civil).later().ok();
            openings.extend(second_showing.filter(was_closed));
        }
        // A clock that is changed can step into open hours.
        let midnight =
            |date: Date| calendar.instant(date.to_datetime(jiff::civil::Time::midnight()));
        if let (Some(from), Some(to)) = (midnight(date), date.tomorrow().ok().and_then(midnight)) {
            let changes = calendar
                .zone
                .following(from)
                .map(|change| change.timestamp());
            openings.extend(changes.take_while(|&at| at <= to).filter(was_closed));
        }
        openings.retain(opens);
        openings
    }

    /// The interval that `civil` is within, with the day it started on: the one that began first.
    fn interval_at(&self, calendar: Calendar<'_>, civil: DateTime) -> Option<(Date, Interval)> {
        let today = civil.date();
        let minute =
            u16::try_from(i32::from(civil.hour()) * 60 + i32::from(civil.minute())).ok()?;
        let from_yesterday = today.yesterday().ok().and_then(|yesterday| {
            let intervals = self.intervals(calendar, yesterday).iter();
            let interval = intervals
                .filter(|interval| interval.contains_on_the_next(minute))
                .min()?;
            Some((yesterday, *interval))
        });
        from_yesterday.or_else(|| {
            let intervals = self.intervals(calendar, today).iter();
            let interval = intervals
                .filter(|interval| interval.contains_on_its_day(minute))
                .min()?;
            Some((today, *interval))
        })
    }

    /// The hours of a date: its exception goes before a holiday, a holiday before the weekday.
    fn intervals(&self, calendar: Calendar<'_>, date: Date) -> &[Interval] {
        let hours = self.exceptions.get(&date).or_else(|| {
            let day = match calendar.holiday(date) {
                Some(_) => Day::Holiday,
                None => Day::from(date.weekday()),
            };
            self.week.get(&day)
        });
        hours.map_or(&[], Vec::as_slice)
    }
}

impl From<Weekday> for Day {
    fn from(weekday: Weekday) -> Day {
        match weekday {
            Weekday::Monday => Day::Mon,
            Weekday::Tuesday => Day::Tue,
            Weekday::Wednesday => Day::Wed,
            Weekday::Thursday => Day::Thu,
            Weekday::Friday => Day::Fri,
            Weekday::Saturday => Day::Sat,
            Weekday::Sunday => Day::Sun,
        }
    }
}

fn civil_of(date: Date, minute: u16) -> Option<DateTime> {
    let minute = i64::from(minute % DAY_MINUTES).minutes();
    let midnight = date.to_datetime(jiff::civil::Time::midnight());
    midnight.checked_add(minute).ok()
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{WORKDAYS, at, holiday, schedule, zone};
    use super::*;

    const EVERY_DAY: [Day; 7] = [
        Day::Mon,
        Day::Tue,
        Day::Wed,
        Day::Thu,
        Day::Fri,
        Day::Sat,
        Day::Sun,
    ];

    struct Site {
        zone: TimeZone,
        holidays: BTreeMap<String, Holiday>,
    }

    impl Site {
        fn new(zone_name: &str) -> Site {
            Site {
                zone: zone(zone_name),
                holidays: BTreeMap::new(),
            }
        }

        fn calendar(&self) -> Calendar<'_> {
            Calendar {
                zone: &self.zone,
                holidays: &self.holidays,
            }
        }

        #[track_caller]
        fn assert(&self, schedule: &Schedule, open: &[&str], closed: &[&str]) {
            for text in open {
                assert!(schedule.contains(self.calendar(), at(text)), "open: {text}");
            }
            for text in closed {
                assert!(
                    !schedule.contains(self.calendar(), at(text)),
                    "closed: {text}"
                );
            }
        }
    }

    #[test]
    fn the_start_is_within_and_the_end_is_not() {
        let site = Site::new("Europe/Berlin");
        let office = schedule(&WORKDAYS, &["08:00-18:00"]);
        site.assert(
            &office,
            &[
                "2026-03-30T08:00:00[Europe/Berlin]",
                "2026-03-30T17:59:59.999[Europe/Berlin]",
            ],
            &[
                "2026-03-30T07:59:59.999999999[Europe/Berlin]",
                "2026-03-30T18:00:00[Europe/Berlin]",
                "2026-03-29T12:00:00[Europe/Berlin]",
            ],
        );
        let opened = office.opening_of(site.calendar(), at("2026-03-30T17:59:59[Europe/Berlin]"));
        assert_eq!(opened, Some(at("2026-03-30T08:00:00[Europe/Berlin]")));
        let friday_evening = at("2026-03-27T18:00:00[Europe/Berlin]");
        let next = office.next_opening(site.calendar(), friday_evening);
        assert_eq!(next, Some(at("2026-03-30T08:00:00[Europe/Berlin]")));
    }

    #[test]
    fn a_night_belongs_to_the_day_it_starts_on() {
        let mut site = Site::new("Europe/Berlin");
        let nights = schedule(&[Day::Fri], &["22:00-06:00"]);
        let (friday, saturday) = (
            "2026-03-27T23:00:00[Europe/Berlin]",
            "2026-03-28T05:59:00[Europe/Berlin]",
        );
        let not = [
            "2026-03-27T05:00:00[Europe/Berlin]",
            "2026-03-28T06:00:00[Europe/Berlin]",
        ];
        site.assert(&nights, &[friday, saturday], &not);
        let opened = nights.opening_of(site.calendar(), at(saturday));
        assert_eq!(opened, Some(at("2026-03-27T22:00:00[Europe/Berlin]")));

        // The Saturday being a holiday changes nothing, the Friday everything.
        let day = |date| BTreeMap::from([("feast".to_owned(), holiday(date, date, false))]);
        site.holidays = day("2026-03-28");
        site.assert(&nights, &[friday, saturday], &[]);
        site.holidays = day("2026-03-27");
        site.assert(&nights, &[], &[friday, saturday]);
        let hours = nights.hours(site.calendar(), at(saturday));
        assert_eq!(hours, Hours::Holiday("feast"));

        let mut excepted = nights.clone();
        let evening = vec!["20:00-21:00".parse().unwrap()];
        excepted
            .exceptions
            .insert("2026-03-27".parse().unwrap(), evening);
        let at_eight = "2026-03-27T20:30:00[Europe/Berlin]";
        site.assert(&excepted, &[at_eight], &[friday, saturday]);
        let hours = excepted.hours(site.calendar(), at(saturday));
        assert_eq!(
            hours,
            Hours::Closed,
            "the exception closed it, not the holiday"
        );
    }

    #[test]
    fn of_nights_that_overlap_the_one_that_began_first_counts_in_whatever_order_they_stand() {
        let site = Site::new("Europe/Berlin");
        let nights = schedule(&[Day::Fri], &["23:00-05:00", "21:00-02:00"]);
        let began = Some(at("2026-03-27T21:00:00[Europe/Berlin]"));
        for inside in [
            "2026-03-27T23:30:00[Europe/Berlin]",
            "2026-03-28T01:00:00[Europe/Berlin]",
        ] {
            let opened = nights.opening_of(site.calendar(), at(inside));
            assert_eq!(opened, began, "{inside}");
        }
    }

    #[test]
    fn holidays_have_hours_of_their_own_and_cross_new_year() {
        let mut site = Site::new("Europe/Berlin");
        let range = holiday("2025-12-24", "2026-01-06", true);
        site.holidays.insert("christmas".into(), range);
        let mut office = schedule(&WORKDAYS, &["08:00-18:00"]);
        let short = vec!["10:00-12:00".parse().unwrap()];
        office.week.insert(Day::Holiday, short);
        site.assert(
            &office,
            &[
                "2030-12-31T11:00:00[Europe/Berlin]",
                "2031-01-06T10:00:00[Europe/Berlin]",
                "2031-01-07T17:00:00[Europe/Berlin]",
                "2030-12-23T17:00:00[Europe/Berlin]",
            ],
            &[
                "2030-12-24T17:00:00[Europe/Berlin]",
                "2031-01-06T17:00:00[Europe/Berlin]",
            ],
        );
        let eve = at("2030-12-24T17:00:00[Europe/Berlin]");
        assert_eq!(
            office.hours(site.calendar(), eve),
            Hours::Holiday("christmas")
        );
        let night = at("2030-12-24T20:00:00[Europe/Berlin]");
        assert_eq!(office.hours(site.calendar(), night), Hours::Closed);
    }

    #[test]
    fn a_leap_day_is_a_day_and_as_a_yearly_holiday_comes_in_leap_years_only() {
        let leap = holiday("2024-02-29", "2024-02-29", true);
        let covers = |date: &str| leap.covers(date.parse().unwrap());
        assert!(covers("2024-02-29") && covers("2028-02-29"));
        assert!(!covers("2026-02-28") && !covers("2026-03-01"));
        let over = holiday("2025-02-27", "2025-03-02", true);
        assert!(over.covers("2028-02-29".parse().unwrap()));
        let site = Site::new("Europe/Berlin");
        let thursdays = schedule(&[Day::Thu], &["00:00-24:00"]);
        let open = [
            "2024-02-29T00:00:00[Europe/Berlin]",
            "2024-02-29T23:59:59[Europe/Berlin]",
        ];
        let closed = [
            "2024-02-28T23:59:59[Europe/Berlin]",
            "2024-03-01T00:00:00[Europe/Berlin]",
        ];
        site.assert(&thursdays, &open, &closed);
        let whole = holiday("2024-01-10", "2025-01-12", true);
        assert!(whole.covers("2027-07-01".parse().unwrap()));
    }

    #[test]
    fn in_autumn_both_showings_of_an_hour_count_and_in_spring_a_skipped_one_never_comes() {
        let site = Site::new("Europe/Berlin");
        let nights = schedule(&EVERY_DAY, &["02:15-02:45"]);
        site.assert(
            &nights,
            &["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"],
            &["2026-10-25T01:00:00Z", "2026-10-25T00:45:00Z"],
        );
        let first = at("2026-10-25T00:15:00Z");
        let opened = nights.opening_of(site.calendar(), at("2026-10-25T01:30:00Z"));
        assert_eq!(opened, Some(first));
        let again = nights.next_opening(site.calendar(), at("2026-10-25T00:50:00Z"));
        assert_eq!(again, Some(at("2026-10-25T01:15:00Z")));
        // 29 March 2026 has no 02:15; the next is the day after.
        let skipped = nights.next_opening(site.calendar(), at("2026-03-29T00:00:00Z"));
        assert_eq!(skipped, Some(at("2026-03-30T00:15:00Z")));
        let into = schedule(&EVERY_DAY, &["02:15-04:00"]);
        let opened = into.opening_of(site.calendar(), at("2026-03-29T01:30:00Z"));
        assert_eq!(
            opened,
            Some(at("2026-03-29T01:00:00Z")),
            "when the clock stepped"
        );

        let site = Site::new("America/New_York");
        let night = schedule(&EVERY_DAY, &["01:00-02:00"]);
        site.assert(
            &night,
            &["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"],
            &["2026-11-01T07:00:00Z", "2026-11-01T04:59:59Z"],
        );
    }

    #[test]
    fn half_an_hour_of_summer_time_and_a_day_that_never_was() {
        // Lord Howe goes back from 02:00 to 01:30 on 5 April 2026.
        let site = Site::new("Australia/Lord_Howe");
        let night = schedule(&EVERY_DAY, &["01:30-02:00"]);
        site.assert(
            &night,
            &["2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"],
            &["2026-04-04T14:29:59Z", "2026-04-04T15:30:00Z"],
        );
        // Samoa had no 30 December 2011, a Friday.
        let site = Site::new("Pacific/Apia");
        let fridays = schedule(&[Day::Fri], &["08:00-18:00"]);
        let next = fridays.next_opening(site.calendar(), at("2011-12-29T12:00:00[Pacific/Apia]"));
        assert_eq!(next, Some(at("2012-01-06T08:00:00[Pacific/Apia]")));
        let saturday = schedule(&[Day::Sat], &["00:00-24:00"]);
        let next = saturday.next_opening(site.calendar(), at("2011-12-29T12:00:00[Pacific/Apia]"));
        assert_eq!(next, Some(at("2011-12-30T10:00:00Z")));
    }

    #[test]
    fn a_schedule_without_hours_never_opens() {
        let site = Site::new("Europe/Berlin");
        let never = Schedule::default();
        let next = never.next_opening(site.calendar(), at("2026-01-01T00:00:00Z"));
        assert_eq!(next, None);
    }
}
