//! What a file is, by its name and its first bytes. Nothing is decoded.

use super::path;

/// What is done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    /// Markdown: becomes a card.
    Card,
    /// An image that cards may show.
    Image,
    /// Anything else: only noted.
    Other,
}

impl FileKind {
    /// The stored word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Image => "image",
            Self::Other => "other",
        }
    }
}

/// Whether a file of this name is a card. The name alone decides, so that a delete, which brings
/// no content, decides alike.
pub(super) fn is_card(path: &str) -> bool {
    path::stem_and_extension(path).1.as_deref() == Some("md")
        && !path::is_about_the_repository(path)
}

/// What a file is. An image is one only if its bytes agree with its name: a page of HTML that is
/// called `.png` must never be served as an image.
pub(super) fn classify(path: &str, content: &[u8], text: bool) -> (FileKind, &'static str) {
    let extension = path::stem_and_extension(path).1.unwrap_or_default();
    if is_card(path) {
        return (FileKind::Card, "text/markdown");
    }
    match extension.as_str() {
        "png" | "jpg" | "jpeg" | "gif" | "webp" => match raster(content) {
            Some(media_type) => (FileKind::Image, media_type),
            None => (FileKind::Other, "application/octet-stream"),
        },
        // Docora sends SVG as text, like any other text.
        "svg" if begins_like_svg(content) => (FileKind::Image, "image/svg+xml"),
        "md" => (FileKind::Other, "text/markdown"),
        _ if text => (FileKind::Other, "text/plain"),
        _ => (FileKind::Other, "application/octet-stream"),
    }
}

fn raster(content: &[u8]) -> Option<&'static str> {
    let webp = content.starts_with(b"RIFF") && content.get(8..12) == Some(b"WEBP");
    match content {
        _ if content.starts_with(b"\x89PNG\r\n\x1a\n") => Some("image/png"),
        _ if content.starts_with(b"\xff\xd8\xff") => Some("image/jpeg"),
        _ if content.starts_with(b"GIF87a") || content.starts_with(b"GIF89a") => Some("image/gif"),
        _ if webp => Some("image/webp"),
        _ => None,
    }
}

fn begins_like_svg(content: &[u8]) -> bool {
    let start = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content).trim_ascii_start();
    [&b"<svg"[..], b"<?xml", b"<!--", b"<!DOCTYPE svg"].iter().any(|tag| start.starts_with(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_one_only_if_its_bytes_agree() {
        for (path, content, text, expected) in [
            ("a.png", &b"\x89PNG\r\n\x1a\nxx"[..], false, (FileKind::Image, "image/png")),
            ("a.PNG", b"\xff\xd8\xff\xe0", false, (FileKind::Image, "image/jpeg")),
            ("a.gif", b"GIF89a", false, (FileKind::Image, "image/gif")),
            ("a.webp", b"RIFF\0\0\0\0WEBPVP8 ", false, (FileKind::Image, "image/webp")),
            ("a.png", b"<html>", true, (FileKind::Other, "application/octet-stream")),
            ("a.jpg", b"", true, (FileKind::Other, "application/octet-stream")),
            ("a.svg", b" <svg xmlns=''/>", true, (FileKind::Image, "image/svg+xml")),
            ("a.svg", b"<html>", true, (FileKind::Other, "text/plain")),
            ("a.md", b"# A", true, (FileKind::Card, "text/markdown")),
            ("README.md", b"# A", true, (FileKind::Other, "text/markdown")),
            ("a.bin", b"\x89PNG\r\n\x1a\n", false, (FileKind::Other, "application/octet-stream")),
            ("deck.yaml", b"a: 1", true, (FileKind::Other, "text/plain")),
            ("md", b"", true, (FileKind::Other, "text/plain")),
        ] {
            assert_eq!(classify(path, content, text), expected, "{path}");
        }
    }
}
