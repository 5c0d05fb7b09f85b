//! What waits to be written, in one heap: papers that lie there, papers that are away to the disk.
//!
//! A paper that is *needed* happens only if it can be written in time. Whatever else is on one has
//! happened, and is kept until it can be written.

use super::paper::{Change, Note, Paper, Then};
use crate::happening::{Said, Summary};

/// After a failure, so long nothing is tried.
const PAUSE: i64 = 5_000;
const HEAP: usize = 1_000;
const AT_ONCE: usize = 100;
const ANSWERS: usize = 32;
const ANSWER_LIVES: i64 = 60_000;

/// What became of a paper.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fate {
    Written,
    Stale,
    OtherDoor,
    /// There was no such alarm, or the mode is over.
    Pointless,
    /// Its command is spent already.
    Twice,
    Failed,
}

/// What the guard learns of papers.
#[derive(Debug)]
pub(super) enum News {
    Written(Then, Option<Note>),
    TooLate(Vec<Said>, Option<Change>),
    Refused(Then, Fate),
    GivenUp(Then),
    Anyway(Then),
}

#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub id: Option<String>,
    pub ok: bool,
    until: i64,
}

/// What went to the disk.
#[derive(Debug)]
pub(super) struct Away {
    pub papers: Vec<Paper>,
    pub answers: Vec<Answer>,
    pub summary: Option<Summary>,
    since: i64,
}

#[derive(Debug, Default)]
pub(super) struct Papers {
    numbers: u64,
    heap: Vec<Paper>,
    answers: Vec<Answer>,
    pub away: Option<Away>,
    pause_until: Option<i64>,
}

impl Papers {
    pub fn behind(&self) -> bool {
        self.pause_until.is_some()
    }

    pub fn settled(&self) -> bool {
        self.heap.is_empty() && self.answers.is_empty() && self.away.is_none()
    }

    pub fn keep(&mut self, mut paper: Paper) -> u64 {
        if self.heap.len() >= HEAP
            && let Some(oldest) = self.heap.iter().position(|paper| paper.then.is_none())
        {
            self.heap.remove(oldest);
        }
        self.numbers += 1;
        paper.number = self.numbers;
        self.heap.push(paper);
        self.numbers
    }

    /// Gives back what would have followed, when it cannot be hoped for.
    pub fn ask(&mut self, mut paper: Paper) -> Result<(), Box<Then>> {
        paper.needed = true;
        match paper
            .then
            .take_if(|_| self.behind() || self.heap.len() >= HEAP)
        {
            Some(then) => Err(Box::new(then)),
            None => {
                self.keep(paper);
                Ok(())
            }
        }
    }

    pub fn answer(&mut self, id: Option<String>, ok: bool, wall: i64) {
        let until = wall + ANSWER_LIVES;
        self.answers.push(Answer { id, ok, until });
        if self.answers.len() > ANSWERS {
            self.answers.remove(0);
        }
    }

    /// Whether a release is asked for and not answered.
    pub fn release_asked(&self) -> bool {
        let away = self.away.iter().flat_map(|away| &away.papers);
        let mut all = away.chain(&self.heap);
        all.any(|paper| paper.then.as_ref().is_some_and(Then::releases))
    }

    /// Sends what there is, if nothing is away. `summary` makes the summary of a door that is
    /// released then, or is what it is; nothing when it stands there already.
    pub fn send(&mut self, tick: i64, wall: i64, mut summary: impl FnMut(bool) -> Option<Summary>) {
        if self.away.is_some() || self.pause_until.is_some_and(|until| tick < until) {
            return;
        }
        self.answers.retain(|answer| answer.until > wall);
        let many = self.heap.len().min(AT_ONCE);
        let papers: Vec<Paper> = self.heap.drain(..many).collect();
        let releases = |paper: &Paper| paper.then.as_ref().is_some_and(Then::releases);
        let summary = summary(papers.iter().any(releases));
        let answers = if self.behind() {
            Vec::new()
        } else {
            std::mem::take(&mut self.answers)
        };
        if papers.is_empty() && answers.is_empty() && summary.is_none() {
            return;
        }
        self.away = Some(Away {
            papers,
            answers,
            summary,
            since: tick,
        });
    }

    /// The disk has answered.
    pub fn back(&mut self, away: Away, fates: &[Fate], failed: bool, tick: i64) -> Vec<News> {
        let (mut news, mut again) = (Vec::new(), Vec::new());
        for (mut paper, fate) in away.papers.into_iter().zip(fates) {
            match (fate, paper.then.take()) {
                (Fate::Written, _) if paper.dead => {
                    news.push(News::TooLate(paper.says, paper.change));
                }
                (_, _) if paper.dead => {}
                (Fate::Written, Some(then)) => news.push(News::Written(then, paper.note)),
                (Fate::Written, None) => {}
                (Fate::Failed, then) if !paper.needed => {
                    news.extend(then.map(News::Anyway));
                    again.push(paper);
                }
                (Fate::Failed, then) => news.extend(then.map(News::GivenUp)),
                (fate, Some(then)) => news.push(News::Refused(then, *fate)),
                // It has happened all the same.
                (_, None) => {
                    let parts = (&paper.spent, &paper.change, paper.base, paper.note);
                    if !matches!(parts, (None, None, None, None)) {
                        (paper.spent, paper.change) = (None, None);
                        (paper.base, paper.note) = (None, None);
                        again.push(paper);
                    }
                }
            }
        }
        again.append(&mut self.heap);
        self.heap = again;
        self.pause_until = None;
        if failed {
            let answers = std::mem::take(&mut self.answers);
            self.answers = away.answers;
            self.answers.extend(answers);
            self.answers.truncate(ANSWERS);
            news.extend(self.give_up(|_| true));
            // Whoever was turned away leaves something to be written, which finds out by itself.
            if !self.heap.is_empty() || news.is_empty() {
                self.pause_until = Some(tick + PAUSE);
            }
        }
        news
    }

    /// Gives up what is over.
    pub fn give_up(&mut self, over: impl Fn(&Paper) -> bool) -> Vec<News> {
        let mut news = Vec::new();
        for paper in self.away.iter_mut().flat_map(|away| &mut away.papers) {
            if over(paper)
                && let Some(then) = paper.then.take()
            {
                paper.dead = paper.needed;
                news.push(if paper.needed {
                    News::GivenUp(then)
                } else {
                    News::Anyway(then)
                });
            }
        }
        self.heap.retain_mut(|paper| {
            if !over(paper) {
                return true;
            }
            match paper.then.take() {
                Some(then) if paper.needed => {
                    news.push(News::GivenUp(then));
                    false
                }
                Some(then) => {
                    news.push(News::Anyway(then));
                    true
                }
                None => true,
            }
        });
        news
    }

    /// Since when something has been away.
    pub fn away_since(&self) -> Option<i64> {
        Some(self.away.as_ref()?.since)
    }

    /// When something is over, too slow, or tried again.
    pub fn due(&self, give_up: i64, slow: i64, tick: i64) -> Option<i64> {
        let away = self.away.iter().flat_map(|away| &away.papers);
        let asked = away.chain(&self.heap).filter(|paper| paper.then.is_some());
        let over = asked.map(|paper| paper.since + give_up).min();
        let slow = self.away_since().map(|since| since + slow);
        let again = self.pause_until.filter(|_| self.away.is_none());
        let slow = slow.filter(|at| *at > tick);
        [over, slow, again].into_iter().flatten().min()
    }
}
