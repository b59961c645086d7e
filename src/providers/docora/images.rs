//! Images, identified by their content. Only the header is read; nothing is decoded.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{ImageDecoder, ImageFormat, ImageReader, Limits};

/// The maximum size of an image, in bytes.
pub(super) const MAX_BYTES: usize = 10 * 1024 * 1024;
/// The maximum number of pixels. A few kilobytes can claim billions.
const MAX_PIXELS: u64 = 50_000_000;
/// The maximum memory for decoding, in bytes.
pub(super) const MAX_ALLOCATION: u64 = 256 * 1024 * 1024;
/// The maximum length of an error message, in bytes.
const MAX_PROBLEM: usize = 300;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) media_type: &'static str,
    /// In pixels, as displayed; `None` if it is not specified.
    pub(super) size: Option<(u32, u32)>,
    /// Whether a smaller rendition is possible: a raster image that is not animated.
    pub(super) resizable: bool,
}

/// Reads the header of a JPEG, PNG, GIF or WebP.
///
/// # Errors
/// Why it is not an accepted image.
pub(super) fn inspect(content: &[u8]) -> Result<Image, String> {
    bounded(content)?;
    let format = format(content).ok_or("the content is not a JPEG, PNG, GIF or WebP image")?;
    let (size, resizable) = guarded(|| {
        let mut decoder = reader(content, format).into_decoder().map_err(|e| e.to_string())?;
        let (width, height) = decoder.dimensions();
        let pixels = u64::from(width) * u64::from(height);
        if pixels > MAX_PIXELS {
            return Err(format!("{width} × {height} pixels; limit {MAX_PIXELS}"));
        }
        if pixels == 0 {
            return Err("the image has no pixels".to_owned());
        }
        let is_rotated = is_rotated(decoder.orientation().unwrap_or(Orientation::NoTransforms));
        let size = if is_rotated { (height, width) } else { (width, height) };
        Ok((size, is_static(content, format)))
    })?;
    Ok(Image { media_type: format.to_mime_type(), size: Some(size), resizable })
}

pub(super) fn bounded(content: &[u8]) -> Result<(), String> {
    if content.len() > MAX_BYTES {
        return Err(format!("image too large: {} bytes, limit {MAX_BYTES}", content.len()));
    }
    Ok(())
}

/// The format by the first bytes.
pub(super) fn format(content: &[u8]) -> Option<ImageFormat> {
    let webp = content.starts_with(b"RIFF") && content.get(8..12) == Some(b"WEBP");
    match content {
        _ if content.starts_with(b"\x89PNG\r\n\x1a\n") => Some(ImageFormat::Png),
        _ if content.starts_with(b"\xff\xd8\xff") => Some(ImageFormat::Jpeg),
        _ if content.starts_with(b"GIF87a") || content.starts_with(b"GIF89a") => {
            Some(ImageFormat::Gif)
        }
        _ if webp => Some(ImageFormat::WebP),
        _ => None,
    }
}

/// A reader with decoding limits.
pub(super) fn reader(content: &[u8], format: ImageFormat) -> ImageReader<Cursor<&[u8]>> {
    let mut reader = ImageReader::with_format(Cursor::new(content), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_ALLOCATION);
    reader.limits(limits);
    reader
}

/// Calls a decoder. A panic in it is reported as an error of the image.
pub(super) fn guarded<T>(decode: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    let result = decoded.unwrap_or_else(|_| Err("the image decoder panicked".to_owned()));
    result.map_err(|why| {
        let why = why.replace('\0', "\u{fffd}");
        // Some decoders end their messages with a line break.
        let why = why.trim();
        why.get(..why.floor_char_boundary(MAX_PROBLEM)).unwrap_or_default().trim_end().to_owned()
    })
}

fn is_rotated(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

/// A rendition of an animation would contain only its first frame.
fn is_static(content: &[u8], format: ImageFormat) -> bool {
    match format {
        ImageFormat::Jpeg => true,
        ImageFormat::Png => PngDecoder::new(Cursor::new(content))
            .is_ok_and(|decoder| decoder.is_apng().is_ok_and(|moves| !moves)),
        ImageFormat::WebP => {
            WebPDecoder::new(Cursor::new(content)).is_ok_and(|decoder| !decoder.has_animation())
        }
        _ => false,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use image::{DynamicImage, GrayImage, RgbImage};

    use super::*;

    /// An image of this size, encoded.
    pub(in super::super) fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let image = RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([x.to_le_bytes()[0], y.to_le_bytes()[0], (x * y).to_le_bytes()[0]])
        });
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::from(image).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// A PNG whose header claims another size.
    pub(in super::super) fn claiming(width: u32, height: u32) -> Vec<u8> {
        let mut png = Cursor::new(Vec::new());
        DynamicImage::from(GrayImage::new(1, 1)).write_to(&mut png, ImageFormat::Png).unwrap();
        let mut png = png.into_inner();
        png[16..20].copy_from_slice(&width.to_be_bytes());
        png[20..24].copy_from_slice(&height.to_be_bytes());
        let sum = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&sum.to_be_bytes());
        png
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |sum, byte| {
            (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 * (sum & 1)))
        })
    }

    #[test]
    fn type_and_size_are_read_from_the_header() {
        for (format, media_type, resizable) in [
            (ImageFormat::Png, "image/png", true),
            (ImageFormat::Jpeg, "image/jpeg", true),
            (ImageFormat::Gif, "image/gif", false),
            (ImageFormat::WebP, "image/webp", true),
        ] {
            let content = encoded(7, 5, format);
            let image = inspect(&content).unwrap();
            assert_eq!(image, Image { media_type, size: Some((7, 5)), resizable });
        }
    }

    #[test]
    fn size_is_the_displayed_one() {
        let mut jpeg = encoded(7, 5, ImageFormat::Jpeg);
        // Exif: one entry, orientation 6: rotated by 90 degrees.
        let exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
        let segment = [&[0xff, 0xe1], &length[..], exif].concat();
        jpeg.splice(2..2, segment);
        assert_eq!(inspect(&jpeg).unwrap().size, Some((5, 7)));
    }

    #[test]
    fn too_many_claimed_pixels_are_rejected_without_decoding() {
        let problem = inspect(&claiming(60_000, 60_000)).unwrap_err();
        assert!(problem.starts_with("60000 × 60000 pixels"), "{problem}");
        assert_eq!(inspect(&claiming(10_000, 5_000)).unwrap().size, Some((10_000, 5_000)));
        assert!(inspect(&claiming(0, 5)).is_err());
    }

    #[test]
    fn invalid_or_truncated_image_is_rejected_with_a_reason() {
        let png = encoded(4, 4, ImageFormat::Png);
        let jpeg = encoded(4, 4, ImageFormat::Jpeg);
        for content in [
            &b""[..],
            b"<html><img></html>",
            b"\x89PNG\r\n\x1a\n",
            b"GIF89a",
            b"RIFF\0\0\0\0WEBPVP8 ",
            b"\xff\xd8\xff\xe0",
            &png[..20],
            &jpeg[..30],
            &vec![0; MAX_BYTES + 1],
        ] {
            let problem = inspect(content).unwrap_err();
            assert!(!problem.is_empty() && problem.len() <= MAX_PROBLEM, "{problem}");
        }
    }

    #[test]
    fn decoder_message_has_no_trailing_line_break() {
        let message = "no: expected 1 but found 0\n".to_owned();
        assert_eq!(guarded(|| Err::<(), _>(message)), Err("no: expected 1 but found 0".to_owned()));
    }

    #[test]
    fn decoder_panic_is_an_error_of_the_image() {
        let broken: Result<(), _> = guarded(|| panic!("index out of range"));
        assert_eq!(broken, Err("the image decoder panicked".to_owned()));
    }
}
