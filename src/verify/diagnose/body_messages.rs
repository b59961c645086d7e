//! What happened to a body, as text.

use super::BodyForm;
use super::json::{Escapes, Spacing, Style};

/// A recognisable defect of a body that cannot be reversed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    Empty,
    /// Truncated JSON.
    Cut,
    Compressed,
    /// It contains replacement characters.
    Replaced,
}

impl BodyFault {
    pub(super) fn of(body: &[u8]) -> Option<Self> {
        let starts_with = |magic: &[u8]| body.starts_with(magic);
        if body.is_empty() {
            return Some(Self::Empty);
        }
        if starts_with(b"\x1f\x8b") || starts_with(b"\x28\xb5\x2f\xfd") {
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
            Self::LostNewline => "but the body lost a trailing line break afterwards".to_owned(),
            Self::GainedBlanks => "but white space was added around the body afterwards".to_owned(),
            Self::LostBom => "but the body lost a byte order mark afterwards".to_owned(),
            Self::GainedBom => "but a byte order mark was added to the body afterwards".to_owned(),
            Self::LineEnds => "but the line endings of the body were changed afterwards".to_owned(),
            Self::EncodedTwice => "but the body was encoded as a JSON string once more".to_owned(),
            Self::Base64 => "but the body was encoded as base64 afterwards".to_owned(),
            Self::FormEncoded => "but the body was form-encoded afterwards".to_owned(),
            Self::Mojibake => {
                "but the UTF-8 body was decoded with a single-byte charset and encoded as UTF-8 \
                 again"
                    .to_owned()
            }
            Self::OneByteCharset => {
                "but the UTF-8 body was re-encoded in a single-byte charset afterwards".to_owned()
            }
            Self::Normalised => "but the body was Unicode-normalised afterwards".to_owned(),
            Self::Unsigned => "over an empty body".to_owned(),
            Self::Unknown => "but the body was changed afterwards".to_owned(),
            Self::Rewritten(style) => {
                format!(
                    "but the body was parsed and re-serialised as JSON; the signed body was {}",
                    style.text()
                )
            }
        }
    }
}

impl BodyFault {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Empty => "is empty",
            Self::Cut => "is truncated JSON",
            Self::Compressed => "is compressed",
            Self::Replaced => "contains U+FFFD (replacement characters)",
        }
    }

    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Empty => {
                "look for a redirect that drops the body, or a framework that consumes it before \
                 forwarding"
            }
            Self::Cut => {
                "look for what truncates the body: a proxy limit, or a length counted in \
                 characters instead of bytes"
            }
            Self::Compressed => "send the body as it was signed, without compressing it",
            Self::Replaced => "look for what decodes the body in a charset other than UTF-8",
        }
    }
}

impl Style {
    pub(super) fn text(self) -> String {
        let mut text = match self.spacing {
            Spacing::Compact => "compact JSON".to_owned(),
            Spacing::Blanks => {
                "JSON with a space after commas and colons, as Python writes it".into()
            }
            Spacing::Indented(width) => format!("JSON indented by {width} spaces"),
            Spacing::Tabs => "JSON indented with tabs".to_owned(),
        };
        text.push_str(match self.escapes {
            Escapes::Least => "",
            Escapes::NonAscii => ", with non-ASCII characters escaped",
            Escapes::Slashes => ", with slashes and non-ASCII characters escaped, as PHP does",
            Escapes::Markup => ", with angle brackets and ampersands escaped, as Go does",
        });
        text.push_str(if self.sorted { ", with sorted keys" } else { "" });
        text
    }
}
