//! The conditions, by example and by property, in simulated time.

use proptest::prelude::*;

use super::*;

/// A good picture at some frame rate; tests spoil it.
const GOOD: Measures = Measures {
    changed: 0.3,
    spread: 40.0,
    brightest: 220,
    clipped: 0.01,
    plain: false,
    likeness: Some(LIKE),
    face: false,
};
const LIKE: Likeness = Likeness {
    matching: 0.9,
    contrast: 0.9,
};

fn showing(condition: Condition) -> Measures {
    let mut measures = GOOD;
    match condition {
        Silent => unreachable!("a frame is not silent"),
        Black => (measures.brightest, measures.spread, measures.changed) = (16, 0.2, 0.0),
        Frozen => measures.changed = 0.0,
        Dark => (measures.brightest, measures.spread) = (20, 4.0),
        Overexposed => (measures.clipped, measures.changed) = (0.95, 0.02),
        Covered => measures.likeness = Some(likeness(0.0, 0.1)),
        Moved => measures.likeness = Some(likeness(0.1, 0.8)),
    }
    measures
}

fn likeness(matching: f32, contrast: f32) -> Likeness {
    Likeness { matching, contrast }
}

/// Everything but silence.
fn of_frames() -> impl Iterator<Item = Condition> {
    Condition::ALL.into_iter().filter(|c| *c != Silent)
}

/// A camera in simulated time, and what was told.
struct Camera {
    health: Health,
    now: Tick,
    told: Vec<(Tick, News)>,
}

impl Camera {
    fn new() -> Self {
        let now = Tick(Duration::from_secs(100));
        let mut camera = Self {
            health: Health::new(now),
            now,
            told: Vec::new(),
        };
        camera.shows(&GOOD, 5.0, 15.0);
        camera
    }

    /// The same measures for some seconds, at a frame rate.
    fn shows(&mut self, measures: &Measures, seconds: f64, fps: f64) {
        for _ in 0..(seconds * fps).round() as u32 {
            self.now = self.now + Duration::from_secs_f64(1.0 / fps);
            let news = self.health.frame(measures, self.now);
            self.tell(news);
        }
    }

    /// No frame for some seconds; the service asks four times a second.
    fn is_silent(&mut self, seconds: f64) {
        for _ in 0..(seconds * 4.0).round() as u32 {
            self.now = self.now + Duration::from_millis(250);
            let news = self.health.silence(Some("cable"), self.now);
            self.tell(news);
        }
    }

    fn tell(&mut self, news: Vec<News>) {
        let now = self.now;
        self.told.extend(news.into_iter().map(|news| (now, news)));
    }

    /// First words of what was raised, "-" for what was cleared.
    fn words(&self) -> Vec<&str> {
        let word = |news: &News| match &news.detail {
            Some(detail) => detail.split_once(':').unwrap().0.to_owned().leak(),
            None => "-",
        };
        self.told.iter().map(|(_, news)| word(news)).collect()
    }
}

#[test]
fn every_condition_is_raised_within_ten_seconds_and_clears_by_itself() {
    for condition in of_frames() {
        for fps in [2.0, 5.0, 15.0, 30.0] {
            let mut camera = Camera::new();
            let began = camera.now;
            let limit = if condition == Dark { 31.0 } else { 10.0 };
            camera.shows(&showing(condition), limit, fps);
            let word = format!("{condition:?}").to_lowercase();
            assert_eq!(camera.words(), [word.as_str()], "at {fps} fps");
            let (at, news) = &camera.told[0];
            assert_eq!(news.alarm, condition.alarm());
            // What is over sooner is no alarm: an average visit, a blink of the lamp.
            assert!(at.since(began) > Duration::from_secs(4), "{condition:?}");
            camera.shows(&GOOD, 7.0, fps);
            assert_eq!(camera.words(), [word.as_str(), "-"], "at {fps} fps");
        }
    }
}

#[test]
fn silence_is_raised_with_its_cause_and_ends_with_the_frames() {
    let mut camera = Camera::new();
    camera.is_silent(7.5);
    assert!(camera.told.is_empty());
    camera.is_silent(1.0);
    let detail = camera.told[0].1.detail.as_ref().unwrap();
    assert!(detail.starts_with("silent: ") && detail.ends_with("; cable"));
    camera.is_silent(60.0);
    camera.shows(&GOOD, 2.5, 15.0);
    assert_eq!(camera.words(), ["silent"], "not with the first frames");
    camera.shows(&GOOD, 1.0, 15.0);
    assert_eq!(camera.words(), ["silent", "-"]);
}

#[test]
fn a_still_stream_that_repeats_frames_between_key_frames_is_not_frozen() {
    for gap in [1.0, 2.0, 5.0] {
        let mut camera = Camera::new();
        for _ in 0..100 {
            camera.shows(&showing(Frozen), gap, 15.0);
            camera.shows(&GOOD, 1.0 / 15.0, 15.0);
        }
        assert_eq!(camera.words(), [""; 0], "{gap} s between key frames");
    }
}

#[test]
fn what_cannot_be_told_in_the_dark_stands_until_it_is_light() {
    let mut camera = Camera::new();
    camera.shows(&showing(Covered), 10.0, 15.0);
    camera.shows(&showing(Dark), 40.0, 15.0);
    assert_eq!(camera.words(), ["covered", "dark"]);
    camera.shows(&showing(Covered), 10.0, 15.0);
    assert_eq!(camera.words(), ["covered", "dark", "-"]);
    camera.shows(&GOOD, 10.0, 15.0);
    assert_eq!(camera.words(), ["covered", "dark", "-", "-"]);
}

#[test]
fn another_cause_of_a_standing_alarm_is_told_when_the_first_is_gone() {
    let mut camera = Camera::new();
    camera.shows(&showing(Black), 40.0, 15.0);
    assert_eq!(camera.words(), ["black"]);
    // Some light, but not enough.
    camera.shows(&showing(Dark), 20.0, 15.0);
    assert_eq!(camera.words(), ["black", "-", "dark"]);
    camera.is_silent(20.0);
    camera.shows(&GOOD, 10.0, 15.0);
    assert_eq!(camera.words(), ["black", "-", "dark", "-"]);
}

#[test]
fn a_face_in_view_is_never_taken_for_a_covered_or_moved_camera() {
    for condition in [Covered, Moved] {
        let mut camera = Camera::new();
        let close = Measures {
            face: true,
            ..showing(condition)
        };
        camera.shows(&close, 120.0, 15.0);
        assert!(camera.told.is_empty());
    }
}

#[test]
fn details_name_the_condition_and_a_way_out() {
    for condition in Condition::ALL {
        let word = format!("{condition:?}").to_lowercase();
        let detail = condition.detail();
        assert!(detail.starts_with(&format!("{word}: ")), "{detail}");
        assert!(
            detail.contains("check") || detail.contains("switch"),
            "{detail}"
        );
    }
}

proptest! {
    /// Whatever happens: an alarm is raised and cleared in turn, a condition is seen for its
    /// whole patience before it is told, and a good picture for a while ends everything.
    #[test]
    fn nothing_flaps(
        parts in prop::collection::vec((0_usize..9, 0.05_f64..12.0, 2.0_f64..30.0), 1..40)
    ) {
        let mut camera = Camera::new();
        for (what, seconds, fps) in parts {
            match what {
                0 => camera.is_silent(seconds),
                1..7 => camera.shows(&showing(Condition::ALL[what]), seconds, fps),
                _ => camera.shows(&GOOD, seconds, fps),
            }
        }
        camera.shows(&GOOD, 12.0, 15.0);
        for alarm in [Alarm::CameraFault, Alarm::Tamper] {
            let told: Vec<_> = camera.told.iter().filter(|(_, n)| n.alarm == alarm).collect();
            for (n, (_, news)) in told.iter().enumerate() {
                prop_assert_eq!(news.detail.is_some(), n % 2 == 0, "{:?}", told);
            }
            prop_assert!(told.len() % 2 == 0, "all is over: {:?}", told);
            // A condition stands for 3 s at least, and one told anew had to be gathered anew;
            // only another cause of the same alarm may follow at once.
            for pair in told.windows(2) {
                let apart = pair[1].0.since(pair[0].0);
                let cause_changed = pair[0].1.detail.is_none();
                prop_assert!(apart >= Duration::from_millis(2_900) || cause_changed, "{:?}", told);
            }
            let same = |a: &News, b: &News| a.detail.is_some() && a.detail == b.detail;
            for three in told.windows(3).filter(|three| same(&three[0].1, &three[2].1)) {
                let again = three[2].0.since(three[0].0);
                prop_assert!(again >= Duration::from_millis(5_900), "{:?}", told);
            }
        }
    }

    /// A picture that is bad only now and then, for less than half of the time, is no alarm.
    #[test]
    fn flicker_is_no_alarm(
        parts in prop::collection::vec((1_usize..7, 0.05_f64..3.0), 1..60)
    ) {
        let mut camera = Camera::new();
        for (what, seconds) in parts {
            camera.shows(&showing(Condition::ALL[what]), seconds, 15.0);
            camera.shows(&GOOD, seconds + 0.2, 15.0);
        }
        prop_assert!(camera.told.is_empty(), "{:?}", camera.told);
    }
}
