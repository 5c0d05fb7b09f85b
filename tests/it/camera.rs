//! The camera's life: what it shows is watched, in simulated time and through the real service.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use doorward::camera::SceneWatch;
use doorward::camera::background::ADOPT;
use doorward::camera::health::News;
use doorward::camera::motion::GLANCE;
use doorward::clock::Tick;
use opencv::core::{Mat, Rect};
use opencv::prelude::*;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::door::{Door, PATIENCE};
use crate::support::faces::{PERSON, Sheet};
use crate::support::scenery::{
    SIZE, Sensor, behind, blurred, hand, lit, plain, scene, shade_at, shaded, shifted,
};

/// Noise of an ordinary sensor, in grey levels.
const NOISE: f64 = 2.0;
/// Frames a second in simulated time.
const FPS: f64 = 5.0;

/// A scene watched in simulated time.
struct Watched {
    watch: SceneWatch,
    sensor: Sensor,
    now: Tick,
    frames: usize,
    /// How many of them vision would look at.
    looks: usize,
    /// First word of what was raised, "-" for what was cleared.
    told: Vec<(Tick, String)>,
}

impl Watched {
    fn new() -> Self {
        let now = Tick(Duration::from_secs(1));
        Self {
            watch: SceneWatch::new(true, now),
            sensor: Sensor::new(NOISE),
            now,
            frames: 0,
            looks: 0,
            told: Vec::new(),
        }
    }

    /// A camera that has seen this scene for long enough to know it.
    fn at(scene: &Mat) -> Self {
        let mut watched = Self::new();
        watched.sees(scene, 5.0);
        watched
    }

    /// The scene for some seconds, with noise.
    fn sees(&mut self, scene: &Mat, seconds: f64) {
        self.plays(&self.sensor.film(scene), seconds, FPS);
    }

    fn plays(&mut self, film: &[Mat], seconds: f64, fps: f64) {
        for frame in film.iter().cycle().take((seconds * fps).round() as usize) {
            self.now = self.now + Duration::from_secs_f64(1.0 / fps);
            let look = self.watch.frame(frame, self.now).unwrap();
            self.frames += 1;
            self.looks += usize::from(look.wanted);
            for News { detail, .. } in look.news {
                let word = detail
                    .as_deref()
                    .map_or("-", |d| d.split_once(':').unwrap().0);
                self.told.push((self.now, word.to_owned()));
            }
        }
    }

    fn words(&self) -> Vec<&str> {
        self.told.iter().map(|(_, word)| word.as_str()).collect()
    }
}

/// Shows `usual`, then `bad` for 10 s, then `usual` again.
#[track_caller]
fn raises(word: &str, usual: &Mat, bad: &Mat) {
    let mut watched = Watched::at(usual);
    watched.sees(bad, 10.0);
    assert_eq!(watched.words(), [word]);
    watched.sees(usual, 6.0);
    assert_eq!(watched.words(), [word, "-"]);
}

#[test]
fn a_covered_lens_is_told_from_what_it_usually_sees() {
    for seed in [1, 2] {
        let usual = scene(seed);
        raises("covered", &usual, &hand());
        raises("covered", &usual, &plain(90.0));
        // Spray on the lens: light comes through, nothing else.
        raises("covered", &usual, &blurred(&usual, 30.0));
    }
}

#[test]
fn a_moved_camera_is_told_and_a_shaking_one_is_not() {
    for seed in [1, 2] {
        let usual = scene(seed);
        raises("moved", &usual, &scene(seed + 10));
        raises("moved", &usual, &shifted(&usual, 75, 0));
        raises("moved", &usual, &shifted(&usual, -30, 40));
        let mut watched = Watched::at(&usual);
        for n in 0..30 {
            watched.sees(&shifted(&usual, n % 3 - 1, n % 2), 0.4);
        }
        assert_eq!(watched.words(), [""; 0]);
    }
}

#[test]
fn light_that_fades_or_is_switched_is_no_alarm() {
    let usual = scene(4);
    let mut watched = Watched::at(&usual);
    for (gain, offset) in [
        (0.3, 0.0),
        (1.5, 0.0),
        (0.6, 60.0),
        (0.2, 10.0),
        (1.0, -15.0),
    ] {
        watched.sees(&lit(&usual, gain, offset), 12.0);
        watched.sees(&usual, 5.0);
    }
    // An afternoon: the light changes, and the shadow of a post crosses the picture.
    for step in 0..15 {
        let post = Rect::new(step * SIZE.0 / 15, 0, 15, SIZE.1);
        let ground = shaded(&lit(&usual, 1.2 - 0.06 * f64::from(step), 0.0), post, 0.5);
        watched.plays(&watched.sensor.film(&ground), 20.0, 1.0);
    }
    assert_eq!(watched.words(), [""; 0]);
}

#[test]
fn people_before_the_lens_are_no_alarm() {
    let usual = scene(5);
    let mut watched = Watched::at(&usual);
    // Somebody in a dark coat stands in half of the picture for a minute, and leaves.
    let stands = behind(&usual, Rect::new(100, 20, 165, 220), 30.0);
    watched.plays(&watched.sensor.film(&stands), 60.0, 2.0);
    watched.sees(&usual, 15.0);
    // Somebody leans against the camera for five seconds, again and again.
    for _ in 0..4 {
        watched.sees(&hand(), 5.0);
        watched.sees(&usual, 5.0);
    }
    // A crowd passes: nobody stays, everything moves.
    for n in 0..40 {
        let walks = Rect::new((n * 47) % SIZE.0 - 50, 0, 125, SIZE.1) & FRAME;
        watched.sees(&behind(&usual, walks, f64::from(n * 37 % 200)), 0.4);
    }
    assert_eq!(watched.words(), [""; 0]);
}

#[test]
fn a_plain_wall_is_not_taken_for_a_covered_lens_and_nobody_for_its_background() {
    let wall = hand();
    let mut watched = Watched::at(&wall);
    let visitor = behind(&wall, Rect::new(110, 50, 90, 190), 200.0);
    for _ in 0..3 {
        watched.sees(&visitor, 20.0);
        watched.sees(&wall, 20.0);
    }
    assert_eq!(watched.words(), [""; 0]);
    // Not even a wall is left.
    watched.sees(&plain(90.0), 10.0);
    assert_eq!(watched.words(), ["covered"]);
}

#[test]
fn a_view_that_stays_changed_becomes_the_usual_one() {
    let (before, after) = (scene(6), scene(7));
    let mut watched = Watched::at(&before);
    watched.plays(
        &watched.sensor.film(&after),
        ADOPT.as_secs_f64() + 30.0,
        1.0,
    );
    assert_eq!(watched.words(), ["moved", "-"]);
    watched.sees(&before, 12.0);
    assert_eq!(watched.words(), ["moved", "-", "moved"]);
}

#[test]
fn black_dark_white_and_frozen_pictures_are_told_apart() {
    let usual = scene(8);
    let still = [usual.clone()];
    let night = Sensor::new(4.0);
    let mut watched = Watched::at(&usual);
    watched.plays(&[plain(0.0)], 10.0, FPS);
    watched.sees(&usual, 5.0);
    // Lights out: the gain goes up, and so does the noise.
    watched.plays(&night.film(&lit(&usual, 0.05, 0.0)), 10.0, FPS);
    assert_eq!(watched.words(), ["black", "-"]);
    watched.plays(&night.film(&lit(&usual, 0.05, 0.0)), 25.0, FPS);
    watched.sees(&usual, 5.0);
    watched.sees(&lit(&usual, 1.0, 230.0), 10.0);
    watched.sees(&usual, 5.0);
    let looks = watched.looks;
    watched.plays(&still, 10.0, FPS);
    assert!(
        watched.looks <= looks + 1,
        "a repetition is never looked at"
    );
    watched.sees(&usual, 5.0);
    let words = ["black", "-", "dark", "-", "overexposed", "-", "frozen", "-"];
    assert_eq!(watched.words(), words);
}

#[test]
fn an_empty_scene_is_glanced_at_and_motion_is_looked_at_at_once() {
    for noise in [0.5, 2.0, 10.0] {
        let (empty, fps) = (scene(9), 15.0);
        let mut watched = Watched::new();
        let sensor = Sensor::new(noise);
        watched.plays(&sensor.film(&empty), 10.0, fps);
        let glances = (10.0 / GLANCE.as_secs_f64()) as usize + 1;
        let looks = watched.looks;
        assert!((glances - 2..=glances).contains(&looks), "{looks} looks");
        // The smallest face that is compared, 60 grey levels off its background.
        let face = Rect::new(150, 100, 25, 30);
        let ground = shade_at(&empty, 162, 115);
        let shade = if ground > 128.0 {
            ground - 60.0
        } else {
            ground + 60.0
        };
        let arrives = &sensor.film(&behind(&empty, face, shade))[3..4];
        watched.plays(arrives, 1.0 / fps, fps);
        assert_eq!(watched.looks, looks + 1, "at noise {noise}");
        // Open for a while, also when nothing moves any more.
        watched.plays(&sensor.film(&empty), 2.5, fps);
        assert!(watched.looks >= looks + 35);
    }
}

#[test]
fn the_gate_stays_open_for_as_long_as_a_face_is_there() {
    let still = Sensor::new(NOISE).film(&scene(9));
    let mut watched = Watched::new();
    watched.plays(&still, 10.0, FPS);
    let before = watched.looks;
    for _ in 0..10 {
        watched.watch.face_in_view(watched.now);
        watched.plays(&still, 1.0, FPS);
    }
    assert_eq!(watched.looks - before, 50);
    let mut ungated = Watched::new();
    ungated.watch = SceneWatch::new(false, ungated.now);
    ungated.plays(&still, 10.0, FPS);
    assert_eq!(ungated.looks, ungated.frames);
}

/// Alarms on the record: kind, alarm, first word of the detail.
fn alarms(door: &Door) -> Vec<(String, String, String)> {
    let word = |value: &Value| value.as_str().unwrap_or("-:").to_owned();
    let first = |text: String| text.split(':').next().unwrap().to_owned();
    door.json(&["events", "list", "--kind", "alarm"])
        .iter()
        .map(|event| {
            let data = &event["data"];
            let alarm = word(&data["alarm"]);
            (word(&event["kind"]), alarm, first(word(&data["detail"])))
        })
        .collect()
}

fn told(kind: &str, alarm: &str, detail: &str) -> (String, String, String) {
    (kind.to_owned(), alarm.to_owned(), detail.to_owned())
}

/// Puts a picture where another one is, for a service that reads it again and again.
fn exchange(path: &std::path::Path, picture: &image::RgbImage) {
    let new = path.with_extension("new");
    picture
        .save_with_format(&new, image::ImageFormat::Png)
        .unwrap();
    std::fs::rename(new, path).unwrap();
}

/// Sets a flag when it goes out of scope, however that happens.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_frozen_picture_of_the_enrolled_person_is_an_alarm_and_opens_nothing() {
    // Without liveness: the freezing alone must keep the door shut.
    let door = Door::new(
        "[camera]\nsource = \"folder\"\npath = \"frames\"\nfps = 10.0\nrepeat = true\n\
         [liveness]\nmode = \"off\"\n",
    );
    door.enroll_sample_person();
    std::fs::create_dir(door.path("frames")).unwrap();
    let path = door.path("frames/0.png");
    let face = Sheet::open().unwrap().face(PERSON[0]).unwrap();
    let mut canvas = image::RgbImage::from_pixel(320, 240, image::Rgb([127; 3]));
    image::imageops::replace(&mut canvas, &face, 107, 66);
    exchange(&path, &canvas);
    let mut service = door.start();
    service.wait_for("\"ready\"");
    let began = Instant::now();
    service.wait_for("alarm raised");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(
        alarms(&door),
        [told("alarm.raised", "camera_fault", "frozen")]
    );
    assert_eq!(door.transitions(), ["secured"], "{}", service.log());

    // The same face in a living picture opens: it was the freezing that kept it shut.
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in (0_u32..).take_while(|_| !over.load(Ordering::Relaxed)) {
                for (x, y, pixel) in canvas.enumerate_pixels_mut() {
                    pixel.0[1] ^= u8::from((x + y + n) % 8 == 0);
                }
                exchange(&path, &canvas);
            }
        });
        // Also when what is waited for never comes: the scope waits for its thread.
        let _over = OnDrop(&over);
        service.wait_for("access granted");
        service.wait_for("alarm cleared");
    });
}

#[test]
fn a_covered_camera_is_tampered_with() {
    let door = Door::new("[camera]\nsource = \"file\"\npath = \"clip.avi\"\n");
    let sensor = Sensor::new(NOISE);
    let size = opencv::core::Size::new(SIZE.0, SIZE.1);
    let mjpg = opencv::videoio::VideoWriter::fourcc('M', 'J', 'P', 'G').unwrap();
    let mut writer = opencv::videoio::VideoWriter::new_with_backend(
        door.path("clip.avi"),
        opencv::videoio::CAP_OPENCV_MJPEG,
        mjpg,
        15.0,
        size,
        true,
    )
    .unwrap();
    for (scene, frames) in [(scene(1), 4 * 15), (hand(), 20 * 15)] {
        for frame in sensor.film(&scene).iter().cycle().take(frames) {
            writer.write(frame).unwrap();
        }
    }
    writer.release().unwrap();
    let mut service = door.start();
    let line = service.wait_for("alarm raised");
    assert!(
        line.contains("covered: the usual scene is hidden"),
        "{line}"
    );
    assert_eq!(alarms(&door), [told("alarm.raised", "tamper", "covered")]);
}

/// Sends frames as a network camera does (Motion JPEG over HTTP) until told to stop.
fn serve(mut peer: TcpStream, pictures: &[Vec<u8>], send: &AtomicBool) -> std::io::Result<()> {
    let _ = peer.read(&mut [0; 1024])?;
    peer.write_all(
        b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=frame\r\n\r\n",
    )?;
    for picture in pictures.iter().cycle() {
        while !send.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let head = format!(
            "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
            picture.len()
        );
        peer.write_all(head.as_bytes())?;
        peer.write_all(picture)?;
        peer.write_all(b"\r\n")?;
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

#[test]
fn a_stream_that_hangs_is_an_alarm_and_comes_back_by_itself() {
    let jpeg = |mat: &Mat| {
        let rgb: Vec<u8> = mat
            .data_bytes()
            .unwrap()
            .chunks_exact(3)
            .flat_map(|bgr| [bgr[2], bgr[1], bgr[0]])
            .collect();
        let (width, height) = (SIZE.0 as u32, SIZE.1 as u32);
        let image = image::RgbImage::from_raw(width, height, rgb).unwrap();
        let mut bytes = std::io::Cursor::new(Vec::new());
        image
            .write_to(&mut bytes, image::ImageFormat::Jpeg)
            .unwrap();
        bytes.into_inner()
    };
    let film = Sensor::new(NOISE).film(&scene(1));
    let pictures: &'static [Vec<u8>] = film.iter().map(jpeg).collect::<Vec<_>>().leak();
    let send: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(true)));
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for peer in listener.incoming().map_while(Result::ok) {
            // The camera's end of a connection that doorward has closed.
            std::thread::spawn(move || serve(peer, pictures, send).ok());
        }
    });
    let door = Door::new(&format!(
        "[camera]\nsource = \"url\"\nurl = \"http://user:secret@127.0.0.1:{port}/live.mjpg\"\n"
    ));
    let mut service = door.start();
    service.wait_for("camera opened");
    send.store(false, Ordering::Relaxed);
    let failed = service.wait_for("opening it again");
    assert!(failed.contains("delivers no more frames"), "{failed}");
    let raised = service.wait_for("alarm raised");
    assert!(
        raised.contains("silent: the camera delivers no frames"),
        "{raised}"
    );
    send.store(true, Ordering::Relaxed);
    service.wait_for("camera opened");
    service.wait_for("alarm cleared");
    let [raised, cleared] = &alarms(&door)[..] else {
        panic!("{:?}", alarms(&door));
    };
    assert_eq!(raised, &told("alarm.raised", "camera_fault", "silent"));
    assert_eq!(cleared, &told("alarm.cleared", "camera_fault", "-"));
    let stop = Instant::now();
    service.signal(Signal::TERM);
    assert!(service.wait().success());
    assert!(stop.elapsed() < PATIENCE);
    assert!(!service.log().contains("secret"));
}

const FRAME: Rect = Rect {
    x: 0,
    y: 0,
    width: SIZE.0,
    height: SIZE.1,
};
