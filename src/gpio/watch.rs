//! The loop of a thread that watches one input.
//!
//! Tells what is believed and what failed; it decides nothing. A failing line is no level: it
//! is tried again with back-off, and nothing is told of it but the failure, once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::GpioError;
use super::debounce::Debounce;
use super::input::InputLine;
use crate::clock::Clock;

/// The longest wait before `stop` is looked at again.
pub(super) const STOP: Duration = Duration::from_millis(100);

/// Watches until `stop`. The first believed level is told like every change after it.
pub fn watch_input(
    line: &mut dyn InputLine,
    mut debounce: Debounce,
    clock: &dyn Clock,
    stop: &AtomicBool,
    mut on_change: impl FnMut(bool),
    mut on_fault: impl FnMut(&GpioError),
) {
    let mut trouble = Trouble::default();
    while !stop.load(Ordering::Relaxed) {
        let looked = line.read().and_then(|level| {
            let now = clock.tick();
            if let Some(level) = debounce.feed(level, now) {
                on_change(level);
            }
            let wait = debounce.deadline().map_or(STOP, |end| end.since(now));
            line.wait(wait.min(STOP))
        });
        match looked {
            Ok(()) => trouble.over(),
            Err(error) => {
                debounce.interrupt();
                trouble.met(&error, stop, &mut on_fault);
            }
        }
    }
}

/// A device that fails: told once, tried again ever more slowly.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    wait: Option<Duration>,
}

impl Trouble {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(5);

    /// It works: the next failure is a new one.
    pub(super) fn over(&mut self) {
        self.wait = None;
    }

    /// It failed: tells it if that is news, and waits unless stopped.
    pub(super) fn met(
        &mut self,
        error: &GpioError,
        stop: &AtomicBool,
        mut on_fault: impl FnMut(&GpioError),
    ) {
        let mut left = match self.wait {
            None => {
                on_fault(error);
                Self::FIRST
            }
            Some(last) => (last * 2).min(Self::LONGEST),
        };
        self.wait = Some(left);
        while !left.is_zero() && !stop.load(Ordering::Relaxed) {
            let nap = left.min(STOP);
            std::thread::sleep(nap);
            left -= nap;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::clock::{Tick, Timestamp};

    /// Each look takes ten milliseconds.
    struct Steps(Mutex<u64>);

    impl Clock for Steps {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }
        fn tick(&self) -> Tick {
            let mut steps = self.0.lock().unwrap();
            *steps += 10;
            Tick(Duration::from_millis(*steps))
        }
        fn trusted(&self) -> bool {
            true
        }
    }

    /// Shows these levels one after the other (`x` fails), then stops the watch.
    struct Script<'a> {
        levels: std::str::Chars<'a>,
        stop: &'a AtomicBool,
    }

    impl InputLine for Script<'_> {
        fn read(&mut self) -> Result<bool, GpioError> {
            match self.levels.next() {
                Some('x') => Err(GpioError::LevelFile {
                    what: "contact".into(),
                    path: "level".into(),
                    message: "gone".into(),
                }),
                Some(level) => Ok(level == '1'),
                None => {
                    self.stop.store(true, Ordering::Relaxed);
                    Ok(false)
                }
            }
        }
        fn wait(&mut self, _: Duration) -> Result<(), GpioError> {
            Ok(())
        }
    }

    fn watch(levels: &str, ms: u64) -> (Vec<bool>, usize) {
        let stop = AtomicBool::new(false);
        let mut line = Script {
            levels: levels.chars(),
            stop: &stop,
        };
        let (mut changes, mut faults) = (Vec::new(), 0);
        watch_input(
            &mut line,
            Debounce::new(Duration::from_millis(ms), None),
            &Steps(Mutex::new(0)),
            &stop,
            |level| changes.push(level),
            |_| faults += 1,
        );
        (changes, faults)
    }

    #[test]
    fn the_first_believed_level_and_every_change_are_told() {
        assert_eq!(watch("00001111", 20), (vec![false, true], 0));
        assert_eq!(watch("1111010101011111", 20), (vec![true], 0));
    }

    #[test]
    fn a_failing_line_is_told_once_a_failure_and_is_no_level() {
        assert_eq!(watch("000xx000x111", 20), (vec![false, true], 2));
        // The failure breaks what had lasted: two looks before it and two after it are not four.
        assert_eq!(watch("00011x110000", 30), (vec![false], 1));
    }
}
