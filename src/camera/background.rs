//! What the camera usually sees, learned slowly, and how like it the picture is now.
//!
//! Only edges count (differences of neighbouring blocks), and only their pattern, not their
//! strength: lamps and daylight change how bright things are, hardly where they end. The
//! picture is compared tile by tile, so that people in front of some tiles do not matter.
//! Learning follows each edge at a limited rate, like a median: what is there for a short time
//! leaves no trace, however strong it is. Pure. It must never learn from a picture that is
//! out of order (the caller keeps those away) or, for [`ADOPT`], from one that is strange.
//!
//! Flows in: cells and the time between frames. Flows out: a [`Likeness`].

use std::time::Duration;

use super::thumbnail::{CELLS, LEVEL};

/// Blocks across and down; one block is two by two cells, 16 pixels of a 640 pixel wide frame.
const BLOCKS: (usize, usize) = (CELLS.0 / 2, CELLS.1 / 2);
/// Tiles across and down, of 8 by 6 blocks.
const TILES: (usize, usize) = (5, 5);
/// Cells in a block, in grey levels: what turns a block's sum into its mean.
const BLOCK: f32 = 4.0 * LEVEL as f32;
/// The picture that is compared is the average over about so long: noise goes, and so do people
/// who walk past.
const SMOOTH: Duration = Duration::from_millis(700);
/// Learning begins with the plain average over so long; until then nothing is judged.
const SETTLE: Duration = Duration::from_secs(3);
/// How far a learned edge follows the picture in a second, in grey levels. Somebody who stands
/// still for a minute leaves an edge of 3 levels, the least that counts; a shadow that the sun
/// moves takes minutes to cross a block.
const FOLLOW: f32 = 0.05;
/// A tile with weaker edges (root mean square, in grey levels) is as good as empty, and does not
/// count: noise of 4 levels makes edges of less than 0.5 in the averaged picture.
const MIN_EDGES: f32 = 3.0;
/// Fewer tiles than this are not enough to judge by.
const MIN_TILES: usize = 4;
/// A tile matches when its edges correlate with the learned ones at least so much, ...
const MATCH: f32 = 0.5;
/// ... and have at least this share of their strength. Light that is so much weaker is darkness;
/// an average still fades when nothing is to be seen any more.
const MIN_CONTRAST: f32 = 0.12;
/// How far the learned brightness follows in a second, in grey levels.
const LEVEL_FOLLOW: f32 = 0.5;
/// Spread (standard deviation, in grey levels) of the blocks of a picture that shows nothing at
/// all; light falls on the emptiest wall less evenly.
const PLAIN: f32 = 1.5;
/// A strange picture that stays for so long is the new usual one.
pub const ADOPT: Duration = Duration::from_secs(600);

/// How the picture compares with what was learned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likeness {
    /// Share of the tiles with edges in which the edges are where they were, 0 to 1.
    pub matching: f32,
    /// Strength of the edges there, relative to the learned ones and to what the light gives; 0
    /// when nothing is seen.
    pub contrast: f32,
}

impl Likeness {
    /// Below this share of matching tiles the picture is another one. With half of the picture
    /// hidden 0.35 at least still matched, of another scene 0.20 at most (`docs/camera.md`).
    const SAME: f32 = 0.25;
    /// Below this contrast another scene is none: something is in front of the lens.
    const SEEN: f32 = 0.35;
    /// Below this one the usual scene is so blurred that nobody can be recognised. Fog and
    /// glare that left 0.4 are no cover.
    const BLURRED: f32 = 0.25;

    /// Whether something hides the scene.
    #[must_use]
    pub fn is_hidden(self) -> bool {
        self.contrast < Self::BLURRED || self.matching < Self::SAME && self.contrast < Self::SEEN
    }

    /// Whether another scene is shown.
    #[must_use]
    pub fn is_elsewhere(self) -> bool {
        self.matching < Self::SAME && !self.is_hidden()
    }
}

/// Edges to the right and downwards, by block.
type Edges = Vec<[f32; 2]>;

/// The learned scene.
#[derive(Debug)]
pub struct Background {
    /// Mean grey level by block, averaged over [`SMOOTH`].
    smooth: Vec<f32>,
    /// Of the smooth picture; kept for its buffer.
    edges: Edges,
    learned: Edges,
    /// Mean grey level that was learned.
    level: f32,
    /// For how long it has been learned.
    age: Duration,
    /// For how long the picture has been strange.
    strange: Duration,
    started: bool,
}

impl Default for Background {
    fn default() -> Self {
        let blocks = BLOCKS.0 * BLOCKS.1;
        Self {
            smooth: vec![0.0; blocks],
            edges: vec![[0.0; 2]; blocks],
            learned: vec![[0.0; 2]; blocks],
            level: 0.0,
            age: Duration::ZERO,
            strange: Duration::ZERO,
            started: false,
        }
    }
}

impl Background {
    /// Takes the cells of a picture that is in order, `passed` after the one before.
    /// `learn` is false while somebody is there. `None` while too little was learned; a scene
    /// without enough edges to judge by is like any other.
    pub fn observe(&mut self, cells: &[u16], passed: Duration, learn: bool) -> Option<Likeness> {
        self.average(cells, passed);
        let likeness = self.is_settled().then(|| self.compare());
        if likeness.is_some_and(|like| like.is_hidden() || like.is_elsewhere()) {
            self.strange += passed;
            if self.strange >= ADOPT {
                self.age = Duration::ZERO;
            }
        } else {
            self.strange = Duration::ZERO;
        }
        if learn && (self.strange.is_zero() || self.strange >= ADOPT) {
            self.learn(passed);
        }
        likeness
    }

    /// Whether learning has gone far enough to compare.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.age >= SETTLE
    }

    /// Whether there is no structure at all, not even that of an empty wall.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let mean = self.mean();
        let squares: f32 = self.smooth.iter().map(|b| (b - mean) * (b - mean)).sum();
        (squares / self.smooth.len() as f32).sqrt() < PLAIN
    }

    fn mean(&self) -> f32 {
        self.smooth.iter().sum::<f32>() / self.smooth.len() as f32
    }

    fn average(&mut self, cells: &[u16], passed: Duration) {
        let share = if std::mem::replace(&mut self.started, true) {
            passed.as_secs_f32() / (passed + SMOOTH).as_secs_f32()
        } else {
            1.0
        };
        let pairs = cells.chunks_exact(2 * CELLS.0);
        for (line, two) in self.smooth.chunks_exact_mut(BLOCKS.0).zip(pairs) {
            let (upper, lower) = two.split_at(CELLS.0);
            let squares = upper.chunks_exact(2).zip(lower.chunks_exact(2));
            for (block, (a, b)) in line.iter_mut().zip(squares) {
                let mean = f32::from(a[0] + a[1] + b[0] + b[1]) / BLOCK;
                *block += (mean - *block) * share;
            }
        }
        let (across, down) = BLOCKS;
        for (n, edge) in self.edges.iter_mut().enumerate() {
            let (x, y) = (n % across, n / across);
            let to = |block: usize| self.smooth[block] - self.smooth[n];
            *edge = [
                if x + 1 < across { to(n + 1) } else { 0.0 },
                if y + 1 < down { to(n + across) } else { 0.0 },
            ];
        }
    }

    fn learn(&mut self, passed: Duration) {
        let settled = self.is_settled();
        self.age = self.age.saturating_add(passed);
        // The first time gives a plain average, later ones follow at a limited rate.
        let share = passed.as_secs_f32() / self.age.as_secs_f32().max(f32::MIN_POSITIVE);
        let seconds = passed.as_secs_f32();
        let follow = |old: &mut f32, new: f32, limit: f32| {
            *old += if settled {
                (new - *old).clamp(-limit * seconds, limit * seconds)
            } else {
                (new - *old) * share
            };
        };
        for (learned, edge) in self.learned.iter_mut().zip(&self.edges) {
            for (old, new) in learned.iter_mut().zip(edge) {
                follow(old, *new, FOLLOW);
            }
        }
        let mean = self.mean();
        follow(&mut self.level, mean, LEVEL_FOLLOW);
    }

    fn compare(&self) -> Likeness {
        let mut sums = [Sums::default(); TILES.0 * TILES.1];
        for (n, (now, usual)) in self.edges.iter().zip(&self.learned).enumerate() {
            let (x, y) = (n % BLOCKS.0, n / BLOCKS.0);
            let tile = y * TILES.1 / BLOCKS.1 * TILES.0 + x * TILES.0 / BLOCKS.0;
            sums[tile].add(now, usual);
        }
        let mut all = Sums::default();
        let (mut tiles, mut matching) = (0_usize, 0_usize);
        for sum in sums.iter().filter(|sum| sum.strength() >= MIN_EDGES) {
            tiles += 1;
            matching += usize::from(sum.matches());
            all.merge(sum);
        }
        if tiles < MIN_TILES {
            return Likeness {
                matching: 1.0,
                contrast: 1.0,
            };
        }
        // Half the light makes half the edges; more light need not make more.
        let light = (self.mean() / self.level.max(1.0)).clamp(MIN_CONTRAST, 1.0);
        Likeness {
            matching: matching as f32 / tiles as f32,
            contrast: all.contrast() / light,
        }
    }
}

/// What the correlation of one tile needs.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: f32,
    now: f32,
    usual: f32,
    both: f32,
}

impl Sums {
    fn add(&mut self, now: &[f32; 2], usual: &[f32; 2]) {
        self.count += 2.0;
        for (now, usual) in now.iter().zip(usual) {
            self.now += now * now;
            self.usual += usual * usual;
            self.both += now * usual;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.now += other.now;
        self.usual += other.usual;
    }

    /// Of the learned edges.
    fn strength(&self) -> f32 {
        (self.usual / self.count.max(1.0)).sqrt()
    }

    fn contrast(&self) -> f32 {
        (self.now / self.usual.max(f32::MIN_POSITIVE)).sqrt()
    }

    fn matches(&self) -> bool {
        let correlation = self.both / (self.now * self.usual).sqrt().max(f32::MIN_POSITIVE);
        correlation >= MATCH && self.contrast() >= MIN_CONTRAST
    }
}
