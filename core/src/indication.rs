//! What people at the door are shown, as patterns of lights and sounder.
//!
//! Pure. A pattern is a cycle of tenths of a second, `#` for on and `.` for off. The table in
//! `docs/gpio.md` is this one, and a test compares them. Alarms that must stay silent (duress)
//! never come here: whoever stands at the door must not see them.

use std::time::Duration;

use crate::clock::Tick;

/// The length of one step of a pattern.
pub const STEP: Duration = Duration::from_millis(100);

/// What is to be shown, least urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Indication {
    /// Ready for a face.
    Ready,
    /// The door works, but the broker is not reached.
    Offline,
    /// Not ready yet.
    Starting,
    /// A face is being looked at, or is asked to blink.
    LookHere,
    /// A PIN is awaited.
    EnterPin,
    /// The door is held released.
    Unlocked,
    /// Nobody is let in but override groups.
    Lockdown,
    /// An operator asked where the device is.
    Locate,
    /// The door has been open for long: close it, or there will be an alarm.
    HeldOpenWarning,
    /// An alarm that may be seen and heard.
    Alarm,
    /// Somebody was let in; momentary.
    Granted,
    /// Somebody was not let in; momentary.
    Denied,
}

/// Which of them are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lights {
    /// Green light.
    pub green: bool,
    /// Red light.
    pub red: bool,
    /// Blue light.
    pub blue: bool,
    /// Sounder.
    pub sounder: bool,
}

/// Cycles of green, red, blue and sounder.
type Patterns = [&'static str; 4];

const OFF: &str = ".";
const ON: &str = "#";

impl Indication {
    /// All of them, least urgent first.
    pub const ALL: [Indication; 12] = [
        Indication::Ready,
        Indication::Offline,
        Indication::Starting,
        Indication::LookHere,
        Indication::EnterPin,
        Indication::Unlocked,
        Indication::Lockdown,
        Indication::Locate,
        Indication::HeldOpenWarning,
        Indication::Alarm,
        Indication::Granted,
        Indication::Denied,
    ];

    /// How long it is shown, for the momentary ones; the others stand until another takes over.
    #[must_use]
    pub fn lasts(self) -> Option<Duration> {
        matches!(self, Indication::Granted | Indication::Denied).then(|| Duration::from_secs(2))
    }

    fn patterns(self) -> Patterns {
        match self {
            Indication::Ready => [OFF, OFF, ON, OFF],
            Indication::Offline => [OFF, "#...................", ON, OFF],
            Indication::Starting => [OFF, OFF, "##########..........", OFF],
            Indication::LookHere => [OFF, OFF, "##..", OFF],
            Indication::EnterPin => ["#####.....", OFF, "#####.....", OFF],
            Indication::Unlocked => ["##################..", OFF, OFF, OFF],
            Indication::Lockdown => [OFF, ON, OFF, OFF],
            Indication::Locate => ["##....", "..##..", "....##", OFF],
            Indication::HeldOpenWarning => [OFF, "#####.....", OFF, "#####....."],
            Indication::Alarm => [OFF, "#.", OFF, ON],
            Indication::Granted => [ON, OFF, OFF, "###................."],
            Indication::Denied => [OFF, "##..", OFF, "##..##.............."],
        }
    }
}

/// What is on when an indication has been shown for so long.
#[must_use]
pub fn lights(indication: Indication, since: Duration) -> Lights {
    let step = since.as_millis() / STEP.as_millis();
    let on = |cycle: &str| {
        let steps = cycle.as_bytes();
        let step = usize::try_from(step % steps.len() as u128).unwrap_or_default();
        steps.get(step) == Some(&b'#')
    };
    let [green, red, blue, sounder] = indication.patterns().map(on);
    Lights {
        green,
        red,
        blue,
        sounder,
    }
}

/// The most urgent of what holds, momentary ones first; [`Indication::Ready`] when nothing does.
#[must_use]
pub fn choose(holding: impl IntoIterator<Item = Indication>) -> Indication {
    holding.into_iter().max().unwrap_or(Indication::Ready)
}

/// What is shown over time: a momentary indication covers the standing one while it lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Display {
    standing: (Indication, Tick),
    momentary: Option<(Indication, Tick)>,
}

impl Display {
    /// Shows [`Indication::Starting`].
    #[must_use]
    pub fn new(now: Tick) -> Self {
        Self {
            standing: (Indication::Starting, now),
            momentary: None,
        }
    }

    /// A momentary indication starts anew each time; a standing one that stands already goes on.
    pub fn show(&mut self, indication: Indication, now: Tick) {
        if indication.lasts().is_some() {
            self.momentary = Some((indication, now));
        } else if self.standing.0 != indication {
            self.standing = (indication, now);
        }
    }

    /// What is on now.
    #[must_use]
    pub fn lights(&self, now: Tick) -> Lights {
        let (indication, start) = self.shown(now);
        lights(indication, now.since(start))
    }

    /// Whether nothing changes by itself any more.
    #[must_use]
    pub fn is_steady(&self, now: Tick) -> bool {
        let (indication, _) = self.shown(now);
        let steady = |cycle: &str| cycle.len() == 1;
        indication.lasts().is_none() && indication.patterns().into_iter().all(steady)
    }

    fn shown(&self, now: Tick) -> (Indication, Tick) {
        match self.momentary {
            Some((indication, start))
                if indication.lasts().is_some_and(|last| now < start + last) =>
            {
                (indication, start)
            }
            _ => self.standing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Tick {
        Tick(Duration::from_millis(ms))
    }

    #[test]
    fn the_table_in_the_documentation_is_the_code() {
        let documentation = include_str!("../../docs/gpio.md");
        let rows: Vec<_> = documentation
            .lines()
            .skip_while(|line| !line.starts_with("| shown |"))
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .collect();
        assert_eq!(rows.len(), Indication::ALL.len());
        for (row, indication) in rows.iter().zip(Indication::ALL.into_iter().rev()) {
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            let word = |cycle: &str| match cycle {
                OFF => "off".to_owned(),
                ON => "on".to_owned(),
                cycle => format!("`{cycle}`"),
            };
            let [green, red, blue, sounder] = indication.patterns().map(word);
            let lasts = indication
                .lasts()
                .map_or("stands".into(), |d| format!("{} s", d.as_secs()));
            assert_eq!(
                cells[1..=6],
                [format!("{indication:?}"), green, red, blue, sounder, lasts],
                "{row}"
            );
        }
    }

    #[test]
    fn all_are_listed_by_urgency_and_told_apart_without_the_sounder() {
        assert!(Indication::ALL.is_sorted());
        for (i, one) in Indication::ALL.into_iter().enumerate() {
            for other in &Indication::ALL[i + 1..] {
                assert_ne!(
                    one.patterns()[..3],
                    other.patterns()[..3],
                    "{one:?} {other:?}"
                );
            }
        }
    }

    #[test]
    fn cycles_are_short_and_made_of_steps() {
        for cycle in Indication::ALL.into_iter().flat_map(Indication::patterns) {
            assert!((1..=20).contains(&cycle.len()));
            assert!(cycle.chars().all(|step| step == '#' || step == '.'));
        }
    }

    #[test]
    fn a_cycle_repeats() {
        let blue = |ms| lights(Indication::LookHere, Duration::from_millis(ms)).blue;
        assert!(blue(0) && blue(199) && !blue(200) && !blue(399) && blue(400));
    }

    #[test]
    fn the_most_urgent_is_chosen() {
        use Indication::*;
        assert_eq!(choose([]), Ready);
        assert_eq!(choose([Offline, Alarm, Unlocked]), Alarm);
        assert_eq!(choose([Alarm, Denied]), Denied);
    }

    #[test]
    fn a_momentary_one_covers_the_standing_one_for_two_seconds() {
        let mut display = Display::new(at(0));
        display.show(Indication::Ready, at(100));
        assert!(display.is_steady(at(100)));
        display.show(Indication::Granted, at(1000));
        assert!(!display.is_steady(at(1000)));
        // What stands may change meanwhile; it is seen afterwards.
        display.show(Indication::Lockdown, at(1500));
        assert!(display.lights(at(2999)).green);
        assert_eq!(
            display.lights(at(3000)),
            Lights {
                red: true,
                ..Lights::default()
            }
        );
        assert!(display.is_steady(at(3000)));
    }

    #[test]
    fn showing_the_same_again_does_not_start_it_anew() {
        let mut display = Display::new(at(0));
        display.show(Indication::LookHere, at(0));
        display.show(Indication::LookHere, at(200));
        assert!(!display.lights(at(200)).blue);
    }
}
