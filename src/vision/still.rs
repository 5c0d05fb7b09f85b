//! Decodes stills from users. They are untrusted: regular files only, pure-Rust decoders, limits of
//! size and memory before a pixel is decoded, and nothing accepted that is cut short.

mod budget;

use std::fs::File;
use std::io::{Cursor, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::{
    ColorType, DynamicImage, GrayAlphaImage, GrayImage, ImageDecoder, ImageFormat, ImageReader,
    Limits, RgbImage, RgbaImage,
};
use opencv::core::{Mat, MatTraitConst as _, MatTraitConstManual as _, MatTraitManual as _};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

use super::VisionError;
use super::pack::sha256_hex;
use budget::Outline;
pub use budget::{BUDGET, HALVE_ABOVE};

/// Largest file, in bytes: twice a 48-megapixel phone photo.
pub const MAX_BYTES: u64 = 32 * 1024 * 1024;
/// Largest width or height, in pixels.
pub const MAX_SIDE: u32 = 12_000;
/// Most pixels in all: what is sold as 50 megapixels.
pub const MAX_PIXELS: u64 = 8192 * 6144;

/// Why a still was refused.
#[derive(Debug, thiserror::Error)]
pub enum StillError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// A pipe, a device or a folder: nobody knows where it ends.
    #[error("is no regular file")]
    NoFile,
    /// The file is too large.
    #[error("is over the size limit: it has more than {MAX_BYTES} bytes")]
    TooManyBytes,
    /// The picture is too large.
    #[error(
        "is over the size limit: {width}x{height} pixels, at most {MAX_SIDE} a side and {MAX_PIXELS} in all allowed"
    )]
    TooManyPixels {
        /// Width.
        width: u32,
        /// Height.
        height: u32,
    },
    /// It would take too much memory.
    #[error(
        "is over the size limit: decoding it takes {} MB, at most {} allowed; save it smaller, or as an ordinary JPEG (8 bits, not progressive)",
        needed.div_ceil(1_000_000), BUDGET / 1_000_000
    )]
    TooMuchMemory {
        /// So many bytes.
        needed: u64,
    },
    /// No known format.
    #[error("is not an image (JPEG, PNG or WebP)")]
    NotAnImage,
    /// It starts like an image, and then does not go on like one.
    #[error("is truncated or damaged: {0}")]
    Damaged(String),
}

/// A decoded still.
#[derive(Debug)]
pub struct Still {
    /// Upright, 8-bit BGR.
    pub image: Mat,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// The file as it is.
    pub bytes: Vec<u8>,
}

/// Reads and decodes a file.
///
/// # Errors
/// When it cannot be read, is too large, or is no whole image.
pub fn read(path: &Path) -> Result<Still, VisionError> {
    let at = |error: StillError| VisionError::Still {
        path: path.to_owned(),
        error,
    };
    let bytes = contents(path).map_err(at)?;
    let picture = decode(&bytes).map_err(at)?;
    Ok(Still {
        image: to_bgr(&picture)?,
        sha256: sha256_hex(&bytes),
        bytes,
    })
}

/// The bytes of a regular file, never more than [`MAX_BYTES`] of them.
fn contents(path: &Path) -> Result<Vec<u8>, StillError> {
    // A pipe would be waited for, and a device may do something, when it is opened.
    if !std::fs::metadata(path)?.is_file() {
        return Err(StillError::NoFile);
    }
    let file = File::options()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
        .open(path)?;
    // It may be another one by now.
    if !file.metadata()?.is_file() {
        return Err(StillError::NoFile);
    }
    let mut bytes = Vec::new();
    // What grows while it is read, or has no size, ends too.
    let mut bounded = file.take(MAX_BYTES + 1);
    bounded.read_to_end(&mut bytes)?;
    if bounded.limit() == 0 {
        return Err(StillError::TooManyBytes);
    }
    Ok(bytes)
}

/// Decodes a whole image, upright; one of more than [`HALVE_ABOVE`] pixels to half its width and
/// height.
///
/// # Errors
/// When it is too large or no whole image.
pub fn decode(bytes: &[u8]) -> Result<RgbImage, StillError> {
    let damaged = |error: image::ImageError| StillError::Damaged(error.to_string());
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let format = reader.format().ok_or(StillError::NotAnImage)?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(BUDGET);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| match error {
        image::ImageError::Unsupported(_) => StillError::NotAnImage,
        other => damaged(other),
    })?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if width > MAX_SIDE || height > MAX_SIDE || pixels > MAX_PIXELS {
        return Err(StillError::TooManyPixels { width, height });
    }
    let outline = Outline {
        format,
        width,
        height,
        decoded: decoder.total_bytes(),
        deep: is_deep(decoder.color_type()),
        file: bytes,
    };
    let needed = outline.needed();
    if needed > BUDGET {
        return Err(StillError::TooMuchMemory { needed });
    }
    let orientation = decoder.orientation().map_err(damaged)?;
    let picture = if format == ImageFormat::Jpeg {
        DynamicImage::ImageRgb8(strict_jpeg(bytes, width, height)?)
    } else {
        DynamicImage::from_decoder(decoder).map_err(damaged)?
    };
    let mut picture = DynamicImage::ImageRgb8(if outline.is_halved() {
        halved(picture)?
    } else {
        picture.into_rgb8()
    });
    picture.apply_orientation(orientation);
    Ok(picture.into_rgb8())
}

/// Half as wide and high, each pixel the mean of four. By OpenCV, which gets decoded pixels and no
/// file: our own loop over 50 megapixels takes a minute in a build that is not optimised.
fn halved(picture: DynamicImage) -> Result<RgbImage, StillError> {
    let failed = |what: &str| StillError::Damaged(format!("it cannot be made smaller ({what})"));
    let in_opencv = |error: opencv::Error| failed(&error.message);
    let picture = if is_deep(picture.color()) {
        DynamicImage::ImageRgb8(picture.into_rgb8())
    } else {
        picture
    };
    let (width, height) = (picture.width() / 2, picture.height() / 2);
    let side = |side: u32| i32::try_from(side).unwrap_or(i32::MAX);
    let channels = i32::from(picture.color().channel_count());
    let line = Mat::from_slice(picture.as_bytes()).map_err(in_opencv)?;
    let whole = line
        .reshape(channels, side(picture.height()))
        .map_err(in_opencv)?;
    let mut small = Mat::default();
    let size = opencv::core::Size::new(side(width), side(height));
    opencv::imgproc::resize(
        &whole,
        &mut small,
        size,
        0.0,
        0.0,
        opencv::imgproc::INTER_AREA,
    )
    .map_err(in_opencv)?;
    let pixels = small.data_bytes().map_err(in_opencv)?.to_vec();
    let small = match channels {
        1 => GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8),
        2 => GrayAlphaImage::from_raw(width, height, pixels).map(DynamicImage::ImageLumaA8),
        3 => RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8),
        _ => RgbaImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgba8),
    };
    let small = small.ok_or_else(|| failed("the pixels do not fill the picture"))?;
    Ok(small.into_rgb8())
}

/// Whether a pixel has more than a byte for each channel.
fn is_deep(color: ColorType) -> bool {
    color.bytes_per_pixel() > color.channel_count()
}

/// `image` decodes JPEG leniently and fills up what is missing; a template of grey must not be.
fn strict_jpeg(bytes: &[u8], width: u32, height: u32) -> Result<RgbImage, StillError> {
    let options = DecoderOptions::new_safe()
        .set_strict_mode(true)
        .set_max_width(MAX_SIDE as usize)
        .set_max_height(MAX_SIDE as usize)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let pixels = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options)
        .decode()
        .map_err(|error| StillError::Damaged(error.to_string()))?;
    RgbImage::from_raw(width, height, pixels)
        .ok_or_else(|| StillError::Damaged("the pixels do not fill the picture".into()))
}

/// A frame, made smaller where it has more pixels.
///
/// # Errors
/// When OpenCV cannot make it smaller.
pub fn at_most(frame: Mat, pixels: f64) -> Result<Mat, VisionError> {
    let (width, height) = (f64::from(frame.cols()), f64::from(frame.rows()));
    let scale = (pixels / (width * height).max(1.0)).sqrt();
    if scale >= 1.0 {
        return Ok(frame);
    }
    let side = |side: f64| ((side * scale) as i32).max(1);
    let size = opencv::core::Size::new(side(width), side(height));
    let mut small = Mat::default();
    opencv::imgproc::resize(
        &frame,
        &mut small,
        size,
        0.0,
        0.0,
        opencv::imgproc::INTER_AREA,
    )?;
    Ok(small)
}

/// A frame as a PNG file.
///
/// # Errors
/// When it is no 8-bit BGR image.
pub fn to_png(frame: &Mat) -> Result<Vec<u8>, VisionError> {
    let mut png = Vec::new();
    match to_rgb(frame)?.write_to(&mut Cursor::new(&mut png), ImageFormat::Png) {
        Ok(()) => Ok(png),
        Err(_) => Err(VisionError::Picture),
    }
}

/// A frame as a JPEG file, at most so wide.
///
/// # Errors
/// When it is no 8-bit BGR image, or OpenCV cannot make it smaller.
pub fn to_jpeg(frame: &Mat, max_width: u16, quality: u8) -> Result<Vec<u8>, VisionError> {
    let mut small = Mat::default();
    let max_width = i32::from(max_width);
    let frame = if frame.cols() > max_width {
        let height = i64::from(frame.rows()) * i64::from(max_width) / i64::from(frame.cols());
        let size = opencv::core::Size::new(max_width, i32::try_from(height).unwrap_or(1).max(1));
        let area = opencv::imgproc::INTER_AREA;
        opencv::imgproc::resize(frame, &mut small, size, 0.0, 0.0, area)?;
        &small
    } else {
        frame
    };
    let mut jpeg = Vec::new();
    let picture = to_rgb(frame)?;
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, quality);
    match encoder.encode_image(&picture) {
        Ok(()) => Ok(jpeg),
        Err(_) => Err(VisionError::Picture),
    }
}

fn to_rgb(frame: &Mat) -> Result<RgbImage, VisionError> {
    let (bgr, _) = frame.data_bytes()?.as_chunks::<3>();
    let pixels = bgr.iter().flat_map(|[b, g, r]| [*r, *g, *b]).collect();
    let side = |n: i32| u32::try_from(n).unwrap_or(0);
    RgbImage::from_raw(side(frame.cols()), side(frame.rows()), pixels).ok_or(VisionError::Picture)
}

/// As the rest of the pipeline wants it.
///
/// # Errors
/// When OpenCV cannot allocate the image.
pub fn to_bgr(picture: &RgbImage) -> Result<Mat, VisionError> {
    let side = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let mut image = Mat::new_rows_cols_with_default(
        side(picture.height()),
        side(picture.width()),
        opencv::core::CV_8UC3,
        opencv::core::Scalar::default(),
    )?;
    let (target, _) = image.data_bytes_mut()?.as_chunks_mut::<3>();
    for (bgr, rgb) in target.iter_mut().zip(picture.pixels()) {
        *bgr = [rgb[2], rgb[1], rgb[0]];
    }
    Ok(image)
}

/// Image files of a folder, sorted by name; not recursive.
///
/// # Errors
/// When the folder cannot be read.
pub fn images_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        if EXTENSIONS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension))
            && path.is_file()
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four pixels of each kind become one, in the same colour.
    #[test]
    fn a_picture_of_any_kind_is_halved_in_its_colours() {
        let rgb = RgbImage::from_fn(4, 6, |x, _| {
            image::Rgb([200, 100, if x < 2 { 10 } else { 30 }])
        });
        let colours = DynamicImage::ImageRgb8(rgb);
        for picture in [
            colours.clone(),
            DynamicImage::ImageRgba8(colours.to_rgba8()),
            DynamicImage::ImageRgb16(colours.to_rgb16()),
        ] {
            let small = halved(picture).unwrap();
            assert_eq!(small.dimensions(), (2, 3));
            assert_eq!(small.get_pixel(0, 2).0, [200, 100, 10]);
            assert_eq!(small.get_pixel(1, 0).0, [200, 100, 30]);
        }
        // Of a line that is left over, its neighbour takes a share.
        let grey = GrayImage::from_pixel(5, 3, image::Luma([77]));
        for picture in [
            DynamicImage::ImageLuma8(grey.clone()),
            DynamicImage::ImageLumaA8(DynamicImage::ImageLuma8(grey).to_luma_alpha8()),
        ] {
            let small = halved(picture).unwrap();
            assert_eq!(small.dimensions(), (2, 1));
            assert_eq!(small.get_pixel(1, 0).0, [77; 3]);
        }
    }
}
