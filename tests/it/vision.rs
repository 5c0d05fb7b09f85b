//! Each stage of the vision chain against values that another engine computed.
//!
//! `tests/data/vision_reference.json` comes from `tests/oracle/vision_reference.py` (ONNX
//! Runtime and numpy, no OpenCV). A stage test starts from the reference's own input of that
//! stage, so that one stage's error does not hide another's. Tolerances are a few times the
//! largest difference measured, and below the effect of the mistakes that are easily made
//! (swapped channels cost 0.03 of cosine, half a pixel of warp 0.004, a squared landmark box
//! 0.95 px).

use std::path::Path;

use doorward::vision::alignment::{self, Similarity, TEMPLATE};
use doorward::vision::detector::{Detector, IOU_THRESHOLD, SCORE_THRESHOLD};
use doorward::vision::embedder::{Embedder, Embedding};
use doorward::vision::eyes::EyeNetwork;
use doorward::vision::geometry::{Point, Rect, non_maximum_suppression};
use doorward::vision::landmarks::{Landmarker, Landmarks};
use doorward::vision::liveness::LivenessNetwork;
use doorward::vision::pack::ModelPack;
use doorward::vision::{Vision, still};
use image::RgbImage;
use opencv::core::{Mat, Scalar};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn reference() -> Value {
    let path = root().join("tests/data/vision_reference.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn pack() -> ModelPack {
    ModelPack::open(&root().join("models")).unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    let array = value.as_array().unwrap();
    array.iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

fn points(value: &Value) -> Vec<Point> {
    let point = |p: &Value| {
        let xy = numbers(p);
        Point { x: xy[0], y: xy[1] }
    };
    value.as_array().unwrap().iter().map(point).collect()
}

fn five(value: &Value) -> [Point; 5] {
    points(value).try_into().unwrap()
}

fn rect(value: &Value) -> Rect {
    let [x0, y0, x1, y1] = numbers(value)[..] else {
        panic!("not a box: {value}")
    };
    Rect { x0, y0, x1, y1 }
}

fn matrix(value: &Value) -> Similarity {
    let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone()).unwrap();
    Similarity {
        a: rows[0][0],
        b: rows[1][0],
        tx: rows[0][2],
        ty: rows[1][2],
    }
}

/// The reference's faces, each on its grey canvas.
fn faces(reference: &Value) -> Vec<(String, Mat, &Value)> {
    let bytes = std::fs::read(root().join("samples/facematch.jpg")).expect("run scripts/setup");
    let sheet = still::decode(&bytes).unwrap();
    let picture = |face: &Value| {
        let crop = numbers(&face["crop"]);
        let size = numbers(&face["canvas"]);
        let place = numbers(&face["place"]);
        let cell = image::imageops::crop_imm(
            &sheet,
            crop[0] as u32,
            crop[1] as u32,
            crop[2] as u32,
            crop[3] as u32,
        )
        .to_image();
        let mut canvas = RgbImage::from_pixel(size[0] as u32, size[1] as u32, [127; 3].into());
        image::imageops::replace(&mut canvas, &cell, place[0] as i64, place[1] as i64);
        still::to_bgr(&canvas).unwrap()
    };
    let list = reference["faces"].as_array().unwrap();
    list.iter()
        .map(|face| {
            (
                face["name"].as_str().unwrap().to_owned(),
                picture(face),
                face,
            )
        })
        .collect()
}

#[track_caller]
fn close(what: &str, found: f32, expected: f32, tolerance: f32) {
    let difference = (found - expected).abs();
    assert!(
        difference <= tolerance,
        "{what}: {found} instead of {expected} (off by {difference}, allowed {tolerance})"
    );
}

#[test]
fn overlap_and_suppression_match_the_reference() {
    let reference = reference();
    for case in reference["iou"].as_array().unwrap() {
        let found = rect(&case["a"]).iou(&rect(&case["b"]));
        close("iou", found, case["iou"].as_f64().unwrap() as f32, 1e-5);
    }
    let nms = &reference["nms"];
    let boxes = nms["boxes"].as_array().unwrap().iter().map(rect);
    let boxes: Vec<(Rect, f32)> = boxes.zip(numbers(&nms["scores"])).collect();
    let kept: Vec<usize> = serde_json::from_value(nms["kept"].clone()).unwrap();
    assert_eq!(non_maximum_suppression(&boxes, IOU_THRESHOLD), kept);
}

#[test]
fn similarity_fit_matches_umeyama() {
    for case in reference()["umeyama"].as_array().unwrap() {
        let fit = Similarity::fit(&five(&case["source"]), &TEMPLATE).unwrap();
        let expected = matrix(&case["matrix"]);
        for (found, expected) in [
            (fit.a, expected.a),
            (fit.b, expected.b),
            (fit.tx, expected.tx),
            (fit.ty, expected.ty),
        ] {
            // The reference keeps eight decimals; points are single precision.
            let allowed = 1e-5 * (1.0 + expected.abs());
            assert!(
                (found - expected).abs() <= allowed,
                "{}: {found} {expected}",
                case["name"]
            );
        }
    }
    assert_eq!(Similarity::fit(&[Point::default(); 5], &TEMPLATE), None);
}

#[test]
fn detection_matches_the_reference() {
    let reference = reference();
    close(
        "threshold",
        SCORE_THRESHOLD,
        numbers(&Value::Array(vec![reference["score_threshold"].clone()]))[0],
        0.0,
    );
    let mut detector = Detector::load(&pack()).unwrap();
    for (name, image, face) in faces(&reference) {
        let candidates = detector.candidates(&image).unwrap();
        let expected = face["candidates"].as_i64().unwrap();
        assert!(
            (candidates.len() as i64 - expected).abs() <= 1,
            "{name}: {}",
            candidates.len()
        );
        let found = detector.detect(&image).unwrap();
        assert_eq!(
            found.len() as i64,
            face["faces"].as_i64().unwrap(),
            "{name}"
        );
        close(
            &name,
            found[0].score,
            face["score"].as_f64().unwrap() as f32,
            1e-3,
        );
        let expected = rect(&face["box"]);
        let found = found[0].rect;
        for (found, expected) in [
            (found.x0, expected.x0),
            (found.y0, expected.y0),
            (found.x1, expected.x1),
            (found.y1, expected.y1),
        ] {
            close(&format!("{name} box"), found, expected, BOX_PX);
        }
    }
}

/// Tolerances; see the module's head.
const BOX_PX: f32 = 0.3;
const LANDMARK_PX: f32 = 0.15;
const PATCH_LEVELS: f32 = 0.5;
const STAGE_COSINE: f32 = 0.9995;
const CHAIN_COSINE: f32 = 0.999;
/// Twice the largest difference: one wrong class or channel order is off by more than 0.5.
const PROBABILITY: f32 = 0.07;

#[test]
fn landmarks_match_the_reference() {
    let reference = reference();
    let mut landmarker = Landmarker::load(&pack()).unwrap();
    for (name, image, face) in faces(&reference) {
        let found = landmarker
            .find(&image, &rect(&face["box"]))
            .unwrap()
            .unwrap();
        for (found, expected) in found.0.iter().zip(points(&face["landmarks"])) {
            close(&name, found.distance(expected), 0.0, LANDMARK_PX);
        }
        for (found, expected) in found.five().iter().zip(points(&face["alignment_points"])) {
            close(&name, found.distance(expected), 0.0, 0.1);
        }
    }
    let blank = Mat::new_rows_cols_with_default(10, 10, opencv::core::CV_8UC3, Scalar::all(0.0));
    let outside = Rect {
        x0: 50.0,
        y0: 50.0,
        x1: 60.0,
        y1: 60.0,
    };
    assert!(
        landmarker
            .find(&blank.unwrap(), &outside)
            .unwrap()
            .is_none()
    );
}

#[test]
fn alignment_and_embedding_match_the_reference() {
    let reference = reference();
    let mut embedder = Embedder::load(&pack()).unwrap();
    for (name, image, face) in faces(&reference) {
        let fit = Similarity::fit(&five(&face["alignment_points"]), &TEMPLATE).unwrap();
        let expected = matrix(&face["matrix"]);
        close(&name, (fit.a - expected.a) as f32, 0.0, 1e-3);
        close(&name, (fit.tx - expected.tx) as f32, 0.0, 0.1);

        let mut aligned = Mat::default();
        alignment::align(&image, &expected, &mut aligned).unwrap();
        let (mut mean, mut deviation) = (Scalar::default(), Scalar::default());
        opencv::core::mean_std_dev_def(&aligned, &mut mean, &mut deviation).unwrap();
        for channel in 0..3 {
            let expected = numbers(&face["aligned_mean_bgr"])[channel];
            close(
                &format!("{name} mean"),
                mean[channel] as f32,
                expected,
                PATCH_LEVELS,
            );
            let expected = numbers(&face["aligned_std_bgr"])[channel];
            close(
                &format!("{name} deviation"),
                deviation[channel] as f32,
                expected,
                PATCH_LEVELS,
            );
        }
        let expected = Embedding::normalised(numbers(&face["embedding"])).unwrap();
        let found = embedder.embed(&aligned).unwrap();
        let cosine = found.similarity(&expected);
        assert!(cosine >= STAGE_COSINE, "{name}: {cosine}");
    }
}

#[test]
fn the_whole_chain_matches_the_reference() {
    let reference = reference();
    let mut vision = Vision::load(&pack(), 2).unwrap();
    let mut found = Vec::new();
    for (name, image, face) in faces(&reference) {
        let detection = vision.detect(&image).unwrap()[0];
        let examined = vision.examine(&image, detection).unwrap().unwrap();
        let observation = vision.embed(&examined).unwrap();
        let expected = Embedding::normalised(numbers(&face["embedding"])).unwrap();
        let cosine = observation.embedding.similarity(&expected);
        assert!(cosine >= CHAIN_COSINE, "{name}: {cosine}");
        found.push(observation.embedding);
    }
    for (row, expected) in found.iter().zip(reference["cosine"].as_array().unwrap()) {
        for (other, expected) in found.iter().zip(numbers(expected)) {
            close("pairwise cosine", row.similarity(other), expected, 0.01);
        }
    }
}

#[test]
fn liveness_and_eyes_match_the_reference() {
    let reference = reference();
    let mut liveness = LivenessNetwork::load(&pack()).unwrap();
    let mut eyes = EyeNetwork::load(&pack()).unwrap();
    for (name, image, face) in faces(&reference) {
        let found = liveness.judge(&image, &rect(&face["box"])).unwrap();
        let expected = face["live"].as_f64().unwrap() as f32;
        close(&format!("{name} live"), found, expected, PROBABILITY);

        let landmarks = Landmarks(points(&face["landmarks"]).try_into().unwrap());
        let found = eyes.open(&image, &landmarks).unwrap().unwrap();
        let expected = numbers(&face["eyes_open"]).iter().sum::<f32>() / 2.0;
        close(&format!("{name} eyes"), found, expected, PROBABILITY);
    }
}

/// Bilinear sampling is where two engines differ most easily, and where a corner-aligned or
/// half-pixel mistake would hide inside the networks' tolerance.
#[test]
fn resize_and_warp_sample_where_the_reference_does() {
    let sampling = &reference()["sampling"];
    let rows: Vec<Vec<u8>> = serde_json::from_value(sampling["image"].clone()).unwrap();
    let image = Mat::from_slice_2d(&rows).unwrap();
    let compare = |found: &Mat, expected: &Value, tolerance: f32| {
        for (y, row) in expected.as_array().unwrap().iter().enumerate() {
            for (x, expected) in numbers(row).into_iter().enumerate() {
                let found = opencv::prelude::MatTraitConst::at_2d::<u8>(found, y as i32, x as i32);
                close(
                    &format!("({x}, {y})"),
                    f32::from(*found.unwrap()),
                    expected,
                    tolerance,
                );
            }
        }
    };
    for case in sampling["resize"].as_array().unwrap() {
        let size: Vec<i32> = serde_json::from_value(case["size"].clone()).unwrap();
        let size = opencv::core::Size::new(size[0], size[1]);
        let mut resized = Mat::default();
        opencv::imgproc::resize_def(&image, &mut resized, size).unwrap();
        compare(&resized, &case["result"], 1.0);
    }
    for case in sampling["warp"].as_array().unwrap() {
        let size: Vec<i32> = serde_json::from_value(case["size"].clone()).unwrap();
        let size = opencv::core::Size::new(size[0], size[1]);
        let mut warped = Mat::default();
        let matrix = alignment::matrix(&matrix(&case["matrix"]));
        opencv::imgproc::warp_affine_def(&image, &mut warped, &matrix, size).unwrap();
        // OpenCV 4 rounds source coordinates to 1/32 pixel.
        compare(&warped, &case["result"], 2.5);
    }
}
