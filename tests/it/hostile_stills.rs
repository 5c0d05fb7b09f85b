//! Files that are no pictures, never end, or are small and take much memory: refused, or harmless.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use image::{ExtendedColorType, GrayImage, ImageEncoder as _, codecs::jpeg, codecs::png};

use crate::support::door::{Door, doorward, stderr};

/// Longest that a file may take, also on a machine with much to do.
const LIMIT: Duration = Duration::from_secs(60);
/// What a still may take beside what the networks do, in kB.
const BUDGET_KB: u64 = 300_000;

/// What `identify` said, and the most memory it had in kB; it is ended when it does not end.
#[track_caller]
fn identify(door: &Door, file: &Path) -> (Output, u64) {
    let mut child = doorward()
        .arg("--config")
        .arg(door.config())
        .arg("identify")
        .arg(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let (end, mut most) = (Instant::now() + LIMIT, 0);
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok());
        most = most.max(peak.unwrap_or(0));
        if child.try_wait().unwrap().is_some() {
            return (child.wait_with_output().unwrap(), most);
        }
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{} was still being read after {LIMIT:?}", file.display());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[track_caller]
fn refused(door: &Door, file: &Path, expected: &str) {
    let (output, _) = identify(door, file);
    let said = stderr(&output) + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains(expected), "{said}");
}

#[test]
fn what_is_no_regular_file_is_not_read() {
    let door = Door::new("");
    let pipe = door.path("pipe.png");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    refused(&door, &pipe, "is no regular file");
    refused(&door, Path::new("/dev/zero"), "is no regular file");
    refused(&door, &door.path(""), "is no regular file");
    // By whichever name.
    let link = door.path("link.jpg");
    std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
    refused(&door, &link, "is no regular file");
}

#[test]
fn a_file_is_read_up_to_the_limit_and_no_further() {
    let door = Door::new("");
    let long = door.path("long.jpg");
    std::fs::File::create(&long)
        .unwrap()
        .set_len(40 << 20)
        .unwrap();
    refused(&door, &long, "more than 33554432 bytes");
}

#[test]
fn a_small_file_does_not_take_much_memory() {
    let door = Door::new("");
    let small = door.path("small.png");
    GrayImage::new(64, 48).save(&small).unwrap();
    let (output, usual) = identify(&door, &small);
    assert!(usual > 0, "{}", stderr(&output));

    let large = door.path("large.png");
    let file = std::fs::File::create(&large).unwrap();
    let compressed = png::PngEncoder::new_with_quality(
        std::io::BufWriter::new(file),
        png::CompressionType::Best,
        png::FilterType::NoFilter,
    );
    let pixels = vec![127; 8000 * 6000];
    compressed
        .write_image(&pixels, 8000, 6000, ExtendedColorType::L8)
        .unwrap();
    assert!(std::fs::metadata(&large).unwrap().len() < 200_000);
    let (output, peak) = identify(&door, &large);
    let (usual, peak) = (usual / 1000, peak / 1000);
    assert!(
        peak < usual + BUDGET_KB / 1000,
        "{peak} MB, {usual} MB with a small one; {}",
        stderr(&output)
    );
}

#[test]
fn sixteen_bits_in_four_channels_are_refused_by_their_memory() {
    let door = Door::new("");
    // Nothing but the header: it is refused before there is anything to decode.
    let file = door.path("deep.png");
    let mut encoded = Vec::new();
    png::PngEncoder::new(&mut encoded)
        .write_image(&[0; 8], 1, 1, ExtendedColorType::Rgba16)
        .unwrap();
    let header = [8192_u32.to_be_bytes(), 6144_u32.to_be_bytes()].concat();
    encoded[16..24].copy_from_slice(&header);
    let check = crc32(&encoded[12..29]).to_be_bytes();
    encoded[29..33].copy_from_slice(&check);
    std::fs::write(&file, encoded).unwrap();
    refused(&door, &file, "takes 592 MB, at most 300 allowed");
}

#[test]
fn a_picture_of_50_megapixels_is_taken() {
    let door = Door::new("");
    let file = door.path("phone.jpg");
    let pixels = vec![127; 8192 * 6144];
    jpeg::JpegEncoder::new(std::io::BufWriter::new(
        std::fs::File::create(&file).unwrap(),
    ))
    .write_image(&pixels, 8192, 6144, ExtendedColorType::L8)
    .unwrap();
    let (output, _) = identify(&door, &file);
    let said = stderr(&output) + &String::from_utf8_lossy(&output.stdout);
    assert!(!said.contains("size limit"), "{said}");
    assert!(said.contains("no face"), "{said}");
}

/// As PNG has it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc: u32, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 }
        })
    })
}
