//! Reads a signature header leniently, as its sender may have meant it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::super::signature::{MAX_CANDIDATES, MAX_HEADER};
use super::{HeaderFault, HeaderFormat};
use crate::verify::{Layout, RequestHead, Scheme, Time};

/// The maximum length of a prefix.
const MAX_PREFIX: usize = 16;

/// The content of a header, read leniently.
#[derive(Debug, Default)]
pub(super) struct Reading<'h> {
    /// The timestamp, as written.
    pub(super) timestamp: Option<&'h str>,
    pub(super) macs: Vec<[u8; 32]>,
    /// How the format differs from the expected one.
    pub(super) format: Option<HeaderFormat>,
}

/// A header problem that is independent of the expected content.
pub(super) fn fault(head: &RequestHead, name: &str) -> Option<HeaderFault> {
    let mut lines = head.headers.lines(name);
    let Some(value) = lines.next() else { return Some(HeaderFault::Missing) };
    if lines.any(|other| other != value) {
        return Some(HeaderFault::Repeated);
    }
    if !value.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Some(HeaderFault::NotVisible);
    }
    value.is_empty().then_some(HeaderFault::Empty)
}

pub(super) fn read<'h>(scheme: &Scheme, head: &'h RequestHead) -> Reading<'h> {
    if head.headers.length(scheme.header) > MAX_HEADER {
        return Reading { format: Some(HeaderFormat::TooLong), ..Reading::default() };
    }
    let mut reading = match &scheme.layout {
        Layout::Pairs { time, signature } => match head.headers.elements(scheme.header) {
            Ok(Some(elements)) => read_pairs(&elements, time, signature),
            _ => return Reading::default(),
        },
        Layout::Prefixed(prefix) | Layout::MaybePrefixed(prefix) => {
            let required = matches!(scheme.layout, Layout::Prefixed(_));
            match head.headers.token(scheme.header) {
                Ok(Some(value)) => read_single(value, prefix, required),
                _ => return Reading::default(),
            }
        }
    };
    if let Time::Header(name, _) = scheme.time {
        reading.timestamp = head.headers.token(name).ok().flatten();
    }
    reading
}

/// A header with one signature.
fn read_single(value: &str, prefix: &'static str, required: bool) -> Reading<'static> {
    let stripped = value.strip_prefix(prefix);
    let (mac, mut format) = decode_leniently(stripped.unwrap_or(value));
    if stripped.is_none() && required {
        format = match format {
            None => Some(HeaderFormat::NoPrefix(prefix)),
            Some(HeaderFormat::Prefix { found, .. }) => {
                Some(HeaderFormat::Prefix { expected: Some(prefix), found })
            }
            other => other,
        };
    }
    Reading { timestamp: None, macs: mac.into_iter().collect(), format }
}

/// A header with a list.
fn read_pairs<'h>(
    elements: &[&'h str],
    time: &'static str,
    signature: &'static str,
) -> Reading<'h> {
    let mut reading = Reading::default();
    let mut times = 0;
    let mut seen = 0;
    for pair in elements.iter().take(4 * MAX_CANDIDATES) {
        let Some((key, text)) = pair.split_once('=') else {
            reading.format = Some(HeaderFormat::NoElement(signature));
            continue;
        };
        if key != key.trim() {
            reading.format = Some(HeaderFormat::Blanks);
        }
        if key.trim() == time {
            times += u32::from(reading.timestamp != Some(text));
            reading.timestamp = Some(text);
        } else if key.trim() == signature && seen < MAX_CANDIDATES {
            seen += 1;
            let (mac, format) = decode_leniently(text);
            reading.macs.extend(mac);
            reading.format = reading.format.or(format);
        }
    }
    let wrong = match (times, seen) {
        (_, 0) => Some(HeaderFormat::NoElement(signature)),
        (0, _) => Some(HeaderFormat::NoElement(time)),
        (2.., _) => Some(HeaderFormat::Twice(time)),
        _ => None,
    };
    if wrong.is_some() {
        reading.format = wrong;
    }
    reading
}

/// Decodes a MAC in any format; also returns how that differs from plain hexadecimal.
fn decode_leniently(text: &str) -> (Option<[u8; 32]>, Option<HeaderFormat>) {
    let mut mac = [0; 32];
    if hex::decode_to_slice(text, &mut mac).is_ok() {
        return (Some(mac), None);
    }
    let trimmed = text.trim_matches([' ', '"', '\'']);
    if trimmed.len() < text.len() {
        return (decode_leniently(trimmed).0, Some(HeaderFormat::Blanks));
    }
    let encodings = [
        (&STANDARD, HeaderFormat::Base64),
        (&STANDARD_NO_PAD, HeaderFormat::Base64),
        (&URL_SAFE, HeaderFormat::Base64Url),
        (&URL_SAFE_NO_PAD, HeaderFormat::Base64Url),
    ];
    for (engine, format) in encodings {
        if let Ok(bytes) = engine.decode(text)
            && let Ok(mac) = bytes.try_into()
        {
            return (Some(mac), Some(format));
        }
    }
    if let Some((prefix, rest)) = text.split_once('=')
        && is_prefix(prefix)
    {
        let found = format!("{prefix}=");
        return match decode_leniently(rest) {
            (Some(mac), None) => (Some(mac), Some(HeaderFormat::Prefix { expected: None, found })),
            (mac, format) => (mac, format),
        };
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return (None, Some(HeaderFormat::Digits(text.len())));
    }
    (None, Some(HeaderFormat::Unreadable))
}

fn is_prefix(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=MAX_PREFIX).contains(&text.len()) && text.bytes().all(fits)
}
