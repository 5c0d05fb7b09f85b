//! `doorward people set`: what governs when somebody may enter.

use std::collections::BTreeSet;

use doorward::clock::Timestamp;
use doorward::config::Config;
use doorward::event::Event;
use doorward::store::{FieldChange, PersonChange, PinHash, Store};
use jiff::civil::{Date, DateTime};

use super::super::groups::Switch;
use super::super::rules::print_fields;
use super::super::{Context, Outcome, print_line};
use super::pin;

const EXAMPLES: &str = "\
Examples:
  doorward people set \"Ada Lovelace\" --group staff --group keyholders
  doorward people set \"Ada Lovelace\" --from 2026-02-01 --until 2026-02-28
  doorward people set \"Ada Lovelace\" --until none
  doorward people set \"Ada Lovelace\" --pin --duress-pin
  printf '4711\\n' | doorward people set \"Ada Lovelace\" --pin";

/// Say to which groups somebody belongs, from when until when they may enter, and their PIN.
///
/// What is not said stays as it is. A PIN has 4 to 12 digits and is none of those that are guessed
/// first; it is asked for twice, or read from standard input, one a line, and only a hash of it is kept.
/// A new PIN ends a lockout. A duress PIN works like the other one and raises a silent alarm too; it
/// differs from the other one in two digits at least.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Name or id.
    name: String,
    /// Exactly this group; may be repeated.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// This group too; may be repeated.
    #[arg(long = "add-group", value_name = "GROUP")]
    add_groups: Vec<String>,
    /// Not this group; may be repeated.
    #[arg(long = "remove-group", value_name = "GROUP")]
    remove_groups: Vec<String>,
    /// From this day on (2026-02-01, or 2026-02-01T08:00), in the site's time; none for no beginning.
    #[arg(long, value_name = "DATE|none", value_parser = beginning)]
    from: Option<Bound>,
    /// Until the end of this day (or until 2026-02-28T18:00), in the site's time; none for no end.
    #[arg(long, value_name = "DATE|none", value_parser = end)]
    until: Option<Bound>,
    /// Whether they need the door open for longer.
    #[arg(long, value_name = "ON|OFF")]
    extended: Option<Switch>,
    /// Give them a PIN.
    #[arg(long)]
    pin: bool,
    /// Give them a duress PIN too.
    #[arg(long)]
    duress_pin: bool,
    /// Take their PINs away.
    #[arg(long, conflicts_with_all = ["pin", "duress_pin"])]
    no_pin: bool,
    /// Forget where they were last let in (anti-passback).
    #[arg(long)]
    forget_presence: bool,
}

/// An end of the time somebody may enter in, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound(pub(super) Option<DateTime>);

/// The beginning of a date, or a date and time.
pub(super) fn beginning(text: &str) -> Result<Bound, String> {
    bound(text, |date| Some(date.at(0, 0, 0, 0)))
}

/// The end of a date, or a date and time.
pub(super) fn end(text: &str) -> Result<Bound, String> {
    bound(text, |date| Some(date.tomorrow().ok()?.at(0, 0, 0, 0)))
}

fn bound(text: &str, of_date: impl Fn(Date) -> Option<DateTime>) -> Result<Bound, String> {
    let refusal = || format!("{text:?} is no date; write 2026-01-31, 2026-01-31T18:00 or none");
    if text == "none" {
        return Ok(Bound(None));
    }
    // Only a bare date means the day: the other way round "T00:00" would be taken for one.
    let time = match text.len() {
        10 => text.parse().ok().and_then(of_date),
        _ => text.parse::<DateTime>().ok(),
    };
    time.map(|time| Bound(Some(time))).ok_or_else(refusal)
}

impl Args {
    pub(super) fn run(
        self,
        context: &Context,
        config: &Config,
        store: &mut Store,
    ) -> anyhow::Result<Outcome> {
        let set = |groups: Vec<String>| groups.into_iter().collect::<BTreeSet<_>>();
        let mut change = PersonChange {
            groups: (!self.groups.is_empty()).then(|| set(self.groups)),
            add_groups: set(self.add_groups),
            remove_groups: set(self.remove_groups),
            valid_from: self.from.map(|bound| bound.0),
            valid_until: self.until.map(|bound| bound.0),
            extended: self.extended.map(bool::from),
            forget_presence: self.forget_presence,
            ..PersonChange::default()
        };
        if self.no_pin {
            (change.pin, change.duress) = (Some(None), Some(None));
        } else if self.pin || self.duress_pin {
            let person = store.person(&self.name)?;
            let held = store.subject(person.id)?.and_then(|subject| subject.pin);
            let asked = pin::ask(self.pin, self.duress_pin, held.as_ref())?;
            change.pin = asked.pin.map(|hash| Some(PinHash(hash)));
            change.duress = asked.duress.map(|hash| Some(PinHash(hash)));
        } else if change == PersonChange::default() {
            anyhow::bail!("nothing to set; see doorward people set --help");
        }
        let now = Timestamp::now();
        let mut difference = store.set_person(now, &self.name, &change)?;
        if self.forget_presence
            && let Some(site) = super::site(config)?
            && let Some(presence) = site.presence(&difference.person.name)?
        {
            site.forget(&difference.person.name)?;
            let person = difference.person.clone();
            let changes = vec!["presence: forgotten".to_owned()];
            store.record(now, Event::PersonChanged { person, changes })?;
            difference.fields.push(FieldChange {
                field: "presence".into(),
                before: Some(presence.area.unwrap_or(presence.door)),
                after: None,
            });
        }
        if context.json {
            context.print_json(&difference)?;
        } else if difference.fields.is_empty() {
            print_line("nothing to change")?;
        } else {
            print_line(&format!("changed {}", difference.person.name))?;
            print_fields(&difference.fields)?;
        }
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_date_includes_its_day() {
        let at = |month, day, hour| {
            Ok(Bound(Some(
                jiff::civil::date(2026, month, day).at(hour, 0, 0, 0),
            )))
        };
        assert_eq!(beginning("2026-02-28"), at(2, 28, 0));
        assert_eq!(end("2026-02-28"), at(3, 1, 0));
        assert_eq!(end("2026-02-28T18:00"), at(2, 28, 18));
        assert_eq!(end("none"), Ok(Bound(None)));
        for wrong in ["2026-02-30", "tomorrow", "9999-12-31", ""] {
            assert!(end(wrong).is_err(), "{wrong}");
        }
    }
}
