//! What the simulated button adds by itself: the door looks at its file every 10 ms, and believes
//! a level once it has lasted. Measured with the service's own loop and nothing behind it.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use doorward::clock::SystemClock;
use doorward::config::{ActiveLevel, InputWiring, RelayDriver, RexConfig};
use doorward::gpio::debounce::Debounce;
use doorward::gpio::input;
use doorward::gpio::watch::watch_input;

const PRESSES: u32 = 40;

/// From the file to a believed press, sorted.
fn presses(debounce_ms: u32) -> Vec<Duration> {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let folder = folder.unwrap();
    let file = folder.path().join("rex");
    let level = |text: &str| {
        let new = folder.path().join("new-level");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, &file).unwrap();
    };
    level("0");
    let wiring = InputWiring {
        driver: RelayDriver::Simulated,
        active: ActiveLevel::High,
        file: Some(file.clone()),
        debounce_ms,
        ..RexConfig::default().wiring()
    };
    let stop = Arc::new(AtomicBool::new(false));
    let (tell, believed) = mpsc::channel();
    let (stopping, mut line) = (Arc::clone(&stop), input::open(&wiring, "rex").unwrap());
    let watching = std::thread::spawn(move || {
        let debounce = Debounce::new(Duration::from_millis(debounce_ms.into()), None);
        watch_input(
            line.as_mut(),
            debounce,
            &SystemClock::new(),
            &stopping,
            |pressed| tell.send((Instant::now(), pressed)).unwrap(),
            |error| panic!("{error}"),
        );
    });
    assert!(!believed.recv().unwrap().1);
    let mut took = Vec::new();
    for n in 0..PRESSES {
        // At another point between two looks each time.
        std::thread::sleep(Duration::from_micros(20_000 + 730 * u64::from(n)));
        let pressed = Instant::now();
        level("1");
        let (at, active) = believed.recv().unwrap();
        assert!(active);
        took.push(at - pressed);
        level("0");
        assert!(!believed.recv().unwrap().1);
    }
    stop.store(true, Ordering::Relaxed);
    watching.join().unwrap();
    took.sort();
    took
}

/// As lines for a document.
pub(super) fn measure() -> String {
    let mut text = String::new();
    for debounce_ms in [0, RexConfig::default().debounce_ms] {
        let took = presses(debounce_ms);
        let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
        let (middle, last) = (took[took.len() / 2], took[took.len() - 1]);
        let (middle, last) = (ms(middle), ms(last));
        writeln!(
            text,
            "simulated button, debounce_ms = {debounce_ms}: press to believed {middle:.1} ms in the middle, {last:.1} ms at most",
        )
        .unwrap();
    }
    text
}

#[test]
fn the_simulated_button_adds_one_look_and_its_debounce() {
    for debounce_ms in [0, 20] {
        let took = presses(debounce_ms);
        let debounce = Duration::from_millis(debounce_ms.into());
        assert!(took.iter().all(|took| *took >= debounce), "{took:?}");
        // The middle one: what a busy machine adds to the others is no news.
        assert!(
            took[took.len() / 2] < debounce + Duration::from_millis(15),
            "{took:?}"
        );
    }
}
