//! The kind of a file, by its name and content.

use super::images::{self, Image};
use super::{deck, path, rules, svg};

/// How a file is processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    /// Markdown, which becomes a card.
    Card,
    /// An image that cards may show.
    Image,
    /// The description of a deck.
    Deck,
    Rules,
    /// The description of the repository.
    Readme,
    /// Anything else: only recorded.
    Other,
}

impl FileKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Image => "image",
            Self::Deck => "deck",
            Self::Rules => "rules",
            Self::Readme => "readme",
            Self::Other => "other",
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Classified {
    pub(super) kind: FileKind,
    pub(super) media_type: &'static str,
    /// The properties of an image.
    pub(super) image: Option<Image>,
    /// Why the file is not what its name says.
    pub(super) problem: Option<String>,
}

impl Classified {
    fn plain(kind: FileKind, media_type: &'static str) -> Self {
        Self { kind, media_type, image: None, problem: None }
    }
}

/// The kind of a file by its name alone, so that a deletion, which has no content, gets the same
/// kind. Only images are also checked by content.
pub(super) fn kind_by_name(path: &str) -> FileKind {
    let extension = path::stem_and_extension(path).1.unwrap_or_default();
    match extension.as_str() {
        _ if rules::is_rules(path) => FileKind::Rules,
        _ if path.eq_ignore_ascii_case("readme.md") => FileKind::Readme,
        _ if path::is_about_the_repository(path) => FileKind::Other,
        _ if deck::is_deck(path) => FileKind::Deck,
        "md" => FileKind::Card,
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "svg" => FileKind::Image,
        _ => FileKind::Other,
    }
}

/// The kind of a file. An image must be readable as one: an HTML page named `.png` must never be
/// served as an image.
pub(super) fn classify(path: &str, content: &[u8], text: bool) -> Classified {
    let extension = path::stem_and_extension(path).1.unwrap_or_default();
    let kind = kind_by_name(path);
    let media_type = match kind {
        FileKind::Card | FileKind::Readme => "text/markdown",
        FileKind::Deck => "application/yaml",
        FileKind::Image => {
            let read = match extension.as_str() {
                "svg" => svg::inspect(content),
                _ => images::inspect(content),
            };
            return match read {
                Ok(image) => Classified {
                    media_type: image.media_type,
                    image: Some(image),
                    ..Classified::plain(kind, "")
                },
                Err(problem) => {
                    // Only SVG is text.
                    let media_type = unknown(text && extension == "svg");
                    let problem = Some(problem);
                    Classified { problem, ..Classified::plain(FileKind::Other, media_type) }
                }
            };
        }
        FileKind::Rules => "text/plain",
        FileKind::Other if extension == "md" => "text/markdown",
        FileKind::Other => unknown(text),
    };
    Classified::plain(kind, media_type)
}

fn unknown(text: bool) -> &'static str {
    if text { "text/plain" } else { "application/octet-stream" }
}

#[cfg(test)]
mod tests {
    use image::ImageFormat;

    use super::super::images::tests::encoded;
    use super::*;

    #[test]
    fn name_decides_the_kind_and_an_image_must_be_readable() {
        let gif = &*encoded(2, 1, ImageFormat::Gif);
        for (path, content, text, expected) in [
            ("a.GIF", gif, false, (FileKind::Image, "image/gif")),
            ("a.png", gif, false, (FileKind::Image, "image/gif")),
            ("a.png", b"<html>", true, (FileKind::Other, "application/octet-stream")),
            ("a.png", b"<html>", false, (FileKind::Other, "application/octet-stream")),
            ("a.jpg", &b""[..], true, (FileKind::Other, "application/octet-stream")),
            ("a.svg", b"<svg/>", true, (FileKind::Image, "image/svg+xml")),
            ("a.svg", b"<html>", true, (FileKind::Other, "text/plain")),
            ("a.md", b"# A", true, (FileKind::Card, "text/markdown")),
            ("README.md", b"# A", true, (FileKind::Readme, "text/markdown")),
            ("docs/readme.md", b"# A", true, (FileKind::Other, "text/markdown")),
            (".github/a.gif", gif, false, (FileKind::Other, "application/octet-stream")),
            ("a.bin", gif, false, (FileKind::Other, "application/octet-stream")),
            ("x/deck.yaml", b"a: 1", true, (FileKind::Deck, "application/yaml")),
            ("x/.lumioignore", b"", true, (FileKind::Rules, "text/plain")),
            ("md", b"", true, (FileKind::Other, "text/plain")),
        ] {
            let media = classify(path, content, text);
            assert_eq!((media.kind, media.media_type), expected, "{path}");
            assert_eq!(media.image.is_some(), expected.0 == FileKind::Image, "{path}");
            let is_rejected =
                kind_by_name(path) == FileKind::Image && media.kind != FileKind::Image;
            assert_eq!(media.problem.is_some(), is_rejected, "{path}");
        }
    }
}
