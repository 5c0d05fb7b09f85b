//! Who was at the keypad when: everything that happened there, in a row.

/// How long after they were there somebody's call for help is looked for.
const LINGERS: i64 = 60_000;
/// Nobody types for so long.
const OLD: i64 = 300_000;

#[derive(Debug)]
enum There {
    /// Asked from then on, and until then.
    Asked(i64, Option<i64>),
    /// Turned away at these times, each within [`LINGERS`] of the one before.
    Away(Vec<i64>),
}

impl There {
    fn at(&self, tick: i64) -> bool {
        match self {
            There::Asked(from, to) => *from <= tick && to.is_none_or(|to| tick <= to + LINGERS),
            There::Away(times) => times
                .iter()
                .any(|&time| time <= tick && tick <= time + LINGERS),
        }
    }

    fn newest(&self) -> i64 {
        match self {
            There::Asked(from, to) => to.unwrap_or(*from),
            There::Away(times) => times[times.len() - 1],
        }
    }
}

#[derive(Debug, Default)]
pub struct Keypad(Vec<(usize, There)>);

impl Keypad {
    /// It is this person's turn from now on, unless it is already.
    pub fn turn(&mut self, who: Option<usize>, tick: i64) {
        for (one, there) in &mut self.0 {
            if let There::Asked(_, to @ None) = there {
                if Some(*one) == who {
                    return;
                }
                *to = Some(tick);
            }
        }
        if let Some(who) = who {
            self.add(who, There::Asked(tick, None), tick);
        }
    }

    /// Somebody is locked out.
    pub fn turned_away(&mut self, who: usize, tick: i64) {
        let mut times = Vec::new();
        self.0.retain_mut(|(one, there)| match there {
            There::Away(before) if *one == who && tick - before[before.len() - 1] <= LINGERS => {
                times.append(before);
                false
            }
            _ => true,
        });
        times.push(tick);
        self.add(who, There::Away(times), tick);
    }

    fn add(&mut self, who: usize, there: There, tick: i64) {
        if self.0.len() > 100 {
            self.0.retain(|(_, there)| {
                matches!(there, There::Asked(_, None)) || tick - there.newest() < OLD
            });
        }
        self.0.push((who, there));
    }

    /// Whose digits are those that begin then.
    pub fn owner(&self, tick: i64) -> Option<usize> {
        let mut owner = None;
        for (who, there) in &self.0 {
            if let There::Asked(from, to) = there
                && *from <= tick
                && to.is_none_or(|to| tick < to)
            {
                owner = Some(*who);
            }
        }
        owner
    }

    /// Who else was there when the digits began, or a moment before: who came last comes first.
    pub fn others(&self, owner: Option<usize>, began: i64) -> Vec<usize> {
        let mut others = Vec::new();
        for (who, there) in self.0.iter().rev() {
            if there.at(began) && Some(*who) != owner && !others.contains(who) {
                others.push(*who);
            }
        }
        others
    }
}
