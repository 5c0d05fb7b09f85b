//! Everything that is gone with the process.

use std::collections::BTreeMap;

use doorward_core::event::Mode;

use super::alarms::Alarms;
use super::clock::ClockLook;
use super::desk::Desk;
use super::disk::Known;
use super::door::NaiveDoor;
use super::orders::Orders;
use super::paper::Then;
use super::papers::Papers;
use crate::happening::{Comparing, Site, Summary};

/// Somebody passed here, which what was read may not say yet.
pub(super) struct Passed {
    pub(super) at: i64,
    pub(super) paper: u64,
    pub(super) written: Option<i64>,
}

/// Everything that is gone with the process.
pub(super) struct Running {
    pub(super) door: NaiveDoor,
    pub(super) desk: Desk,
    pub(super) alarms: Alarms,
    pub(super) orders: Orders,
    pub(super) papers: Papers,
    pub(super) known: Known,
    /// Revision and time of what was taken over last.
    pub(super) applied: Option<(i64, i64)>,
    pub(super) facts_after: Option<i64>,
    pub(super) passed: BTreeMap<usize, Passed>,
    pub(super) entering: Vec<usize>,
    pub(super) gone_at: Option<i64>,
    pub(super) again: Vec<(Then, i64)>,
    /// The order that governs, and one that is not to.
    pub(super) order: Option<(Mode, Option<i64>)>,
    pub(super) disowned: Option<Option<(Mode, Option<i64>)>>,
    /// The order of the last run, while the clock cannot tell whether it is over.
    pub(super) doubted: Option<(Mode, Option<i64>)>,
    /// The latest time that was on the record at the start.
    pub(super) newest: Option<i64>,
    /// Which PIN everybody had, as it was taken over last.
    pub(super) pins: Vec<Option<u32>>,
    /// Who called for help here, and when for the last time, by the wall.
    pub(super) forced: BTreeMap<usize, i64>,
    /// Comparisons of digits under way.
    pub(super) comparing: u32,
    /// Of whom the newest denial was that counts as one of many.
    pub(super) denied_last: Option<usize>,
    pub(super) clock: ClockLook,
    pub(super) round_at: Option<i64>,
    pub(super) told: Option<Summary>,
    pub(super) engaged_told: Option<bool>,
    /// Until when the relay was told to be released; and when that was, if it has to be renewed.
    pub(super) until: Option<i64>,
    pub(super) renewed: Option<i64>,
    pub(super) stopped: bool,
    pub(super) compare: Option<Comparing>,
    pub(super) read: bool,
}

impl Running {
    pub(super) fn new(site: &Site) -> Running {
        Running {
            door: NaiveDoor::default(),
            desk: Desk::new(site.people.len()),
            alarms: Alarms::default(),
            orders: Orders::default(),
            papers: Papers::default(),
            known: Known::default(),
            applied: None,
            facts_after: None,
            passed: BTreeMap::new(),
            entering: Vec::new(),
            gone_at: None,
            again: Vec::new(),
            order: None,
            disowned: None,
            doubted: None,
            newest: None,
            pins: Vec::new(),
            forced: BTreeMap::new(),
            comparing: 0,
            denied_last: None,
            clock: ClockLook::default(),
            round_at: None,
            told: None,
            engaged_told: None,
            until: None,
            renewed: None,
            stopped: false,
            compare: None,
            read: false,
        }
    }
}
