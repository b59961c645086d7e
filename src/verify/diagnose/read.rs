//! Reading a signature header as its sender may have meant it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::super::signature::{MAX_CANDIDATES, MAX_HEADER};
use super::{HeaderFault, HeaderFormat};
use crate::verify::{Layout, RequestHead, Scheme, Time};

/// The longest prefix that is taken for one.
const MAX_PREFIX: usize = 16;

/// What a header says when it is read with good will.
#[derive(Debug, Default)]
pub(super) struct Reading<'h> {
    /// The time of signing, as it is written.
    pub(super) timestamp: Option<&'h str>,
    /// The signatures.
    pub(super) macs: Vec<[u8; 32]>,
    /// How the header differs from what is asked for.
    pub(super) spelling: Option<HeaderFormat>,
}

/// What is wrong with a header whatever it should hold.
pub(super) fn fault(head: &RequestHead, name: &str) -> Option<HeaderFault> {
    let mut lines = head.headers.lines(name);
    let Some(value) = lines.next() else { return Some(HeaderFault::Missing) };
    if lines.any(|other| other != value) {
        return Some(HeaderFault::Doubled);
    }
    if !value.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Some(HeaderFault::NotVisible);
    }
    value.is_empty().then_some(HeaderFault::Empty)
}

/// Reads the headers of a scheme.
pub(super) fn read<'h>(scheme: &Scheme, head: &'h RequestHead) -> Reading<'h> {
    if head.headers.length(scheme.header) > MAX_HEADER {
        return Reading { spelling: Some(HeaderFormat::TooLong), ..Reading::default() };
    }
    let mut reading = match &scheme.layout {
        Layout::Pairs { time, signature } => match head.headers.elements(scheme.header) {
            Ok(Some(elements)) => pairs(&elements, time, signature),
            _ => return Reading::default(),
        },
        Layout::Prefixed(prefix) | Layout::MaybePrefixed(prefix) => {
            let required = matches!(scheme.layout, Layout::Prefixed(_));
            match head.headers.token(scheme.header) {
                Ok(Some(value)) => one(value, prefix, required),
                _ => return Reading::default(),
            }
        }
    };
    if let Time::Header(name, _) = scheme.time {
        reading.timestamp = head.headers.token(name).ok().flatten();
    }
    reading
}

/// A header that holds one signature.
fn one(value: &str, prefix: &'static str, required: bool) -> Reading<'static> {
    let stripped = value.strip_prefix(prefix);
    let (mac, mut spelling) = loosely(stripped.unwrap_or(value));
    if stripped.is_none() && required {
        spelling = match spelling {
            None => Some(HeaderFormat::NoPrefix(prefix)),
            Some(HeaderFormat::Prefix { found, .. }) => {
                Some(HeaderFormat::Prefix { expected: Some(prefix), found })
            }
            other => other,
        };
    }
    Reading { timestamp: None, macs: mac.into_iter().collect(), spelling }
}

/// A header that holds a list.
fn pairs<'h>(elements: &[&'h str], time: &'static str, signature: &'static str) -> Reading<'h> {
    let mut reading = Reading::default();
    let mut times = 0;
    let mut seen = 0;
    for pair in elements.iter().take(4 * MAX_CANDIDATES) {
        let Some((key, text)) = pair.split_once('=') else {
            reading.spelling = Some(HeaderFormat::NoElement(signature));
            continue;
        };
        if key != key.trim() {
            reading.spelling = Some(HeaderFormat::Blanks);
        }
        if key.trim() == time {
            times += u32::from(reading.timestamp != Some(text));
            reading.timestamp = Some(text);
        } else if key.trim() == signature && seen < MAX_CANDIDATES {
            seen += 1;
            let (mac, spelling) = loosely(text);
            reading.macs.extend(mac);
            reading.spelling = reading.spelling.or(spelling);
        }
    }
    let wrong = match (times, seen) {
        (_, 0) => Some(HeaderFormat::NoElement(signature)),
        (0, _) => Some(HeaderFormat::NoElement(time)),
        (2.., _) => Some(HeaderFormat::Twice(time)),
        _ => None,
    };
    if wrong.is_some() {
        reading.spelling = wrong;
    }
    reading
}

/// A MAC in whatever spelling, and how that differs from hexadecimal digits alone.
fn loosely(text: &str) -> (Option<[u8; 32]>, Option<HeaderFormat>) {
    let mut mac = [0; 32];
    if hex::decode_to_slice(text, &mut mac).is_ok() {
        return (Some(mac), None);
    }
    let bare = text.trim_matches([' ', '"', '\'']);
    if bare.len() < text.len() {
        return (loosely(bare).0, Some(HeaderFormat::Blanks));
    }
    let encodings = [
        (&STANDARD, HeaderFormat::Base64),
        (&STANDARD_NO_PAD, HeaderFormat::Base64),
        (&URL_SAFE, HeaderFormat::Base64Url),
        (&URL_SAFE_NO_PAD, HeaderFormat::Base64Url),
    ];
    for (engine, spelling) in encodings {
        if let Ok(bytes) = engine.decode(text)
            && let Ok(mac) = bytes.try_into()
        {
            return (Some(mac), Some(spelling));
        }
    }
    if let Some((prefix, rest)) = text.split_once('=')
        && is_prefix(prefix)
    {
        let found = format!("{prefix}=");
        return match loosely(rest) {
            (Some(mac), None) => (Some(mac), Some(HeaderFormat::Prefix { expected: None, found })),
            (mac, spelling) => (mac, spelling),
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
