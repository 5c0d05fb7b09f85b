//! What it takes to decode a still, told from its header: nothing is decoded that would take more
//! memory than a door has to spare. Pure.
//!
//! A picture's size says little about it: a file of a hundred kilobytes can hold 50 megapixels of
//! eight bytes each, and a progressive JPEG keeps all its coefficients until the last scan.

use image::ImageFormat;

/// Most memory that a still may take while it is decoded, in bytes.
pub const BUDGET: u64 = 300_000_000;
/// Pictures of more pixels are halved in width and height: no face in them needs more.
pub const HALVE_ABOVE: u64 = 25_000_000;

/// What a decoder says about a picture before it decodes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outline<'a> {
    pub(super) format: ImageFormat,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Bytes of the decoded picture, in its own colours.
    pub(super) decoded: u64,
    /// Whether that has more than a byte for each channel.
    pub(super) deep: bool,
    /// The file.
    pub(super) file: &'a [u8],
}

impl Outline<'_> {
    fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Whether the picture is halved once it is decoded.
    pub(super) fn is_halved(&self) -> bool {
        self.pixels() > HALVE_ABOVE
    }

    /// Bytes that decoding it takes at most.
    pub(super) fn needed(&self) -> u64 {
        let pixels = self.pixels();
        let kept = if self.is_halved() { pixels / 4 } else { pixels } * 3;
        let inside = match self.format {
            ImageFormat::Jpeg => coefficients(self.file),
            // Four channels and the planes that they are made of.
            ImageFormat::WebP => pixels * 5,
            // Lines only.
            _ => 0,
        };
        // RGB of one byte is taken as it is; what has more is made that first.
        let converted = if self.is_halved() {
            kept + if self.deep { pixels * 3 } else { 0 }
        } else if self.decoded == pixels * 3 {
            0
        } else {
            kept
        };
        let decoding = inside
            .saturating_add(self.decoded)
            .saturating_add(converted);
        // Then it is turned upright, and copied for OpenCV.
        let file = u64::try_from(self.file.len()).unwrap_or(u64::MAX);
        file.saturating_add(decoding.max(kept * 2))
    }
}

/// Bytes of the coefficients that a JPEG's decoder keeps: none when one scan holds everything.
fn coefficients(file: &[u8]) -> u64 {
    let mut frame: Option<Frame> = None;
    for (marker, segment) in segments(file) {
        match marker {
            // Start of a frame, of whichever kind; not the tables that lie between those numbers.
            0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => {
                frame = Frame::read(marker, segment);
            }
            // Start of the first scan: how many of the components it holds.
            0xDA => {
                let scanned = segment.first().copied().unwrap_or_default();
                return frame.map_or(0, |frame| frame.kept(usize::from(scanned)));
            }
            _ => {}
        }
    }
    0
}

struct Frame {
    in_one_go: bool,
    width: u64,
    height: u64,
    /// How finely each component is sampled, across and down.
    samplings: Vec<(u64, u64)>,
}

impl Frame {
    fn read(marker: u8, segment: &[u8]) -> Option<Self> {
        let (head, components) = segment.split_at_checked(6)?;
        let number = |at: usize| u64::from(head[at]) << 8 | u64::from(head[at + 1]);
        Some(Self {
            in_one_go: marker < 0xC2,
            height: number(1),
            width: number(3),
            samplings: components
                .as_chunks::<3>()
                .0
                .iter()
                .take(usize::from(head[5]))
                .map(|[_, sampling, _]| (u64::from(sampling >> 4), u64::from(sampling & 15)))
                .collect(),
        })
    }

    fn kept(&self, scanned: usize) -> u64 {
        if self.in_one_go && scanned >= self.samplings.len() {
            return 0;
        }
        let finest =
            |of: fn(&(u64, u64)) -> u64| self.samplings.iter().map(of).max().unwrap_or(1).max(1);
        let (across, down) = (finest(|s| s.0), finest(|s| s.1));
        // Two bytes for each, in whole blocks.
        let blocks = |side: u64, finest: u64, own: u64| side.div_ceil(8 * finest) * own * 8;
        self.samplings
            .iter()
            .map(|&(x, y)| 2 * blocks(self.width, across, x) * blocks(self.height, down, y))
            .sum()
    }
}

/// Marker and content of each segment before the first scan's data, that scan's header included.
fn segments(file: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = file.get(2..).unwrap_or_default();
    let mut over = false;
    std::iter::from_fn(move || {
        if over {
            return None;
        }
        // Markers may be padded with any number of 0xFF.
        let start = rest
            .windows(2)
            .position(|two| two[0] == 0xFF && !matches!(two[1], 0 | 0xFF))?;
        let marker = rest[start + 1];
        let after = &rest[start + 2..];
        let length = usize::from(*after.first()?) << 8 | usize::from(*after.get(1)?);
        let segment = after.get(2..length.max(2)).unwrap_or_default();
        rest = after.get(length.max(2)..).unwrap_or_default();
        over = marker == 0xDA;
        Some((marker, segment))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: (u32, u32) = (8192, 6144);

    fn outline(format: ImageFormat, size: (u32, u32), channels: u64, file: &[u8]) -> Outline<'_> {
        Outline {
            format,
            width: size.0,
            height: size.1,
            decoded: u64::from(size.0) * u64::from(size.1) * channels,
            deep: channels > 4,
            file,
        }
    }

    /// Headers of a JPEG up to its first scan.
    fn jpeg(frame: u8, size: (u32, u32), luma: u8, scanned: u8) -> Vec<u8> {
        let side = |n: u32| u16::try_from(n).unwrap().to_be_bytes();
        let mut file = vec![
            0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 0xFF, 0xC2, 0xFF, 0xFF, frame, 0, 17, 8,
        ];
        file.extend(side(size.1));
        file.extend(side(size.0));
        file.extend([3, 1, luma, 0, 2, 0x11, 1, 3, 0x11, 1]);
        file.extend([0xFF, 0xDA, 0, 12, scanned, 1, 0, 2, 0, 3, 0, 0, 63, 0]);
        file
    }

    #[test]
    fn what_is_sold_as_50_megapixels_fits() {
        let (width, height) = PHONE;
        assert_eq!(
            u64::from(width) * u64::from(height),
            super::super::MAX_PIXELS
        );
        let baseline = jpeg(0xC0, PHONE, 0x22, 3);
        for outline in [
            outline(ImageFormat::Jpeg, PHONE, 3, &baseline),
            outline(ImageFormat::Png, PHONE, 3, &[]),
            outline(ImageFormat::Png, PHONE, 4, &[]),
        ] {
            assert!(outline.is_halved());
            assert!(
                outline.needed() <= BUDGET,
                "{} {:?}",
                outline.needed(),
                outline.format
            );
        }
    }

    #[test]
    fn a_jpeg_whose_coefficients_are_kept_takes_more() {
        let (width, height) = (4096, 4096);
        let pixels = u64::from(width) * u64::from(height);
        for (file, kept) in [
            (jpeg(0xC0, (width, height), 0x22, 3), 0),
            // Progressive, with a quarter of the colours and with all.
            (jpeg(0xC2, (width, height), 0x22, 3), pixels * 3),
            (jpeg(0xC2, (width, height), 0x11, 3), pixels * 6),
            // One scan for each component.
            (jpeg(0xC1, (width, height), 0x21, 1), pixels * 4),
        ] {
            assert_eq!(coefficients(&file), kept);
        }
        assert_eq!(coefficients(&[]), 0);
        assert_eq!(coefficients(&[0xFF, 0xD8, 0xFF, 0xC2, 0, 200, 8]), 0);
    }

    #[test]
    fn eight_bytes_for_each_pixel_do_not_fit() {
        assert!(outline(ImageFormat::Png, PHONE, 8, &[]).needed() > BUDGET);
        assert!(outline(ImageFormat::Png, (12_000, 4_000), 6, &[]).needed() > BUDGET);
        assert!(outline(ImageFormat::WebP, PHONE, 4, &[]).needed() > BUDGET);
        let progressive = jpeg(0xC2, PHONE, 0x22, 3);
        assert!(outline(ImageFormat::Jpeg, PHONE, 3, &progressive).needed() > BUDGET);
    }
}
