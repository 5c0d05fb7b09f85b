//! The naive calendar: what the wall shows and what every schedule says, written out for each
//! minute of the simulated time. It uses the zone's offsets and nothing of `doorward_core::access` but
//! the plain values that administration makes.

use std::collections::BTreeMap;

use doorward_core::access::rules::{Day, Interval, Rules, Schedule};
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

const MINUTE: i64 = 60_000;

/// What a schedule says of a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    Open,
    Closed,
    /// It would be open but for the holiday of this number.
    Holiday(u8),
}

pub struct Calendar {
    /// The first minute since the epoch that is written out.
    first: i64,
    /// What the wall shows, in minutes since 1970-01-01 00:00 of its own reckoning.
    shows: Vec<i64>,
    /// The latest that it has shown so far.
    latest: Vec<i64>,
    says: BTreeMap<String, Vec<Says>>,
    holidays: Vec<String>,
    hours: BTreeMap<String, BTreeMap<i64, Vec<Interval>>>,
}

/// Days since 1970-01-01.
fn day_number(date: Date) -> i64 {
    let epoch = jiff::civil::date(1970, 1, 1);
    i64::from(epoch.until(date).unwrap().get_days())
}

/// A civil time in minutes since 1970-01-01 00:00.
pub fn civil_minutes(at: DateTime) -> i64 {
    day_number(at.date()) * 1440 + i64::from(at.hour()) * 60 + i64::from(at.minute())
}

/// The days that are holidays: each with its number among the names.
fn holiday_days(rules: &Rules, from: Date, to: Date) -> BTreeMap<i64, u8> {
    let mut days = BTreeMap::new();
    // Backwards, so that the first by name is the one that is kept.
    for (number, holiday) in rules.holidays.values().enumerate().rev() {
        let mut spans = vec![(holiday.first, holiday.last)];
        if holiday.yearly {
            let in_year = |date: Date, year: i16, instead: i8| {
                let leap_day = (date.month(), date.day()) == (2, 29);
                Date::new(year, date.month(), date.day()).unwrap_or_else(|_| {
                    assert!(leap_day);
                    Date::new(year, if instead == 1 { 3 } else { 2 }, instead).unwrap()
                })
            };
            let longer = holiday.last.year() - holiday.first.year();
            spans = (from.year() - 2..=to.year() + 1)
                .map(|year| {
                    let first = in_year(holiday.first, year, 1);
                    (first, in_year(holiday.last, year + longer, 28))
                })
                .collect();
        }
        for (first, last) in spans {
            for day in day_number(first)..=day_number(last) {
                days.insert(day, u8::try_from(number).unwrap());
            }
        }
    }
    days
}

fn hours_of(schedule: &Schedule, day: i64, holiday: bool) -> Vec<Interval> {
    let date = jiff::civil::date(1970, 1, 1)
        .checked_add(day.days())
        .unwrap();
    if let Some(hours) = schedule.exceptions.get(&date) {
        return hours.clone();
    }
    let name = match date.weekday() {
        _ if holiday => Day::Holiday,
        Weekday::Monday => Day::Mon,
        Weekday::Tuesday => Day::Tue,
        Weekday::Wednesday => Day::Wed,
        Weekday::Thursday => Day::Thu,
        Weekday::Friday => Day::Fri,
        Weekday::Saturday => Day::Sat,
        Weekday::Sunday => Day::Sun,
    };
    schedule.week.get(&name).cloned().unwrap_or_default()
}

/// Whether `today`'s hours, or `yesterday`'s over midnight, contain the minute.
fn open_at(yesterday: &[Interval], today: &[Interval], minute: i64) -> bool {
    let minute = u16::try_from(minute).unwrap();
    let over = |hours: &Interval| hours.end <= hours.start;
    yesterday
        .iter()
        .any(|hours| over(hours) && minute < hours.end)
        || today
            .iter()
            .any(|hours| minute >= hours.start && (over(hours) || minute < hours.end))
}

impl Calendar {
    /// Every minute from `from` to `to`.
    pub fn new(zone: &TimeZone, rules: &Rules, from: i64, to: i64) -> Calendar {
        let (first, last) = (from.div_euclid(MINUTE), to.div_euclid(MINUTE));
        let mut shows = Vec::new();
        for minute in first..=last {
            let at = Timestamp::from_second(minute * 60).unwrap();
            shows.push(minute + i64::from(zone.to_offset(at).seconds()).div_euclid(60));
        }
        let mut latest = shows.clone();
        for index in 1..latest.len() {
            latest[index] = latest[index].max(latest[index - 1]);
        }
        let (from_day, to_day) = (
            shows[0].div_euclid(1440) - 2,
            latest[latest.len() - 1].div_euclid(1440) + 2,
        );
        let date = |day: i64| {
            jiff::civil::date(1970, 1, 1)
                .checked_add(day.days())
                .unwrap()
        };
        let holidays = holiday_days(rules, date(from_day), date(to_day));
        let (mut says, mut all_hours) = (BTreeMap::new(), BTreeMap::new());
        for (name, schedule) in &rules.schedules {
            let (mut hours, mut ordinary) = (BTreeMap::new(), BTreeMap::new());
            for day in from_day..=to_day {
                let holiday = holidays.contains_key(&day);
                hours.insert(day, hours_of(schedule, day, holiday));
                ordinary.insert(day, hours_of(schedule, day, false));
            }
            let said = shows.iter().map(|&shown| {
                let (day, minute) = (shown.div_euclid(1440), shown.rem_euclid(1440));
                if open_at(&hours[&(day - 1)], &hours[&day], minute) {
                    return Says::Open;
                }
                // The day that the hours would have started on must be the holiday.
                let would = open_at(&ordinary[&(day - 1)], &[], minute);
                let started = if would { day - 1 } else { day };
                if !open_at(&ordinary[&(day - 1)], &ordinary[&day], minute) {
                    return Says::Closed;
                }
                holidays
                    .get(&started)
                    .map_or(Says::Closed, |&number| Says::Holiday(number))
            });
            says.insert(name.clone(), said.collect());
            all_hours.insert(name.clone(), hours);
        }
        Calendar {
            first,
            shows,
            latest,
            says,
            holidays: rules.holidays.keys().cloned().collect(),
            hours: all_hours,
        }
    }

    fn index(&self, wall: i64) -> usize {
        let index = usize::try_from(wall.div_euclid(MINUTE) - self.first);
        index.expect("the wall shows a time before the table")
    }

    pub fn says(&self, schedule: &str, wall: i64) -> Says {
        self.says[schedule][self.index(wall)]
    }

    pub fn holiday(&self, number: u8) -> &str {
        &self.holidays[usize::from(number)]
    }

    pub fn day(&self, wall: i64) -> i64 {
        self.shows[self.index(wall)].div_euclid(1440)
    }

    /// Whether the wall has ever shown this, or gone past it.
    pub fn reached(&self, civil: i64, wall: i64) -> bool {
        self.latest[self.index(wall)] >= civil
    }

    /// When a schedule opens next, if that is within the table.
    pub fn opens(&self, schedule: &str, wall: i64) -> Option<i64> {
        let (said, here) = (&self.says[schedule], self.index(wall));
        let next = (here + 1..said.len()).find(|&index| said[index] == Says::Open)?;
        Some((self.first + i64::try_from(next).unwrap()) * MINUTE)
    }

    /// Since when the opening is open that `wall` is within: the one that began first.
    pub fn opened(&self, schedule: &str, wall: i64) -> Option<i64> {
        let here = self.index(wall);
        let (day, minute) = (
            self.shows[here].div_euclid(1440),
            self.shows[here].rem_euclid(1440),
        );
        let hours = &self.hours[schedule];
        let starts = |day: i64, yesterday: bool| {
            let containing = hours[&day].iter().filter(move |one| match yesterday {
                true => open_at(&[**one], &[], minute),
                false => open_at(&[], &[**one], minute),
            });
            containing
                .map(move |one| day * 1440 + i64::from(one.start))
                .min()
        };
        let start = starts(day - 1, true).or_else(|| starts(day, false))?;
        let earliest = here.saturating_sub(49 * 60);
        let opened = (earliest..=here).find(|&index| self.shows[index] >= start)?;
        Some((self.first + i64::try_from(opened).unwrap()) * MINUTE)
    }
}
