//! Model packs: manifests, YuNet's raw output against numpy, and the second pack's files where
//! they are.
//!
//! `tests/data/yunet_reference.json` and `yunet_stand_in.onnx` come from
//! `tests/oracle/yunet_reference.py`. The stand-in knows nothing of faces; what it proves is
//! written there.

use std::path::{Path, PathBuf};

use doorward::vision::detector::Detector;
use doorward::vision::geometry::{Rect, non_maximum_suppression};
use doorward::vision::pack::{ModelPack, PackError, Role, sha256_hex};
use doorward::vision::yunet::{self, Level};
use doorward::vision::{Vision, still};
use opencv::core::{Mat, Scalar};
use opencv::imgproc;
use serde_json::Value;

use crate::support::door::{Door, stderr};
use crate::support::faces::{PERSON, STRANGERS, Sheet};

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn numbers(value: &Value) -> Vec<f32> {
    let array = value.as_array().unwrap();
    array.iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

/// A folder with one manifest, made from `from` by replacing text.
fn manifest(from: &str, to: &str, replaced: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut text = std::fs::read_to_string(models().join(from)).unwrap();
    for (old, new) in replaced {
        assert!(text.contains(old), "{from} has no {old:?}");
        text = text.replacen(old, new, 1);
    }
    std::fs::write(folder.path().join(to), text).unwrap();
    folder
}

#[test]
fn both_packs_are_described_and_the_default_comes_first() {
    assert_eq!(
        ModelPack::names(&models()).unwrap(),
        ["faceplugin", "opencv_zoo"]
    );
    let default = ModelPack::open(&models()).unwrap();
    assert_eq!(default.name(), "faceplugin");
    assert_eq!(default.calibration().fmr, [1e-3, 1e-4, 1e-5]);
    assert_eq!(default.calibration().threshold, [0.341, 0.419, 0.486]);
    let zoo = ModelPack::open_named(&models(), "opencv_zoo").unwrap();
    assert_eq!(zoo.calibration().threshold, [0.363]);
    assert_ne!(default.embedding().model_id, zoo.embedding().model_id);
}

#[test]
fn a_network_that_a_pack_does_not_have_is_refused_by_name() {
    let zoo = ModelPack::open_named(&models(), "opencv_zoo").unwrap();
    for (role, word) in [
        (Role::Liveness, "no liveness network"),
        (Role::EyeState, "no eye state network"),
    ] {
        assert!(!zoo.has(role));
        let error = zoo.file(role).unwrap_err();
        assert!(matches!(error, PackError::NoRole { .. }));
        let error = error.to_string();
        for part in [word, "\"opencv_zoo\"", "[models] pack"] {
            assert!(error.contains(part), "{error}");
        }
    }
}

#[test]
fn wrong_manifests_are_refused_with_what_is_wrong() {
    let error = ModelPack::open_named(&models(), "opencv_zo").unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains(
            "no model pack \"opencv_zo\"; set [models] pack to one of: faceplugin, opencv_zoo"
        ),
        "{error}"
    );
    for (replaced, expected) in [
        (("fmr = [1e-3, 1e-4, 1e-5]", "fmr = [1e-3]"), "same number"),
        (
            ("[calibration]", "[kalibration]"),
            "unknown field `kalibration`",
        ),
        (
            ("role = \"detector\"", "role = \"nose\""),
            "unknown variant `nose`",
        ),
        (("license = \"MIT\"", ""), "missing field `license`"),
        (
            ("channels = \"rgb\"", "channels = \"rgb\"\ndecoder = \"x\""),
            "unknown variant `x`",
        ),
    ] {
        let folder = manifest("manifest.toml", "manifest.toml", &[replaced]);
        let error = ModelPack::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("manifest.toml: "), "{error}");
        assert!(error.contains(expected), "{expected}: {error}");
    }
    // A detector without points needs a landmark network.
    let folder = manifest(
        "manifest.toml",
        "manifest.toml",
        &[("role = \"landmarks\"", "role = \"head_pose\"")],
    );
    std::os::unix::fs::symlink(
        models().join("faceplugin"),
        folder.path().join("faceplugin"),
    )
    .unwrap();
    let error = Vision::load(&ModelPack::open(folder.path()).unwrap(), 1).unwrap_err();
    assert!(error.to_string().contains("no landmark network"), "{error}");
}

#[test]
fn models_that_are_not_there_are_named_with_where_they_come_from() {
    let folder = manifest("opencv_zoo.toml", "opencv_zoo.toml", &[]);
    let pack = ModelPack::open_named(folder.path(), "opencv_zoo").unwrap();
    let error = Vision::load(&pack, 1).unwrap_err().to_string();
    for part in [
        "opencv_zoo/face_detection_yunet_2023mar.onnx",
        "put its files there by hand, from OpenCV Zoo",
        "docs/model-packs.md",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn raw_output_of_yunet_is_read_as_numpy_reads_it() {
    let text = std::fs::read_to_string(data("yunet_reference.json")).unwrap();
    let reference: Value = serde_json::from_str(&text).unwrap();
    let size: (usize, usize) = serde_json::from_value(reference["input"].clone()).unwrap();
    let said: Vec<(usize, [Vec<f32>; 4])> = reference["levels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|level| {
            let tensors = ["cls", "obj", "bbox", "kps"].map(|name| numbers(&level[name]));
            (level["stride"].as_u64().unwrap() as usize, tensors)
        })
        .collect();
    let levels: Vec<Level<'_>> = said
        .iter()
        .map(|(stride, tensors)| {
            Level::new(*stride, size, tensors.each_ref().map(Vec::as_slice)).unwrap()
        })
        .collect();
    let found = yunet::decode(&levels);
    let expected = reference["faces"].as_array().unwrap();
    assert_eq!(found.len(), expected.len());
    for (index, (face, expected)) in found.iter().zip(expected).enumerate() {
        let near = |a: f32, b: f32| assert!((a - b).abs() < 2e-3, "face {index}: {a} {b}");
        near(face.score, expected["score"].as_f64().unwrap() as f32);
        let Rect { x0, y0, x1, y1 } = face.rect;
        for (a, b) in [x0, y0, x1, y1].into_iter().zip(numbers(&expected["box"])) {
            near(a, b);
        }
        let points = expected["points"].as_array().unwrap().iter().map(numbers);
        for (point, expected) in face.points.unwrap().iter().zip(points) {
            near(point.x, expected[0]);
            near(point.y, expected[1]);
        }
    }
    let boxes: Vec<(Rect, f32)> = found.iter().map(|f| (f.rect, f.score)).collect();
    let kept: Vec<usize> = serde_json::from_value(reference["kept"].clone()).unwrap();
    assert_eq!(non_maximum_suppression(&boxes, yunet::IOU_THRESHOLD), kept);
}

/// A pack of another name whose detector is the stand-in and whose embedder is the default one.
fn stand_in_pack() -> tempfile::TempDir {
    let hash = |path: &Path| sha256_hex(&std::fs::read(path).unwrap());
    let folder = manifest(
        "opencv_zoo.toml",
        "stand_in.toml",
        &[
            (
                "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
                &hash(&data("yunet_stand_in.onnx")),
            ),
            (
                "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
                &hash(&models().join("faceplugin/fr_feature.onnx")),
            ),
            ("dimensions = 128", "dimensions = 512"),
        ],
    );
    let files = folder.path().join("opencv_zoo");
    std::fs::create_dir(&files).unwrap();
    for (from, to) in [
        (
            data("yunet_stand_in.onnx"),
            "face_detection_yunet_2023mar.onnx",
        ),
        (
            models().join("faceplugin/fr_feature.onnx"),
            "face_recognition_sface_2021dec.onnx",
        ),
    ] {
        std::os::unix::fs::symlink(from, files.join(to)).unwrap();
    }
    folder
}

/// A black frame in which the cell in this column and row of the network's input is a face to
/// the stand-in: blue and green full, red by half. `scale` is how much the frame is shrunk.
fn frame(size: (i32, i32), cell: (i32, i32), scale: i32) -> Mat {
    let mut frame =
        Mat::new_rows_cols_with_default(size.1, size.0, opencv::core::CV_8UC3, Scalar::default())
            .unwrap();
    let side = 32 * scale;
    let place = opencv::core::Rect::new(cell.0 * side, cell.1 * side, side, side);
    let colour = Scalar::new(255.0, 255.0, 127.5, 0.0);
    imgproc::rectangle(
        &mut frame,
        place,
        colour,
        imgproc::FILLED,
        imgproc::LINE_8,
        0,
    )
    .unwrap();
    frame
}

#[test]
fn the_engine_runs_a_network_of_yunets_shape_on_frames_of_any_size() {
    let folder = stand_in_pack();
    let pack = ModelPack::open_named(folder.path(), "stand_in").unwrap();
    let mut detector = Detector::load(&pack).unwrap();
    // Landscape shrunk by two and padded, a small one as it is, portrait, and back again: the
    // shape changes each time.
    for (size, cell, scale) in [
        ((640, 460), (4, 2), 2),
        ((100, 64), (1, 1), 1),
        ((480, 640), (2, 5), 2),
        ((640, 460), (0, 0), 2),
    ] {
        let found = detector.detect(&frame(size, cell, scale)).unwrap();
        let [face] = found[..] else {
            panic!("{size:?}: {found:?}")
        };
        let side = 32.0 * scale as f32;
        let (left, top) = (cell.0 as f32 * side, cell.1 as f32 * side);
        // Half of red makes the box e^0.5 as large as the cell; 127.5 is drawn as 128.
        let half = side / 2.0 * (128.0f32 / 255.0).exp();
        let near = |what, a: f32, b: f32| assert!((a - b).abs() < 0.2, "{size:?} {what}: {a} {b}");
        near("left", face.rect.x0, left + side / 2.0 - half);
        near("right", face.rect.x1, left + side / 2.0 + half);
        near("bottom", face.rect.y1, top + side / 2.0 + half);
        assert!(face.score > 0.99, "{face:?}");
        let points = face.points.unwrap();
        // Points count from pixel centres: shrunk by two they move by half a pixel.
        let shift = (scale - 1) as f32 / 2.0;
        near("eye", points[0].x, left + 0.1 * side + shift);
        near("mouth", points[4].y, top + side + shift);
    }
    // Nothing to see, nothing found.
    let blank = frame((320, 240), (99, 99), 1);
    assert_eq!(detector.detect(&blank).unwrap(), []);
}

#[test]
fn points_of_the_detector_are_enough_to_align_and_embed() {
    let folder = stand_in_pack();
    let pack = ModelPack::open_named(folder.path(), "stand_in").unwrap();
    let mut vision = Vision::load(&pack, 1).unwrap();
    let frame = frame((640, 480), (4, 2), 2);
    let detection = vision.detect(&frame).unwrap()[0];
    let face = vision.examine(&frame, detection).unwrap().unwrap();
    assert_eq!(Some(face.points), detection.points);
    assert!(face.landmarks.is_none());
    let distance = face.points[0].distance(face.points[1]);
    assert_eq!(face.quality.eye_distance_px, distance);
    let seen = vision.embed(&face).unwrap();
    assert_eq!(seen.embedding.as_slice().len(), vision.dimensions());
}

#[test]
fn an_input_that_is_not_in_whole_cells_is_refused() {
    let folder = stand_in_pack();
    let path = folder.path().join("stand_in.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("input = [1, 3, 320, 320]", "input = [1, 3, 300, 320]");
    std::fs::write(&path, text).unwrap();
    let pack = ModelPack::open_named(folder.path(), "stand_in").unwrap();
    let error = Detector::load(&pack).unwrap_err().to_string();
    assert!(error.contains("multiples of 32, not 320x300"), "{error}");
}

/// The real files, where an admin has put them.
#[test]
fn the_second_pack_tells_people_apart() {
    let pack = ModelPack::open_named(&models(), "opencv_zoo").unwrap();
    if !pack.files().iter().all(|file| pack.path_of(file).is_file()) {
        eprintln!(
            "skipped: the files of the pack opencv_zoo are not in {}; no registry has them",
            models().join("opencv_zoo").display()
        );
        return;
    }
    let mut vision = Vision::load(&pack, 2).unwrap();
    let sheet = Sheet::open().unwrap();
    let mut embed = |cell| {
        let image = still::to_bgr(&sheet.face(cell).unwrap()).unwrap();
        let (image, found) = vision.detect_in_still(image).unwrap();
        let face = vision.examine(&image, found[0]).unwrap().unwrap();
        vision.embed(&face).unwrap().embedding
    };
    let (a, b) = (embed(PERSON[0]), embed(PERSON[1]));
    let stranger = embed(STRANGERS[0]);
    let threshold = pack.calibration().threshold[0];
    assert!(a.similarity(&b) >= threshold, "{}", a.similarity(&b));
    assert!(a.similarity(&stranger) < threshold);
}

#[test]
fn all_packs_are_listed_and_what_is_there_is_verified() {
    let door = Door::new("");
    let list = door.json(&["models", "list"]);
    assert_eq!(list.len(), 2);
    assert_eq!(list[0]["name"], "faceplugin");
    assert_eq!(list[0]["configured"], true);
    assert_eq!(list[0]["files"][0]["present"], true);
    assert_eq!(list[1]["name"], "opencv_zoo");
    assert_eq!(list[1]["configured"], false);
    // Files of a pack that is not configured may be missing.
    let verified = door.json(&["models", "verify"]);
    assert_eq!(verified.len(), 2);
    assert_eq!(verified[0]["configured"], true);

    // Of the configured one they may not, and a pack that does not exist is refused.
    let text = std::fs::read_to_string(door.config()).unwrap();
    let choose = |pack: &str, models: &Path| {
        let text = text.replace("[models]\n", &format!("[models]\npack = {pack:?}\n"));
        let text = text.replace(&format!("{:?}", self::models()), &format!("{models:?}"));
        std::fs::write(door.config(), text).unwrap();
    };
    let folder = manifest("opencv_zoo.toml", "opencv_zoo.toml", &[]);
    choose("opencv_zoo", folder.path());
    let output = door.run(&["models", "verify"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("from OpenCV Zoo"),
        "{}",
        stderr(&output)
    );
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.contains("absent face_detection_yunet_2023mar.onnx"),
        "{output}"
    );
    choose("nothing", &models());
    for verb in [["models", "verify"].as_slice(), &["run"]] {
        let error = stderr(&door.run(verb));
        assert!(error.contains("no model pack \"nothing\""), "{error}");
    }
}
