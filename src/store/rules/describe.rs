//! Rules in words, and how two sets of them differ, field by field.
//!
//! Pure. Flows out: the record's `now` of a changed rule, and what a dry run shows.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::access::rules::{Group, Holiday, Interval, Rules, Schedule};
use crate::event::{RuleChange, RuleKind};

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// Its name.
    pub field: String,
    /// What it was; absent when it was not there.
    pub before: Option<String>,
    /// What it is; absent when it is gone.
    pub after: Option<String>,
}

/// One rule that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleDifference {
    /// Which kind.
    pub rule: RuleKind,
    /// Its name.
    pub name: String,
    /// What was done.
    pub change: RuleChange,
    /// In which fields.
    pub fields: Vec<FieldChange>,
    /// How it stands now, in words; absent when it is gone.
    pub now: Option<String>,
}

/// What a rule says, field by field, in words.
trait Words {
    fn words(&self) -> BTreeMap<String, String>;
}

fn on_off(value: bool) -> String {
    if value { "on" } else { "off" }.to_owned()
}

impl Words for Group {
    fn words(&self) -> BTreeMap<String, String> {
        let doors = if self.doors.is_empty() {
            "every door".to_owned()
        } else {
            self.doors.join(", ")
        };
        let hours = self.schedule.as_deref().unwrap_or("always").to_owned();
        let mut words =
            BTreeMap::from([("doors".to_owned(), doors), ("schedule".to_owned(), hours)]);
        for (field, value) in [
            ("override-lockdown", self.overrides_lockdown),
            ("first-person", self.first_person),
            ("wait-for-first", self.waits_for_first),
            ("two-person", self.two_person),
            ("pin", self.pin),
        ] {
            words.insert(field.to_owned(), on_off(value));
        }
        words
    }
}

/// `08:00-12:00, 13:00-17:00`, or `closed`.
fn hours(hours: &[Interval]) -> String {
    if hours.is_empty() {
        return "closed".to_owned();
    }
    let hours: Vec<String> = hours.iter().map(ToString::to_string).collect();
    hours.join(", ")
}

impl Words for Schedule {
    fn words(&self) -> BTreeMap<String, String> {
        let week = self
            .week
            .iter()
            .map(|(day, of_day)| (format!("{day:?}").to_lowercase(), hours(of_day)));
        let exceptions = self
            .exceptions
            .iter()
            .map(|(date, of_day)| (date.to_string(), hours(of_day)));
        week.chain(exceptions).collect()
    }
}

impl Words for Holiday {
    fn words(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("from".to_owned(), self.first.to_string()),
            ("to".to_owned(), self.last.to_string()),
            ("yearly".to_owned(), on_off(self.yearly)),
        ])
    }
}

/// A group in words.
#[must_use]
pub fn group_in_words(group: &Group) -> String {
    let words = group.words();
    let mut text = format!("{}, {}", words["doors"], words["schedule"]);
    for (field, _) in words.iter().filter(|(_, value)| *value == "on") {
        text.push_str(", ");
        text.push_str(field);
    }
    text
}

/// A schedule in words.
#[must_use]
pub fn schedule_in_words(schedule: &Schedule) -> String {
    let week = schedule
        .week
        .iter()
        .map(|(day, of_day)| format!("{} {}", format!("{day:?}").to_lowercase(), hours(of_day)));
    let exceptions = schedule
        .exceptions
        .iter()
        .map(|(date, of_day)| format!("{date} {}", hours(of_day)));
    let days: Vec<String> = week.chain(exceptions).collect();
    if days.is_empty() {
        return "never".to_owned();
    }
    days.join("; ")
}

/// A holiday in words.
#[must_use]
pub fn holiday_in_words(holiday: &Holiday) -> String {
    let yearly = if holiday.yearly { ", every year" } else { "" };
    if holiday.first == holiday.last {
        return format!("{}{yearly}", holiday.first);
    }
    format!("{} to {}{yearly}", holiday.first, holiday.last)
}

/// How `after` differs from `before`: schedules first, since groups refer to them.
#[must_use]
pub fn differences(before: &Rules, after: &Rules) -> Vec<RuleDifference> {
    let mut all = Vec::new();
    compare(
        RuleKind::Schedule,
        (&before.schedules, &after.schedules),
        schedule_in_words,
        &mut all,
    );
    compare(
        RuleKind::Holiday,
        (&before.holidays, &after.holidays),
        holiday_in_words,
        &mut all,
    );
    compare(
        RuleKind::Group,
        (&before.groups, &after.groups),
        group_in_words,
        &mut all,
    );
    all
}

fn compare<T: Words + PartialEq>(
    rule: RuleKind,
    (before, after): (&BTreeMap<String, T>, &BTreeMap<String, T>),
    in_words: fn(&T) -> String,
    all: &mut Vec<RuleDifference>,
) {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let (old, new) = (before.get(name), after.get(name));
        let change = match (old, new) {
            (None, _) => RuleChange::Added,
            (_, None) => RuleChange::Removed,
            (old, new) if old != new => RuleChange::Changed,
            _ => continue,
        };
        let words = |rule: Option<&T>| rule.map(Words::words).unwrap_or_default();
        all.push(RuleDifference {
            rule,
            name: name.clone(),
            change,
            fields: field_changes(&words(old), &words(new)),
            now: new.map(in_words),
        });
    }
}

/// The fields in which two descriptions differ.
pub(in crate::store) fn field_changes(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Vec<FieldChange> {
    let fields: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    fields
        .into_iter()
        .filter(|field| before.get(*field) != after.get(*field))
        .map(|field| FieldChange {
            field: field.clone(),
            before: before.get(field).cloned(),
            after: after.get(field).cloned(),
        })
        .collect()
}
