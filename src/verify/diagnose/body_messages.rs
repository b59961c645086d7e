//! What happened to a body, in words.

use super::BodyForm;
use super::json::{Escapes, Spacing, Style};

/// What can be seen of a body that was changed in a way that cannot be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// It is empty.
    Empty,
    /// It is JSON that breaks off.
    Cut,
    /// It is compressed.
    Compressed,
    /// It holds characters that stand for what could not be read.
    Replaced,
}

impl BodyFault {
    pub(super) fn of(body: &[u8]) -> Option<Self> {
        let begins = |magic: &[u8]| body.starts_with(magic);
        if body.is_empty() {
            return Some(Self::Empty);
        }
        if begins(b"\x1f\x8b") || begins(b"\x28\xb5\x2f\xfd") {
            return Some(Self::Compressed);
        }
        let is_json = matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
        let read = serde_json::from_slice::<serde::de::IgnoredAny>(body);
        if is_json && read.is_err_and(|error| error.is_eof()) {
            return Some(Self::Cut);
        }
        let text = std::str::from_utf8(body).unwrap_or_default();
        text.contains('\u{fffd}').then_some(Self::Replaced)
    }
}

impl BodyForm {
    pub(super) fn text(self) -> String {
        match self {
            Self::LostNewline => "and the body has lost a line break at its end since".to_owned(),
            Self::GainedBlanks => {
                "and the body has gained white space at its ends since".to_owned()
            }
            Self::LostBom => "and the body has lost a byte order mark since".to_owned(),
            Self::GainedBom => "and the body has gained a byte order mark since".to_owned(),
            Self::LineEnds => "and the line ends of the body were changed since".to_owned(),
            Self::EncodedTwice => "and the body was written as a JSON text once more".to_owned(),
            Self::Base64 => "and the body was written as base64 since".to_owned(),
            Self::FormEncoded => "and the body was written as a form since".to_owned(),
            Self::Mojibake => {
                "and the body, which was UTF-8, was read in a charset of one byte and written as \
                 UTF-8 once more"
                    .to_owned()
            }
            Self::OneByteCharset => {
                "and the body, which was UTF-8, was written in a charset of one byte since"
                    .to_owned()
            }
            Self::Normalised => {
                "and the body's characters were composed or taken apart since (Unicode \
                 normalisation)"
                    .to_owned()
            }
            Self::Unsigned => "over an empty body".to_owned(),
            Self::Rewritten(style) => {
                format!(
                    "and the body was read as JSON and written anew; signed was {}",
                    style.text()
                )
            }
        }
    }
}

impl BodyFault {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Empty => "body_empty",
            Self::Cut => "body_cut",
            Self::Compressed => "body_compressed",
            Self::Replaced => "body_replaced",
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Empty => "is empty",
            Self::Cut => "is JSON that breaks off: its end is missing",
            Self::Compressed => "is compressed",
            Self::Replaced => "holds U+FFFD, which stands for what could not be read",
        }
    }

    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Empty => {
                "look for what loses the body on its way: a redirect, or a framework that has read \
                 it before it is sent on"
            }
            Self::Cut => {
                "look for what cuts the body off: a limit of a proxy, or a length counted in \
                 characters instead of bytes"
            }
            Self::Compressed => "send the body as it was signed, without compressing it",
            Self::Replaced => "look for what reads the body in another charset than UTF-8",
        }
    }
}

impl Style {
    pub(super) fn text(self) -> String {
        let mut text = match self.spacing {
            Spacing::Compact => "compact JSON".to_owned(),
            Spacing::Blanks => {
                "JSON with a blank after commas and colons, as Python writes it".into()
            }
            Spacing::Indented(width) => format!("JSON indented by {width} blanks"),
            Spacing::Tabs => "JSON indented by tabs".to_owned(),
        };
        text.push_str(match self.escapes {
            Escapes::Least => "",
            Escapes::NonAscii => ", with characters beyond ASCII escaped",
            Escapes::Slashes => ", with slashes and characters beyond ASCII escaped, as PHP does",
            Escapes::Markup => ", with angle brackets and ampersands escaped, as Go does",
        });
        text.push_str(if self.sorted { ", its keys sorted" } else { "" });
        text
    }
}
