//! A smaller rendition of a wide image.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat};

use super::images::{Image, MAX_ALLOCATION, format, guarded, reader};

/// The JPEG quality, out of 100.
const QUALITY: u8 = 85;
/// The bytes per pixel while resizing: four 32-bit numbers.
const BYTES_PER_PIXEL: u64 = 16;

/// The size of a rendition that is `width` pixels wide; `None` if the image is not wider or cannot
/// be resized.
pub(super) fn size(image: &Image, width: u32) -> Option<(u32, u32)> {
    let (full_width, full_height) = image.size.filter(|_| image.resizable)?;
    if full_width <= width {
        return None;
    }
    let height = u64::from(full_height) * u64::from(width) / u64::from(full_width);
    let height = height.max(1);
    // The intermediate image between the two resizing passes is as wide as before and as high as
    // after.
    if u64::from(full_width) * height * BYTES_PER_PIXEL > MAX_ALLOCATION {
        return None;
    }
    Some((width, u32::try_from(height).ok()?))
}

/// Decodes and resizes an image. This is slow: run it on a blocking thread.
///
/// # Errors
/// Why there is no rendition.
pub(super) fn render(content: &[u8], (width, height): (u32, u32)) -> Result<Vec<u8>, String> {
    let format = format(content).ok_or("not an image")?;
    guarded(|| {
        let mut decoder = reader(content, format).into_decoder().map_err(|e| e.to_string())?;
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let mut image = DynamicImage::from_decoder(decoder).map_err(|e| e.to_string())?;
        image.apply_orientation(orientation);
        let image = image.resize_exact(width, height, FilterType::Triangle);
        let mut bytes = Cursor::new(Vec::new());
        let written = if format == ImageFormat::Jpeg {
            let encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
            DynamicImage::from(image.to_rgb8()).write_with_encoder(encoder)
        } else {
            image.write_to(&mut bytes, format)
        };
        written.map_err(|error| error.to_string())?;
        let bytes = bytes.into_inner();
        if bytes.len() >= content.len() {
            return Err("the rendition would not be smaller".to_owned());
        }
        Ok(bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::super::images::inspect;
    use super::super::images::tests::{claiming, encoded};
    use super::*;

    #[test]
    fn wide_image_is_resized_in_its_own_format() {
        for kind in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            let content = encoded(90, 30, kind);
            let image = inspect(&content).unwrap();
            assert_eq!(size(&image, 30), Some((30, 10)));
            let smaller = render(&content, (30, 10)).unwrap();
            let rendered = inspect(&smaller).unwrap();
            assert_eq!((rendered.media_type, rendered.size), (image.media_type, Some((30, 10))));
        }
    }

    #[test]
    fn narrow_animated_or_vector_image_has_no_rendition() {
        let image = |size, resizable| Image { media_type: "image/png", size, resizable };
        assert_eq!(size(&image(Some((30, 10)), true), 30), None);
        assert_eq!(size(&image(Some((90, 10)), false), 30), None);
        assert_eq!(size(&image(None, true), 30), None);
        assert_eq!(size(&image(Some((9000, 1)), true), 30), Some((30, 1)));
        // A few kilobytes that would need 800 MB while resizing.
        assert_eq!(size(&image(Some((50_000_000, 1)), true), 30), None);
    }

    #[test]
    fn undecodable_image_has_a_reason_instead_of_a_rendition() {
        // The header claims more than there is.
        assert!(render(&claiming(5_000, 5_000), (30, 30)).is_err());
        assert!(render(b"<html>", (30, 30)).is_err());
        let one = encoded(2, 1, ImageFormat::Png);
        assert_eq!(render(&one, (2, 1)), Err("the rendition would not be smaller".to_owned()));
    }
}
