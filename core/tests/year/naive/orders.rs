//! Operators are answered, in the naive model.

use std::collections::BTreeMap;

use doorward_core::door::Refusal;
use doorward_core::event::{Alarm, CommandRefusal, CommandVerb, Mode, ReleaseCause, Role};

use super::door::Knock;
use super::paper::{Change, Order, Spent, Story, Then};
use super::papers::Fate;
use super::{Naive, ms};
use crate::happening::{CLIENT, Letter, Now, OPERATORS, PER_MINUTE, Said, Site, Wish};

/// Nothing is believed so soon after a connection.
const QUIET: i64 = 5_000;
/// Clocks may differ by so much; and no clock is as wrong as that.
const SKEW: i64 = 5_000;
const DAY: i64 = 86_400_000;
/// What is over is remembered for so much longer.
const SETBACK: i64 = 60_000;
/// So many of one operator are remembered.
const ROOM: usize = 64 + 3 * PER_MINUTE as usize;
/// How long a command lives.
const LIVES: i64 = 30_000;
/// Refusals of one reason that are told at once, and how soon there is one more.
const TOLD_AT_ONCE: i64 = 5;
const ONE_MORE: i64 = 20_000;

/// Something of which so many may be at once, and one more so often, in microseconds.
#[derive(Debug, Default)]
struct Allowance(i64);

/// Signatures: each operator's own, and what they share beyond that; refusals of one that are answered;
/// plain words.
const OWN: (i64, i64) = (20, 100_000);
const SHARED: (i64, i64) = (300, 3_333);
const ANSWERED: (i64, i64) = (20, 500_000);
const WORDS: (i64, i64) = (PER_MINUTE as i64, 60_000_000 / PER_MINUTE as i64);

impl Allowance {
    /// Whether it was there; then it is used.
    fn takes(&mut self, (many, every): (i64, i64), tick: i64) -> bool {
        let now = tick * 1000;
        let used_until = self.0.max(now) + every;
        let there = used_until <= now + many * every;
        if there {
            self.0 = used_until;
        }
        there
    }
}

#[derive(Debug, Default)]
pub struct Orders {
    spent: Vec<Spent>,
    /// Of operators of whom more came than can be remembered: what is over until then is spent.
    shut: [Option<i64>; OPERATORS.len()],
    own: [Allowance; OPERATORS.len()],
    shared: Allowance,
    answered: BTreeMap<String, Allowance>,
    words: Allowance,
    pub connected: Option<i64>,
    plain: u64,
    /// Of each reason: when the times of those that were told are used up, and how many were not.
    told: BTreeMap<CommandRefusal, (i64, u64)>,
}

impl Orders {
    pub(super) fn after(spent: &[Spent]) -> Orders {
        Orders {
            spent: spent.to_vec(),
            ..Orders::default()
        }
    }

    /// What has been over for long is forgotten.
    fn forget(&mut self, newest: Option<i64>) {
        let Some(newest) = newest else { return };
        self.spent.retain(|one| one.over + SETBACK > newest);
        for shut in &mut self.shut {
            *shut = shut.filter(|over| over + SETBACK > newest);
        }
    }

    fn is_spent(&self, letter: Letter) -> bool {
        let shut = self.shut[letter.from].is_some_and(|until| over(letter) <= until);
        let mut all = self.spent.iter();
        shut || all.any(|one| (one.from, one.id) == (letter.from, letter.id))
    }

    fn room(&self, from: usize, at: i64) -> bool {
        let until = at.div_euclid(1000) + (DAY + 2 * SETBACK) / 1000;
        let own = self.spent.iter().filter(|one| one.from == from);
        own.filter(|one| one.over.div_euclid(1000) <= until).count() < ROOM
    }

    /// It never counts again. Nothing when that is known already, or cannot be remembered.
    fn spend(&mut self, letter: Letter, counts: bool, at: i64) -> Option<Spent> {
        if self.is_spent(letter) {
            return None;
        }
        if !self.room(letter.from, at) {
            let shut = &mut self.shut[letter.from];
            *shut = Some(shut.map_or(over(letter), |until| until.max(over(letter))));
            return None;
        }
        let spent = Spent {
            from: letter.from,
            id: letter.id,
            over: over(letter),
            counts,
            at,
        };
        self.spent.push(spent.clone());
        Some(spent)
    }

    /// How many were not told since the last, if this one is to be.
    fn tells(&mut self, reason: CommandRefusal, tick: i64) -> Option<u64> {
        let (used_until, untold) = self.told.entry(reason).or_insert((tick, 0));
        *used_until = (*used_until).max(tick);
        if *used_until + ONE_MORE > tick + TOLD_AT_ONCE * ONE_MORE {
            *untold += 1;
            return None;
        }
        *used_until += ONE_MORE;
        Some(std::mem::take(untold))
    }
}

/// A command that is refused.
struct No {
    reason: CommandRefusal,
    id: Option<String>,
    by: Option<String>,
    verb: Option<CommandVerb>,
    /// Whether it is known whose it is.
    genuine: bool,
    spent: Option<Spent>,
}

fn least(verb: CommandVerb) -> Role {
    match verb {
        CommandVerb::Mode | CommandVerb::Reload => Role::Admin,
        CommandVerb::Unlock | CommandVerb::Lock | CommandVerb::Acknowledge => Role::Operate,
        CommandVerb::Locate | CommandVerb::Snapshot => Role::View,
    }
}

/// When it comes too late, by the wall.
fn over(letter: Letter) -> i64 {
    letter.signed * 1000 + LIVES + SKEW
}

fn by_operator(from: usize) -> String {
    format!("operator:{}", OPERATORS[from])
}

impl Naive {
    pub(super) fn plain(&mut self, site: &Site, word: &str, now: Now) {
        let orders = &mut self.running.orders;
        let quiet = orders.connected.is_none_or(|at| now.tick - at < QUIET);
        let refusal = match word {
            "LOCK" => None,
            "OPEN" | "UNLOCK" if quiet => Some(CommandRefusal::Expired),
            "OPEN" | "UNLOCK" => None,
            _ => Some(CommandRefusal::Malformed),
        };
        let too_many = || {
            let takes = orders.words.takes(WORDS, now.tick);
            (!takes).then_some(CommandRefusal::RateLimited)
        };
        let refusal = refusal.or_else(too_many);
        if let Some(reason) = refusal {
            let no = No {
                reason,
                id: None,
                by: None,
                verb: None,
                genuine: false,
                spent: None,
            };
            return self.refuse(no, now);
        }
        self.running.orders.plain += 1;
        let order = Order {
            id: format!("plain-{}-{}", now.wall, self.running.orders.plain),
            by: format!("plain:{CLIENT}"),
            from: None,
            at: now.wall,
            wish: if word == "LOCK" {
                Wish::Lock
            } else {
                Wish::Unlock
            },
            mode: None,
            spent: None,
            story: Story::default(),
        };
        self.execute(site, order, now);
    }

    pub(super) fn signed(&mut self, site: &Site, letter: Letter, now: Now) {
        let mut order = Order {
            id: letter.id.to_string(),
            by: by_operator(letter.from),
            from: Some(letter.from),
            at: now.wall,
            wish: letter.wish,
            mode: None,
            spent: None,
            story: Story::default(),
        };
        let at = self.running.clock.latest(now);
        self.running.orders.forget(self.running.clock.newest);
        match self.against(letter, order.verb(), now) {
            None => {
                order.spent = self.running.orders.spend(letter, true, at);
                self.execute(site, order, now);
            }
            Some((reason, genuine, counts)) => {
                let orders = &mut self.running.orders;
                let spent = counts.and_then(|counts| orders.spend(letter, counts, at));
                let no = No {
                    reason,
                    id: Some(order.id.clone()),
                    by: genuine.then(|| order.by.clone()),
                    verb: Some(order.verb()),
                    genuine,
                    spent,
                };
                self.refuse(no, now);
            }
        }
    }

    /// What speaks against a command; whether it is genuine; whether it is spent, and counts.
    fn against(
        &mut self,
        letter: Letter,
        verb: CommandVerb,
        now: Now,
    ) -> Option<(CommandRefusal, bool, Option<bool>)> {
        use CommandRefusal as Why;
        if !self.fresh(now) {
            return Some((Why::StorageFailure, false, None));
        }
        let (orders, clock) = (&mut self.running.orders, &self.running.clock);
        let Some(role) = self.running.known.roles[letter.from] else {
            return Some((Why::UnknownOperator, false, None));
        };
        let own = orders.own[letter.from].takes(OWN, now.tick);
        if !own && !orders.shared.takes(SHARED, now.tick) {
            return Some((Why::RateLimited, false, None));
        }
        if letter.forged {
            return Some((Why::BadSignature, false, None));
        }
        if !now.trusted || clock.wrong {
            return Some((Why::ClockUntrusted, true, Some(false)));
        }
        let latest = clock.latest(now);
        let ahead = letter.signed - latest.div_euclid(1000);
        if ahead > DAY / 1000 {
            return Some((Why::Malformed, true, None));
        }
        if ahead > SKEW / 1000 {
            return Some((Why::FromFuture, true, Some(false)));
        }
        if latest >= over(letter) && now.wall < over(letter) {
            return Some((Why::ClockUntrusted, true, Some(false)));
        }
        if latest >= over(letter) {
            let ago = latest.div_euclid(1000) - over(letter) / 1000;
            let soon = ago <= SETBACK / 1000;
            return Some((Why::Expired, true, soon.then_some(false)));
        }
        let before = clock.not_before.filter(|before| *before <= latest);
        if before.is_some_and(|before| letter.signed <= before.div_euclid(1000)) {
            return Some((Why::Expired, true, None));
        }
        if orders.is_spent(letter) {
            return Some((Why::Replayed, true, None));
        }
        if !orders.room(letter.from, latest) {
            return Some((Why::RateLimited, true, Some(false)));
        }
        if role < least(verb) {
            return Some((Why::InsufficientRole, true, Some(true)));
        }
        let counted = orders.spent.iter().filter(|one| one.counts);
        let own = counted.filter(|one| one.from == letter.from && one.at > latest - 60_000);
        if own.count() >= PER_MINUTE as usize {
            return Some((Why::RateLimited, true, Some(false)));
        }
        let endless = matches!(letter.wish, Wish::Mode(Some((Mode::Unlocked, None))));
        let not_by_letter = letter.wish == Wish::Acknowledge(Alarm::Restored);
        (endless || not_by_letter).then_some((Why::BadArguments, true, Some(true)))
    }

    fn execute(&mut self, site: &Site, mut order: Order, now: Now) {
        let opens = match order.wish {
            Wish::Unlock => true,
            Wish::Mode(mode) => mode.is_none_or(|(mode, _)| mode != Mode::Lockdown),
            _ => false,
        };
        if opens
            && self
                .running
                .alarms
                .standing()
                .any(|alarm| alarm == Alarm::Restored)
        {
            let spent = order.spent.clone();
            return self.refuse_order(&order, CommandRefusal::DoorRefused, spent, now);
        }
        let change = match order.wish {
            Wish::Unlock => return self.ask_unlock(site, order, now),
            Wish::Lock => return self.lock(site, order, now),
            Wish::Mode(mode) => {
                // From when it was accepted on.
                let lasts = |s: Option<u32>| s.map(|s| now.wall + i64::from(s) * 1000);
                if order.mode.is_none() {
                    order.mode = mode.map(|(mode, s)| (mode, lasts(s)));
                }
                Some(Change::Mode(order.mode))
            }
            Wish::Acknowledge(alarm) => Some(Change::Noted(alarm)),
            Wish::Locate => None,
        };
        let mut paper = self.paper(vec![order.executed()], Some(order.by.clone()), now);
        paper.spent.clone_from(&order.spent);
        paper.change = change;
        paper.base = Some(self.running.known.revision);
        paper.then = Some(Then::CarryOut(order));
        self.ask(site, paper, now);
    }

    fn released_by(&self, site: &Site) -> Option<Said> {
        (!self.running.door.released).then(|| Said::Released {
            cause: ReleaseCause::Operator,
            ms: Some(ms(site.door.release)),
            who: None,
        })
    }

    fn ask_unlock(&mut self, site: &Site, mut order: Order, now: Now) {
        self.knock(site, Knock::Tick, now);
        if let Some(Refusal::Lockdown | Refusal::Interlock) = self.running.door.forbids(true) {
            let spent = order.spent.take();
            let spent = spent.filter(|_| order.story.written.is_empty());
            return self.refuse_order(&order, CommandRefusal::DoorRefused, spent, now);
        }
        let first = order.story.written.is_empty();
        let mut says = Vec::new();
        if first {
            says.push(order.executed());
        }
        let release = self.released_by(site);
        let note = self.engage(site, release.is_some());
        says.extend(release);
        order.story.asked.clone_from(&says);
        let mut paper = self.paper(says, Some(order.by.clone()), now);
        if first {
            paper.spent.clone_from(&order.spent);
            paper.base = Some(self.running.known.revision);
        }
        paper.note = note;
        paper.then = Some(Then::Unlock(order));
        self.ask(site, paper, now);
    }

    pub(super) fn unlock_written(&mut self, site: &Site, order: Order, now: Now) {
        self.knock(site, Knock::Tick, now);
        if self.running.door.forbids(true).is_some() {
            self.withdraw(&order.story.written.clone(), now);
            return self.refuse_order(&order, CommandRefusal::DoorRefused, None, now);
        }
        let release = self.released_by(site);
        if release.is_some_and(|release| !order.story.written.contains(&release)) {
            return self.ask_unlock(site, order, now);
        }
        let (by, written) = (order.by.clone(), &order.story.written);
        self.knock_for(site, Knock::Unlock, Some(by), written, now);
        self.answer(Some(order.id), true, now);
    }

    pub(super) fn carry_out(&mut self, site: &Site, order: Order, now: Now) {
        match order.wish {
            Wish::Mode(_) => {
                self.running.facts_after = Some(now.tick);
                self.running.read = true;
                self.govern(site, order.mode, now);
            }
            Wish::Acknowledge(alarm) => {
                self.running.facts_after = Some(now.tick);
                self.running.read = true;
                self.noted(alarm, order.at, now);
            }
            Wish::Locate | Wish::Unlock | Wish::Lock => {}
        }
        self.answer(Some(order.id), true, now);
    }

    /// Nobody waits for a disk to have a door locked.
    fn lock(&mut self, site: &Site, order: Order, now: Now) {
        self.knock(site, Knock::Tick, now);
        if self.running.door.mode == Mode::Unlocked {
            let spent = order.spent.clone();
            return self.refuse_order(&order, CommandRefusal::DoorRefused, spent, now);
        }
        self.knock_for(site, Knock::Lock, Some(order.by.clone()), &[], now);
        let mut paper = self.paper(vec![order.executed()], Some(order.by.clone()), now);
        paper.spent = order.spent;
        self.running.papers.keep(paper);
        self.answer(Some(order.id), true, now);
    }

    /// What it stood on has changed: whoever sent it may have lost the right to it.
    pub(super) fn order_again(&mut self, site: &Site, order: Order, now: Now) {
        let role = order.from.map(|from| self.running.known.roles[from]);
        if role.is_none_or(|role| role.is_some_and(|role| role >= least(order.verb()))) {
            return self.execute(site, order, now);
        }
        let spent = order.spent.clone();
        self.refuse_order(&order, CommandRefusal::InsufficientRole, spent, now);
    }

    pub(super) fn not_written(&mut self, order: Order, why: Option<Fate>, now: Now) {
        let reason = match why {
            Some(Fate::OtherDoor) => CommandRefusal::DoorRefused,
            Some(Fate::Pointless) => CommandRefusal::BadArguments,
            _ => CommandRefusal::StorageFailure,
        };
        let spent = order.spent.clone();
        self.refuse_order(&order, reason, spent, now);
    }

    fn refuse_order(
        &mut self,
        order: &Order,
        reason: CommandRefusal,
        spent: Option<Spent>,
        now: Now,
    ) {
        let no = No {
            reason,
            id: Some(order.id.clone()),
            by: Some(order.by.clone()),
            verb: Some(order.verb()),
            genuine: true,
            spent,
        };
        self.refuse(no, now);
    }

    fn refuse(&mut self, no: No, now: Now) {
        let told = self.running.orders.tells(no.reason, now.tick);
        let mut answered = told.is_some();
        if let Some(by) = no.by.clone().filter(|_| no.genuine && !answered) {
            let allowance = self.running.orders.answered.entry(by).or_default();
            answered = allowance.takes(ANSWERED, now.tick);
        }
        let said = told.map(|unrecorded| Said::Refused {
            reason: no.reason,
            id: no.id.clone().filter(|_| no.genuine),
            verb: no.verb,
            unrecorded: Some(unrecorded).filter(|many| *many > 0),
        });
        if said.is_some() || no.spent.is_some() {
            let mut paper = self.paper(said.into_iter().collect(), no.by, now);
            paper.spent = no.spent;
            self.running.papers.keep(paper);
        }
        if answered {
            self.answer(no.id, false, now);
        }
    }

    fn answer(&mut self, id: Option<String>, ok: bool, now: Now) {
        self.running.papers.answer(id, ok, now.wall);
    }
}
