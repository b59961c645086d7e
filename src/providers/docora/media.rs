//! What a file is, by its name and its content.

use super::images::{self, Image};
use super::{deck, path, rules, svg};

/// What is done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    /// Markdown: becomes a card.
    Card,
    /// An image that cards may show.
    Image,
    /// The description of a deck.
    Deck,
    /// Ignore rules.
    Rules,
    /// The description of the repository.
    Readme,
    /// Anything else: only noted.
    Other,
}

impl FileKind {
    /// The stored word.
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

/// What a file is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Classified {
    pub(super) kind: FileKind,
    pub(super) media_type: &'static str,
    /// For an image: what it is like.
    pub(super) image: Option<Image>,
    /// Why the file is not what its name says.
    pub(super) problem: Option<String>,
}

impl Classified {
    fn plain(kind: FileKind, media_type: &'static str) -> Self {
        Self { kind, media_type, image: None, problem: None }
    }
}

/// What a file of this name is meant to be. The name alone decides, so that a delete, which brings
/// no content, decides alike; only whether an image is one, its content says.
pub(super) fn meant(path: &str) -> FileKind {
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

/// What a file is. An image is one only if it can be read as one: a page of HTML that is called
/// `.png` must never be served as an image.
pub(super) fn quarantine_reason(path: &str, content: &[u8], text: bool) -> Classified {
    let extension = path::stem_and_extension(path).1.unwrap_or_default();
    let kind = meant(path);
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
    fn the_name_says_what_a_file_is_meant_to_be_and_an_image_must_be_one() {
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
            let media = quarantine_reason(path, content, text);
            assert_eq!((media.kind, media.media_type), expected, "{path}");
            assert_eq!(media.image.is_some(), expected.0 == FileKind::Image, "{path}");
            let is_none = meant(path) == FileKind::Image && media.kind != FileKind::Image;
            assert_eq!(media.problem.is_some(), is_none, "{path}");
        }
    }
}
